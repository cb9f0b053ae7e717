"""Modules that learn from their first input how many features it has."""

from __future__ import annotations

from typing import Any, ClassVar

from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(Module):
    """Stands before a class of modules, and lets some of its parameters and buffers wait for their shapes.

    The class makes them as `UninitializedParameter` and `UninitializedBuffer` and says in
    `initialize_parameters`, which gets what the first call gets, how large they are. After that call a module
    is of the class `cls_to_become`, if there is one. Loading a `state_dict` gives them their shapes too.

    >>> layer = nn.LazyLinear(3)
    >>> layer(tg.ones(2, 5)).shape, layer
    (tensorgrad.Size([2, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become: ClassVar[type | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives the parameters and buffers their shapes; to be written by every subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no initialize_parameters")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer waits for its shape."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def _lazy_load_hook(self, state_dict, prefix, *others):
        for name, tensor in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            if is_lazy(tensor) and given is not None and not is_lazy(given):
                tensor.materialize(given.shape)

    def _infer_parameters(self, module, args, kwargs):
        module.initialize_parameters(*args, **kwargs)
        if module.has_uninitialized_params():
            raise RuntimeError(f"{type(module).__name__}.initialize_parameters has left some without a shape")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
