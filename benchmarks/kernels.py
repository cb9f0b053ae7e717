"""Times the kernels themselves, by raw call, against NumPy and, where it is installed, PyTorch. One thread.

    python benchmarks/kernels.py                    everything, about two minutes
    python benchmarks/kernels.py --only tanh,matmul names that begin so
    python benchmarks/kernels.py --seconds 1        longer at each row, for quieter numbers

All sides take turns in one process. A row gives each side's best time in microseconds, and our time over
theirs: below 1 we are ahead. TENSORGRAD_CPU=v2 or v3 in the environment measures an older CPU's kernels.
"""

import argparse
import os
from functools import partial

# OpenBLAS picks its kernels by these, and slower ones than this CPU's if they are set.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402 - after the environment that it reads

from tensorgrad import _kernels, float32  # noqa: E402 - it imports NumPy
from tensorgrad.bench.racing import timed, timed_in_turns  # noqa: E402 - it imports NumPy

try:
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
except ImportError:
    torch = None

ROUNDS = 9
SIZES = {"64x256": (64, 256), "4M": (4096, 1024)}
PRODUCTS = [(4, 2, 2), (32, 64, 32), (64, 256, 10), (64, 784, 128), (256, 256, 256), (128, 784, 512)]


def array(*shape):
    """Random float32 at a multiple of 64 bytes, as a tensor's memory is."""
    count = int(np.prod(shape))
    memory = np.empty(count * 4 + 64, np.uint8)
    start = -memory.ctypes.data % 64
    out = memory[start : start + count * 4].view(np.float32).reshape(shape)
    out[...] = np.random.default_rng(count).standard_normal(shape)
    return out


def kernel(name, operands, size, strides=(), scalar=(), repeat=1, integer=()):
    """A call of a kernel as the tensor core makes it: pointers, sizes, strides."""
    addresses = [0 if x is None else x.ctypes.data for x in operands]
    return lambda: _kernels.call(name, float32.code, addresses, size, strides, scalar, integer, 0, repeat)


def repeated(function, repeat):
    def run():
        for _ in range(repeat):
            function()

    return run


def compare(label, ours, others, repeat, seconds):
    """Takes turns for so many rounds as fill the time, and prints the row."""
    sides = {
        "ours": ours,
        **{name: repeated(function, repeat) for name, function in others.items() if function},
    }
    timers = {name: partial(timed, run) for name, run in sides.items()}
    took = timed_in_turns(timers, ROUNDS, seconds / ROUNDS)
    best = {name: min(times) for name, times in took.items()}
    mine = best.pop("ours")
    row = f"{label:28} {mine / repeat * 1e6:10.2f}"
    for name, value in best.items():
        row += f"   {name} {value / repeat * 1e6:10.2f}  {mine / value:5.2f}"
    print(row, flush=True)


def elementwise():
    for size, shape in SIZES.items():
        yield from elementwise_at(size, shape)


def elementwise_at(size, shape):
    """(label, our call, NumPy's, PyTorch's, repetitions) for maps, rows and reductions."""
    rows, columns = shape
    count = rows * columns
    repeat = 20 if count < 100_000 else 1
    x, y, out, weight, bias = array(*shape), array(*shape), array(*shape), array(columns), array(columns)
    mean, scale, number, target = array(rows), array(rows), array(1), np.arange(rows) % columns
    of_weight, of_bias, positions = np.empty(columns), np.empty(columns), np.empty(1, np.int64)
    t = {}
    if torch:
        t = {
            k: torch.from_numpy(v)
            for k, v in dict(x=x, y=y, out=out, w=weight, b=bias, target=target).items()
        }
    tx, ty, to = t.get("x"), t.get("y"), t.get("out")
    flat = [(4,)] * 3

    def with_torch(function):
        return function if torch else None

    maps = {
        "add": (2, lambda: np.add(x, y, out=out), lambda: torch.add(tx, ty, out=to)),
        "relu": (1, lambda: np.maximum(x, 0, out=out), lambda: torch.clamp_min(tx, 0, out=to)),
        "exp": (1, lambda: np.exp(x, out=out), lambda: torch.exp(tx, out=to)),
        "tanh": (1, lambda: np.tanh(x, out=out), lambda: torch.tanh(tx, out=to)),
        "sigmoid": (1, lambda: 1 / (1 + np.exp(-x)), lambda: torch.sigmoid(tx, out=to)),
        "gelu": (1, None, lambda: torch._C._nn.gelu(tx, out=to)),
        "gelu_backward": (2, None, lambda: torch.ops.aten.gelu_backward(tx, ty)),
        "sin": (1, lambda: np.sin(x, out=out), lambda: torch.sin(tx, out=to)),
        "pow": (2, lambda: np.power(x, y, out=out), lambda: torch.pow(tx, ty, out=to)),
    }
    for name, (inputs, numpy, pytorch) in maps.items():
        ours = kernel(name, [*[x, y][:inputs], out], (count,), flat, (), repeat)
        yield f"{name} {size}", ours, numpy, with_torch(pytorch), repeat
    line = 4 * columns
    row_strides = [(line, 4), (0, 4), (line, 4)]
    turned = [(4, line), (4 * rows, 4)]
    norm = [x, weight, bias, out, mean, scale]
    back = [y, x, weight, mean, scale, out, of_weight, of_bias]
    wide = out.reshape(columns, rows)
    others = [
        ("add a row", kernel("add", [x, bias, out], shape, row_strides, (), repeat),
         lambda: np.add(x, bias, out=out), lambda: torch.add(tx, t["b"], out=to)),
        ("copy transposed", kernel("copy", [x, out], shape[::-1], turned, (), repeat),
         lambda: np.copyto(wide, x.T), lambda: to.view(columns, rows).copy_(tx.t())),
        ("sum", kernel("sum", [x, number], (1, count, 1), [(0, 4, 4)], (), repeat),
         lambda: np.sum(x), lambda: torch.sum(tx)),
        ("sum of columns", kernel("sum", [x, of_bias], (1, rows, columns), [(0, line, 4)], (), repeat),
         lambda: np.sum(x, 0), lambda: torch.sum(tx, 0)),
        ("argmax", kernel("argmax", [x, positions], (1, count, 1), [(0, 4, 4)], (), repeat),
         lambda: np.argmax(x), lambda: torch.argmax(tx)),
        ("softmax", kernel("softmax", [x, out], (*shape, 1), (), (), repeat),
         None, lambda: torch.softmax(tx, 1, out=to)),
        ("layer_norm", kernel("layer_norm", norm, shape, (), (1e-5,), repeat),
         None, lambda: F.layer_norm(tx, (columns,), t["w"], t["b"])),
        ("layer_norm_backward", kernel("layer_norm_backward", back, shape, (), (), repeat), None, None),
        ("cross_entropy",
         kernel("cross_entropy", [x, target, number, out, None], shape, (), (), repeat, (1, -100)),
         None, lambda: F.cross_entropy(tx, t["target"])),
    ]  # fmt: skip
    for label, ours, numpy, pytorch in others:
        yield f"{label} {size}", ours, numpy, with_torch(pytorch), repeat


def products():
    for m, k, n in PRODUCTS:
        for layout in ("NN", "NT", "TN"):
            a = array(k, m).T if layout == "TN" else array(m, k)
            b = array(n, k).T if layout == "NT" else array(k, n)
            c = array(m, n)
            repeat = max(1, min(400, int(1e8 / (m * n * k + 2e5))))
            strides = [a.strides, b.strides, (), c.strides[:1]]
            ours = kernel("matmul", [a, b, None, c], (m, n, k, 1), strides, (), repeat)
            ta, tb, tc = (torch.from_numpy(v) for v in (a, b, c)) if torch else (None,) * 3
            pytorch = (lambda a=ta, b=tb, c=tc: torch.mm(a, b, out=c)) if torch else None
            yield (
                f"matmul {m}x{k}x{n} {layout}",
                ours,
                lambda a=a, b=b, c=c: np.matmul(a, b, out=c),
                pytorch,
                repeat,
            )


def steps():
    for label, count in (("2k", 2048), ("10M", 10_000_000)):
        repeat = max(1, 100_000 // count)
        param, grad, mean, square = (array(count) for _ in range(4))
        np.abs(square, out=square)
        settings = (1e-3, 0.9, 0.999, 1e-8, 0.0, 5.0)
        pytorch = None
        if torch:
            p = torch.nn.Parameter(torch.from_numpy(param.copy()))
            p.grad = torch.from_numpy(grad)
            pytorch = torch.optim.Adam([p], lr=1e-3, fused=True).step
        yield (
            f"adam {label}",
            kernel("adam", [param, grad, mean, square, None], (count,), (), settings, repeat),
            None,
            pytorch,
            repeat,
        )


def tiny():
    """What a call costs when there is next to nothing to do."""
    x, y, out = array(4), array(4), array(4)
    repeat = 10_000
    for name, inputs in (("add", 2), ("relu", 1), ("tanh", 1), ("sigmoid_backward", 2)):
        yield (
            f"{name} of 4",
            kernel(name, [*[x, y][:inputs], out], (4,), [(4,)] * 3, (), repeat),
            None,
            None,
            repeat,
        )
    yield "sum of 4", kernel("sum", [x, out], (1, 4, 1), [(0, 4, 4)], (), repeat), None, None, repeat
    yield "mse of 4", kernel("mse_loss", [x, y, out], (4,), (), (), repeat, (1,)), None, None, repeat


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", help="names, separated by commas; a row is taken if it begins with one"
    )
    parser.add_argument("--seconds", type=float, default=0.3, help="how long each side of a row takes")
    options = parser.parse_args()
    wanted = tuple(options.only.split(","))
    print(f"CPU level {_kernels.level()}; microseconds, and ours / theirs")
    for group in (tiny, elementwise, products, steps):
        for label, ours, numpy, pytorch, repeat in group():
            if label.startswith(wanted):
                compare(label, ours, {"numpy": numpy, "torch": pytorch}, repeat, options.seconds)


if __name__ == "__main__":
    main()
