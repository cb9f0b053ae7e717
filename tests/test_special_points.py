"""First and second derivatives of every op where they are easily wrong: at zeros, ties and ends, and where an
infinity or NaN arrives from above. What is right is PyTorch's answer, in a fixture.
"""

from __future__ import annotations

import math
from fnmatch import fnmatchcase as fnmatch
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from special_points import POINTS, arguments, found, samples

import tensorgrad as tg

nan, inf = np.nan, np.inf
FIXTURE = Path(__file__).parent / "fixtures" / "special_points.npz"
SAMPLES = {f"{name}/{sample.name}": (name, sample) for name, sample in samples()}

ORDER = "an infinity meets one of the other sign, or 0, or not, as the products of matrices are ordered"
GAUGE = "with equal eigenvalues or singular values the answer is rounding alone"
WHICH = "which of equal elements is named is not promised"
LINEAR = "the gradient of the offset depends on no input; PyTorch gives zeros, here there is none"
KNOWN = {  # op/sample/point/what, as patterns
    "am*/*/nan upstream/*": "PyTorch multiplies by the mask of what was reached; here NaN stays in its place",
    "logcumsumexp/*/nan upstream/*": "PyTorch drops the NaN; here it passes to what was summed",
    "logcumsumexp/*/infinity upstream/second": ORDER,
    "as_strided_scatter/*": "PyTorch gives the source the gradient of other elements",
    "scatter_reduce/am*-False/*": "PyTorch counts the element that it does not include",
    "index_reduce/amax/*": "PyTorch counts the element that it does not include",
    "corrcoef/rows/nan upstream/*": "whether a 1 is clipped is rounding",
    "softplus/settings/ties/second": "PyTorch's slope has none at the threshold itself",
    "prelu/*/second": "PyTorch counts 0 as positive in the second derivative, not in the first",
    "scaled_dot_product_attention/*/nan upstream/*": "PyTorch multiplies by the mask",
    "pad/re*/live": "a linear op, whose gradient depends on no input; PyTorch gives zeros",
    "*_norm/*/live": LINEAR,
    "bilinear/*": ORDER,
    "solve*/* upstream/*": ORDER,
    "triangular_solve/*": ORDER,
    "matrix_power/*": ORDER,
    "lu_factor_ex/*": ORDER,
    "qr/*": ORDER,
    "ormqr/*": ORDER,
    "householder_product/*": ORDER,
    "scatter_reduce/prod*/infinity upstream/*": ORDER,
    "index_reduce/prod/infinity upstream/*": ORDER,
    "eigh/*": GAUGE,
    "eigvalsh/plain/*": GAUGE,
    "svdvals/*/ones/*": GAUGE,
    "cond/2/ones/*": "the smallest singular value is 0 or what rounding made of it",
    "topk/*": WHICH,
    "kthvalue/*": WHICH,
}


@cache
def expected():
    """PyTorch's derivatives by "op/sample/point": first ones, which of them are live, second ones."""
    held = np.load(FIXTURE)
    answers = {}
    names = str(held["names"]).split("\n")
    values = np.split(held["values"], np.cumsum(held["sizes"])[:-1])
    live = np.split(held["live"], np.cumsum(held["leaves"])[:-1])
    for name, own, reached in zip(names, values, live, strict=True):
        sample, point = name.rsplit("/", 1)
        if sample not in SAMPLES:
            continue
        shapes = [tuple(leaf.shape) for leaf in arguments(SAMPLES[sample][1], point)[2]] * 2
        cuts = np.split(own, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        cut = [part.reshape(shape) for part, shape in zip(cuts, shapes, strict=True)]
        answers[name] = cut[: len(reached)], list(reached), cut[len(reached) :]
    return answers


def close(ours, right, strict):
    """Whether they agree. Unless ``strict``, we may have a number where PyTorch's formula is 0 times
    infinity, or NaN for a sum of infinities.
    """
    with np.errstate(over="ignore"):
        ours = ours.astype(np.float32)
    if not strict:
        right = np.where(np.isnan(right) | (np.isnan(ours) & np.isinf(right)), ours, right)
    return np.allclose(ours, right, rtol=1e-5, atol=1e-6, equal_nan=True)


def known(case):
    return any(fnmatch(case, pattern) for pattern in KNOWN)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_derivatives_at_special_points_are_right(sample, backend):
    wrong = []
    for point in POINTS:
        answer = expected().get(f"{sample}/{point}")
        if answer is None:
            continue
        first, live, second = answer
        with tg.backend(backend):
            fast, _, _ = found(*SAMPLES[sample], point, False)
            slow, ours_live, ours_second = found(*SAMPLES[sample], point, True)
        for what, ours, right in (
            ("fast", fast, first),
            ("first", slow, first),
            ("second", ours_second, second),
            ("live", [np.array(ours_live)], [np.array(live)]),
        ):
            for n, (a, b) in enumerate(zip(ours, right, strict=True)):
                strict = what in ("fast", "first") and point == "nan upstream"
                if not close(a, b, strict) and not known(f"{sample}/{point}/{what}"):
                    wrong.append((point, what, n, a, b))
    assert not wrong


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_distances_of_order_zero_have_zeros_for_derivatives(backend):
    with tg.backend(backend):
        for distance in (
            lambda x: tg.cdist(x, tg.ones(2, 2), p=0.0),
            lambda x: tg.pdist(x, p=0.0),
            lambda x: x.norm(0),
        ):
            x = tg.tensor([[0.0, 1.5], [1.0, 2.0]], requires_grad=True)
            first = tg.autograd.grad(distance(x).sum(), x, create_graph=True)[0]
            first.sum().backward()
            assert first.tolist() == x.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_an_infinity_from_above_stays_in_its_element(backend):
    inf, nan = np.inf, np.nan
    x = tg.tensor([1.0, 3.0, 2.0])
    rows = tg.tensor([[3.0, 2.5]])
    with tg.backend(backend):
        for function, at, upstream, wanted in (
            (tg.max, x, inf, [0, inf, 0]),
            (tg.amin, x, nan, [nan, 0, 0]),
            (tg.median, x, inf, [0, 0, inf]),
            (lambda t: tg.lerp(t, tg.ones(3), 0.75), x, [inf, 1, 1], [inf, 0.25, 0.25]),
            (lambda t: tg.linalg.vector_norm(t, inf), x, inf, [0, inf, 0]),
            (tg.trace, rows, inf, [[inf, 0]]),
            (lambda t: tg.nn.functional.multi_margin_loss(t, tg.tensor([0])), rows, inf, [[-inf, inf]]),
            (lambda t: tg.nn.functional.huber_loss(t, t.new_zeros(3), "none"), x, [inf, 1, 1], [inf, 1, 1]),
        ):
            leaf = at.clone().requires_grad_()
            function(leaf).backward(tg.tensor(upstream, dtype=tg.float32))
            np.testing.assert_array_equal(leaf.grad.numpy(), wanted)


@pytest.mark.parametrize("dtype", [tg.float64, tg.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("value", [0.0, 1e-40, 1e-20, 1e-8, 1e-4, 1e-3])
def test_sinc_near_zero_has_its_power_series_derivatives(value, dtype):
    x = tg.tensor(value, dtype=dtype, requires_grad=True)
    value = x.item()
    y = tg.sinc(x)
    first = tg.autograd.grad(y, x, create_graph=True)[0]
    second = tg.autograd.grad(first, x)[0]
    square = np.pi**2
    tolerance = 1e-9 if dtype is tg.float64 else 3e-7
    for ours, wanted in (
        (y, 1 - square * value**2 / 6),
        (first, -square * value / 3 + square**2 * value**3 / 30),
        (second, -square / 3 + square**2 * value**2 / 10),
    ):
        np.testing.assert_allclose(ours.item(), wanted, rtol=tolerance, atol=2e-45)


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_a_quotient_has_gradients_where_the_square_of_its_divisor_does_not_fit(size):
    x, y = (tg.tensor([size], requires_grad=True) for _ in range(2))
    (x / y).backward()
    np.testing.assert_allclose(x.grad.item(), 1 / size, rtol=1e-6)
    np.testing.assert_allclose(y.grad.item(), -1 / size, rtol=1e-6)


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize("p", [1.5, 3])
def test_a_nan_from_above_does_not_pass_a_norm_of_zero(backend, p):
    # torch.linalg.vector_norm's gradient: 0 where the norm is, for orders above 1 that are not 2.
    x = tg.zeros(1, 2, requires_grad=True)
    with tg.backend(backend):
        found = tg.linalg.vector_norm(x, p)
        grad = tg.autograd.grad(found, x, tg.full_like(found, float("nan")))[0]
    assert grad.tolist() == [[0.0, 0.0]]


def test_a_norm_of_the_least_order_has_a_gradient():
    # torch.linalg.vector_norm(torch.ones(1), -2**63) and its gradient
    x = tg.ones(1, requires_grad=True)
    tg.linalg.vector_norm(x, -(2**63)).backward()
    assert x.grad.tolist() == [1.0]


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_a_nan_slope_of_prelu_stays_out_of_what_is_positive(backend):
    # torch.nn.functional.prelu's gradients
    x = tg.tensor([[1.0, 2.0], [-1.0, -2.0]], requires_grad=True)
    weight = tg.tensor([float("nan"), 0.5], requires_grad=True)
    with tg.backend(backend):
        tg.nn.functional.prelu(x, weight).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[1.0, 1.0], [np.nan, 0.5]])
    assert weight.grad.tolist() == [-1.0, -2.0]


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize("name", ["igamma", "igammac", "special.zeta"])
def test_a_derivative_that_is_not_there_is_an_error_and_the_other_is_right(backend, name):
    # as torch.igamma: NotImplementedError, "the derivative for 'igamma: input' is not implemented."
    order, x = (tg.tensor([value], dtype=tg.float64, requires_grad=True) for value in (2.0, 1.5))
    function = tg.special.zeta if name == "special.zeta" else getattr(tg, name)
    with tg.backend(backend):
        found = function(order, x)
        slope = tg.autograd.grad(found, x, retain_graph=True)[0].item()
        with pytest.raises(NotImplementedError, match="not implemented"):
            tg.autograd.grad(found, order)
        ahead, behind = (function(order.detach(), x.detach() + step).item() for step in (1e-6, -1e-6))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


def test_a_nan_from_above_passes_a_running_logsumexp():
    x = tg.ones(2, requires_grad=True)
    x.logcumsumexp(0).backward(tg.tensor([np.nan, 1.0]))
    assert np.isnan(x.grad[0].item()) and x.grad[1] == 0.5
    one = tg.tensor(-1.0, requires_grad=True)
    one.logcumsumexp(0).backward(tg.tensor(np.nan))
    assert np.isnan(one.grad.item())


def test_the_slope_in_the_exponent_of_an_integer_is_as_exact_as_the_result():
    x = tg.tensor(0.3, dtype=tg.float64, requires_grad=True)
    (tg.tensor(3) ** x).backward()
    assert abs(x.grad.item() - 3**0.3 * np.log(3)) < 1e-15


@pytest.mark.parametrize("of", [tg.special.i1, tg.special.i1e])
@pytest.mark.parametrize("least", [0.0, 1e-45, -1e-45, 1e-42])
def test_the_slope_of_i1_is_half_at_the_least_numbers(of, least):
    x = tg.tensor(least, requires_grad=True)
    of(x).backward()
    assert x.grad.item() == 0.5


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_a_norm_of_any_order_holds_numbers_of_any_size(backend):
    tg.set_backend(backend)
    for values, order, wanted in (
        ([3.0, 4.0], 500, 4.0),
        ([3.0, 4.0], 1e308, 4.0),
        ([3e38, 1e38], 3, 28.0 ** (1 / 3) * 1e38),
        ([2e-40, 1e-40], 3, 9.0 ** (1 / 3) * 1e-40),
        ([0.0, 0.0], 3, 0.0),
        ([0.0, 1.0], -3, 0.0),
        ([1.0, inf], 3, inf),
        ([1.0, inf], -3, 1.0),
    ):
        for dtype in (tg.float32, tg.float64):
            found = tg.linalg.vector_norm(tg.tensor(values, dtype=dtype), order)
            assert found.item() == pytest.approx(wanted, rel=1e-6)
    huge = tg.tensor([3e200, 4e200], dtype=tg.float64)
    assert tg.linalg.vector_norm(huge, 3).item() == pytest.approx(91 ** (1 / 3) * 1e200)


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_the_gradient_of_the_least_of_scattered_numbers_goes_to_a_nan(backend):
    tg.set_backend(backend)
    x = tg.tensor([nan, 2.0], requires_grad=True)
    source = tg.tensor([3.0, 1.0, nan], requires_grad=True)
    x.scatter_reduce(0, tg.tensor([0, 0, 1]), source, "amin").backward(tg.tensor([1.0, 5.0]))
    assert x.grad.tolist() == [1.0, 0.0] and source.grad.tolist() == [0.0, 0.0, 5.0]


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_the_gradient_of_a_variance_holds_numbers_near_the_largest(backend):
    tg.set_backend(backend)
    x = tg.tensor([-3e38, 0.0, 3e38], requires_grad=True)
    tg.var(x).backward()
    assert x.grad.tolist() == pytest.approx([-3e38, 0.0, 3e38])


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_an_infinite_power_of_two_makes_nan_of_zero_alone(backend):
    tg.set_backend(backend)
    x = tg.tensor([0.0, 1.0, -1.0])
    assert str(tg.ldexp(x, tg.tensor([inf])).tolist()) == "[nan, inf, -inf]"
    assert tg.ldexp(x.double(), tg.tensor([-inf])).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_a_class_that_ctc_loss_may_not_read_counts_nothing(backend):
    tg.set_backend(backend)
    scores = tg.tensor([[[1.0, 1.0, nan]]], requires_grad=True)
    loss = tg.nn.functional.ctc_loss(scores, tg.tensor([[1]]), (1,), (1,))
    loss.backward()
    assert loss.item() == -1.0 and scores.grad[0, 0, :2].isfinite().all()


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_a_number_has_no_dimension_to_repeat(backend):
    tg.set_backend(backend)
    with pytest.raises(IndexError, match="no dimensions"):
        tg.repeat_interleave(tg.tensor(1.0), 2, 0)


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_an_input_that_a_blend_leaves_out_has_zeros_for_its_gradient(backend):
    tg.set_backend(backend)
    x = tg.full((2, 2), nan, requires_grad=True)
    A = tg.ones(2, 2)
    for blend in (
        lambda: tg.addmm(x, A, A, beta=0),
        lambda: tg.addmv(x[0], A, A[0], beta=0),
        lambda: tg.addbmm(x, A[None], A[None], beta=0),
        lambda: tg.baddbmm(x[None], A[None], A[None], beta=0),
        lambda: tg.addr(x, A[0], A[0], beta=0),
    ):
        found = blend()
        assert found.isfinite().all()
        assert tg.autograd.grad(found.sum(), x)[0].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_largest_of_a_bag_with_nan_is_nan(backend):
    weight = tg.tensor([[nan, 1.0], [2.0, nan], [3.0, 4.0]], requires_grad=True)
    found = tg.nn.functional.embedding_bag(tg.tensor([[0, 1], [1, 0], [2, 2]]), weight, mode="max")
    assert np.array_equal(found.detach(), [[nan, nan], [nan, nan], [3, 4]], equal_nan=True)
    (slope,) = tg.autograd.grad(found.sum(), weight)
    assert slope.tolist() == [[2, 0], [0, 2], [1, 1]]
