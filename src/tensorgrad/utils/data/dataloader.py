"""PyTorch's address for the loader."""

from tensorgrad.data.collating import default_collate
from tensorgrad.data.loading import DataLoader
from tensorgrad.data.working import get_worker_info

__all__ = ["DataLoader", "default_collate", "get_worker_info"]
