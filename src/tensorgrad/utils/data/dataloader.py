"""PyTorch's address for the loader."""

from collections.abc import Iterator

from tensorgrad.data.collating import default_collate
from tensorgrad.data.loading import DataLoader
from tensorgrad.data.working import WorkerIterator, get_worker_info

__all__ = ["DataLoader", "default_collate", "get_worker_info"]

# PyTorch's names for what goes over a loader, which programs ask an iterator for.
_BaseDataLoaderIter, _MultiProcessingDataLoaderIter = Iterator, WorkerIterator
