"""Schedules of an optimizer that got groups after the scheduler was made, and what they take for their state.

The rates are PyTorch 2.13's.
"""

import copy
import inspect

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.optim import lr_scheduler as schedules
from tensorgrad.optim.swa_utils import SWALR


def parameter():
    return tg.zeros(1, requires_grad=True)


def growing(make, extra=(), steps=4, metrics=()):
    """The rates after each step of a scheduler whose optimizer gets a second group after the first step."""
    optimizer = tg.optim.SGD([parameter()], lr=1.0, momentum=0.9)
    scheduler = make(optimizer)
    rates = []
    for step in range(steps):
        if step == 1:
            optimizer.add_param_group({"params": [parameter()], "lr": 0.5, **dict(extra)})
        optimizer.step()
        scheduler.step(*metrics)
        rates.append(scheduler.get_last_lr())
        assert rates[-1] == [group["lr"] for group in optimizer.param_groups]
    return rates


CHAINABLE = {
    "StepLR": (lambda o: schedules.StepLR(o, 2, 0.5), [[1], [0.5, 0.25], [0.5, 0.25], [0.25, 0.125]]),
    "MultiStepLR": (
        lambda o: schedules.MultiStepLR(o, [2, 2, 5], 0.5),
        [[1], [0.25, 0.125], [0.25, 0.125], [0.25, 0.125]],
    ),
    "ConstantLR": (lambda o: schedules.ConstantLR(o, 0.5, 3), [[0.5], [0.5, 0.5], [1, 1], [1, 1]]),
    "LinearLR": (
        lambda o: schedules.LinearLR(o, 0.5, 1, 4),
        [[0.625], [0.75, 0.6], [0.875, 0.7], [1, 0.8]],
    ),
    "ExponentialLR": (
        lambda o: schedules.ExponentialLR(o, 0.5),
        [[0.5], [0.25, 0.25], [0.125, 0.125], [0.0625, 0.0625]],
    ),
    "PolynomialLR": (
        lambda o: schedules.PolynomialLR(o, 4, 2.0),
        [[0.5625], [0.25, 0.22222222], [0.0625, 0.05555556], [0, 0]],
    ),
    "CosineAnnealingLR": (
        lambda o: schedules.CosineAnnealingLR(o, 4, 0.01),
        [[0.85501786], [0.505, 0.29703535], [0.15498214, 0.09407071], [0.01, 0.01]],
    ),
}


@pytest.mark.parametrize("name", CHAINABLE)
def test_a_group_added_later_follows_the_schedule(name):
    make, wanted = CHAINABLE[name]
    for got, right in zip(growing(make), wanted, strict=True):
        assert got == pytest.approx(right, abs=1e-7)


def test_a_group_added_later_follows_a_chain_of_schedules():
    rates = growing(
        lambda o: schedules.ChainedScheduler(
            [schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.5)]
        )
    )
    assert rates == [[0.25], [0.25, 0.5], [0.125, 0.25], [0.0625, 0.125]]


def test_a_group_added_later_is_cut_on_a_plateau():
    rates = growing(lambda o: schedules.ReduceLROnPlateau(o, factor=0.5, patience=0), metrics=(1.0,))
    assert rates == [[1], [0.5, 0.25], [0.25, 0.125], [0.125, 0.0625]]


def test_a_group_added_later_with_the_scheduler_s_own_settings_follows_it():
    extra = {"initial_lr": 0.02, "max_lr": 0.5, "min_lr": 1e-3, "max_momentum": 0.95, "base_momentum": 0.8}
    rates = growing(lambda o: schedules.OneCycleLR(o, 1.0, 12), extra)
    assert rates[1] == pytest.approx([0.87928516, 0.43964258])
    assert rates[3] == pytest.approx([0.93301297, 0.46657334])
    rates = growing(lambda o: SWALR(o, 0.05, 2), {"swa_lr": 0.02})
    assert rates == [pytest.approx(r) for r in ([0.525], [0.05, 0.02], [0.05, 0.02], [0.05, 0.02])]


FROM_THE_FIRST_RATES = {
    "LambdaLR": (lambda o: schedules.LambdaLR(o, lambda epoch: 0.9**epoch), ValueError),
    "MultiplicativeLR": (lambda o: schedules.MultiplicativeLR(o, lambda epoch: 0.9), ValueError),
    "CosineAnnealingWarmRestarts": (lambda o: schedules.CosineAnnealingWarmRestarts(o, 3), ValueError),
    "CyclicLR": (lambda o: schedules.CyclicLR(o, 0.1, 1.0, 3), ValueError),
    "OneCycleLR": (lambda o: schedules.OneCycleLR(o, 1.0, 12), KeyError),
    "SWALR": (lambda o: SWALR(o, 0.05), KeyError),
}


@pytest.mark.parametrize("name", FROM_THE_FIRST_RATES)
def test_a_group_that_a_schedule_knows_no_first_rate_of_is_refused_and_no_rate_changed(name):
    make, error = FROM_THE_FIRST_RATES[name]
    optimizer = tg.optim.SGD([parameter()], lr=1.0, momentum=0.9)
    scheduler = make(optimizer)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.5})
    before = [(group["lr"], group["momentum"]) for group in optimizer.param_groups]
    optimizer.step()
    with pytest.raises(error, match="after the scheduler was made"):
        scheduler.step()
    assert before == [(group["lr"], group["momentum"]) for group in optimizer.param_groups]


def test_the_closed_form_refuses_a_group_added_later():
    optimizer = tg.optim.SGD([parameter()], lr=1.0)
    scheduler = schedules.StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [parameter()]})
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="base_lrs"):
        scheduler.step(3)
    assert scheduler.get_last_lr() == [1.0]


SCHEDULERS = {
    **{name: make for name, (make, _) in {**CHAINABLE, **FROM_THE_FIRST_RATES}.items()},
    "SequentialLR": lambda o: schedules.SequentialLR(
        o, [schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.5)], [2]
    ),
    "ChainedScheduler": lambda o: schedules.ChainedScheduler([schedules.ExponentialLR(o, 0.5)]),
}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("nonsense", [None, 3, [], {"last_epoch": 7, "_schedulers": []}], ids=str)
def test_a_scheduler_that_is_given_nonsense_is_as_it_was(name, nonsense):
    scheduler = SCHEDULERS[name](tg.optim.SGD([parameter()], lr=1.0, momentum=0.9))
    before = copy.deepcopy(scheduler.state_dict())
    try:
        scheduler.load_state_dict(nonsense)
    except (TypeError, KeyError, ValueError) as error:
        assert str(error) and scheduler.state_dict() == before
    else:
        assert isinstance(nonsense, dict) and scheduler.last_epoch == 7


def test_swa_s_state_has_pytorch_s_names():
    state = SWALR(tg.optim.SGD([parameter()], lr=1.0), 0.05).state_dict()
    assert sorted(state) == [
        "_anneal_strategy", "_get_lr_called_within_step", "_is_initial", "_last_lr", "_step_count",
        "anneal_epochs", "base_lrs", "last_epoch",
    ]  # fmt: skip


# ---------------------------------------------------------------------------- optimizers of others


class Wrapper(tg.optim.Optimizer):
    """As many third-party optimizers are: around another one, and without the base class's __init__."""

    def __init__(self, inner):
        self.inner = inner

    def step(self, closure=None):
        return self.inner.step(closure)


def test_an_optimizer_that_never_called_the_base_class_s_init_can_step():
    x = tg.ones(1, requires_grad=True)
    optimizer = Wrapper(tg.optim.SGD([x], lr=0.5))
    calls = []
    optimizer.register_step_post_hook(lambda *args: calls.append(args[0]))
    (x * 1).backward()
    assert optimizer.step(lambda: 7) == 7
    assert x.item() == 0.5 and calls == [optimizer]


@pytest.mark.parametrize(
    "use",
    [
        lambda o: o.param_groups,
        lambda o: o.defaults,
        lambda o: o.zero_grad(),
        lambda o: o.state_dict(),
        lambda o: repr(o),
        lambda o: o.add_param_group({"params": [parameter()]}),
        lambda o: schedules.StepLR(o, 1),
        lambda o: tg.optim.Optimizer.step(o),
    ],
)
def test_what_the_base_class_s_init_gives_is_missing_by_name_before_it(use):
    optimizer = Wrapper(None)
    assert not hasattr(optimizer, "param_groups")
    with pytest.raises(AttributeError, match=r"before Optimizer.__init__\(\) call"):
        use(optimizer)


def test_an_optimizer_that_takes_over_another_s_groups_zeroes_their_gradients():
    x = parameter()
    inner = tg.optim.SGD([x], lr=0.5)
    optimizer = Wrapper(inner)
    optimizer.param_groups = inner.param_groups
    x.grad = tg.ones(1)
    optimizer.zero_grad()
    assert x.grad is None


# ---------------------------------------------------------------------------- what Python can say of them


def test_a_module_s_signature_is_that_of_any_call():
    class Own(nn.Module):
        def __init__(self, width, depth=2):
            super().__init__()

        def __call__(self, x):
            return x

    assert str(inspect.signature(nn.Linear(1, 1))) == "(*args, **kwargs)"
    assert str(inspect.signature(nn.Sequential())) == "(*args, **kwargs)"
    assert str(inspect.signature(Own(1))) == "(x)"
    assert str(inspect.signature(Own)) == "(width, depth=2)"
    assert list(inspect.signature(nn.Linear).parameters)[:2] == ["in_features", "out_features"]


def test_compiled_methods_tell_their_signatures():
    optimizer = tg.optim.SGD([parameter()], lr=0.1)
    assert str(inspect.signature(optimizer.step)) == "(closure=None)"
    assert str(inspect.signature(tg.optim.Adam.zero_grad)) == "(self, /, set_to_none=True)"
    assert (
        str(inspect.signature(tg.ones(1).backward))
        == "(gradient=None, retain_graph=None, create_graph=False, inputs=None)"
    )
    assert str(inspect.signature(tg.Tensor.numpy)) == "(self, /, *, force=False)"


def test_a_buffer_before_init_is_refused():
    class Late(nn.Module):
        def __init__(self):
            self.mean = nn.Buffer(tg.zeros(1))

    with pytest.raises(AttributeError, match=r"cannot assign buffer before Module.__init__\(\) call"):
        Late()
