"""A module spread over devices, of which there is one."""

from tensorgrad.nn.parallel.data_parallel import DataParallel, DistributedDataParallel, data_parallel
from tensorgrad.nn.parallel.scatter_gather import gather, scatter

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel", "gather", "scatter"]
