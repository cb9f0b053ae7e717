"""The fixture of trainings by PyTorch, and what runs and compares them."""

import json
from pathlib import Path

import numpy as np

import tensorgrad as tg

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "training.json").read_text())
ALL = sorted({case["name"] for case in FIXTURE["optimizers"]})


def ids(cases, *keys):
    return [" ".join([case[keys[0]], *(f"{k}={v}" for k, v in case["kwargs"].items())]) for case in cases]


def problem():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in ((4, 6), (4, 1), (6, 9), (4, 9))]


def train(name, kwargs, dtype=tg.float64, steps=None):
    w, b, x, y = (tg.tensor(array, dtype=dtype) for array in problem())
    w.requires_grad_()
    b.requires_grad_()
    optimizer = getattr(tg.optim, name)([w, b], **kwargs)

    def closure():
        optimizer.zero_grad()
        loss = ((w @ x + b - y) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(FIXTURE["steps"] if steps is None else steps):
        optimizer.step(closure)
    return w, b, optimizer


def plain(value):
    """A state_dict as the fixture has it."""
    if isinstance(value, tg.Tensor):
        return {
            "shape": list(value.shape),
            "dtype": str(value.dtype).split(".")[1],
            "sum": float(value.numpy().sum(dtype=float)),
        }
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def parameter(*values, dtype=tg.float32):
    return tg.tensor(values or (1.0,), dtype=dtype, requires_grad=True)


def with_grad(*values, grad=1.0, dtype=tg.float32):
    p = parameter(*values, dtype=dtype)
    p.grad = tg.full_like(p.detach(), grad)
    return p


class TorchStyle(tg.optim.Optimizer):
    """Written as for PyTorch."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @tg.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with tg.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["sum"] = tg.zeros_like(p)
                state["step"] += 1
                state["sum"].add_(p.grad)
                p.add_(state["sum"], alpha=-group["lr"])
        return loss
