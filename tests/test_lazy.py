"""Layers that take their sizes from the first input, and parameters without a shape."""

import copy
import pickle

import pytest

import tensorgrad as tg
from tensorgrad import nn


def same(a, b):
    return list(a) == list(b) and all(tg.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("bias", [True, False])
def test_a_lazy_linear_layer_is_the_one_of_its_inputs_size(bias):
    tg.manual_seed(0)
    wanted = nn.Linear(5, 3, bias)
    tg.manual_seed(0)
    layer = nn.LazyLinear(3, bias)
    assert repr(layer) == f"LazyLinear(in_features=0, out_features=3, bias={bias})"
    assert layer.has_uninitialized_params()
    weight = layer.weight
    assert layer(tg.ones(2, 5)).shape == (2, 3)
    assert type(layer) is nn.Linear and type(layer.weight) is nn.Parameter
    assert layer.weight is weight and same(layer.state_dict(), wanted.state_dict())
    assert layer._forward_pre_hooks == {} and not hasattr(layer, "_initialize_hook")


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["BatchNorm", "InstanceNorm"])
@pytest.mark.parametrize(
    "settings", [{}, {"affine": False}, {"track_running_stats": False}, {"bias": False}], ids=str
)
def test_a_lazy_norm_is_the_one_of_its_inputs_channels(kind, dims, settings):
    lazy = getattr(nn, f"Lazy{kind}{dims}d")(**settings)
    settings = {"affine": True, "track_running_stats": True, **settings}
    norm = getattr(nn, f"{kind}{dims}d")(4, **settings)
    assert set(lazy.state_dict()) == set(norm.state_dict())
    x = tg.randn(2, 4, *[3] * dims)
    assert tg.equal(lazy(x), norm(x))
    assert type(lazy) is type(norm) and repr(lazy) == repr(norm)
    assert same(lazy.state_dict(), norm.state_dict())


def test_a_wrong_first_input_is_refused_and_a_right_one_taken():
    norm = nn.LazyBatchNorm2d()
    with pytest.raises(ValueError, match="4D"):
        norm(tg.ones(2, 3))
    with pytest.raises(IndexError):
        nn.LazyLinear(2)(tg.tensor(1.0))


def test_an_optimizer_may_come_first():
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d(), nn.LazyLinear(2))
    optimizer = tg.optim.Adam(model.parameters())
    model(tg.randn(4, 5)).square().sum().backward()
    before = model[0].weight.detach().clone()
    optimizer.step()
    assert not tg.equal(before, model[0].weight)
    model.zero_grad()
    assert [p.grad for p in model.parameters()] == [None] * 6


def test_conversions_and_copies_wait_too():
    layer = nn.LazyBatchNorm1d().double()
    twin = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    assert twin.has_uninitialized_params()
    layer(tg.randn(2, 3).double())
    assert twin(tg.randn(2, 4).double()).dtype is tg.float64
    assert [m.num_features for m in (layer, twin)] == [3, 4]
    assert {t.dtype for t in twin.state_dict().values()} == {tg.float64, tg.int64}


def test_loading_gives_shapes():
    saved = nn.Linear(4, 3)
    layer = nn.LazyLinear(3)
    layer.load_state_dict(saved.state_dict())
    assert type(layer) is nn.LazyLinear and same(layer.state_dict(), saved.state_dict())
    with pytest.raises(AssertionError, match="5 features.*for 4"):
        layer(tg.ones(2, 5))
    assert tg.equal(layer(tg.ones(2, 4)), saved(tg.ones(2, 4)))
    assert type(layer) is nn.Linear and layer.in_features == 4


def test_what_has_no_shape_can_be_loaded_where_there_is_none():
    state = nn.LazyLinear(3).state_dict()
    assert [nn.parameter.is_lazy(value) for value in state.values()] == [True, True]
    layer = nn.LazyLinear(3)
    layer.load_state_dict(state)
    assert layer.has_uninitialized_params()
    with pytest.raises(RuntimeError, match="no shape"):
        nn.Linear(4, 3).load_state_dict(state)


def test_a_refused_loading_leaves_it_lazy():
    layer = nn.LazyLinear(3)
    with pytest.raises(RuntimeError, match="Missing"):
        layer.load_state_dict(nn.Linear(4, 3, bias=False).state_dict())
    assert [type(p) for p in layer.parameters()] == [nn.UninitializedParameter] * 2
    assert layer(tg.ones(1, 2)).shape == (1, 3)


@pytest.mark.parametrize("cls", [nn.UninitializedParameter, nn.UninitializedBuffer])
def test_a_tensor_without_a_shape(cls):
    tensor = cls(dtype=tg.float64)
    assert repr(tensor) == f"<{cls.__name__}>"
    assert tensor.dtype is tg.float64 and tensor.is_floating_point()
    assert tensor.requires_grad == (cls is nn.UninitializedParameter)
    assert isinstance(tensor.float(), cls) and tensor.float().dtype is tg.float32
    for do in (
        lambda t: t + 1, lambda t: 1 - t, lambda t: t @ t, lambda t: -t, lambda t: t == t, lambda t: t < 1,
        lambda t: t[0], len, bool, float, list, lambda t: t.sum(), lambda t: t.add_(1), lambda t: t.clone(),
        lambda t: t.numpy(), lambda t: t.numel(), lambda t: t.tolist(), lambda t: t.view(-1),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="call its module once"):
            do(tensor)
    with pytest.raises(RuntimeError, match="no shape"):
        _ = tensor.shape
    assert len({tensor: 1, cls(): 2}) == 2
    tensor.materialize((2, 3), dtype=tg.float32)
    assert type(tensor) is cls.__bases__[1] and tensor.shape == (2, 3) and tensor.dtype is tg.float32


class Scale(nn.modules.lazy.LazyModuleMixin, nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.UninitializedParameter()

    def forward(self, x, *, times=1):
        return x * self.factor * times


def test_a_lazy_module_of_ones_own():
    class Whole(Scale):
        def initialize_parameters(self, x, *, times=1):
            self.factor.materialize(x.shape[-1:])
            nn.init.constant_(self.factor, 2.0)

    class Forgetful(Scale):
        def initialize_parameters(self, x):
            pass

    assert Whole()(tg.ones(2), times=3).tolist() == [6, 6]
    with pytest.raises(NotImplementedError, match="Scale"):
        Scale()(tg.ones(2))
    with pytest.raises(RuntimeError, match="Forgetful"):
        Forgetful()(tg.ones(2))


@pytest.mark.parametrize("form", [nn.utils.spectral_norm, nn.utils.weight_norm], ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore:nn.utils.weight_norm")
def test_weights_without_a_shape_have_no_norm(form):
    with pytest.raises(ValueError, match="call the module once"):
        form(nn.LazyLinear(2))
