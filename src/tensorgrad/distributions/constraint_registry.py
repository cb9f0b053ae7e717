"""Which transform leads from all real numbers to those that meet a constraint.

`biject_to(constraint)` gives one that maps one to one, with a Jacobian; `transform_to(constraint)` one that
suits optimizers, which may do neither.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from tensorgrad.distributions import constraints, transforms
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.transforms import Transform


class ConstraintRegistry:
    """Transforms by constraint: called with one, it gives the transform that leads there.

    Raises NotImplementedError where none is registered.

    >>> from tensorgrad.distributions import constraints, transform_to
    >>> transform_to(constraints.positive)(tg.tensor(0.0))
    tensor(1.)
    """

    def __init__(self) -> None:
        self._registry: dict[type[Constraint], Callable[[Any], Transform]] = {}

    def register(self, constraint: Any, factory: Callable[[Any], Transform] | None = None) -> Any:
        """Makes `factory(constraint)` the transform for a class of constraints, or for that of an instance.
        Without `factory` it is a decorator."""
        if factory is None:
            return lambda given: self.register(constraint, given)
        kind = type(constraint) if isinstance(constraint, Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, Constraint)):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _to_interval(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, Number) and isinstance(high, Number) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    onto = transforms.AffineTransform(low, high - low)
    return transforms.ComposeTransform([transforms.SigmoidTransform(), onto])


def _from_exp(loc: Any, scale: int) -> Transform:
    onto = transforms.AffineTransform(loc, scale)
    return transforms.ComposeTransform([transforms.ExpTransform(), onto])


def _to_bound(constraint):
    if isinstance(constraint.lower_bound, Number) and constraint.lower_bound == 0:
        return transforms.ExpTransform()
    return _from_exp(constraint.lower_bound, 1)


def _fill(to: ConstraintRegistry) -> None:
    """Registers what both share."""
    to.register(constraints.real, lambda constraint: transforms.identity_transform)
    to.register(constraints.greater_than, _to_bound)
    to.register(constraints.greater_than_eq, _to_bound)
    to.register(constraints.less_than, lambda constraint: _from_exp(constraint.upper_bound, -1))
    to.register(constraints.interval, _to_interval)
    to.register(constraints.half_open_interval, _to_interval)
    to.register(constraints.corr_cholesky, lambda constraint: transforms.CorrCholeskyTransform())

    @to.register(constraints.independent)
    def _independent(constraint):
        base = to(constraint.base_constraint)
        return transforms.IndependentTransform(base, constraint.reinterpreted_batch_ndims)

    @to.register(constraints.cat)
    def _cat(constraint):
        several = [to(each) for each in constraint.cseq]
        return transforms.CatTransform(several, constraint.dim, constraint.lengths)

    @to.register(constraints.stack)
    def _stack(constraint):
        return transforms.StackTransform([to(each) for each in constraint.cseq], constraint.dim)


_fill(biject_to)
_fill(transform_to)
biject_to.register(constraints.simplex, lambda constraint: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda constraint: transforms.LowerCholeskyTransform())
for each in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(each, lambda constraint: transforms.PositiveDefiniteTransform())
