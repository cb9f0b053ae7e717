"""Common mistakes: the error keeps PyTorch's type and first words, and says what to do."""

import inspect
import pickle
import pydoc
import warnings

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(10, 2))
        self.heads = nn.ModuleList([nn.Linear(2, 2), nn.Linear(5, 2)])

    def forward(self, x):
        return self.heads[1](x) if x.shape[1] == 2 else self.body(x)


class Forgotten(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 2)


def net():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def leaf_in_place():
    weight = tg.ones(2, requires_grad=True)
    weight -= 0.1


MISTAKES = {
    "a module for its parameters": (
        lambda: tg.optim.Adam(net()),
        TypeError, "optimizer can only optimize Tensors", "model.parameters()",
    ),
    "a module that is no list": (
        lambda: tg.optim.SGD(Net()),
        TypeError, "optimizer can only optimize Tensors", "model.parameters()",
    ),
    "a method for what it returns": (
        lambda: tg.optim.SGD(net().parameters),
        TypeError, "optimizer can only", "call it",
    ),
    "an iterator that is used up": (
        lambda: [tg.optim.SGD(p) for p in [net().parameters()] * 2],
        ValueError, "optimizer got an empty parameter list", "model.parameters()",
    ),
    "a rate that is text": (lambda: tg.optim.SGD(net().parameters(), lr="0.1"), TypeError, "", "float(lr)"),
    "None among numbers": (
        lambda: tg.tensor([1, None]),
        RuntimeError, "Could not infer dtype of NoneType", "leave it out",
    ),
    "None deeper": (
        lambda: tg.tensor([[1.0], [None]]),
        RuntimeError, "Could not infer dtype of NoneType", "float('nan')",
    ),
    "a dict of numbers": (
        lambda: tg.tensor({"a": 1}),
        RuntimeError, "Could not infer dtype of dict", "values()",
    ),
    "backward without a gradient": (
        lambda: tg.ones(2).sum().backward(),
        RuntimeError, "element 0 of tensors does not require grad", "requires_grad=True",
    ),
    "an update on the tape": (leaf_in_place, RuntimeError, "a leaf Variable that requires grad", "no_grad()"),
    "a condition on many": (
        lambda: bool(tg.ones(2) > 0),
        RuntimeError, "Boolean value of Tensor", ".any() or .all()",
    ),
    "item() of many": (lambda: tg.ones(3).item(), RuntimeError, "a Tensor with 3 elements", ".tolist()"),
    "a function of a module": (
        lambda: F.relu(net()),
        TypeError, "relu(): argument 'input' (position 1) must be Tensor", "module(input)",
    ),
    "a list for a batch": (
        lambda: F.linear([1.0], tg.ones(1, 1)),
        TypeError, "linear(): argument 'input'", "tensor(values)",
    ),
    "an array for a batch": (
        lambda: nn.Linear(2, 2)(np.ones((1, 2))),
        TypeError, "linear(): argument 'input'", "from_numpy(array)",
    ),
    "all that a recurrent layer gives": (
        lambda: nn.Sequential(nn.LSTM(2, 3), nn.Linear(3, 1))(tg.ones(4, 2)),
        TypeError, "linear(): argument 'input'", "output, state = layer",
    ),
    "a size that is a float": (
        lambda: nn.Linear(3.0, 4),
        TypeError, "Linear(): argument 'in_features' must be int", "3.0",
    ),
    "an extent that is a float": (lambda: tg.zeros(2.0), TypeError, "", "int(2.0)"),
    "classes in a column": (
        lambda: F.cross_entropy(tg.ones(5, 2), tg.ones(5, 1).long()),
        RuntimeError, "", "squeeze(1)",
    ),
    "classes that are floats": (
        lambda: F.cross_entropy(tg.ones(5, 2), tg.ones(5)),
        RuntimeError, "", "target.long()",
    ),
    "target and input exchanged": (
        lambda: F.cross_entropy(tg.ones(5).long(), tg.ones(5, 2)),
        NotImplementedError, "cross_entropy: not implemented", "the scores come first",
    ),
    "probabilities of integers": (
        lambda: F.binary_cross_entropy(tg.ones(1), tg.ones(1).long()), RuntimeError, "", ".to(input.dtype)",
    ),
    "one image without a channel": (
        lambda: nn.Conv2d(1, 1, 3)(tg.ones(8, 8)),
        RuntimeError, "Expected 3D", "unsqueeze(0)",
    ),
    "a batch of one in training": (
        lambda: nn.BatchNorm1d(4)(tg.ones(1, 4)),
        ValueError, "Expected more than 1 value", "model.eval()",
    ),
    "numbers of rows as floats": (lambda: nn.Embedding(5, 2)(tg.ones(3)), RuntimeError, "", ".long()"),
    "one_hot of floats": (
        lambda: F.one_hot(tg.ones(3)),
        RuntimeError, "one_hot is only applicable", ".long()",
    ),
    "no super().__init__()": (
        Forgotten,
        AttributeError, "cannot assign module before Module.__init__() call", "super().__init__()",
    ),
    "a module for its state": (
        lambda: net().load_state_dict(net()),
        TypeError, "Expected state_dict to be dict-like", "model.state_dict()",
    ),
    "a path for a state": (
        lambda: net().load_state_dict("model.pt"),
        TypeError, "Expected state_dict", "tensorgrad.load(path)",
    ),
    "a view across rows": (
        lambda: tg.ones(2, 3).t().view(6),
        RuntimeError, "view size is not compatible", ".reshape",
    ),
    "a list of layers": (
        lambda: nn.Sequential([nn.ReLU()]),
        TypeError, "list is not a Module subclass", "Sequential(*layers)",
    ),
    "a function for a layer": (lambda: nn.Sequential(F.relu), TypeError, "", "nn.ReLU()"),
    "a loss of tensors": (
        lambda: nn.MSELoss(tg.ones(2), tg.ones(2)),
        RuntimeError, "", "nn.MSELoss()(input, target)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_what_to_do(name):
    call, kind, start, advice = MISTAKES[name]
    with pytest.raises(kind) as found:
        call()
    assert str(found.value).startswith(start) and advice in str(found.value)


def test_parameters_in_a_list_of_their_own_are_still_taken():
    listed = nn.ParameterList([nn.Parameter(tg.ones(2))])
    assert len(tg.optim.SGD(listed, lr=0.1).param_groups[0]["params"]) == 1


# ---- .grad of what is no leaf


def test_the_gradient_of_what_is_no_leaf_warns_and_says_what_to_do():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    with pytest.warns(UserWarning, match=r"not a leaf Tensor.*MulBackward0.*retain_grad") as found:
        assert y.grad is None
    assert found[0].filename == __file__
    y.sum().backward()
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None


def test_it_warns_once_a_line():
    y = tg.ones(2, requires_grad=True) * 2
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(3):
            y.grad  # noqa: B018
    assert len(found) == 1


def test_a_gradient_that_may_be_asked_for_warns_of_nothing():
    x = tg.ones(2, requires_grad=True)
    kept = x * 2
    kept.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for quiet in (x, tg.ones(2), x.detach() * 2, kept):
            assert quiet.grad is None
        kept.sum().backward()
        assert x.grad.tolist() == [2.0, 2.0] and kept.grad.tolist() == [1.0, 1.0]
        with tg.no_grad():
            assert (x * 2).grad is None
        assert x.view(1, 2).detach().grad is None


# ---- help


@pytest.mark.parametrize("op", [F.cross_entropy, tg.softmax, tg.Tensor.softmax, F.relu_, tg.linalg.norm])
def test_help_shows_the_signature_and_the_text_of_the_op(op):
    text = pydoc.plain(pydoc.render_doc(op))
    heading, first, _ = text.partition(f"    {inspect.getdoc(op).splitlines()[0]}")
    assert first and f"\n{op.__name__}(" in heading
    for parameter in inspect.signature(op).parameters.values():
        assert str(parameter) in heading
    assert tg.core.Op.__doc__.splitlines()[0] not in text


def test_help_of_a_method_leaves_the_tensor_out():
    text = pydoc.plain(pydoc.render_doc(tg.ones(2).softmax))
    assert "softmax(dim=None" in text and "Positive numbers that add up to 1" in text


def test_an_op_is_bound_as_a_function_is():
    x = tg.tensor([1.0, -2.0])
    assert tg.abs.__get__(x, type(x))().tolist() == x.abs().tolist() == [1.0, 2.0]
    assert tg.abs.__get__(None, tg.Tensor) is tg.abs
    assert inspect.isroutine(tg.abs) and inspect.ismethod(x.abs)


# ---- the layer that an error comes from


def failing(model, *args):
    with pytest.raises(Exception) as found:
        model(*args)
    return found.value


LINEAR = "Linear(in_features=10, out_features=2, bias=True)"


def test_an_error_in_sequential_names_the_layer_in_one_more_line():
    model = Net().body
    first, line = str(failing(model, tg.ones(5, 4))).split("\n")
    assert line == f"in Sequential, layer 2 ({LINEAR})"
    direct = failing(model[2], tg.ones(5, 3))
    assert type(direct) is RuntimeError and str(direct) == first


def test_modules_around_it_name_the_whole_way_in_that_line():
    error = failing(nn.Sequential(Net()), tg.ones(5, 4))
    assert str(error).split("\n")[1:] == [f"in Sequential, layer 0.body.2 ({LINEAR})"]
    error = failing(Net(), tg.ones(5, 2))
    assert str(error).endswith("\nin Net, layer heads.1 (Linear(in_features=5, out_features=2, bias=True))")


def test_layers_with_hooks_and_forwards_of_their_own():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(10, 2))
    model[1].register_forward_hook(lambda *_: None)
    assert str(failing(model, tg.ones(5, 4))).endswith(f"\nin Sequential, layer 1 ({LINEAR})")
    model = nn.Sequential(nn.Identity())
    model[0].forward = lambda x: x.view(7)
    assert str(failing(model, tg.ones(5))).endswith("\nin Sequential, layer 0 (Identity())")


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, TypeError, IndexError, NotImplementedError])
def test_the_type_and_the_error_itself_stay(kind):
    mine = kind("what was said")

    class Raises(nn.Module):
        def forward(self, x):
            raise mine

    error = failing(nn.Sequential(Raises()), 1)
    assert error is mine and str(error) == "what was said\nin Sequential, layer 0 (Raises())"
    assert error.__traceback__.tb_next is not None and error.__cause__ is None
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error)


@pytest.mark.parametrize(
    "mine", [KeyError("k"), OSError(2, "gone"), ValueError("a", "b"), ValueError(), RuntimeError(3)]
)
def test_what_has_no_plain_message_stays_as_it_is(mine):
    class Raises(nn.Module):
        def forward(self, x):
            raise mine

    before = str(mine), mine.args
    error = failing(nn.Sequential(Raises()), 1)
    assert error is mine and (str(error), error.args) == before


def test_an_error_of_the_outer_module_itself_names_none():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x):
            self.inner(x)
            raise ValueError("mine")

    assert str(failing(Outer(), tg.ones(1, 2))) == "mine"


def test_the_trap_names_the_layer_too():
    class Log(nn.Module):
        def forward(self, x):
            return x.log()

    with tg.autograd.trap_nan():
        error = failing(nn.Sequential(nn.Identity(), Log()), tg.tensor([-1.0]))
    assert isinstance(error, tg.autograd.NonFiniteError)
    assert str(error).endswith("\nin Sequential, layer 1 (Log())")
