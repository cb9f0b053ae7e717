"""A softmax over many classes of which few are frequent."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence as Listing
from itertools import pairwise
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.container import ModuleList, Sequential
from tensorgrad.nn.modules.linear import Linear
from tensorgrad.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """The logarithms of the probabilities of targets, and their mean as a loss, where classes are numbered by
    how frequent they are (Grave and others, 2017).

    `cutoffs` part the classes: those below the first have a score each, every later part has one score for
    all of it, and a smaller network, of `div_value` times fewer features with every part, for the classes in
    it.

    Shape: input `(N, in_features)` or `(in_features)`, target `(N)` or `()`; of the two results `output` is
    as the target, and `loss` one number.

    >>> layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[4, 10])
    >>> layer(tg.ones(3, 8), tg.tensor([0, 5, 19])).output.shape, layer.log_prob(tg.ones(3, 8)).shape
    (tensorgrad.Size([3]), tensorgrad.Size([3, 20]))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Listing[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs has to have one number or more")
        if any(int(c) != c for c in cutoffs) or any(a >= b for a, b in pairwise([0, *cutoffs, n_classes])):
            raise ValueError(
                f"cutoffs have to be whole numbers that grow, from 1 to n_classes - 1 = {n_classes - 1}, not "
                f"{cutoffs}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        made = dict(device=device, dtype=dtype)
        self.head = Linear(in_features, self.head_size, head_bias, **made)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, False, **made), Linear(hidden, high - low, False, **made)
                )
            )

    def reset_parameters(self) -> None:
        """Draws first values anew."""
        self.head.reset_parameters()
        for tail in self.tail:
            for layer in tail.children():
                layer.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> Any:
        if target_.ndim > 1:
            raise RuntimeError(f"the target has to be (N) or (), not {tuple(target_.shape)}")
        if input_.ndim != target_.ndim + 1 or input_.shape[:-1] != target_.shape:
            raise RuntimeError(
                f"the input has to be a row for each target, of which there are {tuple(target_.shape)}, not "
                f"{tuple(input_.shape)}"
            )
        rows = input_.reshape(-1, input_.shape[-1])
        target = target_.reshape(-1)
        if ((target < 0) | (target >= self.n_classes)).any():
            raise RuntimeError(
                f"targets have to be from 0 to {self.n_classes - 1}, not from {target.min().item()} to "
                f"{target.max().item()}"
            )
        column = target.clamp(max=self.shortlist_size - 1)
        inside = rows.new_zeros(len(rows))  # what the part's own network says
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            chosen = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if chosen.numel():
                column = column.index_fill(0, chosen, self.shortlist_size + i)
                scores = F.log_softmax(self.tail[i](rows[chosen]), 1)
                own = scores.gather(1, (target[chosen] - low).unsqueeze(1)).squeeze(1)
                inside = inside.index_add(0, chosen, own)
        output = inside + F.log_softmax(self.head(rows), 1).gather(1, column.unsqueeze(1)).squeeze(1)
        return _ASMoutput(output.reshape(target_.shape), (-output).mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithms of the probabilities of all classes, `(N, n_classes)` of `(N, in_features)`."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, network in enumerate(self.tail):
            parts.append(F.log_softmax(network(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return tg.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row, `(N)`; the networks are asked for the rows that need them."""
        best = self.head(input).argmax(1)
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        return best.index_copy(0, rows, self.log_prob(input[rows]).argmax(1)) if rows.numel() else best
