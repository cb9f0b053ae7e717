"""Where samples come from: datasets that are indexed, and datasets that are only iterated."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, Protocol, TypeVar, cast

import tensorgrad as tg
from tensorgrad.core import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

Sample = TypeVar("Sample", covariant=True)


class Indexed(Protocol[Sample]):
    """What a type checker takes for samples by number: a `Dataset`, a list, or anything else of the kind."""

    def __getitem__(self, index: Any, /) -> Sample: ...


class Dataset(Generic[Sample]):
    """Samples by number: a subclass gives `__getitem__`, and mostly `__len__`.

    `__getitems__(indices)`, if there is one, gives a list of samples at once.

    >>> class Squares(tg.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> list(tg.utils.data.DataLoader(Squares(), batch_size=3))
    [tensor([0, 1, 4])]
    """

    def __getitem__(self, index: Any) -> Sample:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Any) -> Any:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[Sample], Iterable[Sample]):
    """Samples one after the other: a subclass gives `__iter__`.

    >>> class Countdown(tg.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> list(tg.utils.data.DataLoader(Countdown(), batch_size=2))
    [tensor([3, 2]), tensor([1])]
    """

    def __add__(self, other: Any) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """The rows of tensors of the same length, side by side.

    >>> rows = tg.utils.data.TensorDataset(tg.arange(3), tg.tensor([7, 8, 9]))
    >>> rows[1]
    (tensor(1), tensor(8))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise IndexError("TensorDataset needs at least one tensor")
        if any(len(tensor) != len(tensors[0]) for tensor in tensors):
            raise AssertionError(
                f"Size mismatch between tensors: the first sizes are {[len(tensor) for tensor in tensors]}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset):
    """Datasets of the same length side by side, as tuples or, given by name, as dicts.

    >>> tg.utils.data.StackDataset(image=[1, 2], label=["a", "b"])[1]
    {'image': 2, 'label': 'b'}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like input/output, "
                "but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in (args or kwargs.values())]
        if len(set(lengths)) > 1:
            raise ValueError(f"Size mismatch between datasets: their lengths are {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list) -> list:
        if isinstance(self.datasets, dict):
            columns = [_fetch(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, row)) for row in zip(*columns)]
        return list(zip(*(_fetch(dataset, indices) for dataset in self.datasets)))

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Sample]):
    """Datasets one behind the other.

    >>> both = tg.utils.data.ConcatDataset([[1, 2], [3]])
    >>> len(both), both[-1]
    (3, 3)
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: Any) -> Any:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """Iterable datasets one behind the other.

    >>> class Count(tg.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(2))
    >>> list(Count() + Count())
    [0, 1, 0, 1]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


class Subset(Dataset[Sample]):
    """Some samples of a dataset, by their numbers there.

    >>> tg.utils.data.Subset(["a", "b", "c"], [2, 0])[0]
    'c'
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Indexed[Sample], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        return _fetch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Indexed[Sample], lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[Sample]]:
    """Disjoint subsets of the given lengths, or of the given fractions of all samples, drawn at random.

    What rounding the fractions down leaves over goes to the first subsets, one each.

    >>> [len(part) for part in tg.utils.data.random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    total = len(cast(Sized, dataset))
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        counts: list[int] = []
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
            counts.append(math.floor(total * fraction))
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=2
                )
        lengths = counts
    if sum(lengths) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"{list(lengths)} add up to {sum(lengths)}, and there are {total} samples"
        )
    order = tg.randperm(sum(lengths), generator=generator).tolist()
    ends: Any = itertools.accumulate(lengths)
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths)]


def _fetch(dataset: Any, indices: Sequence[int]) -> list:
    """The samples of these numbers, in one call where the dataset knows how."""
    many = getattr(dataset, "__getitems__", None)
    if many is None:
        return [dataset[i] for i in indices]
    samples = many(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(samples)}"
        )
    return samples


def rows_of(dataset: Any) -> tuple[tuple[Tensor, ...], Tensor | None] | None:
    """The tensors whose rows are the dataset's samples, and which rows (None: all); None for a dataset of
    another kind.

    A subclass that says itself what a sample is is of another kind.
    """
    if (
        isinstance(dataset, TensorDataset)
        and type(dataset).__getitem__ is TensorDataset.__getitem__
        and not hasattr(dataset, "__getitems__")
    ):
        return dataset.tensors, None
    if type(dataset) is Subset:
        inner = rows_of(dataset.dataset)
        if inner is not None:
            indices = tg.tensor(list(dataset.indices), dtype=tg.int64)
            return inner[0], indices if inner[1] is None else inner[1][indices]
    return None


END = object()


class Source:
    """Batches of a dataset: of the given numbers, or the next one of an iterable dataset, which begins a pass
    when this is made.
    """

    def __init__(self, dataset: Any, collate: Callable, batched: bool, drop_last: bool):
        self.dataset, self.collate = dataset, collate
        self.batched, self.drop_last = batched, drop_last
        self.samples = iter(dataset) if isinstance(dataset, IterableDataset) else None

    def take(self, numbers: Any) -> Any:
        """The batch of these numbers; END when an iterable dataset has no more."""
        if self.samples is None:
            return self.collate(_fetch(self.dataset, numbers) if self.batched else self.dataset[numbers])
        if not self.batched:
            sample = next(self.samples, END)
            return END if sample is END else self.collate(sample)
        batch = []
        for _ in numbers:
            sample = next(self.samples, END)
            if sample is END:
                break
            batch.append(sample)
        if not batch or (len(batch) < len(numbers) and self.drop_last):
            return END
        return self.collate(batch)
