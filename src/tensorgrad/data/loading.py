"""DataLoader: batches out of a dataset, in order, in this thread or with a few threads ahead of it."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import queue
import threading
import warnings
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import tensorgrad as tg

from .collating import collator, default_collate
from .samplers import BatchSampler, RandomSampler, SequentialSampler, random_seed
from .sources import Indexed, IterableDataset, _fetch, rows_of

__all__ = ["DataLoader", "get_worker_info"]

Sample = TypeVar("Sample", covariant=True)
FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[Sample]):
    """Batches of a dataset's samples; a `for` loop over it is one pass.

    With `shuffle` every pass has a new order, which is PyTorch's for the same seed. Whole batches of a
    `TensorDataset` (or a `Subset` of one) are read with one indexing call when `collate_fn` is left out.

    `num_workers` threads, not processes, fetch that many times `prefetch_factor` batches ahead. They share
    the dataset and the default random generator, and help where a sample waits for a disk or for code that
    releases the GIL. Each knows its number by `get_worker_info()`, and of an `IterableDataset` each reads a
    pass of its own.

    Args:
        dataset: anything with `__getitem__` and `__len__`, or an `IterableDataset`.
        batch_size: samples in a batch; None gives single samples.
        shuffle: whether the order is random.
        sampler, batch_sampler: the numbers to take, or lists of them, in the place of the order above.
        collate_fn: makes a batch out of a list of samples; `default_collate` unless given.
        drop_last: leaves a last batch out that is not full.
        generator: where randomness comes from; the default generator unless given.
        timeout: seconds to wait for a batch from a worker; 0 waits as long as it takes.
        worker_init_fn: called with its number in each worker before the first batch.

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
        if multiprocessing_context is not None and num_workers == 0:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                f"but got num_workers={num_workers}"
            )
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
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and self.__dict__.get("_made"):
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; "
                "make a new DataLoader"
            )
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
            return _Threads(self)
        seed = random_seed(self.generator)  # PyTorch's seed for its workers: drawn first, used or not
        del seed
        rows = self._rows()
        return self._from_rows(*rows) if rows else self._one_by_one()

    # ---- in this thread

    def _one_by_one(self) -> Iterator:
        source = _Source(self)
        for numbers in self._numbers:
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


END = object()


class _Source:
    """Fetches batches: by numbers, or the next one of an iterable dataset."""

    def __init__(self, loader: DataLoader) -> None:
        self.dataset, self.collate = loader.dataset, loader.collate_fn
        self.batched, self.drop_last = loader.batch_sampler is not None, loader.drop_last
        self.samples = iter(loader.dataset) if isinstance(loader.dataset, IterableDataset) else None

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


# ---------------------------------------------------------------------------- with threads


@dataclass
class WorkerInfo:
    """What a worker thread knows of itself: its number, how many there are, its seed, and the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """What the calling thread is as a worker of a `DataLoader`; None elsewhere.

    >>> tg.utils.data.get_worker_info() is None
    True
    """
    return getattr(_here, "info", None)


class _Threads:
    """A pass with worker threads: batches are asked of them in turn, and given out in that order."""

    def __init__(self, loader: DataLoader) -> None:
        seed = random_seed(loader.generator)
        self.process = os.getpid()
        self.timeout = loader.timeout or None
        self.numbers = iter(loader._numbers)
        self.tasks: list[queue.SimpleQueue] = [queue.SimpleQueue() for _ in range(loader.num_workers)]
        self.waiting: collections.deque = collections.deque()
        self.finished: set[int] = set()
        self.turn = 0
        for i, tasks in enumerate(self.tasks):
            info = WorkerInfo(i, loader.num_workers, seed + i, loader.dataset)
            threading.Thread(
                target=_work, args=(loader, info, tasks), daemon=True, name=f"DataLoader worker {i}"
            ).start()
        for _ in range(loader.num_workers * loader.prefetch_factor):
            self._ask()

    def _ask(self) -> None:
        """Gives the next worker that still has something the next numbers."""
        if len(self.finished) == len(self.tasks):
            return
        numbers = next(self.numbers, END)
        if numbers is END:
            return
        while self.turn in self.finished:
            self.turn = (self.turn + 1) % len(self.tasks)
        future: concurrent.futures.Future = concurrent.futures.Future()
        self.tasks[self.turn].put((future, numbers))
        self.waiting.append((self.turn, future))
        self.turn = (self.turn + 1) % len(self.tasks)

    def __iter__(self) -> _Threads:
        return self

    def __next__(self) -> Any:
        if self.process != os.getpid():
            raise RuntimeError(
                "this iterator of a DataLoader was made before the process was forked, and its worker "
                "threads are in the other process; begin a new pass here: iter(loader)"
            )
        while self.waiting:
            worker, future = self.waiting.popleft()
            try:
                batch = future.result(self.timeout)
            except concurrent.futures.TimeoutError:
                if future.done():  # the dataset's own TimeoutError
                    raise
                self.close()
                raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds") from None
            except StopIteration as error:  # not the end of the pass
                self.close()
                raise RuntimeError(f"DataLoader worker {worker} raised StopIteration") from error
            except BaseException:
                self.close()
                raise
            if batch is END:
                self.finished.add(worker)
            self._ask()
            if batch is not END:
                return batch
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Lets the workers end."""
        self.waiting.clear()
        for tasks in self.tasks:
            tasks.put(None)

    __del__ = close


def _work(loader: DataLoader, info: WorkerInfo, tasks: queue.SimpleQueue) -> None:
    """A worker thread: answers tasks until it is given None. An error is the answer to the task it happened
    in.
    """
    _here.info = info
    source: Any = None
    failed = None
    try:
        if loader.worker_init_fn is not None:
            loader.worker_init_fn(info.id)
        source = _Source(loader)
    except Exception as error:
        failed = error
    while (task := tasks.get()) is not None:
        future, numbers = task
        try:
            if failed is not None:
                raise failed
            future.set_result(source.take(numbers))
        except BaseException as error:
            future.set_exception(error)
