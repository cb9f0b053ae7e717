"""Products of matrices and contractions: against NumPy, against paper, and what is refused."""

import sys

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)
NAN = float("nan")


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def either_path(request):
    with tg.backend(request.param):
        yield


def draws(*shapes):
    return [rng.standard_normal(shape) for shape in shapes]


def agree(found, expected):
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11, atol=1e-12)


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)),
    ("ji,jk->ik", (3, 2), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("bqhd,bkhd->bhqk", (2, 4, 3, 5), (2, 6, 3, 5)),
    ("i,i->", (4,), (4,)),
    ("i,j->ij", (2,), (3,)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,j->", (2, 3), (3,)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ijk->j", (2, 3, 4)),
    ("ii->i", (3, 3)),
    ("iji->j", (3, 2, 3)),
    ("iii->i", (3, 3, 3)),
    ("iijj->ij", (2, 2, 3, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...ij,...jk->...ik", (5, 1, 2, 3), (6, 3, 4)),
    ("i...->...", (2, 3, 4)),
    ("...,...->...", (2, 3), (3,)),
    ("ab,bc,cd->ad", (2, 3), (3, 4), (4, 5)),
    ("ab,bc,cd,de->ea", (2, 3), (3, 4), (4, 5), (5, 2)),
    ("abc,cd,def,be->af", (2, 3, 4), (4, 2), (2, 3, 2), (3, 3)),
    ("i,i,i->i", (3,), (3,), (3,)),
    (",i->i", (), (3,)),
    ("ij,jk->ik", (0, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 4)),
]


@pytest.mark.parametrize("equation, shapes", [(e, s) for e, *s in EQUATIONS], ids=[e for e, *_ in EQUATIONS])
def test_einsum_is_numpys(equation, shapes):
    arrays = draws(*shapes)
    agree(tg.einsum(equation, *map(tg.tensor, arrays)), np.einsum(equation, *arrays))


def test_einsum_without_an_arrow_sorts_what_is_seen_once():
    a, b = draws((2, 3), (3, 4))
    agree(tg.einsum("bA,Ac", tg.tensor(a), tg.tensor(b)), a @ b)
    agree(tg.einsum("bA", tg.tensor(a)), a.T)
    agree(tg.einsum("ii", tg.tensor(a[:, :2])), np.trace(a[:, :2]))
    assert tg.einsum("a...,b...", tg.ones(2, 5), tg.ones(3, 5)).shape == (5, 2, 3)


def test_einsum_takes_sublists_and_lists_of_operands():
    a, b = draws((2, 3), (3, 4))
    x, y = tg.tensor(a), tg.tensor(b)
    agree(tg.einsum(x, [0, 1], y, [1, 2], [2, 0]), (a @ b).T)
    agree(tg.einsum(x, [..., 7], y, [7, 30], [..., 30]), a @ b)
    agree(tg.einsum("i j , j k -> i k", [x, y]), a @ b)


def test_einsum_broadcasts_sizes_of_one():
    a, b = draws((2, 1), (3, 4))
    agree(tg.einsum("ij,jk->ik", tg.tensor(a), tg.tensor(b)), a * b.sum(0))
    c, d = draws((1, 3), (5, 3))
    agree(tg.einsum("ij,ij->ij", tg.tensor(c), tg.tensor(d)), c * d)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("ij,jk->ik", (2, 3), (4, 2)), "subscript j has size 4"),
        (("ij,jk", (2, 3)), "fewer operands"),
        (("ij", (2, 3), (2,)), "more operands"),
        (("ij->ijj", (2, 3)), "more than once"),
        (("ij->k", (2, 3)), "does not appear"),
        (("ij->i.", (2, 3)), "part of any ellipsis"),
        (("......->", (2, 3)), "already found"),
        (("i1->i", (2, 3)), "invalid subscript given at index 1"),
        (("ijk->i", (2, 3)), "number of subscripts"),
        (("ii->i", (2, 3)), "don't match"),
        (("...i->i", ()), "number of subscripts"),
    ],
)
def test_einsum_refuses(arguments, message):
    equation, *shapes = arguments
    with pytest.raises(RuntimeError, match=message):
        tg.einsum(equation, *[tg.ones(shape) for shape in shapes])


def test_einsum_differentiates_twice():
    tensors = [tg.tensor(a, requires_grad=True) for a in draws((2, 3), (3, 2, 2), (2, 2))]

    def function(a, b, c):
        return tg.einsum("ij,jkk,kl->il", a, b, c)

    assert gradcheck(function, tensors)
    assert gradgradcheck(function, tensors)


@pytest.mark.parametrize("dims", [0, 1, 2, ([1, 2], [1, 0]), ([2], [0]), ([-1, 0], [0, 2])], ids=str)
def test_tensordot_is_numpys(dims):
    a, b = (
        draws((2, 3, 4), (4, 3, 2))
        if not isinstance(dims, int)
        else draws((2, 3, 4), (3, 4, 2)[2 - dims :] or (5,))
    )
    if dims == 1:
        b = rng.standard_normal((4, 2))
    agree(tg.tensordot(tg.tensor(a), tg.tensor(b), dims), np.tensordot(a, b, dims))


def test_tensordot_refuses():
    x, y = tg.ones(2, 3), tg.ones(2, 3)
    for dims, error in ((3, RuntimeError), (-1, RuntimeError), (1.5, RuntimeError), (([5], [0]), IndexError)):
        with pytest.raises(error):
            tg.tensordot(x, y, dims)
    with pytest.raises(RuntimeError, match="need to match"):
        tg.tensordot(x, y, 1)
    with pytest.raises(RuntimeError, match="multiple times"):
        tg.tensordot(x, y, ([1, 1], [1, 1]))


def test_kron_and_cross_are_numpys():
    for shapes in (((2, 3), (3, 2)), ((3,), (2, 2)), ((2, 1, 2), (3,)), ((), (2, 2))):
        a, b = draws(*shapes)
        agree(tg.kron(tg.tensor(a), tg.tensor(b)), np.kron(a, b))
    a, b = draws((4, 3), (4, 3))
    agree(tg.linalg.cross(tg.tensor(a), tg.tensor(b)), np.cross(a, b))
    agree(tg.cross(tg.tensor(a.T.copy()), tg.tensor(b.T.copy())), np.cross(a, b).T)


def test_beta_of_zero_forgets_the_input():
    bad = tg.full((2, 2), NAN)
    one = tg.ones(2, 2)
    assert tg.addmm(bad, one, one, beta=0).tolist() == [[2, 2], [2, 2]]
    assert tg.addmv(bad[0], one, one[0], beta=0).tolist() == [2, 2]
    assert tg.addr(bad, one[0], one[0], beta=0).tolist() == [[1, 1], [1, 1]]
    assert tg.baddbmm(bad[None], one[None], one[None], beta=0).tolist() == [[[2, 2], [2, 2]]]
    assert tg.addbmm(bad, one[None], one[None], beta=0).tolist() == [[2, 2], [2, 2]]


def test_the_input_of_addmm_is_broadcast_but_not_the_product():
    assert tg.addmm(tg.ones(4), tg.ones(2, 3), tg.ones(3, 4)).shape == (2, 4)
    with pytest.raises(RuntimeError):
        tg.addmm(tg.ones(5, 2, 4), tg.ones(2, 3), tg.ones(3, 4))
    with pytest.raises(RuntimeError):
        tg.ones(4).addmm_(tg.ones(2, 3), tg.ones(3, 4))


def test_whole_numbers_cut_alpha_and_beta():
    x = tg.ones(2, 2, dtype=tg.int64)
    assert tg.addmm(x, x, x, beta=1.9, alpha=2.9).tolist() == [[5, 5], [5, 5]]
    with pytest.raises(RuntimeError, match="alpha"):
        tg.addr(x, x[0], x[0], alpha=0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tg.mm(tg.ones(2, 3), tg.ones(3)),
        lambda: tg.mm(tg.ones(2, 3), tg.ones(2, 3)),
        lambda: tg.mm(tg.ones(2, 3), tg.ones(3, 2).double()),
        lambda: tg.bmm(tg.ones(2, 3, 4), tg.ones(3, 4, 5)),
        lambda: tg.mv(tg.ones(2, 3), tg.ones(2)),
        lambda: tg.dot(tg.ones(2), tg.ones(3)),
        lambda: tg.dot(tg.ones(2, 2), tg.ones(2)),
        lambda: tg.inner(tg.ones(2, 3), tg.ones(2, 2)),
        lambda: tg.outer(tg.ones(2, 3), tg.ones(2)),
        lambda: tg.matmul(tg.tensor(1.0), tg.ones(2)),
        lambda: tg.matmul(tg.ones(2, 2, 3), tg.ones(3, 3, 2)),
        lambda: tg.matmul(tg.ones(2, 2).bool(), tg.ones(2, 2).bool()),
        lambda: tg.linalg.multi_dot([tg.ones(2, 3)]),
        lambda: tg.linalg.multi_dot([tg.ones(2, 3), tg.ones(4)]),
        lambda: tg.trace(tg.ones(2, 2, 2)),
        lambda: F.linear(tg.ones(2, 3), tg.ones(4, 5)),
        lambda: F.linear(tg.ones(2, 3), tg.ones(4, 3), tg.ones(5)),
        lambda: F.linear(tg.ones(2, 3), tg.ones(4, 3).double()),
        lambda: F.bilinear(tg.ones(2, 3), tg.ones(3, 4), tg.ones(5, 3, 4)),
    ],
)
def test_sizes_that_do_not_fit_are_refused(call):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert str(caught.value)


def test_the_message_of_matmul_offers_the_transpose():
    with pytest.raises(RuntimeError, match=r"\(4, 3\)\.mT"):
        tg.ones(2, 3) @ tg.ones(4, 3)


def test_multi_dot_takes_the_cheap_order():
    from tensorgrad.ops.matrices.contractions import _best_order

    split = _best_order([10, 100, 5, 50])  # ((10x100) (100x5)) (5x50) takes a tenth
    assert split[0][2] == 1
    arrays = draws((3,), (3, 4), (4, 2), (2,))
    agree(tg.linalg.multi_dot([*map(tg.tensor, arrays)]), arrays[0] @ arrays[1] @ arrays[2] @ arrays[3])


@pytest.mark.parametrize("frozen", ["input", "weight", "bias"])
def test_linear_differentiates_twice_beside_frozen_tensors(frozen):
    tensors = {
        n: tg.tensor(a) for n, a in zip(("input", "weight", "bias"), draws((4, 3), (2, 3), (2,)), strict=True)
    }
    free = [t.requires_grad_() for n, t in tensors.items() if n != frozen]
    first = tg.autograd.grad((F.linear(**tensors) ** 2).sum(), free, create_graph=True)
    assert [g.shape for g in first] == [t.shape for t in free]
    second = tg.autograd.grad(sum(g.sum() for g in first), free)
    assert all(np.isfinite(g.numpy()).all() for g in second)


@pytest.mark.parametrize("shape", [(4,), (1,), ()], ids=str)
def test_linear_keeps_the_shape_of_its_bias_alone(shape):
    bias = tg.ones(shape, requires_grad=True)
    out = F.linear(tg.ones(3, 2), tg.ones(4, 2), bias)
    with tg.no_grad():
        bias.add_(1)  # no gradient needs its values
    grad = tg.autograd.grad(out.sum(), bias, create_graph=True)[0]
    np.testing.assert_array_equal(grad.detach().numpy(), np.full(shape, 12.0 / bias.numel()))


def test_rmatmul_of_tensors():
    a, b = draws((2, 3), (3, 4))
    agree(tg.tensor(b).__rmatmul__(tg.tensor(a)), a @ b)


def test_large_products_agree_with_numpy():
    for m, k, n in ((1, 1, 1), (17, 33, 9), (64, 64, 64), (3, 300, 1), (1, 2, 300)):
        a, b = rng.standard_normal((m, k)).astype("f4"), rng.standard_normal((k, n)).astype("f4")
        for x, y in ((a, b), (np.asfortranarray(a), np.asfortranarray(b))):
            found = tg.from_numpy(x) @ tg.from_numpy(y)
            np.testing.assert_allclose(found.numpy(), a.astype("f8") @ b.astype("f8"), rtol=1e-4, atol=1e-4)


def test_product_of_a_chain_holds_its_matrices_no_longer_than_needed():
    chain = [tg.ones(2, 3), tg.ones(3, 4), tg.ones(4, 2)]
    before = sys.getrefcount(chain[0])
    tg.linalg.multi_dot(chain)
    after = sys.getrefcount(chain[0])
    assert after == before


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_stacks_lie_in_any_way_and_broadcast(dtype):
    heads = rng.standard_normal((2, 7, 3, 5)).astype(dtype)  # (batch, time, heads, size)
    x = tg.from_numpy(heads).transpose(1, 2)
    other = tg.from_numpy(rng.standard_normal((3, 1, 5, 4)).astype(dtype))
    deep = tg.from_numpy(rng.standard_normal((2, 3, 2, 3, 2, 4, 5)).astype(dtype))
    deep = deep.permute(4, 2, 0, 3, 1, 5, 6)  # no two of its leading dimensions are one loop
    every_other = tg.from_numpy(rng.standard_normal((4, 6, 10)).astype(dtype))[::2, :, ::2]
    wide = tg.from_numpy(rng.standard_normal((5, 6)).astype(dtype)).expand(2, 5, 6)
    tolerance = 1e-5 if dtype == "f4" else 1e-13
    for a, b in (
        (x, x.mT),
        (x, other.expand(2, 3, 3, 5, 4)[:, 0]),
        (x[:, :, None], other.squeeze(1)[:, None]),
        (other.mT, x[0].mT),
        (x[0, 0], x.mT),
        (deep, deep.mT),
        (every_other, wide),
        (wide.mT, every_other.mT),
        (tg.from_numpy(heads[..., :1, :]).expand(2, 7, 4, 5), x.permute(0, 2, 3, 1)),
    ):
        found = (a @ b).numpy()
        np.testing.assert_allclose(found, a.numpy() @ b.numpy(), rtol=0, atol=tolerance * 20)


def test_gradients_of_stacks_that_broadcast_are_summed():
    shapes = ((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (2, 4, 2)), ((2, 3, 4), (1, 4, 2)), ((1, 3, 4), (2, 5, 4, 2))
    for one, other in shapes:
        factors = [tg.tensor(a, requires_grad=True) for a in draws(one, other)]
        assert gradcheck(tg.matmul, factors)
        assert gradgradcheck(tg.matmul, factors)
        g = tg.autograd.grad((factors[0] @ factors[1]).sum(), factors)
        assert [each.shape for each in g] == [one, other]


def test_linear_takes_rows_out_of_a_wider_tensor_and_turned_ones():
    whole, w = draws((4, 5, 9), (2, 3))
    for x in (tg.tensor(whole)[..., 3:6], tg.tensor(whole)[:, :3].mT, tg.tensor(whole)[::2, ::2, :3]):
        x = x.detach().requires_grad_()
        weight = tg.tensor(w, requires_grad=True)
        assert gradcheck(F.linear, [x, weight])
        agree(F.linear(x, weight).detach(), x.detach().numpy() @ w.T)


def test_sums_of_narrow_integers_stay_narrow():
    x = tg.full((1, 1, 2), 100, dtype=tg.int8)      # (2, 1) dimensions with (1, 1): two factors each
    found = tg.tensordot(x, x)
    assert found.dtype is tg.int8
    assert found.tolist() == [[32, 32]]             # 20,000 wrapped around


def test_outer_products_of_truths_have_the_dtype_of_the_operands():
    truths = tg.tensor([True, False])
    found = tg.addr(truths.expand(2, 2), truths, tg.ones(2, dtype=tg.int16), beta=2, alpha=2)
    assert found.dtype is tg.int16
    assert found.tolist() == [[4, 2], [2, 0]]


def test_the_norm_of_each_number_of_a_vector():
    assert tg.norm_except_dim(tg.tensor([1.0, -2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", [tg.int8, tg.uint8, tg.int32])
def test_integers_that_einsum_adds_up_alone_are_widened(dtype):
    one, column, square = (tg.ones(shape, dtype=dtype) for shape in ((1, 1), (2, 1), (2, 2)))
    for equation, operands, wanted in (
        ("ij,ik", (one, column), tg.int64),
        ("ij,kj->i", (one, column), tg.int64),
        ("ij,kl->", (square, square), tg.int64),
        ("ij->", (square,), tg.int64),
        ("ij,jk,kl->", (square, square, one), tg.int64),
        ("ij,ik", (column, column), dtype),
        ("ij,jk", (square, square), dtype),
        ("ij,kl", (square, column), dtype),
        ("ij,ij->", (one, one), dtype),
    ):
        assert tg.einsum(equation, *operands).dtype is wanted, equation


def test_linear_of_a_vector_takes_a_bias_of_one_row():
    bias = tg.tensor([[1.0, 2.0]], requires_grad=True)
    found = F.linear(tg.ones(3), tg.ones(2, 3), bias)
    assert found.tolist() == [4.0, 5.0]
    assert tg.autograd.grad(found.sum(), bias)[0].tolist() == [[1.0, 1.0]]
    for shape in ((1, 1), (2, 2), (1, 1, 2)):
        with pytest.raises(RuntimeError):
            F.linear(tg.ones(3), tg.ones(2, 3), tg.ones(shape))
