"""A perceptron with two layers learns XOR."""

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import nn


class MLP(nn.Module):
    def __init__(self, sizes: list[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        for layer in self.layers[:-1]:
            x = self.dropout(tg.tanh(layer(x)))
        logits: tg.Tensor = self.layers[-1](x)
        return logits


tg.manual_seed(0)
inputs = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
targets = tg.tensor([0, 1, 1, 0])
model = MLP([2, 8, 2])
optimizer = tg.optim.Adam(model.parameters(), lr=0.05, weight_decay=1e-4)
losses: list[float] = []
for _ in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), targets)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

with tg.no_grad():
    guesses = model(inputs).argmax(dim=1)
    accuracy = (guesses == targets).float().mean().item()
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}, {100 * accuracy:.0f} %")
