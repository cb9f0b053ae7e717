"""Looking at and hooking into the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tensorgrad.core import AccumulateGrad, Node, RemovableHandle, Tensor, _core

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
    "get_gradient_edge", "increment_version",
    "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip


class GradientEdge(tuple):
    """A node and the number of its output: where a tensor's gradient arrives.

    >>> edge = tg.autograd.graph.get_gradient_edge(tg.ones(2, requires_grad=True).exp())
    >>> edge.node.name(), edge.output_nr
    ('ExpBackward0', 0)
    """

    node = property(lambda self: self[0])
    output_nr = property(lambda self: self[1])


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of ``tensor`` arrives.

    >>> tg.autograd.graph.get_gradient_edge(tg.ones(1, requires_grad=True) * 2).node.name()
    'MulBackward0'
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(
        (tensor.grad_fn if tensor.grad_fn is not None else AccumulateGrad(tensor), tensor.output_nr)
    )


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Tells the tape that the memory of ``tensor`` was written by other means.

    >>> x = tg.ones(2)
    >>> tg.autograd.graph.increment_version(x); x._version
    1
    """
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        _core._bump_version(t)


class _Handles:
    def __init__(self, handles: list[RemovableHandle]) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Takes the hook off all its tensors."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> _Handles:
    """Calls ``fn`` with the gradients of all ``tensors`` once they are known (mode "all"), or with the first
    of them ("any").

    >>> a, b = (tg.ones(1, requires_grad=True) for _ in range(2))
    >>> handle = tg.autograd.graph.register_multi_grad_hook([a, b], print)
    >>> (a * 2 + b * 3).backward()
    (tensor([2.]), tensor([3.]))
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    wanted = [t for t in tensors if t.requires_grad]
    grads: list[Any] = [None] * len(tensors)
    seen = 0

    def hook_for(i: int) -> Callable:
        def hook(g: Tensor) -> None:
            nonlocal seen
            grads[i] = g
            seen += 1
            if mode == "any":
                if seen == 1:
                    fn(g)
                if seen == len(wanted):
                    seen = 0
            elif seen == len(wanted):
                arrived = tuple(grads)
                grads[:] = [None] * len(tensors)
                seen = 0
                fn(arrived)

        return hook

    return _Handles([t.register_hook(hook_for(i)) for i, t in enumerate(tensors) if t.requires_grad])


class saved_tensors_hooks:
    """A `with` block in which what is kept for backward is what ``pack_hook(tensor)`` gives, until backward
    asks for it and ``unpack_hook(packed)`` gives a tensor of the same shape and dtype.

    ``pack_hook`` is called once for every tensor that an op, or a Function's `save_for_backward`, keeps, with
    recording off. Whether a tensor was written since is not looked at. Blocks nest: the innermost counts.

    Errors: `TypeError` and `RuntimeError` in backward if ``unpack_hook`` gives something else.

    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.autograd.graph.saved_tensors_hooks(lambda t: t.numpy().tolist(), tg.tensor):
    ...     y = x * x
    >>> y.sum().backward(); x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        self.before = _core._set_hooks((self.pack_hook, self.unpack_hook))

    def __exit__(self, *error: Any) -> None:
        _core._set_hooks(self.before)


class save_on_cpu(saved_tensors_hooks):
    """A `with` block in which what is kept for backward is on the CPU, as it is anyway.

    >>> with tg.autograd.graph.save_on_cpu(pin_memory=True):
    ...     y = tg.ones(1, requires_grad=True).exp()
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(Tensor.cpu, Tensor.cpu)


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """A `with` block in which tensors that are kept for backward may be written: a copy of each is kept.

    >>> x = tg.ones(2, requires_grad=True)
    >>> with tg.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x.clone()
    ...     z = (y * y).sum()
    ...     _ = y.zero_()
    ...     z.backward()
    >>> x.grad
    tensor([2., 2.])
    """

    def __init__(self) -> None:
        super().__init__(Tensor.clone, Tensor.detach)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """A `with` block, or a decorator, in which entering `saved_tensors_hooks` is a RuntimeError that says
    ``error_message``.

    >>> with tg.autograd.graph.disable_saved_tensors_hooks("not here"):
    ...     with tg.autograd.graph.save_on_cpu():
    ...         pass
    Traceback (most recent call last):
    RuntimeError: not here
    """
    before = _core._refuse_hooks(error_message)
    try:
        yield
    finally:
        _core._refuse_hooks(before)
