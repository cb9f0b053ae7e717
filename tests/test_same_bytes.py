"""Results are the same bytes however many threads a kernel has."""

import pytest

import tensorgrad as tg
from tensorgrad.nn import functional as F

NUMBERS = (1, 2, 3, 8)


@pytest.fixture(autouse=True)
def _as_it_was():
    before = tg.get_num_threads()
    yield
    tg.set_num_threads(before)


def drawn(*shape, seed=0):
    return tg.rand(*shape, generator=tg.Generator().manual_seed(seed)) - 0.3


def backward_of_layer_norm():
    x, w, b = (drawn(*shape).requires_grad_() for shape in ((600, 257), (257,), (257,)))
    F.layer_norm(x, (257,), w, b).square().sum().backward()
    return tg.cat([each.grad.flatten() for each in (x, w, b)])


def backward_of_cross_entropy():
    x = drawn(700, 301).requires_grad_()
    target = tg.arange(700) % 301
    target[::7] = -100
    F.cross_entropy(x, target).backward()
    return x.grad


def backward_of_batch_norm(*shape):
    x, w, b = (drawn(*each).requires_grad_() for each in (shape, shape[1:2], shape[1:2]))
    F.batch_norm(x, None, None, w, b, training=True).square().sum().backward()
    return tg.cat([each.grad.flatten() for each in (x, w, b)])


def backward_of_rows():
    table = drawn(500, 33).requires_grad_()
    table[tg.arange(20_000) * 7 % 500].square().sum().backward()
    return table.grad


def backward_of_convolution(channels, filters, groups, size, **settings):
    x, w, b = drawn(5, channels, *size), drawn(filters, channels // groups, 3, 3, seed=1), drawn(filters)
    leaves = [each.requires_grad_() for each in (x, w, b)]
    F.conv2d(*leaves, groups=groups, **settings).square().sum().backward()
    return tg.cat([each.grad.flatten() for each in leaves])


def dropped():
    tg.manual_seed(0)
    return F.dropout(drawn(300_017))


CALLS = {
    "map": lambda: F.gelu(drawn(300_017)),
    "map of rows": lambda: drawn(701, 903) + drawn(903, seed=1),
    "map of a turned operand": lambda: drawn(701, 903).t() * drawn(903, 701, seed=1),
    "float64": lambda: drawn(200_003).double().exp(),
    "comparison": lambda: drawn(1_000_003) > 0.1,
    "conversion": lambda: (drawn(1_000_003) * 100).to(tg.int16),
    "copy": lambda: drawn(903, 701).t().contiguous(),
    "sum": lambda: drawn(3_000_017).sum(),
    "mean": lambda: drawn(3_000_017).mean(),
    "largest": lambda: drawn(3_000_017).amax(),
    "sum of rows": lambda: drawn(701, 903).sum(1),
    "sum of columns": lambda: drawn(701, 903).sum(0),
    "sum of three columns": lambda: drawn(700_001, 3).sum(0),
    "sum of steps": lambda: drawn(903, 701).t()[:, ::2].sum(1),
    "sum in the middle": lambda: drawn(3, 1501, 300).sum(1),
    "softmax": lambda: F.softmax(drawn(701, 903), 1),
    "layer_norm": backward_of_layer_norm,
    "cross_entropy": backward_of_cross_entropy,
    "batch_norm of rows": lambda: backward_of_batch_norm(3001, 67),
    "batch_norm of images": lambda: backward_of_batch_norm(9, 31, 20, 41),
    "norm": lambda: tg.linalg.vector_norm(drawn(3_000_017)),
    "place of the largest": lambda: drawn(701, 903).argmax(1),
    "largest and its place": lambda: tg.cat([each.double() for each in drawn(903, 701).max(0)]),
    "gathered rows": lambda: drawn(500, 301)[tg.arange(3000) % 500],
    "gradient of gathered rows": backward_of_rows,
    "dropout": dropped,
    "convolution": lambda: backward_of_convolution(9, 20, 1, (41, 37), padding=1),
    "convolution of many channels": lambda: backward_of_convolution(150, 130, 1, (5, 6), padding=1),
    "convolution of each channel": lambda: backward_of_convolution(30, 30, 30, (31, 29), stride=2),
    "mse_loss": lambda: F.mse_loss(drawn(300_017), drawn(300_017, seed=1)),
    "rows of a product": lambda: drawn(301, 200) @ drawn(200, 301, seed=1),
    "columns of a product": lambda: drawn(17, 500) @ drawn(500, 700, seed=1),
    "a turned product": lambda: drawn(200, 301).t() @ drawn(301, 200, seed=1).t(),
    "products": lambda: drawn(9, 61, 70) @ drawn(9, 70, 50, seed=1),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_the_same_bytes_at_any_number_of_threads(name):
    results = []
    for number in NUMBERS:
        tg.set_num_threads(number)
        results.append(CALLS[name]().numpy().tobytes())
    assert len(set(results)) == 1


def trained(model, x, y, steps=3):
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return b"".join(each.detach().numpy().tobytes() for each in [*model.parameters(), *model.buffers()])


class Attention(tg.nn.Module):
    """One block of a transformer, and a mean over its positions."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.project = tg.nn.LayerNorm(width), tg.nn.Linear(width, 3 * width)
        self.rest = tg.nn.Sequential(tg.nn.LayerNorm(width), tg.nn.Linear(width, 4 * width), tg.nn.GELU())
        self.out = tg.nn.Linear(4 * width, 10)

    def forward(self, x):
        q, k, v = self.project(self.norm(x)).chunk(3, -1)
        return self.out(self.rest(x + F.scaled_dot_product_attention(q, k, v)).mean(1))


def mlp():
    layers = tg.nn.Linear(200, 300), tg.nn.ReLU(), tg.nn.Dropout(0.2), tg.nn.Linear(300, 10)
    return tg.nn.Sequential(*layers), drawn(256, 200)


def normalized():
    layers = tg.nn.Linear(200, 300), tg.nn.BatchNorm1d(300), tg.nn.Tanh(), tg.nn.Linear(300, 10)
    return tg.nn.Sequential(*layers), drawn(256, 200)


def transformer():
    return Attention(64), drawn(64, 32, 64)


def convolutional():
    layers = [tg.nn.Conv2d(1, 16, 3, padding=1), tg.nn.BatchNorm2d(16), tg.nn.ReLU()]
    layers += [tg.nn.Conv2d(16, 24, 3, stride=2), tg.nn.ReLU(), tg.nn.Flatten(), tg.nn.Linear(24 * 49, 10)]
    return tg.nn.Sequential(*layers), drawn(64, 1, 16, 16)


@pytest.mark.parametrize("net", (mlp, normalized, transformer, convolutional))
def test_training_gives_the_same_bytes_at_any_number_of_threads(net):
    results = []
    for number in NUMBERS:
        tg.set_num_threads(number)
        tg.manual_seed(0)
        model, x = net()
        results.append(trained(model, x, tg.arange(len(x)) % 10))
    assert len(set(results)) == 1
