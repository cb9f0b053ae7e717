"""The sparse tensor: entries (a tensor of values) and the places where they stand.

It is a Python class that holds a dense tensor of values, and no compiled Tensor: a Tensor is shape, strides
and memory, which every kernel and body reads as such, so a sparse subclass would have to be refused in each
of them. Of this class C sees that it is none, so no loop can read it for something else. To Python it says
that it is a Tensor (`__class__`), as in PyTorch: `isinstance(x, Tensor)`, buffers of modules and
`is_tensor` take it. The core hands a call of an op that has one among its arguments to `answer`, which has
the few that there are and refuses all others by name. What is recorded on the tape are ops on the values,
so gradients of every order, hooks and the profiler see nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, get_default_dtype, int64
from tensorgrad.core.device import layout as Layout
from tensorgrad.core.device import sparse_coo, sparse_csr
from tensorgrad.core.printing import format_sparse
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.matrices import products
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping
from tensorgrad.ops.sparse.places import Places
from tensorgrad.ops.sparse.products import _csr_product, in_order

NAMES = {sparse_coo: "Sparse", sparse_csr: "SparseCsr"}


def is_sparse_tensor(value: Any) -> bool:
    """Whether it is a sparse tensor; to `isinstance` it is a Tensor."""
    return type(value) is SparseTensor


def refuse(name: str) -> NotImplementedError:
    """The error of what sparse tensors do not have."""
    return NotImplementedError(
        f"{name}: there is no such thing for sparse tensors in tensorgrad yet; x.to_dense() gives a tensor "
        "that has it"
    )


class SparseTensor:
    """A tensor of which only some elements, its entries, are kept; the others are 0.

    Made by `sparse_coo_tensor`, `sparse_csr_tensor` and ``x.to_sparse()``. There are products of a sparse
    matrix and a dense one, with numbers, sums, and conversions; anything else raises NotImplementedError.

    >>> x = tg.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))
    >>> x @ tg.ones(3, 1)
    tensor([[3.],
            [4.]])
    """

    __slots__ = ("__weakref__", "_entries", "layout", "places")
    places: Places
    layout: Layout

    def __init__(self, places: Places, values: Tensor, layout: Layout = sparse_coo) -> None:
        self.places = places
        self._entries = values
        self.layout = layout

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return Tensor

    def __reduce__(self):
        return SparseTensor, (self.places, self._entries, self.layout)

    def __getattr__(self, name: str) -> Any:
        """What a Tensor has and a sparse one has not: constants are the same, methods refuse by name."""
        if name.startswith("__") or not hasattr(Tensor, name):
            raise AttributeError(f"a sparse Tensor has no attribute {name!r}")
        value = getattr(Tensor, name)
        if isinstance(value, bool):
            return value
        if not callable(value):
            raise refuse(f"Tensor.{name}")
        return _refusing(f"Tensor.{name}")

    def _like(self, values: Tensor) -> SparseTensor:
        """Other values in the same places."""
        return SparseTensor(self.places, values, self.layout)

    def _want(self, name: str, layout: Layout) -> None:
        if self.layout is not layout:
            wanted = "coordinate" if layout is sparse_coo else "row compressed"
            raise RuntimeError(
                f"{name} expected sparse {wanted} tensor layout but got {NAMES[self.layout]}"
            )

    # ---- what it is

    is_sparse = property(lambda self: self.layout is sparse_coo)
    is_sparse_csr = property(lambda self: self.layout is sparse_csr)
    dtype = property(lambda self: self._entries.dtype)
    device = property(lambda self: self._entries.device)
    itemsize = property(lambda self: self._entries.itemsize)
    ndim = property(lambda self: len(self.shape))
    requires_grad = property(
        lambda self: self._entries.requires_grad, lambda self, value: self.requires_grad_(value) and None
    )
    is_leaf = property(lambda self: self._entries.is_leaf)
    grad_fn = property(lambda self: self._entries.grad_fn)

    @property
    def shape(self) -> Any:
        return _core.Size((*self.places.size, *self._entries.shape[1:]))

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[wrap_dim(dim, self.ndim)]

    def dim(self) -> int:
        return self.ndim

    ndimension = dim

    def sparse_dim(self) -> int:
        return len(self.places.size)

    def dense_dim(self) -> int:
        return self._entries.ndim - 1

    def numel(self) -> int:
        return self.shape.numel()

    nelement = numel

    def element_size(self) -> int:
        return self._entries.element_size()

    def is_floating_point(self) -> bool:
        return self._entries.is_floating_point()

    def is_complex(self) -> bool:
        return False

    def is_signed(self) -> bool:
        return self._entries.is_signed()

    def is_contiguous(self, memory_format: Any = None) -> bool:
        return False

    def get_device(self) -> int:
        return self._entries.get_device()

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        if dtype is None:
            return f"tensorgrad.sparse.{self.dtype.title}Tensor"
        return self._like(self._entries.type(dtype))

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        raise RuntimeError("Boolean value of a sparse Tensor is ambiguous")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    def numpy(self, *, force: bool = False) -> Any:
        return self.__array__()

    def __hash__(self) -> int:
        return id(self) >> 4

    def __repr__(self) -> str:
        values = _core._array_of(self._entries)
        if self.layout is sparse_coo:
            parts = {"indices": self.places.indices, "values": values}
        else:
            rows = self.places.rows
            parts = {"crow_indices": rows.starts, "col_indices": rows.columns, "values": values}
        extras = [f"size={tuple(self.shape)}", f"nnz={self._nnz()}"]
        if self.dtype not in (get_default_dtype(), int64, bool_):
            extras.append(f"dtype={self.dtype}")
        extras.append(f"layout={self.layout}")
        if self.grad_fn is not None:
            extras.append(f"grad_fn=<{self.grad_fn.name()}>")
        elif self.requires_grad:
            extras.append("requires_grad=True")
        return format_sparse(parts, extras, apart=self.layout is sparse_coo)

    # ---- entries and places

    def _nnz(self) -> int:
        return self.places.count

    def is_coalesced(self) -> bool:
        self._want("is_coalesced", sparse_coo)
        return self.places.coalesced

    def coalesce(self) -> SparseTensor:
        """With its entries in order, each place once: what stood in one place is added up."""
        self._want("coalesce", sparse_coo)
        if self.places.coalesced:
            return self
        places, where = self.places.joined
        values = self._entries
        if not values.is_floating_point():
            values = values.long()
        values = indexing._scatter_add_rows(values, _core.from_numpy(where), places.count)
        return SparseTensor(places, values.to(self.dtype))

    def _want_coalesced(self, name: str) -> None:
        self._want(name, sparse_coo)
        if not self.places.coalesced:
            raise RuntimeError(
                f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first"
            )

    def indices(self) -> Tensor:
        """The places, a column for each entry, as a copy."""
        self._want_coalesced("indices")
        return self._indices()

    def values(self) -> Tensor:
        """The entries, with their gradient."""
        if self.layout is sparse_coo:
            self._want_coalesced("values")
        return self._entries

    def _indices(self) -> Tensor:
        self._want("_indices", sparse_coo)
        return _core.from_numpy(self.places.indices.copy())

    def _values(self) -> Tensor:
        self._want("_values", sparse_coo)
        return self._entries.detach()

    def crow_indices(self) -> Tensor:
        """Where each row's entries begin, and the end of the last, as a copy."""
        self._want("crow_indices", sparse_csr)
        return _core.from_numpy(self.places.rows.starts.copy())

    def col_indices(self) -> Tensor:
        """The column of each entry, as a copy."""
        self._want("col_indices", sparse_csr)
        return _core.from_numpy(self.places.rows.columns.copy())

    # ---- conversions

    def to(self, *args: Any, **kwargs: Any) -> SparseTensor:
        args = tuple(each._entries if is_sparse_tensor(each) else each for each in args)
        values = self._entries.to(*args, **kwargs)
        return self if values is self._entries else self._like(values)

    def to_dense(self, dtype: Any = None, *, masked_grad: Any = None) -> Tensor:
        """The whole tensor, zeros and all."""
        shape = tuple(self.shape)
        count = 1
        for extent in self.places.size:
            count *= extent
        values = self._entries if self.is_floating_point() else self._entries.long()
        where = _core.from_numpy(self.places.flat)
        found = shaping.reshape(indexing._scatter_add_rows(values, where, count), shape)
        return found.to(self.dtype if dtype is None else dtype)

    def to_sparse(self, sparse_dim: Any = None, *, layout: Any = None, **others: Any) -> SparseTensor:
        if sparse_dim not in (None, self.sparse_dim()) or others or layout not in (None, *NAMES):
            raise refuse("Tensor.to_sparse with these arguments")
        if layout is sparse_csr:
            return self.to_sparse_csr()
        if self.layout is sparse_coo:
            return self
        return SparseTensor(self.places, self._entries)

    def to_sparse_coo(self) -> SparseTensor:
        return self.to_sparse()

    def to_sparse_csr(self, dense_dim: int | None = None) -> SparseTensor:
        if self.layout is sparse_csr:
            return self
        if self.ndim != 2 or self.dense_dim():
            dims = f"{self.sparse_dim()} sparse and {self.dense_dim()} dense dimensions"
            raise refuse(f"Tensor.to_sparse_csr of {dims}")
        found = self.coalesce()
        return SparseTensor(found.places, found._entries, sparse_csr)

    def clone(self, *, memory_format: Any = None) -> SparseTensor:
        return self._like(self._entries.clone())

    def detach(self) -> SparseTensor:
        return self._like(self._entries.detach())

    data = property(detach)

    def copy_(self, other: Any, non_blocking: bool = False) -> SparseTensor:
        """Takes over the entries of another sparse tensor of this shape."""
        if not is_sparse_tensor(other) or other.layout is not self.layout:
            raise refuse("Tensor.copy_ of another layout")
        if other.shape != self.shape:
            raise RuntimeError(f"copy_: the shapes {tuple(other.shape)} and {tuple(self.shape)} differ")
        if self.requires_grad or (other.requires_grad and _core.is_grad_enabled()):
            raise refuse("Tensor.copy_ with a gradient")
        self.places, self._entries = other.places, other._entries.detach().to(self.dtype, copy=True)
        return self

    # ---- gradients

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        self._entries.requires_grad_(requires_grad)
        return self

    @property
    def grad(self) -> Any:
        found = self._entries.grad
        return None if found is None else self._like(found)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            raise refuse("to assign Tensor.grad")
        self._entries.grad = None

    def retain_grad(self) -> None:
        self._entries.retain_grad()

    # ---- what is computed

    def t(self) -> SparseTensor:
        """The transposed matrix."""
        if self.ndim != 2 or self.dense_dim() or self.layout is not sparse_coo:
            raise refuse(f"Tensor.t of {self.layout} with {self.ndim} dimensions")
        return SparseTensor(self.places.turned, self._entries)

    def transpose(self, dim0: int, dim1: int) -> SparseTensor:
        dims = {wrap_dim(dim, self.ndim) for dim in (dim0, dim1)}
        return self if len(dims) == 1 else self.t()

    T = mT = property(t)

    def _scaled(self, name: str, factor: Any, op: Callable[[Tensor, Any], Tensor]) -> SparseTensor:
        """Each entry with one number."""
        if is_sparse_tensor(factor) or (isinstance(factor, Tensor) and factor.ndim):
            raise refuse(f"{name} of a sparse tensor and another than a number")
        if not isinstance(factor, Tensor) and not isinstance(factor, (int, float, np.number)):
            raise TypeError(
                f"{name}(): argument 'other' must be Tensor or Number, not {type(factor).__name__}"
            )
        return self._like(op(self._entries, factor))

    def mul(self, other: Any) -> SparseTensor:
        return self._scaled("mul", other, lambda x, y: x * y)

    def div(self, other: Any) -> SparseTensor:
        return self._scaled("div", other, lambda x, y: x / y)

    def neg(self) -> SparseTensor:
        return self._like(-self._entries)

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        """The sum of all elements, or over dimensions: dense once no sparse dimension is left."""
        if keepdim:
            raise refuse("sum with keepdim")
        if self.layout is sparse_csr and dim is not None:
            raise refuse("sum over dimensions of sparse_csr")
        if dim is None:
            return reductions.sum(self._entries, dtype=dtype)
        dims = {wrap_dim(d, self.ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
        if len(dims) < (len(dim) if isinstance(dim, (tuple, list)) else 1):
            raise RuntimeError(f"sum: a dimension appears more than once in {dim}")
        last = self.sparse_dim()
        dense = [d - last + 1 for d in dims if d >= last]
        values = reductions.sum(self._entries, dense, dtype=dtype) if dense else self._entries
        kept = [d for d in range(last) if d not in dims]
        if not kept:
            return reductions.sum(values, 0, dtype=dtype)
        if dtype is not None:
            values = values.to(dtype)
        elif not values.is_floating_point():
            values = values.long()
        if len(kept) == last:
            return self._like(values)
        places = Places(self.places.indices[kept], tuple(self.places.size[d] for d in kept))
        return SparseTensor(places, values).coalesce()

    def matmul(self, other: Any) -> Tensor:
        return matmul(self, other)

    def mm(self, mat2: Any) -> Tensor:
        return mm(self, mat2)

    def mv(self, vec: Any) -> Tensor:
        return mv(self, vec)

    spmm = mm

    def __matmul__(self, other: Any) -> Any:
        return matmul(self, other) if isinstance(other, Tensor) else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(other, self) if isinstance(other, Tensor) else NotImplemented

    def __mul__(self, other: Any) -> Any:
        return self.mul(other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self.div(other)

    def __neg__(self) -> SparseTensor:
        return self.neg()


def _converting(name: str) -> Callable[..., SparseTensor]:
    def convert(self, *args, **kwargs):
        values = getattr(self._entries, name)(*args, **kwargs)
        return self if values is self._entries else self._like(values)

    convert.__name__ = convert.__qualname__ = name
    return convert


CONVERSIONS = "float double half bfloat16 long int short char byte bool cpu cuda".split()
for _name in CONVERSIONS:
    setattr(SparseTensor, _name, _converting(_name))


def _refusing(name: str) -> Callable[..., Any]:
    def call(*args, **kwargs):
        raise refuse(name)

    call.__name__ = call.__qualname__ = name
    return call


OPERATORS = (
    "add radd sub rsub rtruediv floordiv rfloordiv mod rmod pow rpow and rand or ror xor rxor invert abs "
    "lt le gt ge getitem setitem iter contains int float index complex iadd isub imul itruediv"
).split()
for _name in OPERATORS:
    setattr(SparseTensor, f"__{_name}__", _refusing(f"Tensor.__{_name}__"))
SparseTensor.__eq__ = lambda self, other: (  # type: ignore[method-assign]
    _refusing("Tensor.__eq__")() if isinstance(other, Tensor) else NotImplemented
)


# ---- products


def _check(name: str, input: Any, other: Any) -> None:
    """Refuses what is no sparse matrix and dense tensor of one dtype whose inner sizes agree."""
    if is_sparse_tensor(input) and is_sparse_tensor(other):
        raise refuse(f"{name} of two sparse tensors")
    for value in (input, other):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}(): the factors must be Tensors, not {type(value).__name__}")
        if is_sparse_tensor(value) and (value.ndim != 2 or value.dense_dim()):
            raise refuse(f"{name} of a sparse tensor that is no matrix of numbers")
    products._check_matmul(input, other, name)


def _times(sparse: SparseTensor, dense: Tensor) -> Tensor:
    rows = sparse.places.rows
    return _csr_product(in_order(sparse._entries, rows.order), dense, rows)


def _product(input: Any, other: Any) -> Tensor:
    """Of two matrices of which one is sparse."""
    if is_sparse_tensor(input):
        return _times(input, other)
    rows = other.places.rows
    turned = in_order(in_order(other._entries, rows.order), rows.turned.order)
    return shaping.transpose(_csr_product(turned, shaping.transpose(input, 0, 1), rows.turned), 0, 1)


def mm(input: Any, mat2: Any) -> Tensor:
    _check("mm", input, mat2)
    if input.ndim != 2 or mat2.ndim != 2:
        raise RuntimeError(f"mm: two matrices expected, got {input.ndim}-D @ {mat2.ndim}-D")
    return _product(input, mat2)


def mv(input: Any, vec: Any) -> Tensor:
    _check("mv", input, vec)
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"mv: matrix @ vector expected, got {input.ndim}-D @ {vec.ndim}-D")
    return matmul(input, vec)


def matmul(input: Any, other: Any) -> Tensor:
    _check("matmul", input, other)
    if input.ndim == 2 and other.ndim == 2:
        return _product(input, other)
    if input.ndim == 2 and other.ndim == 1:
        return shaping.reshape(_product(input, shaping.unsqueeze(other, 1)), (input.shape[0],))
    if input.ndim == 1 and other.ndim == 2:
        return shaping.reshape(_product(shaping.unsqueeze(input, 0), other), (other.shape[1],))
    raise refuse(f"matmul of {input.ndim}-D @ {other.ndim}-D")


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    if is_sparse_tensor(input):
        raise refuse("addmm to a sparse tensor")
    product = mm(mat1, mat2)
    products._one_dtype("addmm", input, product)
    return products._blend(input, product, beta, alpha)


# ---- the ops that there are


def _product_with(input: Any, other: Any) -> Any:
    return input.mul(other) if is_sparse_tensor(input) else other.mul(input)


ANSWERS: dict[str, Callable[..., Any]] = {
    "addmm": addmm, "matmul": matmul, "mm": mm, "mul": _product_with, "mv": mv,
    "to": SparseTensor.to,
    "clone": SparseTensor.clone,
    "div": SparseTensor.div,
    "neg": SparseTensor.neg,
    "sum": SparseTensor.sum,
    "t": SparseTensor.t,
    "transpose": SparseTensor.transpose,
}  # fmt: skip


def answer(op: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """What an op gives that was called with a sparse tensor."""
    name = op.__name__
    if name not in ANSWERS or kwargs.get("out") is not None:
        raise refuse(f"{name}()")
    first = kwargs.pop("input", None)
    if first is not None:
        args = (first, *args)
    if name not in ("addmm", "matmul", "mm", "mul", "mv") and not is_sparse_tensor(args[0]):
        raise refuse(f"{name}() with a sparse argument")
    return ANSWERS[name](*args, **kwargs)


_core._admit(SparseTensor, answer)
