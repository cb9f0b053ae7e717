"""Holding gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor, _core, enable_grad, no_grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient that differs from what finite differences say; the text names the input, the element, the op
    and by how much.

    >>> issubclass(tg.autograd.GradcheckError, RuntimeError)
    True
    """


def _outputs(func: Callable, inputs: Sequence[Any]) -> list[Tensor]:
    found = func(*inputs)
    return [
        o
        for o in (found if isinstance(found, (tuple, list)) else (found,))
        if isinstance(o, Tensor) and o.is_floating_point()
    ]


def _checked(inputs: Any, who: str) -> tuple[tuple[Any, ...], list[int]]:
    """The inputs, and which of them need a gradient."""
    several = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    wanted = [i for i, each in enumerate(several) if isinstance(each, Tensor) and each.requires_grad]
    if not wanted:
        raise ValueError(
            f"{who} expects at least one input tensor to require gradient, but none of them has "
            "requires_grad=True."
        )
    for i in wanted:
        if several[i].dtype is not tg.float64:
            raise GradcheckError(
                f"{who} needs double precision: input {i} is {several[i].dtype}. A finite difference of step "
                "1e-6 keeps about 10 digits of float64 but none of float32, so a right gradient would look "
                "wrong. Use x.double(), and model.double() for a module."
            )
        strides, shape = several[i].stride(), several[i].shape
        if any(s == 0 and n > 1 for s, n in zip(strides, shape, strict=True)):
            raise RuntimeError(
                f"input {i} is expanded: its elements share memory, so they can't be changed one by one. "
                "clone() it first."
            )
    return several, wanted


def _numerical(func: Callable, inputs: tuple[Any, ...], which: int, eps: float) -> list[np.ndarray]:
    """For each output the matrix (elements of input ``which``, elements of the output) by central
    differences.
    """
    values = _core._array_of(inputs[which])
    columns: list[list[np.ndarray]] = []
    with no_grad():
        for index in np.ndindex(values.shape):
            kept = values[index]
            values[index] = kept + eps
            up = [o.detach().numpy().copy() for o in _outputs(func, inputs)]
            values[index] = kept - eps
            down = [o.detach().numpy().copy() for o in _outputs(func, inputs)]
            values[index] = kept
            columns.append([((u - d) / (2 * eps)).reshape(-1) for u, d in zip(up, down, strict=True)])
    count = len(columns[0]) if columns else len(_outputs(func, inputs))
    return [np.stack([row[k] for row in columns]) if columns else np.zeros((0, 0)) for k in range(count)]


def _analytical(output: Tensor, x: Tensor) -> np.ndarray:
    """The same matrix by one backward pass per element of the output."""
    matrix = np.zeros((x.numel(), output.numel()))
    for k in range(output.numel()):
        weight = np.zeros(output.numel())
        weight[k] = 1
        (g,) = tg.autograd.grad(
            output, x, tg.tensor(weight.reshape(tuple(output.shape))), retain_graph=True, allow_unused=True
        )
        if g is not None:
            if g.shape != x.shape:
                raise GradcheckError(f"the gradient has the shape {list(g.shape)}, the input {list(x.shape)}")
            matrix[:, k] = g.detach().numpy().reshape(-1)
    return matrix


def _compare(
    found: np.ndarray,
    expected: np.ndarray,
    atol: float,
    rtol: float,
    x: Tensor,
    output: Tensor,
    i: int,
    k: int,
) -> str | None:
    """None, or what is wrong."""
    if found.shape != expected.shape:
        expected = expected.reshape(found.shape)
    wrong = ~np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return None
    error = np.where(wrong, np.abs(found - expected), -1)
    row, column = np.unravel_index(np.nanargmax(error), error.shape)
    at = tuple(int(n) for n in np.unravel_index(row, tuple(x.shape))) if x.ndim else ()
    to = tuple(int(n) for n in np.unravel_index(column, tuple(output.shape))) if output.ndim else ()
    op = output.grad_fn.name() if output.grad_fn is not None else "no op"
    return (
        f"Jacobian mismatch for output {k} with respect to input {i}: the derivative of output{list(to)} by "
        f"input{list(at)} is {found[row, column]:.10g} by backward and {expected[row, column]:.10g} by "
        f"finite differences, a difference of {abs(found[row, column] - expected[row, column]):.3g}. The "
        f"output was made by {op}; {int(wrong.sum())} of {wrong.size} derivatives differ."
    )


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """True when the gradients of ``func`` agree with central differences ``(f(x + eps) - f(x - eps)) / (2
    eps)``.

    Raises GradcheckError, which names input, element, op and difference (False with
    ``raise_exception=False``). The inputs must be float64. ``fast_mode`` and the checks of batched and
    forward gradients change nothing.

    >>> x = tg.tensor([1.0, 2.0], dtype=tg.float64, requires_grad=True)
    >>> tg.autograd.gradcheck(tg.sigmoid, x)
    True
    """
    try:
        several, wanted = _checked(inputs, "gradcheck")
        with enable_grad():
            outputs = _outputs(func, several)
        if not any(o.requires_grad for o in outputs):
            numbers = [n for i in wanted for n in _numerical(func, several, i, eps)]
            if any((np.abs(n) > atol).any() for n in numbers):
                raise GradcheckError("no output requires grad, but the numerical gradient is not zero")
            return True
        for i in wanted:
            numerical = _numerical(func, several, i, eps)
            for k, output in enumerate(outputs):
                analytical = (
                    _analytical(output, several[i])
                    if output.requires_grad
                    else np.zeros((several[i].numel(), output.numel()))
                )
                text = _compare(analytical, numerical[k], atol, rtol, several[i], output, i, k)
                if text:
                    raise GradcheckError(text)
                if output.requires_grad:
                    again = _analytical(output, several[i])
                    if np.abs(analytical - again).max(initial=0) > nondet_tol:
                        raise GradcheckError(
                            f"Backward is not reentrant: two passes gave different gradients for output {k}, "
                            f"input {i}"
                        )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
) -> bool:
    """True when the gradients of the gradients of ``func`` agree with central differences of the gradients.

    >>> x = tg.tensor([1.0, 2.0], dtype=tg.float64, requires_grad=True)
    >>> tg.autograd.gradgradcheck(tg.sigmoid, x)
    True
    """
    try:
        several, wanted = _checked(inputs, "gradgradcheck")
    except GradcheckError:
        if raise_exception:
            raise
        return False
    with enable_grad():
        outputs = [o for o in _outputs(func, several) if o.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        weights = tuple(tg.tensor(rng.uniform(0.5, 1.5, tuple(o.shape)), requires_grad=True) for o in outputs)
    else:
        given = grad_outputs if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,)
        weights = tuple(w.detach().requires_grad_() for w in given)
    count = len(several)

    def gradients(*arguments: Any) -> tuple[Tensor, ...]:
        starts = tuple(
            a.detach().requires_grad_() if i in wanted and not a.requires_grad else a
            for i, a in enumerate(arguments[:count])
        )
        with enable_grad():
            made = [o for o in _outputs(func, starts) if o.requires_grad]
            found = tg.autograd.grad(
                made, [starts[i] for i in wanted], arguments[count:], create_graph=True, allow_unused=True
            )
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients, several + weights, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
    )  # fmt: skip
