"""Checkpoints: state dicts of models and optimizers, saved and loaded."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorgrad as tg
from tensorgrad import nn


def save(path: Path, model: nn.Module, optimizer: tg.optim.Optimizer, epoch: int) -> None:
    tg.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)


def load(path: Path, model: nn.Module, optimizer: tg.optim.Optimizer) -> int:
    checkpoint: dict[str, Any] = tg.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return int(checkpoint["epoch"])


model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
optimizer = tg.optim.Adam(model.parameters())
model(tg.randn(4, 2)).sum().backward()
optimizer.step()
with TemporaryDirectory() as folder:
    path = Path(folder) / "checkpoint.pt"
    save(path, model, optimizer, 3)
    print(load(path, model, optimizer))

result = model.load_state_dict({"0.weight": tg.eye(2)}, strict=False)
print(result.missing_keys, result.unexpected_keys)
for name, tensor in model.state_dict().items():
    print(name, tuple(tensor.shape), tensor.dtype)
buffer = io.BytesIO()
tg.save([tg.ones(2), {"a": tg.zeros(1)}], buffer)
buffer.seek(0)
loaded = tg.load(buffer)
print(loaded[0].sum())
