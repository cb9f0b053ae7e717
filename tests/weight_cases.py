"""Modules whose weights are computed, written once for both libraries: tests/fixtures/make_weights.py has
PyTorch run them, tests/test_parametrize.py and tests/test_prune.py tensorgrad.
"""

import warnings


def trained(lib, module):
    """Three steps of training, then everything that the module holds."""
    optimizer = lib.optim.SGD(module.parameters(), lr=0.1)
    x = lib.arange(1.0, 4.0).expand(2, 3)
    for _ in range(3):
        y = module(x)
        optimizer.zero_grad()
        y.square().mean().backward()
        optimizer.step()
    return [*module.state_dict().values(), module.eval()(x)]


def weight_norm(lib):
    return trained(lib, lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(3, 2), dim=1))


def weight_norm_whole(lib):
    return trained(lib, lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(3, 2), dim=None))


def weight_norm_by_a_hook(lib):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trained(lib, lib.nn.utils.weight_norm(lib.nn.Linear(3, 2)))


def spectral_norm(lib):
    return trained(lib, lib.nn.utils.parametrizations.spectral_norm(lib.nn.Linear(3, 2), dim=1))


def spectral_norm_by_a_hook(lib):
    return trained(lib, lib.nn.utils.spectral_norm(lib.nn.Linear(3, 2), n_power_iterations=2))


def orthogonal(lib):
    return trained(lib, lib.nn.utils.parametrizations.orthogonal(lib.nn.Linear(3, 3)))


def orthogonal_cayley(lib):
    layer = lib.nn.Linear(3, 2)
    return trained(lib, lib.nn.utils.parametrizations.orthogonal(layer, orthogonal_map="cayley"))


def orthogonal_reflections(lib):
    layer = lib.nn.Linear(3, 2)
    return trained(lib, lib.nn.utils.parametrizations.orthogonal(layer, use_trivialization=False))


PARAMETRIZED = {
    f.__name__: f
    for f in (
        weight_norm,
        weight_norm_whole,
        weight_norm_by_a_hook,
        spectral_norm,
        spectral_norm_by_a_hook,
        orthogonal,
        orthogonal_cayley,
        orthogonal_reflections,
    )
}


def pruned_at_random(lib):
    layer = lib.nn.utils.prune.random_unstructured(lib.nn.Linear(3, 4), "weight", 0.3)
    lib.nn.utils.prune.random_structured(layer, "weight", 1, dim=0)
    return [layer.weight_mask, layer.weight]


def pruned_by_size(lib):
    layer = lib.nn.utils.prune.l1_unstructured(lib.nn.Linear(3, 4), "weight", 5)
    lib.nn.utils.prune.ln_structured(layer, "weight", 0.3, n=2, dim=-1)
    lib.nn.utils.prune.l1_unstructured(layer, "bias", 0.5)
    return [layer.weight_mask, layer.bias_mask, *trained(lib, layer)]


def pruned_together(lib):
    layers = [lib.nn.Linear(3, 2), lib.nn.Linear(2, 2)]
    lib.nn.utils.prune.ln_structured(layers[0], "weight", 1, n=1, dim=0)
    weights = [(layer, "weight") for layer in layers]
    lib.nn.utils.prune.global_unstructured(weights, lib.nn.utils.prune.L1Unstructured, amount=0.5)
    return [layer.weight_mask for layer in layers]


PRUNED = {f.__name__: f for f in (pruned_at_random, pruned_by_size, pruned_together)}


def run(lib, case):
    """What a case gives after the seed 0."""
    lib.manual_seed(0)
    return case(lib)
