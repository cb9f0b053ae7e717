"""A language model in the manner of GPT, from its attention up."""

import math
from dataclasses import dataclass

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F
from tensorgrad import Tensor


@dataclass
class Config:
    vocabulary: int = 17
    context: int = 8
    width: int = 16
    heads: int = 4
    layers: int = 2


class Attention(nn.Module):
    mask: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.register_buffer("mask", tg.tril(tg.ones(config.context, config.context)) == 0)

    def forward(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        q, k, v = self.qkv(x).split(width, dim=2)
        q, k, v = (t.view(batch, steps, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        scores = scores.masked_fill(self.mask[:steps, :steps], float("-inf"))
        mixed = F.softmax(scores, dim=-1) @ v
        return self.out(mixed.transpose(1, 2).reshape(batch, steps, width))


class GPT(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.parts = nn.ModuleDict(
            {
                "words": nn.Embedding(config.vocabulary, config.width),
                "places": nn.Embedding(config.context, config.width),
                "norm": nn.LayerNorm(config.width),
            }
        )
        self.blocks = nn.ModuleList(Attention(config) for _ in range(config.layers))
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.head.weight = nn.Parameter(tg.randn(config.vocabulary, config.width) * 0.02)

    def forward(self, words: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        x = self.parts["words"](words) + self.parts["places"](tg.arange(words.size(1)))
        for block in self.blocks:
            x = x + block(self.parts["norm"](x))
        logits = self.head(x)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), ignore_index=-1)

    @tg.no_grad()
    def generate(self, words: Tensor, count: int, temperature: float = 1.0, top: int = 5) -> Tensor:
        for _ in range(count):
            logits, _ = self(words[:, -self.config.context :])
            logits = logits[:, -1] / temperature
            best, _ = tg.topk(logits, top)
            logits[logits < best[:, [-1]]] = -math.inf
            words = tg.cat((words, tg.multinomial(F.softmax(logits, dim=-1), num_samples=1)), dim=1)
        return words


model = GPT(Config())
decay = [p for p in model.parameters() if p.dim() >= 2]
rest = [p for p in model.parameters() if p.dim() < 2]
optimizer = tg.optim.AdamW(
    [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
    lr=1e-2,
    betas=(0.9, 0.95),
)
words = tg.randint(0, 17, (2, 9))
logits, loss = model(words[:, :-1], words[:, 1:])
assert loss is not None
loss.backward()
nn.utils.clip_grad_norm_(model.parameters(), 1.0)
optimizer.step()
print(loss.item(), model.generate(words[:1, :2], 3).tolist())
