"""LSTM, GRU and RNN: an op here is a node for each layer, with the gates in ONNX's order."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Tensor

from .graph import Graph, writes

# Of ONNX's gates, in its order, the place among ours: input, output, forget, cell; update, reset, new.
ORDER = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN": [0]}


@writes("lstm")
def lstm(g: Graph, **named: Any) -> Any:
    return layers(g, "LSTM", named)


@writes("gru")
def gru(g: Graph, **named: Any) -> Any:
    return layers(g, "GRU", named, linear_before_reset=1)


@writes("rnn_tanh")
def rnn_tanh(g: Graph, **named: Any) -> Any:
    return layers(g, "RNN", named, activation="Tanh")


@writes("rnn_relu")
def rnn_relu(g: Graph, **named: Any) -> Any:
    return layers(g, "RNN", named, activation="Relu")


def layers(g: Graph, kind: str, named: dict[str, Any], activation: str | None = None, **settings: Any) -> Any:
    """The outputs: of all steps, and the last states of every layer and direction."""
    if not isinstance(named.get("batch_first"), bool) or not isinstance(named["params"], (tuple, list)):
        g.refuse("reads packed sequences, which are not written")
    if named["dropout"] and named["train"] and named["num_layers"] > 1:
        g.refuse("draws random numbers; export in eval mode")
    input, batch_first, biased = named["input"], named["batch_first"], named["has_biases"]
    states = named["hx"] if kind == "LSTM" else (named["hx"],)
    ways = 2 if named["bidirectional"] else 1
    params: list[Tensor] = list(named["params"])
    each = len(params) // (named["num_layers"] * ways)
    if each != (4 if biased else 2):
        g.refuse("has projections, which ONNX has not")
    units = params[1].shape[1]
    alone = input.ndim == 2
    rows = g.name(input)
    if alone:
        rows = g.node("Unsqueeze", rows, [1])
    elif batch_first:
        rows = g.node("Transpose", rows, perm=[1, 0, 2])
    lasts: list[list[str]] = [[] for _ in states]
    for layer in range(named["num_layers"]):
        here = [params[(layer * ways + way) * each : (layer * ways + way + 1) * each] for way in range(ways)]
        weights = [stacked(g, kind, [part[i] for part in here]) for i in (0, 1)]
        bias = None
        if biased:
            bias = g.node("Concat", *(stacked(g, kind, [part[i] for part in here]) for i in (2, 3)), axis=1)
        starts = [start(g, state, layer * ways, ways, alone) for state in states]
        found = g.node(
            kind, rows, *weights, bias, None, *starts, outputs=1 + len(states), hidden_size=units,
            direction="bidirectional" if ways == 2 else "forward",
            activations=None if activation is None else [activation] * ways, **settings,
        )  # fmt: skip
        # (steps, directions, batch, units) to (steps, batch, directions * units)
        rows = g.node("Reshape", g.node("Transpose", found[0], perm=[0, 2, 1, 3]), [0, 0, -1])
        for last, name in zip(lasts, found[1:]):
            last.append(name)
    ends = [last[0] if len(last) == 1 else g.node("Concat", *last, axis=0) for last in lasts]
    if alone:
        return [g.node("Squeeze", name, [1]) for name in (rows, *ends)]
    if batch_first:
        rows = g.node("Transpose", rows, perm=[1, 0, 2])
    return [rows, *ends]


def stacked(g: Graph, kind: str, tensors: list[Tensor]) -> str:
    """Weights or biases of the directions in one, with the gates in ONNX's order."""
    parts = []
    for tensor in tensors:
        name = g.name(tensor)
        if len(ORDER[kind]) > 1:
            units = tensor.shape[0] // len(ORDER[kind])
            rows = np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in ORDER[kind]])
            name = g.node("Gather", name, g.constant(rows), axis=0)
        parts.append(g.node("Unsqueeze", name, [0]))
    return parts[0] if len(parts) == 1 else g.node("Concat", *parts, axis=0)


def start(g: Graph, state: Tensor, first: int, ways: int, alone: bool) -> str | None:
    """The states that a layer begins with; None for zeros, of which there may be as many as the batch has."""
    if is_zero(g, state):
        return None
    name = g.node("Slice", state, [first], [first + ways], [0])
    return g.node("Unsqueeze", name, [1]) if alone else name


# ---------------------------------------------------------------------------- cells


def gates_of(
    g: Graph, count: int, input: Any, weight: Tensor, bias: Tensor | None, zero: bool = False
) -> list[str]:
    """The rows of each gate in a product of a cell, which of zeros is the bias."""
    units = weight.shape[0] // count
    if zero:
        whole = g.constant([0] * weight.shape[0], weight.dtype) if bias is None else g.name(bias)
    else:
        whole = g.node("Gemm", input, weight, bias, transB=1)
    return g.node("Split", whole, [units] * count, outputs=count, axis=-1) if count > 1 else [whole]


def is_zero(g: Graph, state: Tensor) -> bool:
    if g.touches(state):
        return False
    g.settled(state)
    return not state.any()


@writes("lstm_cell")
def lstm_cell(g: Graph, input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Any, b_hh: Any) -> Any:
    if input.ndim != 2:
        return None
    hidden, cell = hx
    of_input = gates_of(g, 4, input, w_ih, b_ih)
    of_state = gates_of(g, 4, hidden, w_hh, b_hh, is_zero(g, hidden))
    sums = [g.node("Add", a, b) for a, b in zip(of_input, of_state)]
    enters, forgets, shows = (g.node("Sigmoid", sums[i]) for i in (0, 1, 3))
    new = g.node("Mul", enters, g.node("Tanh", sums[2]))
    if not is_zero(g, cell):
        new = g.node("Add", g.node("Mul", forgets, cell), new)
    return [g.node("Mul", shows, g.node("Tanh", new)), new]


@writes("gru_cell")
def gru_cell(g: Graph, input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any, b_hh: Any) -> Any:
    if input.ndim != 2:
        return None
    zero = is_zero(g, hx)
    of_input = gates_of(g, 3, input, w_ih, b_ih)
    of_state = gates_of(g, 3, hx, w_hh, b_hh, zero)
    resets, keeps = (g.node("Sigmoid", g.node("Add", of_input[i], of_state[i])) for i in (0, 1))
    new = g.node("Tanh", g.node("Add", of_input[2], g.node("Mul", resets, of_state[2])))
    found = g.node("Mul", g.node("Sub", g.constant(1, input.dtype), keeps), new)
    return found if zero else g.node("Add", found, g.node("Mul", keeps, hx))


@writes("rnn_tanh_cell", "rnn_relu_cell")
def rnn_cell(g: Graph, input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any, b_hh: Any) -> Any:
    if input.ndim != 2:
        return None
    assert g.call is not None
    (a,), (b,) = gates_of(g, 1, input, w_ih, b_ih), gates_of(g, 1, hx, w_hh, b_hh, is_zero(g, hx))
    return g.node("Tanh" if g.call.name == "rnn_tanh_cell" else "Relu", g.node("Add", a, b))
