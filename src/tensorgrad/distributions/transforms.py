"""Transforms of numbers and vectors: curves, and maps onto simplices and triangular matrices."""

from __future__ import annotations

import math
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.distribution import Distribution, below_diagonal, broadcast_all, summed
from tensorgrad.distributions.transforming import (
    CatTransform,
    ComposeTransform,
    IndependentTransform,
    ReshapeTransform,
    StackTransform,
    Transform,
    identity_transform,
)
from tensorgrad.nn import functional as F

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "CatTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


class _Fixed(Transform):
    """A transform without parameters: all of its class are equal."""

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class _Curve(_Fixed):
    """A curve that rises."""

    domain: constraints.Constraint = constraints.real
    codomain: constraints.Constraint = constraints.positive
    bijective = True
    sign = 1


class ExpTransform(_Curve):
    r""":math:`y = e^x`.

    >>> from tensorgrad.distributions import ExpTransform
    >>> ExpTransform().inv(tg.tensor(1.0))
    tensor(0.)
    """

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


def _clipped_sigmoid(x: Tensor) -> Tensor:
    """The sigmoid, kept from reaching 0 and 1."""
    limits = tg.finfo(x.dtype)
    return x.sigmoid().clamp(limits.tiny, 1.0 - limits.eps)


class SigmoidTransform(_Curve):
    r""":math:`y = 1 / (1 + e^{-x})`, kept from reaching 0 and 1.

    >>> from tensorgrad.distributions import SigmoidTransform
    >>> SigmoidTransform()(tg.tensor(0.0))
    tensor(0.5000)
    """

    codomain = constraints.unit_interval

    def _call(self, x):
        return _clipped_sigmoid(x)

    def _inverse(self, y):
        limits = tg.finfo(y.dtype)
        y = y.clamp(limits.tiny, 1.0 - limits.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x) - F.softplus(x)


class SoftplusTransform(_Curve):
    r""":math:`y = \ln(1 + e^x)`.

    >>> from tensorgrad.distributions import SoftplusTransform
    >>> SoftplusTransform()(tg.tensor(0.0))
    tensor(0.6931)
    """

    def _call(self, x):
        return F.softplus(x)

    def _inverse(self, y):
        return (-(-y).expm1()).log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x)


class TanhTransform(_Curve):
    r""":math:`y = \tanh x`. Far out `y` is exactly 1, from where only `cache_size=1` finds back.

    >>> from tensorgrad.distributions import TanhTransform
    >>> x = tg.tensor(20.0)
    >>> TanhTransform().log_abs_det_jacobian(x, x.tanh())
    tensor(-38.6137)
    """

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        # ln(1 - tanh(x)^2), which would lose all digits where tanh is near 1.
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class AbsTransform(_Fixed):
    """:math:`y = |x|`, which only half leads back.

    >>> from tensorgrad.distributions import AbsTransform
    >>> AbsTransform()(tg.tensor(-2.0))
    tensor(2.)
    """

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


class PowerTransform(Transform):
    """:math:`y = x^{exponent}`, of positive numbers.

    >>> from tensorgrad.distributions import PowerTransform
    >>> PowerTransform(2.0)(tg.tensor(3.0))
    tensor(9.)
    """

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        (self.exponent,) = broadcast_all(exponent)

    @property
    def sign(self) -> Any:
        return self.exponent.sign()

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    __hash__ = Transform.__hash__

    def _call(self, x):
        return x**self.exponent

    def _inverse(self, y):
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        return tg.broadcast_shapes(shape, self.exponent.shape)

    inverse_shape = forward_shape


class AffineTransform(Transform):
    """:math:`y = loc + scale \\cdot x`, over events of `event_dim` dimensions.

    >>> from tensorgrad.distributions import AffineTransform
    >>> AffineTransform(1.0, 2.0)(tg.tensor(3.0))
    tensor(7.)
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        return self._event_dim

    @property
    def domain(self) -> Any:  # type: ignore[override]
        real = constraints.real
        return constraints.independent(real, self._event_dim) if self._event_dim else real

    codomain = domain

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Tensor):
            return self.scale.sign()
        return (self.scale > 0) - (self.scale < 0)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        pairs = ((self.loc, other.loc), (self.scale, other.scale))
        return all(bool(tg.as_tensor(mine == its).all()) for mine, its in pairs)

    __hash__ = Transform.__hash__

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        if isinstance(self.scale, Tensor):
            found = self.scale.abs().log().expand(tg.broadcast_shapes(self.scale.shape, x.shape))
        else:
            found = tg.full_like(x, math.log(abs(self.scale)))
        return summed(found, self._event_dim)

    def forward_shape(self, shape: Any) -> Any:
        return tg.broadcast_shapes(shape, getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))

    inverse_shape = forward_shape


class _OfVectors(_Fixed):
    domain: constraints.Constraint = constraints.real_vector
    codomain: constraints.Constraint = constraints.simplex
    grows = 0  # how much longer the vector becomes

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return (*shape[:-1], shape[-1] + self.grows)

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return (*shape[:-1], shape[-1] - self.grows)


class SoftmaxTransform(_OfVectors):
    """The softmax of vectors, which forgets a constant added to all: it isn't bijective.

    >>> from tensorgrad.distributions import SoftmaxTransform
    >>> SoftmaxTransform()(tg.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def _call(self, x):
        return x.softmax(-1)

    def _inverse(self, y):
        return y.log()


class StickBreakingTransform(_OfVectors):
    """Vectors onto the simplex of one dimension more: each sigmoid breaks its part off the rest of a stick.

    >>> from tensorgrad.distributions import StickBreakingTransform
    >>> StickBreakingTransform()(tg.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    bijective = True
    grows = 1

    @staticmethod
    def _shift(x: Tensor) -> Tensor:
        """What makes equal parts of zeros: the logarithm of how many are still to come."""
        return tg.arange(x.shape[-1], 0, -1, dtype=x.dtype).log()

    def _call(self, x):
        part = _clipped_sigmoid(x - self._shift(x))
        left = (1 - part).cumprod(-1)
        return F.pad(part, (0, 1), value=1.0) * F.pad(left, (1, 0), value=1.0)

    def _inverse(self, y):
        first = y[..., :-1]
        left = (1 - first.cumsum(-1)).clamp(min=tg.finfo(y.dtype).tiny)
        return first.log() - left.log() + self._shift(first)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        x = x - self._shift(x)
        return (F.logsigmoid(x) - x + y[..., :-1].log()).sum(-1)


class LowerCholeskyTransform(_Fixed):
    """Square matrices onto lower triangular ones, whose diagonal is the exponential of theirs.

    >>> from tensorgrad.distributions import LowerCholeskyTransform
    >>> LowerCholeskyTransform()(tg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(0, -2, -1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(0, -2, -1).log().diag_embed()


class PositiveDefiniteTransform(_Fixed):
    """Square matrices onto positive definite ones, by a triangular root.

    >>> from tensorgrad.distributions import PositiveDefiniteTransform
    >>> PositiveDefiniteTransform()(tg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        root = LowerCholeskyTransform()(x)
        return root @ root.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(tg.linalg.cholesky(y))


class CorrCholeskyTransform(_Fixed):
    """Vectors of `d (d - 1) / 2` numbers onto roots of `d x d` correlation matrices (Stan's reference manual,
    10.12): the tanh of each says which part of what is left of its row's length it takes.

    >>> from tensorgrad.distributions import CorrCholeskyTransform
    >>> CorrCholeskyTransform()(tg.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        d = self.forward_shape(x.shape)[-1]
        near = 1 - tg.finfo(x.dtype).eps
        partial = below_diagonal(x.tanh().clamp(-near, near), d)
        left = (1 - partial**2).sqrt().cumprod(-1)
        return (partial + tg.eye(d, dtype=x.dtype)) * F.pad(left[..., :-1], (1, 0), value=1.0)

    def _inverse(self, y):
        left = F.pad((1 - (y * y).cumsum(-1))[..., :-1], (1, 0), value=1.0)
        rows, columns = tg.tril_indices(y.shape[-1], y.shape[-1], -1)
        return (y[..., rows, columns] / left[..., rows, columns].sqrt()).atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        left = 1 - (y * y).cumsum(-1)
        rows, columns = tg.tril_indices(y.shape[-1], y.shape[-1], -2)
        along_rows = 0.5 * left[..., rows, columns].log().sum(-1)
        return along_rows - 2 * (x + F.softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        d = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if d * (d - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*shape[:-1], d, d)

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class CumulativeDistributionTransform(Transform):
    """The `cdf` of a distribution, and its `icdf` on the way back.

    >>> from tensorgrad.distributions import CumulativeDistributionTransform, Normal
    >>> CumulativeDistributionTransform(Normal(0.0, 1.0))(tg.tensor(0.0))
    tensor(0.5000)
    """

    codomain = constraints.unit_interval
    bijective = True
    sign = 1

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return self.distribution.support

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)
