"""What all distributions share, and batches of one seen as a single event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Size, Tensor
from tensorgrad.distributions import constraints


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the first tensor."""
    for value in values:
        if not isinstance(value, (Tensor, int, float)):
            raise ValueError("Input arguments must all be instances of Number or Tensor")
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), tg.get_default_dtype())
    return tg.broadcast_tensors(*(v if isinstance(v, Tensor) else tg.tensor(v, dtype=dtype) for v in values))


def lazy_property(function: Callable[[Any], Any]) -> cached_property:
    """A property that is found once, with its history even when first asked for where none is recorded."""
    return cached_property(tg.enable_grad()(function))


def summed(value: Tensor, count: int) -> Tensor:
    """The sum over the last `count` dimensions."""
    return value.flatten(-count).sum(-1) if count else value


def below_diagonal(x: Tensor, n: int) -> Tensor:
    """Square matrices of n rows, zero but for the numbers of the last dimension below the diagonal."""
    rows, columns = tg.tril_indices(n, n, -1)
    made = x.new_zeros(*x.shape[:-1], n, n)
    made[..., rows, columns] = x
    return made


class Distribution:
    """A distribution for each element of `batch_shape`, of events of `event_shape`.

    A subclass says what its parameters must be (`arg_constraints`), and what its values are (`support`). Both
    are checked, with ValueError, unless `validate_args` is False or `set_default_validate_args(False)` was
    called.

    >>> normal = tg.distributions.Normal(tg.zeros(3), 1.0)
    >>> isinstance(normal, tg.distributions.Distribution), normal.batch_shape, normal.event_shape
    (True, tensorgrad.Size([3]), tensorgrad.Size([]))
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    _validate_args = True

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if not self._validate_args:
            return
        for name, constraint in self.arg_constraints.items():
            value = None if constraints.is_dependent(constraint) else self.__dict__.get(name)
            if value is not None and not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
                    f"distribution {self!r} to satisfy the constraint {constraint!r}, but found invalid "
                    f"values:\n{value}"
                )

    def _get_checked_instance(self, cls: Any, _instance: Any = None) -> Any:
        """The instance that a subclass's own `expand` fills: the one given, else a new one, if the class has
        the initializer that `expand` knows.
        """
        mine: Any = type(self)
        if _instance is None and mine.__init__ is not cls.__init__:
            raise NotImplementedError(
                f"{mine.__name__}, a subclass of {cls.__name__} with an __init__ of its own, must have an "
                "expand of its own"
            )
        return mine.__new__(mine) if _instance is None else _instance

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments when not told."""
        if value not in (True, False):
            raise ValueError(f"validate_args is True or False, not {value!r}")
        Distribution._validate_args = value

    @property
    def batch_shape(self) -> Size:
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        return self._event_shape

    @property
    def support(self) -> constraints.Constraint:
        """What values it has."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no mode")

    @property
    def variance(self) -> Tensor:
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values drawn, `sample_shape` of them for each of the batch; without a gradient."""
        with tg.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """The same, with gradients to the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample: its values are steps")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at `value`."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a value up to this one."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which there is this probability."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along a new first dimension."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        return self.entropy().exp()

    def expand(self, batch_shape: Sequence[int]) -> Distribution:
        """The same distribution for each element of a larger batch."""
        found = {}
        for name, value in self._parameters().items():
            rest = value.shape[len(self.batch_shape) :]
            found[name] = value.expand(*batch_shape, *rest)
        return self._checking(type(self)(**found, validate_args=False))

    def _checking(self, made: Any) -> Any:
        """What was made of parameters that need no check, to check its arguments as this one does."""
        made._validate_args = self._validate_args
        return made

    def _parameters(self) -> dict[str, Tensor]:
        """What it was made of."""
        return {name: self.__dict__[name] for name in self.arg_constraints if name in self.__dict__}

    def _extended_shape(self, sample_shape=()) -> tuple[int, ...]:
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    def _validate_sample(self, value: Any) -> None:
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape = self._batch_shape + self._event_shape
        start = value.ndim - len(self._event_shape)
        if tuple(value.shape[max(start, 0) :]) != tuple(self._event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {list(value.shape)} vs "
                f"{list(self._event_shape)}."
            )
        for n, own in zip(reversed(value.shape), reversed(shape)):
            if n != 1 and own != 1 and n != own:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {list(value.shape)} vs "
                    f"{list(shape)}."
                )
        if not self.support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be "
                f"within the support ({self.support!r}) of the distribution {self!r}, but found invalid "
                f"values:\n{value}"
            )

    def __repr__(self) -> str:
        parts = (f"{name}: {v if v.numel() == 1 else v.shape}" for name, v in self._parameters().items())
        return f"{type(self).__name__}({', '.join(parts)})"


class ExponentialFamily(Distribution):
    """Distributions of one's own with density `exp(t(x) · θ - F(θ) + k(x))`: a subclass gives
    `_natural_params` (θ), `_log_normalizer` (F) and `_mean_carrier_measure` (the mean of k), and has its
    `entropy` of them.

    >>> issubclass(tg.distributions.ExponentialFamily, tg.distributions.Distribution)
    True
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """`F(θ) - θ · F'(θ)`, less the mean of k (Nielsen and Nock, 2010)."""
        with tg.enable_grad():
            params = [p.detach().requires_grad_() for p in self._natural_params]
            normalizer = self._log_normalizer(*params)
            slopes = tg.autograd.grad(normalizer.sum(), params, create_graph=True)
        found = normalizer - self._mean_carrier_measure
        for param, slope in zip(params, slopes, strict=True):
            found = found - summed(param * slope, param.ndim - len(self._batch_shape))
        return found


BOTH = ("probs", "logits")


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept from being 0 or 1."""
    eps = tg.finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of logits: their softmax along the last dimension, or their sigmoid.

    >>> tg.distributions.utils.logits_to_probs(tg.zeros(2))
    tensor([0.5000, 0.5000])
    """
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits of probabilities, which are kept off 0 and 1.

    >>> tg.distributions.utils.probs_to_logits(tg.tensor(0.5), is_binary=True)
    tensor(0.)
    """
    probs = clamp_probs(probs)
    return probs.log() - (-probs).log1p() if is_binary else probs.log()


class ByProbability(Distribution):
    """One that is given by `probs` or by `logits`, of which the other is found when asked for."""

    binary = True
    _said: str  # which of the two it was made of

    def _given(self, probs: Any, logits: Any) -> Any:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._said = "logits" if probs is None else "probs"
        return logits if probs is None else probs

    @property
    def param_shape(self) -> Size:
        return getattr(self, self._said).shape

    @lazy_property
    def logits(self) -> Tensor:
        return probs_to_logits(self.probs, self.binary)

    @lazy_property
    def probs(self) -> Tensor:
        return logits_to_probs(self.logits, self.binary)

    def _parameters(self):
        found = super()._parameters()
        return {name: value for name, value in found.items() if name == self._said or name not in BOTH}


class Independent(Distribution):
    """A distribution whose last batch dimensions are taken for one event: their log_probs are added up.

    >>> from tensorgrad.distributions import Independent, Normal
    >>> Independent(Normal(tg.zeros(3), tg.ones(3)), 1).log_prob(tg.zeros(3))
    tensor(-2.7568)
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch = base_distribution.batch_shape
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{reinterpreted_batch_ndims} vs {len(batch)}"
            )
        split = len(batch) - reinterpreted_batch_ndims
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, reinterpreted_batch_ndims
        super().__init__(batch[:split], batch[split:] + base_distribution.event_shape, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return summed(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        return summed(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def expand(self, batch_shape: Any) -> Any:
        base = self.base_dist.expand((*batch_shape, *self.event_shape[: self.reinterpreted_batch_ndims]))
        return self._checking(Independent(base, self.reinterpreted_batch_ndims, validate_args=False))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
