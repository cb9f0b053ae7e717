"""Pruned weights: PyTorch's masks for the same seed, what each method takes away, and bad input."""

from pathlib import Path

import numpy as np
import pytest
from weight_cases import PRUNED, run

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn.utils import prune

TORCH = np.load(Path(__file__).parent / "fixtures" / "weights.npz")


@pytest.mark.parametrize("name", PRUNED)
def test_masks_are_pytorchs_for_the_same_seed(name):
    found = run(tg, PRUNED[name])
    assert sum(key.split("|")[0] == name for key in TORCH.files) == len(found)
    for i, value in enumerate(found):
        np.testing.assert_allclose(value.detach().numpy(), TORCH[f"{name}|{i}"], rtol=1e-5, atol=1e-6)


def layer_of(values):
    """A linear layer with these weights."""
    values = tg.tensor(values)
    layer = nn.Linear(values.shape[1], values.shape[0], bias=False)
    layer.weight = nn.Parameter(values)
    return layer


def test_the_least_elements_go():
    layer = layer_of([[1.0, -4.0], [-2.0, 3.0]])
    assert prune.l1_unstructured(layer, "weight", 0.5) is layer
    assert layer.weight.tolist() == [[0, -4], [0, 3]]
    assert layer.weight_orig.tolist() == [[1, -4], [-2, 3]]
    prune.l1_unstructured(layer, "weight", 1)  # of those that are left
    assert layer.weight.tolist() == [[0, -4], [0, 0]]
    prune.custom_from_mask(layer, "weight", tg.tensor([[1, 0], [1, 1]]))
    assert layer.weight.abs().sum() == 0


def test_the_least_slices_go():
    values = [[1.0, -4.0, 0.0], [-2.0, 3.0, 0.5]]
    layer = prune.ln_structured(layer_of(values), "weight", 1, n=1, dim=0)
    assert layer.weight_mask.tolist() == [[0, 0, 0], [1, 1, 1]]
    layer = prune.ln_structured(layer_of(values), "weight", 1, n=2, dim=-1)
    assert layer.weight_mask.tolist() == [[1, 1, 0]] * 2
    prune.ln_structured(layer, "weight", 0.5, n=float("inf"), dim=1)
    assert layer.weight_mask.tolist() == [[0, 1, 0]] * 2
    assert prune.random_structured(layer_of(values), "weight", 2, 1).weight_mask.sum() == 2


def test_scores_are_looked_at_instead():
    layer = layer_of([[1.0, 2.0, 3.0]])
    prune.l1_unstructured(layer, "weight", 1, importance_scores=tg.tensor([[3.0, 0.0, -1.0]]))
    assert layer.weight.tolist() == [[1, 0, 3]]
    method = prune.L1Unstructured(1)
    assert method.prune(tg.tensor([1.0, 2.0])).tolist() == [0, 2]
    assert method.prune(tg.tensor([1.0, 2.0]), importance_scores=tg.tensor([2.0, 1.0])).tolist() == [1, 0]
    assert method.prune(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 0.0])).tolist() == [0, 0]


def test_several_tensors_as_one():
    layers = [layer_of([[1.0, 5.0]]), layer_of([[2.0, 3.0], [4.0, 6.0]])]
    prune.custom_from_mask(layers[0], "weight", tg.tensor([[1, 0]]))
    prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=2)
    assert [layer.weight.tolist() for layer in layers] == [[[0, 0]], [[0, 3], [4, 6]]]
    place = layers[1], "weight"
    scores = {place: tg.arange(4.0).reshape(2, 2)}
    prune.global_unstructured([place], prune.L1Unstructured, scores, amount=1)
    assert layers[1].weight.tolist() == [[0, 0], [4, 6]]


def test_what_is_pruned_gets_no_gradient_and_stays_zero():
    layer = prune.l1_unstructured(layer_of([[1.0, 2.0]]), "weight", 1)
    optimizer = tg.optim.SGD(layer.parameters(), lr=0.1)
    layer(tg.ones(1, 2)).sum().backward()
    assert layer.weight_orig.grad.tolist() == [[0, 1]]
    optimizer.step()
    assert layer(tg.eye(2)).flatten().tolist() == pytest.approx([0, 1.9])
    twin = layer_of([[0.0, 0.0]])
    prune.identity(twin, "weight").load_state_dict(layer.state_dict())
    assert twin(tg.eye(2)).flatten().tolist() == pytest.approx([0, 1.9])


def test_the_end_of_it():
    model = nn.Sequential(layer_of([[1.0, 2.0]]))
    weight = model[0].weight
    prune.l1_unstructured(model[0], "weight", 1)
    assert prune.is_pruned(model)
    assert prune.remove(model[0], "weight") is model[0]
    assert not prune.is_pruned(model)
    assert model[0].weight is weight and weight.tolist() == [[0, 2]]
    assert list(model.state_dict()) == ["0.weight"]


class Odd(prune.BasePruningMethod):
    PRUNING_TYPE = "global"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def test_a_method_of_ones_own():
    layer = layer_of([[1.0, 2.0, 3.0, 4.0]])
    prune.l1_unstructured(layer, "weight", 1)
    container = Odd.apply(layer, "weight")
    assert isinstance(container, prune.PruningContainer)
    assert [type(method) for method in container] == [prune.L1Unstructured, Odd] and len(container) == 2
    assert container[1]._tensor_name == "weight"
    assert layer.weight.tolist() == [[0, 2, 0, 4]]
    with pytest.raises(ValueError, match="prune 'weight', not 'bias'"):
        method = Odd()
        method._tensor_name = "bias"
        container.add_pruning_method(method)


@pytest.mark.parametrize(
    "do, error, says",
    [
        (lambda layer: prune.l1_unstructured(layer, "weight", -1), ValueError, "not -1"),
        (lambda layer: prune.l1_unstructured(layer, "weight", 1.5), ValueError, "share from 0 to 1, not 1.5"),
        (lambda layer: prune.l1_unstructured(layer, "weight", "all"), TypeError, "'all'"),
        (lambda layer: prune.l1_unstructured(layer, "weight", 5), ValueError, "there are 4"),
        (lambda layer: prune.l1_unstructured(layer, "weight", 1, tg.ones(3)), AssertionError, r"not \(3,\)"),
        (lambda layer: prune.l1_unstructured(layer, "w", 1), AttributeError, "'w'"),
        (lambda layer: prune.random_structured(layer, "bias", 1, 0), ValueError, "1-D"),
        (lambda layer: prune.random_structured(layer, "weight", 1, 2), IndexError, "dim 2"),
        (lambda layer: prune.ln_structured(layer, "weight", 3, 1, 0), ValueError, "there are 2"),
        (lambda layer: prune.custom_from_mask(layer, "weight", tg.ones(3)), AssertionError, r"not \(3,\)"),
        (lambda layer: prune.remove(layer, "weight"), ValueError, "not pruned"),
        (lambda layer: prune.global_unstructured(3, prune.L1Unstructured), TypeError, "not 3"),
        (
            lambda layer: prune.global_unstructured([(layer, "weight")], prune.L1Unstructured, 3, amount=1),
            TypeError, "a dict, not 3",
        ),
        (
            lambda layer: prune.global_unstructured([(layer, "weight")], prune.RandomStructured, amount=1),
            TypeError, "structured, and has to be unstructured",
        ),
        (lambda layer: prune.PruningContainer(3), (TypeError, AttributeError), "int"),
        (lambda layer: prune.BasePruningMethod(), TypeError, "abstract"),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(do, error, says):
    layer = nn.Linear(2, 2)
    before = list(layer.state_dict())
    with pytest.raises(error, match=says):
        do(layer)
    assert list(layer.state_dict()) == before and not prune.is_pruned(layer)


def test_a_refused_second_pruning_leaves_the_first():
    layer = prune.l1_unstructured(layer_of([[1.0, 2.0]]), "weight", 1)
    with pytest.raises(ValueError, match="there are 1 to prune"):
        prune.l1_unstructured(layer, "weight", 2)
    assert prune.is_pruned(layer) and layer.weight.tolist() == [[0, 2]]
