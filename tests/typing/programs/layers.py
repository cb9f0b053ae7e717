"""Transformers, attention, losses, weight normalization, lazy and padded layers."""

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import nn
from tensorgrad.nn.utils import parametrizations, parametrize, prune

batch = tg.randn(2, 5, 8)
encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), num_layers=2)
print(encoder(batch).shape, encoder(batch, mask=nn.Transformer.generate_square_subsequent_mask(5)).mean())
attention = nn.MultiheadAttention(8, 2, batch_first=True)
mixed, weights = attention(batch, batch, batch)
assert weights is not None
print(mixed.shape, weights.sum(-1))
print(F.scaled_dot_product_attention(batch, batch, batch, is_causal=True).shape)

flat = nn.Flatten(0, 1)(batch)
print(
    nn.LazyLinear(3)(flat).shape, nn.PReLU()(flat).mean(), nn.GroupNorm(2, 8)(flat).std(),
    nn.Softmax(dim=1)(flat)
)
targets = tg.randint(0, 8, (10,))
for criterion in (nn.CrossEntropyLoss(label_smoothing=0.1), nn.NLLLoss(), nn.MultiMarginLoss()):
    print(type(criterion).__name__, criterion(flat, targets).item())
print(
    nn.MSELoss(reduction="sum")(flat, flat * 2),
    F.binary_cross_entropy_with_logits(flat, tg.ones_like(flat))
)
print(
    F.triplet_margin_loss(flat, flat + 1, flat - 1),
    F.kl_div(flat.log_softmax(1), flat.softmax(1), reduction="batchmean")
)
print(
    F.pad(batch, (1, 1), value=0.0).shape, F.interpolate(batch, scale_factor=2.0).shape,
    F.one_hot(targets, 8).shape
)
print(
    F.dropout(flat, 0.5, training=True).shape, F.gelu(flat, approximate="tanh").mean(),
    F.layer_norm(flat, (8,)).sum()
)

linear = parametrizations.weight_norm(nn.Linear(8, 4))
print(parametrize.is_parametrized(linear), linear(flat).shape)
prune.l1_unstructured(linear := nn.Linear(8, 4), "weight", amount=0.5)
print(linear.weight.count_nonzero())
upsample = nn.Sequential(
    nn.ConvTranspose1d(5, 3, 3, stride=2), nn.Upsample(scale_factor=2), nn.ReflectionPad1d(1)
)
print(upsample(batch).shape)
for name, parameter in attention.named_parameters(recurse=False):
    print(name, parameter.requires_grad, parameter.grad is None)
model = nn.Sequential(*[nn.Linear(8, 8) for _ in range(3)], nn.Tanh()).to(tg.float64).requires_grad_(False)
print(len(model), model[0], model[-1](flat), model.append(nn.ReLU())[1:3].training)
