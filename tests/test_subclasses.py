"""Subclasses of Tensor: what they answer by `__torch_function__`, and what results are of the subclass."""

import copy
import pickle

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.core import _core

F = nn.functional


class Plain(tg.Tensor):
    pass


class Finer(Plain):
    pass


class Other(tg.Tensor):
    pass


class Logged(tg.Tensor):
    calls: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


def plain(*values, **settings):
    return tg.tensor(values, **settings).as_subclass(Plain)


def logged():
    Logged.calls.clear()
    return tg.ones(2, 2).as_subclass(Logged)


@pytest.mark.parametrize("call", [
    lambda x: x + 1, lambda x: 1 - x, lambda x: tg.ones(2) * x, lambda x: 2**x, lambda x: x @ x, lambda x: -x,
    lambda x: x > 0, lambda x: x == tg.ones(2), lambda x: x[0], lambda x: x[x > 0], lambda x: x.exp(),
    lambda x: tg.sin(x), lambda x: x.sum(), lambda x: x.view(2, 1), lambda x: x.T, lambda x: x.data,
    lambda x: x.detach(), lambda x: x.clone(), lambda x: x.to(tg.float64), lambda x: x.double(),
    lambda x: tg.cat([tg.ones(2), x]), lambda x: tg.stack([x, x]), lambda x: F.softmax(x, dim=0),
    lambda x: nn.Linear(2, 3)(x), lambda x: F.mse_loss(x, tg.ones(2)), lambda x: tg.where(x > 0, x, 0.0),
    lambda x: tg.zeros_like(x), lambda x: x.new_zeros(3), lambda x: x.split(1)[0], lambda x: x.max(0).values,
    lambda x: tg.topk(x, 1)[1], lambda x: next(iter(x)), lambda x: copy.copy(x), lambda x: copy.deepcopy(x),
    lambda x: pickle.loads(pickle.dumps(x)), lambda x: tg.maximum(input=x, other=x),
])  # fmt: skip
def test_results_are_of_the_subclass(call):
    assert type(call(plain(1.0, 2.0))) is Plain


@pytest.mark.parametrize("call", [
    lambda x: x.shape, lambda x: x.size(), lambda x: x.dtype, lambda x: x.tolist(), lambda x: x.numpy(),
    lambda x: x.item(), lambda x: len(x), lambda x: x.stride(), lambda x: float(x), lambda x: x.requires_grad,
])  # fmt: skip
def test_what_is_no_tensor_stays_as_it_is(call):
    found, wanted = call(plain(1.0)), call(tg.tensor([1.0]))
    assert type(found) is type(wanted) and found == wanted


def test_a_named_tuple_has_parts_of_the_subclass():
    found = plain(1.0, 3.0).max(0)
    assert type(found) is type(tg.ones(2).max(0))
    assert [type(part) for part in found] == [Plain, Plain]


def test_writes_in_place_give_the_tensor_itself():
    x = y = plain(1.0, 2.0)
    x += 1
    x[0] = 9
    assert x is y and x.mul_(2) is x and type(x) is Plain and x.tolist() == [18, 6]


def test_of_two_subclasses_the_finer_one_answers_and_strangers_refuse():
    fine = tg.ones(2).as_subclass(Finer)
    assert type(plain(1.0, 2.0) + fine) is Finer and type(fine + plain(1.0, 2.0)) is Finer
    with pytest.raises(TypeError, match="no implementation found"):
        fine + tg.ones(2).as_subclass(Other)


def test_the_gradient_goes_through_and_is_a_plain_tensor():
    x = tg.tensor([2.0, 3.0], requires_grad=True)
    y = x.as_subclass(Plain)
    assert y.grad_fn.name() == "AliasBackward0" and not y.is_leaf and y._base is x
    loss = (y * y).sum()
    first = tg.autograd.grad(loss, x, create_graph=True)[0]
    assert type(loss) is Plain and type(first) is tg.Tensor
    assert tg.autograd.grad(first.sum(), x)[0].tolist() == [2, 2]
    leaf = tg.Tensor._make_subclass(Plain, tg.ones(2), True)
    assert leaf.is_leaf and leaf.requires_grad
    (leaf * 3).sum().backward()
    assert type(leaf.grad) is tg.Tensor and leaf.grad.tolist() == [3, 3]


def test_a_subclass_shares_memory_and_history_with_what_it_was_made_of():
    x = tg.ones(3)
    y = x.as_subclass(Plain)
    y[0] = 5
    assert x.tolist() == [5, 1, 1] and y.data_ptr() == x.data_ptr()
    assert type(y.as_subclass(tg.Tensor)) is tg.Tensor
    with tg.no_grad():
        assert tg.ones(1, requires_grad=True).as_subclass(Plain).grad_fn is None
    for wrong in (int, 3):
        with pytest.raises(TypeError):
            x.as_subclass(wrong)


def test_calls_are_told_by_name_and_attributes_as_their_getter():
    x = logged()
    (x @ x).relu_()
    x.shape, x.size(0), x.T
    tg.stack([x, x], dim=1)
    x[0] = 1
    assert Logged.calls == ["matmul", "relu_", "__get__", "size", "__get__", "stack", "__setitem__"]


def test_functions_are_the_ones_that_a_program_names():
    seen = []

    class Asks(tg.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func, types, args[1:], kwargs or {}))
            with _core.Apart():
                return func(*args, **(kwargs or {}))

    x = tg.ones(2, 2).as_subclass(Asks)
    assert type(tg.mean(x, dim=1)) is tg.Tensor and type(x.add(1)) is tg.Tensor
    x.shape, x.detach()
    assert [func for func, *_ in seen] == [tg.mean, tg.Tensor.add, tg.Tensor.shape.__get__, tg.Tensor.detach]
    assert seen[0] == (tg.mean, (Asks,), (), {"dim": 1}) and seen[1][2] == (1,)


def test_a_class_may_be_left_alone():
    class Bare(tg.Tensor):
        __torch_function__ = _core._disabled_torch_function_impl

    assert type(tg.ones(1).as_subclass(Bare) + 1) is tg.Tensor
    assert type(nn.Parameter(tg.ones(1)) + 1) is tg.Tensor
    assert type(tg.ones(1).as_subclass(Plain) * nn.Parameter(tg.ones(1))) is Plain


def test_new_reads_data_and_a_subclass_adds_its_own():
    class Unit(tg.Tensor):
        @staticmethod
        def __new__(cls, data, unit):
            return super().__new__(cls, data)

        def __init__(self, data, unit):
            self.unit = unit

        def clone(self, *args, **kwargs):
            return Unit(super().clone(*args, **kwargs), self.unit)

    x = Unit([1.0, 2.0], "m")
    assert (x.unit, x.clone().unit, x.tolist()) == ("m", "m", [1, 2])
    source = tg.ones(2, requires_grad=True)
    y = Unit(source, "s")
    (y * 2).sum().backward()
    assert source.grad.tolist() == [2, 2] and y.data_ptr() == source.data_ptr()
    assert tg.Tensor.__new__(Plain).shape == (0,)
    with pytest.raises(TypeError):
        Plain(tg.ones(1), "too much")


def test_a_parameter_may_have_more_arguments():
    class Tagged(nn.Parameter):
        def __new__(cls, data=None, requires_grad=True, tag=None):
            made = super().__new__(cls, data, requires_grad)
            made.tag = tag
            return made

    module = nn.Module()
    module.weight = Tagged(tg.ones(2), tag="k")
    assert module.weight.tag == "k" and dict(module.named_parameters())["weight"] is module.weight
    assert type(module.weight + 1) is tg.Tensor
    assert repr(module.weight) == "Parameter containing:\nParameter(Tagged([1., 1.], requires_grad=True))"


def test_a_subclass_shows_its_name():
    assert repr(plain(1.0, 2.0)) == "Plain([1., 2.])"
    assert "AliasBackward0" in repr(tg.ones(1, requires_grad=True).as_subclass(Plain))
    assert repr(nn.Buffer(tg.ones(1))) == "tensor([1.])"


def test_functions_of_a_program_can_be_answered_too():
    @tg.overrides.wrap_torch_function(lambda x: (x,))
    def twice(x):
        return x.plus(x)

    class Number:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func is twice

    assert twice(Number())
    assert tg.overrides.is_tensor_like(Number()) and not tg.overrides.is_tensor_like(1)
    assert tg.overrides.has_torch_function_unary(plain(1.0))


def test_nothing_asks_inside_disable_torch_function():
    x = logged()
    with _core.Apart():
        assert type(x + 1) is tg.Tensor
    assert Logged.calls == []


def test_a_subclass_answers_what_makes_tensors_like_it():
    asked = []

    class Asked(tg.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            asked.append((func, len(args), kwargs))
            return super().__torch_function__(func, types, args, kwargs)

    x = tg.ones(2).as_subclass(Asked)
    made = [
        tg.empty_like(x), tg.zeros_like(x, requires_grad=True), tg.ones_like(x, dtype=tg.float64),
        tg.full_like(x, 3.0), tg.rand_like(x),
    ]  # fmt: skip
    assert all(type(each) is Asked for each in made)
    assert [each for each in asked if each[0].__name__.endswith("_like")] == [
        (tg.empty_like, 1, {}), (tg.zeros_like, 1, {"requires_grad": True}),
        (tg.ones_like, 1, {"dtype": tg.float64}), (tg.full_like, 2, {}), (tg.rand_like, 1, {}),
    ]  # fmt: skip
