"""The kernels of recurrent layers: against the NumPy bodies, over sizes around every edge, there and back."""

import numpy as np
import pytest
from kernel_calls import Guarded, code, same_by_any_threads

import tensorgrad as tg
from tensorgrad import _kernels
from tensorgrad.core.declare import registry

FLOATS = (np.float32, np.float64)
types = pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
KEPT = {"lstm": 3, "gru": 2, "rnn": 1}
kinds = pytest.mark.parametrize("kind", GATES)
reverses = pytest.mark.parametrize("reverse", [False, True], ids=("forward", "reverse"))

# How many rows each step has, and hidden units.
SHAPES = [
    ([1], 1), ([1], 40), ([3], 8), ([8], 33), ([1] * 3, 16), ([2, 1], 17), ([1] * 12, 5), ([1] * 12, 130),
    ([2] * 6, 64), ([3] * 4, 31), ([4, 3, 3, 1], 32), ([9] * 3, 20), ([14, 14], 48), ([15, 2, 1], 100),
    ([16, 15, 9, 9, 4, 1], 12), ([40] * 2, 65), ([70, 33, 3], 9), ([5] * 3, 256), ([2] * 5, 1024),
]  # fmt: skip
shapes = pytest.mark.parametrize("sizes, units", SHAPES, ids=[f"{s[0]}x{len(s)}x{n}" for s, n in SHAPES])


def draws(dtype, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [tg.tensor(rng.uniform(-1, 1, shape).astype(dtype)) for shape in shapes]


def arguments(kind, sizes, units, dtype, reverse, rectified=False, bias=True):
    """Of a layer whose weights are as small as those of layers are."""
    gates = GATES[kind] * units
    rows, batch = sum(sizes), sizes[0]
    x, weight_ih, weight, first, second, hidden, cell = draws(
        dtype, (rows, 3), (gates, 3), (gates, units), (gates,), (gates,), (batch, units), (batch, units)
    )
    states = [hidden, cell] if kind == "lstm" else [hidden]
    biases = {"lstm": [first], "gru": [first, second], "rnn": [first]}[kind]
    table = tg.tensor(sizes)
    last = [rectified] if kind == "rnn" else []
    weights = [x, weight_ih, weight / units**0.5, *states, table]
    return [*weights, *(biases if bias else [None] * len(biases)), reverse, *last]


def both(name, given):
    found = []
    for backend in ("kernels", "numpy"):
        with tg.backend(backend):
            found.append(registry[name](*given))
    return found


def near(found, expected, dtype):
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        rtol = 2e-5 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(f.detach().numpy(), e.detach().numpy(), rtol=rtol, atol=rtol / 4)


@types
@kinds
@reverses
@shapes
def test_kernels_agree_with_bodies(kind, sizes, units, dtype, reverse):
    for rectified, bias in ((False, True), *([(True, False)] if kind != "lstm" else [])):
        given = arguments(kind, sizes, units, dtype, reverse, rectified, bias)
        given[0].requires_grad_()
        found, expected = both(f"_{kind}", given)
        near(found, expected, dtype)
        grad, of_hidden, of_cell = draws(dtype, (sum(sizes), units), *[(sizes[0], units)] * 2, seed=1)
        states = [of_hidden, of_cell] if kind == "lstm" else [of_hidden]
        last = [rectified] if kind == "rnn" else []
        saved = [each.detach() for each in expected[-2:]][: 1 if kind == "rnn" else 2]
        back = [grad, *states, given[2], *saved, tg.tensor(sizes), reverse, *last]
        near(*both(f"_{kind}_backward", back), dtype)


@kinds
def test_without_a_gradient_nothing_is_kept(kind):
    given = arguments(kind, [9, 9, 4], 20, np.float32, False)
    plain = registry[f"_{kind}"](*given)
    if tg.get_backend() == "kernels":
        assert plain[-1] is None
    given[0].requires_grad_()
    kept = registry[f"_{kind}"](*given)
    assert all(tg.equal(a, b) for a, b in zip(plain[:-2], kept[:-2]))


@types
@kinds
@reverses
@pytest.mark.parametrize("sizes", [[64] * 9, [37, 30, 9, 3, 1]], ids=("even", "falling"))
def test_the_number_of_threads_changes_no_bit(kind, sizes, dtype, reverse):
    def work():
        given = arguments(kind, sizes, 70, dtype, reverse)
        given[0].requires_grad_()
        found = registry[f"_{kind}"](*given)
        yield from (each.detach() for each in found if each is not None)
        yield from tg.autograd.grad(found[0].sum(), given[0])

    same_by_any_threads(work)


# The names by which the door runs them, and the operands in their order.
NAMES = {"lstm": "lstm_backward", "gru": "gru_backward", "rnn": "rnn_backward"}


def operands(kind, sizes, units, dtype):
    rng = np.random.default_rng(3)
    rows, batch, gates = sum(sizes), sizes[0], GATES[kind]

    def made(*shape):
        return rng.uniform(-0.5, 0.5, shape).astype(dtype)

    one = kind == "rnn"
    given = dict(
        gates=made(rows, units) if one else made(rows, gates, units),
        weight=made(units, units) if one else made(gates, units, units), hidden=made(batch, units),
        sizes=np.array(sizes), reverse=0,
    )  # fmt: skip
    if one:
        given["rectified"] = 0
    if kind == "lstm":
        given["cell"] = made(batch, units)
    return given


@types
@kinds
def test_the_door_runs_them_there_and_back(kind, dtype):
    """The slope of the sum of all outputs, by the kernels, and by differences."""
    given = operands(kind, [3, 2], 5, dtype)
    for name in {"gates", "weight", "hidden", "cell"} & {*given}:
        given[name] = given[name].astype("f8")

    def total(gates):
        fresh = {name: np.array(value) for name, value in given.items()}
        return _kernels.apply(kind, **{**fresh, "gates": gates})

    gates = given["gates"].copy()
    output, kept = total(gates)
    assert output.shape == (5, 5) and kept.size == 25 * KEPT[kind]
    back = dict(
        grad=np.ones((5, 5)), weight=given["weight"], of_hidden=np.zeros((3, 5)), sizes=given["sizes"],
        gates=gates, kept=kept, reverse=0,
    )  # fmt: skip
    if kind == "lstm":
        back["of_cell"] = np.zeros((3, 5))
    if kind == "rnn":
        back["rectified"] = 0
        del back["kept"]
    found = _kernels.apply(NAMES[kind], **back)
    found = found[0] if kind == "gru" else found
    step = 1e-6
    for at in ((0, 0), (1, 3), (4, 2)):
        moved = [given["gates"].copy(), given["gates"].copy()]
        place = at if kind == "rnn" else (at[0], GATES[kind] - 1, at[1])
        moved[0][place] += step
        moved[1][place] -= step
        slope = (total(moved[0])[0].sum() - total(moved[1])[0].sum()) / (2 * step)
        np.testing.assert_allclose(found[place], slope, rtol=1e-6, atol=1e-8)
    with pytest.raises(ValueError, match="weight"):
        total(given["gates"][..., :4].copy())


@kinds
@pytest.mark.parametrize("sizes", [[3, 4], [3, 2, 2], [4], [3, -1, 2]])
def test_a_table_that_does_not_fit_writes_nothing_outside(kind, sizes):
    """The rows are 5, and the sequences 3."""
    given = operands(kind, [3, 2], 20, np.float32)
    output = Guarded((5, 20), np.float32)
    kept = Guarded((5, 20) if kind == "rnn" else (5, KEPT[kind], 20), np.float32)
    given.update(sizes=np.array(sizes), output=output.array, kept=kept.array)
    _kernels.apply(kind, **given)
    output.check()
    kept.check()
    assert code(output.array) == tg.float32.code
