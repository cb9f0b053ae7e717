"""How tensors show themselves: printing.py with what it needs to know of a Tensor."""

from __future__ import annotations

from typing import Any

from tensorgrad.core import _core
from tensorgrad.core.device import CPU, strided
from tensorgrad.core.printing import format_tensor


def _name_of_grad_fn(t: Any) -> str | None:
    try:
        return None if t.grad_fn is None else t.grad_fn.name()
    except RuntimeError:        # of a view that a Function returned, after a write to its base
        return "Invalid"


def _is_own(kind: type) -> bool:
    return kind is _core.Tensor or kind.__module__.startswith("tensorgrad.")


def represent(t: Any) -> str:
    """The text of a tensor, as PyTorch prints it."""
    with _core.Apart():
        return format_tensor(
            _core._array_of(t),
            dtype=t.dtype,
            default_dtype=_core.get_default_dtype(),
            grad_fn=_name_of_grad_fn(t),
            requires_grad=t.requires_grad,
            name="tensor" if _is_own(type(t)) else type(t).__name__,
        )


def install() -> None:
    """Gives the compiled core the functions of Python that it calls."""
    from tensorgrad.core.trap import blame, judge
    from tensorgrad.ops.making.creation import legacy_constructor

    _core._install(
        legacy_constructor=legacy_constructor,
        represent=represent,
        cpu=CPU,
        strided_layout=strided,
        judge=judge,
        blame=blame,
    )
