"""torch.nn._reduction: what programs with losses of their own import from it."""

from __future__ import annotations

from tensorgrad.ops.layers.losses import REDUCTIONS, of_flags, reduction_of


def get_enum(reduction: str) -> int:
    """The number of a reduction: none 0, mean 1, sum 2. Raises ValueError for others.

    >>> from tensorgrad.nn import _reduction
    >>> _reduction.get_enum("sum")
    2
    """
    known = "mean" if reduction == "elementwise_mean" else reduction  # as it was called in PyTorch 1.0
    return REDUCTIONS.index(reduction_of(None, None, known))


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the arguments of PyTorch's first releases mean."""
    return of_flags(size_average, reduce, 3 if emit_warning else None)


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """The same, as a number."""
    return get_enum(of_flags(size_average, reduce, 3 if emit_warning else None))
