"""Weights computed from others: PyTorch's values for the same seed, what each promises, and bad input."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from weight_cases import PARAMETRIZED, run

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn.utils import parametrizations, parametrize

TORCH = np.load(Path(__file__).parent / "fixtures" / "weights.npz")


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize("name", PARAMETRIZED)
def test_values_are_pytorchs_for_the_same_seed(name, backend):
    tg.set_backend(backend)
    found = run(tg, PARAMETRIZED[name])
    assert sum(key.split("|")[0] == name for key in TORCH.files) == len(found)
    for i, value in enumerate(found):
        np.testing.assert_allclose(value.detach().numpy(), TORCH[f"{name}|{i}"], rtol=1e-4, atol=1e-5)


# ---- lengths, singular values, orthogonal matrices


def old(function, *args, **settings):
    with pytest.warns(FutureWarning, match="parametrizations.weight_norm"):
        return function(*args, **settings)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("form", ["hook", "parametrization"])
def test_weight_norm_trains_length_and_direction(form, dim):
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    if form == "hook":
        old(nn.utils.weight_norm, layer, dim=dim)
        length, direction = layer.weight_g, layer.weight_v
    else:
        length, direction = parametrizations.weight_norm(layer, dim=dim).parametrizations.weight.parameters()
    axis = None if dim is None else 1 - dim
    wanted = np.linalg.norm(before.numpy(), axis=axis, keepdims=axis is not None)
    np.testing.assert_allclose(length.detach().numpy(), wanted, rtol=1e-6)
    assert tg.allclose(layer.weight, before)
    with tg.no_grad():
        length.mul_(2)
        direction.mul_(5)
    layer(tg.ones(1, 3))
    assert tg.allclose(layer.weight, 2 * before)
    if form == "hook":
        nn.utils.remove_weight_norm(layer)
    else:
        parametrize.remove_parametrizations(layer, "weight")
    assert [name for name, _ in layer.named_parameters()] in (["weight", "bias"], ["bias", "weight"])
    assert tg.allclose(layer.weight, 2 * before) and layer.weight.requires_grad


def test_weight_norm_takes_the_files_of_its_older_form():
    layer = nn.Linear(3, 2)
    saved = old(nn.utils.weight_norm, copy.deepcopy(layer)).state_dict()
    new = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)))
    new.load_state_dict({f"0.{name}": value for name, value in saved.items()})
    assert tg.allclose(new[0].weight, layer.weight)


@pytest.mark.parametrize("form", [nn.utils.spectral_norm, parametrizations.spectral_norm])
@pytest.mark.parametrize("dim", [0, 1])
def test_spectral_norm_divides_by_the_largest_singular_value(form, dim):
    layer = nn.Linear(4, 3)
    before = layer.weight.detach().numpy()
    form(layer, n_power_iterations=100, dim=dim)(tg.ones(1, 4))
    wanted = before / np.linalg.svd(before, compute_uv=False)[0]
    np.testing.assert_allclose(layer.weight.detach().numpy(), wanted, rtol=1e-4)


@pytest.mark.parametrize("form", [nn.utils.spectral_norm, parametrizations.spectral_norm])
def test_a_transposed_convolution_has_its_outputs_second(form):
    layer = nn.Linear(4, 3)
    layer.transposed = True
    sizes = [b.shape[0] for b in form(layer).buffers()]
    assert sizes == [4, 3]


def test_spectral_norm_walks_in_training_only():
    layer = parametrizations.spectral_norm(nn.Linear(4, 3)).eval()
    u = layer.parametrizations.weight[0]._u
    before = u.clone()
    layer(tg.ones(1, 4))
    assert tg.equal(u, before)
    layer.train()(tg.ones(1, 4))
    assert not tg.equal(u, before)
    hooked = nn.utils.spectral_norm(nn.Linear(4, 3)).eval()
    before = hooked.weight_u.clone()
    hooked(tg.ones(1, 4))
    assert tg.equal(hooked.weight_u, before)


def test_two_forwards_have_one_backward():
    layer = nn.utils.spectral_norm(nn.Linear(4, 3))
    (layer(tg.ones(1, 4)).sum() - layer(tg.zeros(1, 4)).sum()).backward()
    assert layer.weight_orig.grad.isfinite().all()
    assert "weight_orig" in layer.state_dict() and "weight" not in layer.state_dict()
    nn.utils.remove_spectral_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_a_vector_is_divided_by_its_norm():
    layer = parametrizations.spectral_norm(nn.Linear(4, 3), "bias")
    assert layer.bias.square().sum().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("size", [(3, 3), (4, 2), (2, 4)])
def test_orthogonal_weights_stay_orthogonal(size, map, trivial):
    layer = nn.Linear(*size).double()
    parametrizations.orthogonal(layer, orthogonal_map=map, use_trivialization=trivial)
    optimizer = tg.optim.SGD(layer.parameters(), lr=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        layer(tg.ones(1, size[0]).double()).square().sum().backward()
        optimizer.step()
    w = layer.weight.detach().numpy()
    product = w @ w.T if size[0] >= size[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(min(size)), atol=1e-10)


@pytest.mark.parametrize("size", [(3, 3), (4, 2), (2, 4)])
@pytest.mark.parametrize("settings", [{}, {"orthogonal_map": "householder", "use_trivialization": False}])
def test_an_orthogonal_matrix_can_be_assigned(size, settings):
    layer = parametrizations.orthogonal(nn.Linear(*size).double(), **settings)
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0][: size[1], : size[0]]
    q = np.linalg.qr(q.T)[0].T if size[0] >= size[1] else np.linalg.qr(q)[0]
    layer.weight = tg.from_numpy(q)
    np.testing.assert_allclose(layer.weight.detach().numpy(), q, atol=1e-10)


# ---- parametrizations of one's own


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x):
        return x.triu()


class Exponential(nn.Module):
    def forward(self, x):
        return x.exp()

    def right_inverse(self, x):
        return x.log()


class Product(nn.Module):
    def forward(self, column, row):
        return column @ row

    def right_inverse(self, x):
        return x[:, :1].clone(), tg.ones(1, x.shape[1])


class Wrong(nn.Module):
    """Gives something that may not stand for a weight."""

    def __init__(self, forward=lambda x: x, back=None):
        super().__init__()
        self.function = forward
        if back is not None:
            self.right_inverse = back

    def forward(self, x):
        return self.function(x)


def test_the_original_is_what_is_trained():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert layer.parametrizations.weight.original is weight
    assert [name for name, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    layer.weight.sum().backward()
    assert weight.grad.tolist() == [[1, 2, 2], [0, 1, 2], [0, 0, 1]]
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight is weight and type(layer) is nn.Linear
    assert tg.equal(weight, weight.mT)


def test_parametrizations_follow_one_another_and_take_values():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    parametrize.register_parametrization(layer, "weight", Exponential())
    layer.weight = tg.tensor([[2.0, 3.0], [3.0, 4.0]])
    assert tg.allclose(layer.weight, tg.tensor([[2.0, 3.0], [3.0, 4.0]]))
    assert layer.parametrizations.weight.original.exp().tolist() == [[2, 3], [1, 4]]
    assert [type(part) for part in layer.parametrizations.weight] == [Symmetric, Exponential]


def test_several_originals():
    layer = parametrize.register_parametrization(nn.Linear(3, 2), "weight", Product())
    assert list(layer.parametrizations.weight._parameters) == ["original0", "original1"]
    other = nn.Linear(3, 2)
    assert parametrize.transfer_parametrizations_and_params(layer, other) is other
    assert other.parametrizations.weight.original0 is layer.parametrizations.weight.original0
    assert tg.equal(other.weight, layer.weight)
    with pytest.raises(ValueError, match="2 tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    before = layer.weight.detach()
    parametrize.remove_parametrizations(layer, "weight")
    assert tg.equal(layer.weight, before) and isinstance(layer.weight, nn.Parameter)


def test_a_buffer_can_be_computed_too():
    norm = nn.BatchNorm1d(2)
    parametrize.register_parametrization(norm, "running_var", Exponential())
    assert "parametrizations.running_var.original" in dict(norm.named_buffers())
    assert norm.running_var.tolist() == [1, 1]
    parametrize.remove_parametrizations(norm, "running_var", leave_parametrized=False)
    assert norm.running_var.tolist() == [0, 0]


def test_cached_values_are_those_of_each_module():
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    twin = copy.deepcopy(layer)
    with tg.no_grad():
        twin.parametrizations.weight.original.zero_()
    assert layer.weight is not layer.weight
    with parametrize.cached():
        assert layer.weight is layer.weight
        with parametrize.cached():
            kept = layer.weight
        assert kept is layer.weight
        assert twin.weight.abs().sum() == 0
    assert layer.weight is not layer.weight


def test_a_copy_stays_parametrized_when_the_other_is_not():
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    parametrize.register_parametrization(layer, "bias", Exponential(), unsafe=True)
    twin = copy.deepcopy(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert not parametrize.is_parametrized(layer, "weight") and parametrize.is_parametrized(layer, "bias")
    assert parametrize.is_parametrized(twin, "weight")
    assert tg.equal(twin.weight, twin.weight.mT)
    assert parametrize.type_before_parametrizations(twin) is nn.Linear


def test_state_and_looks():
    layer = parametrize.register_parametrization(nn.Linear(2, 2, bias=False), "weight", Symmetric())
    assert repr(layer) == (
        "ParametrizedLinear(\n  in_features=2, out_features=2, bias=False\n"
        "  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n      (0): Symmetric()\n    )\n  )\n)"
    )
    other = parametrize.register_parametrization(nn.Linear(2, 2, bias=False), "weight", Symmetric())
    other.load_state_dict(layer.state_dict())
    assert tg.equal(other.weight, layer.weight)
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(layer)


@pytest.mark.parametrize(
    "wrong, says",
    [
        (Wrong(lambda x: x.double()), "dtype"),
        (Wrong(lambda x: x[0]), "shape"),
        (Wrong(lambda x: 3), "not int"),
        (Wrong(back=lambda x: 3), "not int"),
        (Wrong(back=lambda x: x.double()), "float64"),
        (Wrong(back=lambda x: (x, 3)), "element 1 is int"),
        (Wrong(lambda x: x[:1], back=lambda x: x * 2), "shape"),
    ],
)
def test_what_is_refused_changes_nothing(wrong, says):
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    with pytest.raises(ValueError, match=says):
        parametrize.register_parametrization(layer, "weight", wrong)
    assert type(layer) is nn.Linear and list(layer._modules) == []
    assert tg.equal(layer.weight, before)


@pytest.mark.parametrize(
    "do, error, says",
    [
        (lambda: parametrize.register_parametrization(nn.ReLU(), "weight", Symmetric()), ValueError, "ReLU"),
        (lambda: parametrize.remove_parametrizations(nn.Linear(2, 2), "weight"), ValueError, "not param"),
        (lambda: parametrize.ParametrizationList([], tg.ones(2)), ValueError, "not none"),
        (lambda: parametrizations.spectral_norm(nn.Linear(2, 2), "w"), ValueError, "'w'"),
        (lambda: parametrizations.spectral_norm(nn.Linear(2, 2), dim=2), IndexError, "from -2 to 1"),
        (lambda: nn.utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0), ValueError, "positive"),
        (lambda: nn.utils.spectral_norm(nn.Linear(2, 2, bias=False), "bias"), ValueError, "is None"),
        (lambda: nn.utils.remove_spectral_norm(nn.Linear(2, 2)), ValueError, "no SpectralNorm"),
        (lambda: nn.utils.remove_weight_norm(nn.Linear(2, 2)), ValueError, "no WeightNorm"),
        (
            lambda: nn.utils.spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 2))),
            RuntimeError, "a SpectralNorm already",
        ),
        (lambda: parametrizations.orthogonal(nn.Linear(2, 2), "bias"), ValueError, "1-D"),
        (
            lambda: parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr"),
            ValueError, "householder, not 'qr'",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_explained(do, error, says):
    with pytest.raises(error, match=says):
        do()


def test_values_that_can_not_be_assigned():
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Wrong())
    with pytest.raises(RuntimeError, match="Wrong has no right_inverse"):
        layer.weight = tg.ones(2, 2)
    layer = parametrizations.orthogonal(nn.Linear(2, 2), use_trivialization=False)
    with pytest.raises(NotImplementedError, match="matrix_exp"):
        layer.weight = tg.eye(2)
    layer = parametrizations.orthogonal(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"\(2, 2\), not \(3, 3\)"):
        layer.weight = tg.eye(3)


# ---- layers made into one, modules without first values, other parameters


def normed(features, **settings):
    norm = nn.BatchNorm1d(features, **settings)
    norm(tg.randn(8, features))
    return norm.eval()


@pytest.mark.parametrize("bias", [True, False])
def test_a_batch_norm_is_fused_into_a_linear_layer(bias):
    linear, norm = nn.Linear(3, 2, bias=bias).eval(), normed(2)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = tg.randn(4, 3)
    fused = nn.utils.fuse_linear_bn_eval(linear, norm)
    assert tg.allclose(fused(x), norm(linear(x)), atol=1e-6)
    assert fused.weight is not linear.weight


def test_a_convolutions_weights_are_scaled_by_channel():
    weight, norm = tg.randn(2, 3, 1, 1), normed(2, affine=False)
    found, offset = nn.utils.fuse_conv_bn_weights(
        weight, None, norm.running_mean, norm.running_var, norm.eps, None, None
    )
    factor = 1 / np.sqrt(norm.running_var.numpy() + norm.eps)
    assert tg.allclose(found, weight * tg.from_numpy(factor[:, None, None, None]))
    assert tg.allclose(offset, -norm.running_mean * tg.from_numpy(factor))
    turned, _ = nn.utils.fuse_conv_bn_weights(
        weight.transpose(0, 1), None, norm.running_mean, norm.running_var, norm.eps, None, None, True
    )
    assert tg.equal(turned.transpose(0, 1), found)


def test_layers_in_training_are_not_fused():
    for linear, norm in ((nn.Linear(3, 2), normed(2)), (nn.Linear(3, 2).eval(), nn.BatchNorm1d(2))):
        with pytest.raises(AssertionError, match="eval"):
            nn.utils.fuse_linear_bn_eval(linear, norm)
    with pytest.raises(AssertionError, match="3 features, and the layer has 2"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(3, 2).eval(), normed(3))
    with pytest.raises(AssertionError, match="no running"):
        nn.utils.fuse_linear_bn_eval(
            nn.Linear(3, 2).eval(), nn.BatchNorm1d(2, track_running_stats=False).eval()
        )


def test_skipping_first_values_draws_nothing():
    before = tg.get_rng_state()
    layer = nn.utils.skip_init(nn.Linear, 3, 2, bias=False, dtype=tg.float64)
    assert layer.weight.shape == (2, 3) and layer.weight.dtype is tg.float64
    assert tg.equal(tg.get_rng_state(), before)
    with pytest.raises(RuntimeError, match="ReLU takes no device"):
        nn.utils.skip_init(nn.ReLU)
    with pytest.raises(RuntimeError, match="not a class of modules"):
        nn.utils.skip_init(dict)


def test_the_old_address_of_functional_call():
    with pytest.warns(FutureWarning, match="func.functional_call"):
        found = nn.utils.stateless.functional_call(
            nn.Linear(2, 1, bias=False), {"weight": tg.ones(1, 2)}, tg.ones(1, 2)
        )
    assert found.tolist() == [[2]]
