"""Attention with several heads, as a layer."""

from __future__ import annotations

from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn import init
from tensorgrad.nn.modules.linear import NonDynamicallyQuantizableLinear
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    r"""Means of values by how well keys fit a query, in `num_heads` heads at once, each with its own
    projections: :math:`\mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_h)\,W^O` with
    :math:`\mathrm{head}_i = \mathrm{Attention}(Q W^Q_i, K W^K_i, V W^V_i)` (Vaswani and others, 2017).

    `kdim` and `vdim` are the features of keys and values, if other than `embed_dim`. `add_bias_kv` learns one
    more key and value, `add_zero_attn` adds one of zeros. `dropout` is that of the weights.

    Shape: query `(L, N, E)`, key and value `(S, N, *)`, with `batch_first` `(N, L, E)` and `(N, S, *)`,
    without a batch `(L, E)` and `(S, *)`. Output as the query, and the weights `(N, L, S)`, the heads' mean,
    or with `average_attn_weights=False` `(N, num_heads, L, S)`; None with `need_weights=False`, which is
    quicker.

    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> output, weights = attention(*[tg.ones(3, 5, 8)] * 3)
    >>> output.shape, weights.shape
    (tensorgrad.Size([3, 5, 8]), tensorgrad.Size([3, 5, 5]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(f"embed_dim and num_heads have to be positive, not {embed_dim} and {num_heads}")
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim {embed_dim} has to be a multiple of num_heads {num_heads}")

        def add(name, used, *shape):
            values = tg.empty(shape, device=device, dtype=dtype) if used else None
            self.register_parameter(name, None if values is None else Parameter(values))

        same = self._qkv_same_embed_dim
        add("in_proj_weight", same, 3 * embed_dim, embed_dim)
        for letter, width in dict(q=embed_dim, k=self.kdim, v=self.vdim).items():
            add(f"{letter}_proj_weight", not same, embed_dim, width)
        add("in_proj_bias", bias, 3 * embed_dim)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        add("bias_k", add_bias_kv, 1, 1, embed_dim)
        add("bias_v", add_bias_kv, 1, 1, embed_dim)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self):
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Any,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turned = self.batch_first and query.ndim == 3
        if turned:
            shared: dict[int, tg.Tensor] = {}  # what is one tensor stays one
            query, key, value = (shared.setdefault(id(x), x.transpose(0, 1)) for x in (query, key, value))
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return output.transpose(0, 1) if turned else output, weights
