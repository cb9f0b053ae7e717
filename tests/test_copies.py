"""Copies by copy, deepcopy and pickle: what shares goes on sharing, and what is drawn goes on alike. What is
dropped is gone at once, without the cycle collector.
"""

import copy
import gc
import pickle
import weakref

import numpy as np
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


# ---------------------------------------------------------------------------- shared memory and strides


def layout(t):
    return t.tolist(), t.stride(), t.storage_offset(), t.requires_grad, t.dtype, type(t)


LAYOUTS = {
    "contiguous": lambda: tg.arange(6.0),
    "turned": lambda: tg.arange(6.0).reshape(2, 3).t(),
    "expanded": lambda: tg.arange(3.0).expand(4, 3),
    "offset": lambda: tg.arange(6.0)[2:5],
    "every second": lambda: tg.arange(6.0)[::2],
    "windows": lambda: tg.arange(5.0).unfold(0, 3, 1),
    "0-d": lambda: tg.tensor(3),
    "empty": lambda: tg.ones(0, 3),
    "turned empty": lambda: tg.ones(0, 3).t(),
    "needs a gradient": lambda: tg.ones(2, 3).t().requires_grad_(),
    "column of NumPy's": lambda: tg.from_numpy(np.arange(6.0).reshape(2, 3)[:, 1:].T),
    "read-only": lambda: tg.from_numpy(frozen(np.arange(3.0))),
    "seven dimensions": lambda: tg.arange(128.0).reshape(2, 2, 2, 2, 2, 2, 2).permute(6, 5, 4, 3, 2, 1, 0),
    "parameter": lambda: nn.Parameter(tg.arange(6.0).reshape(2, 3).t()),
}


def frozen(array):
    array.setflags(write=False)
    return array


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("way", ["deepcopy", "pickle 2", "pickle 5"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_copy_has_the_strides_of_the_original_and_memory_of_its_own(name, way):
    x = LAYOUTS[name]()
    before = layout(x)
    y = WAYS[way](x)
    offset = x.storage_offset() if way == "deepcopy" else 0
    assert layout(y) == (*before[:2], offset, *before[3:])
    with tg.no_grad():
        y.detach().zero_()
    assert layout(x) == before


SHARING = {
    "view after base": lambda x: [x, x[1:]],
    "view before base": lambda x: [x[1:], x],
    "two views": lambda x: [x[:4], x[2:]],
    "turned": lambda x: [x, x.reshape(2, 3).t()],
    "expanded": lambda x: [x[:1], x[:1].expand(4)],
    "other dtype": lambda x: [x, x.view(tg.int32)],
    "detached": lambda x: [x.requires_grad_(), x.detach()],
    ".data": lambda x: [x.requires_grad_(), x.data],
}


@pytest.mark.parametrize(
    "memory", [tg.zeros, lambda n: tg.from_numpy(np.zeros(n, np.float32))], ids=["own", "NumPy's"]
)
@pytest.mark.parametrize("how", SHARING)
def test_tensors_that_share_memory_share_the_copy(how, memory):
    original = SHARING[how](memory(6))
    with tg.no_grad():
        one, two = copy.deepcopy(original)
        one.fill_(7.0)
    original_one, original_two = original
    assert original_one.tolist() == [0] * len(original_one) and not original_two.any()
    with tg.no_grad():
        original_one.fill_(7.0)
    assert two.tolist() == original_two.tolist()
    assert layout(two) == layout(original_two)


def test_copies_made_apart_do_not_share():
    x = tg.zeros(3)
    one, two = copy.deepcopy(x), copy.deepcopy(x[1:])
    one.fill_(1.0)
    assert two.tolist() == [0, 0]


def test_what_a_module_shares_is_shared_in_its_copy():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)
            self.second.weight = self.first.weight
            self.register_buffer("state", tg.zeros(4))
            self.register_buffer("head", self.state[:2])

    module = copy.deepcopy(Tied())
    module.state.fill_(5.0)
    assert module.second.weight is module.first.weight
    assert module.head.tolist() == [5, 5]


def test_a_copied_optimizer_trains_the_network_that_was_copied_with_it():
    def step(network, optimizer):
        network(tg.ones(1, 2)).sum().backward()
        optimizer.step()

    network = nn.Linear(2, 1)
    optimizer = tg.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    step(network, optimizer)
    for way in ("deepcopy", "pickle 5"):
        other, its_optimizer = WAYS[way]((network, optimizer))
        before = other.weight.tolist()
        step(other, its_optimizer)
        assert its_optimizer.param_groups[0]["params"][0] is other.weight
        assert other.weight.tolist() != before == network.weight.tolist()


def test_a_copy_keeps_gradient_and_attributes():
    x = tg.ones(2, 3, requires_grad=True)
    x.grad = tg.arange(6.0).reshape(3, 2).t()
    x.note = [x.grad]
    y = copy.deepcopy(x)
    assert y.grad.stride() == (1, 2) and y.note[0] is y.grad is not x.grad


def test_a_result_is_pickled_as_a_leaf():
    y = pickle.loads(pickle.dumps(tg.ones(2, requires_grad=True) * 2))
    assert y.is_leaf and y.requires_grad and y.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(tg.ones(2, requires_grad=True) * 2)
