"""The table of a module's layers: shapes, parameters and multiply-adds worked out by hand."""

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.inside.summarizing import multiply_adds


def rows(module, *inputs):
    found = tg.summary(module, *inputs).rows
    return [(row.name, row.shape, row.parameters, row.multiply_adds) for row in found]


def test_layers_in_the_order_they_run():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 10))
    assert rows(model, tg.zeros(2, 3, 6, 6)) == [
        ("Sequential", "[2, 10]", 224 + 2890, 2 * 36 * 216 + 2 * 2880),
        ("0", "[2, 8, 6, 6]", 224, 2 * 36 * 216),
        ("1", "[2, 8, 6, 6]", 0, 0),
        ("2", "[2, 288]", 0, 0),
        ("3", "[2, 10]", 2890, 2 * 2880),
    ]


@pytest.mark.parametrize(
    "module, inputs, expected",
    [
        (nn.Linear(3, 5), [tg.zeros(2, 4, 3)], 8 * 15),
        (nn.Conv1d(4, 6, 3, groups=2, stride=2), [tg.zeros(2, 4, 9)], 2 * 4 * 6 * 2 * 3),
        (nn.ConvTranspose1d(4, 6, 3), [tg.zeros(2, 4, 5)], 2 * 5 * 4 * 6 * 3),
        (nn.Bilinear(2, 3, 4), [tg.zeros(5, 2), tg.zeros(5, 3)], 5 * 24),
        (nn.LSTM(3, 4, num_layers=2), [tg.zeros(5, 2, 3)], 10 * (16 * 3 + 16 * 4 + 2 * 16 * 4)),
        (nn.GRUCell(3, 4), [tg.zeros(2, 3)], 2 * (12 * 3 + 12 * 4)),
        (nn.MultiheadAttention(4, 2), [tg.zeros(5, 2, 4)] * 3, 10 * 4 * 16),
        (nn.Embedding(7, 4), [tg.zeros(5, dtype=tg.int64)], 0),
        (nn.LayerNorm(4), [tg.zeros(5, 4)], 20),
        (nn.Tanh(), [tg.zeros(5, 4)], 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_multiply_adds(module, inputs, expected):
    assert tg.summary(module, *inputs).multiply_adds == expected


def test_a_layer_of_ones_own_with_weights_is_unknown_and_so_is_what_holds_it():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(tg.ones(3))

        def forward(self, x):
            return x * self.weight

    table = tg.summary(nn.Sequential(nn.Linear(3, 3), Scale()), tg.zeros(1, 3))
    assert [row.multiply_adds for row in table.rows] == [None, 9, None]
    assert str(table).splitlines()[2].endswith("?")
    assert multiply_adds(nn.ReLU(), (), tg.zeros(1)) == 0


def test_a_module_that_runs_twice_has_its_parameters_once():
    layer = nn.Linear(3, 3)
    table = tg.summary(nn.Sequential(layer, layer), tg.zeros(1, 3))
    assert table.parameters == 12 and table.multiply_adds == 18
    assert "(as above)" in str(table)


def test_frozen_parameters_are_told_apart():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    table = tg.summary(model, tg.zeros(1, 3))
    assert (table.parameters, table.trainable) == (16, 4)
    assert str(table).endswith("parameters: 16, of which 12 are frozen")


def test_the_module_stays_as_it_was():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[1].eval()
    tg.summary(model, tg.ones(4, 3))
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert model[0].num_batches_tracked == 0
    assert not model[0]._forward_hooks and not model[0]._forward_pre_hooks


def test_hooks_are_gone_after_an_error():
    model = nn.Linear(3, 3)
    with pytest.raises(RuntimeError):
        tg.summary(model, tg.zeros(1, 4))
    assert not model._forward_hooks and model.training
    with pytest.raises(TypeError, match="must be a Module"):
        tg.summary(tg.zeros(1))
