"""Optimizer: parameters in groups, what is remembered for each, and one rule applied to all of them."""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, ClassVar, TypeAlias

import tensorgrad as tg
from tensorgrad.core import RemovableHandle, Tensor, is_grad_enabled, set_grad_enabled

from ._step import Group, State, States, Stepper, _global_hooks

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook", "required"]


ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
_params_t: TypeAlias = ParamsT  # by its older name


class _Required:
    """Stands as a default that every group has to replace."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()
UNUSED = object()


class Optimizer(Stepper):
    """Changes parameters so that a loss gets smaller: the base class of all optimizers.

    A subclass says what it remembers for a parameter (`slots`) and how one step goes (`rule`):

    >>> class Heavy(tg.optim.Optimizer):
    ...     slots = ("velocity",)
    ...     def __init__(self, params, lr=0.1, momentum=0.9):
    ...         super().__init__(params, dict(lr=lr, momentum=momentum))
    ...     def rule(self, param, grad, state, lr, momentum):
    ...         state.velocity = momentum * state.velocity + grad
    ...         return param - lr * state.velocity
    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> Heavy([x]).step(); x
    tensor([0.8000], requires_grad=True)

    The settings that `rule` names come from the parameter's group. A slot starts as zeros, the slot `step` as
    a 0-d tensor that counts; `start` and `needs` say otherwise. The settings `maximize`, `weight_decay` (with
    `decoupled_weight_decay`) and `differentiable` are taken care of unless the rule names them. `kernel`
    names a compiled step that may stand in for the rule: its operands are the slots in their order, its
    settings those of the group. A subclass written for PyTorch, with its own `step`, works too.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with the key `params` and settings of their own.
        defaults: the settings of a group that does not give its own.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    kernel: ClassVar[str | None] = None
    _step_when_scheduled: Any  # by a scheduler, which asks whether it is still the same

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "rule" in cls.__dict__ and "kernel" not in cls.__dict__:
            cls.kernel = None  # an inherited kernel knows nothing of the new rule
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Iterable, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}; put it in a list: [param]"
            )
        self.state = States()
        self.param_groups: list[dict[str, Any]] = []
        if not isinstance(params, Iterable):
            raise TypeError(f"optimizer can only optimize Tensors, but got {_instead(params)}")
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list: the module has no parameters, or an iterator over "
                "them was used up before; model.parameters() gives a new one"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # ---- what a subclass says

    def rule(self, *args: Any, **settings: Any) -> Any:
        """Of (param, grad, state, settings that it names): the next value; `state` changes on the way."""
        raise NotImplementedError(f"{type(self).__name__} has neither a rule() nor a step()")

    def needs(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Which slots the settings of a group call for: all of them, unless a subclass knows better."""
        return self.slots

    def start(self, name: str, param: Tensor, group: dict[str, Any]) -> Any:
        """The first value of a slot; UNUSED when this parameter does without."""
        return tg.tensor(0.0) if name == "step" else tg.zeros_like(param)

    # ---- the walk, where no kernel takes it

    def _begin(self, param: Tensor, group: dict[str, Any]) -> State:
        """What is remembered for a parameter; slots that are missing get their first values."""
        needed = self.needs(group)
        state = self.state[param] if needed or param in self.state else State()
        for name in needed:
            if name not in state:
                first = self.start(name, param.detach(), group)
                if first is not UNUSED:
                    state[name] = first
        return state

    def _update(self, param: Tensor, group: dict[str, Any]) -> None:
        """One step of one parameter by the rule."""
        grad: Any = param.grad
        state = self._begin(param, group)
        with set_grad_enabled(bool(group.get("differentiable", False)) and is_grad_enabled()):
            if "step" in state:
                state.step.add_(1)
            settings, value = self._settings(group, self.rule), param
            if group.get("maximize") and "maximize" not in settings:
                grad = -grad
            decay = 0 if "weight_decay" in settings else number(group.get("weight_decay", 0))
            if decay and group.get("decoupled_weight_decay"):
                value = param * (1 - number(group["lr"]) * decay)
            elif decay:
                grad = grad + decay * param
            param.copy_(self.rule(value, grad, state, **settings))

    def _settings(self, group: dict[str, Any], function: Callable) -> dict[str, Any]:
        """The settings that a rule names, out of a group."""
        return {name: number(group[name]) for name in _setting_names(getattr(function, "__func__", function))}

    # ---- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with settings of their own, for instance a layer that was frozen so far.

        >>> x, y = tg.ones(1, requires_grad=True), tg.ones(2, requires_grad=True)
        >>> optimizer = tg.optim.SGD([x], lr=0.1)
        >>> optimizer.add_param_group({"params": [y], "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [item[0] for item in params if isinstance(item, tuple)]
        if names and len(names) != len(params):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        params = [item[1] if isinstance(item, tuple) else item for item in params]
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {_instead(param)}"
                )
            if not (self.defaults.get("differentiable") or param.is_leaf or param.retains_grad):
                raise ValueError(
                    "can't optimize a non-leaf Tensor: it is the result of an operation; give the tensors it "
                    "was computed from, or detach() it first"
                )
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        ids = {id(param) for param in params}
        if len(ids) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                "an error; see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                kind = "with names" if "param_names" in param_group else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {kind} to the optimizer"
                )
            if not ids.isdisjoint(id(param) for param in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(Group(param_group))

    def __repr__(self) -> str:
        parts = []
        for i, group in enumerate(self.param_groups):
            lines = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            parts.append(f"Parameter Group {i}\n" + "".join(lines))
        return f"{type(self).__name__} (\n" + "\n".join(parts) + ")"

    # ---- what is written to files

    def state_dict(self) -> dict[str, Any]:
        """What is remembered, and the settings, with a number in place of each parameter: ready for
        `tg.save`.

        The tensors are the optimizer's own, not copies.

        >>> x = tg.ones(1, requires_grad=True)
        >>> tg.optim.SGD([x], lr=0.1).state_dict()["param_groups"][0]["params"]
        [0]
        """
        for hook in list(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        numbers: dict[int, int] = {}
        for param in chain.from_iterable(group["params"] for group in self.param_groups):
            numbers.setdefault(id(param), len(numbers))
        state_dict = {
            "state": {
                numbers[id(key)] if isinstance(key, Tensor) else key: dict(value)
                if isinstance(value, State)
                else value
                for key, value in self.state.items()
            },
            "param_groups": [
                {
                    **{key: value for key, value in group.items() if key != "params"},
                    "params": [numbers[id(param)] for param in group["params"]],
                }
                for group in self.param_groups
            ],
        }
        for hook in list(self._optimizer_state_dict_post_hooks.values()):
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave; ValueError, and nothing changed, when it does not fit."""
        state_dict = state_dict.copy()
        for hook in list(self._optimizer_load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, and the optimizer has {len(groups)}"
            )
        for i, (group, new) in enumerate(zip(groups, saved)):
            if len(group["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: group {i} has {len(new['params'])} parameters there and "
                    f"{len(group['params'])} here"
                )
        params = dict(
            zip(
                chain.from_iterable(new["params"] for new in saved),
                chain.from_iterable(group["params"] for group in groups),
            )
        )
        state = States()
        for key, value in state_dict["state"].items():
            state[params.get(key, key)] = _fit(params[key], value) if key in params else value
        for group, new in zip(groups, saved):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": [Group(new) for new in saved]})
        for hook in list(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self.defaults.setdefault("differentiable", False)
        for group in self.param_groups:  # saved before a setting existed
            for name, value in self.defaults.items():
                group.setdefault(name, value)

    def __reduce__(self):
        return _new, (type(self),), self.__getstate__()

    # ---- hooks

    def register_step_pre_hook(self, hook: Callable) -> Any:
        """Calls `hook(optimizer, args, kwargs)` before every step; it may return new (args, kwargs)."""
        return add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> Any:
        """Calls `hook(optimizer, args, kwargs)` after every step."""
        return add_hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Calls `hook(optimizer)` before `state_dict()`."""
        return add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Calls `hook(optimizer, state_dict)` with the finished dict; it may change it or return another."""
        return add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Calls `hook(optimizer, state_dict)` with a copy of what is to be loaded; it may return another."""
        return add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Calls `hook(optimizer)` after `load_state_dict()`."""
        return add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def _hooked_step(self, closure: Callable | None):
        return _run_hooked(self, Stepper.step, (self,) if closure is None else (self, closure), {})


def number(setting: Any) -> Any:
    """A setting that is a one-element tensor, as a number; any other as it is."""
    return setting.item() if isinstance(setting, Tensor) and not setting.requires_grad else setting


def settings_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """The defaults of an optimizer: its constructor's `locals()`, before it has any other.

    RuntimeError for contradictory choices between PyTorch's ways to make a step; here there is one.
    """
    settings = {name: arguments[name] for name in arguments if name not in ("self", "params", "__class__")}
    if settings.get("fused") and settings.get("differentiable"):
        raise RuntimeError("`fused` does not support `differentiable`")
    if settings.get("fused") and settings.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if settings.get("capturable"):
        raise RuntimeError(
            "capturable=True is for recording a step into a CUDA graph; on the CPU leave it out"
        )
    return settings


def _instead(params: Any) -> str:
    """What was given for parameters, and what to give instead."""
    kind = type(params).__name__
    if hasattr(params, "parameters"):
        return f"{kind}: give its parameters, as in Adam(model.parameters())"
    if callable(params):
        return f"the {kind} {getattr(params, '__name__', '')}: call it, and give what it returns"
    return kind


def check_lr(lr: Any) -> None:
    """ValueError for a learning rate that is no number of at least 0."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if isinstance(lr, str):
        raise TypeError(f"a learning rate is a number, not the str {lr!r}: float(lr) is one")
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_at_least(least: float, **settings: float) -> None:
    """ValueError for the first setting under `least`."""
    for name, value in settings.items():
        if not least <= value:
            raise ValueError(f"Invalid {name} value: {value}")


@functools.cache
def _setting_names(function: Callable) -> tuple[str, ...]:
    kinds = inspect.signature(function).parameters
    names = tuple(
        name for name, kind in kinds.items() if kind.kind not in (kind.VAR_POSITIONAL, kind.VAR_KEYWORD)
    )
    return names[4:] if names[:1] == ("self",) else names


def _new(cls):
    return cls.__new__(cls)


def _fit(param: Tensor, value: Any, key: Any = None) -> Any:
    """A loaded state with its tensors in the parameter's dtype; counters and the like stay as they are."""
    if isinstance(value, Tensor):
        alone = key == "step" or value.ndim == 0 < param.ndim
        return value if alone or not param.is_floating_point() else value.to(param.dtype)
    if isinstance(value, dict):
        return {k: _fit(param, v, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_fit(param, v) for v in value)  # type: ignore[call-arg]
    return value


# ---------------------------------------------------------------------------- hooks


def add_hook(hooks: dict[int, Callable], hook: Callable, prepend: bool = False) -> RemovableHandle:
    """Puts a hook last, or first, and gives the handle that removes it."""
    earlier = dict(hooks)
    handle = RemovableHandle(hooks, hook)
    if prepend:
        for key in earlier:
            hooks[key] = hooks.pop(key)
    return handle


def _with_hooks(step: Callable) -> Callable:
    """A subclass's own `step`, with the hooks around it."""

    @functools.wraps(step)
    def hooked(self, *args, **kwargs):
        if self._in_hooks:
            return step(self, *args, **kwargs)
        self._opt_called = True
        return _run_hooked(self, step, (self, *args), kwargs)

    return hooked


def _run_hooked(optimizer: Optimizer, step: Callable, args: tuple, kwargs: dict):
    before, after = _global_hooks()
    optimizer._in_hooks = True  # a step that calls its base class's step is still one step
    try:
        for hook in (*before.values(), *optimizer._optimizer_step_pre_hooks.values()):
            changed = hook(optimizer, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"a hook before step() must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {changed}."
                    )
                args, kwargs = changed
        result = step(*args, **kwargs)
        for hook in (*optimizer._optimizer_step_post_hooks.values(), *after.values()):
            hook(optimizer, args, kwargs)
        return result
    finally:
        optimizer._in_hooks = False


def _use_grad_for_differentiable(step: Callable) -> Callable:
    """A step in which gradients are recorded if the optimizer is differentiable, and else are not."""

    @functools.wraps(step)
    def chosen(self: Any, *args: Any, **kwargs: Any) -> Any:
        with set_grad_enabled(bool(self.defaults.get("differentiable"))):
            return step(self, *args, **kwargs)

    return chosen


def _get_value(x: Any) -> Any:
    """A number of a tensor of one element, and a number as it is."""
    return x.item() if isinstance(x, Tensor) else x


def _to_scalar(x: Any) -> Any:
    """A tensor of one element as one without dimensions, and a number as it is."""
    return x.squeeze() if isinstance(x, Tensor) and x.ndim else x


def _dispatch_sqrt(x: Any) -> Any:
    """The root of a tensor or a number."""
    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


def _stack_if_compiling(x: Any) -> Any:
    """The list as it is: nothing is compiled."""
    return x


def _default_to_fused_or_foreach(params: Any, differentiable: bool, use_fused: bool = False) -> tuple:
    """Neither, as PyTorch chooses for tensors of the CPU."""
    return False, False


def _get_scalar_dtype(is_fused: Any = None) -> Any:
    """The dtype of counted steps."""
    return tg.float64 if tg.get_default_dtype() == tg.float64 and not is_fused else tg.float32


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """None: those of PyTorch are not here."""
    return []


def _disable_dynamo_if_unsupported(single_tensor_fn: Any = None) -> Callable:
    """A decorator that gives the function itself: nothing is compiled."""
    return lambda function: function


def _view_as_real(params: Any, *state_and_grads: Any) -> None:
    """Does nothing: no tensor is complex."""


def register_optimizer_step_pre_hook(hook: Callable) -> Any:
    """Calls `hook(optimizer, args, kwargs)` before every step of every optimizer."""
    return add_hook(_global_hooks()[0], hook)


def register_optimizer_step_post_hook(hook: Callable) -> Any:
    """Calls `hook(optimizer, args, kwargs)` after every step of every optimizer."""
    return add_hook(_global_hooks()[1], hook)
