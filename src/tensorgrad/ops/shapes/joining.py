"""Several tensors to one, and one to several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tensorgrad.core import Tensor, _core, promote_types
from tensorgrad.core.declare import alias, case, composite, normal, primitive
from tensorgrad.core.declare import view as declare_view
from tensorgrad.ops._tools import is_sequence, wrap_dim
from tensorgrad.ops.shapes import shaping, slicing, striding


def tensor_list(tensors, who: str, position: int = 1) -> Sequence[Tensor]:
    """The argument as a sequence of tensors; raises TypeError when it is none."""
    if not isinstance(tensors, Sequence):
        raise TypeError(
            f"{who}(): argument 'tensors' (position {position}) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    for i, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(each).__name__}")
    return tensors


def _common_dtype(tensors):
    together = tensors[0].dtype
    for each in tensors:
        if each.dtype is not together:
            together = promote_types(together, each.dtype)
    return together


# ---- one out of several


@primitive(
    vjp=dict(tensors=lambda g, sizes, dim: _split(g, sizes, dim)),
    list_arg="tensors",
    at=(),
    grad_name="CatBackward0",
    samples=lambda: [case([normal(2, 3), normal(2, 1)], (3, 1), 1, np.float64, name="plain")],
)
def _cat(tensors, sizes, dim, dtype):
    """``cat`` with everything known: the tensors' sizes in ``dim``, and the dtype."""
    return np.ascontiguousarray(np.concatenate(tensors, dim, dtype=dtype, casting="unsafe"))


@composite(
    samples=lambda: [
        case([normal(2, 3), normal(1, 3)], name="rows"),
        case([normal(2, 3), normal(2, 1), normal(2, 2)], 1, name="dim1"),
        case([normal(0), normal(2, 3)], -1, name="empty"),
    ],
)
def cat(tensors, dim=0):
    """The tensors one after the other along ``dim``; their other sizes must agree.

    Raises RuntimeError when they don't, ValueError for no tensors.

    >>> tg.cat([tg.tensor([1, 2]), tg.tensor([3])])
    tensor([1, 2, 3])
    """
    tensor_list(tensors, "cat")
    if not tensors:
        raise ValueError("cat(): expected a non-empty list of Tensors")
    first, shape = None, ()
    sizes, dtype = [], tensors[0].dtype
    for i, each in enumerate(tensors):
        own = each.shape
        if each.dtype is not dtype:
            dtype = promote_types(dtype, each.dtype)
        if not own:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
        if own == (0,):  # an empty vector joins anything, as in PyTorch
            sizes.append(None)
            continue
        if first is None:
            first, shape = i, own
            at = wrap_dim(dim, len(own))
            rest = own[:at] + own[at + 1 :]
        elif len(own) != len(shape):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(shape)} and {len(own)}"
            )
        elif own[:at] + own[at + 1 :] != rest:
            wrong = next(d for d in range(len(own)) if d != at and own[d] != shape[d])
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {at}. Expected size {shape[wrong]} but got "
                f"size {own[wrong]} for tensor number {i} in the list."
            )
        sizes.append(own[at])
    if first is None:
        shape = (0,)
        at, sizes = wrap_dim(dim, 1), [0] * len(tensors)
    elif None in sizes:
        if len(shape) > 1:
            empty = (*shape[:at], 0, *shape[at + 1 :])
            tensors = [
                shaping.reshape(each, empty) if n is None and 0 in empty else each
                for each, n in zip(tensors, sizes, strict=True)
            ]
        sizes = [n or 0 for n in sizes]
    return _cat(tensors, tuple(sizes), at, dtype.array_dtype)


alias("concat", cat)


@composite(samples=lambda: [case([normal(2, 3), normal(1, 3)], name="rows")])
def concatenate(tensors, dim=0):
    """``cat`` under NumPy's name.

    >>> tg.concatenate([tg.tensor([1, 2]), tg.tensor([3])])
    tensor([1, 2, 3])
    """
    return cat(tensors, dim)


@primitive(
    vjp=dict(tensors=lambda g, dim: unbind(g, dim)),
    list_arg="tensors",
    at=(),
    grad_name="StackBackward0",
    samples=lambda: [case([normal(2, 3), normal(2, 3)], 1, np.float64, name="plain")],
)
def _stack(tensors, dim, dtype):
    """``stack`` with everything known."""
    shape = tensors[0].shape
    out = np.empty((*shape[:dim], len(tensors), *shape[dim:]), dtype)
    lines = out if dim == 0 else np.moveaxis(out, dim, 0)
    for i, each in enumerate(tensors):
        lines[i] = each
    return out


@composite(
    samples=lambda: [
        case([normal(2, 3), normal(2, 3)], name="first"),
        case([normal(2), normal(2)], -1, name="last"),
    ]
)
def stack(tensors, dim=0):
    """The tensors, all of one shape, along a new dimension.

    Raises RuntimeError when the shapes differ.

    >>> tg.stack([tg.tensor([1, 2]), tg.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    tensor_list(tensors, "stack")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = tensors[0].shape
    for i, each in enumerate(tensors):
        if each.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(each.shape)} at entry {i}"
            )
    if len(shape) == 64:
        raise RuntimeError("stack(): a tensor has at most 64 dimensions, not 65")
    return _stack(tensors, wrap_dim(dim, len(shape) + 1), _common_dtype(tensors).array_dtype)


def _all_atleast(tensors, ndim: int, who: str):
    tensor_list(tensors, who)
    if not tensors:
        raise RuntimeError(f"{who} expects a non-empty TensorList")
    return [(atleast_1d, atleast_2d, atleast_3d)[ndim - 1](each) for each in tensors]


@composite(
    samples=lambda: [case([normal(2, 3), normal(2, 1)], name="2-d"), case([normal(2), normal(1)], name="1-d")]
)
def hstack(tensors):
    """The tensors side by side: along dimension 1, vectors along dimension 0.

    >>> tg.hstack([tg.tensor([[1], [2]]), tg.tensor([[3], [4]])])
    tensor([[1, 3],
            [2, 4]])
    """
    tensors = _all_atleast(tensors, 1, "hstack")
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@composite(
    samples=lambda: [case([normal(2, 3), normal(1, 3)], name="2-d"), case([normal(2), normal(2)], name="1-d")]
)
def vstack(tensors):
    """The tensors on top of each other: along dimension 0, vectors as rows.

    >>> tg.vstack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat(_all_atleast(tensors, 2, "vstack"), 0)


alias("row_stack", vstack)


@composite(
    samples=lambda: [
        case([normal(2, 3, 2), normal(2, 3, 1)], name="3-d"),
        case([normal(2), normal(2)], name="1-d"),
    ]
)
def dstack(tensors):
    """The tensors along dimension 2, those of fewer dimensions as slices of one layer.

    >>> tg.dstack([tg.tensor([1, 2]), tg.tensor([3, 4])]).shape
    tensorgrad.Size([1, 2, 2])
    """
    return cat(_all_atleast(tensors, 3, "dstack"), 2)


@composite(
    samples=lambda: [case([normal(2, 3), normal(2)], name="mixed"), case([normal(), normal()], name="0-d")]
)
def column_stack(tensors):
    """The tensors side by side, vectors and numbers as columns.

    >>> tg.column_stack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    tensor_list(tensors, "column_stack")
    if not tensors:
        raise RuntimeError("column_stack expects a non-empty TensorList")
    return hstack([each.reshape(-1, 1) if each.ndim <= 1 else each for each in tensors])


def _each(form, tensors):
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return form(tensors[0])
    if len(tensors) == 1 and is_sequence(tensors[0]):
        tensors = tensors[0]
    return tuple([form(each) for each in tensor_list(tensors, "atleast")])


@composite(samples=lambda: [case(normal(), name="0-d"), case(normal(2), normal(), name="two")])
def atleast_1d(*tensors):
    """The tensor, a number as a vector of one; of several tensors a tuple.

    >>> tg.atleast_1d(tg.tensor(3.0))
    tensor([3.])
    """
    return _each(lambda x: x if x.ndim else shaping.reshape(x, (1,)), tensors)


@composite(samples=lambda: [case(normal(), name="0-d"), case(normal(2), normal(2, 3), name="two")])
def atleast_2d(*tensors):
    """The tensor, a vector as a matrix of one row; of several tensors a tuple.

    >>> tg.atleast_2d(tg.tensor([1, 2]))
    tensor([[1, 2]])
    """
    return _each(lambda x: x if x.ndim > 1 else shaping.reshape(x, (1, x.numel())), tensors)


@composite(samples=lambda: [case(normal(), name="0-d"), case(normal(2), normal(2, 3), name="two")])
def atleast_3d(*tensors):
    """The tensor, a vector as ``(1, n, 1)`` and a matrix as ``(n, m, 1)``; of several tensors a tuple.

    >>> tg.atleast_3d(tg.ones(2, 3)).shape
    tensorgrad.Size([2, 3, 1])
    """
    shape = lambda x: (1, x.numel(), 1) if x.ndim < 2 else (*x.shape, 1)
    return _each(lambda x: x if x.ndim > 2 else shaping.reshape(x, shape(x)), tensors)


# ---- several out of one: all parts are outputs of one node, whose gradient is one join


def _check_parts(who: str, count: int) -> None:
    """Raises RuntimeError for more parts than memory has room for."""
    if count > _core.MAX_PARTS:
        raise RuntimeError(f"{who}: {count} parts are too many, there can be {_core.MAX_PARTS} at most")


@declare_view(
    vjp=dict(input=lambda grads, dim: cat(grads, dim)),
    at=(),
    method=False,
    grad_name="SplitBackward0",
    samples=lambda: [case(normal(2, 5), (2, 0, 3), 1, name="plain")],
)
def _split(input, sizes, dim):
    """Views of ``sizes`` indices of one dimension, one after the other."""
    index = [slice(None)] * input.ndim
    parts, start = [], 0
    for size in sizes:
        index[dim] = slice(start, start + size)
        parts.append(input[tuple(index)])
        start += size
    return parts


@declare_view(
    vjp=dict(input=lambda grads, dim: stack(grads, dim)),
    samples=lambda: [case(normal(3, 2), name="rows"), case(normal(2, 3), -1, name="last")],
)
def unbind(input, dim=0):
    """All indices of one dimension, as a tuple of views without it.

    >>> tg.unbind(tg.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    moved = np.moveaxis(input, wrap_dim(dim, input.ndim), 0)
    _check_parts("unbind", len(moved))
    return [moved[i, ...] for i in range(len(moved))]


@composite(
    method=True,
    samples=lambda: [case(normal(5, 2), 2, name="size"), case(normal(2, 5), [2, 3], 1, name="sizes")],
)
def split(tensor, split_size_or_sections, dim=0):
    """Parts of ``split_size`` indices of one dimension (the last one may be smaller), or of the sizes in a
    list, as views.

    >>> tg.split(tg.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if is_sequence(split_size_or_sections):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    size = slicing._whole_number(split_size_or_sections, "split_size")
    if tensor.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, tensor.ndim)
    extent = tensor.shape[dim]
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0 and extent:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}"
        )
    _check_parts("split", -(-extent // (size or 1)))
    sizes = [min(size, extent - start) for start in range(0, extent, size or 1)] or [0]
    return _split(tensor, sizes, dim)


@composite(method=True, samples=lambda: [case(normal(2, 5), [2, 3], 1, name="plain")])
def split_with_sizes(input, split_sizes, dim=0):
    """Parts of the sizes in a list, as views; they must add up to the dimension.

    >>> tg.split_with_sizes(tg.arange(5), [2, 3])
    (tensor([0, 1]), tensor([2, 3, 4]))
    """
    if input.ndim == 0:
        raise RuntimeError("split_with_sizes expects at least a 1-dimensional tensor")
    dim, split_sizes = wrap_dim(dim, input.ndim), list(split_sizes)
    if any(size < 0 for size in split_sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={split_sizes}"
        )
    if sum(split_sizes) != input.shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[dim]} (input tensor's size "
            f"at dimension {dim}), but got split_sizes={split_sizes}"
        )
    return _split(input, split_sizes, dim)


@composite(method=True, samples=lambda: [case(normal(5, 2), 2, name="plain")])
def chunk(input, chunks, dim=0):
    """At most ``chunks`` parts of equal size (the last may be smaller) of one dimension, as views.

    >>> tg.chunk(tg.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    chunks = slicing._whole_number(chunks, "chunks")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim(dim, input.ndim)
    extent = input.shape[dim]
    size = -(-extent // chunks)
    if size:
        return split(input, size, dim)
    _check_parts("chunk", chunks)
    return split_with_sizes(input, [0] * chunks, dim)


@composite(
    method=True,
    samples=lambda: [case(normal(5, 2), 3, name="sections"), case(normal(2, 5), (1, 4), 1, name="indices")],
)
def tensor_split(input, indices_or_sections, dim=0):
    """A number of parts whose sizes differ by one at most, or the parts between given indices, as views.

    >>> tg.tensor_split(tg.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    dim = wrap_dim(dim, input.ndim)
    extent = input.shape[dim]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.is_floating_point() or indices_or_sections.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be an integer tensor of at most one "
                f"dimension, but got {indices_or_sections.dtype} with {indices_or_sections.ndim} dims"
            )
        indices_or_sections = indices_or_sections.tolist()
    indices_or_sections = _plain_sections(indices_or_sections)
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        if parts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        _check_parts("tensor_split", parts)
        sizes = [extent // parts + (i < extent % parts) for i in range(parts)]
        return _split(input, sizes, dim)
    if not (is_sequence(indices_or_sections) or isinstance(indices_or_sections, np.ndarray)):
        raise TypeError(
            f"tensor_split(): argument 'indices_or_sections' must be int or tuple of ints, not "
            f"{type(indices_or_sections).__name__}"
        )
    edges = [0, *[slicing._whole_number(i, "indices_or_sections") for i in indices_or_sections], extent]
    return tuple(
        [
            slicing.slice_(input, dim, low, high)
            for low, high in zip(edges, [*edges[1:-1], None], strict=False)
        ]
    )


def _plain_sections(value):
    """NumPy's integers and 0-d arrays as Python's."""
    return value.item() if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0 else value


def _split_evenly(who: str, input, indices_or_sections, dim: int, needs: int):
    """What hsplit, vsplit and dsplit share."""
    if input.ndim < needs:
        raise RuntimeError(
            f"{who} requires a tensor with at least {needs} dimension, but got a tensor with {input.ndim} "
            f"dimensions!"
        )
    indices_or_sections = _plain_sections(indices_or_sections)
    if isinstance(indices_or_sections, int) and (
        indices_or_sections <= 0 or input.shape[dim] % indices_or_sections
    ):
        raise RuntimeError(
            f"{who} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.shape[dim]} is not divisible by the split_size {indices_or_sections}!"
        )
    return tensor_split(input, indices_or_sections, dim)


@composite(
    method=True, samples=lambda: [case(normal(2, 4), 2, name="plain"), case(normal(4), (1,), name="1-d")]
)
def hsplit(input, indices_or_sections):
    """Parts side by side: ``tensor_split`` of dimension 1, of a vector dimension 0, into equal parts.

    >>> tg.hsplit(tg.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    return _split_evenly("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@composite(method=True, samples=lambda: [case(normal(4, 2), 2, name="plain")])
def vsplit(input, indices_or_sections):
    """Parts on top of each other: ``tensor_split`` of dimension 0 into equal parts.

    >>> tg.vsplit(tg.arange(4).reshape(2, 2), 2)
    (tensor([[0, 1]]), tensor([[2, 3]]))
    """
    return _split_evenly("vsplit", input, indices_or_sections, 0, 2)


@composite(method=True, samples=lambda: [case(normal(1, 2, 4), 2, name="plain")])
def dsplit(input, indices_or_sections):
    """Parts behind each other: ``tensor_split`` of dimension 2 into equal parts.

    >>> [part.shape for part in tg.dsplit(tg.ones(1, 2, 4), 2)]
    [tensorgrad.Size([1, 2, 2]), tensorgrad.Size([1, 2, 2])]
    """
    return _split_evenly("dsplit", input, indices_or_sections, 2, 3)


alias("unsafe_chunk", chunk)
alias("unsafe_split", split)
alias("unsafe_split_with_sizes", split_with_sizes)
striding.copying(unbind, "", "(tensor([1., 1., 1.]), tensor([1., 1., 1.]))")
striding.copying(split, ", 1", "(tensor([[1., 1., 1.]]), tensor([[1., 1., 1.]]))")
striding.copying(split_with_sizes, ", [1, 1]", "(tensor([[1., 1., 1.]]), tensor([[1., 1., 1.]]))")
