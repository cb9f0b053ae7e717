"""Random counts: for one seed those of PyTorch's CPU wheel."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.ops._kinds import together, want_tensors
from tensorgrad.ops.making.conversion import _filled
from tensorgrad.ops.making.randomness import _float, _stream


def _counted(like: Tensor, drawn: np.ndarray, *given: Tensor):
    """Drawn counts in the dtype of ``like``; what they were drawn from gets a gradient of zero."""
    made = _core._tensor_of(drawn, like.dtype)
    for each in given:
        made = _filled(each.expand(made.shape), made) if each.requires_grad else made
    return made


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Numbers of Poisson distributions: how often something happens that happens ``input`` times in the mean.

    Raises RuntimeError for a negative rate.

    >>> _ = tg.manual_seed(0)
    >>> tg.poisson(tg.tensor([0.5, 4.0, 100.0]))
    tensor([ 2.,  5., 94.])
    """
    want_tensors("poisson", input=input)
    _float("poisson", input.dtype)
    return _counted(input, _stream(generator).poisson(_core._array_of(input)), input)


def binomial(count: Any, prob: Any, generator: Any = None) -> Tensor:
    """Numbers of binomial distributions: how many of ``count`` tries succeed, each with probability ``prob``.

    Both are of one float dtype, which is also the result's, and broadcast.

    >>> _ = tg.manual_seed(0)
    >>> tg.binomial(tg.tensor([5.0, 100.0]), tg.tensor([0.5, 0.9]))
    tensor([ 4., 87.])
    """
    want_tensors("binomial", count=count, prob=prob)
    for argument, each in (("count", count), ("prob", prob)):
        if not each.is_floating_point():
            raise ValueError(
                f"binomial only supports floating-point dtypes for {argument}, got: {each.dtype.name}"
            )
    if prob.dtype is not count.dtype:
        raise RuntimeError(f"binomial: count is of {count.dtype.name}, and prob of {prob.dtype.name}")
    each = (_core._array_of(t) for t in together("binomial", count, prob))
    return _counted(count, _stream(generator).binomial(*each), count, prob)


PUBLIC = {"tensorgrad": (poisson, binomial)}
