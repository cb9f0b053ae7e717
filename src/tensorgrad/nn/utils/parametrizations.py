"""Ready-made parametrizations: weights of a length, of a largest singular value, with orthogonal rows."""

from __future__ import annotations

from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor, no_grad
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.utils.parametrize import register_parametrization
from tensorgrad.nn.utils.spectral_norm import as_matrix, check_iterations, default_dim
from tensorgrad.nn.utils.weight_norm import with_norm

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor_of(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{type(module).__name__} has no parameter and no buffer {name!r}")
    return weight


# ---- lengths and directions


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, norm: Any, direction: Any) -> Tensor:
        return with_norm(direction, norm, self.dim)

    def right_inverse(self, weight: Any) -> Any:
        return tg.norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    r"""Has a weight computed from its length and its direction, :math:`w = g \, v / \lVert v \rVert`, of each
    slice along `dim` or, if that is None, of the whole; gives back the module (Salimans and Kingma, 2016).

    The parameters are `original0`, the lengths, and `original1`. Files in which they are `name_g` and
    `name_v` can be loaded.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
    >>> [p.shape for p in layer.parametrizations.weight.parameters()]
    [tensorgrad.Size([40, 1]), tensorgrad.Size([40, 20])]
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict, prefix, *others):
        old = [f"{prefix}{name}_{letter}" for letter in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


# ---- the largest singular value


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"spectral_norm: dim has to be from {-weight.ndim} to {weight.ndim - 1}, not {dim}"
            )
        check_iterations(n_power_iterations)
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:  # the norm of a vector is its singular value
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            first = [matrix.new_empty(size).normal_(0, 1) for size in matrix.shape]
            self.register_buffer("_u", F.normalize(first[0], dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(first[1], dim=0, eps=eps))
            self._bring_closer(matrix, 15)

    def _bring_closer(self, matrix, rounds):
        with no_grad():
            for _ in range(rounds):
                self._u.copy_(F.normalize(tg.mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(F.normalize(tg.mv(matrix.t(), self._u), dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._bring_closer(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next forward writes into them, and backward needs these
        return weight / tg.dot(u, tg.mv(matrix, v))

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    r"""Has a weight divided by its largest singular value, :math:`w / \sigma(w)`, and gives back the module
    (Miyato and others, 2018).

    A weight of more dimensions is looked at as a matrix with `dim` for its rows. The value is that of vectors
    which `n_power_iterations` rounds of the power method bring closer each time that the weight is computed
    in training.

    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(20, 40), n_power_iterations=50)
    >>> f"{tg.linalg.matrix_norm(layer.weight, 2).item():.4f}"
    '1.0000'
    """
    weight = _tensor_of(module, name)
    dim = default_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


# ---- orthogonal matrices


def _signs_of_diagonal(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sign()


def _nearly_orthogonal(matrix: Tensor) -> bool:
    n, k = matrix.shape[-2:]
    one = tg.eye(k, dtype=matrix.dtype)
    return tg.allclose(matrix.mT @ matrix, one, atol=10.0 * n * tg.finfo(matrix.dtype).eps)


def _made_orthogonal(matrix: Tensor) -> Tensor:
    """The Q of the QR decomposition whose R has a positive diagonal."""
    reflections, tau = tg.geqrf(matrix)
    q = tg.linalg.householder_product(reflections, tau)
    return q * _signs_of_diagonal(reflections).unsqueeze(-2)


def _exponential(skew: Tensor) -> Tensor:
    return tg.matrix_exp(skew)


def _cayley(skew: Tensor) -> Tensor:
    one = tg.eye(skew.shape[-1], dtype=skew.dtype)
    return tg.linalg.solve(one - 0.5 * skew, one + 0.5 * skew)


def _of_reflections(matrix: Tensor) -> Tensor:
    """A product of reflections, which lie below the diagonal; on it lie the signs of the columns."""
    below = matrix.tril(-1)
    tau = 2.0 / (1.0 + (below * below).sum(-2))
    signs = matrix.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)  # not trained
    return tg.linalg.householder_product(below, tau) * signs


# Of skew-symmetric matrices; the map of reflections takes what it is given.
_MAPS = {"matrix_exp": _exponential, "cayley": _cayley, "householder": None}


class _Orthogonal(Module):
    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x
        n, k = x.shape[-2:]
        of_skew = _MAPS[self.orthogonal_map]
        if of_skew is None:
            q = _of_reflections(x)
        else:
            x = x.tril()
            if n != k:
                x = tg.cat([x, x.new_zeros((*x.shape[:-1], n - k))], -1)
            q = of_skew(x - x.mT)[..., :k]
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: Any) -> Any:
        if q.shape != self.shape:
            raise ValueError(f"orthogonal: the weight is {tuple(self.shape)}, not {tuple(q.shape)}")
        wide = q.shape[-2] < q.shape[-1]
        tall = q.mT if wide else q
        n, k = tall.shape[-2:]
        if "base" in self._buffers:
            if n != k:
                more = tg.randn(*tall.shape[:-1], n - k, dtype=tall.dtype)
                self.base = _made_orthogonal(tg.cat([tall, more], -1))
            else:
                self.base = tall.clone() if _nearly_orthogonal(tall) else _made_orthogonal(tall)
            start = tg.zeros_like(q)
            start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)  # of which the maps make the identity
            return start
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                f"orthogonal: through {self.orthogonal_map} values are assigned with use_trivialization only"
            )
        reflections, tau = tg.geqrf(tall)
        signs = tg.where(tau == 0, -1.0, 1.0) * _signs_of_diagonal(reflections)
        found = reflections.diagonal_scatter(signs.to(reflections.dtype), dim1=-2, dim2=-1)
        return found.mT if wide else found


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    r"""Keeps the rows or the columns of a matrix, whichever are fewer, orthogonal and of length 1, and gives
    back the module.

    `orthogonal_map` says what of: "matrix_exp", :math:`\exp(A)`, and "cayley", :math:`(I + A/2)(I -
    A/2)^{-1}`, of a skew-symmetric matrix, or "householder", of a product of reflections; unless given, the
    first for square matrices and the last for others. With `use_trivialization` what is trained is a turn
    away from the matrix that the weight was, or was last assigned (Lezcano-Casado, 2019); without it only
    "householder" can be assigned to.

    >>> layer = nn.utils.parametrizations.orthogonal(nn.Linear(20, 3))
    >>> tg.allclose(layer.weight @ layer.weight.mT, tg.eye(3), atol=1e-5)
    True
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"orthogonal: {name!r} has to be a matrix or a batch of them, not {weight.ndim}-D")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f"orthogonal_map has to be one of {', '.join(_MAPS)}, not {orthogonal_map!r}")
    part = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, part, unsafe=True)
