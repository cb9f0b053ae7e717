"""Laws that hold for every input, tried on inputs that hypothesis makes; the same ones in each run."""

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorgrad as tg
import tensorgrad.nn as nn

law = settings(max_examples=30, derandomize=True, deadline=None, database=None)

FLOATS = (tg.float32, tg.float64)
DTYPES = (tg.bool, tg.uint8, tg.int8, tg.int16, tg.int32, tg.int64, tg.float16, tg.float32, tg.float64)
BACKENDS = ("kernels", "numpy")

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
seeds = st.integers(0, 2**16)
backends = st.sampled_from(BACKENDS)


def floats(seed, shape, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def same(found, expected, rtol=0.0, atol=0.0):
    np.testing.assert_allclose(found.detach().numpy(), np.asarray(expected), rtol=rtol, atol=atol)


@st.composite
def shape_pairs(draw):
    """Two shapes of which the most can be broadcast together."""
    whole = draw(st.lists(st.integers(0, 3), max_size=4))
    pair = []
    for _ in range(2):
        kept = [1 if draw(st.booleans()) else size for size in whole]
        if draw(st.integers(0, 9)) == 0:
            kept = [size + 1 for size in kept]
        pair.append(tuple(kept[draw(st.integers(0, len(kept))) :]))
    return pair


@law
@given(shape_pairs(), seeds, backends)
def test_broadcasting_is_numpys(pair, seed, backend):
    a, b = floats(seed, pair[0]), floats(seed + 1, pair[1])
    with tg.backend(backend):
        try:
            expected = a * b
        except ValueError:
            with pytest.raises(RuntimeError):
                tg.tensor(a) * tg.tensor(b)
            return
        same(tg.tensor(a) * tg.tensor(b), expected)


@law
@given(shape_pairs(), seeds, backends)
def test_gradients_have_the_shape_of_what_was_broadcast(pair, seed, backend):
    a, b = (tg.tensor(floats(seed, shape), requires_grad=True) for shape in pair)
    with tg.backend(backend):
        try:
            c = a * b
        except RuntimeError:
            return
        c.sum().backward()
    spread = np.broadcast_to(b.detach().numpy(), c.shape)
    axes = tuple(range(c.ndim - a.ndim))
    expected = spread.sum(axes).sum(
        tuple(i for i, n in enumerate(a.shape) if n == 1 and c.shape[len(axes) + i] != 1), keepdims=True
    )
    same(a.grad, expected.reshape(a.shape), 1e-12, 1e-12)


@pytest.mark.parametrize("a, b", list(itertools.product(DTYPES, DTYPES)), ids=str)
def test_promotion_does_not_ask_which_comes_first(a, b):
    both = tg.promote_types(a, b)
    assert both is tg.promote_types(b, a)
    assert tg.promote_types(both, a) is both
    assert (tg.ones(2, dtype=a) * tg.ones(2, dtype=b)).dtype is both
    assert tg.result_type(tg.ones(2, dtype=a), tg.ones(2, dtype=b)) is both


def test_promotion_of_three_does_not_ask_which_are_first():
    # uint8 with a signed one is the only pair that neither holds; it still has one answer for three.
    for a, b, c in itertools.product(DTYPES, DTYPES, DTYPES):
        left = tg.promote_types(tg.promote_types(a, b), c)
        assert left is tg.promote_types(a, tg.promote_types(b, c))


@law
@given(shapes, st.randoms(use_true_random=False), seeds, backends)
def test_views_of_one_array_undo_each_other(shape, chance, seed, backend):
    array = floats(seed, shape)
    axes = list(range(len(shape)))
    chance.shuffle(axes)
    back = [axes.index(i) for i in range(len(axes))]
    dim = chance.randrange(len(shape) + 1)
    with tg.backend(backend):
        x = tg.tensor(array)
        same(x.permute(axes), array.transpose(axes))
        same(x.permute(axes).permute(back), array)
        same(x.permute(axes).contiguous().permute(back), array)
        same(x.flatten().reshape(shape), array)
        same(x.permute(axes).reshape(-1).reshape([shape[i] for i in axes]).permute(back), array)
        same(x.unsqueeze(dim).squeeze(dim), array)
        if shape:
            a, b = chance.randrange(len(shape)), chance.randrange(len(shape))
            same(x.transpose(a, b).transpose(a, b), array)
            same(x.movedim(a, b).movedim(b, a), array)
            same(x.flip(a).flip(a), array)
            same(x.roll(2, a).roll(-2, a), array)
            if shape[a]:
                same(tg.cat(x.split(2, a), a), array)
                same(tg.stack(x.unbind(a), a), array)


@st.composite
def indices(draw, shape):
    """An index that NumPy and PyTorch read alike: it has whole numbers or arrays, not both."""
    parts, arrays, whole = [], 0, draw(st.booleans())
    for size in shape[: draw(st.integers(0, len(shape)))]:
        kind = draw(st.sampled_from(("slice", "slice", "int", "none", "array")))
        if kind == "none":
            parts.append(None)
        if kind == "int" and size and whole:
            parts.append(draw(st.integers(-size, size - 1)))
        elif kind == "array" and size and arrays < 2 and not whole:
            arrays += 1
            rows = st.lists(st.integers(-size, size - 1), min_size=2, max_size=2)
            parts.append(np.array(draw(rows), dtype=np.int64))
        else:
            ends = st.none() | st.integers(-5, 5)
            parts.append(slice(draw(ends), draw(ends), draw(st.sampled_from((None, 1, 2, 3)))))
    if draw(st.booleans()):
        parts.append(Ellipsis)
    return tuple(parts)


def with_tensors(index):
    return tuple(tg.tensor(p) if isinstance(p, np.ndarray) else p for p in index)


@law
@given(st.data(), shapes, seeds, backends)
def test_reading_and_writing_by_index_are_numpys(data, shape, seed, backend):
    array = floats(seed, shape)
    index = data.draw(indices(shape))
    with tg.backend(backend):
        x = tg.tensor(array, requires_grad=True)
        y = x * 1
        found = y[with_tensors(index)]
        same(found, array[index])
        found.sum().backward()
        counted = np.zeros(shape)
        np.add.at(counted, index, 1.0)
        same(x.grad, counted)
        z = tg.tensor(array)
        z[with_tensors(index)] = 7.0
        array[index] = 7.0
        same(z, array)


@law
@given(shapes.filter(len), seeds, backends)
def test_masks_choose_as_numpys(shape, seed, backend):
    array = floats(seed, shape)
    mask = array > 0
    with tg.backend(backend):
        x = tg.tensor(array)
        same(x[tg.tensor(mask)], array[mask])
        same(x.masked_select(tg.tensor(mask)), array[mask])
        same(tg.where(tg.tensor(mask), x, -x), np.abs(array))
        x[tg.tensor(mask)] = tg.tensor(array[mask] * 2)
        same(x, np.where(mask, array * 2, array))


@law
@given(shapes.filter(len), st.integers(0, 3), seeds, backends, st.sampled_from(("sum", "prod", "amax")))
def test_a_reduction_of_parts_is_the_reduction_of_the_whole(shape, dim, seed, backend, name):
    dim %= len(shape)
    if 0 in shape:
        return
    with tg.backend(backend):
        x = tg.tensor(floats(seed, shape))
        whole = getattr(tg, name)(x, dim)
        parts = tg.stack([getattr(tg, name)(part, dim) for part in x.tensor_split(2, dim) if part.shape[dim]])
        same(getattr(tg, name)(parts, 0), whole.numpy(), 1e-12, 1e-13)
        along = x
        for _ in shape:
            along = getattr(tg, name)(along, -1)
        everything = getattr(tg, name)(x.flatten(), 0)
        same(along, everything.numpy(), 1e-12, 1e-13)


PAIRS = {
    "exp, log": (tg.exp, tg.log, -3, 3),
    "expm1, log1p": (tg.expm1, tg.log1p, -3, 3),
    "exp2, log2": (tg.exp2, tg.log2, -3, 3),
    "tanh, atanh": (tg.tanh, tg.atanh, -2, 2),
    "sinh, asinh": (tg.sinh, tg.asinh, -3, 3),
    "cosh, acosh": (tg.cosh, tg.acosh, 0.5, 3),
    "sin, asin": (tg.sin, tg.asin, -1, 1),
    "cos, acos": (tg.cos, tg.acos, 0.5, 2.5),
    "tan, atan": (tg.tan, tg.atan, -1, 1),
    "sqrt, square": (tg.sqrt, tg.square, 0.1, 9),
    "sigmoid, logit": (tg.sigmoid, tg.logit, -3, 3),
    "erf, erfinv": (tg.erf, tg.erfinv, -1.5, 1.5),
    "ndtr, ndtri": (tg.special.ndtr, tg.special.ndtri, -2, 2),
    "reciprocal, reciprocal": (tg.reciprocal, tg.reciprocal, 0.1, 9),
    "deg2rad, rad2deg": (tg.deg2rad, tg.rad2deg, -9, 9),
}


@pytest.mark.parametrize("name", PAIRS)
@law
@given(st.floats(0, 1), st.sampled_from(FLOATS), backends)
def test_inverse_functions_undo_each_other(name, share, dtype, backend):
    there, back, low, high = PAIRS[name]
    x = tg.tensor([low + share * (high - low)], dtype=dtype)
    with tg.backend(backend):
        same(
            back(there(x)),
            x.numpy(),
            2e-4 if dtype is tg.float32 else 1e-12,
            1e-5 if dtype is tg.float32 else 1e-13,
        )


@law
@given(shapes.filter(lambda s: s and s[-1]), seeds, backends)
def test_sorting_gathers_and_differences_add_up(shape, seed, backend):
    array = floats(seed, shape)
    with tg.backend(backend):
        x = tg.tensor(array)
        values, order = x.sort(-1)
        same(values, np.sort(array, -1))
        same(x.gather(-1, order), values.numpy())
        same(values.gather(-1, order.argsort(-1)), array)
        first = tg.zeros((*shape[:-1], 1), dtype=tg.float64)
        same(x.cumsum(-1).diff(dim=-1, prepend=first), array, 1e-12, 1e-12)


@law
@given(st.integers(1, 4), seeds, backends)
def test_a_solution_solves(size, seed, backend):
    a = floats(seed, (size, size)) + 4 * np.eye(size)
    b = floats(seed + 1, (size, 2))
    with tg.backend(backend):
        matrix = tg.tensor(a)
        same(matrix @ tg.linalg.solve(matrix, tg.tensor(b)), b, 1e-10, 1e-10)
        same(tg.linalg.inv(matrix) @ matrix, np.eye(size), 1e-10, 1e-10)
        q, r = tg.linalg.qr(matrix)
        same(q @ r, a, 1e-10, 1e-10)
        u, s, vh = tg.linalg.svd(matrix)
        same(u * s @ vh, a, 1e-10, 1e-10)


FUNCTIONS = {
    "tanh": tg.tanh,
    "square": tg.square,
    "softmax": lambda x: tg.softmax(x, -1),
    "cumsum": lambda x: x.cumsum(-1),
    "sorted": lambda x: x.sort(-1)[0],
    "sliced": lambda x: x[..., ::2],
    "norm": lambda x: x.norm(),
    "logsumexp": lambda x: x.logsumexp(-1),
}


@law
@given(
    shapes.filter(lambda s: s and 0 not in s), seeds, backends,
    st.sampled_from(sorted(FUNCTIONS)), st.sampled_from(sorted(FUNCTIONS)),
)  # fmt: skip
def test_gradients_are_linear(shape, seed, backend, first, second):
    x = tg.tensor(floats(seed, shape), requires_grad=True)

    def slope(value):
        return tg.autograd.grad(value, x)[0]

    with tg.backend(backend):
        f, g = (lambda name=name: FUNCTIONS[name](x).sum() for name in (first, second))
        together = slope(3 * f() - 2 * g())
        same(together, (3 * slope(f()) - 2 * slope(g())).numpy(), 1e-10, 1e-12)


names = st.text("abcdefg_.", min_size=1, max_size=5)
leaves = st.one_of(
    st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.booleans(), st.none(), st.text(max_size=5),
    st.tuples(shapes, st.sampled_from(DTYPES), seeds),
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def planted(tree):
    """The tree with tensors in the place of their descriptions."""
    if isinstance(tree, tuple):
        shape, dtype, seed = tree
        return tg.tensor(np.random.default_rng(seed).integers(0, 100, shape)).to(dtype)
    if isinstance(tree, list):
        return [planted(v) for v in tree]
    return {k: planted(v) for k, v in tree.items()} if isinstance(tree, dict) else tree


def assert_equal_trees(a, b):
    assert type(a) is type(b)
    if isinstance(a, tg.Tensor):
        assert a.dtype is b.dtype and a.shape == b.shape
        assert a.tolist() == b.tolist()
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal_trees(x, y)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal_trees(a[key], b[key])
    else:
        assert a == b


@law
@given(st.dictionaries(names, trees, max_size=4))
def test_what_was_saved_is_loaded(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("laws") / "file.safetensors"
    tree = planted(tree)
    tg.save(tree, path)
    assert_equal_trees(tg.load(path), tree)


@st.composite
def networks(draw):
    """A function that makes the same network, with new weights, each time."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    kinds = [draw(st.sampled_from(("none", "norm", "batch", "act"))) for _ in sizes[1:]]

    def make():
        layers = []
        for a, b, kind in zip(sizes[:-1], sizes[1:], kinds, strict=True):
            layers.append(nn.Linear(a, b))
            layers += {
                "none": [],
                "norm": [nn.LayerNorm(b)],
                "batch": [nn.BatchNorm1d(b)],
                "act": [nn.PReLU()],
            }[kind]
        return nn.Sequential(*layers)

    return make, sizes[0]


@settings(law, max_examples=25)
@given(networks(), st.sampled_from(("SGD", "Adam", "RMSprop")), seeds)
def test_a_training_goes_on_from_its_state(network, name, seed):
    make, width = network
    inputs = tg.tensor(floats(seed, (5, width), np.float32))

    def build():
        model = make()
        return model, getattr(tg.optim, name)(model.parameters(), lr=0.01)

    def step(model, optimizer):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    (first, first_steps), (second, second_steps) = build(), build()
    step(first, first_steps)
    second.load_state_dict(first.state_dict())
    second_steps.load_state_dict(copy.deepcopy(first_steps.state_dict()))
    for pair in ((first, first_steps), (second, second_steps)):
        step(*pair)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert a.tolist() == b.tolist()


INPLACE = {
    "add": 1, "sub": 1, "mul": 1, "div": 1, "copysign": 1, "fmod": 1, "hypot": 1, "atan2": 1, "neg": 0,
    "tanh": 0, "abs": 0, "relu": 0, "sigmoid": 0, "floor": 0, "square": 0, "erf": 0, "sign": 0, "triu": 0,
}  # fmt: skip


def laid_out(array, layout):
    """A tensor with the array's values, and the memory of another shape around it."""
    if layout == "strided" and array.ndim:
        return tg.stack([tg.tensor(array)] * 2, -1)[..., 0]
    if layout == "transposed" and array.ndim > 1:
        return tg.tensor(np.ascontiguousarray(np.swapaxes(array, 0, -1))).transpose(0, -1)
    return tg.tensor(array)


layouts = st.sampled_from(("plain", "strided", "transposed"))


@law
@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=3).map(tuple), st.sampled_from(sorted(INPLACE)), layouts,
    layouts, seeds, backends,
)  # fmt: skip
def test_writing_in_place_gives_what_the_op_gives(shape, name, layout, other, seed, backend):
    operands = [laid_out(floats(seed + 1, shape), other)][: INPLACE[name]]
    with tg.backend(backend):
        x = laid_out(floats(seed, shape), layout)
        expected = getattr(x, name)(*operands)
        found = getattr(x, name + "_")(*operands)
        assert found is x
        same(x, expected.numpy())
        leaf = tg.tensor(floats(seed, shape), requires_grad=True)
        slopes = [
            tg.autograd.grad(getattr(leaf * 1, form)(*operands).sum(), leaf)[0].numpy()
            for form in (name, name + "_")
        ]
        np.testing.assert_array_equal(*slopes)


CHAINS = {
    "sum of products": lambda x, y: (x * y).sum(-1),
    "softmax": lambda x, y: tg.softmax(x - y, -1),
    "distance": lambda x, y: (x - y).square().sum().sqrt(),
    "normed": lambda x, y: nn.functional.layer_norm(x, x.shape[-1:]) * y,
    "mean of maxima": lambda x, y: tg.maximum(x, y).mean(),
    "product": lambda x, y: x @ y.mT,
    "scan": lambda x, y: (x.cumsum(0) * y.cumsum(-1)).tanh(),
    "variance": lambda x, y: (x + y).var(-1, unbiased=False),
    "chosen": lambda x, y: tg.where(x > y, x, y * 2)[..., :1],
}


@law
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=3).map(tuple), st.sampled_from(sorted(CHAINS)), layouts,
    layouts, st.sampled_from(FLOATS), seeds,
)  # fmt: skip
def test_both_backends_give_the_same(shape, name, first, second, dtype, seed):
    answers = []
    for backend in BACKENDS:
        arrays = floats(seed, shape), floats(seed + 1, shape)
        with tg.backend(backend):
            x, y = (
                laid_out(a.astype(dtype.numpy_dtype), layout).detach().requires_grad_()
                for a, layout in zip(arrays, (first, second), strict=True)
            )
            value = CHAINS[name](x, y)
            slopes = tg.autograd.grad(value.sum(), [x, y], allow_unused=True)
            answers.append([value.detach().numpy(), *(None if s is None else s.numpy() for s in slopes)])
    close = dict(rtol=2e-5, atol=2e-6) if dtype is tg.float32 else dict(rtol=1e-12, atol=1e-13)
    for a, b in zip(*answers, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, **close)
