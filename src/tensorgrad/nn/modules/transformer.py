"""The transformer: layers of attention and of networks at every place, each added to what came in."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn import init
from tensorgrad.nn.modules.attention import MultiheadAttention
from tensorgrad.nn.modules.container import ModuleList
from tensorgrad.nn.modules.dropout import Dropout
from tensorgrad.nn.modules.linear import Linear
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.modules.normalization import LayerNorm
from tensorgrad.ops.layers.attention import additive_mask

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[tg.Tensor], tg.Tensor]


def _get_clones(module: Module, N: int) -> ModuleList:
    """As many copies of a module, by the name that PyTorch programs import it."""
    return ModuleList([copy.deepcopy(module) for _ in range(N)])


def _causal_mask(size: int, device=None, dtype=None):
    """0 up to a query's own place, -inf after it."""
    return tg.full((size, size), -math.inf, device=device, dtype=dtype).triu(1)


def _is_causal(mask, said: bool | None, sequences, batch_first: bool) -> bool:
    """Whether a mask is the causal one: as said, and if nothing is said, as it looks."""
    if said is not None or mask is None:
        return bool(said)
    length = sequences.shape[1 if batch_first and sequences.ndim == 3 else 0]
    return mask.shape == (length, length) and bool((mask == _causal_mask(length, dtype=mask.dtype)).all())


def _get_activation_fn(activation: str) -> Callable[[tg.Tensor], tg.Tensor]:
    """The function relu or gelu by its name, for programs that import it from PyTorch."""
    return _activation(activation)


def _activation(activation: Activation) -> Callable[[tg.Tensor], tg.Tensor]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f'activation has to be "relu", "gelu" or a function, not {activation!r}')
    return getattr(F, activation)


class _Layer(Module):
    """What the layers of encoder and decoder share. `attentions` names those that look at something else."""

    attentions: tuple[str, ...] = ()

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = dict(device=device, dtype=dtype)
        parts = ("self_attn", *self.attentions)
        for name in parts:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made)
            self.add_module(name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **made)
        self.norm_first = norm_first
        numbers = range(1, len(parts) + 2)
        for n in numbers:
            self.add_module(f"norm{n}", LayerNorm(d_model, layer_norm_eps, bias=bias, **made))
        for n in numbers:
            self.add_module(f"dropout{n}", Dropout(dropout))
        self.activation = _activation(activation)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if not hasattr(self, "activation"):
            self.activation = F.relu

    def _added(self, x, part, norm):
        """`x` and what a part makes of it, normalized before or after."""
        return x + part(norm(x)) if self.norm_first else norm(x + part(x))

    def _attended(self, attention, x, memory, mask, padding, is_causal):
        output, _ = attention(
            x, memory, memory, padding, need_weights=False, attn_mask=mask, is_causal=is_causal
        )
        return output

    def _own(self, x, mask, padding, is_causal):
        return self.dropout1(self._attended(self.self_attn, x, x, mask, padding, is_causal))

    def _network(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention and then a network at every place, each added to what came in and normalized, after it
    or with `norm_first` before (Vaswani and others, 2017).

    `activation` is "relu", "gelu" or a function. In masks True hides a key, and numbers are added to scores.

    Shape: input `(S, N, d_model)`, with `batch_first` `(N, S, d_model)`, or `(S, d_model)`; output the same.

    >>> nn.TransformerEncoderLayer(8, 2, 16)(tg.ones(5, 3, 8)).shape
    tensorgrad.Size([5, 3, 8])
    """

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        padding = additive_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype, src_mask)
        mask = additive_mask(src_mask, "src_mask", src.dtype)
        x = self._added(src, lambda x: self._own(x, mask, padding, is_causal), self.norm1)
        return self._added(x, lambda x: self.dropout2(self._network(x)), self.norm2)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to an encoder's output and then a network at every place, each added to what
    came in and normalized, after it or with `norm_first` before (Vaswani and others, 2017).

    `activation` is "relu", "gelu" or a function. In masks True hides a key, and numbers are added to scores.

    Shape: `tgt` `(T, N, d_model)` and `memory` `(S, N, d_model)`, with `batch_first` the batch is in front,
    or there is none; output as `tgt`.

    >>> nn.TransformerDecoderLayer(8, 2, 16)(tg.ones(4, 3, 8), tg.ones(5, 3, 8)).shape
    tensorgrad.Size([4, 3, 8])
    """

    attentions = ("multihead_attn",)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        look = self.multihead_attn
        x = self._added(tgt, lambda x: self._own(x, *own), self.norm1)
        x = self._added(x, lambda x: self.dropout2(self._attended(look, x, memory, *other)), self.norm2)
        return self._added(x, lambda x: self.dropout3(self._network(x)), self.norm3)


class _Stack(Module):
    """Copies of a layer, one after the other, and a norm at the end."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def _run(self, x, *args, **masks):
        for layer in self.layers:
            x = layer(x, *args, **masks)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """`num_layers` copies of an encoder's layer, one after the other, and at the end `norm`, if there is one.

    The copies begin with the same weights. `enable_nested_tensor` and `mask_check` are PyTorch's and change
    nothing. Whether `mask` is the causal one is looked up where `is_causal` is None.

    >>> layer = nn.TransformerEncoderLayer(8, 2, 16)
    >>> nn.TransformerEncoder(layer, 2)(tg.ones(5, 3, 8)).shape
    tensorgrad.Size([5, 3, 8])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        padding = additive_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype, mask)
        mask = additive_mask(mask, "mask", src.dtype)
        causal = _is_causal(mask, is_causal, src, self.layers[0].self_attn.batch_first)
        return self._run(src, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)


class TransformerDecoder(_Stack):
    """`num_layers` copies of a decoder's layer, one after the other, and at the end `norm`, if there is one.

    The copies begin with the same weights. Whether `tgt_mask` is the causal one is looked up where
    `tgt_is_causal` is None.

    >>> layer = nn.TransformerDecoderLayer(8, 2, 16)
    >>> nn.TransformerDecoder(layer, 2)(tg.ones(4, 3, 8), tg.ones(5, 3, 8)).shape
    tensorgrad.Size([4, 3, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        return self._run(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=_is_causal(tgt_mask, tgt_is_causal, tgt, self.layers[0].self_attn.batch_first),
            memory_is_causal=memory_is_causal,
        )


class Transformer(Module):
    """An encoder of sequences and a decoder that looks at what it makes of them (Vaswani and others, 2017).

    `custom_encoder` and `custom_decoder` stand for the stacks of layers that are made otherwise. All matrices
    start evenly distributed, by Glorot.

    Shape: `src` `(S, N, d_model)` and `tgt` `(T, N, d_model)`, with `batch_first` the batch is in front, or
    there is none; output as `tgt`.

    >>> model = nn.Transformer(8, 2, 1, 1, 16)
    >>> mask = model.generate_square_subsequent_mask(4)
    >>> model(tg.ones(5, 3, 8), tg.ones(4, 3, 8), tgt_mask=mask).shape
    tensorgrad.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = dict(device=device, dtype=dtype)

        def stack(stack_class, layer_class, count):
            layer = layer_class(
                d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first,
                bias, **made,
            )  # fmt: skip
            return stack_class(layer, count, LayerNorm(d_model, layer_norm_eps, bias=bias, **made))

        if custom_encoder is None:
            custom_encoder = stack(TransformerEncoder, TransformerEncoderLayer, num_encoder_layers)
        if custom_decoder is None:
            custom_decoder = stack(TransformerDecoder, TransformerDecoderLayer, num_decoder_layers)
        self.encoder = custom_encoder
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self):
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"Transformer: src and tgt are batches of {src.shape[batch]} and {tgt.shape[batch]} sequences"
            )
        for name, x in (("src", src), ("tgt", tgt)):
            if x.shape[-1] != self.d_model:
                raise RuntimeError(
                    f"Transformer: {name} has {x.shape[-1]} features, and d_model is {self.d_model}"
                )
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask: 0 for keys up to a query's own place, -inf for later ones.

        >>> nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return _causal_mask(sz, device, dtype)
