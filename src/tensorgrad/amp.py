"""torch.amp: mixed precision switched off, so that programs that can do without it run as they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

F = TypeVar("F", bound=Callable[..., Any])


def _wanted(what: str, device: str, enabled: bool) -> bool:
    """Whether mixed precision is asked for where there is a device: on others PyTorch warns, and goes on
    without.
    """
    if enabled and str(device).partition(":")[0] != "cpu":
        warnings.warn(
            f"{what}: there is no device {device!r} here, so it is switched off", UserWarning, stacklevel=3
        )
        return False
    return enabled


class autocast:
    """A context, or a decorator, in which nothing changes.

    Raises NotImplementedError when it is asked to work on the CPU, where PyTorch computes in bfloat16: say
    ``enabled=False``.

    >>> with tg.autocast("cpu", enabled=False):
    ...     tg.ones(2).dtype
    tensorgrad.float32
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if _wanted("autocast", device_type, enabled):
            raise NotImplementedError("autocast: mixed precision is not in tensorgrad yet; say enabled=False")

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def __call__(self, function: F) -> F:
        @wraps(function)
        def same(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return cast(F, same)


class GradScaler:
    """The scaler of losses that float16 needs, switched off: losses stay as they are, and `step` is the
    optimizer's.

    Raises NotImplementedError when it is asked to work on the CPU: say ``enabled=False``.

    >>> scaler = tg.amp.GradScaler("cpu", enabled=False)
    >>> scaler.scale(tg.ones(1))
    tensor([1.])
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 65536.0, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        if _wanted("GradScaler", device, enabled):
            raise NotImplementedError(
                "GradScaler: mixed precision is not in tensorgrad yet; say enabled=False"
            )

    def is_enabled(self) -> bool:
        """False."""
        return False

    def get_scale(self) -> float:
        """1.0."""
        return 1.0

    def scale(self, outputs: Any) -> Any:
        """The outputs themselves."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Does nothing: the gradients were not scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Does nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing, as PyTorch's when it is switched off."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing."""


def _foreach_non_finite_check_and_unscale(grads: Any, found_inf: Any, inv_scale: Any) -> None:
    """Multiplies gradients in place by ``inv_scale``; ``found_inf`` becomes 1 where one was not finite."""
    for grad in grads:
        if not grad.isfinite().all():
            found_inf.fill_(1)
        grad.mul_(inv_scale)


def is_autocast_available(device_type: str) -> bool:
    """False: mixed precision is not in yet.

    >>> tg.amp.is_autocast_available("cpu")
    False
    """
    return False


def custom_fwd(
    fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: Any = None
) -> Callable:
    """The forward of a Function as it is: there is no mixed precision that it would have to be kept out of.

    >>> tg.amp.custom_fwd(abs, device_type="cuda") is abs
    True
    """
    return (lambda given: given) if fwd is None else fwd


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Callable:
    """The backward of a Function as it is.

    >>> tg.amp.custom_bwd(abs, device_type="cuda") is abs
    True
    """
    return (lambda given: given) if bwd is None else bwd
