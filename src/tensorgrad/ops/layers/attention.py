"""Attention: means of values, weighted by how well their keys fit a query."""

from __future__ import annotations

import math

from tensorgrad.core import Tensor, bool_
from tensorgrad.core.declare import case, composite, normal, truths
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.layers.dropout import dropout
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices import products


def _for_all_heads(x: Tensor, heads: int) -> Tensor:
    """Every head of keys or values as often as queries need it."""
    own = x.shape[-3]
    if own == heads:
        return x
    if own == 0 or heads % own:
        raise RuntimeError(
            f"scaled_dot_product_attention: {heads} heads of queries can't share {own} heads of keys"
        )
    return x.repeat_interleave(heads // own, -3)


@composite(
    single=True,
    at="tensorgrad.nn.functional",
    samples=lambda: [
        case(normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2), name="plain"),
        case(normal(3, 4), normal(3, 4), normal(3, 4), is_causal=True, scale=0.3, name="causal"),
        case(normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 4), normal(3, 5), name="bias"),
        case(
            normal(2, 4, 3, 2),
            normal(2, 2, 3, 2),
            normal(2, 2, 3, 2),
            truths(3, 1),
            enable_gqa=True,
            name="mask",
        ),
    ],
)
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    r"""The means of the values that each query attends to: :math:`\mathrm{softmax}(Q K^T s + M)\,V`, where
    the scale ``s`` is 1 over the root of the size of a key, unless given.

    ``attn_mask`` is added to the scores, or, of truth values, says which keys a query may see; a query that
    may see none gets 0. With ``is_causal`` a query sees the keys up to its own place. With ``enable_gqa``
    there may be fewer heads of keys and values than of queries, and each serves several. Weights are dropped
    with probability ``dropout_p``.

    >>> x = tg.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> tg.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[1.0000, 0.0000],
            [0.3302, 0.6698]])
    """
    want_tensors("scaled_dot_product_attention", query=query, key=key, value=value)
    if query.dtype != key.dtype or query.dtype != value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype} key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    if is_causal and attn_mask is not None:
        raise RuntimeError("scaled_dot_product_attention: give attn_mask or is_causal, not both")
    if enable_gqa:
        key, value = (_for_all_heads(x, query.shape[-3]) for x in (key, value))
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1] or 1)
    scores = products.matmul(query * scale, key.mT)
    if is_causal:
        attn_mask = creation.ones(scores.shape[-2:], dtype=bool_).tril()
    if attn_mask is None:
        weights = scores.softmax(-1)
    elif attn_mask.dtype is bool_:
        weights = scores.masked_fill(~attn_mask, -math.inf).softmax(-1)
        if not is_causal:
            weights = weights.masked_fill(~attn_mask.any(-1, keepdim=True), 0.0)
    else:
        weights = (scores + attn_mask).softmax(-1)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p, True)
    return products.matmul(weights, value)
