"""Distributions of matrices: covariances, and roots of correlations."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.continuous import MultivariateNormal
from tensorgrad.distributions.distribution import Distribution, below_diagonal, broadcast_all
from tensorgrad.distributions.gammas import Beta, Chi2


class Wishart(Distribution):
    r"""Sums of the squares :math:`x x^T` of `df` normal vectors, `df` more than their size minus 1, given
    by one of `covariance_matrix`, its inverse `precision_matrix`, or `scale_tril`, its triangular root.

    Draws are by Bartlett's decomposition.

    >>> from tensorgrad.distributions import Wishart
    >>> Wishart(3.0, tg.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    has_rsample = True
    support = constraints.positive_definite

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        (matrix,) = given
        if matrix.ndim < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with batch dimensions in front")
        df = tg.as_tensor(df, dtype=matrix.dtype)
        n = matrix.shape[-1]
        if (df <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        batch = tg.broadcast_shapes(matrix.shape[:-2], df.shape)
        self.df = df.expand(batch)
        self._normal = MultivariateNormal(
            matrix.new_zeros(*batch, n), covariance_matrix, precision_matrix, scale_tril, validate_args
        )
        self._chi2 = Chi2(self.df.unsqueeze(-1) - tg.arange(n, dtype=matrix.dtype), validate_args)
        super().__init__(batch, (n, n), validate_args)

    @property
    def arg_constraints(self) -> dict[str, Constraint]:  # type: ignore[override]
        matrices = {k: c for k, c in MultivariateNormal.arg_constraints.items() if k != "loc"}
        return {**matrices, "df": constraints.greater_than(self.event_shape[-1] - 1)}

    @property
    def scale_tril(self) -> Tensor:
        return self._normal.scale_tril

    @property
    def covariance_matrix(self) -> Tensor:
        return self._normal.covariance_matrix

    @property
    def precision_matrix(self) -> Tensor:
        return self._normal.precision_matrix

    @property
    def mean(self) -> Tensor:
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self.event_shape[-1] - 1
        return factor.masked_fill(factor <= 0, math.nan)[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        diagonal = self.covariance_matrix.diagonal(0, -2, -1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df[..., None, None] * (self.covariance_matrix**2 + products)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        diagonal, n = self._chi2.rsample(sample_shape).sqrt(), self.event_shape[-1]
        drawn = tg.randn(*sample_shape, *self.batch_shape, n * (n - 1) // 2, dtype=diagonal.dtype)
        root = self.scale_tril @ (below_diagonal(drawn, n) + diagonal.diag_embed())
        return root @ root.mT

    def _log_scale(self):
        """The logarithm of the root's determinant, of the matrix times 2."""
        return self.event_shape[-1] * math.log(2) / 2 + self._normal._half_log_det()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        n, df = self.event_shape[-1], self.df
        value, root = tg.broadcast_tensors(value, self.scale_tril)
        trace = tg.cholesky_solve(value, root).diagonal(0, -2, -1).sum(-1)
        volume = tg.linalg.slogdet(value).logabsdet
        scale = df * self._log_scale() + tg.mvlgamma(df / 2, n)
        return (df - n - 1) / 2 * volume - trace / 2 - scale

    def entropy(self) -> Tensor:
        n, half = self.event_shape[-1], self.df / 2
        slope = (half.unsqueeze(-1) - tg.arange(n, dtype=half.dtype) / 2).digamma().sum(-1)
        spread = (n + 1) * self._log_scale() + tg.mvlgamma(half, n)
        return spread - (self.df - n - 1) / 2 * slope + half * n

    def expand(self, batch_shape: Any) -> Any:
        root = self.scale_tril.expand(*batch_shape, *self.event_shape)
        return self._checking(Wishart(self.df.expand(*batch_shape), scale_tril=root, validate_args=False))

    def __repr__(self) -> str:
        return f"Wishart(df: {self.df}, covariance_matrix: {self.covariance_matrix.shape})"


class LKJCholesky(Distribution):
    """Triangular roots of correlation matrices, whose density is the matrix's determinant to the power of
    `concentration - 1`.

    Draws are by the onion method of Lewandowski, Kurowicka and Joe, "Generating random correlation matrices
    based on vines and extended onion method" (2009).

    >>> from tensorgrad.distributions import LKJCholesky
    >>> LKJCholesky(3, 1.0).sample().shape
    tensorgrad.Size([3, 3])
    """

    support = constraints.corr_cholesky
    arg_constraints: ClassVar[dict[str, Constraint]] = {"concentration": constraints.positive}

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        before = tg.arange(dim - 1, dtype=self.concentration.dtype)
        before = tg.cat([before.new_zeros(1), before])
        above = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * before
        self._beta = Beta(before + 0.5, above, validate_args)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with tg.no_grad():
            share = self._beta.sample(sample_shape).unsqueeze(-1)
            way = tg.randn(self._extended_shape(sample_shape), dtype=share.dtype).tril(-1)
            length = way.norm(dim=-1, keepdim=True)
            below = share.sqrt() * way / length.masked_fill(length == 0, 1)   # the first row has none
            left = (1 - (below**2).sum(-1)).clamp(min=tg.finfo(below.dtype).tiny)
            return below + left.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        diagonal = value.diagonal(0, -2, -1)[..., 1:]
        order = 2 * (self.concentration - 1).unsqueeze(-1) + tg.arange(self.dim - 2, -1, -1)
        less = self.dim - 1
        alpha = self.concentration + 0.5 * less
        scale = 0.5 * less * math.log(math.pi) + tg.mvlgamma(alpha - 0.5, less) - less * alpha.lgamma()
        return (order * diagonal.log()).sum(-1) - scale

    def expand(self, batch_shape: Any) -> Any:
        made = LKJCholesky(self.dim, self.concentration.expand(*batch_shape), validate_args=False)
        return self._checking(made)
