"""A weight divided by its largest singular value, before each forward by a hook: the older form of
`parametrizations.spectral_norm`.
"""

from __future__ import annotations

from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor, no_grad
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.parameter import Parameter, is_lazy
from tensorgrad.nn.utils._hooks import refuse_second, take_out

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


def default_dim(module: Module) -> int:
    """The dimension of a module's outputs in its weight: a transposed convolution has them second."""
    return 1 if getattr(module, "transposed", False) else 0


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight with `dim` for its rows and everything else for its columns."""
    return weight.movedim(dim, 0).flatten(1)


class SpectralNorm:
    """The hook: computes the weight `name` of a module from `name_orig`, and keeps the singular vectors
    `name_u` and `name_v`, which every forward in training brings closer.
    """

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        check_iterations(n_power_iterations)
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight as the module's parameter says now, the singular vectors brought closer before."""
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(tg.mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(tg.mv(matrix, v), dim=0, eps=self.eps))
        u, v = u.clone(), v.clone()  # the next forward writes into them, and backward needs these
        return weight / tg.dot(u, tg.mv(matrix, v))

    @staticmethod
    def apply(module: Module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        """Replaces a parameter by its original and two vectors, and has the hook compute it."""
        refuse_second(module, SpectralNorm, name)
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"spectral_norm: {name!r} of {type(module).__name__} is None")
        if is_lazy(weight):
            raise ValueError("spectral_norm: call the module once, so that its weight has a shape")
        with no_grad():
            u, v = (
                F.normalize(weight.new_empty(size).normal_(0, 1), dim=0, eps=eps)
                for size in as_matrix(weight, dim).shape
            )
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        setattr(module, name, weight.data)  # until the first forward
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again, with the values that it has in evaluation."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for end in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + end)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


def check_iterations(n_power_iterations: int) -> None:
    """Raises ValueError unless there is an iteration."""
    if n_power_iterations <= 0:
        raise ValueError(f"spectral_norm: n_power_iterations has to be positive, not {n_power_iterations}")


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    r"""Divides a weight by its largest singular value, :math:`w / \sigma(w)`, and gives back the module
    (Miyato and others, 2018).

    A weight of more dimensions is looked at as a matrix with `dim` for its rows. The value is that of vectors
    which `n_power_iterations` rounds of the power method bring closer at every forward in training. The
    parameter is `name_orig`. `parametrizations.spectral_norm` is the newer form.

    >>> layer = nn.utils.spectral_norm(nn.Linear(20, 40))
    >>> layer.weight_u.shape
    tensorgrad.Size([40])
    """
    SpectralNorm.apply(module, name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undoes `spectral_norm`; the weight keeps its values. ValueError if there is none on that weight.

    >>> layer = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 2)))
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight']
    """
    return take_out(module, SpectralNorm, name)
