"""What a tensor says of itself, and functions of a tensor that change or name it."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable
from typing import Any

from tensorgrad.core import Tensor, _core
from tensorgrad.core.device import check_device
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.making import conversion, creation
from tensorgrad.ops.shapes import arranging, shaping, striding

# ---- methods as functions


def _as_function(method: Callable, name: str, example: str = "") -> Callable:
    """A method as a function of the tensor."""

    def call(input, *args, **kwargs):
        want_tensors(name, input=input)
        return method(input, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__wrapped__ = method  # type: ignore[attr-defined]  # for its signature
    call.__doc__ = f"``x.{name}()`` of a tensor ``x``, as a function.\n\n{example}"
    return call


FUNCTIONS = tuple(
    _as_function(method, name, example)
    for name, method, example in (
        ("zero_", conversion.zero_, ">>> tg.zero_(tg.ones(2))\ntensor([0., 0.])\n"),
        ("fill_", conversion.fill_, ">>> tg.fill_(tg.ones(2), 3)\ntensor([3., 3.])\n"),
        ("detach", Tensor.detach, ">>> tg.detach(tg.ones(2, requires_grad=True)).requires_grad\nFalse\n"),
        ("detach_", Tensor.detach_, ">>> tg.detach_(tg.ones(2) * 2).requires_grad\nFalse\n"),
        ("index_put_", indexing.index_put_, ""),
        ("resize_as_", striding.resize_as_, ""),
        ("as_strided_", Tensor.as_strided_, ""),
        ("is_same_size", conversion.is_same_size, ">>> tg.is_same_size(tg.ones(2), tg.zeros(2))\nTrue\n"),
        ("is_signed", Tensor.is_signed, ">>> tg.is_signed(tg.ones(2))\nTrue\n"),
        ("is_inference", Tensor.is_inference, ">>> tg.is_inference(tg.ones(2))\nFalse\n"),
        ("get_device", Tensor.get_device, ">>> tg.get_device(tg.ones(2))\n-1\n"),
    )
)


def detach_copy(input: Tensor) -> Tensor:
    """A copy of the values that no gradient comes back from.

    >>> tg.detach_copy(tg.ones(2, requires_grad=True))
    tensor([1., 1.])
    """
    want_tensors("detach_copy", input=input)
    return shaping.clone(input.detach())


def typename(obj: Any) -> str:
    """The name of a tensor's type, or of another object's class with its module.

    >>> tg.typename(tg.ones(2)), tg.typename([])
    ('tensorgrad.FloatTensor', 'list')
    """
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, builtins.type) else type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def is_conj(input: Tensor) -> bool:
    """False: there are no complex numbers.

    >>> tg.is_conj(tg.ones(1))
    False
    """
    want_tensors("is_conj", input=input)
    return False


def is_neg(input: Tensor) -> bool:
    """False: no tensor's values are kept with the other sign.

    >>> tg.is_neg(tg.ones(1))
    False
    """
    want_tensors("is_neg", input=input)
    return False


# ---- methods


def _changed(name: str, self: Tensor, values: Callable[[], Any]) -> Tensor:
    """Writes what a Python function made of each element; off the tape."""
    if self.requires_grad:
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        )
    _core._enter_inplace(self)
    made = creation.tensor(values(), dtype=self.dtype)
    self.detach().copy_(made.reshape(self.shape))
    return self


def apply_(self: Any, callable: Any) -> Tensor:
    """Each element replaced by what a Python function gives of it; slow, and without a gradient.

    >>> tg.tensor([1.0, 2.0]).apply_(lambda x: x + 1)
    tensor([2., 3.])
    """
    return _changed("apply_", self, lambda: [callable(x) for x in self.reshape(-1).tolist()])


def map_(self: Any, tensor: Tensor, callable: Any) -> Tensor:
    """Each element replaced by what a Python function gives of it and of that of ``tensor`` in its place.

    >>> tg.tensor([1.0, 2.0]).map_(tg.tensor([10.0, 20.0]), lambda x, y: x + y)
    tensor([11., 22.])
    """
    other = tensor.expand(self.shape).reshape(-1).tolist()
    return _changed(
        "map_", self, lambda: [callable(*each) for each in zip(self.reshape(-1).tolist(), other, strict=True)]
    )


def new(self: Any, *args: Any, device: Any = None) -> Tensor:
    """A tensor of this dtype: of data, or not set, of sizes.

    >>> tg.ones(1, dtype=tg.int64).new([2, 3])
    tensor([2, 3])
    """
    check_device(device)
    return creation.legacy_constructor(args, self.dtype)


def resize(self: Any, *sizes: Any) -> Tensor:
    """``reshape`` by an old name, which warns.

    >>> import warnings; warnings.simplefilter("ignore")
    >>> tg.arange(4).resize(2, 2).shape
    tensorgrad.Size([2, 2])
    """
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    shape = shaping.sizes_of(sizes)
    return shaping.reshape(self, shape)


def resize_as(self: Any, tensor: Tensor) -> Tensor:
    """``reshape_as`` by an old name, which warns.

    >>> tg.ones(4).resize_as(tg.ones(2, 2)).shape
    tensorgrad.Size([2, 2])
    """
    want_tensors("resize_as", self=self, tensor=tensor)
    warnings.warn("non-inplace resize_as is deprecated", stacklevel=2)
    return shaping.reshape(self, tuple(tensor.shape))


def is_set_to(self: Any, tensor: Tensor) -> bool:
    """Whether both show the same elements of the same memory in the same shape.

    >>> x = tg.ones(2); x.is_set_to(x.detach()), x.is_set_to(tg.ones(2))
    (True, False)
    """
    want_tensors("is_set_to", self=self, tensor=tensor)
    mine, other = ((t.data_ptr(), t.shape, t.stride(), t.dtype) for t in (self, tensor))
    return mine == other


def is_pinned(self: Any, device: Any = None) -> bool:
    """False: memory of the CPU needs no pinning.

    >>> tg.ones(2).is_pinned()
    False
    """
    return False


def to_dense(self: Any, dtype: Any = None, *, masked_grad: Any = None) -> Tensor:
    """The tensor itself, which is dense, or in another dtype.

    >>> tg.eye(2).to_sparse().to_dense()
    tensor([[1., 0.],
            [0., 1.]])
    """
    return self if dtype is None else self.to(dtype)


def __reversed__(self):
    """The tensor with its first dimension turned around, as `reversed` gives it."""
    return arranging.flip(self, (0,)) if self.ndim else self


for _method in (
    apply_, map_, new, resize, resize_as, is_set_to, is_pinned, to_dense, __reversed__, is_conj,
    is_neg,
):  # fmt: skip
    _core._add_method(_method.__name__, _method)
NOT_HERE = "ipu maia mkldnn mps mtia nested sparse_csr vulkan xla xpu"
for _name, _value in {"cpu": True, **dict.fromkeys(NOT_HERE.split(), False)}.items():
    _core._add_method(f"is_{_name}", _value)

PUBLIC = {"tensorgrad": (*FUNCTIONS, detach_copy, typename, is_conj, is_neg)}
