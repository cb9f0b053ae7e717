"""How modules print, and the containers."""

from collections import OrderedDict

import pytest
from small_modules import Doubles, ones

from tensorgrad import nn

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
