"""A module as a table: its layers, what they give, their parameters, their multiplications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.core import Tensor

__all__ = ["Row", "Summary", "summary"]


# Modules of which a weight multiplies each element.
ELEMENTWISE = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d,
    nn.InstanceNorm3d, nn.LayerNorm, nn.PReLU, nn.RMSNorm,
)  # fmt: skip


@dataclass(eq=False)
class Row:
    """One call of a module; a module that runs twice has two."""

    name: str
    kind: str
    depth: int
    shape: str
    parameters: int             # of the module itself and all within
    trainable: int
    multiply_adds: int | None   # None where no rule says them
    again: bool = False         # it ran before, so that its parameters are counted there


class Summary:
    """What `summary` found: ``rows``, and the totals ``parameters``, ``trainable`` and ``multiply_adds``.

    >>> summary = tg.summary(nn.Linear(2, 1), tg.ones(1, 2))
    >>> summary.parameters, summary.trainable, summary.multiply_adds
    (3, 3, 2)
    """

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.parameters, self.trainable = rows[0].parameters, rows[0].trainable
        self.multiply_adds = rows[0].multiply_adds

    def __str__(self) -> str:
        head = ("layer", "output", "parameters", "multiply-adds")
        table = [head]
        for row in self.rows:
            count = "(as above)" if row.again else f"{row.parameters:,}"
            work = "?" if row.multiply_adds is None else f"{row.multiply_adds:,}"
            title = f"{row.name} ({row.kind})" if row.kind else row.name
            table.append(("  " * row.depth + title, row.shape, count, work))
        wide = [max(len(each[i]) for each in table) for i in range(4)]
        lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}  {d:>{wide[3]}}" for a, b, c, d in table]
        lines.insert(1, "-" * len(lines[0]))
        frozen = self.parameters - self.trainable
        total = f"parameters: {self.parameters:,}" + (f", of which {frozen:,} are frozen" if frozen else "")
        return "\n".join([*lines, lines[1], total])

    __repr__ = __str__


def summary(module: nn.Module, *inputs: Any, **kwargs: Any) -> Summary:
    """A table of the layers that run in ``module(*inputs)``: the shape of what each gives, its parameters,
    and its multiply-adds for these inputs; those of a module are those of its layers.

    Multiply-adds are those with weights: products of activations, as in attention, and elementwise maths are
    not counted. The call records nothing; it runs in eval mode, so that no buffer changes.

    >>> tg.summary(tg.nn.Sequential(tg.nn.Linear(2, 4), tg.nn.Tanh(), tg.nn.Linear(4, 1)), tg.zeros(8, 2))
    layer         output  parameters  multiply-adds
    -----------------------------------------------
    Sequential    [8, 1]          17             96
      0 (Linear)  [8, 4]          12             64
      1 (Tanh)    [8, 4]           0              0
      2 (Linear)  [8, 1]           5             32
    -----------------------------------------------
    parameters: 17
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"summary(): argument 'module' must be a Module, not {type(module).__name__}")
    rows: list[Row] = []
    open_rows: list[Row] = []
    seen: set[int] = set()
    names = {id(each): name.rpartition(".")[2] for name, each in module.named_modules()}
    handles = []

    def enter(each: nn.Module, args: tuple) -> None:
        counts = [(p.numel(), p.requires_grad) for p in each.parameters()]
        name, kind = names[id(each)], type(each).__name__
        row = Row(
            name or kind, kind if name else "", len(open_rows), "", sum(n for n, _ in counts),
            sum(n for n, wanted in counts if wanted), 0, again=id(each) in seen,
        )  # fmt: skip
        seen.add(id(each))
        rows.append(row)
        open_rows.append(row)

    def leave(each: nn.Module, args: tuple, output: Any) -> None:
        row = open_rows.pop()
        row.shape = _shape(output)
        own = multiply_adds(each, args, output)
        within = [r.multiply_adds for r in rows[rows.index(row) + 1 :] if r.depth == row.depth + 1]
        parts = [*within, own]
        row.multiply_adds = None if None in parts else sum(part for part in parts if part is not None)

    modes = [(each, each.training) for each in module.modules()]
    for each in module.modules():
        handles += [each.register_forward_pre_hook(enter), each.register_forward_hook(leave)]
    try:
        module.eval()
        with tg.no_grad():
            module(*inputs, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
        for each, training in modes:
            each.training = training
    return Summary(rows)


def multiply_adds(module: nn.Module, args: tuple, output: Any) -> int | None:
    """Those of a module's own weights: each weight multiplies once for every place where it is put; None
    where it is not known how often that is.
    """
    weights = sum(p.numel() for name, p in module.named_parameters(recurse=False) if "weight" in name)
    if not weights or isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return 0
    if isinstance(module, nn.Linear):
        return output.numel() // module.out_features * weights
    if isinstance(module, nn.Bilinear):
        return output.numel() // module.out_features * weights
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return args[0].numel() // module.in_channels * weights
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return output.numel() // module.out_channels * weights
    if isinstance(module, (nn.RNN, nn.LSTM, nn.GRU)):
        return output[0].data.numel() // output[0].data.shape[-1] * weights
    if isinstance(module, (nn.RNNCell, nn.LSTMCell, nn.GRUCell)):
        return args[0].numel() // args[0].shape[-1] * weights
    if isinstance(module, nn.MultiheadAttention):
        return output[0].numel() // module.embed_dim * (weights + module.out_proj.weight.numel())
    if isinstance(output, Tensor) and isinstance(module, ELEMENTWISE):
        return output.numel()
    return None


def _shape(output: Any) -> str:
    """The shape of a tensor, those of several."""
    if isinstance(output, Tensor):
        return str(list(output.shape))
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return ", ".join(text for text in map(_shape, output) if text)
    return ""
