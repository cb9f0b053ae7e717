"""Attention layers with small inputs, written once for both libraries: tests/fixtures/make_attention.py has
PyTorch run them, tests/test_attention.py tensorgrad.
"""

E, HEADS, L, S, N = 6, 2, 3, 4, 2


def attention(lib, key_features=None, **settings):
    """A layer, and a query, key and value for it; `one` lets them be one tensor, `alone` has no batch."""
    one, alone = settings.pop("one", False), settings.pop("alone", False)
    layer = lib.nn.MultiheadAttention(E, HEADS, kdim=key_features, vdim=key_features, **settings)

    def sequences(length, features):
        if alone:
            return lib.randn(length, features, requires_grad=True)
        shape = (N, length) if settings.get("batch_first") else (length, N)
        return lib.randn(*shape, features, requires_grad=True)

    query = sequences(L, E)
    if one:
        return layer, (query, query, query)
    return layer, (query, sequences(S, key_features or E), sequences(S, key_features or E))


def hidden(lib, *shape):
    """A mask that hides the last key."""
    mask = lib.zeros(*shape, dtype=lib.bool)
    mask[..., -1] = True
    return mask


def causal(lib, size):
    return lib.nn.Transformer.generate_square_subsequent_mask(size)


ATTENTION = {
    "plain": (dict(), lambda lib: dict()),
    "self": (dict(one=True, batch_first=True), lambda lib: dict(average_attn_weights=False)),
    "no weights": (dict(), lambda lib: dict(need_weights=False)),
    "dropout": (dict(dropout=0.5), lambda lib: dict()),
    "dropout, no weights": (dict(dropout=0.5), lambda lib: dict(need_weights=False)),
    "one more key": (
        dict(add_bias_kv=True, add_zero_attn=True),
        lambda lib: dict(attn_mask=hidden(lib, L, S), key_padding_mask=hidden(lib, N, S)),
    ),
    "other features": (
        dict(key_features=5, bias=False),
        lambda lib: dict(attn_mask=lib.randn(N * HEADS, L, S)),
    ),
    "added mask": (dict(), lambda lib: dict(key_padding_mask=lib.randn(N, S), need_weights=False)),
    "alone": (dict(alone=True), lambda lib: dict(key_padding_mask=hidden(lib, S))),
    "causal": (
        dict(one=True),
        lambda lib: dict(attn_mask=causal(lib, L), is_causal=True, need_weights=False),
    ),
}


def run_attention(lib, name):
    """What a layer gives and the gradients of its query and of its last weights."""
    settings, masks = ATTENTION[name]
    lib.manual_seed(0)
    layer, inputs = attention(lib, **settings)
    output, weights = layer(*inputs, **masks(lib))
    output.square().sum().backward()
    last = list(layer.parameters())[-1]
    return [output, *([] if weights is None else [weights]), inputs[0].grad, last.grad]


def sequence(lib, length, batch_first=False):
    return lib.randn(*((N, length) if batch_first else (length, N)), E, requires_grad=True)


def encoder(lib):
    layer = lib.nn.TransformerEncoderLayer(E, HEADS, 8, 0.3, "gelu", batch_first=True, norm_first=True)
    model = lib.nn.TransformerEncoder(layer, 2, lib.nn.LayerNorm(E))
    x = sequence(lib, S, True)
    return x, model(x, src_key_padding_mask=hidden(lib, N, S))


def encoder_causal(lib):
    layer = lib.nn.TransformerEncoderLayer(E, HEADS, 8, 0.0, lib.nn.functional.silu, 0.1, bias=False)
    x = sequence(lib, S)
    return x, lib.nn.TransformerEncoder(layer, 2)(x, causal(lib, S))


def decoder(lib):
    layer = lib.nn.TransformerDecoderLayer(E, HEADS, 8, 0.3)
    x, memory = sequence(lib, L), sequence(lib, S)
    masks = dict(tgt_mask=causal(lib, L), memory_key_padding_mask=hidden(lib, N, S))
    return x, lib.nn.TransformerDecoder(layer, 2)(x, memory, **masks)


def transformer(lib):
    model = lib.nn.Transformer(E, HEADS, 1, 2, 8, 0.1, norm_first=True)
    x, target = sequence(lib, S), sequence(lib, L)
    return x, model(x, target, tgt_mask=causal(lib, L))


def transformer_evaluated(lib):
    model = lib.nn.Transformer(E, HEADS, 1, 1, 8, batch_first=True).eval()
    x, target = sequence(lib, S, True), sequence(lib, L, True)
    return x, model(x, target, src_mask=hidden(lib, S, S), memory_mask=hidden(lib, L, S))


TRANSFORMERS = {f.__name__: f for f in (encoder, encoder_causal, decoder, transformer, transformer_evaluated)}


def run_transformer(lib, name):
    """What a model gives and the gradient of its input."""
    lib.manual_seed(0)
    x, output = TRANSFORMERS[name](lib)
    output.square().sum().backward()
    return [output, x.grad]
