"""Indexing with masks and arrays, and reading and writing along a dimension."""

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F

# What PyTorch answers for an index into a tensor of shape (2, 3, 4).
SHAPES = [
    ((0, slice(None), [0, 1]), (3, 2)),
    (([0, 1], slice(None), 0), (2, 3)),
    (([0, 1], slice(None), [0, 1]), (2, 3)),
    ((slice(None), [0, 1], [0, 1]), (2, 2)),
    ([0, 1], (2, 3, 4)),
    ([slice(0, 1), 1], (1, 4)),
    ([[0, 1], [1, 0]], (2, 4)),
    (([[0, 1], [1, 0]],), (2, 2, 3, 4)),
    (True, (1, 2, 3, 4)),
    (False, (0, 2, 3, 4)),
    ((slice(None), True), (2, 1, 3, 4)),
    ((None, [0, 1]), (1, 2, 3, 4)),
    (([0, 1], None, [0, 1]), (2, 1, 4)),
    ([True, False], (1, 3, 4)),
    (([0, 1], [True, False, True]), (2, 4)),
    ((Ellipsis, [0, 1]), (2, 3, 2)),
    (([0, 1], Ellipsis, [0, 1]), (2, 3)),
    ((slice(0, 1), [0, 1]), (1, 2, 4)),
    ([], (0, 3, 4)),
    ((slice(None), []), (2, 0, 4)),
    (range(2), (2, 3, 4)),
    (np.array([0, 1]), (2, 3, 4)),
    (np.int64(1), (3, 4)),
    (None, (1, 2, 3, 4)),
    ((), (2, 3, 4)),
]


@pytest.mark.parametrize(("index", "shape"), SHAPES, ids=[str(i) for i, _ in SHAPES])
def test_shape_of_an_index(index, shape):
    x = tg.arange(24.0).reshape(2, 3, 4)
    assert x[index].shape == shape
    y = x.clone()
    y[index] = -1.0
    assert (y[index] == -1).all()
    assert int((y == -1).sum()) == len(np.unique(np.asarray(x[index].numpy())))


def random_index(rng, shape):
    """An index with which NumPy and PyTorch agree: no int beside an array that a slice keeps apart from
    it.
    """
    parts, left = [], list(shape)
    length = int(rng.integers(1, 4))
    while left:
        n = left.pop(0)
        kind = rng.integers(7)
        if kind == 0:
            parts.append(slice(None))
        elif kind == 1:
            low = int(rng.integers(n))
            parts.append(slice(low, None, int(rng.integers(1, 3))))
        elif kind == 2:
            parts.append(rng.integers(-n, n, size=length).tolist())
        elif kind == 3:
            parts.append(rng.integers(-n, n, size=(2, length)))
        elif kind == 4:
            parts += [None, slice(None)]
        elif kind == 5 and not any(isinstance(p, (list, np.ndarray)) for p in parts):
            mask = np.zeros(n, bool)
            mask[rng.choice(n, min(length, n), replace=False)] = True
            length = int(mask.sum())
            parts.append(mask)
        else:
            parts.append(Ellipsis)
            break
    return tuple(parts)


def as_tensors(index):
    return tuple(tg.tensor(p) if isinstance(p, np.ndarray) else p for p in index)


@pytest.mark.parametrize("seed", range(60))
def test_index_agrees_with_numpy_and_has_its_gradient(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(2, 5, size=rng.integers(1, 5)))
    a = rng.normal(size=shape)
    index = random_index(rng, shape)
    try:
        expected = a[index]
    except IndexError:
        with pytest.raises(IndexError):
            tg.tensor(a)[as_tensors(index)]
        return
    x = tg.tensor(a, requires_grad=True)
    y = x[as_tensors(index)]
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    weights = rng.normal(size=expected.shape)
    (y * tg.tensor(weights)).sum().backward()
    slope = np.zeros(shape)
    np.add.at(slope, index, weights)
    np.testing.assert_allclose(x.grad.numpy(), slope, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(60))
def test_writing_at_an_index_agrees_with_numpy(seed):
    rng = np.random.default_rng(1000 + seed)
    shape = tuple(int(n) for n in rng.integers(2, 5, size=rng.integers(1, 5)))
    a = rng.normal(size=shape)
    index = random_index(rng, shape)
    try:
        place = a[index]
    except IndexError:
        return
    value = rng.normal(size=place.shape[1:] if seed % 2 else place.shape)
    if len(np.unique(np.arange(a.size).reshape(shape)[index])) != place.size:
        value = rng.normal(size=())  # repeated positions: any of several values may win
    expected = a.copy()
    expected[index] = value
    y = tg.tensor(a)
    y[as_tensors(index)] = tg.tensor(value)
    np.testing.assert_array_equal(y.numpy(), expected)
    x, v = tg.tensor(a, requires_grad=True), tg.tensor(value, requires_grad=True)
    z = x * 1
    z[as_tensors(index)] = v
    np.testing.assert_array_equal(z.detach().numpy(), expected)
    weights = rng.normal(size=shape)
    (z * tg.tensor(weights)).sum().backward()
    untouched = np.ones(shape)
    untouched[index] = 0
    np.testing.assert_allclose(x.grad.numpy(), weights * untouched)


@pytest.mark.parametrize(
    ("index", "error", "text"),
    [
        ([5], IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ([-3], IndexError, "index -3 is out of bounds for dimension 0 with size 2"),
        (([0], [7]), IndexError, "index 7 is out of bounds for dimension 1 with size 3"),
        (([0, 1], [0, 1, 2]), IndexError, r"could not be broadcast together with shapes \[2\], \[3\]"),
        (
            np.ones((2, 2), bool),
            IndexError,
            r"shape of the mask \[2, 2\] at index 1 does not match .* \[2, 3, 4\] at index 1",
        ),
        (np.array([0.5]), IndexError, "must be long, int, byte or bool"),
        (([0], [0], [0], [0]), IndexError, "too many indices for tensor of dimension 3"),
        (1.5, IndexError, "only integers, slices"),
        ({}, IndexError, r"only integers, slices .* \(got dict\)"),
        ((..., ..., [0]), IndexError, "single ellipsis"),
    ],
)
def test_impossible_indices_say_what_is_wrong(index, error, text):
    x = tg.arange(24.0).reshape(2, 3, 4)
    with pytest.raises(error, match=text):
        x[index]
    with pytest.raises(error, match=text):
        x[index] = 1.0


def test_values_that_do_not_fit_are_refused():
    y = tg.zeros(3, 4)
    with pytest.raises(
        RuntimeError,
        match=r"shape mismatch: value tensor of shape \[3, 4\] .* indexing result of shape \[2, 4\]",
    ):
        y[[0, 1]] = tg.ones(3, 4)
    with pytest.raises(RuntimeError, match="source and destination dtypes match"):
        y[[0, 1]] = tg.ones(2, 4, dtype=tg.float64)
    y[[0, 1]] = tg.ones(1, 1, 2, 4)
    assert y.sum().item() == 8


def test_index_tensor_changed_afterwards_is_refused():
    x, i = tg.ones(3, requires_grad=True), tg.tensor([0, 1])
    y = x[i]
    i.fill_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_index_tensor_of_gather_changed_afterwards_is_refused():
    x, i = tg.ones(3, requires_grad=True), tg.tensor([0, 1])
    y = tg.gather(x, 0, i)
    i.fill_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_second_order_of_repeated_positions():
    x = tg.tensor([2.0, 3.0], requires_grad=True)
    y = (x[[0, 0, 1]] ** 3).sum()  # 2 x0^3 + x1^3
    (g,) = tg.autograd.grad(y, x, create_graph=True)
    assert g.tolist() == [24.0, 27.0]
    (h,) = tg.autograd.grad(g.sum(), x)
    assert h.tolist() == [24.0, 18.0]


@pytest.mark.parametrize("width", [1, 3, 40])
@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64, tg.int64])
def test_adding_at_many_equal_positions(width, backend, dtype):
    tg.set_backend(backend)
    rng = np.random.default_rng(0)
    index, rows = rng.integers(0, 5, size=200), rng.integers(-3, 4, size=(200, width))
    expected = np.zeros((5, width))
    np.add.at(expected, index, rows)
    found = tg.zeros(5, width, dtype=dtype).index_add(0, tg.tensor(index), tg.tensor(rows).to(dtype))
    np.testing.assert_array_equal(found.numpy(), expected)
    across = tg.zeros(width, 5, dtype=dtype).index_add(1, tg.tensor(index), tg.tensor(rows).to(dtype).t())
    np.testing.assert_array_equal(across.numpy(), expected.T)
    wide = tg.tensor(index).unsqueeze(1).expand(200, width)
    scattered = tg.zeros(5, width, dtype=dtype).scatter_add(0, wide, tg.tensor(rows).to(dtype))
    np.testing.assert_array_equal(scattered.numpy(), expected)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include", [True, False])
def test_scatter_reduce_against_a_loop(reduce, include):
    rng = np.random.default_rng(1)
    start, src, index = rng.normal(size=4), rng.normal(size=9), rng.integers(0, 3, size=9)
    expected = start.copy()
    for i in range(4):
        members = list(src[index == i])
        if members:
            members += [start[i]] * include
            expected[i] = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[
                reduce
            ](members)
    found = tg.tensor(start).scatter_reduce(0, tg.tensor(index), tg.tensor(src), reduce, include_self=include)
    np.testing.assert_allclose(found.numpy(), expected)
    again = tg.tensor(start).scatter_reduce_(
        0, tg.tensor(index), tg.tensor(src), reduce, include_self=include
    )
    np.testing.assert_allclose(again.numpy(), expected)


def test_equal_extremes_share_the_gradient_of_scatter_reduce():
    x = tg.tensor([1.0], requires_grad=True)
    src = tg.tensor([1.0, 1.0, 0.0], requires_grad=True)
    tg.scatter_reduce(x, 0, tg.tensor([0, 0, 0]), src, "amax").sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1 / 3], rtol=1e-6)
    np.testing.assert_allclose(src.grad.numpy(), [1 / 3, 1 / 3, 0], rtol=1e-6)


def test_zeros_in_a_product_have_the_product_of_the_others_as_gradient():
    x = tg.tensor([2.0], requires_grad=True)
    src = tg.tensor([0.0, 3.0], requires_grad=True)
    tg.scatter_reduce(x, 0, tg.tensor([0, 0]), src, "prod").sum().backward()
    assert src.grad.tolist() == [6.0, 0.0]
    assert x.grad.tolist() == [0.0]


def test_gather_and_scatter_are_each_others_gradient():
    x = tg.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    (tg.gather(x, 1, tg.tensor([[2, 2, 0]])) * tg.tensor([[1.0, 10.0, 100.0]])).sum().backward()
    assert x.grad.tolist() == [[100.0, 0.0, 11.0]]
    src = tg.tensor([[5.0, 6.0]], requires_grad=True)
    y = tg.scatter(tg.zeros(1, 3), 1, tg.tensor([[2, 0]]), src)
    assert y.tolist() == [[6.0, 0.0, 5.0]]
    (y * tg.tensor([[1.0, 10.0, 100.0]])).sum().backward()
    assert src.grad.tolist() == [[100.0, 1.0]]


def test_src_larger_than_the_index_gets_zeros_where_it_was_not_used():
    src = tg.ones(2, 3, requires_grad=True)
    tg.zeros(2, 3).scatter_add(1, tg.tensor([[0, 1]]), src).sum().backward()
    assert src.grad.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x, i: tg.gather(x, 1, i[0]), RuntimeError, "same number of dimensions"),
        (lambda x, i: tg.gather(x, 1, i.float()), RuntimeError, "Expected dtype int32 or int64 for index"),
        (
            lambda x, i: tg.gather(x, 1, i + 9),
            RuntimeError,
            "index 9 is out of bounds for dimension 1 with size 3",
        ),
        (lambda x, i: tg.gather(x, 1, i - 1), RuntimeError, "index -1 is out of bounds"),
        (lambda x, i: tg.gather(x, 2, i), IndexError, "Dimension out of range"),
        (lambda x, i: tg.scatter(x, 1, i, x.double()), RuntimeError, "self.dtype to be equal to src.dtype"),
        (lambda x, i: tg.scatter(x, 1, i, x[:, :1]), RuntimeError, "no larger than src"),
        (
            lambda x, i: tg.scatter_reduce(x, 1, i, x, "median"),
            RuntimeError,
            "reduce argument must be either",
        ),
        (lambda x, i: tg.index_select(x, 0, i), IndexError, "supposed to be a vector"),
        (lambda x, i: tg.index_select(x, 0, tg.tensor([2])), IndexError, "index 2 is out of bounds"),
        (lambda x, i: tg.index_add(x, 0, tg.tensor([0]), tg.ones(2, 3)), RuntimeError, "Number of indices"),
        (
            lambda x, i: tg.take(x, tg.tensor([6])),
            IndexError,
            "tried to access index 6 on a tensor of 6 elements",
        ),
        (lambda x, i: tg.masked_select(x, i), RuntimeError, "expected BoolTensor"),
        (lambda x, i: tg.masked_scatter(x, x == 0, tg.ones(2)), RuntimeError, "at least 6 elements"),
        (lambda x, i: tg.select_scatter(x, tg.ones(2), 0, 0), RuntimeError, "size equal to the slice"),
        (lambda x, i: x.index_put_((i, i), tg.ones(5)), RuntimeError, "cannot be broadcast"),
        (lambda x, i: x.index_put_(i, tg.ones(5)), TypeError, "must be tuple of Tensors"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(call, error, text):
    x = tg.zeros(2, 3)
    with pytest.raises(error, match=text):
        call(x, tg.zeros(2, 2, dtype=tg.int64))
    assert (x == 0).all()


def test_zero_dimensions_and_nothing_at_all():
    number = tg.tensor(5.0)
    assert tg.gather(number, 0, tg.tensor(0)).item() == 5
    assert tg.index_select(number, 0, tg.tensor([0])).item() == 5
    assert tg.scatter(number, 0, tg.tensor(0), 2.0).item() == 2
    assert number[number > 0].tolist() == [5.0]
    assert tg.nonzero(number).shape == (1, 0)
    assert tg.nonzero(tg.tensor(0.0)).shape == (0, 0)
    assert tg.nonzero(number, as_tuple=True)[0].tolist() == [0]
    empty = tg.zeros(0, 3)
    assert empty[empty > 0].shape == (0,)
    assert tg.gather(empty, 1, tg.zeros(0, 2, dtype=tg.int64)).shape == (0, 2)
    assert tg.zeros(3).index_select(0, tg.zeros(0, dtype=tg.int64)).shape == (0,)
    assert tg.zeros(2, 3)[tg.zeros(0, dtype=tg.int64)].shape == (0, 3)


def test_uint8_is_a_mask_as_in_pytorch():
    x = tg.arange(3)
    assert x[tg.tensor([1, 0, 1], dtype=tg.uint8)].tolist() == [0, 2]
    assert x[tg.tensor(1, dtype=tg.uint8)].shape == (1, 3)


def test_one_hot_counts_classes_and_refuses_what_is_outside():
    assert F.one_hot(tg.tensor([1, 0])).tolist() == [[0, 1], [1, 0]]
    assert F.one_hot(tg.tensor([[1]]), 3).shape == (1, 1, 3)
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        F.one_hot(tg.tensor([3]), 3)
    with pytest.raises(RuntimeError, match="non-negative"):
        F.one_hot(tg.tensor([-1]))


def test_results_go_into_out_which_may_not_be_what_is_read():
    x, out = tg.arange(4.0), tg.zeros(2)
    assert tg.index_select(x, 0, tg.tensor([3, 1]), out=out) is out
    assert out.tolist() == [3.0, 1.0]
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        tg.index_select(x, 0, tg.tensor([0, 1, 2, 3]), out=x)


def test_0_d_arrays_of_integers_are_integers_as_index():
    x, i = tg.arange(60).reshape(3, 4, 5), np.array(2)
    assert [tuple(x[i, i].shape), tuple(x[i, i, i].shape), tuple(x[i, :, i].shape)] == [(5,), (), (4,)]
    assert x[i, i, i].item() == 52
    assert x[np.array(-1), ..., [-1]].shape == (4, 1)
    x[i].zero_()                                                # a view
    assert x[2].sum().item() == 0
    x[np.array(0), np.array(1)] = 7
    assert x[0, 1].tolist() == [7] * 5
    with pytest.raises(IndexError):
        x[np.array(3)]


def test_arrays_of_uint8_are_masks_as_tensors_of_uint8_are():
    x = tg.arange(6).reshape(2, 3)
    assert x[np.array([0, 1], np.uint8)].tolist() == [[3, 4, 5]]
    assert x[np.array(1, np.uint8)].shape == (1, 2, 3)
    assert x[np.array([])].shape == (0, 3)


def test_one_number_of_another_dtype_goes_to_a_mask_and_has_to_fit():
    x = tg.zeros(2, dtype=tg.int32)
    x[tg.tensor([True, False])] = tg.tensor(3.7)
    assert x.tolist() == [3, 0]
    with pytest.raises(RuntimeError, match="overflow"):
        x[tg.tensor([True, False])] = tg.tensor(float("nan"))
    with pytest.raises(RuntimeError, match="dtypes"):
        x[tg.tensor([0])] = tg.tensor(3.7)


def test_an_integer_of_more_than_64_bits_is_no_value():
    x = tg.zeros(2)
    for index in (0, slice(None), [0], tg.tensor([True, False])):
        with pytest.raises((ValueError, OverflowError)):
            x[index] = 2**70


def test_index_put_takes_0_d_tensors_as_index():
    x = tg.zeros(2, 3)
    assert x.index_put((tg.tensor(1),), tg.tensor(9.0)).tolist() == [[0.0] * 3, [9.0] * 3]
    both = x.index_put((tg.tensor(1), tg.tensor(2)), tg.tensor(9.0), accumulate=True)
    assert both.tolist() == [[0.0] * 3, [0.0, 0.0, 9.0]]
    x.index_put_((tg.tensor(-1), tg.tensor([0, 1])), tg.tensor([1.0, 2.0]))
    assert x[1].tolist() == [1.0, 2.0, 0.0]


@pytest.mark.parametrize("shape", [(2,), (3, 3), (2, 2), ()])
def test_index_reduce_refuses_a_source_of_another_shape(shape):
    with pytest.raises(RuntimeError, match="source has the shape"):
        tg.ones(3, 3).index_reduce(0, tg.tensor([0, 0]), tg.ones(shape), "prod")


def test_scatter_add_into_a_single_number_takes_the_first_of_a_longer_source():
    assert tg.tensor(1.0).scatter_add(0, tg.tensor(0), tg.tensor([3.0, 4.0])).item() == 4.0


@pytest.mark.parametrize("values", [[1, 2], [3], 4])
def test_a_lone_true_assigns_as_a_copy_and_a_lone_false_does_nothing(values):
    x = tg.zeros(2)
    x[True] = tg.tensor(values)
    assert x.tolist() == tg.tensor(values).expand(2).tolist()
    x[False] = tg.ones(3, 5, dtype=tg.int8)
    assert x.tolist() == tg.tensor(values).expand(2).tolist()


@pytest.mark.parametrize("index", [tg.tensor(True), (True,), (tg.tensor(False),), [0]])
def test_only_one_number_for_a_mask_is_converted(index):
    x = tg.zeros(2)
    with pytest.raises(RuntimeError, match="source and destination dtypes match"):
        x[index] = tg.tensor(1)
    x[tg.tensor([False, True])] = tg.tensor([1])
    assert x.tolist() == [0.0, 1.0]


def test_a_bad_index_is_named_before_a_value_of_another_dtype():
    with pytest.raises(IndexError):
        tg.zeros(())[tg.tensor([0])] = tg.tensor(1)
    with pytest.raises(IndexError):
        tg.zeros(0)[[0]] = tg.tensor(1)


@pytest.mark.parametrize(
    ("shape", "index", "source"),
    [((2,), 0, ()), ((), [0], (1,)), ((1,), [0], ()), ((2, 3), [1, 0], (3, 2)), ((), [0, 0], (2,))],
)
def test_index_add_wants_a_source_of_its_own_shape(shape, index, source):
    with pytest.raises((RuntimeError, IndexError)):
        tg.zeros(shape).index_add(0, tg.tensor(index), tg.ones(source))


@pytest.mark.parametrize("dtype", [tg.int64, tg.bool])
def test_what_is_put_into_a_slice_is_converted(dtype):
    x, put = tg.zeros(2, 2, dtype=dtype), tg.tensor([1.7, 2.0])
    assert x.diagonal_scatter(put).diagonal().tolist() == put.to(dtype).tolist()
    assert x.select_scatter(put, 0, 0)[0].tolist() == put.to(dtype).tolist()
    assert x.slice_scatter(put[None], 0, 0, 1)[0].tolist() == put.to(dtype).tolist()


def test_a_lone_truth_puts_one_number_of_any_dtype(backend):
    assert tg.index_put(tg.tensor([1.0, 2.0]), (tg.tensor(True),), tg.tensor(3)).tolist() == [3.0, 3.0]


def test_added_at_an_index_that_nobody_needs_twice(backend):
    """The index is kept for the gradient of what is added, which has none here: so it may be walked twice."""
    x = tg.ones(2, requires_grad=True)
    y = (x + x).scatter_add(0, tg.tensor([0]), tg.ones(1)).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4.0, 4.0]
