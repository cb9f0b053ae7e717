"""Recurrent layers: sequences read step by step, with a state that goes from each step to the next.

A layer in one direction is one op, over rows that are packed: those of step 0, then those of step 1, and so
on; ``sizes`` says how many each step has, which never grows, as sequences end and none begins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tensorgrad.core import _core, is_grad_enabled
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops._tools import is_sequence
from tensorgrad.ops.elementwise.activations import _logistic, relu, sigmoid, tanh
from tensorgrad.ops.layers.dropout import dropout as drop
from tensorgrad.ops.making.creation import full
from tensorgrad.ops.matrices.products import linear
from tensorgrad.ops.shapes import joining, shaping


def _steps(sizes, backwards):
    """Of each step, in the order in which they are taken: its rows, and how many they are."""
    starts = np.cumsum(sizes) - sizes
    steps = [(slice(start, start + size), size) for start, size in zip(starts.tolist(), sizes.tolist())]
    return steps[::-1] if backwards else steps


def _by_gate(rows, gates):
    """Rows in which the gates' units stand one after the other, as (rows, gates, units)."""
    return rows.reshape(len(rows), gates, rows.shape[1] // gates)


def _flat(gates):
    """The opposite of `_by_gate`."""
    return gates.reshape(len(gates), gates.shape[1] * gates.shape[2])


# ---------------------------------------------------------------------------- derivatives of every order


def _unrolled(step, input, weight_ih, bias, states, sizes, reverse):
    """A layer in one direction by other ops, one step after the other."""
    gates = linear(input, weight_ih, bias)
    found = []
    for rows, count in _steps(_core._array_of(sizes), reverse):
        new = step(gates[rows], *(state[:count] for state in states))
        found.append(new[0])
        states = [
            each if count == len(state) else joining.cat([each, state[count:]])
            for each, state in zip(new, states)
        ]
    return joining.cat(found[::-1] if reverse else found), *states


def _again(step, grads, tensors, states, sizes, reverse):
    """The gradients of a layer's tensors in ops that are recorded: those of `_unrolled`, whose ``step`` takes
    the tensors behind the first three.
    """
    given = [t is not None and t.requires_grad for t in (*tensors, *states)]
    fresh = [t if t is None else shaping.view_as(t, t) for t in (*tensors, *states)]
    input, weight_ih, bias, *others = fresh[: len(tensors)]
    found = _unrolled(
        partial(step, *others), input, weight_ih, bias, fresh[len(tensors) :], sizes, reverse
    )
    wanted = [t for t, is_wanted in zip(fresh, given) if is_wanted]
    results = iter(_core._backward(found, grads, True, True, wanted, True, True))
    return [next(results) if is_wanted else None for is_wanted in given]


def _of_products(of_gates, of_recurrent, before, input, weight_ih, weight_hh):
    """What gradients of the gates make those of the input and the two weights; ``before``: the states that
    the gates saw.
    """
    return (
        of_gates @ weight_ih if input.requires_grad else None,
        of_gates.mT @ input if weight_ih.requires_grad else None,
        of_recurrent.mT @ before if weight_hh.requires_grad else None,
    )


# ---------------------------------------------------------------------------- long short-term memory


def _lstm_step(weight, projection, gates, hidden, cell):
    i, f, g, o = (gates + hidden @ weight.mT).chunk(4, -1)
    cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)
    hidden = sigmoid(o) * tanh(cell)
    return hidden if projection is None else hidden @ projection.mT, cell


def _lstm_back(
    g_0, g_1, g_2, output_3, output_4, input, weight_ih, weight_hh, hidden, cell, sizes, bias, reverse
):  # fmt: skip
    if is_grad_enabled():
        of_input, of_ih, of_bias, of_hh, _, of_hidden, of_cell = _again(
            _lstm_step, (g_0, g_1, g_2), (input, weight_ih, bias, weight_hh, None), (hidden, cell), sizes,
            reverse,
        )  # fmt: skip
        return of_input, of_ih, of_hh, of_hidden, of_cell, None, of_bias
    of_gates, of_hidden, of_cell = _lstm_backward(
        g_0, g_1, g_2, weight_hh, output_3, output_4, sizes, reverse
    )
    products = _of_products(of_gates, of_gates, output_4[:, 2], input, weight_ih, weight_hh)
    return *products, of_hidden, of_cell, None, None if bias is None else of_gates.sum(0)


@primitive(
    vjp={("input", "weight_ih", "weight_hh", "hidden", "cell", "bias"): _lstm_back},
    nograd=("sizes",),
    at=(),
    grad_name="LstmBackward0",
)
def _lstm(input, weight_ih, weight_hh, hidden, cell, sizes, bias=None, reverse=False):
    """The hidden state after every step; the last hidden state and cell; and for the way back the four gates
    of every step, and tanh of the cell, the cell before and the hidden state before.
    """
    gates = _by_gate(input @ weight_ih.T + (0 if bias is None else bias), 4)
    hidden, cell = hidden.copy(), cell.copy()
    output = np.empty((len(input), hidden.shape[1]), gates.dtype)
    kept = np.empty((len(input), 3, hidden.shape[1]), gates.dtype)
    for rows, count in _steps(sizes, reverse):
        h, c = hidden[:count], cell[:count]
        now = gates[rows]
        now += _by_gate(h @ weight_hh.T, 4)
        now[:, :2], now[:, 3] = _logistic(now[:, :2]), _logistic(now[:, 3])
        now[:, 2] = np.tanh(now[:, 2])
        kept[rows, 1], kept[rows, 2] = c, h
        c[:] = now[:, 1] * c + now[:, 0] * now[:, 2]
        kept[rows, 0] = np.tanh(c)
        output[rows] = h[:] = now[:, 3] * kept[rows, 0]
    return output, hidden, cell, gates, kept


@primitive(nograd=("grad", "of_hidden", "of_cell", "weight", "gates", "kept", "sizes"), at=())
def _lstm_backward(grad, of_hidden, of_cell, weight, gates, kept, sizes, reverse):
    """The gradients of the gates before their curves, of the first hidden state and of the first cell."""
    of_hidden, of_cell = of_hidden.copy(), of_cell.copy()
    found = np.empty_like(gates)
    for rows, count in _steps(sizes, not reverse):
        i, f, g, o = np.moveaxis(gates[rows], 1, 0)
        curved, before, _ = np.moveaxis(kept[rows], 1, 0)
        h = of_hidden[:count] + grad[rows]
        c = of_cell[:count] + h * o * (1 - curved * curved)
        parts = [c * g * i * (1 - i), c * before * f * (1 - f), c * i * (1 - g * g), h * curved * o * (1 - o)]
        found[rows] = np.stack(parts, 1)
        of_cell[:count] = c * f
        of_hidden[:count] = _flat(found[rows]) @ weight
    return _flat(found), of_hidden, of_cell


# ---------------------------------------------------------------------------- gated recurrent units


def _gru_step(weight, bias, gates, hidden):
    r, z, n = gates.chunk(3, -1)
    of_r, of_z, of_n = linear(hidden, weight, bias).chunk(3, -1)
    z = sigmoid(z + of_z)
    new = tanh(n + sigmoid(r + of_r) * of_n)
    return (new + z * (hidden - new),)


def _gru_back(
    g_0, g_1, output_2, output_3, input, weight_ih, weight_hh, hidden, sizes, bias, bias_hh, reverse
):  # fmt: skip
    if is_grad_enabled():
        of_input, of_ih, of_bias, of_hh, of_bias_hh, of_hidden = _again(
            _gru_step, (g_0, g_1), (input, weight_ih, bias, weight_hh, bias_hh), (hidden,), sizes, reverse
        )
        return of_input, of_ih, of_hh, of_hidden, None, of_bias, of_bias_hh
    of_gates, of_recurrent, of_hidden = _gru_backward(g_0, g_1, weight_hh, output_2, output_3, sizes, reverse)
    products = _of_products(of_gates, of_recurrent, output_3[:, 1], input, weight_ih, weight_hh)
    biases = (None if b is None else g.sum(0) for b, g in ((bias, of_gates), (bias_hh, of_recurrent)))
    return *products, of_hidden, None, *biases


@primitive(
    vjp={("input", "weight_ih", "weight_hh", "hidden", "bias", "bias_hh"): _gru_back},
    nograd=("sizes",),
    at=(),
    grad_name="GruBackward0",
)
def _gru(input, weight_ih, weight_hh, hidden, sizes, bias=None, bias_hh=None, reverse=False):
    """The hidden state after every step; the last one; and for the way back the three gates of every step,
    and what the hidden state gives to the third, and the hidden state before.
    """
    gates = _by_gate(input @ weight_ih.T + (0 if bias is None else bias), 3)
    hidden = hidden.copy()
    output = np.empty((len(input), hidden.shape[1]), gates.dtype)
    kept = np.empty((len(input), 2, hidden.shape[1]), gates.dtype)
    for rows, count in _steps(sizes, reverse):
        h = hidden[:count]
        now = gates[rows]
        seen = _by_gate(h @ weight_hh.T + (0 if bias_hh is None else bias_hh), 3)
        now[:, :2] = _logistic(now[:, :2] + seen[:, :2])
        now[:, 2] = np.tanh(now[:, 2] + now[:, 0] * seen[:, 2])
        kept[rows, 0], kept[rows, 1] = seen[:, 2], h
        output[rows] = h[:] = now[:, 2] + now[:, 1] * (h - now[:, 2])
    return output, hidden, gates, kept


@primitive(nograd=("grad", "of_hidden", "weight", "gates", "kept", "sizes"), at=())
def _gru_backward(grad, of_hidden, weight, gates, kept, sizes, reverse):
    """The gradients of the gates before their curves, of what the hidden state gives to them, and of the
    first hidden state.
    """
    of_hidden = of_hidden.copy()
    found, recurrent = np.empty_like(gates), np.empty_like(gates)
    for rows, count in _steps(sizes, not reverse):
        r, z, n = np.moveaxis(gates[rows], 1, 0)
        seen, before = np.moveaxis(kept[rows], 1, 0)
        h = of_hidden[:count] + grad[rows]
        of_n = h * (1 - z) * (1 - n * n)
        parts = [of_n * seen * r * (1 - r), h * (before - n) * z * (1 - z)]
        found[rows] = np.stack([*parts, of_n], 1)
        recurrent[rows] = np.stack([*parts, of_n * r], 1)
        of_hidden[:count] = h * z + _flat(recurrent[rows]) @ weight
    return _flat(found), _flat(recurrent), of_hidden


# ---------------------------------------------------------------------------- one gate


def _rnn_step(weight, curve, gates, hidden):
    return (curve(gates + hidden @ weight.mT),)


def _rnn_back(
    g_0, g_1, output_2, output_3, input, weight_ih, weight_hh, hidden, sizes, bias, reverse, rectified
):  # fmt: skip
    if is_grad_enabled():
        curve = relu if rectified else tanh
        of_input, of_ih, of_bias, of_hh, of_hidden = _again(
            lambda weight, *rest: _rnn_step(weight, curve, *rest),
            (g_0, g_1), (input, weight_ih, bias, weight_hh), (hidden,), sizes, reverse,
        )  # fmt: skip
        return of_input, of_ih, of_hh, of_hidden, None, of_bias
    of_gates, of_hidden = _rnn_backward(g_0, g_1, weight_hh, output_2, sizes, reverse, rectified)
    products = _of_products(of_gates, of_gates, output_3, input, weight_ih, weight_hh)
    return *products, of_hidden, None, None if bias is None else of_gates.sum(0)


@primitive(
    vjp={("input", "weight_ih", "weight_hh", "hidden", "bias"): _rnn_back},
    nograd=("sizes",),
    at=(),
    grad_name="RnnBackward0",
)
def _rnn(input, weight_ih, weight_hh, hidden, sizes, bias=None, reverse=False, rectified=False):
    """The hidden state after every step; the last one; and for the way back the gate and the state before."""
    gates = input @ weight_ih.T + (0 if bias is None else bias)
    hidden = hidden.copy()
    output, kept = np.empty_like(gates), np.empty_like(gates)
    for rows, count in _steps(sizes, reverse):
        h = hidden[:count]
        kept[rows] = h
        gates[rows] += h @ weight_hh.T
        gates[rows] = np.maximum(gates[rows], 0) if rectified else np.tanh(gates[rows])
        output[rows] = h[:] = gates[rows]
    return output, hidden, gates, kept


@primitive(nograd=("grad", "of_hidden", "weight", "gates", "sizes"), at=())
def _rnn_backward(grad, of_hidden, weight, gates, sizes, reverse, rectified):
    """The gradients of the gate before its curve, and of the first hidden state."""
    of_hidden = of_hidden.copy()
    found = np.empty_like(grad)
    for rows, count in _steps(sizes, not reverse):
        h = of_hidden[:count] + grad[rows]
        if rectified:
            found[rows] = np.where(gates[rows] <= 0, h.dtype.type(0), h)
        else:
            found[rows] = h * (1 - gates[rows] * gates[rows])
        of_hidden[:count] = found[rows] @ weight
    return found, of_hidden


# ---------------------------------------------------------------------------- one step, one direction


def _both(bias_ih, bias_hh):
    """The sum of two biases that are given or not."""
    return bias_ih if bias_hh is None else bias_hh if bias_ih is None else bias_ih + bias_hh


def _run_lstm(input, weights, states, sizes, reverse=False):
    weight_ih, weight_hh, bias_ih, bias_hh, projection = weights
    bias = _both(bias_ih, bias_hh)
    if projection is None:
        return _lstm(input, weight_ih, weight_hh, *states, sizes, bias, reverse)[:3]
    step = partial(_lstm_step, weight_hh, projection)
    return _unrolled(step, input, weight_ih, bias, states, sizes, reverse)


def _run_gru(input, weights, states, sizes, reverse=False):
    weight_ih, weight_hh, bias_ih, bias_hh, _ = weights
    return _gru(input, weight_ih, weight_hh, *states, sizes, bias_ih, bias_hh, reverse)[:2]


def _run_rnn(rectified, input, weights, states, sizes, reverse=False):
    weight_ih, weight_hh, bias_ih, bias_hh, _ = weights
    bias = _both(bias_ih, bias_hh)
    return _rnn(input, weight_ih, weight_hh, *states, sizes, bias, reverse, rectified)[:2]


RUNS: dict[str, Callable] = dict(
    lstm=_run_lstm, gru=_run_gru, rnn_tanh=partial(_run_rnn, False), rnn_relu=partial(_run_rnn, True)
)
GATES = dict(lstm=4, gru=3, rnn_tanh=1, rnn_relu=1)


def _same_dtype(name, what, given, input):
    if given.dtype is not input.dtype:
        raise RuntimeError(f"{name}: {what} is {given.dtype.name}, but the input is {input.dtype.name}")


def _check_weights(name, input, weights, units):
    """Raises RuntimeError for weights that do not belong to an input and a number of units."""
    if not input.is_floating_point():
        raise NotImplementedError(f"{name}: not implemented for {input.dtype}; convert with .float()")
    weight_ih, weight_hh, bias_ih, bias_hh, projection = weights
    rows = GATES[name] * units
    state = units if projection is None else projection.shape[0]
    wanted = dict(
        weight_ih=(weight_ih, (rows, input.shape[-1])), weight_hh=(weight_hh, (rows, state)),
        bias_ih=(bias_ih, (rows,)), bias_hh=(bias_hh, (rows,)), weight_hr=(projection, (state, units)),
    )  # fmt: skip
    for what, (given, shape) in wanted.items():
        if given is None:
            continue
        _same_dtype(name, what, given, input)
        if tuple(given.shape) != shape:
            raise RuntimeError(
                f"{name}: {what} should be {list(shape)}, for {units} hidden units and an input of size "
                f"{input.shape[-1]}, but is {list(given.shape)}"
            )


# ---------------------------------------------------------------------------- whole layers


def _table(sizes, rows):
    """The numbers of rows that steps have, as an array; raises RuntimeError where they are none."""
    array = _core._array_of(sizes)
    if array.dtype.kind != "i" or array.ndim != 1:
        raise RuntimeError(
            f"batch_sizes should be a vector of int64, but is {sizes.dtype.name} of {sizes.ndim} dimensions"
        )
    if array.size == 0 or array[-1] < 1 or (np.diff(array) > 0).any() or array.sum() != rows:
        raise RuntimeError(
            f"batch_sizes should be positive, not grow, and add up to the {rows} rows of the data, but are "
            f"{array.tolist()}"
        )
    return array


def _check_states(name, states, layers, batch, data):
    want_tensors(name, **{f"hx[{k}]": state for k, state in enumerate(states)})
    if len(states) != (2 if name == "lstm" else 1):
        raise RuntimeError("lstm expects two hidden states")
    for state in states:
        _same_dtype(name, "hx", state, data)
        if state.ndim != 3 or tuple(state.shape[:2]) != (layers, batch):
            raise RuntimeError(
                f"{name}: hx should be [{layers}, {batch}, units] for {layers} layers and directions, but is "
                f"{list(state.shape)}"
            )


def _weights_of(name, params, has_biases, layers, projected):
    """The five weights of each layer and direction: those that there are not are None."""
    want_tensors(name, **{f"params[{k}]": each for k, each in enumerate(params)})
    each = 2 + 2 * bool(has_biases) + projected
    if len(params) != each * layers:
        raise RuntimeError(
            f"{name}: {layers} layers and directions have {each * layers} params, but got {len(params)}"
        )
    groups = [list(params[k : k + each]) for k in range(0, len(params), each)]
    return [
        (*group[:2], *(group[2:4] if has_biases else (None, None)), group[-1] if projected else None)
        for group in groups
    ]


def _stacked(name, data, sizes, states, params, has_biases, num_layers, dropout, train, bidirectional):
    """All layers over packed rows: the last one's outputs, and the last states of all."""
    directions = 2 if bidirectional else 1
    if not isinstance(dropout, (int, float, np.number)):
        raise TypeError(f"{name}(): argument 'dropout' must be float, not {type(dropout).__name__}")
    _check_states(name, states, num_layers * directions, int(sizes[0]), data)
    units = states[-1].shape[2]
    weights = _weights_of(name, params, has_biases, num_layers * directions, states[0].shape[2] != units)
    last = []
    for layer in range(num_layers):
        found = []
        for k in range(layer * directions, (layer + 1) * directions):
            _check_weights(name, data, weights[k], units)
            ran = RUNS[name](data, weights[k], [state[k] for state in states], sizes, k % directions == 1)
            found.append(ran[0])
            last.append(ran[1:])
        data = found[0] if directions == 1 else joining.cat(found, 1)
        if dropout and train and layer < num_layers - 1:
            data = drop(data, dropout, True)
    if len(last) == 1:
        return data, *(state.unsqueeze(0) for state in last[0])
    return data, *map(joining.stack, map(list, zip(*last)))


def _sequences(name, input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
    """A call of either form: of packed rows the sizes come second, and all behind them one place later."""
    if is_sequence(has_biases):
        sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional = (
            hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first,
        )  # fmt: skip
        want_tensors(name, data=input, batch_sizes=sizes)
        _table(sizes, input.shape[0])
        data = input
    else:
        if input.ndim != 3:
            raise RuntimeError(f"{name}: the input should have 3 dimensions, but has {input.ndim}")
        if batch_first:
            input = input.transpose(0, 1)
        steps, batch, features = input.shape
        if steps == 0:
            raise RuntimeError(f"{name}: Expected sequence length to be larger than 0 in RNN")
        sizes = full((steps,), batch)
        data = shaping.reshape(input, (steps * batch, features))
    states = tuple(hx) if name == "lstm" else (hx,)
    data, *last = _stacked(
        name, data, sizes, states, params, has_biases, num_layers, dropout, train, bidirectional
    )
    if data.ndim == input.ndim:
        return data, *last
    data = shaping.reshape(data, (steps, batch, data.shape[1]))
    return data.transpose(0, 1) if batch_first else data, *last


def _samples(name):
    gates = GATES[name]

    def state(count, batch):
        shape = (count, batch, 3)
        return (normal(*shape), normal(*shape)) if name == "lstm" else normal(*shape)

    def params(*widths):
        rows = gates * 3
        made = ([normal(rows, n), normal(rows, 3), normal(rows), normal(rows)] for n in widths)
        return [each for group in made for each in group]

    return [
        case(normal(3, 2, 2), state(1, 2), params(2), True, 1, 0.0, False, False, False, name="plain"),
        case(normal(2, 3, 2), state(2, 2), params(2, 2), True, 1, 0.0, False, True, True, name="both-ways"),
        case(normal(2, 1, 2), state(2, 1), params(2, 3), True, 2, 0.0, False, False, False, name="layers"),
        case(normal(2, 1, 2), state(1, 1), params(2)[:2], False, 1, 0.0, False, False, False, name="no-bias"),
    ]


def _layer(name, text):
    def call(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
        return _sequences(
            name, input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
        )

    call.__doc__ = text
    return composite(name=name, samples=lambda: _samples(name))(call)


_PARAMS = """

    ``params``: of every layer and direction the weights for its input and for its hidden state, their biases
    if ``has_biases``{more}. Shapes: input (steps, batch, features), or (batch, steps, features) if
    ``batch_first``; hx (layers * directions, batch, units). Of packed sequences the call is
    ``(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)``.
"""

lstm = _layer(
    "lstm",
    r"""Layers of long short-term memory: the outputs of all steps, the last hidden states, the last cells.

    With the gates :math:`i, f, o = \sigma(W x_t + U h + b)` and :math:`g = \tanh(W x_t + U h + b)`, each with
    its own weights, a step makes :math:`c' = f c + i g` and :math:`h' = o \tanh c'` (Hochreiter and
    Schmidhuber, 1997; Gers and others, 2000)."""
    + _PARAMS.format(more=", and the projection if the two states differ in size")
    + """
    >>> x, state, weights = tg.ones(5, 2, 3), tg.zeros(1, 2, 4), [tg.ones(16, 3), tg.ones(16, 4)]
    >>> [t.shape for t in tg.lstm(x, (state, state), weights, False, 1, 0.0, False, False, False)]
    [tensorgrad.Size([5, 2, 4]), tensorgrad.Size([1, 2, 4]), tensorgrad.Size([1, 2, 4])]
    """,
)
gru = _layer(
    "gru",
    r"""Layers of gated recurrent units: the outputs of all steps, and the last hidden states.

    With the gates :math:`r, z = \sigma(W x_t + U h + b)`, each with its own weights, a step makes
    :math:`n = \tanh(W_n x_t + r (U_n h + b_n))` and :math:`h' = (1 - z) n + z h` (Cho and others, 2014)."""
    + _PARAMS.format(more="")
    + """
    >>> x, state, weights = tg.ones(5, 2, 3), tg.zeros(1, 2, 4), [tg.ones(12, 3), tg.ones(12, 4)]
    >>> [t.shape for t in tg.gru(x, state, weights, False, 1, 0.0, False, False, False)]
    [tensorgrad.Size([5, 2, 4]), tensorgrad.Size([1, 2, 4])]
    """,
)
for _name, _curve in (("rnn_tanh", "\\tanh"), ("rnn_relu", "\\max(0, \\cdot)")):
    globals()[_name] = _layer(
        _name,
        f"""Layers that go from step to step by :math:`h' = {_curve}(W x_t + U h + b)`: the outputs of all
    steps, and the last hidden states (Elman, 1990)."""
        + _PARAMS.format(more="")
        + f"""
    >>> x, state, weights = tg.ones(5, 2, 3), tg.zeros(1, 2, 4), [tg.ones(4, 3), tg.ones(4, 4)]
    >>> [t.shape for t in tg.{_name}(x, state, weights, False, 1, 0.0, False, False, False)]
    [tensorgrad.Size([5, 2, 4]), tensorgrad.Size([1, 2, 4])]
    """,
    )


# ---------------------------------------------------------------------------- cells


def _one_step(name, input, hx, w_ih, w_hh, b_ih, b_hh):
    """The states after one step from those in ``hx``."""
    if name == "lstm" and not is_sequence(hx):
        raise TypeError(f"lstm_cell(): argument 'hx' (position 2) must be tuple, not {type(hx).__name__}")
    states = tuple(hx) if name == "lstm" else (hx,)
    biases = dict(b_ih=w_ih if b_ih is None else b_ih, b_hh=w_hh if b_hh is None else b_hh)
    for state in states:
        want_tensors(f"{name}_cell", input=input, hx=state, w_ih=w_ih, w_hh=w_hh, **biases)
    if len(states) != (2 if name == "lstm" else 1):
        raise RuntimeError("lstm_cell expects two hidden states")
    units = w_hh.shape[1]
    for k, state in enumerate(states):
        if input.ndim != 2 or tuple(state.shape) != (input.shape[0], units):
            raise RuntimeError(
                f"{name}_cell: input should be (batch, features) and hx[{k}] (batch, {units}), but they are "
                f"{list(input.shape)} and {list(state.shape)}"
            )
        _same_dtype(f"{name}_cell", f"hx[{k}]", state, input)
    _check_weights(name, input, (w_ih, w_hh, b_ih, b_hh, None), units)
    sizes = full((1,), input.shape[0])
    return RUNS[name](input, (w_ih, w_hh, b_ih, b_hh, None), states, sizes)


def _cell_samples(name):
    gates = GATES[name]
    state = (normal(2, 4), normal(2, 4)) if name == "lstm" else normal(2, 4)
    weights = normal(2, 3), state, normal(gates * 4, 3), normal(gates * 4, 4)
    return [case(*weights, name="plain"), case(*weights, normal(gates * 4), normal(gates * 4), name="bias")]


def _cell(name, text):
    """A cell by the name of its layer: the outputs of one step, without that of all steps."""

    def call(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        _, *states = _one_step(name, input, hx, w_ih, w_hh, b_ih, b_hh)
        return states[0] if len(states) == 1 else tuple(states)

    call.__doc__ = text
    return composite(name=f"{name}_cell", samples=lambda: _cell_samples(name))(call)


lstm_cell = _cell(
    "lstm",
    """One step of `lstm`: the hidden state and the cell after it, from those before it in ``hx``.

    >>> x, state = tg.ones(2, 3), tg.zeros(2, 4)
    >>> [t.shape for t in tg.lstm_cell(x, (state, state), tg.ones(16, 3), tg.ones(16, 4))]
    [tensorgrad.Size([2, 4]), tensorgrad.Size([2, 4])]
    """,
)
for _name, _gates in (("gru", 12), ("rnn_tanh", 4), ("rnn_relu", 4)):
    globals()[f"{_name}_cell"] = _cell(
        _name,
        f"""One step of `{_name}`: the hidden state after it, from the one before it.

    >>> tg.{_name}_cell(tg.ones(2, 3), tg.zeros(2, 4), tg.ones({_gates}, 3), tg.ones({_gates}, 4)).shape
    tensorgrad.Size([2, 4])
    """,
    )
