"""Views: they share memory, know their place, and every one has the gradient of what it shows."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.core.declare import registry
from tensorgrad.testing.samples import materialize, tensors_in

# (name, the view, the same in NumPy) of a tensor of shape (4, 6)
VIEWS = [
    ("reshape", lambda x: x.reshape(3, 8), lambda a: a.reshape(3, 8)),
    ("view", lambda x: x.view(2, -1), lambda a: a.reshape(2, -1)),
    ("flatten", lambda x: x.flatten(), lambda a: a.reshape(-1)),
    ("unflatten", lambda x: x.unflatten(1, (2, -1)), lambda a: a.reshape(4, 2, 3)),
    ("t", lambda x: x.t(), lambda a: a.T),
    ("T", lambda x: x.T, lambda a: a.T),
    ("mT", lambda x: x.mT, lambda a: a.T),
    ("transpose", lambda x: x.transpose(-1, 0), lambda a: a.T),
    ("swapaxes", lambda x: x.swapaxes(0, 1), lambda a: a.T),
    ("permute", lambda x: x.permute(1, 0), lambda a: a.T),
    ("movedim", lambda x: x.movedim(0, 1), lambda a: a.T),
    ("unsqueeze", lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    ("squeeze", lambda x: x.unsqueeze(0).squeeze(), lambda a: a),
    ("expand", lambda x: x.expand(2, 4, 6), lambda a: np.broadcast_to(a, (2, 4, 6))),
    ("select", lambda x: x.select(1, -2), lambda a: a[:, -2]),
    ("narrow", lambda x: x.narrow(1, 2, 3), lambda a: a[:, 2:5]),
    ("slice", lambda x: x[1:, ::2], lambda a: a[1:, ::2]),
    ("int and slice", lambda x: x[-1, 1:3], lambda a: a[-1, 1:3]),
    ("None and dots", lambda x: x[None, ..., 1], lambda a: a[None, ..., 1]),
    ("diagonal", lambda x: x.diagonal(1), lambda a: np.diagonal(a, 1)),
    ("unfold", lambda x: x.unfold(1, 3, 2), lambda a: np.stack([a[:, 0:3], a[:, 2:5]], 1)),
    ("as_strided", lambda x: x.as_strided((2, 3), (6, 2), 1), lambda a: a[:2, 1::2]),
    ("chunk", lambda x: x.chunk(2, 1)[1], lambda a: a[:, 3:]),
    ("split", lambda x: x.split([1, 5], 1)[1], lambda a: a[:, 1:]),
    ("unbind", lambda x: x.unbind(1)[2], lambda a: a[:, 2]),
    ("tensor_split", lambda x: x.tensor_split(3)[0], lambda a: a[:2]),
    ("iteration", lambda x: list(x)[3], lambda a: a[3]),
]
views = pytest.mark.parametrize(("take", "in_numpy"), [v[1:] for v in VIEWS], ids=[v[0] for v in VIEWS])


@views
def test_values_and_shared_memory(take, in_numpy):
    a = np.arange(24.0).reshape(4, 6)
    x = tg.from_numpy(a)
    v = take(x)
    np.testing.assert_array_equal(v.numpy(), in_numpy(a))
    assert np.shares_memory(v.numpy(), a)
    x.add_(100)
    np.testing.assert_array_equal(v.numpy(), in_numpy(a))


@views
def test_writes_through_a_view_show_in_its_base(take, in_numpy):
    a = np.arange(24.0).reshape(4, 6)
    x = tg.tensor(a)
    v = take(x)
    places = in_numpy(np.arange(24).reshape(4, 6)).reshape(-1)
    if 0 in v.stride():
        with pytest.raises(RuntimeError, match="more than one element"):
            v.mul_(2)
        return
    v.copy_(tg.full(tuple(v.shape), -1.0))
    expected = a.copy()
    expected.reshape(-1)[places] = -1
    np.testing.assert_array_equal(x.numpy(), expected)


@views
def test_gradient_lands_where_the_view_shows(take, in_numpy):
    x = tg.tensor(np.arange(24.0).reshape(4, 6), requires_grad=True)
    v = take(x)
    weights = np.random.default_rng(0).normal(size=tuple(v.shape))
    (v * tg.tensor(weights)).sum().backward()
    places = in_numpy(np.arange(24).reshape(4, 6))
    expected = np.bincount(places.reshape(-1), weights=weights.reshape(-1), minlength=24)
    np.testing.assert_allclose(x.grad.numpy().reshape(-1), expected)


@views
def test_a_view_of_a_strided_tensor_is_the_same_view(take, in_numpy):
    a = np.arange(48.0).reshape(6, 8)[:, ::2].T
    x = tg.from_numpy(a)
    try:
        v = take(x)
    except RuntimeError as error:
        assert "view size is not compatible" in str(error)
        return
    if v.dim() == 2 and v.shape == (2, 3) and v.storage_offset() == 1:
        return  # as_strided reads the memory, not the tensor
    np.testing.assert_array_equal(v.numpy(), in_numpy(a))


def test_view_that_would_take_a_copy_is_refused_and_reshape_copies():
    x = tg.arange(6).reshape(2, 3).t()
    with pytest.raises(RuntimeError, match=r"view size is not compatible .* Use .reshape"):
        x.view(6)
    y = x.reshape(6)
    y[0] = 100
    assert x[0, 0].item() == 0


def test_gradients_of_all_parts_of_a_split_come_back_as_one():
    x = tg.arange(6.0, requires_grad=True)
    a, b, c = x.split(2)
    assert a.grad_fn is b.grad_fn
    (a * 2 + c * 3).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 0.0, 0.0, 3.0, 3.0]


def test_second_order_through_unbind_and_stack():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    a, b = x.unbind()
    y = tg.stack([a * b, b], 1).prod(1).sum()  # a * b ** 2
    (g,) = tg.autograd.grad(y, x, create_graph=True)
    assert g.tolist() == [[9.0, 16.0], [6.0, 16.0]]
    (h,) = tg.autograd.grad(g[0].sum(), x)
    assert h.tolist() == [[0.0, 0.0], [6.0, 8.0]]


def test_many_parts():
    x = tg.zeros(70000, requires_grad=True)
    parts = x.unbind()
    assert len(parts) == 70000
    (parts[-1] * 2 + parts[0]).backward()
    assert x.grad[-1].item() == 2.0
    assert x.grad[0].item() == 1.0
    assert len(x.split(1)) == 70000


def test_view_as_another_dtype_reads_the_same_bytes():
    x = tg.tensor([1.0, -2.0])
    assert x.view(tg.int32).tolist() == np.float32([1.0, -2.0]).view(np.int32).tolist()
    assert x.view(tg.float64).shape == (1,)
    assert x.view(tg.uint8).shape == (8,)
    x.view(tg.int32)[0] = 0
    assert x.tolist() == [0.0, -2.0]
    with pytest.raises(RuntimeError, match="divisible by 2 to view Float as Double"):
        tg.zeros(3).view(tg.float64)
    with pytest.raises(RuntimeError, match="dim.. cannot be 0 to view"):
        tg.zeros(()).view(tg.float64)


def test_as_strided_stays_inside_the_memory():
    x = tg.arange(6.0)
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        x.as_strided((1000,), (1,))
    with pytest.raises(RuntimeError, match="Negative strides"):
        x.as_strided((2,), (-1,))
    assert x[3:].as_strided((2,), (1,)).tolist() == [3.0, 4.0]
    assert x[3:].as_strided((2,), (1,), 1).tolist() == [1.0, 2.0]


def test_as_strided_of_a_strided_tensor_has_the_gradient_of_the_memory():
    x = tg.arange(6.0).reshape(2, 3).requires_grad_()
    y = x.t().as_strided((2, 2), (1, 1), 1)  # memory 1, 2, 2, 3
    (y * tg.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0, 5.0], [4.0, 0.0, 0.0]]


def test_shapes_changed_in_place():
    x = tg.arange(6).reshape(2, 3)
    y = x
    assert x.t_() is y
    assert y.shape == (3, 2)
    assert y.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert x.unsqueeze_(1).shape == (3, 1, 2)
    assert x.squeeze_().shape == (3, 2)
    assert x.swapaxes_(0, 1).shape == (2, 3)
    assert x.as_strided_((6,), (1,)).tolist() == [0, 1, 2, 3, 4, 5]


def test_shape_change_in_place_after_a_save_is_refused_in_backward():
    x = tg.ones(2, 2, requires_grad=True)
    y = x * 1
    z = y * y
    y.t_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


SHAPES = {
    "unsqueeze_": (lambda y: y.unsqueeze_(1), lambda y: y.unsqueeze(1)),
    "squeeze_": (lambda y: y.squeeze_(0), lambda y: y.squeeze(0)),
    "t_": (lambda y: y.t_(), lambda y: y.t()),
    "transpose_": (lambda y: y.transpose_(0, 1), lambda y: y.transpose(0, 1)),
    "swapaxes_": (lambda y: y.swapaxes_(0, 1), lambda y: y.swapaxes(0, 1)),
}


@pytest.mark.parametrize("recording", [True, False], ids=["recorded", "no_grad"])
@pytest.mark.parametrize("of_view", [True, False], ids=["view", "base"])
@pytest.mark.parametrize("change, same", SHAPES.values(), ids=SHAPES.keys())
def test_gradient_follows_a_shape_that_was_changed_in_place(change, same, of_view, recording):
    def grad(form):
        x = tg.arange(1.0, 7.0, dtype=tg.float64).view(1, 6).requires_grad_()
        y = (x * x).view(1, 6) if of_view else x * x
        with tg.set_grad_enabled(recording or form is same):
            y = form(y)
        weights = tg.arange(1.0, 7.0, dtype=tg.float64).view(y.shape)
        (y * weights).sum().backward()
        return x.grad.tolist()

    assert grad(change) == grad(same)


def test_views_taken_before_the_shape_was_changed_still_write_their_elements():
    for recording in (True, False):
        x = tg.arange(1.0, 5.0).requires_grad_()
        y = (x * 2).view(2, 2) * 1
        row = y[0]
        with tg.set_grad_enabled(recording):
            y.transpose_(0, 1)
        row.mul_(2)
        (y * tg.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
        assert x.grad.tolist() == [4.0, 12.0, 4.0, 8.0]


def test_change_of_shape_counts_as_one_write_and_is_refused_for_leaves_that_need_a_gradient():
    x = tg.ones(2, 2, requires_grad=True)
    y = x * 1
    y.t_()
    assert y._version == 1
    for leaf in (x, x[:1]):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            leaf.unsqueeze_(0)


def test_view_made_without_recording_is_not_used_after_a_recorded_write_to_its_base():
    x = tg.ones(3, requires_grad=True)
    y = x * 1
    with tg.no_grad():
        view = y[1:]
    y.mul_(2)
    assert view.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
        view.sum()
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        view.unsqueeze_(0)


def test_set_shows_other_memory():
    x, y = tg.zeros(3), tg.ones(2)
    assert x.set_(y) is x
    y[0] = 5
    assert x.tolist() == [5.0, 1.0]
    with pytest.raises(RuntimeError, match="Could not set"):
        x.set_(tg.ones(2, dtype=tg.int64))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.view(5), RuntimeError, r"shape '\[5\]' is invalid for input of size 6"),
        (lambda x: x.reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
        (
            lambda x: x.transpose(0, 2),
            IndexError,
            r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)",
        ),
        (lambda x: x.permute(0, 0), RuntimeError, "duplicate dims"),
        (lambda x: x.permute(0), RuntimeError, "does not match the length"),
        (lambda x: x.unsqueeze(4), IndexError, "Dimension out of range"),
        (
            lambda x: x.expand(3, 3),
            RuntimeError,
            r"expanded size of the tensor \(3\) must match the existing size \(2\)",
        ),
        (lambda x: x.flatten(1, 0), RuntimeError, "start_dim cannot come after end_dim"),
        (lambda x: x.unflatten(1, (2, 2)), RuntimeError, "don't multiply up to the size of dim 1"),
        (
            lambda x: x.narrow(0, 1, 5),
            RuntimeError,
            r"start \(1\) \+ length \(5\) exceeds dimension size \(2\)",
        ),
        (lambda x: x.diagonal(0, 0, 0), RuntimeError, "diagonal dimensions cannot be identical"),
        (
            lambda x: x.unfold(0, 5, 1),
            RuntimeError,
            "maximum size for tensor at dimension 0 is 2 but size is 5",
        ),
        (lambda x: x.movedim((0, 0), (0, 1)), RuntimeError, "repeated dim in `source`"),
        (lambda x: x[0].mT, RuntimeError, "only supported on matrices"),
        (
            lambda x: x.unsqueeze(0).t(),
            RuntimeError,
            "t.. expects a tensor with <= 2 dimensions, but self is 3D",
        ),
        (lambda x: x.chunk(0), RuntimeError, "greater than 0"),
        (lambda x: x.split([1, 2]), RuntimeError, "sum exactly to 2"),
        (lambda x: tg.tensor(1).unbind(), IndexError, "no dimensions"),
        (lambda x: x[::-1], ValueError, "step must be greater than zero"),
        (lambda x: x[2], IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
        (lambda x: x[0, 0, 0], IndexError, "too many indices for tensor of dimension 2"),
        (lambda x: x[..., ...], IndexError, "single ellipsis"),
    ],
)
def test_impossible_views_say_what_is_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call(tg.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: tg.ones(1).expand(2**40, 2**40),
        lambda: tg.empty(0).reshape(2**32, 2**32),
        lambda: tg.ones(4).resize_(2**32, 2**32),
    ],
    ids=["expand", "reshape", "resize_"],
)
def test_more_elements_than_64_bits_count_are_refused(make):
    with pytest.raises(RuntimeError, match="overflow"):
        make()


def test_no_elements_may_have_any_other_extents():
    assert tg.empty(0, 2**31, 2**31).shape == (0, 2**31, 2**31)


@pytest.mark.skipif(
    tg.get_backend() == "numpy" and np.lib.NumpyVersion(np.__version__) < "2.0.0",
    reason="arrays of NumPy 1 have at most 32 dimensions",
)
def test_64_dimensions_are_taken_and_one_more_is_refused():
    ones = [1] * 64
    assert tg.ones(1).view(*ones).expand(*ones).ndim == 64
    x = tg.ones(ones)
    for more in (lambda: x.unsqueeze(0), lambda: tg.stack([x, x]), lambda: x[None]):
        with pytest.raises(RuntimeError, match="at most 64 dimensions"):
            more()


def test_step_of_a_slice_may_be_huge():
    assert tg.arange(5)[::2**63 - 1].tolist() == [0]


def test_list_that_empties_itself_while_it_is_read_is_read_whole():
    class Emptying:
        def __index__(self):
            sizes.clear()
            return 2

    sizes = [Emptying(), 3, 4]
    assert tg.ones(24).reshape(sizes).shape == (2, 3, 4)


@pytest.mark.parametrize("count", [1, 3, 12, 13, 100, 5000])
def test_strided_view_past_the_last_element_is_refused(count):
    x = tg.ones(count)
    assert x.as_strided((count,), (1,)).sum().item() == count
    with pytest.raises(RuntimeError):
        x.as_strided((count + 1,), (1,))


def test_ravel_is_a_view_of_what_is_contiguous_and_a_copy_of_anything_else():
    x = tg.zeros(3, 2)
    x[:, 0].ravel()[0] = 5.0
    x.t().ravel()[0] = 5.0
    x[:, :1].ravel()[0] = 5.0
    assert x.sum().item() == 0
    x.ravel()[0] = 5.0
    x[1].ravel()[0] = 6.0
    assert x.tolist() == [[5.0, 0.0], [6.0, 0.0], [0.0, 0.0]]
    assert tg.zeros(0, 3).ravel().shape == (0,)
    assert tg.tensor(3.0).ravel().tolist() == [3.0]


@pytest.mark.parametrize(
    ("view", "place", "wanted"),
    [
        (lambda x: x[3:7], ((2,), (1,)), [90.0, 91.0, 5.0, 6.0]),
        (lambda x: x[3:7], ((2,), (1,), 1), [3.0, 4.0, 5.0, 6.0]),
        (lambda x: x[2:6], ((2,), (1,), 1), [91.0, 3.0, 4.0, 5.0]),
        (lambda x: x[::2], ((2,), (1,)), [90.0, 2.0, 4.0, 6.0]),
        (lambda x: x[::2], ((2,), (2,), 2), [0.0, 90.0, 91.0, 6.0]),
        (lambda x: x[:6].view(2, 3).t(), ((2,), (2,), 2), [[0.0, 3.0], [1.0, 91.0], [90.0, 5.0]]),
        (lambda x: x[1:2].expand(3), ((2,), (1,), 0), [90.0, 91.0, 1.0]),
    ],
)
def test_as_strided_scatter_counts_in_the_memory_of_a_view(view, place, wanted):
    source = tg.tensor([90.0, 91.0], requires_grad=True)
    memory = tg.arange(8.0, requires_grad=True)
    found = view(memory).as_strided_scatter(source, *place)
    assert found.tolist() == wanted
    found.sum().backward()
    flat = found.detach().reshape(-1).tolist()
    assert source.grad.tolist() == [float(90.0 in flat), float(91.0 in flat)]
    assert memory.grad.sum().item() == sum(each < 90 for each in flat)


def test_no_result_is_a_view_of_a_tensor_that_nobody_has():
    hidden = set()
    for name, op in registry.items():
        if op.kind_name == "inplace" or op.facts.samples is None:
            continue
        for sample in op.facts.samples():
            args, kwargs, _ = materialize(sample, requires_grad=False)
            given = tensors_in([*args, *kwargs.values()])
            known = {id(t) for g in given for t in (g, g._base)}
            for out in tensors_in(op(*args, **kwargs)):
                if out._base is not None and id(out._base) not in known:
                    hidden.add(name)
    assert not hidden
