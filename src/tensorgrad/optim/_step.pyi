"""What `_step.pyx` offers, as type checkers see it."""

from collections.abc import Callable
from typing import Any, ClassVar

class Watched(dict[Any, Any]): ...

class State(Watched):
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class States(Watched):
    def __missing__(self, key: Any) -> State: ...

class Group(Watched): ...

class Stepper:
    slots: ClassVar[tuple[str, ...]]
    kernel: ClassVar[str | None]
    param_groups: list[dict[str, Any]]
    defaults: dict[str, Any]
    state: Any
    _optimizer_step_pre_hooks: dict[int, Any]
    _optimizer_step_post_hooks: dict[int, Any]
    _optimizer_state_dict_pre_hooks: dict[int, Any]
    _optimizer_state_dict_post_hooks: dict[int, Any]
    _optimizer_load_state_dict_pre_hooks: dict[int, Any]
    _optimizer_load_state_dict_post_hooks: dict[int, Any]
    _opt_called: bool
    _in_hooks: bool
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any: ...
    def zero_grad(self, set_to_none: bool = True) -> None: ...

def _global_hooks() -> tuple[dict[int, Any], dict[int, Any]]: ...
