"""DataLoader: batches out of a dataset, in order, in this process or with worker processes ahead of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sized
from typing import Any, Generic, TypeVar, cast

import tensorgrad as tg

from .collating import collator, default_collate
from .samplers import BatchSampler, RandomSampler, SequentialSampler, random_seed
from .sources import END, Indexed, IterableDataset, Source, rows_of
from .working import WorkerIterator, context_of

__all__ = ["DataLoader"]

Sample = TypeVar("Sample", covariant=True)
FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[Sample]):
    """Batches of a dataset's samples; a `for` loop over it is one pass.

    With `shuffle` every pass has a new order, which is PyTorch's for the same seed. Whole batches of a
    `TensorDataset` (or a `Subset` of one) are read with one indexing call when `collate_fn` is left out.

    `num_workers` processes fetch that many times `prefetch_factor` batches ahead, in turn, so that the order
    is that of one process; what they make comes by memory that both processes see. Each has a copy of the
    dataset, random numbers of its own (the pass has a seed, which with the worker's number seeds tensorgrad,
    `random` and NumPy) and one thread, and knows its number by `get_worker_info()`; of an `IterableDataset`
    each reads a pass of its own. An error in a worker is raised here with its traceback; of one that dies, a
    RuntimeError says how.

    Args:
        dataset: anything with `__getitem__` and `__len__`, or an `IterableDataset`.
        batch_size: samples in a batch; None gives single samples.
        shuffle: whether the order is random.
        sampler, batch_sampler: the numbers to take, or lists of them, in the place of the order above.
        collate_fn: makes a batch out of a list of samples; `default_collate` unless given.
        drop_last: leaves a last batch out that is not full.
        pin_memory: warns, as nothing here has memory of another device.
        timeout: seconds to wait for a batch from a worker; 0 waits as long as it takes.
        worker_init_fn: called with its number in each worker before the first batch.
        multiprocessing_context: how workers are started: "fork", "spawn", "forkserver" or a context of
            `multiprocessing`; the system's own unless given.
        generator: where randomness comes from; the default generator unless given.
        prefetch_factor: batches that each worker is ahead; 2 unless given.
        persistent_workers: whether workers stay for the next pass.
        in_order: False gives batches of workers out as they come.

    >>> rows = tg.utils.data.TensorDataset(tg.arange(5))
    >>> for (x,) in tg.utils.data.DataLoader(rows, batch_size=2):
    ...     print(x)
    tensor([0, 1])
    tensor([2, 3])
    tensor([4])
    """

    dataset: Any
    batch_size: Any
    sampler: Any
    batch_sampler: Any
    prefetch_factor: Any

    def __init__(
        self,
        dataset: Indexed[Sample],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing. Let num_workers > 0 to "
                "enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            for name, value in (
                ("shuffle", shuffle or None),
                ("sampler", sampler),
                ("batch_sampler", batch_sampler),
            ):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, "
                        f"but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                    "drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if iterable:
                sampler = _Forever()
            else:
                sized = cast(Sized, dataset)
                sampler = RandomSampler(sized, generator=generator) if shuffle else SequentialSampler(sized)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.collate_fn = collator(collate_fn, batch_sampler is not None)
        self._iterator: WorkerIterator | None = None
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and self.__dict__.get("_made"):
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; "
                "make a new DataLoader"
            )
        if name == "multiprocessing_context":
            value = context_of(value, self.num_workers)
        super().__setattr__(name, value)

    def __len__(self) -> int:
        dataset: Any = self.dataset
        if isinstance(dataset, IterableDataset):
            length = len(dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return length
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return len(self._numbers)

    @property
    def _numbers(self) -> Any:
        """What is iterated for the numbers to fetch: lists of them, or single ones."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned "
                "memory won't be used.",
                stacklevel=2,
            )
        if self.num_workers:
            return self._from_workers()
        numbers = iter(self._numbers)
        random_seed(self.generator)  # PyTorch's seed for workers, drawn also where there are none
        rows = self._rows()
        return self._from_rows(*rows) if rows else self._one_by_one(numbers)

    def _from_workers(self) -> Iterator:
        if not self.persistent_workers:
            return WorkerIterator(self)
        if self._iterator is None or not self._iterator.crew.open:
            self._iterator = WorkerIterator(self)
        else:
            self._iterator.begin_again()
        return self._iterator

    # ---- in this process

    def _one_by_one(self, all_numbers: Iterator) -> Iterator:
        source = Source(self.dataset, self.collate_fn, self.batch_sampler is not None, self.drop_last)
        for numbers in all_numbers:
            batch = source.take(numbers)
            if batch is END:
                return
            yield batch

    def _rows(self) -> Any:
        """What `_from_rows` needs, when a batch is nothing but rows of tensors."""
        batches = self.batch_sampler
        plain = (
            self.collate_fn is default_collate
            and type(batches) is BatchSampler
            and type(batches.sampler) in (SequentialSampler, RandomSampler)
        )
        return rows_of(self.dataset) if plain and batches.sampler.data_source is self.dataset else None

    def _from_rows(self, tensors: tuple, chosen: Any) -> Iterator:
        """Whole batches by one indexing call a tensor."""
        if chosen is None and type(self.sampler) is SequentialSampler:
            count, size = len(tensors[0]), self.batch_size
            for start in range(0, count - count % size if self.drop_last else count, size):
                yield [tensor[start : start + size].clone() for tensor in tensors]
            return
        for numbers in self._number_tensors():
            numbers = numbers if chosen is None else chosen[numbers]
            yield [tensor[numbers] for tensor in tensors]

    def _number_tensors(self) -> Iterator:
        """The sampler's numbers as one tensor a batch, drawn no earlier than one by one."""
        size, rest = self.batch_size, tg.empty(0, dtype=tg.int64)
        draws = (
            self.sampler.draws() if type(self.sampler) is RandomSampler else [tg.arange(len(self.sampler))]
        )
        for draw in draws:
            rest = tg.cat([rest, draw]) if len(rest) else draw
            while len(rest) >= size:
                yield rest[:size]
                rest = rest[size:]
        if len(rest) and not self.drop_last:
            yield rest


class _Forever:
    """Stands for the order of an iterable dataset, which has its own."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None
