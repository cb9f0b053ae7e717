"""Function: a differentiable operation of the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tensorgrad.core import Tensor, _core, enable_grad, no_grad

F = TypeVar("F", bound=Callable[..., Any])


class FunctionCtx:
    """What one call of a Function keeps for its backward.

    >>> class Square(tg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, gradient):
    ...         x, = ctx.saved_tensors
    ...         return 2 * x * gradient
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward(); x.grad
    tensor(6.)
    """

    _title: str                 # what errors call the function
    materialize_grads = True
    _running = None             # the node, while its backward runs

    if TYPE_CHECKING:           # it holds whatever forward leaves on it

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for ``backward``, where they are ``ctx.saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor, ...]:
        """The tensors kept by ``save_for_backward``; raises RuntimeError when one was changed since."""
        if getattr(self, "_freed", False):
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after "
                "they have already been freed). Specify retain_graph=True if you need to."
            )
        found = []
        for saved, version, edge, number in getattr(self, "_saved", ()):
            if version is None:
                saved = _core._unpacked(self._unpack, saved)
            elif saved is not None and saved._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: [{list(saved.shape)}], saved by {type(self)._title}, is at version "
                    f"{saved._version}; expected version {version} instead."
                )
            if number is not None:
                own = self._running if _core.is_grad_enabled() else None
                saved = _core._attach(saved, own if edge is None else edge, number)
            found.append(saved)
        return tuple(found)

    saved_variables = saved_tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says which inputs ``forward`` changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says which outputs have no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether outputs that no gradient reached get zeros (True) or None in ``backward``."""
        self.materialize_grads = value


class Function:
    """Base class for an operation with a gradient of your own: static ``forward(ctx, ...)`` and
    ``backward(ctx, *grads)``.

    >>> class Double(tg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = tg.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward(); x.grad
    tensor([2., 2.])
    """

    generate_vmap_rule = False

    _context: type[_Context]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you "
            f"should invoke them on the class itself: call {type(self).__name__}.apply(...)",
            DeprecationWarning,
            stacklevel=2,
        )

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._context = type(
            cls.__name__ + "Backward", (_Context,), {"_function": cls, "_title": cls.__name__ + "Backward"}
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs; with ``setup_context`` defined it takes no ctx."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Fills ctx after a forward that takes none."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, /, *grad_outputs: Any, **kwargs: Any) -> Any:
        """Computes one gradient for every argument of ``forward``, None where there is none."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Calls the function and puts it on the tape."""
        ctx: Any = cls._context()
        tensors = [a for a in args if isinstance(a, Tensor)]
        recorded = _core.is_grad_enabled() and any(t.requires_grad for t in tensors)
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx._count = len(args)
        if recorded:
            _ = [t.grad_fn for t in tensors]  # raises for a view that is behind its base, before all else
        with no_grad():
            if cls.setup_context is not Function.setup_context:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args, **kwargs)
        single = not isinstance(result, tuple)
        outputs = [result] if single else list(result)
        dirty, constant = getattr(ctx, "_dirty", ()), getattr(ctx, "_constant", ())
        if not all(_among(t, outputs) for t in dirty):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. The "
                "inputs that are modified inplace must all be outputs of the Function."
            )
        for t in dirty:
            _core._bump_version(t)
        shared = [
            recorded and isinstance(o, Tensor) and o.is_floating_point() and not _among(o, constant)
            for o in outputs
        ]
        written = [_among(o, dirty) for o in outputs]
        for i, out in enumerate(outputs):
            if isinstance(out, Tensor):
                outputs[i] = _returned(out, _among(out, tensors), written[i], shared[i])
        if any(shared):
            _record(ctx, args, outputs, shared, written)
        return outputs[0] if single else tuple(outputs)


def _among(value: Any, tensors: Any) -> bool:
    return any(value is t for t in tensors)


def _returned(out: Tensor, is_input: bool, is_dirty: bool, is_shared: bool) -> Tensor:
    """What the caller gets for an output: an input that was not written comes back as a view of itself, so
    that it can have a history of its own; one that gets none comes back off its graph.
    """
    if is_input and not is_shared and out.requires_grad:
        return out.detach()
    if is_dirty and is_input:
        return out
    if is_input:
        with no_grad():
            out = out.view_as(out)
    _core._function_view(out)
    return out


def _record(ctx: Any, args: tuple, outputs: list, shared: list[bool], written: list[bool]) -> None:
    for out, is_shared, is_dirty in zip(outputs, shared, written):
        if is_shared and is_dirty:
            _core._enter_inplace(out)
            if out._is_view() and len(outputs) > 1:
                raise RuntimeError(
                    "If your Function modifies inplace an input that is a view of another Tensor, your "
                    "Function cannot return more than one Tensor. Make the input no view (clone() it), or "
                    "split the Function: one writes and returns a single Tensor, one does the rest."
                )
    _core._make_function_node(ctx, args, outputs, shared, written)
    pack, ctx._unpack = _core._saved_hooks() or (None, None)
    saved: list[_Saved] = []
    for t in getattr(ctx, "_to_save", ()):
        number = next((n for n, o in enumerate(outputs) if o is t and shared[n]), None)
        if t is None:
            saved.append((None, 0, None, None))
        elif pack is not None:
            saved.append(_packed(pack, t, number))
        elif number is None:
            saved.append((t, t._version, None, None))
        else:                               # an output, kept without its graph so that there is no cycle
            saved.append((t.detach(), t._version, None, number))
    ctx._saved = tuple(saved)
    ctx._to_save = ()
    ctx._dirty = ()
    ctx._constant = ()


# A saved tensor, or what a hook made of it; its version, or None of the latter; where its history is, if that
# is not its own: at a node (None: the Function's) or a leaf, and the number of its output there.
_Saved = tuple[Any, int | None, Any, int | None]


def _packed(pack: Callable, t: Tensor, output: int | None) -> _Saved:
    edge = None if output is not None or not t.requires_grad else t if t.grad_fn is None else t.grad_fn
    with no_grad():
        value = pack(t.detach())
    return value, None, edge, t.output_nr if edge is not None else output


class _Context(FunctionCtx):
    """The context class of one Function; also what runs its backward."""

    _function: type[Function]
    _count: int             # of the arguments of forward

    def _release(self) -> None:
        """Lets the saved tensors go."""
        if getattr(self, "_saved", ()):
            self._saved = ()
            self._freed = True

    def _run_backward(self, node: Any, grads: list) -> list:
        function = self._function
        backward = function.backward if function.backward is not Function.backward else function.vjp
        self._running = node
        try:
            found = backward(self, *grads)
        finally:
            self._running = None
        found = list(found) if isinstance(found, tuple) else [found]
        if len(found) > self._count and all(g is None for g in found[self._count :]):
            found = found[: self._count]
        if len(found) != self._count:
            raise RuntimeError(
                f"function {self._title} returned an incorrect number of gradients (expected {self._count}, "
                f"got {len(found)})"
            )
        for i, g in enumerate(found):
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(
                    f"function {self._title} returned a {type(g).__name__} as gradient {i}, expected a "
                    "Tensor or None"
                )
        return found


def once_differentiable(fn: F) -> F:
    """Marks a ``backward`` that can't be differentiated again: doing so raises RuntimeError.

    >>> tg.autograd.once_differentiable(lambda ctx, g: g).__name__
    '<lambda>'
    """

    @wraps(fn)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        wanted = _core.is_grad_enabled() and any(isinstance(g, Tensor) and g.requires_grad for g in grads)
        with no_grad():
            found = fn(ctx, *grads)
        if not wanted:
            return found
        with enable_grad():
            several = found if isinstance(found, tuple) else (found,)
            marked = tuple(_Refuse.apply(grads[0], g) if isinstance(g, Tensor) else g for g in several)
        return marked if isinstance(found, tuple) else marked[0]

    return cast(F, wrapper)


class _Refuse(Function):
    """A gradient whose own gradient is refused."""

    @staticmethod
    def forward(ctx: Any, through: Tensor, g: Tensor) -> Tensor:
        return g.detach().clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
