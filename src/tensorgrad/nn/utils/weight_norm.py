"""A weight as a length and a direction, computed before each forward by a hook: the older form of
`parametrizations.weight_norm`.
"""

from __future__ import annotations

import warnings
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.parameter import Parameter, is_lazy
from tensorgrad.nn.utils._hooks import refuse_second, take_out

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def with_norm(direction: Tensor, norm: Tensor, dim: int) -> Tensor:
    """The slices of a tensor along `dim`, each brought to the length that `norm` says."""
    return direction * (norm / tg.norm_except_dim(direction, 2, dim))


class WeightNorm:
    """The hook: computes the weight `name` of a module from `name_g`, lengths, and `name_v`, directions."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight as the module's parameters say now."""
        return with_norm(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Replaces a parameter by two, and has the hook compute it."""
        refuse_second(module, WeightNorm, name)
        hook = WeightNorm(name, dim)
        weight = getattr(module, name)
        if is_lazy(weight):
            raise ValueError("weight_norm: call the module once, so that its weight has a shape")
        norm = tg.norm_except_dim(weight.detach(), 2, hook.dim)
        del module._parameters[name]
        module.register_parameter(name + "_g", Parameter(norm))
        module.register_parameter(name + "_v", Parameter(weight.data))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again, with the values that it has."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[self.name + "_g"]
        del module._parameters[self.name + "_v"]
        setattr(module, self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    r"""Replaces a weight by its length and its direction, :math:`w = g \, v / \lVert v \rVert`, of each slice
    along `dim` or, if that is None, of the whole; gives back the module (Salimans and Kingma, 2016).

    The parameters are `name_g` and `name_v`. `parametrizations.weight_norm` is the newer form.

    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     layer = nn.utils.weight_norm(nn.Linear(20, 40))
    >>> layer.weight_g.shape, layer.weight_v.shape
    (tensorgrad.Size([40, 1]), tensorgrad.Size([40, 20]))
    """
    warnings.warn(
        "nn.utils.weight_norm: nn.utils.parametrizations.weight_norm is the newer form",
        FutureWarning,
        stacklevel=2,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undoes `weight_norm`; the weight keeps its values. ValueError if there is none on that weight.

    >>> layer = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(2, 2)))
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight']
    """
    return take_out(module, WeightNorm, name)
