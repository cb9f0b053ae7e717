"""Putting samples together into a batch."""

from __future__ import annotations

import collections.abc
import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor

__all__ = ["default_collate", "default_convert"]

UNKNOWN = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def default_collate(batch: Sequence) -> Any:
    """A list of samples as one sample whose tensors have the batch as their first dimension.

    Numbers and arrays become tensors, strings a list; dicts, lists, tuples and named tuples keep their form
    inside, but a plain tuple comes back as a list. Raises TypeError for a sample of another kind.

    >>> tg.utils.data.default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return tg.stack(list(batch), 0)
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SUO":
            raise TypeError(UNKNOWN.format(first.dtype))
        return tg.stack([tg.as_tensor(array) for array in batch], 0)
    if isinstance(first, (np.number, np.bool_)):
        return tg.as_tensor(np.asarray(batch))
    if isinstance(first, float):
        return tg.tensor(batch, dtype=tg.float64)
    if isinstance(first, int):
        return tg.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, collections.abc.Mapping):
        return _like(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(samples) for samples in zip(*batch)))
    if isinstance(first, collections.abc.Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                "each element in list of batch should be of equal size: their lengths are "
                f"{[len(sample) for sample in batch]}"
            )
        columns = [default_collate(samples) for samples in zip(*batch)]
        return columns if isinstance(first, tuple) else _like(first, columns)
    raise TypeError(UNKNOWN.format(type(first)))


def default_convert(data: Any) -> Any:
    """A sample with its arrays as tensors: what a loader that makes no batches does.

    >>> tg.utils.data.default_convert([np.zeros(2), 3])
    [tensor([0., 0.], dtype=tensorgrad.float64), 3]
    """
    if isinstance(data, (np.ndarray, np.number, np.bool_)):
        return data if data.dtype.kind in "SUO" else tg.as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return _like(data, [default_convert(value) for value in data])
    return data


def _like(original: Any, values: Any) -> Any:
    """The values in a container of the original's kind; a plain one where that can't be made."""
    if type(original) in (dict, list):
        return values
    try:
        if isinstance(original, collections.abc.MutableMapping):
            made = copy.copy(original)
            made.update(values)
            return made
        if isinstance(original, collections.abc.MutableSequence):
            items = copy.copy(original)
            for i, value in enumerate(values):
                items[i] = value
            return items
        return type(original)(values)
    except TypeError:  # a container with a constructor of its own, such as range
        return values


def collator(collate_fn: Callable | None, batches: bool) -> Callable:
    """The function that puts samples together: the given one, or what PyTorch takes when there is none."""
    return collate_fn or (default_collate if batches else default_convert)
