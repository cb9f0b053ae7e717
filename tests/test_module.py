"""Module: calling it, making it, its attributes: what user code written for torch.nn counts on."""

import abc
import dataclasses
import functools
from collections import OrderedDict

import pytest
from small_modules import Doubles, Net, added_one, ones

import tensorgrad as tg
from tensorgrad import nn

# -- calling ---------------------------------------------------------------------------------------


def test_call_passes_positional_and_keyword_arguments_and_returns_any_object():
    class Echo(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    assert Echo()() == ((), {})
    assert Echo()(1, "a", key=2) == ((1, "a"), {"key": 2})
    many = tuple(range(20))
    assert Echo()(*many) == (many, {})


def test_a_forward_set_on_the_instance_is_called():
    module = Doubles()
    module.forward = lambda x: x + 1
    assert module(3) == 4
    del module.forward
    assert module(3) == 6


def test_forward_may_be_static_or_a_class_method_or_any_callable():
    class Static(nn.Module):
        @staticmethod
        def forward(x):
            return x + 1

    class OfClass(nn.Module):
        @classmethod
        def forward(cls, x):
            return cls.__name__, x

    class Borrowed(nn.Module):
        forward = abs

    assert Static()(1) == 2
    assert OfClass()(1) == ("OfClass", 1)
    assert Borrowed()(-1) == 1


def test_a_module_without_forward_says_so():
    with pytest.raises(
        NotImplementedError, match=r'Module \[Empty\] is missing the required "forward" function'
    ):

        class Empty(nn.Module):
            pass

        Empty()(1)


def test_a_subclass_may_override_call():
    class Loud(Doubles):
        def __call__(self, x):
            return "called", super().__call__(x)

    assert Loud()(2) == ("called", 4)
    assert nn.Sequential(Loud())(2) == ("called", 4)


def test_an_exception_in_forward_passes_through_unchanged():
    class Breaks(nn.Module):
        def forward(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Breaks()()
    with pytest.raises(TypeError, match="forward"):
        Breaks()(1)


def test_endless_recursion_is_a_recursion_error():
    class Endless(nn.Module):
        def forward(self, x):
            return self(x)

    with pytest.raises(RecursionError):
        Endless()(1)


def test_a_deep_nest_of_sequentials_runs():
    net = Doubles()
    for _ in range(50):
        net = nn.Sequential(net)
    assert net(1) == 2


# -- making ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, what",
    [(lambda: nn.Linear(1, 1), "module"), (lambda: nn.Parameter(ones(1)), "parameters")],
    ids=["module", "parameter"],
)
def test_assigning_before_init_is_refused(value, what):
    class Late(nn.Module):
        def __init__(self):
            self.part = value()
            super().__init__()

    with pytest.raises(AttributeError, match=rf"cannot assign {what} before Module.__init__\(\) call"):
        Late()


def test_registering_before_init_is_refused():
    module = nn.Module.__new__(nn.Module)
    with pytest.raises(AttributeError, match="buffer before"):
        module.register_buffer("b", None)
    with pytest.raises(AttributeError, match="parameter before"):
        module.register_parameter("p", None)


def test_plain_attributes_may_be_set_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.size = 3
            super().__init__()

    assert Early().size == 3


def test_init_takes_no_arguments():
    with pytest.raises(TypeError, match=r"Module.__init__\(\) takes 1 positional argument but 2 were given"):
        nn.Module(3)
    with pytest.raises(TypeError, match=r"Module.__init__\(\) got an unexpected keyword argument 'size'"):
        nn.Module(size=3)


def test_call_super_init_hands_the_arguments_on():
    class Mixin:
        def __init__(self, size):
            self.size = size

    class Both(nn.Module, Mixin):
        call_super_init = True

    assert Both(3).size == 3


def test_multiple_inheritance_and_abstract_methods_work():
    class Named:
        def greet(self):
            return f"I am {self.name}"

    class Shape(nn.Module, abc.ABC, Named):
        name = "shape"

        @abc.abstractmethod
        def area(self): ...

    class Square(Shape):
        def __init__(self):
            super().__init__()
            self.side = nn.Parameter(ones(1) * 2)

        def area(self):
            return self.side * self.side

    with pytest.raises(TypeError, match="abstract"):
        Shape()
    assert Square().greet() == "I am shape"
    assert Square().area().item() == 4
    assert [name for name, _ in Square().named_parameters()] == ["side"]


def test_the_class_of_a_module_can_be_changed():
    class Triples(Doubles):
        def forward(self, x):
            return x * 3

    module = Doubles()
    module.__class__ = Triples
    assert module(2) == 6


# -- attributes ------------------------------------------------------------------------------------


def test_parts_are_found_as_attributes_and_in_their_dicts():
    net = Net()
    assert list(net._modules) == ["first", "act", "last"]
    assert list(net._buffers) == ["seen", "scratch"]
    assert net._parameters == {}
    assert list(net.first._parameters) == ["weight", "bias"]
    assert net.first.weight is net.first._parameters["weight"]
    assert net.last.bias is None
    assert "first" not in net.__dict__
    assert net.__dict__["_modules"]["first"] is net.first


def test_users_may_reach_into_the_dicts():
    net = Net()
    net._modules["act"] = nn.Tanh()
    assert isinstance(net.act, nn.Tanh)
    net._parameters["scale"] = nn.Parameter(ones(1))
    assert net.scale is net._parameters["scale"]
    net._modules = OrderedDict(only=nn.Identity())
    assert [name for name, _ in net.named_children()] == ["only"]
    assert not hasattr(net, "first")
    net._modules = OrderedDict(b=nn.Linear(1, 1), a=nn.Linear(2, 2))
    net._modules.move_to_end("b")
    assert [tuple(p.shape) for p in net.parameters()][1:] == [(2, 2), (2,), (1, 1), (1,)]
    net.zero_grad()
    line = nn.Sequential(Doubles(), Doubles())
    line._modules = OrderedDict(line._modules)
    assert line(1) == 4


def test_names_that_users_give_do_not_meet_ours():
    class Busy(Net):
        def __init__(self):
            super().__init__()
            self._hooks = self._handles = [1]
            self._persistent = self._convert = 5

        def _check_name(self):
            raise AssertionError

    net = Busy()
    net.register_forward_hook(added_one)
    net.double()
    assert net(ones(1, 2, dtype=tg.float64)).shape == (1, 1) and net._hooks == [1] and net.state_dict()


def test_dataclasses_cached_properties_and_slots_work():
    @dataclasses.dataclass(eq=False)
    class Point(nn.Module):
        size: int

        def __post_init__(self):
            super().__init__()
            self.inner = nn.Linear(self.size, 1)

        @functools.cached_property
        def twice(self):
            return self.size * 2

    class Slotted(nn.Module):
        __slots__ = ("extra",)

    point = Point(3)
    assert point.twice == 6 and point.__dict__["twice"] == 6 and point.inner.in_features == 3
    slotted = Slotted()
    slotted.extra = 1
    assert slotted.extra == 1 and "extra" not in slotted.__dict__


def test_a_missing_attribute_is_named():
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        Net().nothing  # noqa: B018
    assert not hasattr(Net(), "nothing")
    assert getattr(Net(), "nothing", 5) == 5


def test_an_assigned_part_takes_the_place_of_one_of_another_kind():
    net = Net()
    net.thing = 1
    net.thing = nn.Parameter(ones(1))
    assert "thing" in net._parameters and "thing" not in net.__dict__
    net.thing = None
    assert net.thing is None and net._parameters["thing"] is None
    net.first = nn.Parameter(ones(1))
    assert "first" in net._parameters and "first" not in net._modules
    net.seen = nn.Linear(1, 1)
    assert "seen" in net._modules and "seen" not in net._buffers


@pytest.mark.parametrize(
    "name, value, match",
    [
        ("weight", 1, "cannot assign 'int' as parameter 'weight'"),
        (
            "weight",
            "tensor",
            r"cannot assign '.*Tensor' as parameter 'weight' \(.*nn.Parameter or None expected\)",
        ),
        ("inner", 1, "cannot assign 'int' as child module 'inner'"),
        ("count", "text", "cannot assign 'str' as buffer 'count'"),
    ],
)
def test_a_part_is_not_replaced_by_something_else(name, value, match):
    module = nn.Module()
    module.weight = nn.Parameter(ones(1))
    module.inner = nn.Identity()
    module.register_buffer("count", ones(1))
    with pytest.raises(TypeError, match=match):
        setattr(module, name, ones(1) if value == "tensor" else value)


def test_none_keeps_the_place_of_a_part():
    net = Net()
    net.first = None
    net.seen = None
    assert net.first is None and net.seen is None
    assert list(net._modules) == ["first", "act", "last"]
    assert list(net.state_dict()) == ["last.weight"]
    assert [name for name, _ in net.named_children()] == ["act", "last"]


def test_a_tensor_replaces_a_buffer_but_does_not_become_one():
    net = Net()
    net.seen = ones(4)
    assert net._buffers["seen"].shape == (4,)
    net.scratch = ones(4)
    assert "scratch" not in net.state_dict()
    net.plain = ones(4)
    assert "plain" not in net._buffers and "plain" in net.__dict__


def test_attributes_can_be_deleted():
    net = Net()
    net.plain = 1
    for name in ("first", "seen", "scratch", "plain"):
        delattr(net, name)
        assert not hasattr(net, name)
    del net.last.weight
    assert list(net.last.parameters()) == []
    assert "scratch" not in net._non_persistent_buffers_set
    with pytest.raises(AttributeError, match="nothing"):
        del net.nothing


def test_object_setattr_goes_past_the_registration():
    net, other = Net(), nn.Linear(1, 1)
    object.__setattr__(net, "friend", other)
    assert net.friend is other
    assert "friend" not in net._modules


def test_properties_of_the_class_win_and_keep_their_errors():
    class Scaled(nn.Module):
        @property
        def scale(self):
            return self.inner * 2

        @scale.setter
        def scale(self, value):
            self.inner = value

    module = Scaled()
    with pytest.raises(AttributeError, match="no attribute 'inner'"):
        module.scale  # noqa: B018
    module.scale = 4
    assert module.inner == 4 and module.scale == 8


def test_getattr_of_a_subclass_is_asked_first_for_parts():
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module
            self.asked = []

        def __getattr__(self, name):
            if name != "asked":
                self.asked.append(name)
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.module, name)

    wrapper = Wrapper(nn.Linear(2, 5))
    assert wrapper.out_features == 5
    assert "module" in wrapper.asked and "out_features" in wrapper.asked
    with pytest.raises(AttributeError, match="nothing"):
        wrapper.nothing  # noqa: B018


def test_getattribute_of_a_subclass_is_asked():
    class Odd(Net):
        def __getattribute__(self, name):
            return 7 if name == "seven" else super().__getattribute__(name)

    odd = Odd()
    assert odd.seven == 7
    assert isinstance(odd.first, nn.Linear)


def test_getattr_given_to_a_class_afterwards_is_used():
    class Late(nn.Module):
        pass

    late = Late()
    late.part = nn.Identity()
    Late.__getattr__ = lambda self, name: f"no {name}"
    assert late.part == "no part"
    del Late.__getattr__
    assert isinstance(late.part, nn.Identity)


def test_dir_lists_the_parts():
    net = nn.Sequential(Net())
    assert {"first", "seen", "training", "forward"} <= set(dir(net[0]))
    assert "0" not in dir(net)


@pytest.mark.parametrize(
    "register", ["register_parameter", "register_buffer", "register_module", "add_module"]
)
def test_bad_names_are_refused(register):
    add = getattr(Net(), register)
    with pytest.raises(TypeError, match="name should be a string"):
        add(3, None)
    with pytest.raises(KeyError, match=r'contain "."'):
        add("a.b", None)
    with pytest.raises(KeyError, match="be empty string"):
        add("", None)
    with pytest.raises(KeyError, match="attribute 'training' already exists"):
        add("training", None)


def test_bad_parts_are_refused():
    net = Net()
    with pytest.raises(TypeError, match=r"cannot assign '.*Tensor' object to parameter 'p'"):
        net.register_parameter("p", ones(1))
    with pytest.raises(TypeError, match="cannot assign 'str' object to buffer 'b'"):
        net.register_buffer("b", "text")
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        net.add_module("m", 1)
