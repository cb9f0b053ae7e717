"""PyTorch's functions that make complex numbers or take them, which are not here: to be named, not called."""

from __future__ import annotations

from tensorgrad.core import _core
from tensorgrad.core.names import refusing

_WHY = "complex numbers are not in tensorgrad yet"


def _functions(*names: str) -> list:
    return [refusing(name, NotImplementedError, f"{name}: {_WHY}", _WHY) for name in names]


PUBLIC = {
    "tensorgrad": _functions(
        "complex", "imag", "istft", "polar", "stft", "view_as_complex", "view_as_real"
    ),
    "tensorgrad.linalg": _functions("eig", "eigvals"),
}  # fmt: skip

for _method in _functions("cdouble", "cfloat", "chalf", "istft", "stft"):
    _core._add_method(_method.__name__, _method)
