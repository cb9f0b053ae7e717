"""Joining, splitting, rearranging and padding against NumPy and against numbers on paper."""

import math

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F

A = np.arange(24.0).reshape(2, 3, 4)

SAME = [
    ("cat", lambda m, x: tg.cat([x, x], 1), lambda a: np.concatenate([a, a], 1)),
    ("stack", lambda m, x: tg.stack([x, x], -1), lambda a: np.stack([a, a], -1)),
    ("hstack", lambda m, x: tg.hstack([x, x]), lambda a: np.hstack([a, a])),
    ("vstack", lambda m, x: tg.vstack([x, x]), lambda a: np.vstack([a, a])),
    ("dstack", lambda m, x: tg.dstack([x, x]), lambda a: np.dstack([a, a])),
    (
        "column_stack",
        lambda m, x: tg.column_stack([x[0, 0], x[0, 1]]),
        lambda a: np.column_stack([a[0, 0], a[0, 1]]),
    ),
    ("tile", lambda m, x: tg.tile(x, (2, 1)), lambda a: np.tile(a, (2, 1))),
    ("repeat", lambda m, x: x.repeat(2, 1, 1, 3), lambda a: np.tile(a, (2, 1, 1, 3))),
    ("repeat_interleave", lambda m, x: x.repeat_interleave(2, 1), lambda a: np.repeat(a, 2, 1)),
    (
        "repeat each",
        lambda m, x: x.repeat_interleave(tg.tensor([0, 1, 2]), 1),
        lambda a: np.repeat(a, [0, 1, 2], 1),
    ),
    ("flip", lambda m, x: x.flip(0, 2), lambda a: np.flip(a, (0, 2))),
    ("fliplr", lambda m, x: x.fliplr(), np.fliplr),
    ("flipud", lambda m, x: x.flipud(), np.flipud),
    ("rot90", lambda m, x: x.rot90(1, (1, 2)), lambda a: np.rot90(a, 1, (1, 2))),
    ("rot90 thrice", lambda m, x: x.rot90(3, (1, 2)), lambda a: np.rot90(a, 3, (1, 2))),
    ("roll", lambda m, x: x.roll((1, -1), (0, 2)), lambda a: np.roll(a, (1, -1), (0, 2))),
    ("roll flat", lambda m, x: x.roll(5), lambda a: np.roll(a, 5)),
    ("tril", lambda m, x: x.tril(1), lambda a: np.tril(a, 1)),
    ("triu", lambda m, x: x.triu(-1), lambda a: np.triu(a, -1)),
    ("diag", lambda m, x: tg.diag(x[0, 0], 1), lambda a: np.diag(a[0, 0], 1)),
    ("diagflat", lambda m, x: tg.diagflat(x[0], -1), lambda a: np.diagflat(a[0], -1)),
    (
        "pad",
        lambda m, x: F.pad(x, (1, 2, 0, 1), value=7.0),
        lambda a: np.pad(a, ((0, 0), (0, 1), (1, 2)), constant_values=7),
    ),
    (
        "reflect",
        lambda m, x: F.pad(x, (2, 3), "reflect"),
        lambda a: np.pad(a, ((0, 0), (0, 0), (2, 3)), "reflect"),
    ),
    (
        "replicate",
        lambda m, x: F.pad(x, (2, 3), "replicate"),
        lambda a: np.pad(a, ((0, 0), (0, 0), (2, 3)), "edge"),
    ),
    (
        "circular",
        lambda m, x: F.pad(x, (2, 3), "circular"),
        lambda a: np.pad(a, ((0, 0), (0, 0), (2, 3)), "wrap"),
    ),
    ("atleast_3d", lambda m, x: tg.atleast_3d(x[0]), lambda a: np.atleast_3d(a[0])),
    (
        "meshgrid",
        lambda m, x: tg.stack(tg.meshgrid(x[0, 0], x[0, 1], indexing="xy")),
        lambda a: np.stack(np.meshgrid(a[0, 0], a[0, 1])),
    ),
    (
        "block_diag",
        lambda m, x: tg.block_diag(x[0], x[0, 0]),
        lambda a: np.block([[a[0], np.zeros((3, 4))], [np.zeros((1, 4)), a[:1, 0]]]),
    ),
]


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize(("call", "in_numpy"), [s[1:] for s in SAME], ids=[s[0] for s in SAME])
def test_agrees_with_numpy_and_sends_every_gradient_home(call, in_numpy, backend):
    tg.set_backend(backend)
    x = tg.tensor(A, requires_grad=True)
    y = call(tg, x)
    np.testing.assert_array_equal(y.detach().numpy(), in_numpy(A))
    weights = np.random.default_rng(0).normal(size=y.shape)
    (y * tg.tensor(weights)).sum().backward()
    # which element each place shows: they are copies, so values minus the values of other numbers tell
    marks = in_numpy(A + 1000.0)
    shown = marks >= 1000
    expected = np.bincount((marks[shown] - 1000).astype(int), weights=weights[shown], minlength=24)
    np.testing.assert_allclose(x.grad.numpy().reshape(-1), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "sliced"])
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("dtype", [tg.float32, tg.float64, tg.int64, tg.bool, tg.float16])
def test_cat_and_stack_of_any_layout_and_dtype(layout, dim, dtype):
    parts = []
    for i in range(3):
        a = (np.arange(2 * 2 * 4).reshape(2, 2, 4) + 7 * i) % 5
        if layout == "transposed":
            a = np.ascontiguousarray(a.T).T
        elif layout == "sliced":
            a = np.repeat(a, 2, 2)[..., ::2]
        parts.append(tg.from_numpy(a.astype(dtype.numpy_dtype, order="K")))
    arrays = [p.numpy() for p in parts]
    np.testing.assert_array_equal(tg.cat(parts, dim).numpy(), np.concatenate(arrays, dim))
    np.testing.assert_array_equal(tg.stack(parts, dim).numpy(), np.stack(arrays, dim))
    assert tg.cat(parts, dim).dtype is dtype


def test_cat_promotes_and_gives_gradients_in_the_inputs_dtypes():
    x, y = tg.ones(2, requires_grad=True), tg.ones(1, dtype=tg.float64, requires_grad=True)
    z = tg.cat([x, y, tg.tensor([1])])
    assert z.dtype is tg.float64
    (z * tg.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.dtype is tg.float32
    assert x.grad.tolist() == [1.0, 2.0]
    assert y.grad.tolist() == [3.0]


def test_cat_passes_over_empty_vectors():
    assert tg.cat([tg.zeros(0), tg.ones(2, 2)]).shape == (2, 2)
    assert tg.cat([tg.zeros(0), tg.ones(2, 2)], 1).shape == (2, 2)
    assert tg.cat([tg.zeros(0), tg.zeros(0)]).shape == (0,)
    x = tg.zeros(0, requires_grad=True)
    tg.cat([x, tg.ones(2, 2)]).sum().backward()
    assert x.grad.shape == (0,)


def test_cat_of_one_tensor_twice_and_many():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    tg.cat([x] * 300).sum().backward()
    assert x.grad.tolist() == [300.0, 300.0]
    y = tg.stack([x, x * 2])
    (g,) = tg.autograd.grad((y * y).sum(), x, create_graph=True)
    assert g.tolist() == [10.0, 20.0]
    (h,) = tg.autograd.grad(g.sum(), x)
    assert h.tolist() == [10.0, 10.0]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.cat([]), ValueError, "non-empty list"),
        (lambda: tg.cat([tg.ones(2), tg.ones(2, 2)]), RuntimeError, "same number of dimensions: got 1 and 2"),
        (
            lambda: tg.cat([tg.ones(2, 3), tg.ones(2, 2)]),
            RuntimeError,
            "Expected size 3 but got size 2 for tensor number 1",
        ),
        (
            lambda: tg.cat([tg.tensor(1.0)]),
            RuntimeError,
            "zero-dimensional tensor .at position 0. cannot be concatenated",
        ),
        (lambda: tg.cat([tg.ones(2)], 5), IndexError, "Dimension out of range"),
        (lambda: tg.cat(tg.ones(2)), TypeError, "must be tuple of Tensors, not Tensor"),
        (
            lambda: tg.cat([tg.ones(2), 3]),
            TypeError,
            "expected Tensor as element 1 in argument 0, but got int",
        ),
        (lambda: tg.stack([]), RuntimeError, "non-empty TensorList"),
        (
            lambda: tg.stack([tg.ones(2), tg.ones(3)]),
            RuntimeError,
            r"got \[2\] at entry 0 and \[3\] at entry 1",
        ),
        (lambda: tg.hsplit(tg.ones(2, 3), 2), RuntimeError, "not divisible by the split_size 2"),
        (lambda: tg.ones(2, 2).repeat(2), RuntimeError, "can not be smaller"),
        (lambda: tg.ones(2, 2).flip(0, 0), RuntimeError, "dim 0 appears multiple times"),
        (lambda: tg.ones(2).tril(), RuntimeError, "at least 2 dimensions"),
        (lambda: tg.ones(2, 2).roll((1, 2), (0,)), RuntimeError, "shifts and dimensions must align"),
        (lambda: tg.meshgrid(tg.ones(2), indexing="zz"), RuntimeError, "must be one of"),
        (
            lambda: F.pad(tg.ones(1, 3), (3, 0), "reflect"),
            RuntimeError,
            "less than the corresponding input dimension",
        ),
        (lambda: F.pad(tg.ones(1, 3), (4, 0), "circular"), RuntimeError, "wrapping around more than once"),
        (lambda: F.pad(tg.ones(3), (1,)), RuntimeError, "divisible by 2"),
        (lambda: F.pad(tg.ones(3), (-2, -2)), RuntimeError, "negative output size"),
        (
            lambda: F.pad(tg.ones(1, 3), (1, 1), "mirror"),
            NotImplementedError,
            "Unrecognised padding mode mirror",
        ),
        (lambda: F.pixel_shuffle(tg.ones(1, 3, 2, 2), 2), RuntimeError, "divisible by the square"),
        (lambda: F.fold(tg.ones(1, 4, 3), (3, 3), 2), RuntimeError, "number of sliding blocks"),
        (lambda: tg.broadcast_shapes((2,), (3,)), RuntimeError, "must match the size"),
    ],
)
def test_what_is_refused_says_why(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_pixel_shuffle_and_back():
    x = tg.arange(48.0).reshape(2, 4, 2, 3)
    y = F.pixel_shuffle(x, 2)
    assert y.shape == (2, 1, 4, 6)
    assert y[0, 0, :2, :2].tolist() == [[0.0, 6.0], [12.0, 18.0]]
    assert (F.pixel_unshuffle(y, 2) == x).all()


def test_fold_adds_up_what_unfold_took():
    x = tg.arange(9.0).reshape(1, 1, 3, 3)
    columns = F.unfold(x, 2)
    assert columns[0, :, 0].tolist() == [0.0, 1.0, 3.0, 4.0]
    counts = F.fold(F.unfold(tg.ones(1, 1, 3, 3), 2), (3, 3), 2)
    assert counts[0, 0].tolist() == [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    assert (F.fold(columns, (3, 3), 2) == x * counts).all()


def test_layers_of_patches():
    x = tg.arange(24.0).reshape(1, 2, 3, 4)
    settings = dict(dilation=(1, 2), padding=(0, 1), stride=2)
    unfold, fold = tg.nn.Unfold((2, 1), **settings), tg.nn.Fold((3, 4), (2, 1), **settings)
    columns = unfold(x)
    assert (columns == F.unfold(x, (2, 1), **settings)).all()
    assert (fold(columns) == F.fold(columns, (3, 4), (2, 1), **settings)).all()
    assert repr(unfold) == "Unfold(kernel_size=(2, 1), dilation=(1, 2), padding=(0, 1), stride=2)"
    assert repr(fold) == repr(unfold).replace("Unfold(", "Fold(output_size=(3, 4), ")


def test_triangle_indices():
    np.testing.assert_array_equal(tg.tril_indices(3, 4, 1).numpy(), np.stack(np.tril_indices(3, 1, 4)))
    np.testing.assert_array_equal(tg.triu_indices(4, 3, -1).numpy(), np.stack(np.triu_indices(4, -1, 3)))


def test_combinations_and_products():
    assert tg.combinations(tg.tensor([1, 2, 3]), 2).tolist() == [[1, 2], [1, 3], [2, 3]]
    assert tg.combinations(tg.tensor([1, 2]), 2, with_replacement=True).tolist() == [[1, 1], [1, 2], [2, 2]]
    assert tg.cartesian_prod(tg.tensor([1, 2]), tg.tensor([3])).tolist() == [[1, 3], [2, 3]]


def test_broadcast_tensors_share_memory():
    a, b = tg.broadcast_tensors(tg.zeros(3, 1), tg.ones(2))
    assert a.shape == b.shape == (3, 2)
    assert a.stride() == (1, 0)


@pytest.mark.parametrize("dtype", [tg.uint8, tg.int16, tg.float32, tg.float64], ids=str)
def test_lines_of_any_length_and_width_are_flipped(dtype):
    for shape in ((1,), (3, 7), (2, 2500), (5, 1, 64)):
        x = (tg.arange(math.prod(shape)) % 100).reshape(shape).to(dtype)
        for dims in ((-1,), (0,), (0, -1) if len(shape) > 1 else (0,)):
            np.testing.assert_array_equal(x.flip(*dims).numpy(), np.flip(x.numpy(), dims))


@pytest.mark.parametrize("split", [tg.vsplit, tg.hsplit, tg.tensor_split])
def test_parts_are_counted_by_integers_of_numpy_too(split, backend):
    x = tg.ones(2, 2)
    assert [p.shape for p in split(x, np.int64(2))] == [p.shape for p in split(x, 2)]


def test_padding_is_a_float_of_any_size(backend):
    assert F.pad(tg.ones(1), (1, 0), value=2**70).tolist() == [2.0**70, 1.0]
    with pytest.raises(RuntimeError, match="without overflow"):
        F.pad(tg.ones(1).long(), (1, 0), value=2**70)
