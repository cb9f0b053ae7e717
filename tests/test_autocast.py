"""Mixed precision on the CPU: PyTorch's dtypes, a training beside its own, and the scaler of losses."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn

F = nn.functional
FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "autocast.json").read_text())


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
@pytest.mark.parametrize("call", FIXTURE["dtypes"])
def test_results_have_pytorchs_dtypes(call, name):
    if name not in FIXTURE["dtypes"][call]:
        pytest.skip("PyTorch has no loop for it")
    dtype = getattr(tg, name)
    f = tg.ones(4, 4)
    names = {
        "torch": tg, "F": F, "nn": nn, "f": f, "v": tg.ones(4), "s": tg.ones(2, 4, 8), "h": f.to(dtype),
        "im": tg.ones(2, 4, 6, 6), "vol": tg.ones(1, 2, 4, 4, 4), "p": tg.full((4, 4), 0.5),
        "t": tg.arange(4), "low": lambda x: x.to(dtype),
    }  # fmt: skip
    with tg.autocast("cpu", dtype=dtype):
        found = eval(call, names)
    assert str(found.dtype).removeprefix("tensorgrad.") == FIXTURE["dtypes"][call][name]


def test_a_training_goes_as_pytorchs():
    rng = np.random.default_rng(0)
    x, y = (tg.tensor(rng.standard_normal(shape), dtype=tg.float32) for shape in ((16, 1, 8, 8), (16, 3)))
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.LayerNorm(8),
        nn.GELU(), nn.Linear(8, 3),
    )  # fmt: skip
    for p in net.parameters():
        p.data.copy_(tg.tensor(rng.standard_normal(p.shape) * 0.2, dtype=tg.float32))
    optimizer, losses = tg.optim.SGD(net.parameters(), lr=0.05), []
    for _ in range(6):
        with tg.autocast("cpu", dtype=tg.bfloat16):
            loss = F.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert {p.grad.dtype for p in net.parameters()} == {tg.float32}
    np.testing.assert_allclose(losses, FIXTURE["losses"], rtol=2e-3)  # bfloat16 has less than three digits


def test_blocks_nest_and_decorate():
    x = tg.ones(2, 2)

    @tg.autocast("cpu")
    def product():
        return (x @ x).dtype

    assert product() is tg.bfloat16 and not tg.is_autocast_enabled("cpu")
    with tg.autocast("cpu", dtype=tg.float16):
        assert (x @ x).dtype is tg.float16 and tg.get_autocast_dtype("cpu") is tg.float16
        assert tg.is_autocast_cpu_enabled() and not tg.is_autocast_enabled()
        with tg.autocast("cpu", enabled=False):
            assert (x @ x).dtype is tg.float32
            assert product() is tg.bfloat16
        assert (x @ x).dtype is tg.float16
        with pytest.warns(UserWarning, match="no device"), tg.autocast("cuda"):
            assert (x @ x).dtype is tg.float16
    assert (x @ x).dtype is tg.float32 and tg.get_autocast_dtype("cpu") is tg.bfloat16
    with pytest.warns(UserWarning, match="not supported"), tg.autocast("cpu", dtype=tg.float64):
        assert (x @ x).dtype is tg.float32


def test_gradients_of_a_weight_that_is_used_twice_meet_in_the_low_dtype():
    weight = tg.ones(1, 1, requires_grad=True)
    with tg.autocast("cpu"):
        out = F.linear(tg.tensor([[1.0]]), weight) + F.linear(tg.tensor([[2.0**-9]]), weight)
    out.backward()
    assert weight.grad.item() == 1.0            # 1 + 2**-9 is 1 in bfloat16
    weight.grad = None
    with tg.autocast("cpu"):
        first = F.linear(tg.tensor([[1.0]]), weight)
    with tg.autocast("cpu"):
        second = F.linear(tg.tensor([[2.0**-9]]), weight)
    (first + second).backward()
    assert weight.grad.item() == 1 + 2.0**-9


def test_a_written_weight_is_converted_again():
    weight = tg.ones(1, 1, requires_grad=True)
    with tg.autocast("cpu"):
        first = F.linear(tg.ones(1, 1), weight).item()
        with tg.no_grad():
            weight.mul_(2)
        assert (first, F.linear(tg.ones(1, 1), weight).item()) == (1, 2)


def test_a_checkpoint_computes_again_in_the_same_precision():
    x, seen = tg.ones(2, 2, requires_grad=True), []

    def run(x):
        y = x @ x
        seen.append(y.dtype)
        return y

    with tg.autocast("cpu"):
        y = tg.utils.checkpoint.checkpoint(run, x, use_reentrant=False)
    y.float().sum().backward()
    assert seen == [tg.bfloat16, tg.bfloat16] and x.grad.dtype is tg.float32


@pytest.mark.parametrize("cast_inputs", [None, tg.float32])
def test_functions_say_in_which_precision_they_run(cast_inputs):
    seen = []

    class Own(tg.autograd.Function):
        @staticmethod
        @tg.amp.custom_fwd(device_type="cpu", cast_inputs=cast_inputs)
        def forward(ctx, x):
            ctx.save_for_backward(x)
            seen.append((x @ x).dtype)
            return x * 2

        @staticmethod
        @tg.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append((g.float() @ g.float()).dtype)
            return g * 2

    x = tg.ones(2, 2, requires_grad=True)
    with tg.autocast("cpu"):
        y = Own.apply(x.to(tg.bfloat16) if cast_inputs else x)
    y.sum().backward()
    assert seen == ([tg.float32] * 2 if cast_inputs else [tg.bfloat16] * 2)


def scaled(**settings):
    weight = tg.tensor([1.0, 2.0], requires_grad=True)
    return weight, tg.optim.SGD([weight], lr=0.5), tg.amp.GradScaler("cpu", **settings)


def test_a_scaled_step_is_the_step():
    weight, optimizer, scaler = scaled()
    scaler.scale((weight * weight).sum()).backward()
    assert weight.grad.tolist() == [2 * 65536, 4 * 65536]
    scaler.unscale_(optimizer)
    assert weight.grad.tolist() == [2, 4]
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)
    scaler.update()
    assert weight.tolist() == [0, 0] and scaler.get_scale() == 65536 and scaler.is_enabled()
    assert scaler.scale([tg.ones(1), {"a": tg.ones(1)}])[1]["a"].item() == 65536
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()


def test_a_step_is_left_out_where_a_gradient_is_not_finite_and_the_scale_follows():
    weight, optimizer, scaler = scaled(init_scale=4.0, growth_interval=2)
    scales = []
    for factor in (math.inf, 1.0, 1.0, 1.0, math.nan):
        optimizer.zero_grad()
        scaler.scale((weight * factor).sum()).backward()
        before = weight.tolist()
        scaler.step(optimizer)
        assert (weight.tolist() == before) is not math.isfinite(factor)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [2, 2, 4, 4, 2]
    again = tg.amp.GradScaler("cpu")
    again.load_state_dict(scaler.state_dict())
    assert again.state_dict() == scaler.state_dict() and again.get_growth_interval() == 2
    with pytest.raises(RuntimeError, match="empty"):
        again.load_state_dict({})
    scaler.update(8.0)
    assert scaler.get_scale() == 8


def test_a_scaler_that_is_switched_off_does_nothing():
    with pytest.warns(UserWarning, match="no device"):
        scaler = tg.amp.GradScaler()
    weight, optimizer, _ = scaled()
    assert scaler.scale(weight) is weight and scaler.state_dict() == {} and scaler.get_scale() == 1
    weight.sum().backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert weight.tolist() == [0.5, 1.5]
    for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(AssertionError):
            tg.amp.GradScaler("cpu", **wrong)
