"""The points at which every op of the registry is asked for derivatives: zeros, ties, ends, and infinities
and NaN among the upstream gradients. Shared by the test and by the script that makes its fixture.
"""

from __future__ import annotations

import numpy as np

import tensorgrad as tg
from tensorgrad.core.declare import registry
from tensorgrad.testing.samples import materialize, tensors_in

# name: what becomes of the sample's numbers, and what stands in one element of the upstream gradient
POINTS = {
    "zeros": (np.zeros_like, None),
    "ones": (np.ones_like, None),
    "ties": (lambda a: np.round(a * 2) / 2, None),
    "infinity upstream": (lambda a: a, np.inf),
    "nan upstream": (lambda a: a, np.nan),
}


def samples():
    """Every sample call of every op that can have a gradient, with the op's name."""
    for name, op in registry.items():
        if op.kind_name != "inplace" and op.facts.samples is not None:
            for sample in op.facts.samples():
                if materialize(sample, requires_grad=True)[2]:
                    yield name, sample


def arguments(sample, point):
    """Arguments of a call whose float tensors are at a special point, and those tensors."""
    args, kwargs, leaves = materialize(sample, requires_grad=True)
    with tg.no_grad():
        for leaf in leaves:
            leaf.copy_(tg.tensor(POINTS[point][0](leaf.detach().numpy())))
    return args, kwargs, leaves


def upstream(shape, point, number):
    """The upstream gradient of output ``number``; the first has the infinity or NaN, in its middle."""
    made = np.random.default_rng(number).uniform(0.5, 1.5, tuple(shape))
    special = POINTS[point][1]
    if special is not None and number == 0 and made.size:
        made.reshape(-1)[made.size // 2] = special
    return made


def derivatives(outputs, leaves, point, grad, tensor, create_graph):
    """First derivatives, which of them can be differentiated again, and those sums' derivatives: zeros where
    there is none. ``grad`` and ``tensor`` are those of the library.
    """
    outputs = [t for t in outputs if t.requires_grad]
    if not outputs:
        return [], [], []
    weights = [tensor(upstream(t.shape, point, n)) for n, t in enumerate(outputs)]
    first = grad(outputs, leaves, weights, create_graph=create_graph, allow_unused=True)
    live = [g is not None and g.requires_grad for g in first]
    second = [None] * len(leaves)
    if any(live):
        again = [g for g in first if g is not None and g.requires_grad]
        weights = [tensor(upstream(g.shape, "zeros", 7 + n)) for n, g in enumerate(again)]
        second = grad(again, leaves, weights, allow_unused=True)
    return plain(first, leaves), live, plain(second, leaves)


def plain(gradients, leaves):
    return [
        np.zeros(tuple(leaf.shape)) if g is None else np.array(g.detach().tolist()).reshape(tuple(g.shape))
        for g, leaf in zip(gradients, leaves, strict=True)
    ]


def found(name, sample, point, create_graph):
    """The derivatives of one call in tensorgrad."""
    args, kwargs, leaves = arguments(sample, point)
    tg.manual_seed(0)
    outputs = tensors_in(registry[name](*args, **kwargs))
    return derivatives(outputs, leaves, point, tg.autograd.grad, tg.tensor, create_graph)
