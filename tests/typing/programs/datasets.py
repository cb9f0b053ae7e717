"""Datasets, loaders, samplers and a collate function of one's own."""

from collections.abc import Iterator

import tensorgrad as tg
from tensorgrad import Tensor
from tensorgrad.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


class Squares(Dataset[tuple[Tensor, int]]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index >= self.count:
            raise IndexError(index)
        return tg.tensor([float(index)]), index * index


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        yield from range(5)


def joined(samples: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
    inputs, targets = zip(*samples)
    return {"inputs": tg.stack(inputs), "targets": tg.tensor(targets)}


data = Squares(10)
train, test = random_split(data, [8, 2], generator=tg.Generator().manual_seed(0))
for batch in DataLoader(train, batch_size=4, shuffle=True, collate_fn=joined, drop_last=True):
    print(batch["inputs"].shape, batch["targets"].sum().item())
for inputs, targets in DataLoader(data, batch_size=5):
    print(inputs.mean(), targets.max())
print(len(test), len(Subset(data, [0, 1])), [int(n) for n in DataLoader(Stream(), batch_size=None)])

rows = TensorDataset(tg.randn(6, 2), tg.arange(6))
features, label = rows[0]
print(features.shape, label.item())
sampler = WeightedRandomSampler([0.1, 0.2, 0.3, 0.1, 0.1, 0.2], num_samples=4)
for features, label in DataLoader(rows, sampler=sampler, batch_size=2):
    print(features.sum(dim=1), label)
