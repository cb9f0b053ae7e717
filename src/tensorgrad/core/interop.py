"""NumPy's functions on tensors: they run tensorgrad's op of the same meaning, so that gradients flow.

`__array_ufunc__` serves `np.sin(t)` and `array + t`, `__array_function__` serves `np.concatenate([t, u])` and
its kin. What has no op here runs in NumPy on the tensors' arrays, unless a gradient would be lost: that is
refused.

Of tensors that need no gradient a function gives what it gives of PyTorch's: a tensor where NumPy calls the
argument's own method (`np.sum`, `np.reshape`), else an array (`np.concatenate`, `np.where`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, promote_types
from tensorgrad.core.declare import aliases, registry

# Names under which NumPy and PyTorch know the same thing differently.
_UFUNCS = {
    "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "power": "pow",
    "negative": "neg",
    "absolute": "abs", "fabs": "abs", "arccos": "acos", "arcsin": "asin", "arctan": "atan",
    "arctan2": "atan2", "arccosh": "acosh",
    "arcsinh": "asinh", "arctanh": "atanh", "rint": "round", "equal": "eq", "not_equal": "ne", "less": "lt",
    "less_equal": "le",
    "greater": "gt", "greater_equal": "ge", "invert": "bitwise_not", "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift", "float_power": "float_power", "mod": "remainder",
    "remainder": "remainder",
    "degrees": "rad2deg", "radians": "deg2rad", "conjugate": "conj",
}  # fmt: skip

# A ufunc's method as an op: np.add.reduce(t) is a sum.
_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "amax",
    "minimum": "amin",
    "logical_and": "all",
    "logical_or": "any",
}

# Functions whose arguments have the same names and order, up to axis / dim and keepdims / keepdim.
_FUNCTIONS = {
    "sum": "sum", "mean": "mean", "prod": "prod", "amax": "amax", "amin": "amin", "max": "amax",
    "min": "amin", "all": "all",
    "any": "any", "argmax": "argmax", "argmin": "argmin", "cumsum": "cumsum", "cumprod": "cumprod",
    "concatenate": "cat",
    "stack": "stack", "hstack": "hstack", "vstack": "vstack", "dstack": "dstack",
    "column_stack": "column_stack",
    "squeeze": "squeeze", "expand_dims": "unsqueeze", "moveaxis": "movedim", "swapaxes": "swapaxes",
    "ravel": "ravel",
    "reshape": "reshape", "broadcast_to": "broadcast_to", "flip": "flip", "fliplr": "fliplr",
    "flipud": "flipud", "rot90": "rot90",
    "roll": "roll", "tile": "tile", "tril": "tril", "triu": "triu", "diag": "diag", "diagonal": "diagonal",
    "diagflat": "diagflat",
    "trace": "trace", "where": "where", "clip": "clamp", "matmul": "matmul", "inner": "inner",
    "outer": "outer",
    "vdot": "vdot", "tensordot": "tensordot", "kron": "kron", "cross": "cross",
    "take_along_axis": "take_along_dim",
    "copy": "clone",
    "nan_to_num": "nan_to_num", "isclose": "isclose", "count_nonzero": "count_nonzero",
    "atleast_1d": "atleast_1d",
    "atleast_2d": "atleast_2d", "atleast_3d": "atleast_3d", "meshgrid": "meshgrid", "nonzero": "nonzero",
    "argwhere": "argwhere",
    "nansum": "nansum", "nanmean": "nanmean", "logaddexp": "logaddexp", "sinc": "sinc",
    "array_split": "tensor_split",
}  # fmt: skip

# Functions by which NumPy calls a method of their argument.
_METHODS = {
    "sum", "prod", "any", "all", "max", "amax", "min", "amin", "mean", "std", "var", "take", "reshape",
    "repeat", "swapaxes", "transpose", "permute_dims", "argsort", "argmax", "argmin", "squeeze", "nonzero",
    "clip", "cumsum", "cumprod", "round", "around", "split", "array_split", "shape", "ndim", "size",
    "array2string", "array_repr", "array_str",
}  # fmt: skip

# Ops that want tensors of one dtype, where NumPy promotes; ops that want tensors where NumPy takes numbers.
_ONE_DTYPE = {"matmul", "dot", "inner", "outer", "vdot", "tensordot", "kron", "einsum", "cross"}
_NO_NUMBERS = {
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "nextafter",
    "copysign",
    "heaviside",
}

_KEYWORDS = {
    "axis": "dim", "keepdims": "keepdim", "a_min": "min", "a_max": "max", "newshape": "shape",
    "arr": "input", "ary": "input",
    "array": "input", "fill_value": "fill_value", "shift": "shifts", "reps": "dims",
}  # fmt: skip


def _op(name: str) -> Any:
    found = registry.get(name)
    return found if found is not None else aliases.get("tensorgrad", {}).get(name)


def _tensor_of(value: Any) -> Any:
    """Arrays as tensors; everything else as it is."""
    if isinstance(value, np.ndarray):
        return _core._copy_of_array(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return type(value)(_tensor_of(each) for each in value)
    return value


def _arguments(name: str, args: Any) -> list:
    """Positional arguments as the op of that name wants them."""
    args = [_tensor_of(each) for each in args]
    if name in _NO_NUMBERS:
        args = [
            _core._copy_of_array(np.asarray(each)) if isinstance(each, (bool, int, float)) else each
            for each in args
        ]
    if name in _ONE_DTYPE:
        together = None
        for each in args:
            if isinstance(each, Tensor):
                together = each.dtype if together is None else promote_types(together, each.dtype)
        args = [
            each.to(together) if isinstance(each, Tensor) and each.dtype is not together else each
            for each in args
        ]
    return args


def _array_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, (list, tuple)):
        return type(value)(_array_of(each) for each in value)
    return value


def _wants_gradient(value: Any) -> bool:
    if isinstance(value, Tensor):
        return _core.is_grad_enabled() and value.requires_grad
    return isinstance(value, (list, tuple)) and any(_wants_gradient(each) for each in value)


def _recorded(value: Any) -> bool:
    """Whether there are tensors that require a gradient in an argument."""
    if isinstance(value, Tensor):
        return value.requires_grad
    return isinstance(value, (list, tuple)) and any(_recorded(each) for each in value)


def _wrapped(found: Any) -> Any:
    if isinstance(found, np.ndarray):
        return _core._copy_of_array(found) if found.dtype.kind in "biuf" else found
    if isinstance(found, tuple):
        return tuple(_wrapped(each) for each in found)
    if isinstance(found, list):
        return [_wrapped(each) for each in found]
    return found


def _in_numpy(name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
    """What has no op: NumPy's own function on the arrays, where no gradient is lost by it."""
    if _wants_gradient(args) or _wants_gradient(tuple(kwargs.values())):
        raise TypeError(
            f"np.{name}() has no op in tensorgrad that could carry the gradient of its arguments. Use "
            "tensorgrad's own functions, or give it x.detach()."
        )
    return _wrapped(_on_arrays(function, args, kwargs))


def _on_arrays(function: Callable, args: tuple, kwargs: dict) -> Any:
    return function(*_array_of(args), **{key: _array_of(value) for key, value in kwargs.items()})


def _into(out: Any, found: Any) -> Any:
    """The result written into ``out=``, a tensor or an array."""
    if out is None:
        return found
    target = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if isinstance(target, Tensor):
        return _core._write_out(target, found)
    if isinstance(target, np.ndarray):
        np.copyto(target, found.numpy(), casting="same_kind")
        return target
    raise TypeError(f"out= must be a Tensor or an array, not {type(target).__name__}")


def array_ufunc(
    self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
) -> Any:
    """``np.sin(t)``, ``array + t``: the op of the same meaning; of a ufunc's methods, ``reduce`` where there
    is such an op.
    """
    name = ufunc.__name__
    if method == "reduce":
        op = _op(_REDUCTIONS.get(name, ""))
        if op is not None and len(inputs) == 1 and not set(kwargs) - {"axis", "keepdims"}:
            axis = kwargs.get("axis", 0)
            found = op(
                inputs[0], keepdim=kwargs.get("keepdims", False), **({} if axis is None else {"dim": axis})
            )
            return _into(out, found)
    elif method == "__call__":
        if kwargs.get("where") is True:
            kwargs.pop("where")
        op = _op(_UFUNCS.get(name, name))
        if op is not None and not kwargs:
            given = _arguments(op.__name__, inputs)
            if op.__name__ == "floor_divide" and not isinstance(given[0], Tensor):
                return _into(out, given[0] // given[1])     # the operator takes a number first
            return _into(out, op(*given))
    if out is not None:
        raise TypeError(f"np.{name}: out= goes only with the ufuncs that tensorgrad has an op for")
    function = ufunc if method == "__call__" else getattr(ufunc, method)
    if method == "at" and isinstance(inputs[0], Tensor):
        raise TypeError(
            f"np.{name}.at() would write behind the tape's back; use index_put_(..., accumulate=True) or "
            f"scatter_add_()"
        )
    return _in_numpy(name if method == "__call__" else f"{name}.{method}", function, inputs, kwargs)


def array_function(self: Tensor, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
    """``np.concatenate([t, u])`` and its kin: the op of the same meaning."""
    name = function.__name__
    values = (*args, *kwargs.values())
    own = name in _METHODS or function.__module__ != "numpy" or isinstance(kwargs.get("out"), Tensor)
    if not own and not any(_recorded(each) for each in values):
        return _on_arrays(function, args, kwargs)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(*args, **kwargs)
    op = _op(_FUNCTIONS.get(name, ""))
    if op is not None and getattr(function, "__module__", "numpy") in ("numpy", None):
        out = kwargs.pop("out", None)
        given = {}
        for key, value in kwargs.items():
            if value is np._NoValue or (value is None and key in ("axis", "dtype", "initial", "where")):
                continue
            given[_KEYWORDS.get(key, key)] = _tensor_of(value)
        if "dtype" in given:
            given["dtype"] = _dtype(given["dtype"])
        positional = _arguments(op.__name__, args)
        while positional and positional[-1] is None:
            positional.pop()
        return _into(out, op(*positional, **given))
    return _in_numpy(name, function, args, kwargs)


def _dtype(wanted: Any) -> Any:
    return wanted if isinstance(wanted, _core.dtype) else _core.dtype_of_numpy(np.dtype(wanted))


def _transpose(a, axes=None):
    return registry["permute"](a, tuple(range(a.ndim - 1, -1, -1)) if axes is None else tuple(axes))


def _var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, **ignored):
    return _into(out, registry["var"](a, dim=axis, correction=ddof, keepdim=bool(keepdims)))


def _std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, **ignored):
    return _into(out, registry["std"](a, dim=axis, correction=ddof, keepdim=bool(keepdims)))


def _take(a, indices, axis=None, out=None, mode="raise"):
    indices = indices if isinstance(indices, Tensor) else _core._copy_of_array(np.asarray(indices, np.int64))
    if axis is None:
        return _into(out, registry["take"](a, indices))
    found = registry["index_select"](a, axis, indices.reshape(-1))
    axis = axis % a.ndim
    return _into(out, found.reshape(*a.shape[:axis], *indices.shape, *a.shape[axis + 1 :]))


def _repeat(a, repeats, axis=None):
    return registry["repeat_interleave"](
        a, _tensor_of(np.asarray(repeats)) if not isinstance(repeats, (int, Tensor)) else repeats, axis
    )


def _sort(a, axis=-1, kind=None, order=None, *, stable=None):
    return registry["sort"](a if axis is not None else a.reshape(-1), -1 if axis is None else axis)[0]


def _argsort(a, axis=-1, kind=None, order=None, *, stable=None):
    return registry["sort"](a if axis is not None else a.reshape(-1), -1 if axis is None else axis)[1]


def _append(arr, values, axis=None):
    arr, values = _as_tensor(arr), _as_tensor(values)
    return (
        registry["cat"]([arr.reshape(-1), values.reshape(-1)], 0)
        if axis is None
        else registry["cat"]([arr, values], axis)
    )


def _as_tensor(value):
    return value if isinstance(value, Tensor) else _core._copy_of_array(np.asarray(value))


def _einsum(subscripts, *operands, **kwargs):
    return registry["einsum"](subscripts, *_arguments("einsum", operands))


def _dot(a, b, out=None):
    a, b = _arguments("dot", (_as_tensor(a), _as_tensor(b)))
    if a.ndim == 0 or b.ndim == 0:
        return _into(out, a * b)
    if a.ndim <= 2 and b.ndim <= 2:
        return _into(out, registry["matmul"](a, b))
    return _into(out, registry["tensordot"](a, b, ([a.ndim - 1], [max(b.ndim - 2, 0)])))


def _like(fill):
    def make(a, *args, **kwargs):
        return _wrapped(fill(_plain(a), *args, **kwargs))

    return make


def _split(ary, indices_or_sections, axis=0):
    if isinstance(indices_or_sections, int) and ary.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return list(registry["tensor_split"](ary, indices_or_sections, axis))


def _allclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return np.allclose(_plain(a), _plain(b), rtol, atol, equal_nan)


def _array_equal(a1, a2, equal_nan=False):
    return np.array_equal(_plain(a1), _plain(a2), equal_nan)


def _plain(value):
    """For questions that have no gradient anyway."""
    return value.detach().numpy() if isinstance(value, Tensor) else value


def _shape(a):
    return tuple(a.shape)


def _ndim(a):
    return a.ndim


def _size(a, axis=None):
    return a.numel() if axis is None else a.shape[axis]


def _array_text(a, *args, **kwargs):
    return str(a)


def _running(name):
    def run(a, axis=None, dtype=None, out=None):
        found = registry[name](a.reshape(-1) if axis is None else a, 0 if axis is None else axis)
        return _into(out, found if dtype is None else found.to(_dtype(dtype)))

    return run


def _flip(m, axis=None):
    axes = tuple(range(m.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return registry["flip"](m, axes)


_SPECIAL = {
    "cumsum": _running("cumsum"), "cumprod": _running("cumprod"), "flip": _flip,
    "transpose": _transpose, "permute_dims": _transpose, "var": _var, "std": _std, "take": _take,
    "repeat": _repeat, "sort": _sort,
    "argsort": _argsort, "dot": _dot, "zeros_like": _like(np.zeros_like), "ones_like": _like(np.ones_like),
    "empty_like": _like(np.empty_like), "full_like": _like(np.full_like), "append": _append,
    "einsum": _einsum, "split": _split, "allclose": _allclose, "array_equal": _array_equal,
    "shape": _shape, "ndim": _ndim, "size": _size, "array2string": _array_text, "array_repr": _array_text,
    "array_str": _array_text,
}  # fmt: skip


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of an array of any library that speaks DLPack.

    >>> a = np.arange(3.0); t = tg.from_dlpack(a); a[0] = 7; t
    tensor([7., 1., 2.], dtype=tensorgrad.float64)
    """
    capsule = _capsule_of(ext_tensor)
    brains = _core._bfloat16_as_integers(capsule)
    array = np.from_dlpack(_Capsule(capsule))
    if not array.flags.writeable and OLD_DLPACK:
        array = np.asarray(_Writable(array))
    made = _core._from_bits(array) if brains else _core.from_numpy(array)
    return made.clone() if copy else made


def _capsule_of(ext_tensor: Any) -> Any:
    """The capsule that an object exports, in the newest form that both sides know; a bare one as it is."""
    if not hasattr(ext_tensor, "__dlpack__"):
        return ext_tensor
    if OLD_DLPACK:
        return ext_tensor.__dlpack__()
    try:
        return ext_tensor.__dlpack__(max_version=(1, 0))
    except TypeError:           # of an array library from before 2024
        return ext_tensor.__dlpack__()


# NumPy before 2.1 does not see what DLPack says of writing, and takes all foreign memory for read-only.
OLD_DLPACK = np.lib.NumpyVersion(np.__version__) < "2.1.0"


class _Writable:
    """An array's memory, to be written to."""

    def __init__(self, array: np.ndarray):
        self.array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}


class _Capsule:
    """A bare DLPack capsule, which NumPy takes only from an object that has one."""

    def __init__(self, capsule: Any):
        self.capsule = capsule

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory, for ``from_dlpack`` of any library.

    >>> tg.from_dlpack(tg.to_dlpack(tg.ones(2)))
    tensor([1., 1.])
    """
    return tensor.__dlpack__()


_core._add_method("__array_ufunc__", array_ufunc)
_core._add_method("__array_function__", array_function)
_core._add_method("__array_priority__", 1000)
