"""torch.backends: libraries that may be asked for, none of which is there, and switches without effect."""

from __future__ import annotations

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]


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

    def __repr__(self) -> str:
        return f"<tensorgrad.backends.{self._name}, which is not there>"


cudnn = _Library("cudnn", enabled=False, deterministic=False, benchmark=False, allow_tf32=False)
cuda = _Library("cuda", matmul=_Library("cuda.matmul", allow_tf32=False))
mps, mkl, mkldnn, openmp = (_Library(name) for name in ("mps", "mkl", "mkldnn", "openmp"))
