"""The tape in plain Python says what the compiled core must do: on the NumPy path no bit differs."""

from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import plain
from tensorgrad.core.declare import registry
from tensorgrad.datasets import digits
from tensorgrad.testing.samples import cases, materialize, tensors_in

EXAMPLES = Path(__file__).parents[1] / "examples"

# Ops whose own body writes in place, which values can't show; bfloat16, which NumPy does not have.
WITHOUT = {
    "_index_put", "as_strided_scatter", "bfloat16", "diagonal_scatter", "fill", "nonzero_static",
    "select_scatter", "slice_scatter",
}  # fmt: skip
UNDERIVED = {"igamma", "igammac", "zeta"}       # an argument of theirs has no derivative, here and there

ALL = list(cases(lambda op: op.kind_name != "inplace"))


@pytest.fixture(autouse=True)
def numpy_path():
    with tg.backend("numpy"):
        yield


def as_plain(value, known):
    """Arguments with plain tensors in the place of tensors: one for each."""
    if isinstance(value, tg.Tensor):
        if id(value) not in known:
            known[id(value)] = plain.Tensor(value.detach().numpy(), requires_grad=value.requires_grad)
        return known[id(value)]
    if isinstance(value, (list, tuple)):
        parts = [as_plain(each, known) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def plain_tensors(result):
    if isinstance(result, plain.Tensor):
        return [result]
    if isinstance(result, dict):
        result = list(result.values())
    return [t for each in result for t in plain_tensors(each)] if isinstance(result, (list, tuple)) else []


def same_bits(array, expected):
    assert array.dtype == expected.dtype and array.shape == expected.shape
    assert np.ascontiguousarray(array).tobytes() == np.ascontiguousarray(expected).tobytes()


def called(op, sample, dtype, requires_grad):
    """What both make of a sample call, and the leaves of both."""
    args, kwargs, leaves = materialize(sample, dtype=dtype, requires_grad=requires_grad)
    known = {}
    own = as_plain(args, known), {name: as_plain(value, known) for name, value in kwargs.items()}
    tg.manual_seed(0)
    expected = tensors_in(op(*args, **kwargs))
    tg.manual_seed(0)
    found = plain_tensors(plain.call(op, *own[0], **own[1]))
    assert len(found) == len(expected)
    return found, expected, [known[id(leaf)] for leaf in leaves], leaves


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [tg.float64, tg.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("op, sample", ALL, ids=[f"{op.__name__}-{sample.name}" for op, sample in ALL])
def test_values_and_gradients_are_those_of_the_core(op, sample, dtype):
    if op.__name__ in WITHOUT:
        with pytest.raises((NotImplementedError, TypeError), match="plain tensor|BFloat16"):
            called(op, sample, dtype, True)
        return
    found, expected, own, leaves = called(op, sample, dtype, True)
    for ours, theirs in zip(found, expected, strict=True):
        same_bits(ours.array, theirs.detach().numpy())
        assert ours.requires_grad == theirs.requires_grad and ours.dtype is theirs.dtype
    if op.__name__ in UNDERIVED:
        return
    for ours, theirs in zip(found, expected):
        if theirs.requires_grad:
            weight = np.random.default_rng(1).uniform(0.5, 1.5, tuple(theirs.shape)).astype(ours.array.dtype)
            theirs.backward(tg.tensor(weight), retain_graph=True)
            ours.backward(plain.Tensor(weight))
    for ours, theirs in zip(own, leaves):
        assert (ours.grad is None) == (theirs.grad is None)
        if theirs.grad is not None:
            same_bits(ours.grad.array, theirs.grad.numpy())


def test_what_is_left_out_are_ops():
    assert WITHOUT | UNDERIVED <= set(registry)


def test_the_second_derivative_comes_by_the_same_formulas():
    x = plain.tensor(0.5, dtype=plain.float64, requires_grad=True)
    y = plain.sin(x) * x**2
    y.backward(create_graph=True)
    first, x.grad = x.grad, None
    first.backward()
    assert first.array == pytest.approx(2 * 0.5 * np.sin(0.5) + 0.25 * np.cos(0.5))
    assert x.grad.array == pytest.approx((2 - 0.25) * np.sin(0.5) + 4 * 0.5 * np.cos(0.5))


def example(name, engine):
    """The names that an example defines, where `tg` is another engine."""
    text = (EXAMPLES / f"{name}.py").read_text()
    assert "import tensorgrad as tg" in text
    world = {"__name__": name, "tg": engine}
    exec(compile(text.replace("import tensorgrad as tg", ""), name, "exec"), world)
    return world


@pytest.mark.parametrize("name", ["first_gradient", "chain_rule"])
def test_examples_print_the_same(name, capsys):
    example(name, tg)["main"]()
    expected = capsys.readouterr().out
    example(name, plain)["main"]()
    assert capsys.readouterr().out == expected


def test_xor_by_hand_learns_the_same():
    ours, theirs = (example("xor_by_hand", engine) for engine in (plain, tg))
    start = ours["start"]
    for ours_at, theirs_at, _ in zip(ours["on_tape"](*start()), theirs["on_tape"](*start()), range(200)):
        for one, other in zip(ours_at, theirs_at):
            same_bits(one, other)


def test_a_perceptron_learns_the_digits_as_the_core_does():
    images, labels = (each.numpy() for each in digits())
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.2, shape) for shape in ((64, 32), (32,), (32, 10), (10,))]

    def losses(engine):
        parameters = [engine.tensor(w, requires_grad=True) for w in weights]
        w1, b1, w2, b2 = parameters
        optimizer = engine.optim.SGD(parameters, lr=0.5)
        for step in range(30):
            rows = slice(50 * step % 1500, 50 * step % 1500 + 50)
            x = engine.tensor(images[rows].astype(np.float64).reshape(50, 64) / 16)
            y = engine.tensor(labels[rows])
            loss = engine.nn.functional.cross_entropy(engine.relu(x @ w1 + b1) @ w2 + b2, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()

    found, expected = list(losses(plain)), list(losses(tg))
    assert found == expected
    assert np.mean(found[-5:]) < 0.5 * found[0]


def test_it_says_what_it_does(monkeypatch):
    said = []
    monkeypatch.setattr(plain, "listen", said.append)
    x = plain.tensor([[1.0, 2.0]], requires_grad=True)
    (x * 2).sum().backward()
    assert said == [
        "mul: [1, 2], 2 -> [1, 2]", "sum: [1, 2] -> []",
        "<SumBackward0>: [] -> [1, 2]", "<MulBackward0>: [1, 2] -> [1, 2], None",
    ]  # fmt: skip


def test_writing_in_place_is_refused():
    x = plain.tensor([1.0, 2.0])
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(NotImplementedError, match="nothing is written into"):
            write()
    assert x.tolist() == [1.0, 2.0]


def test_no_grad_is_that_of_the_core():
    x = plain.tensor(2.0, requires_grad=True)
    with plain.no_grad():
        assert (x * x).grad_fn is None
    assert (x * x).grad_fn is not None


def test_backward_of_what_needs_no_gradient_is_refused():
    with pytest.raises(RuntimeError, match="does not require grad"):
        plain.tensor(1.0).backward()
    with pytest.raises(RuntimeError, match="scalar outputs"):
        plain.tensor([1.0, 2.0], requires_grad=True).backward()
