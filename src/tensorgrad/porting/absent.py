"""Modules of PyTorch's that programs import and hardly ever need: their names are there, and refuse when
called.

A program may name what it takes from them, subclass it, ask whether something is an instance of it. What is
called says that it is not in tensorgrad, in a NotImplementedError; questions that have an answer get it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import tensorgrad
from tensorgrad.core import _core
from tensorgrad.core.names import refusing


def _no(*args: Any, **settings: Any) -> bool:
    return False


def _nothing(*args: Any, **settings: Any) -> None:
    return None


def _itself(given: Any, *args: Any, **settings: Any) -> Any:
    return given


def _decorator(*args: Any, **settings: Any) -> Callable:
    return _itself


def _zero(*args: Any, **settings: Any) -> int:
    return 0


_DEVICE = {
    "is_available": _no, "is_initialized": _no, "_is_in_bad_fork": _no, "is_bf16_supported": _no,
    "device_count": _zero, "empty_cache": _nothing, "manual_seed": _nothing, "manual_seed_all": _nothing,
}  # fmt: skip
_COMPILED = {
    "DisableTorchFunction": _core.Apart, "DisableTorchFunctionSubclass": _core.Apart,
    "_disabled_torch_function_impl": _core._disabled_torch_function_impl,
    "_get_autograd_fallback_mode": lambda: "nothing",
    "_get_privateuse1_backend_name": lambda: "privateuseone", "_get_tracing_state": _nothing,
    "_has_cuda": False, "_has_mps": False, "_jit_override_can_fuse_on_cpu": _nothing,
    "_jit_override_can_fuse_on_gpu": _nothing, "_jit_set_bailout_depth": _zero,
    "_jit_set_nvfuser_enabled": _no, "_jit_set_profiling_executor": _no, "_jit_set_profiling_mode": _no,
    "_jit_set_texpr_fuser_enabled": _nothing, "_log_api_usage_once": _nothing,
    "_LinAlgError": tensorgrad.linalg.LinAlgError, "_TensorBase": tensorgrad.Tensor,
    "_VariableFunctions": tensorgrad, "_linalg": tensorgrad.linalg, "_nn": tensorgrad.nn.functional,
    "_special": tensorgrad.special, "Generator": tensorgrad.Generator, "Size": tensorgrad.Size,
    "TensorBase": tensorgrad.Tensor, "device": tensorgrad.device, "dtype": tensorgrad.dtype,
}  # fmt: skip

# Addresses as patterns: what is lacking, and the answers that there are.
ABSENT: list[tuple[str, str, dict[str, Any]]] = [
    (r"fft", "complex numbers are", {}),
    (r"fx(\..*)?", "compiling a program is", {"wrap": _itself}),
    (r"onnx\..+", "compiling a program is", {}),
    (r"_inductor(\..*)?", "compiling a program is", {}),
    (r"_dynamo\..*", "compiling a program is", {"is_compiling": _no}),
    (r"(_?export|package|_higher_order_ops|utils\.mobile_optimizer)(\..*)?", "compiling a program is", {}),
    (r"jit\._\w+|jit\.(annotations|frontend|mobile)", "compiling a program is", {}),
    (
        r"_jit_internal",
        "compiling a program is",
        {
            "_copy_to_script_wrapper": _itself, "_overload": _itself, "_overload_method": _itself,
            "export": _itself, "ignore": _itself, "is_scripting": _no, "unused": _itself,
        },
    ),
    (r"(ao|quantization|nn\.(quantized|quantizable|qat|intrinsic))(\..*)?", "quantized types are", {}),
    (r"nn\.attention\.(flex_attention|bias|varlen|experimental.*)", "that kind of attention is", {}),
    (r"(nested|masked)(\..*)?", "nested and masked tensors are", {}),
    (r"sparse\.semi_structured", "that of sparse tensors is", {}),
    (
        r"distributed\.rpc(\..*)?",
        "training on several machines or processes is",
        {"is_available": _no, "api": SimpleNamespace(_require_initialized=_itself)},
    ),
    (
        r"distributed\.(_\w+|algorithms|autograd|c10d_logger|checkpoint|constants|device_mesh|distributed_c10d|"
        r"elastic|fsdp|launch|launcher|nn|optim|pipelining|rendezvous|run|tensor|utils)(\..*)?",
        "training on several machines or processes is",
        {"is_available": _no},
    ),
    (r"autograd\.forward_ad", "forward-mode derivatives are", {}),
    (r"(library|ops|classes|_ops|_custom_ops?|_classes)(\..*)?", "code that was compiled for PyTorch is", {}),
    (r"utils\.(cpp_extension|_triton)", "code that is compiled for PyTorch is", {"has_triton": _no}),
    (r"_C(\..*)?", "code that was compiled for PyTorch is", _COMPILED),
    (r"utils\._python_dispatch", "taking ops over is", {"is_traceable_wrapper_subclass": _no}),
    (r"(_subclasses|_functorch|_prims|_refs|_decomp|_guards)(\..*)?", "taking ops over is", {}),
    (r"utils\.(flop_counter|module_tracker|weak|backend_registration)", "it is", {}),
    (
        r"utils\.data\.(datapipes|graph|graph_settings)(\..*)?",
        "data pipes are",
        {"functional_datapipe": _decorator},
    ),
    (r"_tensor_str|monitor", "it is", {}),
    (r"(xpu|mps|mtia|hpu)(\..*)?", "that device is", _DEVICE),
]  # fmt: skip


class AbsentDtype:
    """A dtype that no tensor has: it can be named, and compared with those that tensors have."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_complex = name.startswith("c")
        self.is_floating_point = name.startswith("float")
        self.is_signed = not name.startswith(("u", "qu"))

    def __repr__(self) -> str:
        return f"torch.{self.name}"


def _absent(name: str) -> AbsentDtype:
    """One that says in errors, which name the type of what they got, why there is none."""
    why = "complex numbers are" if name.startswith("c") else "that dtype is"
    return type(f"{name} ({why} not in tensorgrad yet)", (AbsentDtype,), {})(name)


DTYPES = {
    name: _absent(name)
    for name in """complex32 complex64 complex128 uint16 uint32 uint64 qint8 quint8 qint32 float8_e4m3fn
    float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu""".split()
}
for _name, _short in (("complex32", "chalf"), ("complex64", "cfloat"), ("complex128", "cdouble")):
    DTYPES[_short] = DTYPES[_name]


def found_absent(address: str) -> ModuleType | None:
    """The module at torch's address if it is one of these, else None."""
    for pattern, what, answers in ABSENT:
        if re.fullmatch(pattern, address):
            return Absent(address, f"{what} not in tensorgrad yet", answers)
    return None


class Absent(ModuleType):
    """A module of which every name is there, and nothing can be called but for its ``answers``."""

    def __init__(self, address: str, why: str, answers: dict[str, Any]) -> None:
        super().__init__(f"torch.{address}", f"Not in tensorgrad: {why}.")
        self.__path__: list[str] = []
        self.__dict__.update(answers)
        self._why = why

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if self.__name__ in ("torch.ops", "torch.classes"):  # which have a namespace for every library
            return Absent(f"{self.__name__.removeprefix('torch.')}.{name}", self._why, {})
        text = f"{self.__name__}.{name}: {self._why}"
        if self.__name__.startswith("torch.ops."):
            return Overloads(text)
        kind = name.lstrip("_")[:1].isupper()
        value: Any = _class(name, text) if kind else refusing(name, NotImplementedError, text)
        setattr(self, name, value)
        return value


class Overloads:
    """An op of a library, and each of its forms: named, not called."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError(self._text)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overloads) and other._text == self._text


def _class(name: str, text: str) -> type:
    """A class of that name without instances."""
    return type(name, (), {"__init__": refusing("__init__", NotImplementedError, text), "__doc__": text})
