"""Tensors of a module that are computed from others, which are trained in their place."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tensorgrad.core import Tensor, no_grad
from tensorgrad.nn.modules.container import ModuleDict, ModuleList
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cached: dict[tuple[int, str], Tensor] = {}
_inside = 0  # how many `cached()` are open


@contextmanager
def cached() -> Iterator[None]:
    """Inside, a parametrized tensor is computed once, when it is first looked at, and kept until the end.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    >>> with nn.utils.parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    global _inside
    _inside += 1
    try:
        yield
    finally:
        _inside -= 1
        if not _inside:
            _cached.clear()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_same(found: Any, wanted: Tensor, what: str) -> None:
    """Raises ValueError unless a parametrization gave what may stand for the tensor."""
    if not isinstance(found, Tensor):
        raise ValueError(f"{what} has to be a tensor, not {type(found).__name__}")
    for name in ("dtype", "shape"):
        if getattr(found, name) != getattr(wanted, name):
            raise ValueError(
                f"{what} has the {name} {getattr(found, name)}, and the tensor that it is for has "
                f"{getattr(wanted, name)}: that takes unsafe=True"
            )


def _undone(modules: Sequence[Module], value: Any) -> Any:
    """What modules make `value` of, by their `right_inverse` where they have one that answers."""
    with no_grad():
        for module in reversed(modules):
            if hasattr(module, "right_inverse"):
                try:
                    value = module.right_inverse(value)
                except NotImplementedError:  # then it stays as it is
                    pass
    return value


class ParametrizationList(ModuleList):
    """The modules through which a tensor is computed, one after the other, and the tensors it is computed
    from: `original`, or `original0`, `original1`, … where the first module takes several.

    Calling it computes the tensor. Made by `register_parametrization`.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    >>> [name for name, _ in layer.parametrizations.weight.named_parameters()]
    ['original0', 'original1']
    """

    original: Tensor

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList takes one module or more, not none")
        super().__init__(modules)
        self.unsafe = unsafe
        new = _undone(list(self), original)
        self.is_tensor = isinstance(new, Tensor)
        if not isinstance(new, Tensor | Sequence):
            raise ValueError(
                f"right_inverse has to give a tensor or a sequence of tensors, not {type(new).__name__}"
            )
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        before = original.data
        if isinstance(new, Tensor):
            if new.dtype != original.dtype:
                raise ValueError(
                    f"right_inverse gives {new.dtype} of a tensor that is {original.dtype}: it may change "
                    "the dtype only where it gives several tensors"
                )
            original.data = new.data  # the same object: an optimizer may hold it
            _register(self, "original", original)
        else:
            for i, tensor in enumerate(new):
                if not isinstance(tensor, Tensor):
                    raise ValueError(
                        f"right_inverse has to give tensors, and element {i} is {type(tensor).__name__}"
                    )
                if isinstance(original, Parameter):
                    tensor = Parameter(tensor, original.requires_grad)
                _register(self, f"original{i}", tensor.requires_grad_(original.requires_grad))
        if not unsafe:
            try:
                _check_same(self(), before, "What a parametrization gives")
            except BaseException:
                original.data = before
                raise

    def _originals(self):
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Makes the originals such that the tensor becomes `value`: what an assignment to it does."""
        for module in self:
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(
                    f"a value can't be assigned: {type(module).__name__} has no right_inverse"
                )
        new: Any = value
        with no_grad():
            for module in reversed(list(self)):
                new = module.right_inverse(new)
        originals = self._originals()
        values = [new] if self.is_tensor else new
        if not isinstance(values, Sequence) or len(values) != len(originals):
            raise ValueError(f"right_inverse has to give {len(originals)} tensors, not {type(new).__name__}")
        for original, tensor in zip(originals, values, strict=True):
            if not isinstance(tensor, Tensor) or tensor.dtype != original.dtype:
                found = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                raise ValueError(f"right_inverse has to give a tensor of {original.dtype}, not {found}")
        for original, tensor in zip(originals, values, strict=True):
            original.data = tensor.data

    def forward(self) -> Tensor:
        first, *others = self
        x = first(*self._originals())
        for module in others:
            x = module(x)
        return x


def _deepcopy(module, memo):
    """A copy with a class of its own: what is parametrized is said by properties of the class."""
    twin = module.__new__(type(module))
    memo[id(module)] = twin
    twin.__dict__ = copy.deepcopy(module.__dict__, memo)
    twin.__class__ = _parametrized(type_before_parametrizations(module), twin.parametrizations)
    return twin


def _refuse_state(module):
    raise RuntimeError(
        "a parametrized module can't be pickled, for its class is made while the program runs: save its "
        "state_dict()"
    )


def _parametrized(base: type, names: Any = ()) -> type:
    """A subclass in which the tensors of these names are computed."""
    methods: dict[str, Any] = {"__getstate__": _refuse_state, "__module__": base.__module__}
    if not hasattr(base, "__deepcopy__"):
        methods["__deepcopy__"] = _deepcopy
    return type(f"Parametrized{base.__name__}", (base,), {**methods, **{n: _property(n) for n in names}})


def _property(name: str) -> property:
    def get(self):
        if not _inside:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cached:
            _cached[key] = self.parametrizations[name]()
        return _cached[key]

    def put(self, value):
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Has a module's parameter or buffer computed by `parametrization`, and gives back the module.

    What is trained is `module.parametrizations.<name>.original`, which starts as what
    `parametrization.right_inverse` makes of the tensor, if there is that method, else as the tensor;
    where it gives several tensors, `original0`, `original1` and so on, which an optimizer has to be given.
    A second one on the same tensor is applied after the first. Assigning to the tensor asks
    `right_inverse`. ValueError for what gives another dtype or shape, unless `unsafe`.

    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = nn.Linear(3, 3)
    >>> layer = nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> tg.equal(layer.weight, layer.weight.mT)
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            found = parametrization(before)
            _check_same(found, before, "What a parametrization gives")
            _check_same(_undone([parametrization], found), before, "What right_inverse gives")
        parametrizations = module.parametrizations[tensor_name]
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(f"{type(module).__name__} has no parameter and no buffer {tensor_name!r}")
    parametrizations = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.__class__ = _parametrized(type(module))
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = parametrizations
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module's tensor of that name, or without a name any, is computed by a parametrization.

    >>> nn.utils.parametrize.is_parametrized(nn.Linear(2, 2))
    False
    """
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes a tensor a plain one again, and gives back the module: with the values that it has, or with
    `leave_parametrized=False` with those of the original, of which there must be one.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> type(nn.utils.parametrize.remove_parametrizations(layer, "weight"))
    <class 'tensorgrad.nn.modules.linear.Linear'>
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{tensor_name!r} of {type(module).__name__} is not parametrized")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                original.data = getattr(module, tensor_name).data
    elif leave_parametrized:
        original = getattr(module, tensor_name)
        original = Parameter(original.detach()) if original.requires_grad else original
    else:
        raise ValueError(
            f"leave_parametrized=False: {tensor_name!r} is computed from {parametrizations.ntensors} "
            "tensors, none of which can stand for it"
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had before a tensor of it was parametrized.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> type(layer).__name__, nn.utils.parametrize.type_before_parametrizations(layer).__name__
    ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Gives a module the parametrizations of another, or of one of its tensors, with the tensors that they
    compute from, which both have then; gives back `to_module`.

    >>> first = nn.utils.parametrizations.orthogonal(nn.Linear(2, 2))
    >>> second = nn.utils.parametrize.transfer_parametrizations_and_params(first, nn.Linear(2, 2))
    >>> nn.utils.parametrize.is_parametrized(second, "weight")
    True
    """
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        source = from_module.parametrizations[name]
        for parametrization in source:
            register_parametrization(to_module, name, parametrization, unsafe=source.unsafe)
        for original, _ in source.named_parameters(recurse=False):
            setattr(to_module.parametrizations[name], original, getattr(source, original))
        for original, _ in source.named_buffers(recurse=False):
            setattr(to_module.parametrizations[name], original, getattr(source, original))
    return to_module
