"""Optimizers: groups and their errors, zero_grad, closures, hooks, and optimizers that users write."""

import pytest
from optimizing import ALL, TorchStyle, parameter, with_grad

import tensorgrad as tg
from tensorgrad import nn

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
