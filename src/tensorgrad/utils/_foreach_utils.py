"""What copies of PyTorch's optimizers import from torch.utils._foreach_utils."""

from __future__ import annotations

from typing import Any


def _get_fused_kernels_supported_devices() -> list[str]:
    """The CPU, whose steps are compiled."""
    return ["cpu"]


def _get_foreach_kernels_supported_devices() -> list[str]:
    """None: here ops on lists take one tensor after the other."""
    return []


def _has_foreach_support(tensors: Any, device: Any) -> bool:
    """False."""
    return False


def _device_has_foreach_support(device: Any) -> bool:
    """False."""
    return False


def _group_tensors_by_device_and_dtype(tensorlistlist: Any, with_indices: bool = False) -> dict:
    """The lists' columns in groups by the device and dtype of the first list's tensors, each with the places
    of its columns: ``{(device, dtype): (lists, places)}``.
    """
    groups: dict[Any, tuple[list, list[int]]] = {}
    full = [x or [None] * len(tensorlistlist[0]) for x in tensorlistlist]
    for place, column in enumerate(zip(*full, strict=True)):
        key = (column[0].device, column[0].dtype)
        lists, places = groups.setdefault(key, ([[] for _ in tensorlistlist], []))
        for found, each in zip(lists, column, strict=True):
            found.append(each)
        places.append(place)
    return groups
