"""tensorgrad: deep learning on a CPU, under PyTorch's names.

>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x ** 2).sum().backward()
>>> print(x.grad)
tensor([2., 4.])
"""

from __future__ import annotations

import importlib as _importlib
from math import e, inf, nan, pi
from typing import Any as _Any

from tensorgrad import _fitness, core, ops
from tensorgrad.core import *  # noqa: F403 - the names are in its __all__
from tensorgrad.core import device as _device
from tensorgrad.core import modes as _modes
from tensorgrad.core import subclasses as _subclasses
from tensorgrad.core import text as _text
from tensorgrad.core.device import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    jagged,
    layout,
    memory_format,
    preserve_format,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from tensorgrad.core.interop import from_dlpack, to_dlpack
from tensorgrad.core.legacy import *  # noqa: F403 - the names are in its __all__
from tensorgrad.core.limits import finfo, iinfo
from tensorgrad.core.names import missing as _missing
from tensorgrad.core.printing import get_printoptions, set_printoptions
from tensorgrad.core.settings import *  # noqa: F403 - the names are in its __all__
from tensorgrad.core.storages import TypedStorage, UntypedStorage
from tensorgrad.core.threads import get_num_threads, set_num_threads
from tensorgrad.version import __version__

_text.install()
_subclasses.install()
_modes.start_backend()
_modes.start_trap()

bool = core.bool_
half = core.float16
float = core.float32
double = core.float64
short = core.int16
int = core.int32
long = core.int64
newaxis = None

for _name, _value in ops.public("tensorgrad").items():
    globals()[_name] = _value
del _name, _value

# Loaded when they are first asked for: address -> where the name lives.
_LAZY = {
    **{
        name: f"tensorgrad.{name}"
        for name in (
            "accelerator", "amp", "autograd", "backends", "compiler", "cpu", "cuda", "data", "datasets",
            "distributed", "distributions", "doctor", "func", "futures", "hub", "io", "jit", "linalg",
            "multiprocessing", "nn", "onnx",
            "optim", "overrides", "plain", "porting", "profiler", "random", "serialization",
            "sparse", "special", "testing", "torch_version", "types", "utils",
        )  # fmt: skip
    },
    "_assert": "tensorgrad.core.settings:_assert",
    "_dynamo": "tensorgrad.compiler",
    "save": "tensorgrad.io:save",
    "load": "tensorgrad.io:load",
    "GradScaler": "tensorgrad.amp:GradScaler",
    "OutOfMemoryError": "tensorgrad.core:AllocationError",
    "as_torch": "tensorgrad.porting:as_torch",
    "autocast": "tensorgrad.amp:autocast",
    "compile": "tensorgrad.compiler:compile",
    **{name: f"tensorgrad.inside:{name}" for name in ("draw", "explain", "summary")},
    "default_generator": "tensorgrad.random:default_generator",
    "vmap": "tensorgrad.func:vmap",
    "Future": "tensorgrad.futures:Future",
    **{name: f"tensorgrad.types:{name}" for name in ("SymBool", "SymFloat", "SymInt")},
    "_amp_foreach_non_finite_check_and_unscale_": "tensorgrad.amp:_foreach_non_finite_check_and_unscale",
    **{name: f"tensorgrad.jit:{name}" for name in ("ScriptFunction", "ScriptModule")},
}


def __getattr__(name: str) -> _Any:
    where = _LAZY.get(name)
    if where is not None:
        module, _, attribute = where.partition(":")
        value = _importlib.import_module(module)
        if attribute:
            value = getattr(value, attribute)
        globals()[name] = value
        return value
    if name.startswith("_foreach_"):
        from tensorgrad.ops.lists import foreach

        value = foreach(name.removeprefix("_foreach_"))
        if value is not None:
            globals()[name] = value
            return value
    raise _missing("module 'tensorgrad'", name, __dir__())


def __dir__() -> list[str]:
    return sorted(n for n in {*globals(), *_LAZY} - {"annotations"} if not n.startswith("_"))
