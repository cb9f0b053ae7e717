"""torch.backends: libraries that may be asked for, none of which is there, and switches without effect."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum", "quantized"]


class _Library:
    """A library that is not there. What is set on it is kept, and means nothing."""

    def __init__(self, name: str, **switches: object) -> None:
        self._name = name
        self.__dict__.update(switches)

    def is_available(self) -> bool:
        """False.

        >>> tg.backends.mps.is_available()
        False
        """
        return False

    def is_built(self) -> bool:
        """False."""
        return False

    def version(self) -> None:
        """None."""
        return None

    def is_macos_or_newer(self, major: int, minor: int) -> bool:
        """False."""
        return False

    def get_cpu_capability(self) -> str:
        """The level of the kernels, in capitals.

        >>> tg.backends.cpu.get_cpu_capability().isupper()
        True
        """
        from tensorgrad import _kernels

        return str(_kernels.level()).upper()

    def __repr__(self) -> str:
        return f"<tensorgrad.backends.{self._name}, which is not there>"


class _CuDNN(_Library):
    @contextlib.contextmanager
    def flags(self, **switches: object) -> Iterator[None]:
        """Other switches for a `with` block.

        >>> with tg.backends.cudnn.flags(enabled=True):
        ...     tg.backends.cudnn.enabled
        True
        """
        before = dict(self.__dict__)
        self.__dict__.update(switches)
        try:
            yield
        finally:
            self.__dict__ = before


class _CUDA(_Library):
    """Its ways to compute attention, which are chosen among for a device that is not there."""

    def __init__(self, name: str, **switches: object) -> None:
        super().__init__(name, **switches)
        for way in ("flash", "mem_efficient", "math", "cudnn"):
            setattr(self, f"enable_{way}_sdp", functools.partial(self._enable, way))
            setattr(self, f"{way}_sdp_enabled", functools.partial(self._enabled, way))
        self._ways = dict.fromkeys(("flash", "mem_efficient", "math", "cudnn"), True)

    def _enable(self, way: str, enabled: bool) -> None:
        self._ways[way] = enabled

    def _enabled(self, way: str) -> bool:
        return self._ways[way]

    @contextlib.contextmanager
    def sdp_kernel(self, **ways: bool) -> Iterator[None]:
        """A `with` block, in which attention is computed as it is anyway."""
        yield


cudnn = _CuDNN("cudnn", enabled=False, deterministic=False, benchmark=False, allow_tf32=False)
cuda = _CUDA("cuda", matmul=_Library("cuda.matmul", allow_tf32=False))
opt_einsum = _Library("opt_einsum", enabled=False, strategy=None)
quantized = _Library("quantized", engine="none", supported_engines=["none"])
cpu, mps, mkl, mkldnn, nnpack, openmp = map(_Library, ("cpu", "mps", "mkl", "mkldnn", "nnpack", "openmp"))
