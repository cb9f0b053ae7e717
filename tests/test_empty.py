"""What holds nothing gives nothing, or what PyTorch 2.13 gives: values and gradients."""

import math

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import nn
from tensorgrad.core.declare import registry
from tensorgrad.testing.samples import materialize

CLEAN = (RuntimeError, TypeError, ValueError, IndexError)
SAMPLED = [op for op in registry.values() if op.facts.samples and op.kind_name != "inplace"]


def without(x, extent):
    """The tensors of an argument with no elements where they had ``extent``."""
    if isinstance(x, tg.Tensor):
        array = x.numpy()
        for d, n in enumerate(array.shape):
            if n == extent:
                array = np.take(array, [], axis=d)
        return tg.tensor(array)
    if isinstance(x, (list, tuple)) and x and isinstance(x[0], tg.Tensor):
        return type(x)(without(each, extent) for each in x)
    return x


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.__name__)
@pytest.mark.filterwarnings("ignore")
def test_an_op_of_nothing_gives_a_result_or_a_clean_error(op):
    for sample in op.facts.samples():
        args, kwargs, tensors = materialize(sample)
        for extent in {n for t in tensors for n in t.shape}:
            args, kwargs, _ = materialize(sample)
            try:
                op(*[without(x, extent) for x in args], **{k: without(x, extent) for k, x in kwargs.items()})
            except CLEAN as error:
                assert str(error)


def gradients(function, *shapes):
    leaves = [tg.ones(shape, requires_grad=True) for shape in shapes]
    function(*leaves).sum().backward()
    return [None if x.grad is None else x.grad.tolist() for x in leaves]


def test_attention_without_features_weighs_all_keys_alike():
    value = tg.tensor([[1.0], [3.0]])
    assert F.scaled_dot_product_attention(tg.ones(3, 0), tg.ones(2, 0), value).tolist() == [[2.0]] * 3
    found = gradients(F.scaled_dot_product_attention, (3, 0), (2, 0), (2, 1))
    assert found == [[[], [], []], [[], []], [[1.5], [1.5]]]


def test_attention_without_keys_queries_or_batch():
    attend = F.scaled_dot_product_attention
    assert attend(tg.ones(2, 3), tg.ones(0, 3), tg.ones(0, 4)).tolist() == [[0.0] * 4] * 2
    assert attend(tg.ones(0, 3), tg.ones(2, 3), tg.ones(2, 4)).shape == (0, 4)
    assert attend(tg.ones(0, 2, 3), tg.ones(0, 5, 3), tg.ones(0, 5, 4)).shape == (0, 2, 4)


def test_heads_that_do_not_share_are_refused():
    x = tg.ones(1, 0, 2, 3)
    with pytest.raises(RuntimeError, match="heads"):
        F.scaled_dot_product_attention(tg.ones(1, 4, 2, 3), x, x, enable_gqa=True)


@pytest.mark.parametrize(
    ("x", "weight", "bias", "shape"),
    [
        ((2, 5, 0), (4, 0), (4,), (2, 5, 4)),
        ((2, 0), (4, 0), (4,), (2, 4)),
        ((2, 5, 3), (0, 3), (0,), (2, 5, 0)),
        ((0, 3), (4, 3), (4,), (0, 4)),
        ((2, 0, 3), (4, 3), (4,), (2, 0, 4)),
        ((0,), (4, 0), (4,), (4,)),
        ((0, 0), (0, 0), (0,), (0, 0)),
        ((0,), (0,), (), ()),
        ((2, 0), (0,), (), (2,)),
    ],
)
def test_linear_of_nothing_is_the_bias_and_has_gradients(x, weight, bias, shape):
    x, weight, bias = (tg.ones(each, requires_grad=True) for each in (x, weight, bias))
    made = F.linear(x, weight, bias)
    assert made.tolist() == np.ones(shape).tolist()
    made.sum().backward()
    assert x.grad.tolist() == np.zeros(x.shape).tolist()
    assert weight.grad.tolist() == np.zeros(weight.shape).tolist()
    assert bias.grad.tolist() == np.full(bias.shape, made.numel() / max(1, bias.numel())).tolist()


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3), (0, 3), (3, 0)])
@pytest.mark.parametrize("p", [None, 2, -2, 1, "fro"])
def test_cond_of_nothing_is_zero(shape, p):
    assert tg.linalg.cond(tg.ones(shape), p).tolist() == np.zeros(shape[:-2]).tolist()


def test_spectral_norm_of_nothing_is_zero():
    assert tg.linalg.matrix_norm(tg.ones(0, 0), 2).item() == 0.0
    assert tg.linalg.matrix_norm(tg.ones(0, 0), "nuc").item() == 0.0


@pytest.mark.parametrize(
    ("name", "args", "shapes"),
    [
        ("det", [(0, 0)], [()]),
        ("det", [(2, 0, 0)], [(2,)]),
        ("inv", [(0, 0)], [(0, 0)]),
        ("inv", [(0, 2, 2)], [(0, 2, 2)]),
        ("svd", [(0, 3)], [(0, 0), (0,), (3, 3)]),
        ("eigh", [(0, 0)], [(0,), (0, 0)]),
        ("qr", [(3, 0)], [(3, 0), (0, 0)]),
        ("cholesky", [(0, 0)], [(0, 0)]),
        ("solve", [(0, 0), (0, 2)], [(0, 2)]),
        ("solve", [(2, 2), (2, 0)], [(2, 0)]),
        ("pinv", [(0, 3)], [(3, 0)]),
        ("matrix_rank", [(0, 3)], [()]),
        ("matrix_exp", [(0, 0)], [(0, 0)]),
    ],
)
def test_linear_algebra_of_nothing(name, args, shapes):
    args = [tg.eye(*shape) if len(shape) == 2 else tg.ones(shape) for shape in args]
    found = getattr(tg.linalg, name)(*args)
    found = found if isinstance(found, tuple) else (found,)
    assert [tuple(each.shape) for each in found] == shapes
    if name == "det":
        assert (found[0] == 1).all()


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda x: x.sum(), 0.0), (lambda x: x.prod(), 1.0), (lambda x: x.mean(), math.nan),
        (lambda x: x.var(), math.nan), (lambda x: x.any(), False), (lambda x: x.all(), True),
        (lambda x: x.logsumexp(0), -math.inf), (lambda x: x.norm(), 0.0), (lambda x: x.median(), math.nan),
        (lambda x: x.cumsum(0), []), (lambda x: x.sort()[0], []), (lambda x: x.topk(0)[0], []),
        (lambda x: x.unique(), []), (lambda x: x.diff(), []), (lambda x: x.nonzero(), []),
        (lambda x: x.softmax(0), []), (lambda x: tg.cat([x, x]), []), (lambda x: tg.stack([x, x]), [[], []]),
        (lambda x: tg.dot(x, x), 0.0), (lambda x: tg.combinations(x), []), (lambda x: tg.histc(x).sum(), 0.0),
        (lambda x: tg.bucketize(tg.ones(2), x), [0, 0]), (lambda x: x.long().bincount(minlength=2), [0, 0]),
        (lambda x: F.pad(x, (1, 1)), [0.0, 0.0]), (lambda x: F.normalize(x, dim=0), []),
        (lambda x: F.mse_loss(x, x), math.nan), (lambda x: F.mse_loss(x, x, reduction="sum"), 0.0),
        (lambda x: F.l1_loss(x, x), math.nan), (lambda x: F.huber_loss(x, x), math.nan),
        (lambda x: F.cross_entropy(x.reshape(0, 3), x.long()), math.nan),
        (lambda x: F.local_response_norm(x.reshape(2, 0, 3), 2), [[], []]),
        (lambda x: tg.matmul(tg.ones(2, 0), tg.ones(0, 1)), [[0.0], [0.0]]),
        (lambda x: tg.einsum("ij,jk->ik", tg.ones(1, 0), tg.ones(0, 2)), [[0.0, 0.0]]),
        (lambda x: tg.cdist(tg.ones(2, 0), tg.ones(1, 0)), [[0.0], [0.0]]),
    ],
)  # fmt: skip
def test_a_vector_of_nothing(call, right):
    np.testing.assert_array_equal(call(tg.ones(0)).tolist(), right)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.max(), lambda x: x.min(), lambda x: x.amax(), lambda x: x.argmax(),
        lambda x: x.kthvalue(1),
        lambda x: x.quantile(0.5), lambda x: x.reshape(0, 3).max(0), lambda x: x.reshape(0, 3).argmin(0),
        lambda x: tg.cat([]), lambda x: tg.stack([]), lambda x: F.local_response_norm(tg.ones(1, 1, 1), 0),
        lambda x: F.batch_norm(tg.ones(1, 3), None, None, training=True),
    ],
)  # fmt: skip
def test_nothing_to_choose_from_is_an_error(call):
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        call(tg.ones(0))


def test_losses_of_no_samples_have_gradients_of_zero_size():
    x = tg.ones(0, 3, requires_grad=True)
    F.cross_entropy(x, tg.zeros(0, dtype=tg.int64)).backward()
    assert x.grad.shape == (0, 3)


def test_layers_without_features():
    assert nn.Linear(3, 0)(tg.ones(2, 3)).shape == (2, 0)
    assert nn.Embedding(3, 0)(tg.zeros(2, dtype=tg.int64)).shape == (2, 0)
    assert nn.Embedding(0, 3)(tg.zeros(0, dtype=tg.int64)).shape == (0, 3)


def test_batch_norm_without_running_statistics_takes_none():
    x = tg.tensor([[0.0], [2.0]])
    assert F.batch_norm(x, None, None, training=True, eps=1e-12).tolist() == [[-1.0], [1.0]]
    with pytest.raises(TypeError, match="running_mean"):
        F.batch_norm(tg.ones(2, 3), "a", None, training=True)


@pytest.mark.parametrize("dtype", [tg.int64, tg.uint8, tg.bool])
@pytest.mark.parametrize("of", [tg.softmax, tg.log_softmax])
def test_the_softmax_of_no_integers_is_empty(of, dtype):
    found = of(tg.zeros(2, 0, dtype=dtype), -1)
    assert found.shape == (2, 0)
    assert found.dtype is dtype
    with pytest.raises(IndexError):
        of(tg.zeros(0, dtype=dtype), 1)
    with pytest.raises(NotImplementedError):
        of(tg.zeros(1, dtype=dtype), 0)


@pytest.mark.parametrize("of", [tg.remainder, tg.fmod, tg.floor_divide])
@pytest.mark.parametrize("divisor", [0, tg.tensor([0])])
def test_no_integers_may_be_divided_by_zero(of, divisor):
    assert of(tg.zeros(0, dtype=tg.int64), divisor).shape == (0,)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        of(tg.ones(1, dtype=tg.int64), divisor)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2), (2, 3, 0)])
def test_the_gradient_of_a_normalized_empty_batch_is_empty(shape):
    x = tg.zeros(shape, requires_grad=True)
    tg.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)[0].sum().backward()
    assert x.grad.shape == shape
