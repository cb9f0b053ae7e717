"""Module: a tree of parameters, buffers and other modules, and the function computed with them.

What every call passes (calling, attribute look-up, assignment, zero_grad) is compiled, in `nn/_module.pyx`.
"""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import tensorgrad as tg
from tensorgrad.core import Tensor, no_grad
from tensorgrad.nn import _module as compiled
from tensorgrad.nn.modules._conversion import Converted
from tensorgrad.nn.modules._hooks import (
    Hooked,
    call_with_hooks,
    hooks_of,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    take_state,
)
from tensorgrad.nn.parameter import Parameter, is_lazy

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_EXTRA = "_extra_state"
T = TypeVar("T", bound="Module")


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    __slots__ = ()

    def __repr__(self) -> str:
        return (
            super().__repr__()
            if self.missing_keys or self.unexpected_keys
            else "<All keys matched successfully>"
        )

    __str__ = __repr__


def _kept(module):
    """Copies all parameters and buffers of a module; calling the result puts them back."""
    places = [(place, dict(place)) for m in module.modules() for place in (m._parameters, m._buffers)]
    tensors = {id(t): t for _, entries in places for t in entries.values() if t is not None}
    waiting = [(t, type(t)) for t in tensors.values() if is_lazy(t)]
    values = [(t, t.detach().clone()) for t in tensors.values() if not is_lazy(t)]

    def restore():
        for place, entries in places:
            place.clear()
            place.update(entries)
        for t, cls in waiting:
            t.data = tg.empty(0, dtype=t.dtype)
            t.__class__ = cls
        with no_grad():
            for t, value in values:
                t.copy_(value)

    return restore


class _CallSignature:
    """What `inspect.signature(module)` says: Python can't read that of a compiled call.

    It is left to Python where it can: a class has its `__init__`'s, and an own `__call__` that one's.
    """

    def __get__(self, module, cls):
        if module is None or cls.__call__ is not Module.__call__:
            raise AttributeError("__signature__")
        kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
        return inspect.Signature([inspect.Parameter(*which) for which in zip(("args", "kwargs"), kinds)])


class Module(Converted, Hooked):
    """The base of everything that holds parameters. Subclass it, make the parts in `__init__`, use them
    in `forward`.

    Parameters, buffers and modules assigned to attributes are found by `parameters`, `state_dict`, `to`,
    `train` and the others, in the order of assignment, under the attribute's name.

    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = nn.Linear(2, 1, bias=False)
    ...     def forward(self, x):
    ...         return F.relu(self.inner(x))
    >>> net = Net()
    >>> [name for name, _ in net.named_parameters()], net(tg.ones(3, 2)).shape
    (['inner.weight'], tensorgrad.Size([3, 1]))
    """

    dump_patches = False
    call_super_init = False
    T_destination = dict[str, Any]
    __signature__ = _CallSignature()

    # Raise it when a layer's state changes its form; `_load_from_state_dict` sees the number that was saved.
    _version: int = 1

    # Whether the class leaves it to Module which parameters there are; `compiled.prepare` says so.
    _parameters_listed_plainly = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} "
                    "were given"
                )
        self.__dict__.update(
            training=True, _parameters={}, _buffers={}, _modules={}, _non_persistent_buffers_set=set()
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        compiled.prepare(cls, Module)

    if not TYPE_CHECKING:  # the stub of ModuleBase has them
        __getattr__ = compiled.get_missing
        __setattr__ = compiled.set_attribute
        __delattr__ = compiled.delete_attribute

    def forward(self, *input: Any, **kwargs: Any) -> Any:
        """What the module computes; to be written by every subclass."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # -- registering

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is state but not trained; `persistent=False` keeps it out of `state_dict`."""
        _check_name(self, "buffer", name, "_buffers")
        if not (tensor is None or isinstance(tensor, Tensor)):
            raise TypeError(
                f"cannot assign '{compiled.type_name(tensor)}' object to buffer '{name}' "
                "(tensorgrad Tensor or None required)"
            )
        self._buffers[name] = compiled.announced(self, name, tensor, compiled.on_buffer)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or the place for one (None)."""
        _check_name(self, "parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{compiled.type_name(param)}' object to parameter '{name}' "
                    "(tensorgrad.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. A module's parameters are made, "
                    f"not computed: to have '{name}' depend on another tensor, compute it in forward()."
                )
            param = compiled.announced(self, name, param, compiled.on_parameter)
        self._parameters[name] = param

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule under a name that need not be a Python identifier."""
        if not (module is None or isinstance(module, Module)):
            kind = compiled.type_name(module)
            if callable(module) and hasattr(module, "__name__"):
                kind = f"the function or class {module.__name__!r}"
            advice = "give an instance of one, such as nn.ReLU() for relu"
            if isinstance(module, (list, tuple)):
                advice = "unpack it, as in Sequential(*layers)"
            raise TypeError(f"{kind} is not a Module subclass: {advice}")
        _check_name(self, "module", name, "_modules")
        self._modules[name] = compiled.announced(self, name, module, compiled.on_module)

    # -- finding

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path such as "encoder.0"; the empty path is the module itself."""
        module = self
        for name in target.split(".") if target else ():
            module = _attribute(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts `module` at a dotted path. With `strict` there must be a module already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if (strict or hasattr(parent, name)) and not isinstance(_attribute(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path such as "encoder.0.weight"."""
        path, _, name = target.rpartition(".")
        parameter = _attribute(self.get_submodule(path), name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path such as "norm.running_mean"."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        buffer = _attribute(module, name)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        """`(name, member)` for each member, not None, that `get_members_fn(module)` lists in the tree."""
        seen = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of the tree (`recurse=False`: of this module alone), each once."""
        if recurse and type(self)._parameters_listed_plainly:
            return iter(compiled.all_parameters(self))
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names."""
        return self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of the tree, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def children(self) -> Iterator[Module]:
        """The modules directly below, each once."""
        return (module for _, module in self.named_children())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """The module itself and all modules below, parents first."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """The module itself (under `prefix`) and all modules below with their dotted names."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, f"{prefix}.{name}" if prefix else name, remove_duplicate
                )

    # -- changing the whole tree

    def apply(self: T, fn: Callable[[Module], None]) -> T:
        """Calls `fn` on every module of the tree, children first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Changes nothing: a program is not compiled."""

    def train(self: T, mode: bool = True) -> T:
        """Sets every module of the tree to training (or, with False, evaluation) mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: T) -> T:
        """Sets every module of the tree to evaluation mode: dropout off, statistics fixed."""
        return self.train(False)

    def requires_grad_(self: T, requires_grad: bool = True) -> T:
        """Sets whether the parameters need gradients."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    zero_grad = compiled.zero_grad

    # -- calling, the long way

    def _call_impl(self, *args, **kwargs):
        return compiled.ModuleBase.__call__(self, *args, **kwargs)

    # -- state

    def __getstate__(self):
        return self.__dict__.copy()

    def __setstate__(self, state: Any) -> None:
        take_state(self, state)
        self.__dict__.setdefault("_non_persistent_buffers_set", set())

    def __reduce_ex__(self, protocol):
        # The oldest pickle protocols would ask the compiled base class to copy itself.
        return super().__reduce_ex__(max(protocol, 2))

    def get_extra_state(self) -> Any:
        """More that `state_dict` is to hold; override it together with `set_extra_state`."""
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be called.")

    def set_extra_state(self, state: Any) -> None:
        """Takes what `get_extra_state` gave."""
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Adds this module's own state to `destination`."""
        for name, value in _persistent(self).items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers of the tree by dotted name, sharing memory with the module.

        With `keep_vars` the tensors themselves, else detached.

        >>> list(nn.Sequential(nn.Linear(2, 1)).state_dict())
        ['0.weight', '0.bias']
        """
        if args:
            warnings.warn(
                "state_dict: give destination, prefix and keep_vars by keyword", FutureWarning, stacklevel=2
            )
            given = (*args, *(destination, prefix, keep_vars)[len(args) :])
            destination, prefix, keep_vars = given
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in hooks_of(self, "_state_dict_pre_hooks").values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in hooks_of(self, "_state_dict_hooks").values():
            other = hook(self, destination, prefix, local_metadata)
            destination = destination if other is None else other
        return destination

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """Takes this module's own state out of `state_dict`; what does not fit is added to the three
        lists.
        """
        for hook in hooks_of(self, "_load_state_dict_pre_hooks").values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

        own = _persistent(self)
        for name, value in own.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            new = state_dict[key]
            if not isinstance(new, Tensor):
                error_msgs.append(
                    f'While copying the parameter named "{key}", expected a tensorgrad.Tensor from '
                    f"checkpoint "
                    f"but received {type(new)}"
                )
                continue
            waits = is_lazy(value)
            if not waits and value.ndim == 0 and tuple(new.shape) == (1,):
                new = new[0]
            if not waits and new.shape != value.shape:
                error_msgs.append(
                    f"size mismatch for {key}: copying a param with shape {new.shape} from checkpoint, the "
                    f"shape in current model is {value.shape}."
                )
                continue
            try:
                with tg.no_grad():
                    if local_metadata.get("assign_to_params_buffers", False):
                        if isinstance(value, Parameter):
                            new = new if isinstance(new, Parameter) else Parameter(new, requires_grad=False)
                            new.requires_grad_(value.requires_grad)
                        setattr(self, name, new)
                    else:
                        value.copy_(new)
            except Exception as error:
                error_msgs.append(
                    f'While copying the parameter named "{key}", whose dimensions in the model are '
                    f"{value.shape} "
                    f"and whose dimensions in the checkpoint are {new.shape}, an exception occurred : "
                    f"{error.args}."
                )

        extra = prefix + _EXTRA
        takes_extra = type(self).set_extra_state is not Module.set_extra_state
        if takes_extra and extra in state_dict:
            self.set_extra_state(state_dict[extra])
        elif strict and takes_extra:
            missing_keys.append(extra)
        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or (key == extra and takes_extra):
                    continue
                name, dot, _ = key[len(prefix) :].partition(".")
                if name not in (self._modules if dot else own):
                    unexpected_keys.append(key)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copies a `state_dict` into the module; returns the keys that were missing and those that
        nobody wanted.

        With `strict` such keys are an error; tensors of another shape always are. With `assign` the tensors
        themselves become the module's instead of being copied. After an error the module is as it was.

        >>> layer = nn.Linear(2, 1)
        >>> layer.load_state_dict(nn.Linear(2, 1).state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"Expected state_dict to be dict-like, got {type(state_dict)}. Give what model.state_dict() "
                "or tensorgrad.load(path) returns."
            )
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)
        if metadata is not None:
            state._metadata = metadata

        def load(module, state, prefix):
            local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local_metadata = {**local_metadata, "assign_to_params_buffers": True}
            module._load_from_state_dict(state, prefix, local_metadata, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    path = f"{prefix}{name}."
                    load(child, {key: value for key, value in state.items() if key.startswith(path)}, path)
            keys = _IncompatibleKeys(missing, unexpected)
            for hook in hooks_of(module, "_load_state_dict_post_hooks").values():
                if hook(module, keys) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                        "return new values: change incompatible_keys in place."
                    )

        restore = _kept(self)
        try:
            load(self, state, "")
            if strict:
                for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
                    if keys:
                        names = ", ".join(f'"{key}"' for key in keys)
                        errors.insert(0, f"{what} key(s) in state_dict: {names}. ")
            if errors:
                raise RuntimeError(
                    f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors)
                )
        except BaseException:
            restore()
            raise
        return _IncompatibleKeys(missing, unexpected)

    # -- looks

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self) -> str:
        """What `repr` says of the settings; override it in a layer."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(lines) <= 1 and not children:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"

    def __dir__(self):
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted({name for name in names if not name[:1].isdigit()})


compiled.prepare(Module, Module)
compiled.set_call_with_hooks(call_with_hooks)


def _check_name(module, what, name, place):
    if place not in module.__dict__:
        raise AttributeError(f"cannot assign {what} before Module.__init__() call")
    if not isinstance(name, str):
        raise TypeError(f"{what} name should be a string. Got {compiled.type_name(name)}")
    if "." in name:
        raise KeyError(f'{what} name can\'t contain ".", got: {name}')
    if name == "":
        raise KeyError(f'{what} name can\'t be empty string ""')
    if name not in module.__dict__[place] and hasattr(module, name):
        raise KeyError(f"attribute '{name}' already exists")


def _persistent(module):
    """The parameters and buffers that `state_dict` holds, by name."""
    left_out = module._non_persistent_buffers_set
    state = dict(module._parameters)
    state.update((name, buffer) for name, buffer in module._buffers.items() if name not in left_out)
    return {name: value for name, value in state.items() if value is not None}


def _attribute(module, name):
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    return getattr(module, name)


def _addindent(text, spaces):
    first, *rest = text.split("\n")
    return "\n".join([first] + [" " * spaces + line if line.strip() else "" for line in rest])
