"""Module and the containers: what user code written for torch.nn counts on."""

import abc
import copy
import dataclasses
import functools
import gc
import pickle
import threading
import warnings
import weakref
from collections import OrderedDict

import pytest

tg = pytest.importorskip("tensorgrad")
pytest.importorskip("tensorgrad.core")
nn = tg.nn
F = nn.functional


def ones(*shape, **settings):
    return tg.ones(shape, **settings)


def same(a, b):
    return a.shape == b.shape and bool((a == b).all())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.act = nn.ReLU()
        self.last = nn.Linear(3, 1, bias=False)
        self.register_buffer("seen", tg.zeros(1))
        self.register_buffer("scratch", tg.zeros(2), persistent=False)

    def forward(self, x):
        return self.last(self.act(self.first(x)))


class Doubles(nn.Module):
    """Takes and gives anything that can be doubled."""

    def forward(self, x, times=2):
        return x * times


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


# -- Parameter and Buffer --------------------------------------------------------------------------


def test_a_parameter_is_a_leaf_that_shares_the_memory():
    data = ones(2)
    parameter = nn.Parameter(data)
    assert isinstance(parameter, tg.Tensor) and parameter.is_leaf and parameter.requires_grad
    assert not data.requires_grad
    with tg.no_grad():
        parameter.zero_()
    assert same(data, tg.zeros(2))
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert not isinstance(parameter * 2, nn.Parameter)
    assert repr(parameter).startswith("Parameter containing:\ntensor(")


def test_a_parameter_of_integers_is_refused():
    with pytest.raises(RuntimeError, match="(?i)only tensors of floating point"):
        nn.Parameter(tg.tensor([1, 2]))
    assert nn.Parameter(tg.tensor([1, 2]), requires_grad=False).dtype == tg.int64


def test_a_parameter_can_be_pickled_and_deep_copied():
    parameter = nn.Parameter(ones(2))
    for copied in (pickle.loads(pickle.dumps(parameter)), copy.deepcopy(parameter)):
        assert type(copied) is nn.Parameter and copied.requires_grad
        assert same(copied, parameter) and copied.data_ptr() != parameter.data_ptr()


def test_a_buffer_object_registers_itself():
    module = nn.Module()
    module.kept = nn.Buffer(ones(1))
    module.left_out = nn.Buffer(ones(1), persistent=False)
    assert list(module._buffers) == ["kept", "left_out"]
    assert list(module.state_dict()) == ["kept"]


# -- walking ---------------------------------------------------------------------------------------


def test_named_parameters_go_parents_first_in_the_order_of_assignment():
    net = nn.Sequential(Net(), nn.Linear(1, 1))
    names = ["0.first.weight", "0.first.bias", "0.last.weight", "1.weight", "1.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_parameters(prefix="net")] == ["net." + name for name in names]
    assert list(net.named_parameters(recurse=False)) == [] == list(net.parameters(recurse=False))
    assert all(a is b for a, (_, b) in zip(net.parameters(), net.named_parameters(), strict=True))


def test_shared_parts_are_listed_once():
    shared = nn.Linear(2, 2)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias"]
    assert [name for name, _ in net.named_parameters(remove_duplicate=False)] == [
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
    ]
    assert len(list(net.parameters())) == 2
    assert len(list(net.modules())) == 3 and len(list(net.modules(remove_duplicate=False))) == 4
    assert len(list(net.children())) == 2
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    assert [name for name, _ in tied.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert len(list(tied.parameters())) == 3


def test_a_module_that_contains_itself_is_walked_once():
    net = Net()
    net.me = net
    assert len(list(net.parameters())) == 3
    assert len(list(net.modules())) == 4
    net.zero_grad()


def test_an_overridden_named_parameters_is_what_parameters_and_zero_grad_see():
    class OnlyLast(Net):
        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            for name, parameter in super().named_parameters(prefix, recurse, remove_duplicate):
                if "last" in name:
                    yield name, parameter

    net = OnlyLast()
    net(ones(4, 2)).sum().backward()
    assert len(list(net.parameters())) == 1
    net.zero_grad()
    assert net.last.weight.grad is None and net.first.weight.grad is not None


def test_named_modules_named_children_and_named_buffers():
    net = nn.Sequential(Net())
    assert [name for name, _ in net.named_modules()] == ["", "0", "0.first", "0.act", "0.last"]
    assert [name for name, _ in net.named_modules(prefix="m")][:2] == ["m", "m.0"]
    assert [name for name, _ in net.named_children()] == ["0"]
    assert [name for name, _ in net.named_buffers()] == ["0.seen", "0.scratch"]
    assert len(list(net.buffers())) == 2 and list(net.buffers(recurse=False)) == []


def test_parts_are_found_by_dotted_path():
    net = nn.Sequential(Net())
    assert net.get_submodule("") is net
    assert net.get_submodule("0.first") is net[0].first
    assert net.get_parameter("0.first.weight") is net[0].first.weight
    assert net.get_buffer("0.seen") is net[0].seen
    for find, path, match in [
        (net.get_submodule, "0.nothing", "Net has no attribute `nothing`"),
        (net.get_submodule, "0.seen", "`seen` is not an nn.Module"),
        (net.get_parameter, "0.nothing", "Net has no attribute `nothing`"),
        (net.get_parameter, "0.seen", "`seen` is not an nn.Parameter"),
        (net.get_buffer, "0.first", "`first` is not a buffer"),
    ]:
        with pytest.raises(AttributeError, match=match):
            find(path)


def test_set_submodule_replaces_or_adds():
    net = nn.Sequential(Net())
    net.set_submodule("0.act", nn.Tanh())
    assert isinstance(net[0].act, nn.Tanh)
    net.set_submodule("0.extra", nn.Tanh())
    assert isinstance(net[0].extra, nn.Tanh)
    with pytest.raises(AttributeError, match="has no attribute `more`"):
        net.set_submodule("0.more", nn.Tanh(), strict=True)
    with pytest.raises(AttributeError, match="`seen` is not an nn.Module"):
        net.set_submodule("0.seen", nn.Tanh())
    with pytest.raises(ValueError, match="target name"):
        net.set_submodule("", nn.Tanh())
    with pytest.raises(ValueError, match="is not an nn.Module"):
        net.set_submodule("0.act", 3)


def test_apply_goes_children_first_and_returns_the_module():
    names = []
    net = Net()
    assert net.apply(lambda module: names.append(type(module).__name__)) is net
    assert names == ["Linear", "ReLU", "Linear", "Net"]


def test_train_and_eval_reach_every_module():
    net = nn.Sequential(Net())
    assert net.training and net[0].act.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train()[0].act.training
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")


def test_requires_grad_and_zero_grad_reach_every_parameter():
    net = Net()
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    net(ones(4, 2)).sum().backward()
    grad = net.last.weight.grad
    net.zero_grad(set_to_none=False)
    assert net.last.weight.grad is grad and same(grad, tg.zeros(1, 3))
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


# -- converting ------------------------------------------------------------------------------------


def test_to_converts_floating_point_parts_in_place():
    net = Net()
    net.register_buffer("steps", tg.tensor([1]))
    parameter = net.first.weight
    net(ones(4, 2)).sum().backward()
    assert net.double() is net
    assert (
        net.first.weight is parameter and parameter.dtype == tg.float64 and parameter.grad.dtype == tg.float64
    )
    assert parameter.is_leaf and parameter.requires_grad
    assert net.seen.dtype == tg.float64 and net.steps.dtype == tg.int64
    for convert in (
        lambda: net.to(tg.float32),
        lambda: net.to("cpu", tg.float32),
        lambda: net.to(dtype=tg.float32),
        lambda: net.to(ones(1)),
        net.float,
    ):
        net.double()
        assert convert() is net and net.first.weight.dtype == tg.float32
    assert net.half().first.weight.dtype == tg.float16
    assert net.cpu() is net and net.to("cpu") is net and net.share_memory() is net
    net.type(tg.float64)
    assert net.first.weight.dtype == tg.float64


def test_to_refuses_integers():
    with pytest.raises(TypeError, match="floating point"):
        Net().to(tg.int32)


def test_a_converted_module_still_trains():
    net = Net().double()
    net(ones(4, 2, dtype=tg.float64)).sum().backward()
    assert net.first.weight.grad.dtype == tg.float64


# -- state -----------------------------------------------------------------------------------------


def test_state_dict_holds_parameters_and_persistent_buffers_and_shares_memory():
    net = Net()
    state = net.state_dict()
    assert list(state) == ["seen", "first.weight", "first.bias", "last.weight"]
    assert not any(value.requires_grad for value in state.values())
    with tg.no_grad():
        state["seen"].fill_(3.0)
    assert net.seen.item() == 3
    assert net.state_dict(keep_vars=True)["first.weight"] is net.first.weight
    assert list(net.state_dict(prefix="net."))[0] == "net.seen"
    mine = {}
    assert net.state_dict(destination=mine) is mine and len(mine) == 4
    assert list(state._metadata) == ["", "first", "act", "last"] and state._metadata["first"] == {
        "version": 1
    }


def test_load_state_dict_copies_into_the_same_parameters():
    net, other = Net(), Net()
    before = list(net.parameters())
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert all(same(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    assert net.first.weight.data_ptr() != other.first.weight.data_ptr()


def test_load_state_dict_with_assign_takes_the_tensors():
    net, other = Net(), Net()
    other.double()
    net.last.weight.requires_grad_(False)
    state = other.state_dict()
    net.load_state_dict(state, assign=True)
    assert net.first.weight.dtype == tg.float64
    assert net.first.weight.data_ptr() == state["first.weight"].data_ptr()
    assert isinstance(net.first.weight, nn.Parameter) and net.first.weight.requires_grad
    assert not net.last.weight.requires_grad


def test_load_state_dict_names_all_that_does_not_fit():
    net = Net()
    before = copy.deepcopy(net.state_dict())
    state = net.state_dict()
    del state["seen"]
    state["odd"] = ones(1)
    state["first.odd"] = ones(1)
    state["nowhere.weight"] = ones(1)
    state["last.weight"] = ones(5, 5)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    assert message.startswith("Error(s) in loading state_dict for Net:\n\t")
    assert 'Missing key(s) in state_dict: "seen".' in message
    assert 'Unexpected key(s) in state_dict: "odd", "nowhere.weight", "first.odd".' in message
    assert "size mismatch for last.weight: copying a param with shape" in message and "[5, 5]" in message
    assert same(net.last.weight, before["last.weight"])


def test_load_state_dict_without_strict_returns_what_did_not_fit():
    net = Net()
    state = net.state_dict()
    del state["seen"]
    state["odd"] = ones(1)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["seen"] and result.unexpected_keys == ["odd"]
    state["last.weight"] = ones(5, 5)
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)


def test_load_state_dict_refuses_other_things():
    with pytest.raises(TypeError, match="dict-like"):
        Net().load_state_dict([1])
    with pytest.raises(RuntimeError, match='While copying the parameter named "weight"'):
        nn.Linear(1, 1, bias=False).load_state_dict({"weight": "text"})


def test_load_state_dict_takes_one_element_for_a_scalar():
    module = nn.Module()
    module.register_buffer("steps", tg.tensor(0.0))
    module.load_state_dict({"steps": tg.tensor([5.0])})
    assert module.steps.item() == 5 and module.steps.ndim == 0


def test_extra_state_travels_with_the_state_dict():
    class Counting(nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    module = nn.Sequential(Counting())
    module[0].count = 5
    state = module.state_dict()
    assert state == {"0._extra_state": {"count": 5}}
    other = nn.Sequential(Counting())
    other.load_state_dict(state)
    assert other[0].count == 5
    with pytest.raises(RuntimeError, match='Missing key.* "0._extra_state"'):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match='Unexpected key.* "_extra_state"'):
        nn.Identity().load_state_dict({"_extra_state": 1})


def test_a_layer_can_upgrade_an_old_state():
    class New(nn.Module):
        _version = 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(tg.zeros(2))

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            if local_metadata.get("version", 1) < 2:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    module = New()
    module.load_state_dict({"w": ones(2)})
    assert same(module.weight, ones(2))
    module.load_state_dict(module.state_dict())


def test_state_dict_hooks_run():
    net = Net()
    seen = []
    net.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append((prefix, keep_vars)))
    net.first._register_state_dict_hook(
        lambda module, state, prefix, metadata: state.__delitem__(prefix + "bias")
    )
    post = net.register_state_dict_post_hook(lambda module, state, prefix, metadata: seen.append(len(state)))
    assert "first.bias" not in net.state_dict(keep_vars=True)
    assert seen == [("", True), 3]
    post.remove()
    net.register_state_dict_post_hook(lambda *args: 1)
    with pytest.raises(RuntimeError, match="must return None"):
        net.state_dict()


def test_load_state_dict_hooks_run():
    net = Net()
    seen = []

    def before(module, state, prefix, metadata, strict, missing, unexpected, errors):
        seen.append((module is net.first, prefix))
        state[prefix + "bias"] = state.pop(prefix + "offset")

    def after(module, keys):
        seen.append(list(keys.missing_keys))
        keys.missing_keys.clear()

    net.first.register_load_state_dict_pre_hook(before)
    net.register_load_state_dict_post_hook(after)
    state = net.state_dict()
    state["first.offset"] = state.pop("first.bias")
    del state["seen"]
    net.load_state_dict(state)
    assert seen == [(True, "first."), ["seen"]]


# -- copying ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_module_can_be_pickled(protocol):
    net = Net()
    net.note = "kept"
    net.eval()
    again = pickle.loads(pickle.dumps(net, protocol))
    assert type(again) is Net and again.note == "kept" and not again.training
    assert list(again.state_dict()) == list(net.state_dict())
    assert same(again(ones(1, 2)), net(ones(1, 2)))
    assert isinstance(again.first.weight, nn.Parameter) and again.first.weight.requires_grad


def test_deepcopy_copies_values_keeps_sharing_and_hooks():
    net = Net()
    net.tied = net.first
    net.register_forward_hook(added_one)
    again = copy.deepcopy(net)
    assert again.tied is again.first and again.first is not net.first
    assert same(again.first.weight, net.first.weight)
    assert again.first.weight.data_ptr() != net.first.weight.data_ptr()
    assert same(again(ones(1, 2)), net(ones(1, 2)))


def added_one(module, args, output):
    return output + 1


def test_copy_shares_the_parts():
    net = Net()
    again = copy.copy(net)
    assert again.first is net.first and again is not net


def test_users_own_pickling_methods_work():
    again = pickle.loads(pickle.dumps(WithoutCache()))
    assert again.cache == "made anew" and isinstance(again.inner, nn.Linear)
    assert copy.deepcopy(WithoutCache()).inner(ones(1, 1)).shape == (1, 1)


class WithoutCache(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)
        self.cache = threading.Lock()  # can't be pickled

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["cache"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.cache = "made anew"


def test_one_instance_may_take_over_the_dict_of_another():
    net = Net()
    other = Doubles()
    other.__dict__ = net.__dict__
    assert other.first is net.first
    state = net.__dict__
    del net, other
    gc.collect()
    assert isinstance(state["_modules"]["first"], nn.Linear)


def test_modules_are_weakly_referable_hashable_and_collected():
    net = Net()
    net.me = net
    gone = weakref.ref(net)
    assert {net: 1}[net] == 1
    del net
    gc.collect()
    assert gone() is None


# -- hooks -----------------------------------------------------------------------------------------


def test_forward_hooks_see_and_replace_arguments_and_output():
    module = Doubles()
    seen = []
    pre = module.register_forward_pre_hook(lambda m, args: seen.append(("pre", m is module, args)))
    post = module.register_forward_hook(lambda m, args, output: seen.append(("post", args, output)))
    assert module(3) == 6
    assert seen == [("pre", True, (3,)), ("post", (3,), 6)]
    pre.remove()
    post.remove()
    with (
        module.register_forward_pre_hook(lambda m, args: args[0] + 1),
        module.register_forward_hook(lambda m, args, output: (args, output)),
    ):
        assert module(3) == ((4,), 8)
    assert module(3) == 6 and len(seen) == 2


def test_hooks_run_in_order_and_may_be_put_first():
    module = Doubles()
    order = []
    module.register_forward_hook(lambda m, a, o: order.append(1))
    module.register_forward_hook(lambda m, a, o: order.append(2))
    module.register_forward_hook(lambda m, a, o: order.append(0), prepend=True)
    module.register_forward_pre_hook(lambda m, a: order.append(-1))
    module.register_forward_pre_hook(lambda m, a: order.append(-2), prepend=True)
    module(1)
    assert order == [-2, -1, 0, 1, 2]


def test_hooks_with_kwargs():
    module = Doubles()
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"times": kwargs["times"] + 1}), with_kwargs=True
    )
    module.register_forward_hook(lambda m, args, kwargs, output: (kwargs, output), with_kwargs=True)
    assert module(2, times=3) == ({"times": 4}, 8)
    module.register_forward_pre_hook(lambda m, args, kwargs: 1, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\)"):
        module(2, times=3)


def test_an_always_called_hook_runs_after_an_exception():
    module = Doubles()
    seen = []
    module.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    module.register_forward_hook(lambda m, args, output: seen.append("not this"))
    with pytest.raises(TypeError):
        module(object())
    assert seen == [None]


def test_hooks_may_be_taken_away_through_the_dict():
    module = Doubles()
    module.register_forward_hook(lambda m, a, o: 0)
    module._forward_hooks.clear()
    assert module(2) == 4
    module.register_forward_hook(lambda m, a, o: 0)
    module._forward_hooks = OrderedDict()
    assert module(2) == 4
    module._forward_hooks[0] = lambda m, a, o: "mine"
    assert module(2) == "mine"


def test_hooks_run_inside_a_sequential():
    net = nn.Sequential(Doubles(), Doubles())
    net[1].register_forward_hook(lambda m, args, output: output + 1)
    net.register_forward_pre_hook(lambda m, args: 10)
    assert net(1) == 41


def test_global_forward_hooks_reach_every_module_and_run_first():
    every = nn.modules.module
    order = []
    module = nn.Sequential(Doubles())
    module[0].register_forward_hook(lambda m, a, o: order.append("own"))
    handles = [
        every.register_module_forward_pre_hook(lambda m, a: order.append(f"pre {type(m).__name__}")),
        every.register_module_forward_hook(lambda m, a, o: order.append(f"post {type(m).__name__}")),
    ]
    try:
        assert module(1) == 2
    finally:
        for handle in handles:
            handle.remove()
    assert order == ["pre Sequential", "pre Doubles", "post Doubles", "own", "post Sequential"]
    module(1)
    assert len(order) == 6


def test_registration_hooks_see_and_replace_parts():
    every = nn.modules.module
    seen = []
    handles = [
        every.register_module_parameter_registration_hook(lambda m, name, p: seen.append(name)),
        every.register_module_buffer_registration_hook(lambda m, name, b: b + 1),
        every.register_module_module_registration_hook(lambda m, name, c: nn.Identity()),
    ]
    try:
        module = nn.Module()
        module.weight = nn.Parameter(ones(1))
        module.register_buffer("count", ones(1))
        module.inner = nn.ReLU()
        module.add_module("other", nn.ReLU())
    finally:
        for handle in handles:
            handle.remove()
    assert seen == ["weight"]
    assert module.count.item() == 2
    assert isinstance(module.inner, nn.Identity) and isinstance(module.other, nn.Identity)


class Product(nn.Module):
    def forward(self, x, y):
        return x * y


def test_full_backward_hooks_see_the_gradients_of_inputs_and_outputs():
    module = Product()
    seen = []
    handle = module.register_full_backward_hook(
        lambda m, grad_in, grad_out: seen.append((m, grad_in, grad_out))
    )
    x, y = ones(1) * 3, ones(1) * 5
    x.requires_grad_()
    y.requires_grad_()
    (module(x, y) * 7).sum().backward()
    ((m, grad_in, grad_out),) = seen
    assert m is module and [g.item() for g in grad_in] == [35, 21] and [g.item() for g in grad_out] == [7]
    assert x.grad.item() == 35 and y.grad.item() == 21
    handle.remove()
    module(x, y).sum().backward()
    assert len(seen) == 1


def test_full_backward_hooks_may_replace_the_gradients():
    module = Product()
    module.register_full_backward_pre_hook(lambda m, grad_out: (grad_out[0] * 10,))
    module.register_full_backward_hook(lambda m, grad_in, grad_out: (grad_in[0] + 1, grad_in[1]))
    x, y = ones(1).requires_grad_(), ones(1).requires_grad_()
    module(x, y).sum().backward()
    assert x.grad.item() == 11 and y.grad.item() == 10


def test_full_backward_hooks_give_none_for_inputs_without_gradient():
    module = Product()
    seen = []
    module.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append(grad_in))
    x = ones(1).requires_grad_()
    module(x, 3.0).sum().backward()
    assert seen[0][0].item() == 3 and seen[0][1] is None


def test_a_full_backward_hook_fires_when_no_input_needs_a_gradient():
    layer = nn.Linear(2, 1)
    seen = []
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append((grad_in, grad_out[0].shape)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer(ones(3, 2)).sum().backward()
    assert seen == [((None,), (3, 1))]
    assert layer.weight.grad is not None


def test_a_full_backward_hook_that_returns_too_much_is_refused():
    module = Product()
    module.register_full_backward_hook(lambda m, grad_in, grad_out: grad_in + grad_in)
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 4, but expected 2"):
        module(ones(1).requires_grad_(), ones(1)).sum().backward()


def test_global_full_backward_hooks_fire():
    seen = []
    handle = nn.modules.module.register_module_full_backward_hook(
        lambda m, gi, go: seen.append(type(m).__name__)
    )
    try:
        Product()(ones(1).requires_grad_(), ones(1)).sum().backward()
    finally:
        handle.remove()
    assert seen == ["Product"]


def test_old_and_full_backward_hooks_do_not_mix():
    module = Product()
    module.register_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="Cannot use both"):
        module.register_full_backward_hook(lambda *args: None)


# -- looks -----------------------------------------------------------------------------------------


def test_repr_shows_the_tree():
    net = nn.Sequential(
        OrderedDict(fc=nn.Linear(2, 3), act=nn.ReLU(inplace=True), more=nn.Sequential(nn.Identity()))
    )
    assert (
        repr(net)
        == """Sequential(
  (fc): Linear(in_features=2, out_features=3, bias=True)
  (act): ReLU(inplace=True)
  (more): Sequential(
    (0): Identity()
  )
)"""
    )
    assert repr(nn.Module()) == "Module()"


def test_extra_repr_of_several_lines_is_set_off():
    class Two(nn.Module):
        def extra_repr(self):
            return "a=1\nb=2"

    assert repr(Two()) == "Two(\n  a=1\n  b=2\n)"
    assert repr(nn.Sequential(Two())) == "Sequential(\n  (0): Two(\n    a=1\n    b=2\n  )\n)"


# -- containers ------------------------------------------------------------------------------------


def line(kind, *modules):
    return kind(*modules) if kind is nn.Sequential else kind(modules)


def classes(modules):
    return [type(module).__name__ for module in modules]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_lists_of_modules_behave_as_lists(kind):
    net = line(kind, nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert len(net) == 3 and classes(net) == ["ReLU", "Tanh", "Sigmoid"]
    assert net[0] is net[-3] and isinstance(net[1:], kind) and classes(net[1:]) == ["Tanh", "Sigmoid"]
    assert classes(net[::2]) == ["ReLU", "Sigmoid"]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        net[3]
    net[1] = nn.Identity()
    assert net.append(nn.ELU()) is net
    net.insert(0, nn.CELU())
    assert classes(net) == ["CELU", "ReLU", "Identity", "Sigmoid", "ELU"]
    assert isinstance(net.pop(-1), nn.ELU)
    del net[0]
    assert classes(net) == ["ReLU", "Identity", "Sigmoid"] and list(net._modules) == ["0", "1", "2"]
    del net[1:]
    assert net.extend([nn.SELU(), nn.GELU()]) is net
    net += line(kind, nn.Mish())
    assert classes(net) == ["ReLU", "SELU", "GELU", "Mish"] and list(net._modules) == ["0", "1", "2", "3"]
    assert classes(net + line(kind, nn.GLU())) == ["ReLU", "SELU", "GELU", "Mish", "GLU"]
    assert net.state_dict() == {}
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        net.append(1)


def test_sequential_may_name_its_modules():
    net = nn.Sequential(OrderedDict(a=nn.Linear(2, 2), b=nn.ReLU()))
    assert net.a is net[0] and list(net[:1].state_dict()) == ["a.weight", "a.bias"]
    del net[0]
    assert list(net._modules) == ["0"] or list(net._modules) == ["b"]


def test_sequential_can_be_multiplied():
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    assert classes(net * 2) == classes(2 * net) == ["ReLU", "Tanh"] * 2
    net *= 2
    assert len(net) == 4 and net[0] is net[2]
    with pytest.raises(ValueError, match="Non-positive multiplication factor 0"):
        net * 0
    with pytest.raises(TypeError, match="unsupported operand"):
        net * "a"
    with pytest.raises(ValueError, match="only objects of Sequential class"):
        net + [nn.ReLU()]
    with pytest.raises(IndexError, match="out of range"):
        net.insert(9, nn.ReLU())
    with pytest.raises(AssertionError, match="should be of type"):
        net.insert(0, 1)


def test_an_empty_sequential_returns_its_input():
    assert nn.Sequential()(5) == 5


def test_a_sequential_subclass_may_override_forward():
    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    assert Residual(Doubles())(3) == 9


def test_module_list_is_not_callable_and_prints_runs_as_one():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
    with pytest.raises(NotImplementedError):
        layers(1)
    assert (
        repr(layers)
        == """ModuleList(
  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)
  (2): ReLU()
)"""
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    with pytest.raises(TypeError, match="iterable"):
        layers.extend(3)


def test_module_dict_behaves_as_a_dict():
    heads = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Tanh()})
    assert list(heads) == list(heads.keys()) == ["b", "a"] and "a" in heads and len(heads) == 2
    assert classes(heads.values()) == ["ReLU", "Tanh"] and [k for k, _ in heads.items()] == ["b", "a"]
    heads["c"] = nn.Linear(1, 1)
    assert list(heads.state_dict()) == ["c.weight", "c.bias"]
    heads.update([("a", nn.Identity()), ("d", nn.Identity())])
    assert isinstance(heads["a"], nn.Identity) and isinstance(heads.pop("b"), nn.ReLU)
    del heads["d"]
    assert list(heads) == ["a", "c"]
    with pytest.raises(KeyError):
        heads["zz"]
    with pytest.raises(TypeError, match="not a Module subclass"):
        heads["x"] = 1
    with pytest.raises(TypeError, match="should be called with an iterable of key/value pairs, but got int"):
        heads.update(3)
    with pytest.raises(ValueError, match="has length 1; 2 is required"):
        heads.update([("a",)])
    heads.clear()
    assert len(heads) == 0


def test_parameter_list_makes_tensors_parameters_and_keeps_the_rest():
    values = nn.ParameterList([ones(2, 3), nn.Parameter(ones(1)), "note"])
    assert len(values) == 3 and values[-1] == "note"
    assert [name for name, _ in values.named_parameters()] == ["0", "1"]
    values[2] = ones(4)
    values.append(5)
    values += [6]
    assert [v if isinstance(v, int) else tuple(v.shape) for v in values] == [(2, 3), (1,), (4,), 5, 6]
    assert isinstance(values[:2], nn.ParameterList) and len(values[:2]) == 2
    assert "(0): Parameter containing: [" in repr(values) and "float32 of size 2x3]" in repr(values)
    assert "(3): Object of type: int" in repr(values)
    with pytest.raises(IndexError, match="index 5 is out of range"):
        values[5]
    with pytest.raises(RuntimeError, match="should not be called"):
        values(1)
    with pytest.raises(TypeError, match="iterable"):
        values.extend(ones(2))


def test_parameter_dict_makes_tensors_parameters_and_keeps_the_rest():
    values = nn.ParameterDict({"b": ones(2), "a": ones(1)})
    values["note"] = "text"
    assert list(values) == ["a", "b", "note"] and list(values.state_dict()) == ["a", "b"]
    assert isinstance(values["a"], nn.Parameter) and "b" in values and len(values) == 3
    assert values.get("none", 3) == 3 and values.setdefault("c", 4) == 4
    assert values.popitem() == ("c", 4) and values.pop("note") == "text"
    assert list((values | nn.ParameterDict({"z": ones(1)})).keys()) == ["a", "b", "z"]
    values |= nn.ParameterDict({"y": ones(1)})
    assert list(reversed(values)) == ["y", "b", "a"]
    assert list(values.fromkeys(["p", "q"], 1).items()) == [("p", 1), ("q", 1)]
    assert list(nn.ParameterDict(OrderedDict(b=1, a=2))) == ["b", "a"]
    values.clear()
    assert len(values) == 0 and values.state_dict() == {}
    with pytest.raises(TypeError, match="not a string"):
        values[3] = ones(1)
    with pytest.raises(RuntimeError, match="should not be called"):
        values(1)


# -- layers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Linear(in_features=2, out_features=3, bias=False)",
        "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=True)",
        "Embedding(4, 3, padding_idx=3, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True)",
        "LayerNorm((2, 3), eps=0.1, elementwise_affine=True, bias=False)",
        "RMSNorm((2,), eps=None, elementwise_affine=False)",
        "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)",
        "Dropout(p=0.25, inplace=True)",
        "Flatten(start_dim=0, end_dim=2)",
        "Unflatten(dim=1, unflattened_size=(2, 3))",
        "ReLU6(inplace=True)",
        "Hardtanh(min_val=-2.0, max_val=2.0, inplace=True)",
        "LeakyReLU(negative_slope=0.5)",
        "ELU(alpha=2.0, inplace=True)",
        "GELU(approximate='tanh')",
        "Softmax(dim=1)",
        "Softplus(beta=2.0, threshold=3.0)",
        "Threshold(threshold=0.5, value=1.0, inplace=True)",
        "RReLU(lower=0.1, upper=0.2)",
        "PReLU(num_parameters=3)",
        "GLU(dim=0)",
        "PixelShuffle(upscale_factor=2)",
        "ChannelShuffle(groups=2)",
    ],
    ids=lambda text: text.partition("(")[0],
)
def test_a_layer_prints_as_the_call_that_makes_it(text):
    """Most layers' repr is such a call; the few that print plain numbers are written so here too."""
    made = eval(text.replace("bias=True)", ")") if text.startswith("GroupNorm") else text, vars(nn).copy())
    assert repr(made) == text


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: nn.Embedding(4, 3, padding_idx=-1), "Embedding(4, 3, padding_idx=3)"),
        (lambda: nn.Softshrink(0.25), "Softshrink(0.25)"),
        (lambda: nn.ConstantPad1d((1, 2), 3.5), "ConstantPad1d(padding=(1, 2), value=3.5)"),
        (lambda: nn.ZeroPad2d(1), "ZeroPad2d((1, 1, 1, 1))"),
        (lambda: nn.ReflectionPad3d(2), "ReflectionPad3d((2, 2, 2, 2, 2, 2))"),
        (lambda: nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
        (
            lambda: nn.TripletMarginWithDistanceLoss(),
            "TripletMarginWithDistanceLoss(\n  (distance_function): PairwiseDistance()\n)",
        ),
    ],
    ids=lambda value: None if callable(value) else value.partition("(")[0],
)
def test_a_layer_prints_its_settings(make, text):
    assert repr(make()) == text


@pytest.mark.parametrize(
    "make, error, match",
    [
        (lambda: nn.Dropout(1.5), ValueError, "between 0 and 1, but got 1.5"),
        (lambda: nn.GroupNorm(3, 4), ValueError, r"num_channels \(4\) must be divisible by num_groups \(3\)"),
        (lambda: nn.Hardtanh(1.0, 0.0), AssertionError, "must be greater"),
        (lambda: nn.Embedding(4, 3, padding_idx=4), AssertionError, "within num_embeddings"),
        (lambda: nn.Embedding.from_pretrained(tg.ones(3)), AssertionError, "2-dimensional"),
        (lambda: nn.Unflatten(1, 3), TypeError, "tuple of ints"),
        (lambda: nn.TripletMarginLoss(margin=0), ValueError, "greater than 0"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "p == 1 and p == 2"),
        (lambda: nn.Softmax2d()(tg.ones(1, 1)), ValueError, "3D or 4D"),
        (lambda: nn.CircularPad1d(1)(tg.ones(1, 1, 1, 1)), ValueError, "got 4D input"),
    ],
)
def test_bad_settings_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_first_weights_are_those_of_torch_for_the_same_seed():
    """Numbers printed by torch 2.13 after manual_seed(0)."""
    tg.manual_seed(0)
    layer = nn.Linear(2, 2)
    assert layer.weight.tolist() == [
        [-0.005293981172144413, 0.37932288646698],
        [-0.5819807648658752, -0.5203874707221985],
    ]
    assert layer.bias.tolist() == [-0.27234524488449097, 0.1896158903837204]


def test_layers_take_a_dtype():
    assert nn.Linear(2, 2, dtype=tg.float64).weight.dtype == tg.float64
    assert nn.LayerNorm(2, dtype=tg.float64, device="cpu").bias.dtype == tg.float64
    assert nn.Embedding(2, 2, dtype=tg.float64).weight.dtype == tg.float64


def test_embedding_pads_freezes_and_shares_its_table():
    layer = nn.Embedding(3, 2, padding_idx=0)
    assert layer.weight[0].tolist() == [0, 0]
    table = ones(3, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad and frozen.weight.data_ptr() == table.data_ptr()
    assert frozen(tg.tensor([0, 2])).shape == (2, 2)


def test_batch_norm_remembers_means_and_variances():
    layer = nn.BatchNorm1d(1, momentum=0.5)
    assert list(layer.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    out = layer(tg.tensor([[1.0], [3.0]]))
    assert abs(out[0, 0].item() + 1) < 1e-4
    assert layer.running_mean.item() == 1 and layer.running_var.item() == 1.5
    assert layer.num_batches_tracked.item() == 1 and layer.num_batches_tracked.dtype == tg.int64
    layer.eval()
    assert abs(layer(tg.tensor([[1.0]])).item()) < 1e-6 and layer.num_batches_tracked.item() == 1
    old = layer.state_dict()
    del old["num_batches_tracked"], old._metadata
    layer.load_state_dict(old)
    average = nn.BatchNorm1d(1, momentum=None)
    for x in (0.0, 2.0, 4.0):
        average(tg.tensor([[x], [x + 2]]))
    assert abs(average.running_mean.item() - 3) < 1e-6
    with pytest.raises(ValueError, match="expected 4D input \\(got 2D input\\)"):
        nn.BatchNorm2d(1)(ones(2, 1))


def test_instance_norm_takes_inputs_without_a_batch():
    layer = nn.InstanceNorm1d(2, affine=True)
    assert layer(tg.tensor([[1.0, 3.0], [5.0, 5.0]])).shape == (2, 2)
    with pytest.raises(ValueError, match="num_features \\(2\\), but got: 3"):
        layer(ones(1, 3, 4))


def test_weights_of_losses_are_buffers():
    loss = nn.CrossEntropyLoss(weight=ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype == tg.float64
    assert list(nn.BCEWithLogitsLoss(pos_weight=ones(3)).state_dict()) == ["pos_weight"]


def test_the_old_reduction_flags_still_mean_what_they_did():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert nn.MSELoss(size_average=False).reduction == "sum"
        assert nn.MSELoss(reduce=False).reduction == "none"
        assert nn.MSELoss(size_average=True).reduction == "mean"


# -- init and utils --------------------------------------------------------------------------------


def test_init_works_in_place_off_the_tape_and_returns_the_tensor():
    weight = nn.Parameter(tg.zeros(3, 4))
    for fill in (
        nn.init.uniform_,
        nn.init.normal_,
        nn.init.ones_,
        nn.init.zeros_,
        nn.init.xavier_uniform_,
        nn.init.xavier_normal_,
        nn.init.kaiming_uniform_,
        nn.init.kaiming_normal_,
        nn.init.trunc_normal_,
        nn.init.eye_,
        lambda t: nn.init.constant_(t, 2.0),
        lambda t: nn.init.sparse_(t, 0.5),
    ):
        assert fill(weight) is weight
        assert weight.is_leaf and weight.requires_grad and weight.grad_fn is None


def test_init_keeps_its_bounds():
    tg.manual_seed(1)
    weight = tg.empty(50, 30)
    assert nn.init.uniform_(weight, -2.0, 3.0).min() >= -2 and weight.max() < 3
    bound = (6 / 80) ** 0.5
    assert 0.9 * bound < nn.init.xavier_uniform_(weight).abs().max() <= bound
    bound = (6 / 30) ** 0.5
    assert 0.9 * bound < nn.init.kaiming_uniform_(weight).abs().max() <= bound
    bound = (6 / 50) ** 0.5
    assert (
        0.9 * bound
        < nn.init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="relu").abs().max()
        <= bound
    )
    for low, high in ((-1.0, 2.0), (1.0, 4.0)):
        nn.init.trunc_normal_(weight, a=low, b=high)
        assert low <= weight.min() and weight.max() <= high
    nn.init.sparse_(weight, 0.5)
    assert (weight == 0).sum(0).tolist() == [25] * 30


def test_orthogonal_rows_are_orthogonal_and_of_length_gain():
    wide = nn.init.orthogonal_(tg.empty(3, 2, 4), gain=2.0).reshape(3, 8)
    assert ((wide @ wide.T) - 4 * tg.eye(3)).abs().max() < 1e-5
    tall = nn.init.orthogonal_(tg.empty(8, 3))
    assert ((tall.T @ tall) - tg.eye(3)).abs().max() < 1e-5


def test_dirac_passes_channels_on():
    kernel = nn.init.dirac_(tg.empty(4, 2, 3), groups=2)
    assert kernel[:, :, 1].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]] and kernel.sum() == 4


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: nn.init.xavier_uniform_(tg.empty(3)), "fewer than 2 dimensions"),
        (lambda: nn.init.kaiming_normal_(tg.empty(3, 3), mode="fan"), "Mode fan not supported"),
        (lambda: nn.init.eye_(tg.empty(3)), "2 dimensions"),
        (lambda: nn.init.dirac_(tg.empty(3, 3)), "3, 4, or 5 dimensions"),
        (lambda: nn.init.dirac_(tg.empty(3, 3, 3), groups=2), "divisible by groups"),
        (lambda: nn.init.sparse_(tg.empty(3), 0.1), "2 dimensions"),
        (lambda: nn.init.orthogonal_(tg.empty(3)), "2 or more dimensions"),
        (lambda: nn.init.calculate_gain("step"), "Unsupported nonlinearity step"),
        (lambda: nn.init.calculate_gain("leaky_relu", True), "not a valid number"),
    ],
)
def test_init_refuses_what_makes_no_sense(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_gains():
    assert (
        nn.init.calculate_gain("linear")
        == nn.init.calculate_gain("conv2d")
        == nn.init.calculate_gain("sigmoid")
        == 1
    )
    assert nn.init.calculate_gain("relu") == 2**0.5
    assert nn.init.calculate_gain("leaky_relu") == (2 / 1.0001) ** 0.5
    assert nn.init.calculate_gain("selu") == 0.75


def with_grads(*grads):
    parameters = [nn.Parameter(tg.zeros(len(grad))) for grad in grads]
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = tg.tensor(grad)
    return [*parameters, nn.Parameter(tg.zeros(1))]


def test_clip_grad_norm_scales_all_gradients_by_one_factor():
    parameters = with_grads([3.0, 0.0], [0.0, 4.0])
    assert abs(nn.utils.clip_grad_norm_(parameters, 10.0).item() - 5) < 1e-6
    assert parameters[0].grad.tolist() == [3, 0]
    nn.utils.clip_grad_norm_(iter(parameters), 1.0)
    assert abs(parameters[0].grad[0].item() - 0.6) < 1e-5 and abs(parameters[1].grad[1].item() - 0.8) < 1e-5
    assert nn.utils.clip_grad_norm_(with_grads([3.0], [4.0]), 1.0, norm_type=float("inf")).item() == 4
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    single = with_grads([3.0])[0]
    assert nn.utils.clip_grad_norm_(single, 1.0).item() == 3


def test_clip_grad_norm_may_refuse_infinite_gradients():
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(with_grads([float("inf")]), 1.0, error_if_nonfinite=True)


def test_clip_grad_value_keeps_each_element_within_bounds():
    parameters = with_grads([-3.0, 0.5, 2.0])
    nn.utils.clip_grad_value_(parameters, 1.0)
    assert parameters[0].grad.tolist() == [-1, 0.5, 1]


def test_norm_and_clipping_also_come_apart():
    parameters = with_grads([3.0], [4.0])
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    assert norm.item() == 5
    nn.utils.clip_grads_with_norm_(parameters, 2.5, norm)
    assert abs(parameters[0].grad.item() - 1.5) < 1e-5


def test_parameters_become_a_vector_and_come_back():
    net = Net()
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (12,)
    nn.utils.vector_to_parameters(tg.arange(12.0), net.parameters())
    assert net.first.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.last.weight.tolist() == [[9, 10, 11]]
    assert net.first.weight.is_leaf and net.first.weight.requires_grad
    with pytest.raises(TypeError, match="expected"):
        nn.utils.vector_to_parameters([1.0], net.parameters())


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("damage", ["missing", "unexpected", "shape", "hook"])
def test_state_that_does_not_match_leaves_the_module_as_it_was(damage, assign):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    parameters = list(model.parameters())
    before = [p.detach().clone() for p in parameters]
    state = {key: tg.zeros_like(value) for key, value in model.state_dict().items()}
    if damage == "missing":
        del state["1.bias"]
    elif damage == "unexpected":
        state["other"] = tg.ones(1)
    elif damage == "shape":
        state["1.weight"] = tg.ones(5, 5)
    else:
        model[1].register_load_state_dict_post_hook(lambda module, keys: 1 / 0)
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        model.load_state_dict(state, assign=assign)
    assert all(p is q for p, q in zip(model.parameters(), parameters))
    assert all((p == q).all() for p, q in zip(model.parameters(), before))


def test_walk_over_too_deep_a_tree_is_a_recursion_error():
    tree = nn.Module()
    for _ in range(20_000):
        above = nn.Module()
        above.child = tree
        tree = above
    with pytest.raises(RecursionError):
        list(tree.parameters())
    with pytest.raises(RecursionError):
        tree.zero_grad()
