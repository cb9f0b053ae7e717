"""Optimizers: training that goes on from a saved state, copies, LBFGS."""

import copy
import gc
import pickle

import numpy as np
import pytest
from optimizing import ALL, parameter, plain, problem, train, with_grad

import tensorgrad as tg
from tensorgrad import nn

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


def test_a_state_from_before_a_setting_existed_gets_the_default():
    x = tg.ones(2, requires_grad=True)
    x.grad = tg.ones(2)
    optimizer, expected = (tg.optim.Adam([x.clone().detach().requires_grad_()], lr=0.1) for _ in range(2))
    saved = optimizer.state_dict()
    for name in ("decoupled_weight_decay", "maximize", "amsgrad"):
        del saved["param_groups"][0][name]
    optimizer.load_state_dict(saved)
    for each in (optimizer, expected):
        each.param_groups[0]["params"][0].grad = tg.ones(2)
        each.step()
    assert (optimizer.param_groups[0]["params"][0] == expected.param_groups[0]["params"][0]).all()
