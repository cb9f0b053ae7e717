"""torch.amp: mixed precision on the CPU, and the scaler of losses that float16 needs. For devices that are
not here both are switched off, with a warning.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

import tensorgrad as tg
from tensorgrad.core import Tensor, _core, bfloat16, float16
from tensorgrad.core.declare import registry

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

F = TypeVar("F", bound=Callable[..., Any])

# What ops compute in, as PyTorch has it on the CPU: core/calls/casting.pxi says what the words mean.
_PRECISIONS = {
    "low": """
    addbmm addmm baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d
    conv_transpose3d einsum inner linalg_multi_dot linalg_vecdot linear lstm matmul matrix_power mm prelu
    scaled_dot_product_attention tensordot
    """,
    "full": """
    adaptive_avg_pool3d avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits cdist cholesky
    cholesky_inverse cholesky_solve cosine_embedding_loss cross_entropy ctc_loss grid_sample
    hinge_embedding_loss huber_loss kl_div l1_loss linalg_qr linalg_svd lu_solve margin_ranking_loss
    max_pool3d max_unpool2d max_unpool3d mse_loss multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss nanquantile nll_loss poisson_nll_loss prod quantile smooth_l1_loss
    soft_margin_loss trace triplet_margin_loss
    """,
    "as its input": "batch_norm group_norm instance_norm layer_norm rms_norm",
    "as outside": "addmv bilinear mv",
}
for _word, _names in _PRECISIONS.items():
    for _name in _names.split():
        registry[_name].precision = _core.PRECISIONS[_word]


def _is_here(what: str, device: str, enabled: bool) -> bool:
    """Whether it is asked for on the CPU: on other devices PyTorch warns, and goes on without."""
    if enabled and str(device).partition(":")[0] != "cpu":
        warnings.warn(
            f"{what}: there is no device {device!r} here, so it is switched off", UserWarning, stacklevel=3
        )
        return False
    return enabled


class autocast:
    """A context, or a decorator, in which products of matrices, convolutions and attention compute in
    ``dtype`` (bfloat16 or float16), losses and what else needs it in float32, all else in what comes.

    Parameters stay as they are, and so do their gradients. Of another device than "cpu" it changes nothing.

    >>> layer = nn.Linear(2, 2)
    >>> with tg.autocast("cpu", dtype=tg.bfloat16):
    ...     layer(tg.ones(1, 2)).dtype, layer.weight.dtype
    (tensorgrad.bfloat16, tensorgrad.float32)
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = device_type
        self.fast_dtype = tg.get_autocast_dtype(device_type) if dtype is None else dtype
        enabled = _is_here("autocast", device_type, enabled)
        if enabled and self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In CPU autocast, but the target dtype {self.fast_dtype} is not supported. Disabling "
                "autocast: it is bfloat16 or float16",
                UserWarning,
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[Any] = []

    def __enter__(self) -> autocast:
        if self.device.partition(":")[0] == "cpu":
            before = _core._set_autocast(self.fast_dtype if self._enabled else None)
            if before is None:
                _core._forget_casts()
            self._before.append(before)
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._before:
            before = self._before.pop()
            _core._set_autocast(before)
            if before is None:
                _core._forget_casts()

    def __call__(self, function: F) -> F:
        @wraps(function)
        def mixed(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast(F, mixed)


class GradScaler:
    """Multiplies losses by a number so large that gradients in float16 do not vanish, divides the gradients
    before the step, and leaves a step out, with a smaller number from then on, where they are not finite.

    It has an effect with ``device="cpu"``; elsewhere it is switched off: losses stay as they are.

    >>> weight = tg.ones(1, requires_grad=True)
    >>> scaler, optimizer = tg.amp.GradScaler("cpu"), tg.optim.SGD([weight], lr=0.5)
    >>> scaler.scale(weight.sum()).backward(); weight.grad
    tensor([65536.])
    >>> scaler.step(optimizer); scaler.update(); weight
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 65536.0, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._enabled = _is_here("GradScaler", device, enabled)
        if self._enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if self._enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._scale, self._growth_tracker = float(init_scale), 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._optimizers: dict[int, dict[str, Any]] = defaultdict(dict)

    def is_enabled(self) -> bool:
        """Whether it has an effect."""
        return self._enabled

    def scale(self, outputs: Any) -> Any:
        """The tensors, in lists and dicts too, multiplied by the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, Mapping):
            return type(outputs)({key: self.scale(each) for key, each in outputs.items()})  # type: ignore[call-arg]
        if isinstance(outputs, (list, tuple)):
            each = [self.scale(part) for part in outputs]
            return type(outputs)(*each) if hasattr(outputs, "_fields") else type(outputs)(each)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of the optimizer's parameters by the scale, in place; clip them after that.

        Errors: `RuntimeError` a second time before `update`.
        """
        if not self._enabled:
            return
        state = self._optimizers[id(optimizer)]
        if "stepped" in state:
            raise RuntimeError("unscale_() is being called after step().")
        if "found" in state:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        found = tg.zeros(1)
        params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(p.grad.dtype is float16 for p in params):
            raise ValueError("Attempting to unscale FP16 gradients.")
        with tg.no_grad():
            _foreach_non_finite_check_and_unscale([p.grad for p in params], found, 1.0 / self._scale)
        state["found"] = bool(found.item())

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step, after `unscale_` if that was not called; None, and no step, where a gradient
        is not finite.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        state = self._optimizers[id(optimizer)]
        if "stepped" in state:
            raise RuntimeError("step() has already been called since the last update().")
        if "found" not in state:
            self.unscale_(optimizer)
        state["stepped"] = True
        return None if state["found"] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Makes the scale smaller if a gradient was not finite, and larger after `growth_interval` steps
        without that; or sets it.
        """
        if not self._enabled:
            return
        found = [state["found"] for state in self._optimizers.values() if "found" in state]
        self._optimizers.clear()
        if new_scale is not None:
            self._scale = float(new_scale)
            return
        if not found:
            raise AssertionError("No inf checks were recorded prior to update.")
        if any(found):
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            self._growth_tracker = 0
            if self._scale * self._growth_factor < tg.finfo(tg.float32).max:
                self._scale *= self._growth_factor

    def get_scale(self) -> float:
        """What losses are multiplied by."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What makes the scale larger."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Changes that."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What makes the scale smaller."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Changes that."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps the scale gets larger."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Changes that."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Its numbers, for a checkpoint; nothing, as PyTorch's, when it is switched off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; RuntimeError if that was of one that is switched off."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of "
                "GradScaler."
            )
        self._scale = float(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = int(state_dict["_growth_tracker"])


def _foreach_non_finite_check_and_unscale(grads: Any, found_inf: Any, inv_scale: Any) -> None:
    """Multiplies gradients in place by ``inv_scale``; ``found_inf`` becomes 1 where one was not finite."""
    for grad in grads:
        if not grad.isfinite().all():
            found_inf.fill_(1)
        grad.mul_(inv_scale)


def is_autocast_available(device_type: str) -> bool:
    """Whether there is mixed precision on a device: on the CPU.

    >>> tg.amp.is_autocast_available("cpu"), tg.amp.is_autocast_available("cuda")
    (True, False)
    """
    return device_type == "cpu"


def custom_fwd(
    fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: Any = None
) -> Callable:
    """Decorates the forward of a Function: its backward, decorated by `custom_bwd`, runs in the same
    precision. With ``cast_inputs`` both run without mixed precision, on floats of that dtype.

    >>> tg.amp.custom_fwd(abs, device_type="cuda") is abs
    True
    """
    if fwd is None:
        return lambda given: custom_fwd(given, device_type=device_type, cast_inputs=cast_inputs)
    if device_type != "cpu":
        return fwd

    @wraps(fwd)
    def run(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._autocast = low = _core._autocast_dtype()
        if cast_inputs is None or low is None:
            return fwd(ctx, *args, **kwargs)
        ctx._autocast = None
        given = [each.to(cast_inputs) if _is_float(each) else each for each in args]
        with autocast("cpu", enabled=False):
            return fwd(ctx, *given, **kwargs)

    return run


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.dtype is not tg.float64


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Callable:
    """Decorates the backward of a Function whose forward `custom_fwd` decorates.

    >>> tg.amp.custom_bwd(abs, device_type="cuda") is abs
    True
    """
    if bwd is None:
        return lambda given: custom_bwd(given, device_type=device_type)
    if device_type != "cpu":
        return bwd

    @wraps(bwd)
    def run(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast("cpu", dtype=ctx._autocast, enabled=ctx._autocast is not None):
            return bwd(ctx, *args, **kwargs)

    return run
