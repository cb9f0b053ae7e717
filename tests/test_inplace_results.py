"""Results that are written in place before the backward: what the tape keeps of them, what is left of the
gradients from before, and writes where a view overlaps itself.

Expected values are from paper.
"""

import pytest

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F

# ---- what the tape keeps


def _first(found):
    return found[0] if isinstance(found, tuple) else found


KEEP_POSITIONS = {
    "max": lambda x: x.max(dim=1),
    "min": lambda x: x.min(dim=0, keepdim=True),
    "median": lambda x: x.median(dim=1),
    "nanmedian": lambda x: x.nanmedian(dim=1),
    "mode": lambda x: x.mode(dim=1),
    "kthvalue": lambda x: x.kthvalue(2, dim=1),
    "topk": lambda x: x.topk(2, dim=1),
    "sort": lambda x: x.sort(dim=1, descending=True),
    "msort": lambda x: tg.msort(x),
    "cummax": lambda x: x.cummax(dim=1),
    "cummin": lambda x: x.cummin(dim=0),
    "frexp": lambda x: tg.frexp(x),
    "erfinv": lambda x: (x / 10).erfinv(),
    "kron": lambda x: tg.kron(x, x),
    "instance_norm": lambda x: F.instance_norm(x.view(1, 2, 3)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "group_norm": lambda x: F.group_norm(x.view(1, 2, 3), 2),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
}


@pytest.mark.parametrize("op", KEEP_POSITIONS.values(), ids=KEEP_POSITIONS.keys())
def test_result_may_be_written_where_its_derivative_needs_the_input_or_positions(op, backend):
    def grad(write):
        x = tg.tensor([[1.0, 3.0, 2.5], [2.0, 0.5, 4.0]], dtype=tg.float64, requires_grad=True)
        y = _first(op(x))
        weight = tg.linspace(0.5, 2.0, y.numel(), dtype=tg.float64).view(y.shape)
        write(y)
        (y * weight).sum().backward()
        return x.grad

    plain = grad(lambda y: None)
    assert tg.allclose(grad(lambda y: y.add_(1)), plain)
    assert tg.allclose(grad(lambda y: y.mul_(2)), plain * 2)


def test_positions_that_the_tape_keeps_are_not_written():
    x = tg.tensor([3.0, 1.0], requires_grad=True)
    values, positions = x.sort()
    positions.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def test_norm_without_weights_trains_under_an_activation_in_place():
    x = tg.randn(2, 3, 4, 4, requires_grad=True)
    layer = nn.Sequential(nn.InstanceNorm2d(3), nn.ReLU(inplace=True))
    layer(x).sum().backward()
    plain = x.grad.clone()
    x.grad = None
    F.relu(F.instance_norm(x)).sum().backward()
    assert tg.allclose(x.grad, plain)


# ---- views that overlap themselves


def overlapping():
    x = tg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    base = x * 1
    return x, base, base.unfold(0, 2, 1)         # [[1, 2], [2, 3], [3, 4]]


ONCE = {
    "clamp_": (lambda t: t.clamp_(-9, 9), [1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 9.0, 6.0]),
    "mul_": (lambda t: t.mul_(2), [2.0, 4.0, 6.0, 8.0], [2.0, 10.0, 18.0, 12.0]),
    "neg_": (lambda t: t.neg_(), [-1.0, -2.0, -3.0, -4.0], [-1.0, -5.0, -9.0, -6.0]),
    "add_": (lambda t: t.add_(1), [2.0, 3.0, 4.0, 5.0], [1.0, 5.0, 9.0, 6.0]),
    "fill_": (lambda t: t.fill_(7), [7.0] * 4, [0.0] * 4),
    "zero_": (lambda t: t.zero_(), [0.0] * 4, [0.0] * 4),
    "copy_": (
        lambda t: t.copy_(tg.tensor([[5.0, 6.0], [7.0, 8.0], [9.0, 10.0]])), [5.0, 7.0, 9.0, 10.0], [0.0] * 4
    ),
    "mask": (lambda t: t.__setitem__(t.detach() > 2.5, 7.0), [1.0, 2.0, 7.0, 7.0], [1.0, 5.0, 0.0, 0.0]),
    "one place": (
        lambda t: t.masked_fill_(tg.tensor([[False, True], [False, False], [False, False]]), 7.0),
        [1.0, 7.0, 3.0, 4.0], [1.0, 0.0, 9.0, 6.0],
    ),
    "index_put_": (
        lambda t: t.index_put_((tg.tensor([0]),), tg.tensor([8.0, 9.0])),
        [8.0, 9.0, 3.0, 4.0],
        [0.0, 0.0, 9.0, 6.0],
    ),
    "row": (lambda t: t.__setitem__(0, 5.0), [5.0, 5.0, 3.0, 4.0], [0.0, 0.0, 9.0, 6.0]),
    "column": (lambda t: t[:, 1].mul_(3), [1.0, 6.0, 9.0, 12.0], [1.0, 15.0, 27.0, 18.0]),
}


@pytest.mark.parametrize("write, values, grad", ONCE.values(), ids=ONCE.keys())
def test_view_that_overlaps_itself_is_written_once_in_every_place(write, values, grad, backend):
    x, base, t = overlapping()
    write(t)
    assert base.tolist() == values
    (t * tg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).sum().backward()
    assert x.grad.tolist() == grad


@pytest.mark.parametrize("write", [each[0] for each in ONCE.values()], ids=ONCE.keys())
def test_view_that_overlaps_itself_is_written_alike_where_nothing_is_recorded(write, backend):
    _, recorded, t = overlapping()
    write(t)
    _, plain, _ = overlapping()
    write(plain.detach().unfold(0, 2, 1))
    assert plain.tolist() == recorded.tolist()


def test_value_written_to_a_view_that_overlaps_itself_gets_its_gradient_where_it_stayed(backend):
    x, base, t = overlapping()
    value = tg.tensor([[5.0, 6.0], [7.0, 8.0], [9.0, 10.0]], requires_grad=True)
    t.copy_(value)
    (base * tg.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert value.grad.tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 4.0]]
    assert x.grad.tolist() == [0.0] * 4


# ---- zero, where what came before is gone

GONE = {
    "copy_": lambda y: y.copy_(tg.ones(2)),
    "fill_": lambda y: y.fill_(3),
    "zero_": lambda y: y.zero_(),
    "masked_fill_": lambda y: y.masked_fill_(tg.tensor([True, True]), 1.0),
    "all": lambda y: y.__setitem__(..., 2.0),
    "slice": lambda y: y.__setitem__(slice(None), tg.ones(2)),
    "mask": lambda y: y.__setitem__(y.detach() > 0, 2.0),
    "normal_": lambda y: y.normal_(),
    "view": lambda y: y.view(2, 1).zero_(),
}


@pytest.mark.parametrize("write", GONE.values(), ids=GONE.keys())
def test_gradient_of_what_was_written_over_is_zero_not_none(write, backend):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    write(y)
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


# ---- .data


def test_write_through_data_is_not_seen_by_the_tape(backend):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    w = tg.tensor([3.0, 4.0])
    y = x * w
    w.data[0] = 5.0
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 4.0] and w.tolist() == [5.0, 4.0] and w._version == 0


def test_write_through_the_data_of_a_kept_result_is_not_seen_by_the_tape(backend):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.data.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_data_counts_its_own_writes():
    x = tg.ones(2)
    d = x.data
    d.add_(1)
    assert (x._version, d._version, x.data._version) == (0, 1, 0)
    x.add_(1)
    assert (x._version, d._version) == (1, 1)
    part = d[:1]
    part.mul_(2)
    assert (x._version, d._version, part._version) == (1, 2, 2)
    assert x.tolist() == d.tolist() == [6.0, 3.0]


def test_write_to_data_that_the_tape_keeps_is_seen():
    x = tg.ones(2, requires_grad=True)
    d = tg.ones(2).data
    y = x * d
    d.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_detach_shares_the_count_of_writes():
    x = tg.ones(2, requires_grad=True)
    y = x * x
    x.detach().mul_(3)
    assert x._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_data_that_is_replaced_leaves_the_version_and_is_counted_apart(backend):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    w = tg.tensor([3.0, 4.0])
    other = tg.tensor([7.0, 8.0])
    y = x * w
    w.data = other
    other.add_(1)
    assert w._version == 0 and w.tolist() == [8.0, 9.0]
    y.sum().backward()
    assert x.grad.tolist() == [8.0, 9.0]
    w.data[0] = 0.0
    assert other.tolist() == [0.0, 9.0]


def test_data_of_another_shape_that_the_tape_needs_is_refused():
    x = tg.ones(2, requires_grad=True)
    w = tg.ones(2)
    y = x * w
    w.data = tg.ones(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_memory_that_data_shows_lives_as_long_as_it_does():
    d = tg.arange(1000.0).data.data
    tg.ones(1000).mul_(2)
    assert d.sum().item() == 499500.0
    x = tg.ones(3)
    for _ in range(5):
        x.data = x.data * 2
        x.data = x.data
    assert x.tolist() == [32.0] * 3 and x.storage_offset() == 0
