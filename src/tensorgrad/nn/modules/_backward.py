"""Full backward hooks: a module's inputs and outputs pass through an op that does nothing but tell when
gradients arrive.
"""

from __future__ import annotations

import warnings

from tensorgrad.autograd import Function
from tensorgrad.core import Tensor


class _Watch(Function):
    """Its outputs are its inputs; its backward gives the gradients to `react` and passes on what comes
    back.
    """

    @staticmethod
    def forward(ctx, react, *tensors):
        ctx.react = react
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(t for t in tensors if not t.requires_grad))
        return tuple(tensor.detach() for tensor in tensors)

    @staticmethod
    def backward(ctx, *grads):
        return None, *ctx.react(grads)


class BackwardListeners:
    """The full backward hooks and pre-hooks of one call of a module."""

    def __init__(self, module, hooks, pre_hooks):
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs = None
        self.inputs_are_watched = False
        self.input_count = 0

    def wrap_inputs(self, args):
        """The arguments, its tensors watched if one of them needs a gradient."""
        self.input_count = len(args)
        args, self.inputs_are_watched = _watched(args, self._inputs_arrived)
        return args

    def wrap_outputs(self, result):
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
                "Full backward hook is firing when gradients are computed with respect to module "
                "outputs since no "
                "inputs require gradients.",
                stacklevel=2,
            )
            for hook in self.hooks:
                new = hook(self.module, (None,) * self.input_count, grads)
                if new is not None and not (isinstance(new, tuple) and all(grad is None for grad in new)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always "
                        "return None "
                        "or None for all gradients."
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

    def spread(grads):
        everything = [None] * len(values)
        for i, grad in zip(places, grads):
            everything[i] = grad
        everything = react(tuple(everything))
        return tuple(everything[i] for i in places)

    values = list(values)
    for i, tensor in zip(places, _Watch.apply(spread, *(values[i] for i in places))):
        values[i] = tensor
    return tuple(values), True


def _replaced(grads, new, what, name):
    if new is None:
        return grads
    new = (new,) if isinstance(new, Tensor) else tuple(new)
    if len(new) != len(grads):
        raise RuntimeError(
            f"{what} returned an invalid number of {name}, got {len(new)}, but expected {len(grads)}"
        )
    return new
