"""How arguments are read: numbers of any size, sequences, indices of nothing, names; and which are refused.

Right answers are those of PyTorch 2.13, written down as they came, or from paper.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad.core.declare import registry
from tensorgrad.testing.samples import materialize

nan, inf = math.nan, math.inf


@pytest.fixture(autouse=True, params=["kernels", "numpy"])
def backend(request):
    with tg.backend(request.param):
        yield request.param


def same(found, wanted):
    wanted = tg.tensor(wanted, dtype=found.dtype)
    assert found.shape == wanted.shape
    tg.testing.assert_close(found, wanted, equal_nan=True)


# ---- numbers

ONE = tg.tensor([0.5])
TRUTHS = tg.tensor([[True]])
ROWS = tg.tensor([[1.0, 2.0], [3.0, 5.0]])

PAST_INT64 = {
    "logit": (lambda n: tg.logit(ONE, n), [nan]),
    "logit by name": (lambda n: tg.logit(ONE, eps=n), [nan]),
    "huber_loss": (lambda n: F.huber_loss(ONE, ONE, delta=n), 0.0),
    "smooth_l1_loss": (lambda n: F.smooth_l1_loss(ONE, ONE, beta=n), 0.0),
    "attention": (lambda n: F.scaled_dot_product_attention(ROWS, ROWS, ROWS, scale=n), [[3, 5], [3, 5]]),
    "rms_norm": (lambda n: F.rms_norm(ONE, (1,), eps=n), [0.5 / 2**35]),
    "layer_norm": (lambda n: F.layer_norm(ONE, (1,), None, None, n), [0.0]),
    "nan_to_num": (lambda n: tg.nan_to_num(tg.tensor([inf]), posinf=n), [2.0**70]),
}


@pytest.mark.parametrize("name", PAST_INT64)
def test_an_argument_that_is_a_float_takes_an_int_of_any_size(name):
    call, wanted = PAST_INT64[name]
    same(call(2**70), wanted)


@pytest.mark.parametrize("op", [F.celu, F.elu, F.leaky_relu, F.softplus, lambda x, n: F.threshold(x, n, 0)])
def test_settings_of_activations_of_float16_are_not_rounded_to_it(op):
    assert op(tg.ones(1, dtype=tg.float16), 2**17).dtype is tg.float16


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.hardshrink(x, 1e5),
        lambda x: F.softshrink(x, 1e5),
        lambda x: F.softshrink(x.float(), inf),
        lambda x: F.softshrink(x.double(), nan),
        lambda x: tg.add(x, x, alpha=1e5),
        lambda x: tg.sub(x, 1, alpha=2**17),
        lambda x: F.hinge_embedding_loss(x.float(), x, 1e308),
        lambda x: F.hinge_embedding_loss(x.long(), x, 2**63),
        lambda x: F.cosine_similarity(x, x, 0, eps=-1.0),
        lambda x: tg.addr(TRUTHS, TRUTHS[0], TRUTHS[0], alpha=1.0),
    ],
)
def test_a_setting_that_the_result_can_not_hold_is_refused(call):
    with pytest.raises(RuntimeError):
        call(tg.ones(1, dtype=tg.float16))


def test_hinge_embedding_loss_of_integers_is_made_of_integers():
    found = F.hinge_embedding_loss(tg.tensor([1, 2]), tg.tensor([1, -1]), margin=3.5, reduction="none")
    assert found.dtype is tg.int64 and found.tolist() == [1, 1]


def test_limits_of_hardtanh_are_cut_off_for_integers():
    bytes_ = tg.tensor([0, 1, 200], dtype=tg.uint8)
    assert F.hardtanh(bytes_, -0.5, 1.7).tolist() == [0, 1, 1]
    with pytest.raises(RuntimeError, match="unsigned"):
        F.hardtanh(bytes_, -1.0, 2.0)


def test_areas_of_integers_do_not_wrap_around():
    for dtype, most in ((tg.int32, 2**31 - 1), (tg.int64, 2**63 - 1)):
        points = tg.tensor([most, most, 5], dtype=dtype)
        same(tg.trapezoid(points), 1.5 * most)
        same(tg.cumulative_trapezoid(points, dx=2), [2.0 * most, 3.0 * most])
    assert tg.trapezoid(tg.tensor([1, 2]), tg.tensor([0.0, 1.0], dtype=tg.float64)).dtype is tg.float64


@pytest.mark.parametrize("degree", [1e308, inf, -inf, nan, -1])
@pytest.mark.parametrize("name", [n for n in dir(tg.special) if "_polynomial_" in n])
def test_a_polynomial_of_a_degree_that_is_none_is_zero(name, degree):
    same(getattr(tg.special, name)(tg.tensor([0.5, 1.0, 2.0, nan]), degree), [0.0, 0.0, 0.0, 0.0])


def test_float16_is_added_up_in_float32_where_indices_say():
    ones, zeros, none = (make(3000, dtype=tg.float16) for make in (tg.ones, tg.zeros, tg.zeros))
    where = zeros.long()
    table = tg.zeros(2, 1, dtype=tg.float16, requires_grad=True)
    F.embedding(where, table).sum().backward()
    assert table.grad.flatten().tolist() == [3000, 0]
    for found in (
        none[:2].index_add(0, where, ones),
        none[:2].scatter_add(0, where, ones),
        none.scatter_add(0, where[:2900], ones)[:2] + 100,
        none[:2].scatter_reduce(0, where, ones, "sum"),
        none[:2].index_put((where,), ones, accumulate=True),
    ):
        assert found[0].item() == 3000


# ---- sequences

TEXTS = {
    "hsplit": lambda x, t: tg.hsplit(x, t),
    "vsplit": lambda x, t: tg.vsplit(x, t),
    "tensor_split": lambda x, t: x.tensor_split(t),
    "tile": lambda x, t: x.tile(t),
    "pad": lambda x, t: F.pad(x, t),
    "constant_pad_nd": lambda x, t: tg.constant_pad_nd(x, t),
    "resize_": lambda x, t: x.resize_(t),
    "roll": lambda x, t: x.roll(t, t),
    "movedim": lambda x, t: x.movedim(t, t),
    "split": lambda x, t: x.split(t),
    "reshape": lambda x, t: x.reshape(t),
}


@pytest.mark.parametrize("text", [b"\x01\x01", "11"])
@pytest.mark.parametrize("name", TEXTS)
def test_text_and_bytes_are_no_sequence_of_numbers(name, text):
    with pytest.raises(TypeError):
        TEXTS[name](tg.ones(2, 2), text)


REFUSED = {
    "nan_to_num of truths": lambda: tg.nan_to_num(tg.tensor([True]), posinf=""),
    "logsumexp of no dimension": lambda: tg.logsumexp(ONE, dim=None),
    "einsum of tensors alone": lambda: tg.einsum(ONE, ONE),
    "einsum of a fraction": lambda: tg.einsum(ONE, [0], ONE, [0.0]),
    "tile twice": lambda: ONE.tile((), dims=()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_argument_is_a_type_error(name):
    with pytest.raises(TypeError):
        REFUSED[name]()


def test_einsum_takes_tensors_of_integers_for_labels():
    same(tg.einsum(tg.ones(2), tg.tensor([0]), tg.ones(2), tg.tensor([0])), 2.0)


@pytest.mark.parametrize("dims", [1, True, tg.tensor(1), tg.tensor([1]), tg.tensor([[1], [0]]), ([1], [0])])
def test_tensordot_takes_its_dimensions_in_any_form(dims):
    same(tg.tensordot(tg.ones(2, 2), tg.ones(2, 2), dims=dims), [[2.0, 2.0], [2.0, 2.0]])


def test_a_count_may_be_a_tensor_of_one_element():
    assert [part.tolist() for part in tg.split(tg.ones(2), tg.tensor([1]))] == [[1], [1]]
    assert tg.kthvalue(tg.tensor([3.0, 1.0]), tg.tensor([2])).values.item() == 3
    assert tg.select(tg.tensor([3.0, 1.0]), 0, tg.tensor([1])).item() == 1
    with pytest.raises(RuntimeError, match="0-dim"):
        tg.narrow(tg.ones(2), 0, tg.tensor([1]), 1)


def test_a_truth_value_behind_the_first_size_is_a_size():
    x = tg.ones(1, 1)
    for found in (x.view(1, True), x.reshape((1, True)), x.expand(1, True), x.sum_to_size(1, True)):
        assert found.shape == (1, 1)
    assert tg.zeros(1, True).shape == (1, 1)
    with pytest.raises(TypeError):
        tg.zeros(True, 1)


# ---- nothing


def test_roll_of_nothing_needs_no_such_dimension():
    assert tg.roll(tg.ones(0, 2), 1, 3).shape == (0, 2)


BY_NO_INDEX = {
    "gather": lambda x, e: tg.gather(x, 0, e),
    "scatter": lambda x, e: x.scatter(0, e, x),
    "scatter of a number": lambda x, e: x.scatter(0, e, 1.0),
    "scatter_add": lambda x, e: x.scatter_add(0, e, x),
    "scatter_reduce": lambda x, e: x.scatter_reduce(0, e, x, "amax"),
    "take_along_dim": lambda x, e: tg.take_along_dim(x, e),
}


@pytest.mark.parametrize("dtype", [tg.float32, tg.bool, tg.uint8])
@pytest.mark.parametrize("name", BY_NO_INDEX)
def test_an_index_without_elements_may_have_any_dtype(name, dtype):
    found = BY_NO_INDEX[name](tg.ones(2), tg.zeros(0, dtype=dtype))
    assert found.numel() == (0 if name in ("gather", "take_along_dim") else 2)


# ---- dtypes and names


def test_to_a_float_is_to_float64():
    assert tg.ones(1).to(inf).dtype is tg.ones(1).to(3.5).dtype is tg.float64


@pytest.mark.parametrize("name", ["cumsum_", "cumprod_"])
def test_a_running_sum_in_place_has_no_dtype_but_its_own(name):
    x = tg.ones(2, dtype=tg.int32)
    with pytest.raises(RuntimeError, match="should match"):
        getattr(x, name)(0, dtype=tg.float64)
    assert getattr(x, name)(0, dtype=tg.int32) is x


def test_view_takes_a_dtype_and_split_a_size_by_name():
    assert tg.ones(2).view(dtype=tg.int32).tolist() == [1065353216] * 2
    assert len(tg.ones(3).split(split_size=2)) == 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'dtype'"):
        tg.ones(4).reshape(dtype=(2, 2))


@pytest.mark.parametrize("op", [tg.cumsum, tg.unsqueeze, tg.sort, tg.softmax], ids=lambda op: op.__name__)
def test_a_dimension_past_all_integers_is_out_of_range(op):
    with pytest.raises(IndexError, match="Dimension out of range"):
        op(tg.ones(2), 2**70)


def test_empty_tensors_of_given_strides_and_order():
    x = tg.ones(1, dtype=tg.int8)
    assert x.new_empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert x.new_empty_strided((2,), (1,)).dtype is tg.int8
    assert tg.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == (3, 1, 6)
    assert tg.empty_permuted((), ()).shape == ()
    with pytest.raises(RuntimeError):
        tg.empty_permuted((2, 3), (1, 1))


def test_set_takes_a_result_off_its_graph():
    y = tg.ones(2, requires_grad=True) * 2
    assert y.set_().shape == (0,)
    with pytest.raises(RuntimeError, match="leaf"):
        tg.ones(2, requires_grad=True).set_()


# ---- shapes


def test_instance_norm_wants_one_weight_for_every_channel():
    x = tg.arange(8.0).reshape(1, 2, 4)
    for bad in (tg.ones(2, 1), tg.ones(1, 2), tg.ones(1), tg.tensor(1.0)):
        for name in ("weight", "bias", "running_mean"):
            with pytest.raises(RuntimeError):
                F.instance_norm(x, **{name: bad})


def test_a_lone_row_of_scores_has_a_lone_loss():
    scores = tg.tensor([0.0, 0.0])
    for target in (tg.tensor(1), tg.tensor([1])):
        assert F.nll_loss(scores, target, reduction="none").shape == ()
        assert F.cross_entropy(scores, target, reduction="none").shape == ()


def test_solve_triangular_takes_its_right_side_in_the_matrix_s_dtype():
    A = tg.tensor([[2.0, 0.0], [0.0, 4.0]])
    for dtype in (tg.int64, tg.bool, tg.float64):
        found = tg.linalg.solve_triangular(A, tg.ones(2, 1, dtype=dtype), upper=True)
        assert found.dtype is tg.float32 and found.flatten().tolist() == [0.5, 0.25]


def test_tensorinv_wants_the_dimensions_it_names():
    for x, ind in ((tg.tensor(1.0), 2), (tg.ones(1, 1), 3)):
        with pytest.raises(RuntimeError):
            tg.linalg.tensorinv(x, ind)


def test_cosine_similarity_is_of_the_dtype_that_both_promote_to():
    assert F.cosine_similarity(tg.ones(1, dtype=tg.float16), tg.tensor(1.0), -1).dtype is tg.float32


def test_singular_values_have_no_driver_on_the_cpu():
    for op in (tg.linalg.svd, tg.linalg.svdvals):
        with pytest.raises(RuntimeError, match="driver"):
            op(tg.ones(1, 1), driver="gesvd")


def test_triangular_solve_gives_a_matrix_for_every_right_side():
    found = tg.triangular_solve(tg.ones(2, 3, 1), tg.eye(3))
    assert found.solution.shape == (2, 3, 1) and found.cloned_coefficient.shape == (2, 3, 3)


def test_to_one_truth_value_is_to_bool():
    assert tg.ones(1).to(False).dtype is tg.bool
    assert tg.ones(1).to(tg.int64, False, True).dtype is tg.int64


def test_a_common_multiple_that_wraps_round_is_not_negative():
    assert tg.lcm(tg.tensor(2), tg.tensor(2**63 - 1)).item() == 2


def test_a_probability_that_is_nan_is_refused():
    for training in (True, False):
        with pytest.raises(ValueError):
            F.dropout(tg.ones(1), nan, training)


@pytest.mark.parametrize("bad", [inf, -inf, nan])
def test_singular_values_of_what_is_not_finite_come_to_an_end(bad):
    for size in (2, 3, 4):
        A = tg.ones(size, size, dtype=tg.float64)
        A[-1, 0], A[-1, -1] = bad, 1.75
        for op in (tg.linalg.svd, tg.linalg.svdvals, tg.linalg.cond, tg.linalg.pinv):
            with pytest.raises(tg.linalg.LinAlgError):
                op(A)


def test_scatter_takes_a_source_or_a_value():
    x = tg.tensor([[1, 1]])
    for value in (2, "two"):
        with pytest.raises(TypeError):
            x.scatter(1, x, x, value=value)


def test_a_number_counts_less_than_a_vector_in_the_dtype_of_blocks():
    one = tg.tensor(1.0, dtype=tg.float64)
    assert tg.block_diag(tg.tensor([1.0]), one).dtype is tg.float32
    assert tg.block_diag(one, one).dtype is tg.block_diag(one).dtype is tg.float64


def test_points_that_are_one_number_span_no_strip():
    at = tg.tensor(2.0)
    assert tg.cumulative_trapezoid(tg.ones(1), at).shape == (0,)
    assert tg.trapezoid(tg.ones(3, 1), at).tolist() == [0.0] * 3
    with pytest.raises(RuntimeError):
        tg.trapezoid(tg.ones(3), at)


def test_a_padding_row_that_there_is_not():
    rows, index = tg.ones(3, 2), tg.tensor([[0, 1]])
    for bad in (3, -4):
        with pytest.raises(RuntimeError, match="-3 through 2"):
            F.embedding_bag(index, rows, padding_idx=bad)
        with pytest.raises(AssertionError, match="-3 through 2"):
            F.embedding(index, rows, padding_idx=bad)


def test_training_is_a_truth_value():
    with pytest.raises(TypeError, match="'training'"):
        tg.native_batch_norm(tg.ones(3, 2), None, None, None, None, 1j, 0.1, 0.1)


# ---- dtypes

TAKES_DTYPE = [
    op
    for name, op in registry.items()
    if op.facts.samples and "dtype" in op.params and name not in ("to", "type") and not name.startswith("_")
]


def with_dtype(op, dtype):
    args, kwargs, _ = materialize(op.facts.samples()[0])
    args = args[: op.params.index("dtype")]
    return op(*args, **{**kwargs, "dtype": dtype})


@pytest.mark.parametrize("op", TAKES_DTYPE, ids=lambda op: op.__name__)
@pytest.mark.parametrize("wrong", [{}, 3, "float32", np.float32, ()], ids=str)
def test_what_is_no_dtype_is_refused(op, wrong):
    with pytest.raises(TypeError, match="dtype"):
        with_dtype(op, wrong)


@pytest.mark.parametrize("op", TAKES_DTYPE, ids=lambda op: op.__name__)
def test_pythons_float_stands_for_float64(op):
    found, wanted = with_dtype(op, float), with_dtype(op, tg.float64)
    found, wanted = (each if isinstance(each, tg.Tensor) else each[0] for each in (found, wanted))
    assert found.dtype is wanted.dtype and tg.allclose(found, wanted, equal_nan=True)
    assert tg.ones(2).sum(dtype=int).dtype is tg.int64 and tg.ones(2).sum(dtype=bool).dtype is tg.bool


def test_expand_takes_the_mark_of_a_broadcast():
    x = tg.ones(2, 1, requires_grad=True)
    for found in (x.expand(2, 3, implicit=True), x.expand(size=(2, 3), implicit=False)):
        assert found.shape == (2, 3)
    found.sum().backward()
    assert x.grad.tolist() == [[3.0], [3.0]]
    with pytest.raises(TypeError):
        x.expand(2, 3, implicit=None)


# ---- numbers that a dtype does not hold

PAST_FLOAT16 = {
    "logit": lambda x: tg.logit(x, 70000.0),
    "logit_": lambda x: x.logit_(-70000.0),
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x, tg.ones(1), 70000.0),
}


@pytest.mark.parametrize("call", PAST_FLOAT16.values(), ids=PAST_FLOAT16)
def test_a_number_that_float16_does_not_hold_is_refused_where_it_is_stored(call):
    with pytest.raises(RuntimeError, match="without overflow"):
        call(ONE.half())
    call(ONE.bfloat16()), call(ONE.clone())


def test_margins_past_float32_are_refused_where_they_are_stored():
    with pytest.raises(RuntimeError, match="without overflow"):
        F.multi_margin_loss(ROWS, tg.tensor([0, 1]), margin=1e39)
    same(F.multi_margin_loss(ROWS.double(), tg.tensor([0, 1]), margin=1e39), 5e38)
    assert F.triplet_margin_loss(ROWS, ROWS, ROWS, margin=nan).isnan()


def test_logit_of_an_eps_past_a_half_looks_at_the_lower_end_first():
    x = tg.tensor([0.0, 0.5, 0.7, 1.0, nan])
    odds = math.log(0.6 / 0.4)
    same(tg.logit(x, 0.6), [odds, odds, -odds, -odds, nan])
    same(tg.logit(x, nan), [-inf, 0.0, math.log(0.7 / 0.3), inf, nan])


def test_distances_between_points_of_a_curve():
    y = tg.tensor([1.0, 4.0, 2.0], dtype=tg.float64)
    same(tg.trapz(y, dx=10**30), 5.5e30)
    for area in (tg.trapezoid, tg.cumulative_trapezoid):
        with pytest.raises(RuntimeError, match="real number"):
            area(y, dx=True)


# ---- shapes and dtypes of operands


def test_statistics_of_channels_are_vectors():
    x, one = tg.rand(4, 3), tg.ones(3)
    for training in (True, False):
        for place in range(2):
            operands = [one.clone() for _ in range(4)]
            operands[place] = one.view(1, 3)
            with pytest.raises(RuntimeError, match="should contain 3 elements"):
                F.batch_norm(x, *operands, training=training)
        flat = F.batch_norm(x, one.clone(), one.clone(), one, one, training=training)
        matrix = F.batch_norm(x, one.clone(), one.clone(), one.view(1, 3), one.view(3, 1), training=training)
        assert flat.allclose(matrix)


def test_biases_of_cells_are_tensors():
    x, state, weight = tg.ones(1, 2), tg.ones(1, 3), tg.ones(3, 2)
    with pytest.raises(TypeError, match=r"argument 'b_ih' \(position 5\) must be Tensor, not int"):
        tg.gru_cell(x, state, tg.ones(9, 2), tg.ones(9, 3), 1)
    with pytest.raises(TypeError, match="argument 'b_hh'.* must be Tensor, not function"):
        tg.rnn_relu_cell(x, state, weight, tg.ones(3, 3), None, lambda x: x)
    whole = [t.long() for t in (x, state, weight, tg.ones(3, 3))]
    with pytest.raises(NotImplementedError, match="rnn_tanh: not implemented for tensorgrad.int64"):
        tg.rnn_tanh_cell(*whole)


def test_heads_that_there_are_not_need_no_grouping():
    x = tg.ones(2, 3)
    plain = F.scaled_dot_product_attention(x, x, x)
    assert F.scaled_dot_product_attention(x, x, x, enable_gqa=True).equal(plain)


@pytest.mark.parametrize("dtype", [tg.float64, tg.float16, tg.int64, tg.bool])
def test_a_single_number_is_added_to_the_product_of_two_vectors_whatever_its_dtype(dtype):
    x = tg.tensor([1.0, 2.0])
    bias = tg.tensor(1, dtype=dtype)
    bias.requires_grad_(dtype.is_floating_point)
    found = F.linear(x, x, bias)
    assert found.dtype is tg.float32 and found.item() == 6.0
    if bias.requires_grad:
        found.backward()
        assert bias.grad.dtype is dtype and bias.grad.item() == 1.0


def test_targets_of_unsigned_integers_have_no_minus_one_to_wrap_around():
    x = tg.tensor([1.0, -1.0], requires_grad=True)
    for dtype in (tg.uint8, tg.int64, tg.float64):
        found = F.soft_margin_loss(x, tg.ones(2, dtype=dtype), reduction="none")
        same(found, [math.log1p(math.exp(-1)), math.log1p(math.exp(1))])
        assert found.dtype is tg.float32
        (grad,) = tg.autograd.grad(found.sum(), x)
        same(grad, [-1 / (1 + math.e), -1 / (1 + math.exp(-1))])
        found = F.margin_ranking_loss(x, tg.zeros(2), tg.ones(2, dtype=dtype), reduction="none")
        same(found, [0, 1])
    for loss in (F.soft_margin_loss, lambda x, y: F.margin_ranking_loss(x, x, y)):
        with pytest.raises(RuntimeError):
            loss(x, tg.ones(2, dtype=tg.bool))


@pytest.mark.parametrize(
    ("dtype", "alpha", "fits"),
    [
        (tg.int8, 128, True), (tg.int8, -128, False), (tg.int16, 2**15, True), (tg.int32, -(2**31), False),
        (tg.int32, 2**31, True), (tg.uint8, -255, True), (tg.uint8, 256, False), (tg.int64, -(2**63), True),
        (tg.float16, 1024, True), (tg.float16, 70000, False), (tg.float32, 2**64, False),
    ],
)  # fmt: skip
def test_differences_need_room_for_minus_alpha(dtype, alpha, fits):
    one = tg.ones(2, dtype=dtype)
    for difference in (tg.sub, tg.rsub, lambda x, y, alpha: x.clone().sub_(y, alpha=alpha)):
        if not fits:
            with pytest.raises((RuntimeError, OverflowError)):
                difference(one, one, alpha=alpha)
        else:
            wanted = 1 - alpha
            size = 8 * one.element_size()
            if not dtype.is_floating_point:
                wanted = wanted % 2**size
                wanted -= 2**size * (dtype is not tg.uint8 and wanted >= 2 ** (size - 1))
            assert difference(one, one, alpha=alpha).tolist() == [wanted] * 2


@pytest.mark.parametrize("dtype", [tg.float16, tg.bfloat16])
def test_matrix_exp_of_narrow_floats_is_rounded_once(dtype):
    A = tg.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
    found = tg.matrix_exp(A)
    assert tg.equal(found, tg.matrix_exp(A.detach().double()).to(dtype))
    found.sum().backward()
    assert A.grad.isfinite().all()
    assert tg.matrix_exp(tg.full((1, 1), 20.0, dtype=tg.float16)).item() == inf


def test_places_that_are_no_numbers_have_no_value_between_zeros():
    image = tg.ones(1, 1, 8, 8)
    grid = tg.tensor([[[[inf, 0.0], [0.0, -inf], [nan, 0.0], [5.0, 0.0], [0.0, 0.0]]]])
    for mode in ("bilinear", "bicubic"):
        found = F.grid_sample(image, grid, mode, align_corners=True)
        same(found[0, 0, 0], [nan, nan, nan, 0.0, 1.0])
    same(F.grid_sample(image, grid, "nearest", align_corners=True)[0, 0, 0], [0.0, 0.0, 0.0, 0.0, 1.0])
    assert F.grid_sample(image, grid, padding_mode="border", align_corners=True).isfinite().all()
    volume = tg.tensor([[[[[inf, 0.0, 0.0], [nan, 0.0, 0.0], [0.0, 0.0, 0.0]]]]])
    same(F.grid_sample(tg.ones(1, 1, 2, 2, 2), volume, align_corners=True).flatten(), [0.0, 0.0, 1.0])


@pytest.mark.parametrize("number", [-1, 3, True, "bilinear", None])
def test_modes_of_a_sampler_are_numbers_of_a_list(number):
    image, grid = tg.ones(1, 1, 2, 2), tg.zeros(1, 1, 1, 2)
    for how in ((number, 0), (0, number)):
        with pytest.raises(RuntimeError if type(number) is int else TypeError):
            tg.grid_sampler(image, grid, *how, True)


def test_questions_to_other_devices_may_come_by_keyword():
    with pytest.raises(RuntimeError, match="no CUDA device"):
        tg.cuda.get_device_name(device=0)
    with pytest.raises(RuntimeError):
        tg.ones(1).new(2, device="cuda")
    with pytest.raises(TypeError):
        tg.frombuffer(bytearray(4), dtype=None)
    with pytest.raises(RuntimeError, match="one after the other"):
        tg.frombuffer(memoryview(bytearray(8))[::2], dtype=tg.uint8)


@pytest.mark.parametrize("wrong", ["two", [None], ...])
def test_corners_are_aligned_or_not(wrong):
    for call in (
        lambda: F.affine_grid(tg.ones(1, 2, 3), (1, 1, 1, 1), wrong),
        lambda: F.grid_sample(tg.ones(1, 1, 1, 1), tg.ones(1, 1, 1, 2), align_corners=wrong),
        lambda: F.interpolate(tg.ones(1, 1, 2, 2), 2, mode="bilinear", align_corners=wrong),
    ):
        with pytest.raises(TypeError, match="'align_corners' must be bool"):
            call()


def test_rows_of_integers_are_not_shortened():
    with pytest.raises(RuntimeError, match="have to be floats"):
        F.embedding(tg.tensor([1]), tg.ones(2, 1).long(), max_norm=1.0)


@pytest.mark.parametrize("name", ["atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors", "meshgrid"])
def test_text_is_no_list_of_tensors(name):
    for text in ("", b"", "x"):
        with pytest.raises(TypeError):
            getattr(tg, name)(text)
    with pytest.raises(TypeError):
        tg.broadcast_tensors([])
