"""A module spread over devices, of which there is one."""

from tensorgrad.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
