"""Hooks: functions that are called around a module's forward and backward, of one module or of all.

Those around the backward put an op of their own on the tape, which only tells when gradients arrive.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tensorgrad.autograd import Function
from tensorgrad.core import RemovableHandle, Tensor
from tensorgrad.nn import _module as compiled

# The hooks that each call looks at, by the name of a module's own dict of them.
_everywhere = compiled.everywhere
_always_called: dict[int, bool] = {}
_with_kwargs: dict[int, bool] = {}
_backward_kind: list[bool] = []  # [True] once full backward hooks were registered, [False] after the old kind


def hook_dict(name: Any) -> Any:
    """A module's dict of hooks of one kind; made when first asked for."""

    def get(self):
        return self.__dict__.setdefault("_hooks_by_kind", {}).setdefault(name, OrderedDict())

    def put(self, hooks):
        self.__dict__.setdefault("_hooks_by_kind", {})[name] = hooks

    return property(get, put)


def hooks_of(module: Any, name: Any) -> Any:
    """The hooks of one kind as they are now, by id; nothing is made for asking."""
    return dict(module.__dict__.get("_hooks_by_kind", {}).get(name, ()))


def set_backward_kind(module: Any, full: Any) -> Any:
    if module._is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks on a single Module. "
            "Please use only one of them."
        )
    module._is_full_backward_hook = full


def call_with_hooks(module: Any, args: Any, kwargs: Any) -> Any:
    """A call for which some hook is registered, here or on all modules."""
    after = {**_everywhere["_forward_hooks"], **hooks_of(module, "_forward_hooks")}
    takes_kwargs = {**_with_kwargs, **hooks_of(module, "_forward_hooks_with_kwargs")}
    result = None
    try:
        args, kwargs = _before_forward(module, args, kwargs)
        around = _backward_listeners(module)
        if around is not None:
            args = around.wrap_inputs(args)
        result = compiled.run_forward(module, args, kwargs)
        for number in list(after):
            hook = after.pop(number)
            new = hook(module, args, *((kwargs,) if number in takes_kwargs else ()), result)
            result = result if new is None else new
        if around is not None:
            if not isinstance(result, (Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of "
                    f"Tensors but received {type(result)}",
                    stacklevel=3,
                )
            result = around.wrap_outputs(result)
        _hook_output_node(module, result)
        return result
    except Exception:
        always = {**_always_called, **hooks_of(module, "_forward_hooks_always_called")}
        for number, hook in after.items():
            if number in always:
                try:
                    hook(module, args, *((kwargs,) if number in takes_kwargs else ()), result)
                except Exception as error:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was "
                        f"silenced as another error was raised in forward: {error}",
                        stacklevel=3,
                    )
        raise


def _before_forward(module, args, kwargs):
    takes_kwargs = hooks_of(module, "_forward_pre_hooks_with_kwargs")
    for number, hook in {
        **_everywhere["_forward_pre_hooks"],
        **hooks_of(module, "_forward_pre_hooks"),
    }.items():
        if number in takes_kwargs:
            new = hook(module, args, kwargs)
            if new is not None:
                if not (isinstance(new, tuple) and len(new) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {new}."
                    )
                args, kwargs = new
        else:
            new = hook(module, args)
            if new is not None:
                args = new if isinstance(new, tuple) else (new,)
    return args, kwargs


def _backward_hooks_of_kind(module, full):
    """The backward hooks, those on all modules first, that are of the full or of the old kind."""
    hooks = list(_everywhere["_backward_hooks"].values()) if _backward_kind == [full] else []
    return hooks + (
        list(hooks_of(module, "_backward_hooks").values()) if module._is_full_backward_hook is full else []
    )


def _backward_listeners(module):
    hooks = _backward_hooks_of_kind(module, True)
    before = [
        *_everywhere["_backward_pre_hooks"].values(),
        *hooks_of(module, "_backward_pre_hooks").values(),
    ]
    if not (hooks or before):
        return None
    return _BackwardListeners(module, hooks, before)


def _hook_output_node(module, result):
    hooks = _backward_hooks_of_kind(module, False)
    if not hooks:
        return
    while not isinstance(result, Tensor):
        result = (
            next(v for v in result.values() if isinstance(v, Tensor))
            if isinstance(result, dict)
            else result[0]
        )
    if result.grad_fn is not None:
        for hook in hooks:
            result.grad_fn.register_hook(WithModule(hook, module))


class WithModule:
    """A hook that is given its module first, without keeping the module alive."""

    def __init__(self, hook: Any, module: Any) -> None:
        functools.update_wrapper(self, hook)
        self.hook = hook
        self.module = weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self):
        return {"hook": self.hook, "module": self.module()}

    def __setstate__(self, state: Any) -> None:
        self.__init__(state["hook"], state["module"])  # type: ignore[misc]


# -- on one module ------------------------------------------------------------------------------------


class Hooked(compiled.ModuleBase):
    """What a Module has of hooks: where they are kept, and the methods that register them."""

    _forward_hooks = hook_dict("_forward_hooks")
    _forward_hooks_with_kwargs = hook_dict("_forward_hooks_with_kwargs")
    _forward_hooks_always_called = hook_dict("_forward_hooks_always_called")
    _forward_pre_hooks = hook_dict("_forward_pre_hooks")
    _forward_pre_hooks_with_kwargs = hook_dict("_forward_pre_hooks_with_kwargs")
    _backward_hooks = hook_dict("_backward_hooks")
    _backward_pre_hooks = hook_dict("_backward_pre_hooks")
    _state_dict_hooks = hook_dict("_state_dict_hooks")
    _state_dict_pre_hooks = hook_dict("_state_dict_pre_hooks")
    _load_state_dict_pre_hooks = hook_dict("_load_state_dict_pre_hooks")
    _load_state_dict_post_hooks = hook_dict("_load_state_dict_post_hooks")
    _is_full_backward_hook: bool | None = None

    def _state_for_torch(self) -> dict[str, Any]:
        """What PyTorch's module of this kind has in its state beside ours, for files that it reads: a dict
        for each kind of hook, where ours has one for those that there are.
        """
        hooks: dict[str, Any] = {name: OrderedDict(hooks_of(self, name)) for name in HOOKS}
        return hooks | {"_is_full_backward_hook": self._is_full_backward_hook}

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before each forward; what it returns (a tuple, or one value)
        replaces the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)`, and it returns None or `(args, kwargs)`.
        """
        handle = RemovableHandle(self._forward_pre_hooks, hook, first=prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after each forward; what it returns, if not None, replaces
        the output.

        With `with_kwargs` it is `hook(module, args, kwargs, output)`; with `always_call` it runs after
        an exception too.

        >>> layer = nn.Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output + 1)
        >>> layer(tg.zeros(2))
        tensor([1., 1.])
        """
        handle = RemovableHandle(self._forward_hooks, hook, first=prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_output)` when the gradients of the outputs are known; what it returns
        replaces them.
        """
        return RemovableHandle(self._backward_pre_hooks, hook, first=prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when the gradients of the inputs are known; what
        it returns replaces them.
        """
        set_backward_kind(self, True)
        return RemovableHandle(self._backward_hooks, hook, first=prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """The old kind of backward hook, on the output's own node. Prefer `register_full_backward_hook`."""
        set_backward_kind(self, False)
        return RemovableHandle(self._backward_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, prefix, keep_vars)` before `state_dict` gathers this module's state."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata)` afterwards; it may change the dict in
        place.
        """

        @functools.wraps(hook)
        def in_place(*args):
            if hook(*args) is not None:
                raise RuntimeError("state_dict post-hook must return None")

        return RemovableHandle(self._state_dict_hooks, in_place)

    def _register_state_dict_hook(self, hook):
        """Like `register_state_dict_post_hook`, but the hook may return another dict to go on with."""
        return RemovableHandle(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)` first.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return RemovableHandle(
            self._load_state_dict_pre_hooks, WithModule(hook, self) if with_module else hook
        )

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, incompatible_keys)` when this module has loaded; it may change both lists
        in place.
        """
        return RemovableHandle(self._load_state_dict_post_hooks, hook)


HOOKS = tuple(name for name, value in vars(Hooked).items() if isinstance(value, property))  # the kinds


def take_state(module: Any, state: Any) -> Any:
    """Gives a module its state, ours or that of PyTorch's module."""
    for name, value in state.items():
        if name not in HOOKS:
            module.__dict__[name] = value
        elif value:
            setattr(module, name, value)


# -- on all modules ---------------------------------------------------------------------------------


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, name, buffer)` for each buffer that any module registers; what it returns is
    taken instead.
    """
    return RemovableHandle(compiled.on_buffer, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, name, submodule)` for each submodule that any module registers; what it
    returns is taken instead.
    """
    return RemovableHandle(compiled.on_module, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, name, parameter)` for each parameter that any module registers; what it
    returns is taken instead.
    """
    return RemovableHandle(compiled.on_parameter, hook)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, args)` before the forward of every module; what it returns replaces the
    arguments.
    """
    return RemovableHandle(_everywhere["_forward_pre_hooks"], hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls `hook(module, args, output)` after the forward of every module; what it returns replaces the
    output.

    With `with_kwargs` it is `hook(module, args, kwargs, output)`; with `always_call` it runs after an
    exception too.
    """
    handle = RemovableHandle(_everywhere["_forward_hooks"], hook)
    if with_kwargs:
        _with_kwargs[handle.id] = True
    if always_call:
        _always_called[handle.id] = True
    return handle


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """The old kind of backward hook, on every module. Prefer `register_module_full_backward_hook`."""
    return _register_backward_everywhere(hook, False)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, grad_output)` before the backward of every module; what it returns replaces
    `grad_output`.
    """
    return RemovableHandle(_everywhere["_backward_pre_hooks"], hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, grad_input, grad_output)` after the backward of every module; what it returns
    replaces `grad_input`.
    """
    return _register_backward_everywhere(hook, True)


def _register_backward_everywhere(hook, full):
    if _backward_kind and _backward_kind != [full]:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    _backward_kind[:] = [full]
    return RemovableHandle(_everywhere["_backward_hooks"], hook)


# -- the backward -----------------------------------------------------------------------------------


class _Watch(Function):
    """Its outputs are its inputs; its backward gives the gradients to `react` and passes on what comes
    back.
    """

    @staticmethod
    def forward(ctx: Any, react: Any, *tensors: Any) -> Any:
        ctx.react = react
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(t for t in tensors if not t.requires_grad))
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.react(grads)


class _BackwardListeners:
    """The full backward hooks and pre-hooks of one call of a module."""

    def __init__(self, module: Any, hooks: Any, pre_hooks: Any) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs = None
        self.inputs_are_watched = False
        self.input_count = 0

    def wrap_inputs(self, args: Any) -> Any:
        """The arguments, its tensors watched if one of them needs a gradient."""
        self.input_count = len(args)
        args, self.inputs_are_watched = _watched(args, self._inputs_arrived)
        return args

    def wrap_outputs(self, result: Any) -> Any:
        """The outputs, watched."""
        outputs, _ = _watched(result if isinstance(result, tuple) else (result,), self._outputs_arrived)
        if not isinstance(result, tuple):
            return outputs[0]
        return type(result)(*outputs) if hasattr(result, "_fields") else outputs

    def _outputs_arrived(self, grads):
        for hook in self.pre_hooks:
            grads = _replaced(grads, hook(self.module, grads), "Backward pre hook", "grad_output")
        self.grad_outputs = grads
        if not self.inputs_are_watched and self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs "
                "since no inputs require gradients.",
                stacklevel=2,
            )
            for hook in self.hooks:
                new = hook(self.module, (None,) * self.input_count, grads)
                if new is not None and not (isinstance(new, tuple) and all(grad is None for grad in new)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return "
                        "None or None for all gradients."
                    )
            self.grad_outputs = None
        return grads

    def _inputs_arrived(self, grads):
        if self.grad_outputs is None:  # the gradient came round the outputs, as in a second derivative
            return grads
        for hook in self.hooks:
            grads = _replaced(
                grads, hook(self.module, grads, self.grad_outputs), "Backward hook", "grad_input"
            )
        self.grad_outputs = None
        return grads


def _watched(values, react):
    """`values` with all tensors passed through `_Watch`, and whether that was done: none may need a
    gradient.
    """
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not any(values[i].requires_grad for i in places):
        return values, False

    count, watched = len(values), list(values)

    def spread(grads):  # on the tape: what it sees must not hold the outputs
        everything = [None] * count
        for i, grad in zip(places, grads):
            everything[i] = grad
        everything = react(tuple(everything))
        return tuple(everything[i] for i in places)

    for i, tensor in zip(places, _Watch.apply(spread, *(values[i] for i in places))):
        watched[i] = tensor
    return tuple(watched), True


def _replaced(grads, new, what, name):
    if new is None:
        return grads
    new = (new,) if isinstance(new, Tensor) else tuple(new)
    if len(new) != len(grads):
        raise RuntimeError(
            f"{what} returned an invalid number of {name}, got {len(new)}, but expected {len(grads)}"
        )
    return new
