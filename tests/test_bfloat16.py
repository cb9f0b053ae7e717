"""bfloat16, which NumPy does not have: stored in 16 bits, computed in float32, with PyTorch's numbers."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from file_parts import loaded, saved

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import _kernels, nn
from tensorgrad.core.declare import registry
from tensorgrad.testing.samples import cases, materialize, tensors_in

FILES = Path(__file__).parent / "fixtures"
TORCH = json.loads((FILES / "bfloat16.json").read_text())
X, Y = TORCH["X"], TORCH["Y"]
bf = tg.bfloat16
both = pytest.mark.parametrize("backend", ["kernels", "numpy"])


@pytest.fixture(autouse=True)
def _numpy_or_not(request):
    if "backend" not in request.fixturenames:
        yield
        return
    with tg.backend(request.getfixturevalue("backend")):
        yield


def of(values, **how):
    return tg.tensor(values, dtype=bf, **how)


def same(found, expected, ulps=0.0):
    """Of PyTorch's dtype, and no more than so many units in the last place from its numbers; where they are
    small beside others, of a hundredth of the largest.
    """
    kind, values = expected
    assert found.dtype.name == kind
    got, want = np.array(found.tolist(), float), np.array(values, float)
    assert got.shape == want.shape
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(got), np.abs(want))
        size = np.maximum(size, 0.01 * np.nanmax(np.where(np.isfinite(size), size, 0)))
        unit = 2.0 ** (np.floor(np.log2(size)) - 7)
        off = np.where((got == want) | (np.isnan(got) & np.isnan(want)), 0, np.abs(got - want) / unit)
    assert not (np.isnan(off) | (off > ulps)).any(), (got, want)


def function(name):
    return getattr(tg, name, None) or getattr(F, name)


def unary(name, x):
    dims = (0,) if name in ("cumsum", "softmax", "log_softmax", "logsumexp") else ()
    found = function(name)(x, *dims)
    return found if isinstance(found, tg.Tensor) else found[0]


# ---------------------------------------------------------------------------- bits


@both
@pytest.mark.parametrize("step", [1, 2])
def test_float32_is_rounded_to_nearest_even(backend, step):
    singles = np.array(TORCH["singles"], np.uint32).view(np.float32)
    found = tg.from_numpy(np.repeat(singles, step))[::step].to(bf)
    assert found.view(tg.int16).tolist() == TORCH["bits"]
    assert found.float().to(bf).view(tg.int16).tolist() == TORCH["bits"]


@both
def test_nan_stays_nan_and_keeps_its_sign(backend):
    singles = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFC00000], np.uint32).view(np.float32)
    found = tg.from_numpy(singles).to(bf)
    assert np.isnan(found.tolist()).all()
    assert (found.view(tg.int16) < 0).tolist() == [False, True, False, True]


@both
def test_every_bfloat16_goes_to_float32_and_back(backend):
    every = np.arange(1 << 16, dtype=np.uint16)
    finite = every[(every & 0x7FFF) <= 0x7F80]
    x = tg.from_numpy(finite.view(np.int16)).view(bf)
    np.testing.assert_array_equal(x.float().numpy().view(np.uint32), finite.astype(np.uint32) << 16)
    np.testing.assert_array_equal(x.float().to(bf).view(tg.int16).numpy(), finite.view(np.int16))


@both
def test_conversions_are_pytorchs(backend):
    for name, values in TORCH["to"].items():
        assert of(X).to(getattr(tg, name)).tolist() == values
    assert (
        tg.tensor([2**31 + 2**23 + 1, -(2**62) + 7, 257, 259, -3]).to(bf).tolist() == TORCH["from"]["int64"]
    )
    doubles = tg.tensor([1 + 2**-8 + 2**-40, 1e39, -1e-41, 0.1], dtype=tg.float64)
    assert doubles.to(bf).tolist() == TORCH["from"]["float64"]
    assert tg.tensor([0.1, 65504.0, 6e-8]).half().to(bf).tolist() == TORCH["from"]["float16"]


def test_kernels_and_numpy_convert_to_the_same_bits():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 4000, np.uint32).view(np.float32)
    sources = [tg.from_numpy(bits)] + [
        tg.from_numpy(bits).nan_to_num(0, 1e30, -1e30).clamp(-120, 120).to(d) for d in tg.core.all_dtypes
    ]
    for source in sources:
        for target in tg.core.all_dtypes:
            found = []
            for backend in ("kernels", "numpy"):
                with tg.backend(backend):
                    found.append(source.to(target).view(tg.uint8).numpy())
            if bf in (source.dtype, target):
                np.testing.assert_array_equal(*found, err_msg=f"{source.dtype} to {target}")


# ---------------------------------------------------------------------------- arithmetic

# Where PyTorch rounds on the way, or approximates: in units of the last place.
CLOSE = {
    "rsqrt": 1, "pow": 1, "exp2": 1, "var": 1, "std": 1, "norm": 1, "prod": 1, "softmax": 1, "log_softmax": 1,
    "logsumexp": 2, "cumsum": 1, "sum": 1, "mean": 1, "floor_divide": 1, "hypot": 1,
}  # fmt: skip


@both
@pytest.mark.parametrize("name", TORCH["unary"])
def test_one_operand_as_pytorch(name, backend):
    same(unary(name, of(X)), TORCH["unary"][name], CLOSE.get(name, 0))


@both
@pytest.mark.parametrize("name", TORCH["binary"])
def test_two_operands_as_pytorch(name, backend):
    same(function(name)(of(X), of(Y)), TORCH["binary"][name], CLOSE.get(name, 0))


@both
def test_numbers_beside_it_as_pytorch(backend):
    x = of(X)
    found = [x + 0.1, 0.1 - x, x * 0.1, x / 3, x < 0.1, x == 0.7]
    for each, expected in zip(found, TORCH["number"].values(), strict=True):
        same(each, expected)


@both
@pytest.mark.parametrize("name", TORCH["gradient"])
def test_gradients_as_pytorch(name, backend):
    expected = TORCH["gradient"][name]
    leaves = [of(v, requires_grad=True) for v in (X, Y)[: len(expected)]]
    out = unary(name, *leaves) if len(leaves) == 1 else function(name)(*leaves)
    out.sum().backward()
    for leaf, grad in zip(leaves, expected, strict=True):
        same(leaf.grad, grad, 1)


@both
def test_products_norms_and_losses_as_pytorch(backend):
    a, b = of(X[:6]).reshape(2, 3), of(Y[:6]).reshape(3, 2)
    for found, expected in zip(
        [a @ b, F.linear(a, b.T, of(Y[:2])), F.layer_norm(a, (3,))], TORCH["products"], strict=True
    ):
        same(found, expected, 1)
    same(F.cross_entropy(a, tg.tensor([2, 0])), TORCH["loss"], 1)


WIDER = ("_cast", "_cat", "_stack", "_block_diag", "float_power", "to", "float", "double", "half", "type")
LOW_PRECISION = "Low precision|either float or double|not implemented for bfloat16|Got bfloat16"


@pytest.mark.parametrize("family", sorted({op.facts.family for op, _ in cases()}))
def test_every_op_is_near_float64_or_refuses(family):
    """No number is silently wrong, and no dtype: the samples of every op, from the same rounded values."""

    def in_dtype(value, dtype):
        if isinstance(value, tg.Tensor):
            return value.to(bf).to(dtype) if value.is_floating_point() else value
        if type(value) in (list, tuple):
            return type(value)(in_dtype(each, dtype) for each in value)
        return value

    for op, sample in cases(lambda op: op.kind_name != "inplace" and op.facts.family == family):
        args, kwargs, _ = materialize(sample, dtype=tg.float64)
        for backend in ("kernels", "numpy"):
            found = []
            with tg.backend(backend):
                for dtype in (bf, tg.float64):
                    tg.manual_seed(0)
                    given = {key: in_dtype(value, dtype) for key, value in kwargs.items()}
                    try:
                        found.append(tensors_in(op(*(in_dtype(each, dtype) for each in args), **given)))
                    except (RuntimeError, NotImplementedError) as error:
                        with pytest.raises(type(error), match=LOW_PRECISION):
                            raise
                        break
            if len(found) < 2:
                continue
            for low, high in zip(*found, strict=True):
                assert low.dtype is (bf if high.is_floating_point() else high.dtype) or (
                    op.__name__ in (*WIDER, "bincount")
                ), op
                p, q = np.array(low.tolist(), float), np.array(high.tolist(), float)
                scale = np.nanmax(np.abs(np.where(np.isfinite(q), q, 0)), initial=1e-30)
                if "multi_dot" not in op.__name__:      # cancels
                    np.testing.assert_allclose(p, q, rtol=0.03, atol=0.012 * scale, err_msg=f"{op} {sample}")


# ---------------------------------------------------------------------------- memory


@both
def test_views_joins_and_writes_move_bits(backend):
    x = tg.from_numpy(np.array([0x7FC1, -1, 5, 0x4049], np.int16)).view(bf)  # two are NaN
    pieces = [x[2:], x[:2]]
    for found in (
        tg.cat(pieces).view(tg.int16), tg.stack([x, x], 1).T[0].contiguous().view(tg.int16),
        x.reshape(2, 2).t().clone().t().reshape(4).view(tg.int16),
    ):  # fmt: skip
        assert sorted(found.tolist()) == [-1, 5, 0x4049, 0x7FC1]
    y = tg.zeros(4, 3, dtype=bf)
    y[:, 1] = tg.tensor([1.0, 2.0, 3.0, 0.1])
    y[1] = 0.3
    y[tg.tensor([0, 3]), 0] = of([7.0, 8.0])
    y[y > 7.5] = -1
    assert y.tolist() == [
        [7.0, 1.0, 0.0], [0.30078125, 0.30078125, 0.30078125], [0.0, 3.0, 0.0], [-1.0, 0.10009765625, 0.0]
    ]  # fmt: skip
    y.index_put_((tg.tensor([2, 2]), tg.tensor([0, 0])), of([1.0, 2.0]), accumulate=True)
    assert y[2].tolist() == [3.0, 3.0, 0.0]
    assert y.index_select(0, tg.tensor([2, 0])).tolist() == [[3.0, 3.0, 0.0], [7.0, 1.0, 0.0]]


@both
def test_in_place_forms_and_out_give_what_the_op_gives(backend):
    for op, sample in cases(lambda op: op.__name__ + "_" in registry and op.kind_name in ("unary", "binary")):
        args, kwargs, _ = materialize(sample, dtype=tg.float64)
        args = [a.to(bf) if isinstance(a, tg.Tensor) and a.is_floating_point() else a for a in args]
        if not isinstance(args[0], tg.Tensor) or args[0].dtype is not bf:
            continue
        expected = op(*args, **kwargs)
        if expected.shape != args[0].shape or expected.dtype is not bf:
            continue
        strided = tg.stack([args[0], args[0]], -1)[..., 0]
        for written in (args[0].clone(), strided):
            assert registry[op.__name__ + "_"](written, *args[1:], **kwargs) is written
            same(written, ("bfloat16", expected.tolist()))
        if op.kind_name == "binary":
            same(op(*args, **kwargs, out=tg.empty(0, dtype=bf)), ("bfloat16", expected.tolist()))


def test_factories_fill_and_refuse_as_pytorch():
    assert tg.full((2,), 0.1, dtype=bf).tolist() == [0.10009765625] * 2
    assert tg.tensor([3.4e38, 1e39], dtype=bf).tolist() == [float("inf")] * 2
    assert tg.tensor(np.array([1.5, 2.5]), dtype=bf).dtype is bf
    assert tg.tensor([True, False], dtype=bf).tolist() == [1.0, 0.0]
    assert tg.eye(2, dtype=bf).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert tg.arange(3, dtype=bf).tolist() == [0.0, 1.0, 2.0]
    assert tg.tensor(of([1.5])).dtype is bf and tg.asarray(of([1.5])).dtype is bf
    assert tg.tensor([of([1.0])[0], of([2.0])[0]]).dtype is bf
    for refused in (
        lambda: tg.full((2,), 3.4e38, dtype=bf), lambda: tg.zeros(2, dtype=bf).fill_(1e39),
        lambda: tg.add(of(X), of(Y), alpha=3.4e38),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="cannot be converted to type bfloat16 without overflow"):
            refused()
    assert (of([1.0]) + 1e39).tolist() == [float("inf")]


def test_default_dtype_may_be_bfloat16():
    tg.set_default_dtype(bf)
    assert tg.tensor([0.1]).dtype is bf and tg.rand(2).dtype is bf
    assert (tg.tensor([1, 2]) / 3).dtype is bf
    assert "dtype" not in repr(tg.ones(2))


# ---------------------------------------------------------------------------- other programs


def test_numpy_is_told_that_it_has_no_such_type():
    x = of([1.0, 2.0])
    for ask in (x.numpy, lambda: x.numpy(force=True), lambda: np.asarray(x), lambda: np.concatenate([x, x])):
        with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
            ask()
    with pytest.raises(TypeError, match="BFloat16"):
        _ = bf.numpy_dtype
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(x)
    with pytest.raises(TypeError, match="can't convert"):
        tg.from_numpy(np.zeros(2, "V2"))
    assert np.add(x, 1).dtype is bf and np.sin(x).dtype is bf


class Exported:
    """Memory that says in DLPack that it is bfloat16, as another library does."""

    def __init__(self, tensor, versioned):
        self.tensor, self.versioned = tensor, versioned

    def __dlpack__(self, *, max_version=None, **others):
        return self.tensor.__dlpack__(**({"max_version": max_version} if self.versioned else {}))

    def __dlpack_device__(self):
        return (1, 0)


@pytest.mark.parametrize("versioned", [False, True])
def test_dlpack_shares_the_memory_both_ways(versioned):
    if versioned and np.lib.NumpyVersion(np.__version__) < "2.1.0":
        pytest.skip("the capsule is NumPy's, which had no versions")
    x = tg.arange(6, dtype=bf).reshape(2, 3)
    y = tg.from_dlpack(Exported(x.t(), versioned))
    assert y.dtype is bf and y.tolist() == x.t().tolist() and y.stride() == (1, 3)
    x[1, 0] = 9
    assert y[0, 1].item() == 9.0
    copied = tg.from_dlpack(x, copy=True)
    copied.zero_()
    assert x[1, 0].item() == 9.0
    assert tg.from_dlpack(tg.to_dlpack(x)).tolist() == x.tolist()
    with pytest.raises(BufferError, match="require gradient"):
        of([1.0], requires_grad=True).__dlpack__()
    with pytest.raises((RuntimeError, BufferError)):
        np.from_dlpack(x)                                  # the capsule says what it is


def test_safetensors_of_another_program_is_read():
    found = tg.load(FILES / "files" / "bfloat16.safetensors")["x"]
    assert found.dtype is bf and found.tolist() == [1.0, 1.0]


def test_saved_bits_come_back_and_are_named_bf16():
    x = tg.from_numpy(np.array([[0x7F81, -1, 5], [0x4049, 0, -0x8000]], np.int16)).view(bf)
    state = {"x": x, "turned": x.t(), "same": x, "bits": x.view(tg.int16), "p": nn.Parameter(x), "d": bf}
    data = saved(state)
    table = data[8 : 8 + int.from_bytes(data[:8], "little")]
    assert json.loads(table)["x"]["dtype"] == "BF16" and json.loads(table)["bits"]["dtype"] == "I16"
    back = loaded(data)
    assert back["d"] is bf and back["p"].requires_grad
    for name in ("x", "same", "bits", "p"):
        assert back[name].detach().view(tg.int16).tolist() == x.view(tg.int16).tolist()
    assert back["turned"].view(tg.int16).tolist() == x.view(tg.int16).t().tolist()


def test_it_is_itself_through_pickles_and_copies():
    x = tg.arange(6, dtype=bf).reshape(2, 3).t().requires_grad_()
    for back in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x)):
        assert back.dtype is bf and back.requires_grad and back.tolist() == x.tolist()
        assert back.stride() == x.stride()
    assert pickle.loads(pickle.dumps(bf)) is bf and len({bf: 1, copy.deepcopy(bf): 2}) == 1


def test_text_limits_and_names_are_pytorchs():
    shown = [of(X), of(X)[0], of(X[:6]).reshape(2, 3), of([3e38, 1e-40])]
    assert [repr(t) for t in shown] == TORCH["texts"]
    assert repr(tg.finfo(bf)) == TORCH["finfo"]
    assert of([1.0]).type() == "tensorgrad.BFloat16Tensor" and isinstance(of([1.0]), tg.BFloat16Tensor)
    assert tg.ones(1).bfloat16().dtype is bf and tg.ones(1).type("torch.BFloat16Tensor").dtype is bf
    for d in (tg.float16, tg.float32, tg.float64):
        limits, numpys = tg.finfo(d), np.finfo(d.numpy_dtype)
        for name in ("bits", "eps", "max", "min", "tiny", "smallest_normal"):
            assert getattr(limits, name) == float(getattr(numpys, name)), name
        assert limits.resolution == pytest.approx(float(numpys.resolution), rel=1e-3)


# ---------------------------------------------------------------------------- training


@pytest.mark.parametrize("name", TORCH["drawn"])
def test_draws_are_pytorchs_bit_for_bit(name):
    make = {
        "rand": lambda: tg.rand(33, dtype=bf),
        "randn": lambda: tg.randn(37, dtype=bf),
        "few": lambda: tg.randn(5, dtype=bf),
        "uniform_": lambda: tg.empty(9, dtype=bf).uniform_(-2, 3),
        "exponential_": lambda: tg.empty(9, dtype=bf).exponential_(2),
        "randint": lambda: tg.randint(0, 100, (9,), dtype=bf),
        "bernoulli_": lambda: tg.empty(9, dtype=bf).bernoulli_(0.3),
        "dropout": lambda: F.dropout(tg.ones(20, dtype=bf), 0.3),
        "alpha_dropout": lambda: F.alpha_dropout(tg.ones(20, dtype=bf), 0.3, True),
        "randperm": lambda: tg.randperm(20, dtype=bf),
    }
    tg.manual_seed(5)
    same(make[name](), TORCH["drawn"][name])


def test_draws_that_it_can_not_hold_are_refused():
    with pytest.raises(NotImplementedError, match="bfloat16"):
        tg.multinomial(tg.ones(3, dtype=bf), 1)
    with pytest.raises(RuntimeError, match="does not hold 300 different integers"):
        tg.randperm(300, dtype=bf)


@both
@pytest.mark.parametrize("which", range(6))
def test_optimizers_step_as_pytorchs(which, backend):
    name, settings, expected = TORCH["steps"][which]
    p = of(X, requires_grad=True)
    optimizer = getattr(tg.optim, name)([p], **settings)
    for k in range(5):
        p.grad = of(Y) * (k + 1)
        optimizer.step()
    kept = {key: value.dtype for key, value in optimizer.state[p].items() if isinstance(value, tg.Tensor)}
    kept.pop("step", None)
    assert set(kept.values()) <= {bf}
    same(p, expected, 4)


@both
def test_a_net_of_it_learns(backend):
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2)).bfloat16()
    x = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=bf)
    y = tg.tensor([0, 1, 1, 0])
    optimizer = tg.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(80):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    assert loss.dtype is bf and loss.item() < 0.05
    assert {p.dtype for p in net.parameters()} == {p.grad.dtype for p in net.parameters()} == {bf}
    assert nn.Linear(2, 2).to(bf).weight.dtype is bf


def test_there_are_kernels_that_move_it():
    have = {name for name, dtype in _kernels.names() if dtype == bf.code}
    assert {"copy", "fill", "gather_rows", "cast_f32", "cast_bf16"} <= have
