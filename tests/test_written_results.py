"""Of every op: a result that PyTorch lets a program write before backward may be written here, and the
gradient is right. Which these are, `fixtures/make_inplace_results.py` asked torch 2.13.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tensorgrad as tg
from tensorgrad.testing.samples import cases, materialize, tensors_in

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "inplace_results.json").read_text())
CALLS = {f"{op.__name__}/{sample.name}": (op, sample) for op, sample in cases()}


def results(op, sample):
    """The leaves, and the results of the call on copies of them."""
    args, kwargs, leaves = materialize(sample, requires_grad=True)
    copies = {id(leaf): leaf * 1 for leaf in leaves}

    def put(value):
        if isinstance(value, tg.Tensor):
            return copies.get(id(value), value)
        if isinstance(value, (list, tuple)) and any(isinstance(v, (tg.Tensor, list, tuple)) for v in value):
            return type(value)(map(put, value))
        return value

    found = op(*map(put, args), **{name: put(value) for name, value in kwargs.items()})
    return leaves, tensors_in(found)


def gradients(op, sample, doubled, in_place):
    """Those of a weighted sum of the results, of which one is taken twice: written so, or by its weights."""
    leaves, outputs = results(op, sample)
    total = 0
    for number, each in enumerate(outputs):
        if each.requires_grad:
            weights = tg.linspace(0.5, 1.5, each.numel(), dtype=each.dtype).view(each.shape)
            if number == doubled and in_place:
                each.mul_(2)
            total = total + (each * weights * (1 if number != doubled or in_place else 2)).sum()
    return tg.autograd.grad(total, leaves, allow_unused=True)


@pytest.mark.filterwarnings("ignore::UserWarning")      # of deprecated names
@pytest.mark.parametrize("name", FIXTURE)
def test_result_may_be_written_before_backward(name, backend):
    op, sample = CALLS[name]
    for number in FIXTURE[name]:
        tg.manual_seed(0)
        wanted = gradients(op, sample, number, False)
        tg.manual_seed(0)
        for ours, plain in zip(gradients(op, sample, number, True), wanted, strict=True):
            assert (ours is None) == (plain is None)
            assert ours is None or tg.allclose(ours, plain, rtol=1e-9, atol=1e-9)
