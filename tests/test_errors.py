"""What can't be served is refused at once, by an error that says what was wrong, and changes nothing."""

import re

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad.core.declare import binary, registry
from tensorgrad.testing.samples import materialize

OPS = [op for op in registry.values() if op.facts.samples and op.tensor_params]
NONE_OF_THEM = ["two", {}, object(), tg.float32]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.__name__)
def test_what_is_no_tensor_is_a_type_error_that_names_the_argument(op):
    args, kwargs, _ = materialize(op.facts.samples()[0])
    bad_ones = NONE_OF_THEM if op.kind_name == "binary" else [*NONE_OF_THEM, np.ones(2, np.float32)]
    for name in op.tensor_params:
        place = op.params.index(name)
        by_place = place < len(args) and isinstance(args[place], tg.Tensor)
        if not by_place and not isinstance(kwargs.get(name), tg.Tensor):
            continue
        for bad in bad_ones:
            positional = (*args[:place], bad, *args[place + 1 :]) if by_place else args
            wanted = f"argument '{name}' .*must be Tensor, not {type(bad).__name__}"
            with pytest.raises(TypeError, match=wanted):
                op(*positional, **(kwargs if by_place else {**kwargs, name: bad}))


@pytest.mark.parametrize("name", ["clone", "ravel", "flatten", "det", "T", "logdet", "nonzero", "median"])
@pytest.mark.parametrize("bad", [1.0, None, [1.0], True])
def test_a_number_is_no_tensor(name, bad):
    with pytest.raises(TypeError, match=re.escape("(position 1) must be Tensor, not " + type(bad).__name__)):
        registry[name](bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tg.where(tg.tensor([True, False]), 1.0, tg.zeros(2)),
        lambda: tg.where(tg.tensor([True, False]), tg.ones(2), 0),
        lambda: tg.lerp(tg.tensor([1.0, 0.0]), tg.tensor([1.0, 0.0]), 0.5),
        lambda: tg.float_power(tg.tensor([1.0, 0.0]), 2).float(),
        lambda: tg.rsub(tg.tensor([0.0, 1.0]), 1),
        lambda: tg.isin(tg.tensor([1, 0]), 1).float(),
        lambda: tg.quantile(tg.tensor([[1.0, 0.0]]), 0.5, 0),
        lambda: tg.tensor([5.0, 0.0]).clamp(0, 1),
    ],
)
def test_a_number_may_stand_for_a_tensor_where_it_may_in_pytorch(call):
    assert call().tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: tg.broadcast_tensors(tg.ones(2), 1),
        lambda: tg.cat([tg.ones(2), 1.0]),
        lambda: tg.stack([None]),
        lambda: tg.index_select(tg.ones(2), 0, tg.tensor([0]), out="a"),
        lambda: tg.aminmax(tg.ones(2), out="ab"),
        lambda: tg.multinomial(None, 1),
        lambda: tg.bernoulli(0.5),
        lambda: tg.rand_like([1.0]),
        lambda: tg.randn_like("a"),
        lambda: tg.randint_like(None, 2),
        lambda: tg.split(tg.ones(2), 1.5),
        lambda: tg.narrow(tg.ones(2), 0, 0.5, 1),
        lambda: tg.kthvalue(tg.ones(2), 1.5),
        lambda: F.mse_loss(tg.ones(2), tg.ones(2), weight=[1.0, 1.0]),
        lambda: F.cross_entropy(tg.ones(1, 2), tg.tensor([0]), weight=[1.0, 1.0]),
        lambda: tg.linalg.vector_norm(tg.ones(2), dtype="float64"),
    ],
)
def test_a_list_of_what_is_no_tensor_and_a_setting_of_the_wrong_type_are_type_errors(call):
    with pytest.raises(TypeError):
        call()


def test_multinomial_draws_into_int64_alone():
    with pytest.raises(RuntimeError, match="Long"):
        tg.multinomial(tg.ones(2), 1, out=tg.empty(1))


# ---------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "bad",
    [
        {"precision": [[]]}, {"precision": "4"}, {"precision": 1.5}, {"precision": -1}, {"precision": 2**31},
        {"threshold": "10"}, {"threshold": float("nan")}, {"threshold": []}, {"edgeitems": 1.5},
        {"edgeitems": -1}, {"edgeitems": {}},
        {"linewidth": "80"}, {"linewidth": -5}, {"linewidth": 80.0}, {"profile": 3},
        {"profile": []}, {"profile": "no such"}, {"sci_mode": "yes"}, {"sci_mode": [[]]},
        {"precision": 2, "linewidth": "80"},
    ],
    ids=str,
)  # fmt: skip
def test_print_options_that_are_none_are_refused_and_change_nothing(bad):
    from tensorgrad.core.printing import get_printoptions

    before = get_printoptions()
    with pytest.raises((TypeError, ValueError)):
        tg.set_printoptions(**bad)
    assert get_printoptions() == before


# ---------------------------------------------------------------------------- work without an end


@pytest.mark.parametrize("order", [2**31, 2**62, 2**70])
@pytest.mark.parametrize(
    "call",
    [
        lambda n: tg.special.multigammaln(tg.tensor([5.0]), n),
        lambda n: tg.tensor([5.0]).mvlgamma_(n),
        lambda n: tg.tensor_split(tg.ones(3), n),
        lambda n: tg.ones(0).chunk(n),
        lambda n: tg.combinations(tg.ones(3), n, True),
    ],
)
def test_orders_and_counts_without_an_end_are_refused(call, order):
    with pytest.raises((RuntimeError, OverflowError)):
        call(order)


@pytest.mark.parametrize("order", [2**60, 2**62, 2**70])
@pytest.mark.parametrize(
    "call",
    [
        lambda n: tg.eye(n),
        lambda n: tg.vander(tg.ones(3), n),
        lambda n: tg.repeat_interleave(tg.ones(2), n),
        lambda n: tg.tile(tg.ones(2), (n,)),
        lambda n: tg.bincount(tg.tensor([1]), minlength=n),
        lambda n: F.one_hot(tg.tensor([1]), n),
    ],
)
def test_counts_that_nothing_can_hold_are_refused(call, order):
    with pytest.raises((RuntimeError, ValueError, OverflowError, MemoryError, TypeError)):
        call(order)


@pytest.mark.parametrize("extent", [2**31, 2**62])
@pytest.mark.parametrize("parts", ["unbind", "split", "chunk"])
def test_more_parts_than_memory_holds_are_refused(parts, extent):
    x = tg.ones(1).expand(extent)
    with pytest.raises(RuntimeError, match="parts are too many"):
        {"unbind": x.unbind, "split": lambda: x.split(1), "chunk": lambda: x.chunk(extent)}[parts]()


def test_combinations_of_more_than_there_is_are_none():
    assert tg.combinations(tg.ones(3), 2**40).shape == (0, 2**40)


@pytest.mark.parametrize("letter", "tuvw")
def test_chebyshev_polynomials_of_any_degree_end(letter):
    found = getattr(tg.special, f"chebyshev_polynomial_{letter}")(tg.tensor([0.5, 1.0, 2.0]), 2**40)
    assert found[:2].isfinite().all() and found[2].isnan()


def test_polynomials_past_the_numbers_are_nan_and_a_degree_without_an_end_is_refused():
    for name in ("hermite_polynomial_h", "hermite_polynomial_he"):
        assert getattr(tg.special, name)(tg.tensor([0.5, 2.0]), 2**40).isnan().all()
    for name in ("laguerre_polynomial_l", "legendre_polynomial_p"):
        with pytest.raises(RuntimeError, match="too great"):
            getattr(tg.special, name)(tg.tensor([0.5]), 2**40)
    assert tg.special.laguerre_polynomial_l(tg.tensor([0.0]), 2**40).item() == 1.0
    assert tg.special.legendre_polynomial_p(tg.tensor([1.0, -1.0]), 2**20 + 1).tolist() == [1.0, -1.0]


def test_a_window_of_any_size_over_channels_ends():
    x = tg.tensor([[[1.0], [2.0], [3.0]]])
    np.testing.assert_allclose(F.local_response_norm(x, 2**40, alpha=2.0**40, beta=1.0), x / 15.0, rtol=1e-6)
    with pytest.raises(RuntimeError):
        F.local_response_norm(x, 0)


def test_a_slope_of_digamma_past_the_numbers_is_infinite():
    assert tg.polygamma(180, tg.tensor([1.0, 0.5])).tolist() == [-float("inf")] * 2


def test_mvlgamma_of_a_high_order():
    # PyTorch 2.13: torch.mvlgamma(torch.tensor([30., 40.5]), 50)
    np.testing.assert_allclose(tg.mvlgamma(tg.tensor([30.0, 40.5]), 50), [2420.8633, 4018.4172], rtol=1e-6)


# ---------------------------------------------------------------------------- sum_to_size


def test_sum_to_size_undoes_broadcasting_and_refuses_other_sizes():
    x = tg.arange(6.0).reshape(1, 2, 3).requires_grad_()
    found = x.sum_to_size(2, 1)
    assert found.tolist() == [[3.0], [12.0]]
    found.sum().backward()
    assert x.grad.tolist() == [[[1.0] * 3] * 2]
    with pytest.raises(RuntimeError, match="not expandable"):
        x.sum_to_size(3, 3)


# ---------------------------------------------------------------------------- settings of another kind

NO_NUMBER = ["two", [None], None, object(), lambda x: x, {}, ...]


@pytest.mark.parametrize("value", NO_NUMBER)
@pytest.mark.parametrize(
    "call",
    [
        lambda x, v: F.elu(x, v),
        lambda x, v: F.elu(x, alpha=v),
        lambda x, v: F.celu(x, v),
        lambda x, v: F.hardtanh(x, -1.0, v),
        lambda x, v: F.dropout(x, 1.0, v),
        lambda x, v: F.alpha_dropout(x, 1.0, training=v),
        lambda x, v: F.relu(x, inplace=v),
        lambda x, v: F.relu(x, v),
        lambda x, v: x.sum(0, v),
        lambda x, v: tg.add(x, x, alpha=v),
        lambda x, v: x.addcmul_(x, x, value=v),
        lambda x, v: tg.cat([x, x], v),
    ],
)
def test_a_setting_that_is_a_number_or_a_truth_refuses_what_is_neither(call, value):
    with pytest.raises(TypeError):
        call(tg.ones(2), value)


@pytest.mark.parametrize("name", ["short", "long", "byte", "bool", "cpu", "clone", "contiguous", "to"])
@pytest.mark.parametrize("value", ["two", [None], object(), {}], ids=["text", "list", "object", "dict"])
def test_a_memory_format_that_is_none_is_refused(name, value):
    with pytest.raises(TypeError):
        getattr(tg.ones(2), name)(memory_format=value)
    getattr(tg.ones(2), name)(memory_format=tg.contiguous_format)


def test_all_and_any_of_no_dimension_change_no_shape():
    x = tg.tensor([[True, False], [False, True]])
    for op in (tg.all, tg.any):
        assert op(x, ()).tolist() == op(x.int(), dim=[]).tolist() == x.tolist()
        assert op(x, (), True).tolist() == x.tolist()
    assert x.float().sum(()).item() == 2


def test_index_add_scales_in_the_dtype_of_its_source():
    first = tg.tensor([0])
    assert tg.zeros(2).int().index_add(0, first, tg.tensor([3]).int(), alpha=1.5).tolist() == [3, 0]
    assert tg.tensor([False]).index_add_(0, first, tg.tensor([True]), alpha=0.0).tolist() == [False]
    with pytest.raises(RuntimeError, match="dtype"):
        tg.zeros(2).index_add(0, first, first, alpha=0.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.embedding_bag(tg.tensor([[1]]), tg.tensor([[1], [1]]), mode="max"),
        lambda: F.soft_margin_loss(tg.ones(3, 4), tg.ones(1, 3, 4)),
        lambda: F.hardtanh(tg.ones(1), 1.0, 1e308),
        lambda: F.hardtanh(tg.ones(1), -1e39, 1.0),
        lambda: tg.ones(5).cov(aweights=tg.tensor([float("nan"), 1.0, 1.0, 1.0, 1.0])),
        lambda: tg.tensor(1).unique_consecutive(dim=0),
        lambda: tg.tensor(1).unique(dim=0),
        lambda: tg.dsplit(tg.ones(1, 1, 1), [None]),
        lambda: tg.tensor_split(tg.ones(1), None),
    ],
)
def test_what_pytorch_refuses_is_refused(call):
    with pytest.raises((RuntimeError, TypeError, IndexError)):
        call()


def test_losses_take_a_margin_of_any_size_and_old_flags_by_their_truth():
    x = tg.ones(1)
    assert F.triplet_margin_loss(x, x, x, margin=2**70).item() == 2.0**70
    assert F.margin_ranking_loss(x, x, x, margin=2**70).item() == 2.0**70
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.poisson_nll_loss(x, x, reduce=0).shape == (1,)


def test_dropout_of_everything_keeps_a_bool_in_place():
    assert F.dropout(tg.tensor([True]), 1.0, inplace=True).tolist() == [False]


@pytest.mark.parametrize(
    "call",
    [
        lambda: tg.addmv(tg.tensor(1.0), tg.ones(2, 2), tg.ones(2), beta=1e39),
        lambda: tg.addmm(tg.tensor(1.0), tg.ones(2, 2), tg.ones(2, 2), alpha=1e39),
        lambda: tg.addr(tg.ones(1).half(), tg.ones(1).half(), tg.ones(1).half(), beta=2**31),
    ],
)
def test_a_factor_of_a_product_fits_its_dtype(call):
    with pytest.raises(RuntimeError, match="without overflow"):
        call()


def test_a_weighted_loss_of_integers_is_their_mean():
    assert F.mse_loss(tg.tensor([1]), tg.tensor([3]), weight=tg.tensor([1])).item() == 4.0


def test_an_empty_half_matrix_has_a_condition():
    assert tg.linalg.cond(tg.zeros(1, 0, dtype=tg.float16)).item() == 0.0


def test_ormqr_of_another_number_of_dimensions_and_is_nonzero_of_a_number_are_refused():
    with pytest.raises(RuntimeError, match="number of dimensions"):
        tg.ormqr(tg.ones(4, 2), tg.ones(2), tg.ones(1, 4, 1))
    with pytest.raises(TypeError):
        tg.is_nonzero(1j)


def test_normalizations_refuse_no_groups_and_no_room():
    with pytest.raises(RuntimeError, match="greater than 0"):
        tg.native_group_norm(tg.ones(1, 4, 1), tg.ones(4), tg.ones(4), 1, 4, 1, 0, 1.0)
    with pytest.raises(ValueError, match="must be positive"):
        F.batch_norm(tg.ones(2, 3), None, None, training=True, eps=-1)


def test_sizes_and_rooms_of_any_number_type_are_taken():
    assert tg.tensor(2.0).mvlgamma(np.int64(1)).item() == 0.0
    assert F.cosine_similarity(tg.ones(1, 2), tg.ones(1, 2), eps=2**70).item() == pytest.approx(0)
    assert F.cosine_similarity(tg.tensor([[1, 0]]), tg.ones(1, 2, dtype=tg.float64)).dtype is tg.float64


def test_a_histogram_whose_range_times_its_bins_overflows_is_right():
    assert tg.tensor([0.0, 3.4e38]).histc(4).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_a_kernel_for_the_way_back_that_nothing_would_run_is_refused():
    def first(input, other):
        return input

    with pytest.raises(ValueError, match="nothing would run its kernel tanh_backward"):
        binary(vjp=dict(input=lambda g: g, other=lambda g: g), at=(), name="_tanh")(first)
    assert "_tanh" not in registry


@pytest.mark.parametrize("dtype", [tg.int64, tg.bool], ids=str)
@pytest.mark.parametrize("draw", ["multinomial", "exponential_", "cauchy_"])
def test_draws_that_check_their_dtype_refuse_it_plainly(draw, dtype):
    """A NotImplementedError would say that only a loop is missing."""
    weights = tg.ones(3, dtype=dtype)
    with pytest.raises(RuntimeError, match="wants a tensor of a float dtype") as caught:
        weights.multinomial(1) if draw == "multinomial" else getattr(weights, draw)()
    assert caught.type is RuntimeError and tg.equal(weights, tg.ones(3, dtype=dtype))
