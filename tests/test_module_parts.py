"""Parameters, buffers and the tree of modules: walking it, converting it."""

import copy
import pickle

import pytest
from small_modules import Net, ones, same

import tensorgrad as tg
from tensorgrad import nn

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
