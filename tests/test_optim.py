"""Optimizers and schedules: PyTorch's numbers, layouts and errors, and a compiled step that is never
stale."""

import copy
import gc
import json
import math
import pickle
import timeit
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.optim import lr_scheduler

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "training.json").read_text())
FUNCTIONS = {"halve": lambda epoch: 0.5**epoch, "tenths": lambda epoch: 1 - epoch / 10}
WITH_KERNEL = ("SGD", "Adam", "AdamW", "RMSprop")
ALL = sorted({case["name"] for case in FIXTURE["optimizers"]} | {"Muon"})


def ids(cases, *keys):
    return [" ".join([case[keys[0]], *(f"{k}={v}" for k, v in case["kwargs"].items())]) for case in cases]


def problem():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in ((4, 6), (4, 1), (6, 9), (4, 9))]


def train(name, kwargs, dtype=tg.float64, steps=None):
    w, b, x, y = (tg.tensor(array, dtype=dtype) for array in problem())
    w.requires_grad_()
    b.requires_grad_()
    optimizer = getattr(tg.optim, name)([w, b], **kwargs)

    def closure():
        optimizer.zero_grad()
        loss = ((w @ x + b - y) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(FIXTURE["steps"] if steps is None else steps):
        optimizer.step(closure)
    return w, b, optimizer


def plain(value):
    """A state_dict as the fixture has it."""
    if isinstance(value, tg.Tensor):
        return {
            "shape": list(value.shape),
            "dtype": str(value.dtype).split(".")[1],
            "sum": float(value.numpy().sum(dtype=float)),
        }
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def roughly(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            roughly(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            roughly(x, y)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-9, abs=1e-12)
    else:
        assert a == b and type(a) is type(b)


def parameter(*values, dtype=tg.float32):
    return tg.tensor(values or (1.0,), dtype=dtype, requires_grad=True)


def with_grad(*values, grad=1.0, dtype=tg.float32):
    p = parameter(*values, dtype=dtype)
    p.grad = tg.full_like(p.detach(), grad)
    return p


@pytest.fixture
def kernels():
    """For what only holds with compiled steps, whatever backend the suite runs on."""
    with tg.backend("kernels"):
        yield


# ---------------------------------------------------------------------------- PyTorch's numbers


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize("case", FIXTURE["optimizers"], ids=ids(FIXTURE["optimizers"], "name"))
def test_ten_steps_are_torchs(case, backend):
    with tg.backend(backend):
        w, b, optimizer = train(case["name"], case["kwargs"])
    np.testing.assert_allclose(w.detach().numpy().ravel(), case["w"], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(b.detach().numpy().ravel(), case["b"], rtol=1e-9, atol=1e-11)
    if "state_dict" in case:
        roughly(plain(optimizer.state_dict()), case["state_dict"])


@pytest.mark.parametrize(
    "case",
    [c for c in FIXTURE["optimizers"] if c["name"] in WITH_KERNEL],
    ids=ids([c for c in FIXTURE["optimizers"] if c["name"] in WITH_KERNEL], "name"),
)
@pytest.mark.parametrize("dtype", [tg.float32, tg.float64], ids=str)
def test_kernel_follows_the_rule(case, dtype, kernels):
    name, kwargs = case["name"], case["kwargs"]
    with tg.backend("numpy"):
        rule = train(name, kwargs, dtype)[0].detach().numpy()
    kernel = train(name, kwargs, dtype)[0].detach().numpy()
    tolerance = 2e-5 if dtype == tg.float32 else 1e-12
    np.testing.assert_allclose(kernel, rule, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", WITH_KERNEL)
def test_every_step_runs_the_kernel_and_not_the_rule_which_takes_memory(name, monkeypatch, kernels):
    cls = getattr(tg.optim, name)
    monkeypatch.setattr(cls, "_update", lambda *_: pytest.fail("the rule was run"))
    p = with_grad(1.0, 2.0)
    optimizer = cls([p], lr=0.1, **({"momentum": 0.9} if name in ("SGD", "RMSprop") else {}))
    before = p.detach().clone()
    for _ in range(4):
        optimizer.step()
    assert (p < before).all()
    optimizer.param_groups[0]["lr"] = 0.01  # a changed setting does not lead back to the rule
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())  # nor does loaded state
    optimizer.step()


def test_numpy_backend_runs_the_rule(monkeypatch):
    seen = []
    rule = tg.optim.SGD.rule
    monkeypatch.setattr(
        tg.optim.SGD,
        "rule",
        lambda self, param, grad, state, lr, momentum, dampening, nesterov: (
            seen.append(lr),
            rule(self, param, grad, state, lr, momentum, dampening, nesterov),
        )[1],
    )
    with tg.backend("numpy"):
        tg.optim.SGD([with_grad(1.0)], lr=0.25).step()
    assert seen == [0.25]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64], ids=str)
def test_state_and_parameter_keep_their_dtype(name, dtype):
    p = tg.ones(2, 2, dtype=dtype).requires_grad_()
    optimizer = getattr(tg.optim, name)([p])

    def closure():
        optimizer.zero_grad()
        p.grad = tg.ones(2, 2, dtype=dtype)
        return 1.0

    for _ in range(3):
        optimizer.step(closure)
    assert p.dtype == dtype and p.is_leaf and p.requires_grad and np.isfinite(p.detach().numpy()).all()
    for key, value in optimizer.state[p].items():
        if isinstance(value, tg.Tensor) and key not in ("step", "mu_product", "eta", "mu"):
            assert value.dtype == dtype, key
            assert not value.requires_grad


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_strided_parameter_and_gradient_step_as_contiguous_ones(name):
    values = tg.arange(6, dtype=tg.float32).reshape(2, 3)
    straight, strided = values.clone().requires_grad_(), values.T.contiguous().T.requires_grad_()
    assert not strided.is_contiguous()
    optimizer = getattr(tg.optim, name)([straight, strided], lr=0.1)
    for _ in range(3):
        straight.grad = values.clone()
        strided.grad = values.T.contiguous().T
        optimizer.step()
    np.testing.assert_allclose(straight.detach().numpy(), strided.detach().numpy(), rtol=1e-6)
    third = values.clone().requires_grad_()
    other = getattr(tg.optim, name)([third], lr=0.1)
    for _ in range(3):
        third.grad = values.T.contiguous().T  # only the gradient is strided
        other.step()
    np.testing.assert_allclose(straight.detach().numpy(), third.detach().numpy(), rtol=1e-6)


def test_gradient_is_left_as_it_was():
    for name in ALL:
        p = tg.ones(2, 2).requires_grad_()
        p.grad = tg.full((2, 2), 0.5)
        optimizer = getattr(tg.optim, name)(
            [p], **({"weight_decay": 0.1, "maximize": True} if name in WITH_KERNEL else {})
        )
        for _ in range(2):
            optimizer.step(lambda: 1.0)
        assert p.grad.tolist() == [[0.5, 0.5], [0.5, 0.5]], name


def test_parameter_without_gradient_rests():
    p, q = with_grad(1.0), parameter(1.0)
    optimizer = tg.optim.Adam([p, q], weight_decay=1.0)
    optimizer.step()
    optimizer.step()
    assert q.tolist() == [1.0] and q not in optimizer.state and p in optimizer.state


def test_a_step_counts_as_an_in_place_write():
    for name in ("SGD", "Adam", "Rprop"):
        p = with_grad(1.0)
        optimizer = getattr(tg.optim, name)([p])
        loss = (p * p).sum()
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation|changed|modified"):
            loss.backward()


def test_momentum_by_hand():
    p = with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=0.5, momentum=0.5)
    seen = []
    for _ in range(3):
        optimizer.step()
        seen.append(p.item())
    assert seen == [0.5, -0.25, -1.125]  # velocities 1, 1.5, 1.75


def test_adam_by_hand():
    p = with_grad(1.0, dtype=tg.float64, grad=0.5)
    optimizer = tg.optim.Adam([p], lr=0.1, betas=(0.5, 0.75), eps=0.0)
    optimizer.step()
    assert p.item() == pytest.approx(0.9)  # the first step is lr whatever the gradient
    p.grad.fill_(0.0)
    optimizer.step()
    # m = .5 * .25 = .125, over 1 - .25; v = .75 * .0625, over 1 - .5625
    assert p.item() == pytest.approx(0.9 - 0.1 * (0.125 / 0.75) / math.sqrt(0.046875 / 0.4375))


# ---------------------------------------------------------------------------- stale state


def test_settings_changed_between_steps_count_at_once():
    p = with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=0.5)
    optimizer.step()
    group = optimizer.param_groups[0]
    for change in (
        lambda: group.update(lr=0.25),
        lambda: group.__setitem__("lr", 0.125),
        lambda: group.setdefault("new", 1),
        lambda: (group.pop("lr"), group.__setitem__("lr", 1.0)),
        lambda: group.__ior__({"lr": 2.0}),
    ):
        change()
        before = p.item()
        optimizer.step()
        assert before - p.item() == group["lr"]


def test_learning_rate_that_is_a_tensor_is_read_every_time():
    lr, p = tg.tensor(0.5), with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=lr)
    optimizer.step()
    lr.fill_(0.25)
    optimizer.step()
    assert p.item() == 0.25


def test_replaced_and_emptied_state_counts_at_once():
    p = with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=1.0, momentum=0.5)
    optimizer.step()
    optimizer.step()
    optimizer.state[p]["momentum_buffer"] = tg.tensor([10.0])
    before = p.item()
    optimizer.step()
    assert before - p.item() == 6.0  # 10 / 2 + 1
    optimizer.state[p].clear()
    before = p.item()
    optimizer.step()
    assert before - p.item() == 1.0
    optimizer.state[p] = {"momentum_buffer": tg.tensor([4.0])}
    before = p.item()
    optimizer.step()
    assert before - p.item() == 3.0
    optimizer.state = {}
    before = p.item()
    optimizer.step()
    assert before - p.item() == 1.0
    optimizer.state.clear()
    before = p.item()
    optimizer.step()
    assert before - p.item() == 1.0


def test_changed_parameter_lists_count_at_once():
    p, q, r = with_grad(1.0), with_grad(1.0), with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=0.25)
    optimizer.step()
    group = optimizer.param_groups[0]
    group["params"].append(q)
    optimizer.step()
    assert (p.item(), q.item()) == (0.5, 0.75)
    group["params"][0] = r
    optimizer.step()
    assert (p.item(), q.item(), r.item()) == (0.5, 0.5, 0.75)
    group["params"] = [p]
    optimizer.step()
    assert (p.item(), q.item(), r.item()) == (0.25, 0.5, 0.75)
    del group["params"][0]
    optimizer.step()
    optimizer.param_groups = [{**group, "params": [q]}]
    optimizer.step()
    assert (p.item(), q.item(), r.item()) == (0.25, 0.25, 0.75)


def test_replaced_data_is_what_is_stepped():
    p = with_grad(1.0, 2.0)
    optimizer = tg.optim.Adam([p], lr=0.1)
    optimizer.step()
    old = p.data
    p.data = tg.tensor([5.0, 5.0])
    optimizer.step()
    assert (p < 5).all() and old.tolist() == pytest.approx([0.9, 1.9])


def test_state_of_the_wrong_size_is_an_error_and_not_a_wild_write():
    p = with_grad(1.0, 2.0)
    optimizer = tg.optim.Adam([p])
    optimizer.step()
    optimizer.state[p]["exp_avg"] = tg.zeros(7)
    with pytest.raises(RuntimeError, match="7"):
        optimizer.step()


def test_a_parameter_put_in_anothers_place_does_not_get_its_state():
    p, q = with_grad(1.0), with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=1.0, momentum=0.5)
    for _ in range(3):
        optimizer.step()
    optimizer.param_groups[0]["params"][0] = q
    optimizer.step()
    assert q.item() == 0.0
    optimizer.step()
    assert q.item() == -1.5


def test_gradient_of_the_wrong_size_is_an_error_and_not_a_wild_read():
    p = with_grad(1.0, 2.0)
    p.data = tg.zeros(7)
    optimizer = tg.optim.SGD([p], lr=1.0)
    with pytest.raises(RuntimeError, match="7"):
        optimizer.step()
    assert p.tolist() == [0.0] * 7


def test_state_of_another_dtype_goes_by_the_rule():
    p, q = with_grad(1.0, 2.0), with_grad(1.0, 2.0)
    optimizer = tg.optim.Adam([p, q], lr=0.1)
    optimizer.step()
    optimizer.state[p]["exp_avg"] = optimizer.state[p]["exp_avg"].double()
    for _ in range(3):
        optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6)
    assert optimizer.state[p]["exp_avg"].dtype == tg.float64 and p.dtype == tg.float32


def test_momentum_switched_on_later():
    p = with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=1.0)
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step()
    optimizer.step()
    assert p.item() == 1 - 1 - 1 - 1.5


def test_state_is_written_in_place():
    p = with_grad(1.0)
    optimizer = tg.optim.Adam([p])
    optimizer.step()
    average, version = optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_avg"]._version
    optimizer.step()
    with tg.backend("numpy"):
        optimizer.step()
    assert optimizer.state[p]["exp_avg"] is average and average.item() == pytest.approx(0.271)
    assert average._version == version + 2


# ---------------------------------------------------------------------------- groups


def test_groups_have_settings_of_their_own():
    p, q = with_grad(1.0), with_grad(1.0)
    optimizer = tg.optim.SGD([{"params": [p], "lr": 0.5}, {"params": q}], lr=0.25)
    optimizer.step()
    assert (p.item(), q.item()) == (0.5, 0.75)
    r = with_grad(1.0)
    optimizer.add_param_group({"params": [r], "lr": 1.0})
    optimizer.step()
    assert (p.item(), q.item(), r.item()) == (0.0, 0.5, 0.0)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 1, 1]


def test_parameters_with_names():
    model = nn.Linear(2, 1)
    optimizer = tg.optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_generators_of_parameters_are_taken():
    model = nn.Linear(2, 1)
    assert len(tg.optim.SGD(model.parameters()).param_groups[0]["params"]) == 2
    groups = ({"params": (p for p in [q])} for q in model.parameters())
    assert len(tg.optim.SGD(groups).param_groups) == 2


NAMED = parameter(1.0)
ERRORS = {
    "no parameters": (lambda: tg.optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    "a tensor": (
        lambda: tg.optim.SGD(parameter()),
        TypeError,
        "should be an iterable of Tensors or dicts, but got Tensor",
    ),
    "numbers": (
        lambda: tg.optim.SGD([1.0]),
        TypeError,
        "can only optimize Tensors, but one of the params is float",
    ),
    "not a leaf": (lambda: tg.optim.SGD([parameter() * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    "a set": (lambda: tg.optim.SGD([{"params": {parameter()}}]), TypeError, "ordered collections"),
    "group is no dict": (
        lambda: tg.optim.SGD([parameter()]).add_param_group([1]),
        TypeError,
        "param_group must be a dict",
    ),
    "in two groups": (
        lambda: tg.optim.SGD([{"params": [NAMED]}, {"params": [NAMED]}]),
        ValueError,
        "some parameters appear in more than one parameter group",
    ),
    "names missing": (
        lambda: tg.optim.SGD([("a", parameter()), parameter()]),
        ValueError,
        "Some param names are missing",
    ),
    "groups with and without names": (
        lambda: tg.optim.SGD([{"params": [("a", parameter())]}, {"params": [parameter()]}]),
        ValueError,
        "cannot add param group without names to the optimizer",
    ),
    "lr of two": (
        lambda: tg.optim.SGD([parameter()], lr=tg.tensor([1.0, 2.0])),
        ValueError,
        "Tensor lr must be 1-element",
    ),
    "momentum": (
        lambda: tg.optim.SGD([parameter()], momentum=-0.5),
        ValueError,
        "Invalid momentum value: -0.5",
    ),
    "nesterov": (
        lambda: tg.optim.SGD([parameter()], nesterov=True),
        ValueError,
        "Nesterov momentum requires a momentum",
    ),
    "fused and foreach": (
        lambda: tg.optim.SGD([parameter()], fused=True, foreach=True),
        RuntimeError,
        "cannot be `True` together",
    ),
    "capturable": (lambda: tg.optim.Adam([parameter()], capturable=True), RuntimeError, "CUDA"),
    "beta 1": (
        lambda: tg.optim.Adam([parameter()], betas=(1.0, 0.0)),
        ValueError,
        "Invalid beta parameter at index 0: 1.0",
    ),
    "beta 2": (
        lambda: tg.optim.Adamax([parameter()], betas=(0.0, 1.0)),
        ValueError,
        "Invalid beta parameter at index 1: 1.0",
    ),
    "mixed betas": (
        lambda: tg.optim.Adam([parameter()], betas=(0.9, tg.tensor(0.99))),
        ValueError,
        "both floats or both Tensors",
    ),
    "tensor lr and foreach": (
        lambda: tg.optim.Adam([parameter()], lr=tg.tensor(0.1), foreach=True),
        ValueError,
        "lr as a Tensor",
    ),
    "eps": (lambda: tg.optim.Adam([parameter()], eps=-1), ValueError, "Invalid epsilon value: -1"),
    "weight decay": (
        lambda: tg.optim.AdamW([parameter()], weight_decay=-1),
        ValueError,
        "Invalid weight_decay value: -1",
    ),
    "alpha": (lambda: tg.optim.RMSprop([parameter()], alpha=-1), ValueError, "Invalid alpha value: -1"),
    "rho": (lambda: tg.optim.Adadelta([parameter()], rho=1.1), ValueError, "Invalid rho value: 1.1"),
    "lr decay": (
        lambda: tg.optim.Adagrad([parameter()], lr_decay=-0.5),
        ValueError,
        "Invalid lr_decay value: -0.5",
    ),
    "momentum decay": (
        lambda: tg.optim.NAdam([parameter()], momentum_decay=-0.2),
        ValueError,
        "Invalid momentum_decay value: -0.2",
    ),
    "etas": (
        lambda: tg.optim.Rprop([parameter()], etas=(1.0, 0.5)),
        ValueError,
        "Invalid eta values: 1.0, 0.5",
    ),
    "eps of Adafactor": (
        lambda: tg.optim.Adafactor([parameter()], eps=(-1e-30, 1e-3)),
        ValueError,
        "epsilon1 should be >= 0",
    ),
    "clipping of Adafactor": (
        lambda: tg.optim.Adafactor([parameter()], d=0.0),
        ValueError,
        "Clipping threshold d should be >= 1",
    ),
    "decay of Adafactor": (
        lambda: tg.optim.Adafactor([parameter()], beta2_decay=0.8),
        ValueError,
        "beta2_decay should be <= 0",
    ),
    "vector in Muon": (lambda: tg.optim.Muon([parameter()]), ValueError, "Muon only supports 2D parameters"),
    "groups in LBFGS": (
        lambda: tg.optim.LBFGS([{"params": [parameter()]}, {"params": [parameter()]}]),
        ValueError,
        "parameter groups",
    ),
    "no rule": (lambda: tg.optim.Optimizer([with_grad()], {}).step(), NotImplementedError, "neither a rule"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_is_torchs(name):
    make, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        make()


@pytest.mark.parametrize("name", [n for n in ALL if n != "Muon"])
def test_negative_learning_rate_is_refused(name):
    with pytest.raises(
        ValueError, match="Invalid learning rate: -0.1|Learning rate should be >= 0 but is: -0.1"
    ):
        getattr(tg.optim, name)([parameter()], lr=-0.1)


def test_duplicate_parameters_warn():
    p = parameter()
    with pytest.warns(UserWarning, match="a parameter group with duplicate parameters"):
        tg.optim.SGD([p, p])


# ---------------------------------------------------------------------------- zero_grad, closures, hooks


def test_zero_grad_takes_gradients_away_or_fills_them_with_zeros():
    p, q = with_grad(1.0), parameter(1.0)
    optimizer = tg.optim.SGD([{"params": [p]}, {"params": [q]}])
    grad = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is grad and p.grad.item() == 0 and q.grad is None
    optimizer.zero_grad()
    assert p.grad is None and q.grad is None
    optimizer.step()
    p.grad = tg.ones(1)
    optimizer.zero_grad()
    assert p.grad is None


def test_zero_grad_takes_a_recorded_gradient_off_its_graph():
    p = parameter(2.0)
    (p**3).sum().backward(create_graph=True)
    assert p.grad.requires_grad
    tg.optim.SGD([p]).zero_grad(set_to_none=False)
    assert not p.grad.requires_grad and p.grad.item() == 0


@pytest.mark.parametrize("name", ["SGD", "Adam", "LBFGS"])
def test_closure_runs_with_gradients_enabled_and_its_loss_is_returned(name):
    p = parameter(1.0)
    optimizer = getattr(tg.optim, name)([p], lr=0.1)

    def closure():
        assert tg.is_grad_enabled()
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 1
        assert not tg.is_grad_enabled()
    assert p.item() < 1 and p.requires_grad


def test_hooks_of_a_step_may_change_its_arguments():
    calls, p = [], with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=0.5)
    first = optimizer.register_step_pre_hook(
        lambda o, args, kwargs: calls.append(("before", o is optimizer, p.item()))
    )
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 7.0), {}))
    optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append(("after", p.item())))
    assert optimizer.step() == 7.0
    first.remove()
    optimizer.step()
    assert calls == [("before", True, 1.0), ("after", 0.5), ("after", 0.0)]


def test_hook_that_returns_nonsense_is_refused():
    optimizer = tg.optim.SGD([with_grad()])
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        optimizer.step()
    optimizer._optimizer_step_pre_hooks.clear()
    optimizer.step()


def test_hooks_of_all_optimizers():
    from tensorgrad.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    calls = []
    handles = [
        register_optimizer_step_pre_hook(lambda *_: calls.append("before")),
        register_optimizer_step_post_hook(lambda *_: calls.append("after")),
    ]
    tg.optim.SGD([with_grad()]).step()
    for handle in handles:
        handle.remove()
    tg.optim.SGD([with_grad()]).step()
    assert calls == ["before", "after"]


def test_hooks_run_once_around_a_step_that_calls_its_base():
    class Twice(tg.optim.SGD):
        def step(self, closure=None):
            super().step()
            return super().step(closure)

    calls, p = [], with_grad(1.0)
    optimizer = Twice([p], lr=0.25)
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    optimizer.step()
    assert calls == ["before", "after"] and p.item() == 0.5


def test_hooks_of_state_dicts():
    optimizer = tg.optim.SGD([parameter()], lr=0.5)
    calls = []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("second"))
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    state = optimizer.state_dict()
    assert calls == ["first", "second"] and state["extra"] == 1
    optimizer.register_load_state_dict_pre_hook(lambda o, state: calls.append(state.pop("extra")))
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    optimizer.load_state_dict(state)
    assert calls[2:] == [1, "loaded"] and "extra" in state


# ---------------------------------------------------------------------------- optimizers of users


class Heavy(tg.optim.Optimizer):
    """The example of how an optimizer is written here."""

    slots = ("velocity",)

    def __init__(self, params, lr=0.1, momentum=0.9, **more):
        super().__init__(params, dict(lr=lr, momentum=momentum, **more))

    def rule(self, param, grad, state, lr, momentum):
        state.velocity = momentum * state.velocity + grad
        return param - lr * state.velocity


def test_a_rule_and_its_slots_make_an_optimizer():
    p, q = with_grad(1.0, dtype=tg.float64), with_grad(1.0, dtype=tg.float64)
    mine, theirs = Heavy([p]), tg.optim.SGD([q], lr=0.1, momentum=0.9)
    for _ in range(4):
        mine.step()
        theirs.step()
    assert p.item() == pytest.approx(q.item(), rel=1e-14)
    assert list(mine.state_dict()["state"][0]) == ["velocity"]
    again = Heavy([p])
    again.load_state_dict(mine.state_dict())
    assert again.state[p].velocity.item() == mine.state[p]["velocity"].item()


def test_a_rule_gets_decay_and_direction_for_nothing():
    kwargs = dict(weight_decay=0.5, maximize=True)
    p, q = with_grad(1.0, dtype=tg.float64), with_grad(1.0, dtype=tg.float64)
    mine, theirs = Heavy([p], **kwargs), tg.optim.SGD([q], lr=0.1, momentum=0.9, **kwargs)
    for _ in range(4):
        mine.step()
        theirs.step()
    assert p.item() == pytest.approx(q.item(), rel=1e-14)


def test_a_new_rule_is_not_stepped_over_by_the_inherited_kernel():
    class Backwards(tg.optim.SGD):
        def rule(self, param, grad, state, lr):
            return param + lr * grad

    p = with_grad(1.0)
    optimizer = Backwards([p], lr=0.5)
    optimizer.step()
    optimizer.step()
    assert p.item() == 2.0


class TorchStyle(tg.optim.Optimizer):
    """Written as for PyTorch."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @tg.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with tg.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["sum"] = tg.zeros_like(p)
                state["step"] += 1
                state["sum"].add_(p.grad)
                p.add_(state["sum"], alpha=-group["lr"])
        return loss


def test_an_optimizer_written_for_torch_runs():
    p = with_grad(1.0)
    optimizer = TorchStyle([p], lr=0.5)
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    assert optimizer.step(lambda: 3.0) == 3.0
    optimizer.step()
    assert p.item() == -0.5 and optimizer.state[p]["step"] == 2 and calls == [1, 1]
    assert optimizer.state_dict()["state"][0]["step"] == 2


def test_required_settings():
    from tensorgrad.optim.optimizer import Optimizer, required

    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Optimizer([parameter()], {"lr": required})
    Optimizer([{"params": [parameter()], "lr": 1.0}], {"lr": required})


def test_differentiable_step_is_on_the_tape():
    start, lr = tg.tensor([1.0], requires_grad=True), 0.25
    p = start.clone()
    p.grad = (start * start).detach() + 2 * start
    optimizer = tg.optim.SGD([p], lr=lr, differentiable=True)
    optimizer.step()
    p.sum().backward()
    assert start.grad.item() == pytest.approx(1 - lr * 2)


# ---------------------------------------------------------------------------- state in and out


@pytest.mark.parametrize("name", ALL)
def test_training_goes_on_from_a_state_dict_with_the_same_bits(name):
    if name == "Muon":
        w, x = tg.tensor(problem()[0], requires_grad=True), problem()[2]
        make = lambda p: tg.optim.Muon([p])
        params = [w]
    else:
        w, b, _ = train(name, {}, steps=0)
        make = lambda *p: getattr(tg.optim, name)(p)
        params = [w, b]
    x, y = (tg.tensor(a) for a in problem()[2:])

    def run(params, optimizer, steps):
        def closure():
            optimizer.zero_grad()
            loss = ((params[0] @ x + (params[1] if len(params) > 1 else 0) - y) ** 2).mean()
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)

    optimizer = make(*params)
    run(params, optimizer, 3)
    later = [p.detach().clone().requires_grad_() for p in params]
    second = make(*later)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(params, optimizer, 3)
    run(later, second, 3)
    for p, q in zip(params, later):
        assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()


def test_whole_training_is_resumed_from_a_file_with_the_same_bits(tmp_path):
    """Model, optimizer, scheduler and random state; the loader shuffles anew in every epoch."""
    x, y = tg.randn(40, 5), tg.randint(0, 3, (40,))
    loader = tg.utils.data.DataLoader(tg.utils.data.TensorDataset(x, y), batch_size=8, shuffle=True)

    def make():
        tg.manual_seed(3)
        model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
        optimizer = tg.optim.AdamW(model.parameters(), lr=0.01)
        return model, optimizer, tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)

    def run(model, optimizer, scheduler, epochs):
        for _ in range(epochs):
            for xs, ys in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(xs), ys).backward()
                optimizer.step()
            scheduler.step()

    whole = make()
    run(*whole, 6)
    first = make()
    run(*first, 3)
    tg.save(
        {"states": [part.state_dict() for part in first], "random": tg.get_rng_state()},
        tmp_path / "checkpoint",
    )
    second = make()
    checkpoint = tg.load(tmp_path / "checkpoint")
    for part, state in zip(second, checkpoint["states"]):
        part.load_state_dict(state)
    tg.set_rng_state(checkpoint["random"])
    run(*second, 3)
    for p, q in zip(whole[0].parameters(), second[0].parameters(), strict=True):
        assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()
    assert whole[2].get_last_lr() == second[2].get_last_lr()


def test_state_dict_that_does_not_fit_changes_nothing():
    p, q = with_grad(1.0), with_grad(1.0)
    optimizer = tg.optim.SGD([p], lr=0.5, momentum=0.5)
    optimizer.step()
    before = plain(optimizer.state_dict())
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(tg.optim.SGD([{"params": [p]}, {"params": [q]}]).state_dict())
    with pytest.raises(ValueError, match="group 0 has 2 parameters there and 1 here"):
        optimizer.load_state_dict(tg.optim.SGD([p, q]).state_dict())
    with pytest.raises(KeyError):
        optimizer.load_state_dict({"state": {}})
    assert plain(optimizer.state_dict()) == before


def test_loaded_state_is_brought_to_the_dtype_of_the_parameter_but_not_the_step():
    p = with_grad(1.0)
    optimizer = tg.optim.Adam([p])
    optimizer.step()
    half = parameter(1.0, dtype=tg.float64)
    other = tg.optim.Adam([half])
    other.load_state_dict(optimizer.state_dict())
    assert other.state[half]["exp_avg"].dtype == tg.float64 and other.state[half]["step"].dtype == tg.float32


def test_state_dict_holds_plain_dicts():
    p = with_grad(1.0)
    optimizer = tg.optim.Adam([p])
    optimizer.step()
    state = optimizer.state_dict()
    assert type(state) is dict and type(state["state"]) is dict and type(state["state"][0]) is dict
    assert type(state["param_groups"][0]) is dict
    assert state["state"][0]["step"].shape == () and state["state"][0]["step"].item() == 1


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Rprop"])
def test_copy_has_parameters_and_state_of_its_own(copied, name):
    p = with_grad(1.0)
    optimizer = getattr(tg.optim, name)([p], lr=0.1, **({"momentum": 0.9} if name == "SGD" else {}))
    optimizer.step()
    twin = copied(optimizer)
    (q,) = twin.param_groups[0]["params"]
    assert q is not p and q in twin.state and p not in twin.state
    assert type(twin) is type(optimizer) and twin.param_groups[0]["lr"] == 0.1
    before = p.item()
    q.grad = tg.ones(1)
    twin.step()
    assert p.item() == before and q.item() < before
    optimizer.step()
    assert p.item() == q.item()
    twin.register_step_pre_hook(lambda *_: None)


def test_repr_lists_the_groups():
    text = repr(tg.optim.SGD([{"params": [parameter()], "lr": 0.5}, {"params": [parameter()]}]))
    assert (
        text
        == """SGD (
Parameter Group 0
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 0.5
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0

Parameter Group 1
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 0.001
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0
)"""
    )


def test_an_optimizer_is_freed_without_the_cycle_collector():
    import weakref

    gc.disable()
    try:
        p = with_grad(1.0)
        optimizer = tg.optim.Adam([p])
        optimizer.step()
        optimizer.step()
        average = weakref.ref(optimizer.state[p]["exp_avg"])
        del optimizer
        assert average() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------------------- LBFGS


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_lbfgs_walks_the_valley_to_its_end():
    x = parameter(-1.5, 2.0, dtype=tg.float64)
    optimizer = tg.optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(x.detach().numpy(), [1, 1], atol=1e-5)
    assert optimizer.state[x]["func_evals"] < 100


def test_lbfgs_needs_a_known_line_search():
    optimizer = tg.optim.LBFGS([parameter()], line_search_fn="golden")
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(lambda: tg.tensor(1.0))


# ---------------------------------------------------------------------------- schedules


def two_groups():
    return tg.optim.SGD(
        [{"params": [parameter()]}, {"params": [parameter()], "lr": 0.2}], lr=0.1, momentum=0.9
    )


def schedule(kind, kwargs, optimizer):
    kwargs = {k: FUNCTIONS[v] if k == "lr_lambda" else v for k, v in kwargs.items()}
    return getattr(lr_scheduler, kind)(optimizer, **kwargs)


def make_schedule(case, optimizer):
    if "inside" not in case:
        return schedule(case["kind"], case["kwargs"], optimizer)
    inside = [schedule(*one, optimizer) for one in case["inside"]]
    if case["kind"] == "SequentialLR":
        return lr_scheduler.SequentialLR(optimizer, inside, **case["kwargs"])
    return lr_scheduler.ChainedScheduler(inside)


def rates(optimizer):
    return [[group[key] for group in optimizer.param_groups] for key in ("lr", "momentum")]


@pytest.mark.parametrize("case", FIXTURE["schedules"], ids=ids(FIXTURE["schedules"], "kind"))
def test_schedule_is_torchs(case):
    optimizer = two_groups()
    scheduler = make_schedule(case, optimizer)
    seen = [rates(optimizer)]
    for _ in case["rates"][1:]:
        optimizer.step()
        scheduler.step()
        seen.append(rates(optimizer))
        assert scheduler.get_last_lr() == seen[-1][0]
    np.testing.assert_allclose(seen, case["rates"], rtol=1e-12, atol=1e-15)
    assert sorted(set(scheduler.state_dict()) - {"_scale_fn_custom"}) == case["keys"]


@pytest.mark.parametrize("case", FIXTURE["schedules"], ids=ids(FIXTURE["schedules"], "kind"))
def test_schedule_goes_on_from_a_file(case, tmp_path):
    first, second = two_groups(), two_groups()
    scheduler, later = make_schedule(case, first), make_schedule(case, second)
    for _ in range(4):
        first.step()
        scheduler.step()
    tg.save([first.state_dict(), scheduler.state_dict()], tmp_path / "state")
    saved = tg.load(tmp_path / "state")
    second.load_state_dict(saved[0])
    later.load_state_dict(saved[1])
    for _ in range(6):
        first.step()
        scheduler.step()
        second.step()
        later.step()
        assert rates(first) == rates(second)


@pytest.mark.parametrize("case", FIXTURE["plateaus"], ids=lambda case: str(case["kwargs"]))
def test_plateau_is_torchs(case):
    optimizer = tg.optim.SGD([parameter()], lr=0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **case["kwargs"])
    seen = []
    for loss in case["losses"]:
        scheduler.step(tg.tensor(loss))
        seen.append(optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == [seen[-1]]
    np.testing.assert_allclose(seen, case["rates"], rtol=1e-12)


def test_schedule_reaches_the_compiled_step():
    p = with_grad(0.0)
    optimizer = tg.optim.SGD([p], lr=1.0)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    assert p.item() == -1.75


def test_tensor_learning_rate_stays_the_same_tensor():
    lr = tg.tensor(0.5)
    optimizer = tg.optim.SGD([with_grad(1.0)], lr=lr)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.25
    assert scheduler.get_last_lr()[0] is not lr


def test_first_scheduler_step_before_the_optimizers_warns():
    optimizer = tg.optim.SGD([with_grad()], lr=1.0)
    optimizer.step()  # before there was a scheduler: does not count
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


@pytest.mark.parametrize(
    "kind",
    [lambda p: tg.optim.SGD([p]), lambda p: TorchStyle([p]), lambda p: tg.optim.LBFGS([p])],
    ids=["SGD", "own step", "LBFGS"],
)
def test_right_order_does_not_warn(kind):
    optimizer = kind(with_grad())
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            optimizer.step(lambda: tg.tensor(1.0))
            scheduler.step()


def test_overridden_step_warns():
    optimizer = tg.optim.SGD([with_grad()], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


def test_step_with_an_epoch_warns_and_jumps():
    optimizer = tg.optim.SGD([with_grad()], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(5)
    assert scheduler.get_last_lr() == [0.25] and scheduler.last_epoch == 5


def test_get_lr_outside_of_a_step_warns():
    scheduler = lr_scheduler.StepLR(tg.optim.SGD([parameter()]), 2)
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()


def test_own_schedule_with_get_lr():
    class Half(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [
                group["lr"] * 0.5 if self.last_epoch else group["lr"] for group in self.optimizer.param_groups
            ]

    optimizer = tg.optim.SGD([with_grad()], lr=1.0)
    scheduler = Half(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5]


def test_schedule_resumed_by_its_number():
    optimizer = tg.optim.SGD([parameter()], lr=1.0)
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.ExponentialLR(optimizer, 0.5, last_epoch=3)
    optimizer.param_groups[0].update(initial_lr=1.0, lr=0.1)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 8, last_epoch=3)
    assert scheduler.last_epoch == 4


SCHEDULE_ERRORS = {
    "no optimizer": (lambda o: lr_scheduler.StepLR(3, 1), TypeError, "int is not an Optimizer"),
    "lambdas": (lambda o: lr_scheduler.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    "factor": (lambda o: lr_scheduler.ConstantLR(o, 1.5), ValueError, "between 0 and 1"),
    "start": (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError, "greater than 0"),
    "T_0": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0"),
    "steps": (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "either total_steps OR"),
    "total": (
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=0),
        ValueError,
        "positive integer total_steps",
    ),
    "strategy": (
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, 5, anneal_strategy="x"),
        ValueError,
        "'cos' or 'linear'",
    ),
    "mode": (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="x"), ValueError, "mode is invalid"),
    "max_lr": (
        lambda o: lr_scheduler.CyclicLR(o, 0.1, [0.2]),
        ValueError,
        "max_lr must have the same length",
    ),
    "plateau factor": (
        lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0),
        ValueError,
        "Factor should be < 1.0.",
    ),
    "plateau mode": (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="x"), ValueError, "mode x is unknown!"),
    "plateau min_lr": (
        lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[1]),
        ValueError,
        "expected 2 min_lrs, got 1",
    ),
    "none in sequence": (
        lambda o: lr_scheduler.SequentialLR(o, [], []),
        ValueError,
        "at least one scheduler",
    ),
    "milestones": (
        lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [1]),
        ValueError,
        "one more than",
    ),
    "other optimizer": (
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.StepLR(o, 1), lr_scheduler.StepLR(two_groups(), 1)]
        ),
        ValueError,
        "same optimizer",
    ),
    "plateau in a chain": (
        lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]),
        ValueError,
        "does not support `ReduceLROnPlateau`",
    ),
    "cycle without momentum": (
        lambda o: lr_scheduler.CyclicLR(tg.optim.Rprop([parameter()]), 0.1, 0.2),
        ValueError,
        "must support momentum",
    ),
}


@pytest.mark.parametrize("name", SCHEDULE_ERRORS)
def test_schedule_error_is_torchs(name):
    make, kind, message = SCHEDULE_ERRORS[name]
    with pytest.raises(kind, match=message):
        make(two_groups())


def test_cycle_turns_betas_too():
    optimizer = tg.optim.Adam([with_grad()], lr=0.1)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["betas"][0] < 0.95


def test_milestones_of_a_saved_schedule_are_a_counter(tmp_path):
    scheduler = lr_scheduler.MultiStepLR(tg.optim.SGD([parameter()]), [2, 2, 5])
    tg.save(scheduler.state_dict(), tmp_path / "s")
    assert tg.load(tmp_path / "s")["milestones"] == Counter({2: 2, 5: 1})


# ---------------------------------------------------------------------------- cost


@pytest.mark.parametrize("name, bytes_allowed", [("SGD", 0), ("Adam", 0), ("RMSprop", 0)])
def test_a_step_allocates_no_memory(name, bytes_allowed, kernels):
    import tracemalloc

    params = [with_grad(*range(8)) for _ in range(20)]
    optimizer = getattr(tg.optim, name)(params, lr=1e-3)
    for _ in range(3):
        optimizer.step()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in range(10):
        optimizer.step()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before <= bytes_allowed and peak - before < 1000


def test_a_step_costs_less_than_one_small_array_operation_a_parameter(kernels):
    """Against a NumPy addition of the same size in the same process, so that a busy machine slows both."""
    params = [with_grad(1.0, 2.0) for _ in range(50)]
    optimizer = tg.optim.SGD(params, lr=1e-9)
    a, b = np.ones((2, 2), np.float32)
    optimizer.step()
    ratios = []
    for _ in range(20):
        step = timeit.timeit(optimizer.step, number=20) / 20 / len(params)
        add = timeit.timeit(lambda: np.add(a, a, out=b), number=1000) / 1000
        ratios.append(step / add)
    assert min(ratios) < 1
