"""Automatic differentiation: backward passes, gradients of gradients, your own differentiable functions, and
checks of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorgrad.autograd import functional, graph
from tensorgrad.autograd.function import Function, FunctionCtx, once_differentiable
from tensorgrad.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from tensorgrad.core import Tensor, _core, enable_grad, inference_mode, no_grad, set_grad_enabled
from tensorgrad.core.modes import _Anomaly, trap_nan
from tensorgrad.core.names import missing as _missing
from tensorgrad.core.trap import NonFiniteError

__all__ = [
    "Function", "FunctionCtx", "GradcheckError", "NonFiniteError", "Variable", "backward", "detect_anomaly",
    "enable_grad", "function", "functional", "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode",
    "no_grad", "once_differentiable", "set_detect_anomaly", "set_grad_enabled", "trap_nan",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "profiler":  # which is built on all of this
        from tensorgrad import profiler

        return profiler
    raise _missing("module 'tensorgrad.autograd'", name, globals())


class _OfTensors(type):
    """What makes every tensor an instance of `Variable`."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor)

    def __call__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Tensor:
        if data is None:
            return Tensor().requires_grad_(requires_grad)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)


class Variable(metaclass=_OfTensors):
    """PyTorch's old name for a tensor on the tape: ``data`` as a leaf that shares its memory.

    >>> tg.autograd.Variable(tg.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """


def _several(value: Any) -> tuple:
    if isinstance(value, Tensor):
        return (value,)
    return tuple(value)


def _gradients(given: Any, count: int) -> tuple:
    if given is None:
        return (None,) * count
    given = _several(given)
    if len(given) != count:
        raise RuntimeError(f"got {count} tensors and {len(given)} gradients")
    return given


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Adds the gradients of ``tensors``, each weighted by its ``grad_tensors``, to the ``.grad`` of the
    graph's leaves.

    >>> x = tg.ones(2, requires_grad=True)
    >>> tg.autograd.backward([(x * 2).sum(), (x * 3).sum()]); x.grad
    tensor([5., 5.])
    """
    tensors = _several(tensors)
    given = grad_tensors if grad_tensors is not None else grad_variables
    _core._backward(tensors, _gradients(given, len(tensors)), retain_graph, create_graph, inputs, False)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of the sum of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Raises RuntimeError for an input that the outputs do not depend on, unless ``allow_unused`` (it gets None)
    or ``materialize_grads`` (it gets zeros).

    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> tg.autograd.grad(x ** 2, x)
    (tensor(6.),)
    """
    outputs, inputs = _several(outputs), _several(inputs)
    if allow_unused is False and materialize_grads:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    weights = _gradients(grad_outputs, len(outputs))
    if is_grads_batched:
        rows = [
            grad(
                outputs,
                inputs,
                [None if w is None else w[i] for w in weights],
                True,
                create_graph,
                True,
                allow_unused,
            )
            for i in range(next(w.shape[0] for w in weights if w is not None))
        ]
        import tensorgrad

        columns: Any = zip(*rows, strict=True)
        stacked: Any = [None if column[0] is None else tensorgrad.stack(column) for column in columns]
        return tuple(stacked)
    found = _core._backward(outputs, weights, retain_graph, create_graph, inputs, True)
    if materialize_grads:
        return tuple(
            i.new_zeros(i.shape, requires_grad=create_graph) if g is None else g
            for i, g in zip(inputs, found, strict=True)
        )
    if not allow_unused and any(g is None for g in found):
        unused = [n for n, g in enumerate(found) if g is None]
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph (input "
            f"{unused[0]}). Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


class detect_anomaly(_Anomaly):
    """Inside, every op remembers its forward line, and a backward stops at the first gradient that is NaN and
    names both. With ``check_nan=False`` it goes on, and only errors name the line.

    >>> x = tg.tensor([-1.0], requires_grad=True)
    >>> with tg.autograd.detect_anomaly():
    ...     tg.sqrt(x).backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output. ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.mode, self.check_nan = True, check_nan

    def __enter__(self) -> None:
        self.before = _core._set_modes(anomaly=True, check_nan=self.check_nan)


class set_detect_anomaly(_Anomaly):
    """Switches anomaly detection on or off: at once, and back when left as a context; see `detect_anomaly`.

    >>> with tg.autograd.set_detect_anomaly(True):
    ...     tg.is_anomaly_enabled()
    True
    """
