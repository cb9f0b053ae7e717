"""Gradients kept from growing too large, in place. `foreach` is PyTorch's and changes nothing here."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor, _core

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _listed(tensors):
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors together.

    >>> nn.utils.get_total_norm([tg.tensor([3.0]), tg.tensor([4.0])])
    tensor(5.)
    """
    norm_type = float(norm_type)
    tensors = _listed(tensors)
    if not tensors:
        return tg.tensor(0.0)
    norm = _core._total_norm(tensors) if norm_type == 2 else None
    if norm is None:
        norms = [tg.linalg.vector_norm(t, norm_type) for t in tensors]
        norm = tg.linalg.vector_norm(tg.stack(norms), norm_type)
    if error_if_nonfinite and not math.isfinite(norm.item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To scale by it anyway, set `error_if_nonfinite=False`"
        )
    return norm


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scales the gradients by `max_norm / total_norm` if that is below 1.

    >>> w = tg.zeros(2, requires_grad=True)
    >>> w.grad = tg.tensor([3.0, 4.0])
    >>> nn.utils.clip_grads_with_norm_([w], 1.0, tg.tensor(5.0)); w.grad
    tensor([0.6000, 0.8000])
    """
    _core._shorten_gradients(_core._gradients_of(parameters), float(max_norm), total_norm)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients by one factor so that their common norm is at most `max_norm`; returns the
    norm they had.

    >>> p = nn.Parameter(tg.zeros(2))
    >>> p.grad = tg.tensor([3.0, 4.0])
    >>> nn.utils.clip_grad_norm_([p], max_norm=1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    gradients = _core._gradients_of(parameters)
    before, *_ = _core._set_modes(grad=False)
    try:
        norm = get_total_norm(gradients, norm_type, error_if_nonfinite)
    finally:
        _core._set_modes(grad=before)
    _core._shorten_gradients(gradients, float(max_norm), norm)
    return norm


def clip_grad_norm(
    parameters: Any,
    max_norm: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: Any = None,
) -> Tensor:
    """The old name of `clip_grad_norm_`.

    >>> w = tg.zeros(2, requires_grad=True)
    >>> w.grad = tg.tensor([3.0, 4.0])
    >>> nn.utils.clip_grad_norm([w], 1.0)
    tensor(5.)
    """
    warnings.warn("nn.utils.clip_grad_norm is now called clip_grad_norm_", FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Moves every element of the gradients into `[-clip_value, clip_value]`.

    >>> p = nn.Parameter(tg.zeros(2))
    >>> p.grad = tg.tensor([3.0, -0.5])
    >>> nn.utils.clip_grad_value_([p], 1.0); p.grad
    tensor([ 1.0000, -0.5000])
    """
    clip_value = float(clip_value)
    with tg.no_grad():
        for parameter in _listed(parameters):
            if parameter.grad is not None:
                parameter.grad.clamp_(min=-clip_value, max=clip_value)
