"""Schedules: PyTorch's rates and errors, warnings about the order of steps, saved schedules."""

import warnings
from collections import Counter

import numpy as np
import pytest
from optimizing import FIXTURE, TorchStyle, ids, parameter, with_grad

import tensorgrad as tg
from tensorgrad.optim import lr_scheduler

FUNCTIONS = {"halve": lambda epoch: 0.5**epoch, "tenths": lambda epoch: 1 - epoch / 10}


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
