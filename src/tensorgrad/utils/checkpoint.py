"""Memory saved for time: parts of a model whose backward first computes their forward again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from tensorgrad.autograd import Function, grad
from tensorgrad.core import Tensor, _core, enable_grad, is_grad_enabled, no_grad
from tensorgrad.func import _mapped
from tensorgrad.random import fork_rng, get_rng_state, set_rng_state

__all__ = [
    "CheckpointError",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_device_states",
]


class CheckpointError(RuntimeError):
    """A checkpointed function uses what it may not, or computed something else in backward than before.

    >>> issubclass(tg.utils.checkpoint.CheckpointError, RuntimeError)
    True
    """


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors off their graphs, requiring gradients as they did, and everything else as it is.

    >>> x, text = tg.utils.checkpoint.detach_variable((tg.ones(1, requires_grad=True) * 2, "as it is"))
    >>> x.is_leaf, x.requires_grad, text
    (True, True, 'as it is')
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"detach_variable takes a tuple, not {type(inputs).__name__}")
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs)


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warns if no tensor requires a gradient.

    >>> tg.utils.checkpoint.check_backward_validity([tg.ones(1, requires_grad=True)])
    """
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        warnings.warn("None of the inputs requires a gradient: there will be none", stacklevel=3)


def noop_context_fn() -> tuple[AbstractContextManager, AbstractContextManager]:
    """Two contexts that do nothing.

    >>> forward, backward = tg.utils.checkpoint.noop_context_fn()
    >>> with forward, backward:
    ...     print("nothing changes")
    nothing changes
    """
    return nullcontext(), nullcontext()


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The devices that the tensors among the arguments are on beside the CPU, and the states of their random
    numbers: none.
    """
    return [], []


def set_device_states(devices: Iterable[int], states: Iterable[Tensor], *, device_type: Any = None) -> None:
    """Does nothing: what `get_device_states` gives is of no device."""


def _tensors(nest: Any) -> list[Tensor]:
    """The tensors of a nest of dicts, lists and tuples, in order."""
    found: list[Tensor] = []
    _mapped(found.append, nest, strict=False)
    return found


def _with(nest: Any, tensors: Iterable[Tensor]) -> Any:
    """A nest with other tensors in the place of its own."""
    each = iter(tensors)
    return _mapped(lambda _: next(each), nest, strict=False)


@contextmanager
def _region() -> Iterator[int]:
    """Inside, the tape's nodes belong together, under the number that comes out."""
    number, before = _core._begin_region()
    try:
        yield number
    finally:
        _core._end_region(before)


@contextmanager
def _without_hooks(leaves: list[Tensor]) -> Iterator[None]:
    """Inside, no hook of these leaves sees a gradient: they are to see it once, when it arrives."""
    held = [(hooks, dict(hooks)) for hooks in map(_core._hooks_on, leaves) if hooks]
    for hooks, _ in held:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, before in held:
            hooks.update(before)


def _looks(outputs: list[Tensor]) -> list[tuple]:
    return [(tuple(o.shape), o.dtype) for o in outputs]


class _Run:
    """One call of a checkpointed function, and how to make it again."""

    def __init__(
        self, function: Callable, arguments: tuple, preserve: bool, contexts: tuple, checks: bool
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.inputs = _tensors(arguments)
        self.state = get_rng_state() if preserve else None
        self.low = _core._autocast_dtype()
        self.first, self.again = contexts
        self.checks = checks

    def _call(self, tensors: Iterable[Tensor], context: AbstractContextManager) -> tuple[Any, list[Tensor]]:
        """What the function gives of these tensors, and the tensors in it."""
        args, kwargs = _with(self.arguments, tensors)
        around = _core._set_autocast(self.low)
        try:
            with context:
                result = self.function(*args, **kwargs)
        finally:
            _core._set_autocast(around)
        return result, _tensors(result)

    def forward(self) -> Any:
        """The result, whose history is one node that knows what to compute again and for which leaves."""
        inputs = detach_variable(tuple(self.inputs))
        with _region() as region:
            result, outputs = self._call(inputs, self.first)
        found, outside = _core._sources(outputs, region)
        if outside is not None:
            raise CheckpointError(
                f"checkpoint: the function uses what {outside.name()} gave, which is no argument: give it as "
                "one, so that its gradient is seen"
            )
        leaves = [leaf for leaf in found if not any(leaf is x for x in inputs)]
        self.looks, self.leaves = _looks(outputs), {*map(id, leaves)}
        needed = [o.requires_grad for o in outputs]
        values = [o.detach() for o in outputs]
        if any(needed):
            values = _Checkpoint.apply(self, values, needed, *self.inputs, *leaves)
        return _with(result, values)

    def gradients(self, grads: tuple, inputs: list[Tensor], leaves: list[Tensor]) -> list[Tensor | None]:
        """The gradients of inputs and leaves, after another forward."""
        live = is_grad_enabled()  # the gradients are differentiated again
        with enable_grad():
            fresh = [x.view_as(x) for x in inputs] if live else list(detach_variable(tuple(inputs)))
            with fork_rng(enabled=self.state is not None), _region() as region:
                if self.state is not None:
                    set_rng_state(self.state)
                outputs = self._call(fresh, self.again)[1]
        if self.checks:
            self._check(outputs, fresh, region, live)
        used = [(o, g) for o, g in zip(outputs, grads, strict=True) if g is not None and o.requires_grad]
        wanted = [x for x in (*fresh, *leaves) if x.requires_grad]
        with _without_hooks(leaves):
            found = iter(
                grad([o for o, _ in used], wanted, [g for _, g in used], create_graph=live, allow_unused=True)
            )
        return [next(found) if x.requires_grad else None for x in (*fresh, *leaves)]

    def _check(self, outputs: list[Tensor], fresh: list[Tensor], region: int, live: bool) -> None:
        looks = _looks(outputs)
        if looks != self.looks:
            raise CheckpointError(f"checkpoint: the function gave {self.looks} at first, and then {looks}")
        if live:  # then the graph goes on behind the inputs
            return
        found, outside = _core._sources(outputs, region)
        if outside is not None or not {*self.leaves, *map(id, fresh)}.issuperset(map(id, found)):
            raise CheckpointError("checkpoint: the second time the function used other parameters")


class _Checkpoint(Function):
    @staticmethod
    def forward(ctx: Any, run: Any, values: Any, needed: Any, *sources: Any) -> Any:
        ctx.run = run
        ctx.save_for_backward(*sources)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(value for value, need in zip(values, needed, strict=True) if not need))
        return tuple(values)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        count = len(ctx.run.inputs)
        sources = list(ctx.saved_tensors)
        return None, None, None, *ctx.run.gradients(grads, sources[:count], sources[count:])


def _said(name: str, use_reentrant: bool | None) -> bool:
    if use_reentrant is None:
        warnings.warn(
            f"{name}: say whether use_reentrant is meant. False is the better choice, and without it True is "
            "taken.",
            stacklevel=3,
        )
        return True
    return use_reentrant


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[AbstractContextManager, AbstractContextManager]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """What a function gives, of which only the arguments are kept for backward: that calls it again.

    Arguments and results may be nests of dicts, lists and tuples of tensors. Parameters that the function
    uses get their gradients too; another tensor that has a history must be an argument, else there is a
    CheckpointError. So there is in backward for a second result of another shape, or of other parameters,
    unless `determinism_check` is "none". Random numbers are the same both times, unless
    `preserve_rng_state=False` is among the keywords. `context_fn` gives the contexts for both calls.

    With `use_reentrant` keywords for the function, `context_fn` and `debug` are refused, and there is no
    gradient unless an argument requires one; that is all it means. `debug` and `early_stop` are PyTorch's
    and change nothing.

    >>> x = tg.ones(2, requires_grad=True)
    >>> tg.utils.checkpoint.checkpoint(lambda x: x.exp().exp(), x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([41.1936, 41.1936])
    """
    use_reentrant = _said("checkpoint", use_reentrant)
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError(f"checkpoint: keywords for the function take use_reentrant=False: {[*kwargs]}")
        if context_fn is not noop_context_fn or debug:
            raise ValueError("checkpoint: context_fn and debug take use_reentrant=False")
        check_backward_validity(args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check has to be 'default' or 'none', not {determinism_check!r}")
    dead = use_reentrant and not any(isinstance(x, Tensor) and x.requires_grad for x in args)
    contexts = context_fn()
    if dead or not is_grad_enabled():
        with no_grad(), contexts[0]:
            return function(*args, **kwargs)
    return _Run(function, (args, kwargs), preserve, contexts, determinism_check == "default").forward()


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """What modules or functions give one after the other, in segments, all but the last checkpointed.

    >>> layers = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2), nn.Tanh())
    >>> x = tg.ones(1, 2, requires_grad=True)
    >>> tg.utils.checkpoint.checkpoint_sequential(layers, 2, x, use_reentrant=False).shape
    tensorgrad.Size([1, 2])
    """
    use_reentrant = _said("checkpoint_sequential", use_reentrant)
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"checkpoint_sequential: unexpected keywords {[*kwargs]}")
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(steps) // segments

    def through(some: list) -> Callable:
        def run(x):
            for step in some:
                x = step(x)
            return x

        return run

    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(
            through(steps[start : start + size]), input, use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )  # fmt: skip
    return through(steps[last:])(input)
