"""How many Python functions a call of an op runs: what stands in C does not go back to Python unnoticed."""

import gc
import json
import subprocess
import sys

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn import functional as F

x, index, image = tg.rand(16, 8), tg.arange(5), tg.rand(2, 3, 4, 4)
leaf = tg.rand(16, 8).requires_grad_()
filters = tg.rand(5, 3, 3, 3)
weight = filters.clone().requires_grad_()
mean, variance = tg.zeros(8), tg.ones(8)
embedding, norm1d, norm2d = nn.Embedding(16, 8), nn.BatchNorm1d(8), nn.BatchNorm2d(3)
parameters = [nn.Parameter(tg.rand(3)) for _ in range(13)]
for each in parameters:
    each.grad = tg.rand(3)
data = tg.utils.data.TensorDataset(x, tg.arange(16))
in_order, shuffled = (iter(tg.utils.data.DataLoader(data, 2, shuffle=s)) for s in (False, True))
steps = {
    f"{kind.__name__}.step": (0, kind(parameters, lr=0.1).step)
    for kind in vars(tg.optim).values()
    if getattr(kind, "kernel", None)
}

MOST = {
    "rows": (0, lambda: x[index]),
    "index_select": (0, lambda: tg.index_select(x, 0, index)),
    "embedding": (0, lambda: F.embedding(index, x)),
    "nn.Embedding": (1, lambda: embedding(index)),
    "conv2d": (0, lambda: F.conv2d(image, filters, None, 1, 1)),
    "backward of conv2d": (0, lambda: F.conv2d(image, weight, None, 1, 1).sum().backward()),
    "dropout": (0, lambda: F.dropout(x, 0.5)),
    "dropout in place": (0, lambda: F.dropout(x, 0.5, inplace=True)),
    "dropout2d": (0, lambda: F.dropout2d(image)),
    "batch_norm": (0, lambda: F.batch_norm(x, mean, variance, training=True)),
    "batch_norm in evaluation": (0, lambda: F.batch_norm(x, mean, variance)),
    "nn.BatchNorm1d": (3, lambda: norm1d(x)),
    "nn.BatchNorm2d": (3, lambda: norm2d(image)),
    "clip_grad_norm_": (3, lambda: nn.utils.clip_grad_norm_(parameters, 1.0)),
    "vector_norm": (0, lambda: tg.linalg.vector_norm(x)),
    "argmax": (0, lambda: x.argmax()),
    "max along a dimension": (0, lambda: x.max(1)),
    "softmax over the first": (2, lambda: F.softmax(x, dim=0)),
    "backward of softmax over the first": (2, lambda: F.softmax(leaf, dim=0).sum().backward()),
    "backward of rows": (0, lambda: leaf[index].sum().backward()),
    "backward of dropout": (0, lambda: F.dropout(leaf).sum().backward()),
    "backward of batch_norm": (0, lambda: F.batch_norm(leaf, None, None, training=True).sum().backward()),
    "a batch": (2, lambda: next(in_order)),
    "a shuffled batch": (3, lambda: next(shuffled)),
    **steps,
}


def functions_run(call) -> list[str]:
    """The Python functions that a call runs, but for itself, the second time."""
    called = []

    def note(frame, event, argument):
        if event == "call" and frame.f_code is not getattr(call, "__code__", None):
            called.append(frame.f_code.co_name)

    with tg.backend("kernels"):
        call()
        gc.disable()  # its callbacks, hypothesis's for one, are not the op's
        sys.setprofile(note)
        try:
            call()
        finally:
            sys.setprofile(None)
            gc.enable()
    return called


@pytest.fixture(scope="module")
def counted():
    """By a process of its own: where a subclass of Tensor has answered calls, they go another way."""
    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", MOST)
def test_an_op_runs_few_functions_of_python(name, counted):
    assert len(counted[name]) <= MOST[name][0], counted[name]


if __name__ == "__main__":
    print(json.dumps({name: functions_run(call) for name, (_, call) in MOST.items()}))
