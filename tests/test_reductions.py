"""Reductions, statistics, norms and distances: what the table of samples can't know."""

import math

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.autograd import gradcheck, gradgradcheck

NAN, INF = float("nan"), float("inf")


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def both_backends(request):
    with tg.backend(request.param):
        yield


def grad_of(function, *values):
    leaves = [tg.tensor(v, requires_grad=True) for v in values]
    function(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


def leaf(values):
    return tg.tensor(values, dtype=tg.float64, requires_grad=True)


# ---------------------------------------------------------------------------- dtypes and shapes


@pytest.mark.parametrize("dtype", [tg.bool, tg.uint8, tg.int8, tg.int16, tg.int32, tg.int64], ids=str)
@pytest.mark.parametrize("op", [tg.sum, tg.prod, tg.nansum])
def test_integers_are_added_and_multiplied_in_int64(op, dtype):
    assert op(tg.ones(3, dtype=dtype)).dtype is tg.int64
    assert op(tg.ones(2, 3, 4, dtype=dtype), dim=1).dtype is tg.int64


@pytest.mark.parametrize("shape", [(7, 5), (130, 3), (3, 700), (2, 33, 40)], ids=str)
@pytest.mark.parametrize("op", ["sum", "mean", "prod", "amax", "argmin", "logsumexp", "std"])
def test_reductions_of_turned_tensors_are_those_of_copies(op, shape):
    x = np.random.default_rng(0).uniform(0.9, 1.1, shape)
    for dtype in ("f4", "f8"):
        for turned in (x.astype(dtype).T, x.astype(dtype)[..., ::2], x.astype(dtype).T[::-1][::2]):
            given = tg.tensor(np.ascontiguousarray(turned.T)).permute(*range(len(shape))[::-1])
            strided = tg.from_numpy(np.repeat(turned, 2, 0))[::2]
            for dim in (None, *range(len(shape))):
                if dim is None and op == "logsumexp":
                    continue
                rest = () if dim is None else (dim,)
                wanted = getattr(tg, op)(tg.tensor(np.ascontiguousarray(turned)), *rest)
                for each in (given, strided):
                    tg.testing.assert_close(getattr(tg, op)(each, *rest), wanted)


def test_the_dtype_asked_for_is_the_answers_dtype():
    assert tg.sum(tg.tensor([True, True]), dtype=tg.bool).item() is True
    assert tg.sum(tg.tensor([200, 100]), dtype=tg.uint8).tolist() == 44
    assert tg.mean(tg.tensor([1, 2]), dtype=tg.float64).dtype is tg.float64
    assert tg.prod(tg.tensor([1.5, 2.0]), dtype=tg.float64).tolist() == 3.0


def test_a_sum_of_truth_values_over_separate_dimensions_counts_them():
    assert tg.sum(tg.ones(2, 3, 4, dtype=tg.bool), (0, 2)).tolist() == [8, 8, 8]
    assert tg.sum(tg.ones(2, 3, 4, 5, dtype=tg.bool), (0, 2), True).shape == (1, 3, 1, 5)


def test_all_and_any_over_separate_dimensions():
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 4)).astype(np.float32)
    for dim in ((0, 2), 1, None):
        assert tg.all(tg.tensor(x), dim).tolist() == np.all(x, dim).tolist()
        assert tg.any(tg.tensor(x), dim).tolist() == np.any(x, dim).tolist()


def test_all_of_bytes_gives_bytes():
    assert tg.all(tg.ones(2, dtype=tg.uint8)).dtype is tg.uint8
    assert tg.any(tg.ones(2, 2, dtype=tg.uint8), 1).dtype is tg.uint8
    assert tg.all(tg.ones(2, dtype=tg.int64)).dtype is tg.bool


def test_halves_are_added_up_in_singles():
    assert tg.full((5000,), 1.0, dtype=tg.float16).sum().item() == 5000.0
    assert tg.full((70000,), 1.0, dtype=tg.float16).mean().item() == 1.0


def test_reductions_of_nothing():
    empty = tg.zeros(0, 3)
    assert tg.sum(empty).item() == 0.0
    assert tg.prod(empty, 0).tolist() == [1.0, 1.0, 1.0]
    assert math.isnan(tg.mean(empty).item())
    assert tg.all(empty).item() and not tg.any(empty).item()
    assert tg.logsumexp(empty, 0).tolist() == [-INF] * 3
    assert tg.amax(empty, 1).shape == (0,)
    assert tg.max(empty, 1).indices.dtype is tg.int64


@pytest.mark.parametrize("op", [tg.amax, tg.amin, tg.max, tg.min, tg.argmax, tg.argmin, tg.median, tg.mode])
def test_there_is_no_extreme_of_nothing(op):
    with pytest.raises(IndexError, match="non-zero size"):
        op(tg.zeros(0, 3), 0)


def test_max_of_an_empty_tensor_asks_for_a_dimension():
    with pytest.raises(RuntimeError, match="'dim' argument"):
        tg.max(tg.zeros(0))


@pytest.mark.parametrize(
    "op", [tg.sum, tg.mean, tg.amax, tg.var, tg.logsumexp, tg.norm], ids=lambda op: op.__name__
)
def test_a_dimension_is_named_once_and_exists(op):
    x = tg.ones(2, 3)
    with pytest.raises(RuntimeError, match="multiple times"):
        op(x, dim=(1, -1))
    with pytest.raises(IndexError, match="Dimension out of range"):
        op(x, dim=2)


@pytest.mark.parametrize("op", [tg.mean, tg.var, tg.std, tg.nanmean, tg.norm], ids=lambda op: op.__name__)
def test_what_needs_fractions_refuses_integers(op):
    with pytest.raises(RuntimeError):
        op(tg.tensor([1, 2]))


def test_a_zero_d_tensor_has_dimension_zero():
    x = tg.tensor(3.0)
    assert tg.sum(x, 0).item() == tg.amax(x, -1).item() == tg.max(x, 0).values.item() == 3.0
    assert tg.argmax(x, 0).item() == tg.max(x, 0).indices.item() == 0
    assert tg.var(x, 0, correction=0).item() == 0.0
    assert tg.count_nonzero(x, 0).item() == 1
    with pytest.raises(IndexError):
        tg.norm(x, dim=1)


# ---------------------------------------------------------------------------- products


@pytest.mark.parametrize(
    "values", [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0]], ids=["none", "one", "two"]
)
def test_gradient_of_a_product_with_zeros(values):
    x = leaf(values)
    tg.prod(x).backward()
    others = [math.prod(values[:i] + values[i + 1 :]) for i in range(3)]
    assert x.grad.tolist() == others
    assert gradcheck(tg.prod, leaf(values))
    assert gradgradcheck(tg.prod, leaf(values))


def test_gradient_of_products_along_one_dimension_with_zeros():
    x = leaf([[1.0, 0.0, 3.0, 2.0], [0.0, 5.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    for dim in (0, 1, (0, 1)):
        assert gradcheck(lambda t, dim=dim: tg.prod(t, dim), x)
        assert gradgradcheck(lambda t, dim=dim: tg.prod(t, dim, True), x)


# ---------------------------------------------------------------------------- extremes


@pytest.mark.parametrize("op", [tg.amax, tg.amin, tg.max, tg.min])
def test_elements_that_tie_share_the_gradient(op):
    assert grad_of(op, [2.0, 2.0, 2.0, 2.0]) == [[0.25] * 4]
    assert grad_of(lambda x: op(x) * 2, [[1.0, 1.0], [1.0, 1.0]]) == [[[0.5, 0.5], [0.5, 0.5]]]


def test_the_extreme_along_a_dimension_sends_its_gradient_to_one_index():
    assert grad_of(lambda x: tg.max(x, 0).values, [2.0, 5.0, 5.0]) == [[0.0, 1.0, 0.0]]
    assert grad_of(lambda x: tg.min(x, 1, True)[0], [[3.0, 1.0], [0.0, 0.0]]) == [[[0.0, 1.0], [1.0, 0.0]]]


def test_nan_is_the_extreme():
    x = tg.tensor([[1.0, NAN, 3.0]])
    for op in (tg.amax, tg.amin, tg.max, tg.min):
        assert math.isnan(op(x).item())
    assert tg.max(x, 1).indices.tolist() == tg.argmin(x, 1).tolist() == [1]


def test_the_first_of_several_extremes_is_named():
    x = tg.tensor([[1, 3, 3], [2, 2, 1]])
    assert tg.max(x, 1).indices.tolist() == [1, 0]
    assert tg.argmax(x).item() == 1
    assert tg.argmin(x, keepdim=True).tolist() == [[0]]


def test_the_forms_of_max():
    x, y = tg.tensor([1.0, 5.0]), tg.tensor([4.0, 2.0])
    assert tg.max(x).item() == 5.0
    assert tg.max(x, y).tolist() == tg.max(x, other=y).tolist() == x.max(y).tolist() == [4.0, 5.0]
    values, indices = x.max(dim=0, keepdim=True)
    assert values.tolist() == [5.0] and indices.tolist() == [1]
    assert tg.max(x, axis=0)._fields == ("values", "indices")
    assert tg.aminmax(x)._fields == ("min", "max")


def test_max_writes_into_both_outs():
    values, indices = tg.zeros(2), tg.zeros(2, dtype=tg.int64)
    tg.max(tg.tensor([[1.0, 2.0], [4.0, 3.0]]), 1, out=(values, indices))
    assert values.tolist() == [2.0, 4.0] and indices.tolist() == [1, 0]


def test_aminmax_wants_an_out_of_its_own_dtype():
    with pytest.raises(RuntimeError, match="dtype"):
        tg.aminmax(tg.ones(2), out=(tg.empty((), dtype=tg.float64), tg.empty((), dtype=tg.float64)))


# ---------------------------------------------------------------------------- sums that leave something out


def test_what_is_not_nan_is_added_up():
    x = [[1.0, NAN, 2.0], [NAN, NAN, NAN]]
    assert tg.nansum(tg.tensor(x), 1).tolist() == [3.0, 0.0]
    found = tg.nanmean(tg.tensor(x), 1).tolist()
    assert found[0] == 1.5 and math.isnan(found[1])
    assert grad_of(tg.nansum, x) == [[[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]


def test_logsumexp_at_the_ends_of_the_line():
    assert tg.logsumexp(tg.tensor([-INF, -INF]), 0).item() == -INF
    assert tg.logsumexp(tg.tensor([INF, 1.0]), 0).item() == INF
    assert tg.logsumexp(tg.tensor([1e4, 1e4], dtype=tg.float64), 0).item() == 1e4 + math.log(2)
    assert tg.logsumexp(tg.tensor([1, 1]), 0).dtype is tg.float32


# ---------------------------------------------------------------------------- variance, covariance


def test_the_forms_of_var_and_std():
    x = tg.tensor([1.0, 2.0, 6.0])
    assert x.var().item() == tg.var(x, 0).item() == tg.var(x, unbiased=True).item() == 7.0
    assert x.var(False).item() == tg.var(x, 0, False).item() == pytest.approx(14 / 3)
    assert tg.var(x, correction=0).item() == pytest.approx(14 / 3)
    assert tg.std(x, 0, True, True).shape == (1,)
    assert tg.std(x, dim=None, correction=2).item() == pytest.approx(math.sqrt(14))
    with pytest.raises(TypeError):
        tg.var(x, 0, True, correction=1)


def test_variance_of_one_element_is_nan_and_of_equal_ones_is_zero():
    assert math.isnan(tg.var(tg.tensor([2.0])).item())
    assert tg.var(tg.full((3,), 1e4)).item() == 0.0
    assert grad_of(tg.std, [3.0, 3.0]) == [[0.0, 0.0]]


def test_variance_far_from_zero_keeps_its_digits():
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32) + np.float32(1000)
    assert tg.var(tg.tensor(x)).item() == pytest.approx(x.astype(np.float64).var(ddof=1), rel=1e-4)


def test_covariance_is_numpys():
    rng = np.random.default_rng(0)
    x, often, much = rng.standard_normal((3, 6)), rng.integers(1, 4, 6), rng.uniform(0.5, 2, 6)
    for settings in (
        {},
        {"correction": 0},
        {"fweights": often},
        {"aweights": much},
        {"fweights": often, "aweights": much},
    ):
        ours = {k: v if isinstance(v, int) else tg.tensor(v) for k, v in settings.items()}
        theirs = {"ddof" if k == "correction" else k: v for k, v in settings.items()}
        np.testing.assert_allclose(tg.cov(tg.tensor(x), **ours).numpy(), np.cov(x, **theirs), rtol=1e-12)
    np.testing.assert_allclose(tg.corrcoef(tg.tensor(x)).numpy(), np.corrcoef(x), rtol=1e-12)


# ---------------------------------------------------------------------------- ranks


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_are_numpys(method):
    x = np.random.default_rng(0).standard_normal((4, 7))
    shares = np.array([0.0, 0.21, 0.5, 0.83, 1.0])
    for dim in (None, 0, 1):
        found = tg.quantile(tg.tensor(x), tg.tensor(shares), dim, interpolation=method).numpy()
        np.testing.assert_allclose(found, np.quantile(x, shares, dim, method=method), rtol=1e-12)


def test_quantile_shapes():
    x = tg.tensor(np.arange(12.0).reshape(3, 4))
    q = tg.tensor([0.25, 0.75], dtype=tg.float64)
    assert tg.quantile(x, 0.5, 1, True).shape == (3, 1)
    assert tg.quantile(x, q, 0).shape == (2, 4)
    assert tg.quantile(x, q, 0, True).shape == (2, 1, 4)
    assert tg.quantile(x, q, keepdim=True).shape == (2, 1, 1)
    assert tg.quantile(x, 0.5).shape == ()


def test_one_nan_makes_the_quantile_nan():
    x = tg.tensor([[1.0, NAN, 3.0], [1.0, 2.0, 3.0]])
    assert math.isnan(tg.quantile(x, 0.0, 1)[0].item())
    assert tg.nanquantile(x, 0.5, 1).tolist() == [2.0, 2.0]


def test_medians():
    x = tg.tensor([[3.0, 1.0, NAN, 2.0], [4.0, 1.0, 3.0, 2.0]])
    assert math.isnan(tg.median(x).item())
    assert tg.nanmedian(x).item() == 2.0
    values, indices = tg.median(x, 1)
    assert math.isnan(values[0].item()) and values[1].item() == 2.0
    assert indices.tolist() == [2, 3]
    assert tg.nanmedian(x, 1).values.tolist() == [2.0, 2.0]
    assert math.isnan(tg.median(tg.zeros(0)).item())


def test_mode_is_the_smallest_of_the_most_frequent():
    values, indices = tg.mode(tg.tensor([[3, 1, 3, 1], [2, 2, 5, 2]]))
    assert values.tolist() == [1, 2]
    assert indices.tolist() == [3, 3]


def test_kthvalue_counts_from_one():
    x = tg.tensor([[5, 1, 3]])
    assert [tg.kthvalue(x, k).values.item() for k in (1, 2, 3)] == [1, 3, 5]
    for k in (0, 4):
        with pytest.raises(RuntimeError, match="out of range"):
            tg.kthvalue(x, k)


# ---------------------------------------------------------------------------- frequencies


def test_bincount():
    assert tg.bincount(tg.tensor([], dtype=tg.int64), minlength=2).tolist() == [0, 0]
    nothing = tg.bincount(tg.tensor([], dtype=tg.int64), tg.tensor([]), 2)
    assert nothing.tolist() == [0, 0] and nothing.dtype is tg.int64
    weighted = tg.bincount(tg.tensor([0, 2, 2]), tg.tensor([1.0, 2.0, 3.0]))
    assert weighted.tolist() == [1.0, 0.0, 5.0] and weighted.dtype is tg.float32
    for bad in ([-1], [[1]]):
        with pytest.raises(RuntimeError, match="1-d non-negative"):
            tg.bincount(tg.tensor(bad))


def test_histc_keeps_the_upper_end_and_drops_what_is_outside():
    x = tg.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, NAN])
    assert tg.histc(x, 2, 0, 1).tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="finite"):
        tg.histc(x, 2)


# ---------------------------------------------------------------------------- norms and distances


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, INF, -INF, -1])
def test_vector_norms_are_numpys(p):
    x = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_allclose(tg.norm(tg.tensor(x), p, 1).numpy(), np.linalg.norm(x, p, 1), rtol=1e-12)
    np.testing.assert_allclose(
        tg.linalg.vector_norm(tg.tensor(x), p).numpy(), np.linalg.norm(x.reshape(-1), p), rtol=1e-12
    )


@pytest.mark.parametrize("order", ["fro", 1, -1, INF, -INF])
def test_matrix_norms_are_numpys(order):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    np.testing.assert_allclose(
        tg.linalg.matrix_norm(tg.tensor(x), order, (2, 0)).numpy(),
        np.linalg.norm(x, order, (2, 0)),
        rtol=1e-12,
    )


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, INF])
def test_the_gradient_of_a_norm_is_zero_at_zero(p):
    assert grad_of(lambda x: tg.norm(x, p), [0.0, 0.0]) == [[0.0, 0.0]]


def test_a_distance_of_a_point_to_itself_has_no_gradient():
    a, b = grad_of(tg.cdist, [[1.0, 2.0]], [[1.0, 2.0], [4.0, 6.0]])
    np.testing.assert_allclose(a, [[-0.6, -0.8]], rtol=1e-6)
    np.testing.assert_allclose(b, [[0.0, 0.0], [0.6, 0.8]], rtol=1e-6)


def test_cdist_of_stacks_and_pdist():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1, 3, 4)), rng.standard_normal((5, 6, 4))
    expected = np.sqrt(((a[..., :, None, :] - b[..., None, :, :]) ** 2).sum(-1))
    np.testing.assert_allclose(tg.cdist(tg.tensor(a), tg.tensor(b)).numpy(), expected, rtol=1e-12)
    x = tg.tensor(b[0])
    whole = tg.cdist(x, x).numpy()
    np.testing.assert_allclose(tg.pdist(x).numpy(), whole[np.triu_indices(6, 1)], rtol=1e-12)


def test_renorm_leaves_short_slices_alone():
    x = tg.tensor([[3.0, 4.0], [0.3, 0.4]])
    found = tg.renorm(x, 2, 0, 1.0)
    np.testing.assert_allclose(found.numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    assert x.renorm_(2, 0, 1.0) is x and x[0, 0].item() == found[0, 0].item()


def test_normalize_and_similarity_of_zeros():
    F = tg.nn.functional
    assert F.normalize(tg.zeros(1, 3)).tolist() == [[0.0, 0.0, 0.0]]
    assert F.cosine_similarity(tg.zeros(1, 3), tg.ones(1, 3)).tolist() == [0.0]
    assert F.cosine_similarity(
        tg.tensor([[1.0, 2.0]]), tg.tensor([[2.0, 4.0], [-1.0, -2.0]])
    ).tolist() == pytest.approx([1.0, -1.0])


@pytest.mark.parametrize(
    ("row", "upstream", "wanted", "again"),
    [
        ([2.0, NAN, 0.0, 3.0], [1, 2, 3, 4], [NAN, NAN, NAN, 0.0], [NAN, 4.0, NAN, NAN]),
        ([2.0, 0.0, 3.0, NAN], [1, 2, 3, 4], [1.0, NAN, 0.0, 0.0], [NAN, NAN, NAN, 0.0]),
        ([2.0, 0.0, 3.0, 0.0, NAN], [1, 2, 3, 4, 5], [1.0, 22.0, 0.0, 0.0, 0.0], [NAN] * 4 + [0.0]),
        ([0.0, INF, 3.0], [1, 2, 3], [INF, 0.0, 0.0], [INF, 0.0, NAN]),
        ([2.0, 0.0, 3.0], [NAN, 1, 1], [NAN, 8.0, 0.0], [NAN, 8.0, 0.0]),
        ([2.0, 0.0, 3.0], [1, NAN, 1], [1.0, NAN, 0.0], [NAN, NAN, 0.0]),
    ],
)
def test_what_is_behind_a_zero_does_not_reach_the_gradients_before_it(row, upstream, wanted, again):
    x = tg.tensor(row, requires_grad=True)
    for create_graph, right in ((False, wanted), (True, again)):
        (found,) = tg.autograd.grad(x.cumprod(0), [x], tg.tensor(upstream).float(), create_graph=create_graph)
        np.testing.assert_array_equal(found.detach(), right)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1e-45], [-1.5]),
        ([INF, 0.0], [0.0, -INF]),
        ([NAN, 0.0], [0.0, NAN]),
        ([NAN, 0.0, 2.0], [0.0, NAN, NAN]),
        ([1e-45, 1.0], [-1.5, -3e-45]),
    ],
)
def test_a_product_of_the_least_numbers_or_with_a_zero_has_its_gradient(values, wanted):
    x = tg.tensor(values, requires_grad=True)
    for create_graph in (False, True):
        (found,) = tg.autograd.grad(x.prod() * -1.5, [x], create_graph=create_graph)
        np.testing.assert_array_equal(found.detach(), np.float32(wanted))


def test_trapezoids_of_narrow_integers_do_not_wrap_around():
    narrow = tg.tensor([100, 100, 100], dtype=tg.int8)
    assert tg.trapezoid(narrow).item() == 200
    assert tg.cumulative_trapezoid(narrow).tolist() == [100, 200]
    assert tg.trapz(tg.tensor([255, 255], dtype=tg.uint8)).item() == 255
    falling = tg.tensor([3, 1], dtype=tg.uint8)
    assert tg.trapezoid(falling, falling).item() == -4
    assert tg.trapezoid(narrow[:0]).dtype is tg.int8


def test_infinities_that_cancel_are_no_missing_numbers():
    """What meets in one dimension is NaN for the next, whose NaN counts."""
    x = tg.ones(2, 2, 2)
    x[0, 0] = tg.tensor([math.inf, -math.inf])
    assert str(tg.nansum(x, (0, 2)).tolist()) == "[nan, 4.0]"
    assert str(tg.nanmean(x, (0, 2)).tolist()) == "[nan, 1.0]"


@pytest.mark.parametrize("op", [tg.max, tg.min])
def test_an_extreme_is_along_a_dimension_or_of_two(op):
    with pytest.raises(TypeError, match="not both"):
        op(tg.ones(2), 0, other=tg.ones(2))


def test_a_histogram_has_a_hundred_parts_by_default():
    assert tg.histogram(tg.tensor([0.0, 1.0])).hist.shape == (100,)
