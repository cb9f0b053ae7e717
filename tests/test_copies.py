"""Copies by copy, deepcopy and pickle: what shares goes on sharing, and what is drawn goes on alike. What is
dropped is gone at once, without the cycle collector.
"""

import copy
import gc
import pickle
import weakref

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.utils.data import DataLoader, TensorDataset

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda x, n=n: pickle.loads(pickle.dumps(x, n)) for n in (0, 2, 5)},
}

# ---------------------------------------------------------------------------- generators


class Own(tg.Generator):
    """A subclass."""


def used(generator):
    """A generator in the middle of its stream, with half a pair of normals left."""
    tg.rand(700, generator=generator.manual_seed(3))
    tg.randn(3, generator=generator)
    return generator


def drawn(generator):
    return tg.randn(3, generator=generator).tolist() + tg.rand(2, generator=generator).tolist()


@pytest.mark.parametrize("way", [*WAYS, "clone_state"])
def test_a_copied_generator_goes_on_alike(way):
    for generator in (used(tg.Generator()), used(Own()), used(tg.default_generator)):
        other = generator.clone_state() if way == "clone_state" else WAYS[way](generator)
        assert other is not generator and type(other) is type(generator)
        assert other.initial_seed() == 3
        assert drawn(other) == drawn(generator)
        tg.rand(1, generator=other)
        assert drawn(other) != drawn(generator)


def test_generators_inside_other_things_are_copied_with_them():
    generator = used(tg.Generator())
    one, two = copy.deepcopy([generator, generator])
    assert one is two
    loader = DataLoader(TensorDataset(tg.arange(9)), 2, shuffle=True, generator=generator)
    again = pickle.loads(pickle.dumps(loader)), copy.deepcopy(loader)
    order = [x.tolist() for (x,) in loader]
    assert all([x.tolist() for (x,) in other] == order for other in again)
    assert again[0].generator is again[0].sampler.generator


@pytest.mark.parametrize(
    "state",
    [
        lambda s: s[:-1],
        lambda s: tg.cat([s, s]),
        lambda s: s.float(),
        lambda s: s.to(tg.int8),
        lambda s: s.numpy(),
        lambda s: tg.zeros_like(s),
        lambda s: tg.full_like(s, 255),
        lambda s: None,
    ],
)
def test_a_state_that_is_none_is_refused_and_the_generator_as_it_was(state):
    generator = used(tg.Generator())
    before = generator.get_state()
    with pytest.raises((RuntimeError, TypeError)):
        generator.set_state(state(before))
    assert generator.get_state().equal(before)


# ---------------------------------------------------------------------------- nothing left behind


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Token:
    """Held by a hook, to see the hook go."""


HOOKS = [
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_backward_hook",
]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize(
    "how", ["backward", "forward only", "input without gradient", "second order", "raises"]
)
def test_a_module_with_hooks_goes_when_it_is_dropped(kind, how, no_collector):
    def leave():
        module, token = nn.Sequential(nn.Linear(1, 1), nn.Tanh()), Token()

        def hook(*args):
            assert token is not None
            if how == "raises":
                raise ValueError

        getattr(module, kind)(hook)
        x = tg.ones(1, 1, requires_grad=how != "input without gradient")
        try:
            y = module(x)
            if how == "second order":
                (slope,) = tg.autograd.grad(y.sum(), x, create_graph=True)
                slope.sum().backward()
            elif how != "forward only":
                y.sum().backward()
        except ValueError:
            y = None
        return [weakref.ref(thing) for thing in (module, token, x, y) if thing is not None]

    assert not any(ref() for ref in leave())


def test_a_module_of_several_outputs_with_a_hook_goes_when_it_is_dropped(no_collector):
    class Two(nn.Module):
        def forward(self, a, b):
            return a * b, a + b

    def leave():
        module, a, b = Two(), tg.ones(2, requires_grad=True), tg.ones(2)
        module.register_full_backward_hook(lambda *args: None)
        product, total = module(a, b)
        (product.sum() + total.sum()).backward()
        return [weakref.ref(thing) for thing in (module, a, b, product, total)]

    assert [ref() for ref in leave()] == [None] * 5


@pytest.mark.parametrize(
    "register",
    [
        lambda x, y, hook: x.register_hook(hook),
        lambda x, y, hook: y.register_hook(hook),
        lambda x, y, hook: x.register_post_accumulate_grad_hook(hook),
        lambda x, y, hook: y.grad_fn.register_hook(hook),
        lambda x, y, hook: y.grad_fn.register_prehook(hook),
        lambda x, y, hook: y.retain_grad(),
        lambda x, y, hook: y.grad_fn.metadata.update(note=hook),
    ],
)
def test_tensors_with_hooks_go_when_they_are_dropped(register, no_collector):
    def leave():
        token, x = Token(), tg.ones(2, requires_grad=True)
        y = x.exp()
        register(x, y, lambda *args: None if token else token)
        (y * 2).sum().backward()
        return [weakref.ref(thing) for thing in (token, x, y)]

    assert [ref() for ref in leave()] == [None] * 3


def test_optimizers_with_hooks_and_schedules_go_when_they_are_dropped(no_collector):
    def leave():
        token, x = Token(), nn.Parameter(tg.ones(2))
        optimizer = tg.optim.Adam([x])
        schedule = tg.optim.lr_scheduler.StepLR(optimizer, 1)
        optimizer.register_step_post_hook(lambda *args: None if token else token)
        x.sum().backward()
        optimizer.step()
        schedule.step()
        return [weakref.ref(thing) for thing in (token, x, optimizer, schedule)]

    assert [ref() for ref in leave()] == [None] * 4
