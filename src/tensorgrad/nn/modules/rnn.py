"""Recurrent layers, over whole sequences and one step at a time."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import TYPE_CHECKING, Any, overload

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn import init
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.parameter import Parameter
from tensorgrad.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_sizes(**sizes: Any) -> None:
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")


def _uniform(module: Module, hidden_size: int) -> None:
    bound = 1 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What recurrent layers have in common: their parameters, and how they are called.

    >>> isinstance(nn.LSTM(3, 4), nn.RNNBase), nn.RNNBase("GRU", 3, 4).hidden_size
    (True, 4)
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout should be the probability of a zero, from 0 to 1, but is {dropout!r}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"dropout={dropout} is for the outputs of all layers but the last, but there is one layer",
                stacklevel=3,
            )
        for name, value in dict(bias=bias, batch_first=batch_first).items():
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        _check_sizes(input_size=input_size, hidden_size=hidden_size)
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size must be positive, or zero for no projection")
        if proj_size >= hidden_size:
            raise ValueError(f"proj_size must be smaller than hidden_size, {hidden_size}, but is {proj_size}")
        if mode not in GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        rows, state = GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            features = state * self._directions if layer else input_size
            shapes: dict[str, Any] = dict(weight_ih=(rows, features), weight_hh=(rows, state))
            if bias:
                shapes.update(bias_ih=(rows,), bias_hh=(rows,))
            if proj_size:
                shapes.update(weight_hr=(proj_size, hidden_size))
            for suffix in ("", "_reverse")[: self._directions]:
                names = {f"{name}_l{layer}{suffix}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, Parameter(tg.empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(list(names))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [weight for weights in self.all_weights for weight in weights]

    def _state_for_torch(self) -> dict[str, Any]:
        names = [name for names in self._all_weights for name in names]
        flat = {"_flat_weights_names": names, "_flat_weights": self._flat_weights}
        return super()._state_for_torch() | flat

    def __setstate__(self, state: Any) -> None:
        told = ("_flat_weights_names", "_flat_weights")
        super().__setstate__({name: value for name, value in state.items() if name not in told})

    def flatten_parameters(self) -> None:
        """Nothing: PyTorch moves parameters into one block for a GPU here."""

    def reset_parameters(self) -> None:
        """Draws first values anew."""
        _uniform(self, self.hidden_size)

    if TYPE_CHECKING:  # of LSTM, the states are a pair

        @overload
        def __call__(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Tensor]: ...

        @overload
        def __call__(self, input: PackedSequence, hx: Any = None) -> tuple[PackedSequence, Tensor]: ...

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raises for an input that does not fit: ValueError for its dtype, RuntimeError for its shape."""
        dtype = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype is not dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}): convert one, by "
                f"input.to({dtype}) or model.to({input.dtype})"
            )
        ndim = 3 if batch_sizes is None else 2
        if input.ndim != ndim:
            raise RuntimeError(f"input must have {ndim} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input.size(-1) must be input_size, {self.input_size}, got {input.shape[-1]}")

    def _batch(self, input, batch_sizes):
        return input.shape[0 if self.batch_first else 1] if batch_sizes is None else int(batch_sizes[0])

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the hidden states for an input."""
        layers = self.num_layers * self._directions
        return layers, self._batch(input, batch_sizes), self.proj_size or self.hidden_size

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raises RuntimeError, which says ``msg``, for hidden states of another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raises where input and states do not fit the layer."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states with their sequences in another order."""
        return hx if permutation is None else self._each(lambda state: state.index_select(1, permutation), hx)

    def _each(self, change, hx):
        """What a change makes of the states, of which an LSTM has two."""
        return change(hx)

    def _zeros(self, input, batch_sizes):
        return tg.zeros(self.get_expected_hidden_size(input, batch_sizes), dtype=input.dtype)

    def _refuse_states(self, hx, ndim):
        """Raises RuntimeError for states of another number of dimensions than the input."""

        def refuse(state):
            if state.ndim != ndim:
                kind = "batched 3-D" if ndim == 3 else "unbatched 2-D"
                raise RuntimeError(f"For {kind} input, hx should also be {ndim}-D, but got {state.ndim}-D")

        self._each(refuse, hx)

    def _run(self, input, hx, *batch_sizes):
        function = getattr(tg, self.mode.lower())
        order = () if batch_sizes else (self.batch_first,)
        output, *states = function(
            input, *batch_sizes, hx, self._flat_weights, self.bias, self.num_layers, self.dropout,
            self.training, self.bidirectional, *order,
        )  # fmt: skip
        return output, states[0] if len(states) == 1 else tuple(states)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        name = type(self).__name__
        if input.ndim not in (2, 3):
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        batched = input.ndim == 3
        place = 0 if self.batch_first else 1
        if hx is not None:
            self._refuse_states(hx, input.ndim)
        if not batched:
            input = input.unsqueeze(place)
        if hx is None:
            hx = self._zeros(input, None)
        elif not batched:
            hx = self._each(lambda state: state.unsqueeze(1), hx)
        self.check_forward_args(input, hx, None)
        output, hx = self._run(input, hx)
        if batched:
            return output, hx
        return output.squeeze(place), self._each(lambda state: state.squeeze(1), hx)

    def _forward_packed(self, packed, hx):
        data, batch_sizes, sorted_indices, unsorted_indices = packed
        hx = self._zeros(data, batch_sizes) if hx is None else self.permute_hidden(hx, sorted_indices)
        self.check_forward_args(data, hx, batch_sizes)
        data, hx = self._run(data, hx, batch_sizes)
        output = PackedSequence(data, batch_sizes, sorted_indices, unsorted_indices)
        return output, self.permute_hidden(hx, unsorted_indices)

    def extra_repr(self) -> str:
        usual = dict(proj_size=0, num_layers=1, bias=True, batch_first=False, dropout=0, bidirectional=False)
        have = {name: getattr(self, name) for name in usual}
        said = [f"{name}={value}" for name, value in have.items() if value != usual[name]]
        return ", ".join([str(self.input_size), str(self.hidden_size), *said])


def _without_projection(kwargs):
    if "proj_size" in kwargs:
        raise ValueError("proj_size is only supported by LSTM")


class RNN(RNNBase):
    r"""Layers that go from step to step by :math:`h' = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h + b_{hh})`, or by
    :math:`\max(0, \cdot)` if `nonlinearity` is "relu" (Elman, 1990).

    Args:
        input_size: features of a step.
        hidden_size: features of the state.
        num_layers: layers, each of which reads the outputs of the one before it.
        nonlinearity: "tanh" or "relu".
        bias: whether there are offsets.
        batch_first: whether batches come before steps in input and output.
        dropout: the chance with which outputs between layers become 0 in training.
        bidirectional: whether a second state goes from the end to the beginning; outputs stand side by side.

    All parameters start evenly distributed in :math:`\pm 1/\sqrt{\text{hidden\_size}}`.

    Shape: input `(steps, batch, input_size)`, or `(steps, input_size)`, or a `PackedSequence`; state
    `(layers * directions, batch, hidden_size)`, zeros if not given. Gives the outputs of the last layer,
    `(steps, batch, directions * hidden_size)`, and the last states.

    >>> output, state = nn.RNN(10, 20, 2)(tg.ones(5, 3, 10))
    >>> output.shape, state.shape
    (tensorgrad.Size([5, 3, 20]), tensorgrad.Size([2, 3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *args: Any, **kwargs: Any
    ) -> None:
        _without_projection(kwargs)
        if args:
            kwargs["nonlinearity"], *args = args
        curve = kwargs.pop("nonlinearity", "tanh")
        if curve not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity {curve!r}: there are 'tanh' and 'relu'")
        super().__init__(f"RNN_{curve.upper()}", input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = curve


class LSTM(RNNBase):
    r"""Layers of long short-term memory. With the gates :math:`i, f, o = \sigma(W_{ih} x_t + b_{ih} + W_{hh}
    h + b_{hh})` and :math:`g = \tanh(\ldots)`, each with its own weights, a step makes :math:`c' = f c + i g`
    and :math:`h' = o \tanh c'` (Hochreiter and Schmidhuber, 1997; Gers and others, 2000).

    The options are those of `RNN`, and `proj_size`: where it is not 0, the hidden state is a projection
    :math:`W_{hr} h'` of so many features (Sak and others, 2014). The state is a pair `(h, c)`.

    >>> output, (h, c) = nn.LSTM(10, 20, 2)(tg.ones(5, 3, 10))
    >>> output.shape, h.shape, c.shape
    (tensorgrad.Size([5, 3, 20]), tensorgrad.Size([2, 3, 20]), tensorgrad.Size([2, 3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device, dtype,
        )  # fmt: skip

    if TYPE_CHECKING:

        @overload  # type: ignore[override]
        def __call__(self, input: Tensor, hx: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...

        @overload
        def __call__(
            self, input: PackedSequence, hx: Any = None
        ) -> tuple[PackedSequence, tuple[Tensor, Tensor]]: ...

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the cells for an input."""
        return *self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        for k, size in enumerate((self.get_expected_hidden_size, self.get_expected_cell_size)):
            wanted = size(input, batch_sizes)
            self.check_hidden_size(hidden[k], wanted, f"Expected hidden[{k}] size {{}}, got {{}}")

    def _each(self, change, hx):
        return tuple(change(state) for state in hx)

    def _zeros(self, input, batch_sizes):
        sizes = self.get_expected_hidden_size, self.get_expected_cell_size
        return tuple(tg.zeros(size(input, batch_sizes), dtype=input.dtype) for size in sizes)


class GRU(RNNBase):
    r"""Layers of gated recurrent units. With the gates :math:`r, z = \sigma(W_{ih} x_t + b_{ih} + W_{hh} h +
    b_{hh})`, each with its own weights, a step makes :math:`n = \tanh(W_{in} x_t + b_{in} + r (W_{hn} h +
    b_{hn}))` and :math:`h' = (1 - z) n + z h` (Cho and others, 2014, with `r` behind the product).

    The options are those of `RNN`.

    >>> output, state = nn.GRU(10, 20, 2)(tg.ones(5, 3, 10))
    >>> output.shape, state.shape
    (tensorgrad.Size([5, 3, 20]), tensorgrad.Size([2, 3, 20]))
    """

    if TYPE_CHECKING:

        def __init__(
            self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
            batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
            device: Any = None, dtype: Any = None,
        ) -> None: ...  # fmt: skip
    else:

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            _without_projection(kwargs)
            super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """What the cells have in common: their parameters, and how they are called.

    >>> isinstance(nn.GRUCell(3, 4), nn.RNNCellBase)
    True
    """

    states = 1

    def _function(self) -> str:
        """The name of what does a step."""
        raise NotImplementedError

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(tg.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(tg.empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(tg.empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws first values anew."""
        _uniform(self, self.hidden_size)

    def _refuse(self, what, value):
        if value.ndim not in (1, 2):
            name = type(self).__name__
            raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {value.ndim}D instead")

    def _states(self, hx):
        """The states of ``hx``, of which an LSTM has two."""
        self._refuse("hidden", hx)
        return (hx,)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        self._refuse("input", input)
        states = None if hx is None else self._states(hx)
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
            states = states and tuple(state.unsqueeze(0) for state in states)
        if states is None:
            states = (tg.zeros(input.shape[0], self.hidden_size, dtype=input.dtype),) * self.states
        hx = states[0] if self.states == 1 else states
        function = getattr(tg, self._function())
        found = function(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if batched:
            return found
        return found.squeeze(0) if self.states == 1 else tuple(state.squeeze(0) for state in found)

    def extra_repr(self) -> str:
        said = [] if self.bias else [f"bias={self.bias}"]
        return ", ".join([str(self.input_size), str(self.hidden_size), *said])


class RNNCell(RNNCellBase):
    r"""One step of `RNN`: :math:`h' = \tanh(W_{ih} x + b_{ih} + W_{hh} h + b_{hh})`, or by
    :math:`\max(0, \cdot)` if `nonlinearity` is "relu".

    Shape: input `(batch, input_size)` or `(input_size)`, state `(batch, hidden_size)` or `(hidden_size)`,
    zeros if not given; the output is the next state.

    >>> nn.RNNCell(10, 20)(tg.ones(3, 10)).shape
    tensorgrad.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def _function(self):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return f"rnn_{self.nonlinearity}_cell"

    def extra_repr(self) -> str:
        said = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + said


class LSTMCell(RNNCellBase):
    """One step of `LSTM`. The state is a pair `(h, c)`, zeros if not given, and so is the output.

    >>> h, c = nn.LSTMCell(10, 20)(tg.ones(3, 10))
    >>> h.shape, c.shape
    (tensorgrad.Size([3, 20]), tensorgrad.Size([3, 20]))
    """

    states = 2

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def _function(self):
        return "lstm_cell"

    def _states(self, hx):
        for k, state in enumerate(hx):
            self._refuse(f"hx[{k}]", state)
        return tuple(hx)


class GRUCell(RNNCellBase):
    """One step of `GRU`: the output is the next state.

    >>> nn.GRUCell(10, 20)(tg.ones(3, 10)).shape
    tensorgrad.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def _function(self):
        return "gru_cell"
