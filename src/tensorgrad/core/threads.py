"""How many threads the kernels use: one, in this version."""

from __future__ import annotations


def get_num_threads() -> int:
    """How many threads a kernel uses.

    >>> tg.get_num_threads()
    1
    """
    return 1


def set_num_threads(number: int) -> None:
    """Accepts any number from 1 on, as PyTorch does; kernels use one thread in this version whatever it is.

    >>> tg.set_num_threads(1)
    """
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"set_num_threads expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, not {number}")
