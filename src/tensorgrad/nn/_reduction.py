"""torch.nn._reduction: what programs with losses of their own import from it."""

from __future__ import annotations

import warnings

NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The number of a reduction: none 0, mean 1, sum 2. Raises ValueError for others."""
    if reduction not in NUMBERS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return NUMBERS[reduction]


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the arguments of PyTorch's first releases mean."""
    kept = reduce is False
    found = "none" if kept else "sum" if size_average is False else "mean"
    if emit_warning:
        warnings.warn(f"size_average and reduce are deprecated: use reduction={found!r}", stacklevel=3)
    return found


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """The same, as a number."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
