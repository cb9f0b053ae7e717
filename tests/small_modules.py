"""Small modules that several tests use, and what compares tensors."""

import tensorgrad as tg
from tensorgrad import nn


def ones(*shape, **settings):
    return tg.ones(shape, **settings)


def same(a, b):
    return a.shape == b.shape and bool((a == b).all())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.act = nn.ReLU()
        self.last = nn.Linear(3, 1, bias=False)
        self.register_buffer("seen", tg.zeros(1))
        self.register_buffer("scratch", tg.zeros(2), persistent=False)

    def forward(self, x):
        return self.last(self.act(self.first(x)))


class Doubles(nn.Module):
    """Takes and gives anything that can be doubled."""

    def forward(self, x, times=2):
        return x * times


def added_one(module, args, output):
    return output + 1
