"""PyTorch's address for the loader."""

from collections.abc import Iterator as _BaseDataLoaderIter  # noqa: F401

from tensorgrad.data.collating import default_collate
from tensorgrad.data.loading import DataLoader
from tensorgrad.data.working import WorkerIterator as _MultiProcessingDataLoaderIter  # noqa: F401
from tensorgrad.data.working import get_worker_info

__all__ = ["DataLoader", "default_collate", "get_worker_info"]
