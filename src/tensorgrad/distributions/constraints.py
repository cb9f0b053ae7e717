"""What parameters and values of distributions must be: `positive.check(x)` tells for each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor


class Constraint:
    """A condition with a name, with what stands in it if it has places; `event_dim` of the last dimensions
    are looked at together."""

    def __init__(
        self,
        name: str,
        check: Callable[[Tensor], Any],
        event_dim: int = 0,
        is_discrete: bool = False,
        places: tuple[Any, ...] = (),
    ):
        self.name, self.check, self.event_dim, self.is_discrete = name, check, event_dim, is_discrete
        self.places = places

    def __repr__(self) -> str:
        return self.name.format(*self.places) if self.places else self.name


def _whole(x: Tensor) -> Any:
    return x % 1 == 0


def _lower_cholesky(x: Tensor) -> Any:
    triangular = (x.tril() == x).flatten(-2).all(-1)
    return triangular & (x.diagonal(0, -2, -1) > 0).all(-1)


def _positive_definite(x: Tensor) -> Any:
    symmetric = tg.isclose(x, x.mT, atol=1e-6).flatten(-2).all(-1)
    return symmetric & (tg.linalg.cholesky_ex(x.detach()).info == 0)


real = Constraint("Real()", lambda x: x == x)
positive = Constraint("GreaterThan(lower_bound=0.0)", lambda x: x > 0)
nonnegative = Constraint("GreaterThanEq(lower_bound=0.0)", lambda x: x >= 0)
unit_interval = Constraint("Interval(lower_bound=0.0, upper_bound=1.0)", lambda x: (x >= 0) & (x <= 1))
boolean = Constraint("Boolean()", lambda x: (x == 0) | (x == 1), is_discrete=True)
nonnegative_integer = Constraint(
    "IntegerGreaterThan(lower_bound=0)", lambda x: _whole(x) & (x >= 0), is_discrete=True
)
real_vector = Constraint("IndependentConstraint(Real(), 1)", lambda x: (x == x).all(-1), 1)
simplex = Constraint("Simplex()", lambda x: (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() < 1e-6), 1)
one_hot = Constraint(
    "OneHot()", lambda x: ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1), 1, is_discrete=True
)
lower_cholesky = Constraint("LowerCholesky()", _lower_cholesky, 2)
positive_definite = Constraint("PositiveDefinite()", _positive_definite, 2)


def interval(low: Any, high: Any) -> Constraint:
    """Between two ends, which belong to it."""
    name = "Interval(lower_bound={}, upper_bound={})"
    return Constraint(name, lambda x: (x >= low) & (x <= high), places=(low, high))


def integer_interval(low: Any, high: Any) -> Constraint:
    """Whole numbers between two ends, which belong to them."""
    name = "IntegerInterval(lower_bound={}, upper_bound={})"
    check = lambda x: _whole(x) & (x >= low) & (x <= high)
    return Constraint(name, check, is_discrete=True, places=(low, high))


def independent(base: Constraint, count: int) -> Constraint:
    """A condition on all elements of the last `count` dimensions."""
    if not count:
        return base
    check = lambda x: base.check(x).flatten(-count).all(-1)
    name = "IndependentConstraint({}, {})"
    return Constraint(name, check, base.event_dim + count, base.is_discrete, (base, count))
