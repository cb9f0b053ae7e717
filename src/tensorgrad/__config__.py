"""torch.__config__: how the library was built, in words."""

from __future__ import annotations

from tensorgrad import _kernels
from tensorgrad.core import get_backend
from tensorgrad.core.threads import get_num_threads
from tensorgrad.version import __version__


def show() -> str:
    """The version, and how ops are computed."""
    kernels = f"CPU kernels of level {_kernels.level()}"
    return f"tensorgrad {__version__}\n  - backend {get_backend()}, {kernels}\n"


def parallel_info() -> str:
    """How many threads compute."""
    return f"tensorgrad::get_num_threads() : {get_num_threads()}\n"
