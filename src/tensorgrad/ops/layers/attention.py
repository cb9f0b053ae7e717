"""Attention: means of values, weighted by how well their keys fit a query."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tensorgrad.core import Tensor, bool_
from tensorgrad.core.declare import case, fused, normal, truths
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.layers.dropout import dropout
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices import products
from tensorgrad.ops.matrices.products import linear
from tensorgrad.ops.shapes import joining, padding


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


@fused(
    tensors=("query", "key", "value", "attn_mask"),
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
    may see none, by either, gets 0. With ``is_causal`` a query sees the keys up to its own place. With
    ``enable_gqa`` there may be fewer heads of keys and values than of queries, and each serves several.
    Weights are dropped with probability ``dropout_p``.

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
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if is_causal and attn_mask is not None:
        raise RuntimeError("scaled_dot_product_attention: give attn_mask or is_causal, not both")
    if enable_gqa and min(query.ndim, key.ndim, value.ndim) > 2:
        key, value = (_for_all_heads(x, query.shape[-3]) for x in (key, value))
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1] or 1)
    scores = products.matmul(query * scale, key.mT)
    if is_causal:
        attn_mask = creation.ones(scores.shape[-2:], dtype=bool_).tril()
    hidden = None  # the queries that see no key, if there are any
    if attn_mask is not None and not is_causal:
        seen = attn_mask if attn_mask.dtype is bool_ else attn_mask != -math.inf
        blind = ~seen.any(-1, keepdim=True)
        hidden = blind if blind.any() else None
    if attn_mask is not None and attn_mask.dtype is bool_:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    if hidden is None:
        weights = scores.softmax(-1)
    else:
        weights = scores.masked_fill(hidden, 0.0).softmax(-1).masked_fill(hidden, 0.0)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p, True)
    return products.matmul(weights, value)


# ---- with several heads


def additive_mask(mask: Tensor | None, name: str, dtype: Any, other: Tensor | None = None) -> Tensor | None:
    """A mask as numbers that are added to scores: of truth values, True hides a key.

    Warns where ``other``, the mask that it will be added to, is of another dtype.
    """
    if mask is None:
        return None
    if mask.dtype is not bool_ and not mask.is_floating_point():
        raise AssertionError(f"{name} has to be bool or floating point, not {mask.dtype}")
    if other is not None and other.dtype is not mask.dtype:
        warnings.warn(
            f"{name} is {mask.dtype} and is added to a mask that is {other.dtype}: give both in one dtype",
            stacklevel=3,
        )
    if mask.dtype is bool_:
        return creation.zeros(mask.shape, dtype=dtype).masked_fill(mask, -math.inf)
    return mask


def _expect(holds: bool, wanted: str, *values: Any) -> None:
    if not holds:
        raise AssertionError(f"multi_head_attention_forward: {wanted}, not {', '.join(map(str, values))}")


def _check_heads(query, key, value, key_padding_mask, attn_mask, heads) -> None:
    """The numbers of dimensions of what attention with heads is given."""
    n = query.ndim
    _expect(n in (2, 3), "query has to be (L, E), or (L, N, E) of a batch", query.shape)
    both = key.shape, value.shape
    _expect(key.ndim == value.ndim == n, f"key and value have to be {n}-D as query is", *both)
    if key_padding_mask is not None:
        _expect(
            key_padding_mask.ndim == n - 1, f"key_padding_mask has to be {n - 1}-D", key_padding_mask.shape
        )
    if attn_mask is not None:
        _expect(attn_mask.ndim in (2, 3), "attn_mask has to be 2-D or 3-D", attn_mask.shape)
        if n == 2 and attn_mask.ndim == 3:
            wanted = (heads, query.shape[0], key.shape[0])
            _expect(attn_mask.shape == wanted, f"attn_mask has to be {wanted}", attn_mask.shape)


def _projections(query, key, value, weight, bias):
    """Queries, keys and values of weights that lie in one matrix; of one tensor they are one product."""
    width = query.shape[-1]
    if query is key is value:
        return linear(query, weight, bias).chunk(3, -1)
    weights = weight.split(width)
    biases = (None,) * 3 if bias is None else bias.split(width)
    if key is value:
        query_bias, both = (None, None) if bias is None else bias.split([width, 2 * width])
        query_weight, weight = weight.split([width, 2 * width])
        return linear(query, query_weight, query_bias), *linear(key, weight, both).chunk(2, -1)
    return tuple(map(linear, (query, key, value), weights, biases))


def _own_projections(query, key, value, weights, bias):
    """Queries, keys and values of a matrix each, whose numbers of columns may differ."""
    width = query.shape[-1]
    for name, x, weight in zip(("query", "key", "value"), (query, key, value), weights, strict=True):
        _expect(weight is not None, "use_separate_proj_weight needs three weights", f"None for the {name}")
        wanted = (width, x.shape[-1])
        _expect(weight.shape == wanted, f"the weight of the {name} has to be {wanted}", weight.shape)
    if bias is None:
        return tuple(map(linear, (query, key, value), weights))
    _expect(bias.shape == (3 * width,), f"in_proj_bias has to have {3 * width} elements", bias.shape)
    return tuple(map(linear, (query, key, value), weights, bias.chunk(3)))


def _one_more(mask: Tensor | None) -> Tensor | None:
    """A mask with a last key that every query sees."""
    return None if mask is None else padding.pad(mask, (0, 1))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    r"""What `nn.MultiheadAttention` computes, with its weights as arguments: queries, keys and values, each
    projected and cut into heads, attend in every head by itself, and what comes out is joined and projected
    again (Vaswani and others, 2017). Gives the output, and the weights of attention or None.

    ``bias_k`` and ``bias_v`` are one more key and value, ``add_zero_attn`` adds one of zeros; ``static_k``
    and ``static_v``, (N * heads, S, E / heads), stand for what would be projected. In ``attn_mask`` and
    ``key_padding_mask`` True hides a key, and numbers are added to scores. ``is_causal`` says of an
    ``attn_mask`` that it is the causal one. AssertionError where shapes do not fit each other.

    >>> x, eye = tg.ones(2, 1, 2), tg.eye(2)
    >>> output, weights = F.multi_head_attention_forward(
    ...     x, x, x, 2, 1, eye.repeat(3, 1), None, None, None, False, 0.0, eye, None)
    >>> output.shape, weights
    (tensorgrad.Size([2, 1, 2]), tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]]))
    """
    want_tensors("multi_head_attention_forward", query=query, key=key, value=value)
    _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads)
    key_padding_mask = additive_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "multi_head_attention_forward: is_causal speaks of an attn_mask, which has to be given; "
            "nn.Transformer.generate_square_subsequent_mask makes it"
        )
    batched = query.ndim == 3
    if not batched:
        shared: dict[int, Tensor] = {}  # what is one tensor stays one
        query, key, value = (shared.setdefault(id(x), x.unsqueeze(1)) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    targets, batch, width = query.shape
    sources = key.shape[0]
    is_causal = is_causal and key_padding_mask is None and not need_weights
    attn_mask = None if is_causal else additive_mask(attn_mask, "attn_mask", query.dtype)

    _expect(width == embed_dim_to_check, f"query has to have {embed_dim_to_check} features", width)
    size = width // num_heads
    _expect(size * num_heads == width, f"embed_dim has to be a multiple of {num_heads} heads", width)
    both = key.shape, value.shape
    if use_separate_proj_weight:
        _expect(both[0][:2] == both[1][:2], "key and value have to be of one length and batch", *both)
        weights = q_proj_weight, k_proj_weight, v_proj_weight
        q, k, v = _own_projections(query, key, value, weights, in_proj_bias)
    else:
        _expect(both[0] == both[1], "key and value have to be of one shape", *both)
        _expect(in_proj_weight is not None, "in_proj_weight has to be a tensor", None)
        q, k, v = _projections(query, key, value, in_proj_weight, in_proj_bias)

    if attn_mask is not None:
        wanted = (targets, sources) if attn_mask.ndim == 2 else (batch * num_heads, targets, sources)
        if attn_mask.shape != wanted:
            raise RuntimeError(
                f"multi_head_attention_forward: attn_mask has to be {wanted}, not {attn_mask.shape}"
            )
        if attn_mask.ndim == 3:
            attn_mask = attn_mask.reshape(batch, num_heads, targets, sources)
    if bias_k is not None and bias_v is not None:
        _expect(static_k is None and static_v is None, "static keys and values take no bias", "both")
        k = joining.cat([k, bias_k.expand(1, batch, width)])
        v = joining.cat([v, bias_v.expand(1, batch, width)])
        attn_mask, key_padding_mask = _one_more(attn_mask), _one_more(key_padding_mask)
    else:
        _expect(bias_k is bias_v, "bias_k and bias_v have to be given together", "one of them")

    def in_heads(x):
        return x.reshape(x.shape[0], batch, num_heads, size).permute(1, 2, 0, 3)

    def given_in_heads(x, name):
        wanted = (batch * num_heads, x.shape[1], size)
        _expect(x.shape == wanted, f"{name} has to be {wanted}", x.shape)
        return x.reshape(batch, num_heads, -1, size)

    q = in_heads(q)
    k = in_heads(k) if static_k is None else given_in_heads(static_k, "static_k")
    v = in_heads(v) if static_v is None else given_in_heads(static_v, "static_v")
    if add_zero_attn:
        k, v = (joining.cat([x, creation.zeros(batch, num_heads, 1, size, dtype=x.dtype)], 2) for x in (k, v))
        attn_mask, key_padding_mask = _one_more(attn_mask), _one_more(key_padding_mask)
    if key_padding_mask is not None:
        wanted = (batch, k.shape[2])
        _expect(
            key_padding_mask.shape == wanted, f"key_padding_mask has to be {wanted}", key_padding_mask.shape
        )
        hidden = key_padding_mask.reshape(batch, 1, 1, -1)
        attn_mask = hidden if attn_mask is None else attn_mask + hidden

    dropout_p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = products.matmul(q * math.sqrt(1 / size), k.mT)
        weights = (scores if attn_mask is None else scores + attn_mask).softmax(-1)
        if dropout_p > 0:
            weights = dropout(weights, dropout_p, True)
        attended = products.matmul(weights, v)
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        attended = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    joined = attended.permute(2, 0, 1, 3).reshape(targets, batch, width)
    output = linear(joined, out_proj_weight, out_proj_bias)
    if batched:
        return output, weights
    return output.squeeze(1), None if weights is None else weights.squeeze(0)


PUBLIC = {"tensorgrad.nn.functional": (multi_head_attention_forward,)}
