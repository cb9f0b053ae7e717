"""What must hold of every declared op, read from the declarations.

A new op gets all of it by existing. Both paths (kernels, NumPy bodies) are held against each other; gradients
are held against finite differences in float64, at first and second order.
"""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.autograd import gradcheck, gradgradcheck
from tensorgrad.core import Tensor, _core
from tensorgrad.core.declare import Case, Draw, registry
from tensorgrad.testing.samples import cases, draw, materialize, reshaped, tensors_in

# One of their arguments has no derivative yet, and says so in backward.
WITHOUT_ONE = ("igamma", "igammac", "zeta")

# Kernel against body: float32 sums and vectorised maths differ in the last digits.
TOLERANCE = {tg.float32: dict(rtol=2e-5, atol=2e-6), tg.float64: dict(rtol=1e-12, atol=1e-13)}

ALL = list(cases(lambda op: op.kind_name != "inplace"))
ELEMENTWISE = [(op, sample) for op, sample in ALL if op.kind_name in ("unary", "binary")]
SMOOTH = [(op, s) for op, s in ALL if op.facts.smooth and op.differentiable]
BACKENDS = ("kernels", "numpy")


def ids(pairs):
    return [f"{op.__name__}-{sample.name}" for op, sample in pairs]


def table(pairs):
    return pytest.mark.parametrize("op, sample", pairs, ids=ids(pairs))


def run(op, sample, backend, **how):
    args, kwargs, _ = materialize(sample, **how)
    with tg.backend(backend):
        return tensors_in(op(*args, **kwargs))


def numbers(t: Tensor) -> np.ndarray:
    """Its elements as an array; those of bfloat16, which NumPy does not have, in float32."""
    return (t.float() if t.dtype is tg.bfloat16 else t).detach().numpy()


def same(found: list[Tensor], expected: list[Tensor], **tolerance) -> None:
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert f.dtype is e.dtype
        assert tuple(f.shape) == tuple(e.shape)
        np.testing.assert_allclose(numbers(f), numbers(e), **tolerance)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["f32", "f64"])
@table(ALL)
def test_kernel_and_body_agree(op, sample, dtype):
    same(run(op, sample, "kernels", dtype=dtype), run(op, sample, "numpy", dtype=dtype), **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [tg.int64, tg.uint8, tg.bool, tg.float16], ids=["i64", "u8", "bool", "f16"])
@table(ELEMENTWISE)
def test_other_dtypes_agree_or_are_refused_alike(op, sample, dtype):
    found = []
    for backend in BACKENDS:
        try:
            found.append(run(op, sample, backend, dtype=dtype))
        except (RuntimeError, TypeError, ValueError) as error:
            assert str(error)
            found.append(type(error))
    if isinstance(found[0], list) and isinstance(found[1], list):
        same(
            *found, **({"rtol": 2e-3, "atol": 2e-3} if dtype is tg.float16 else {"rtol": 2e-5, "atol": 1e-6})
        )
    else:
        assert found[0] == found[1]


# Their very subject is how the input lies in memory.
READS_STRIDES = ("view", "view_as", "view_copy", "as_strided", "as_strided_copy", "as_strided_scatter")


@pytest.mark.parametrize("layout", ["transposed", "strided"])
@table([(op, s) for op, s in ALL if op.__name__.lstrip("_") not in READS_STRIDES])
def test_strides_do_not_change_the_answer(op, sample, layout):
    for backend in BACKENDS:
        same(run(op, sample, backend, layout=layout), run(op, sample, backend), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "shape", [(), (0,), (0, 3), (1, 1), (2, 3, 2)], ids=["0-d", "empty", "empty-2d", "one", "3-d"]
)
@table(ELEMENTWISE)
def test_shapes(op, sample, shape):
    sample = reshaped(sample, shape)
    found = run(op, sample, "kernels")
    same(found, run(op, sample, "numpy"), rtol=1e-12, atol=1e-13)
    assert all(tuple(t.shape) == shape for t in found)


def held_fixed(op, sample):
    """The op as a function of the tensors that need a gradient, and those."""
    args, kwargs, leaves = materialize(sample, requires_grad=True)

    def function(*values):
        position = {id(leaf): value for leaf, value in zip(leaves, values, strict=True)}

        def put(a):
            if isinstance(a, Tensor):
                return position.get(id(a), a)
            if isinstance(a, (list, tuple)) and any(isinstance(v, (Tensor, list, tuple)) for v in a):
                return type(a)(map(put, a))
            return a

        found = tensors_in(op(*map(put, args), **{k: put(v) for k, v in kwargs.items()}))
        return tuple(t for t in found if t.is_floating_point())

    return function, tuple(leaves)


@pytest.mark.parametrize("backend", BACKENDS)
@table(SMOOTH)
def test_gradient(op, sample, backend):
    with tg.backend(backend):
        function, leaves = held_fixed(op, sample)
        if not leaves:
            assert not any(isinstance(a, Draw) and a.kind == "float" for a in sample.args)
            return
        assert gradcheck(function, leaves)


@table(SMOOTH)
def test_gradient_of_gradient(op, sample):
    function, leaves = held_fixed(op, sample)
    if leaves:
        assert gradgradcheck(function, leaves, atol=2e-5)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["f32", "f64"])
@table([(op, s) for op, s in ALL if op.differentiable and op.__name__ not in WITHOUT_ONE])
def test_fast_gradient_and_formula_agree(op, sample, dtype):
    grads = []
    for create_graph, backend in ((False, "kernels"), (True, "kernels"), (False, "numpy")):
        args, kwargs, leaves = materialize(sample, dtype=dtype, requires_grad=True)
        with tg.backend(backend):
            outputs = [t for t in tensors_in(op(*args, **kwargs)) if t.requires_grad]
            if not outputs:
                return
            weights = [
                tg.tensor(np.random.default_rng(1).uniform(0.5, 1.5, tuple(t.shape)), dtype=t.dtype)
                for t in outputs
            ]
            found = tg.autograd.grad(outputs, leaves, weights, create_graph=create_graph, allow_unused=True)
        grads.append([g for g in found if g is not None])
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if dtype is tg.float32 else {"rtol": 1e-10, "atol": 1e-11}
    same(grads[0], grads[1], **tolerance)
    same(grads[0], grads[2], **tolerance)


@table([(op, s) for op, s in ALL if op.facts.inplace and not isinstance(s.args[0], (int, float))])
def test_in_place_form_gives_the_same(op, sample):
    args, kwargs, _ = materialize(sample)
    expected = tensors_in(op(*args, **kwargs))[0]
    args, kwargs, _ = materialize(sample)
    if args[0].shape != expected.shape or not tg.can_cast(expected.dtype, args[0].dtype):
        with pytest.raises((RuntimeError, TypeError)):
            registry[op.__name__ + "_"](*args, **kwargs)
        return
    version = args[0]._version
    found = registry[op.__name__ + "_"](*args, **kwargs)
    assert found is args[0]
    assert found._version > version
    np.testing.assert_allclose(
        found.numpy(), expected.numpy().astype(found.dtype.numpy_dtype), rtol=1e-12, atol=1e-13
    )


@table([(op, s) for op, s in ALL if op.kind_name in ("unary", "binary", "reduction")])
def test_out_gets_the_result(op, sample):
    args, kwargs, _ = materialize(sample)
    expected = tensors_in(op(*args, **kwargs))
    if len(expected) != 1:
        return
    target = tg.empty(0, dtype=expected[0].dtype)
    assert op(*args, **kwargs, out=target) is target
    same([target], expected, rtol=0, atol=0)


OPS = [op for op in registry.values() if op.facts.samples and op.tensor_params]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.__name__)
def test_an_option_that_is_none_is_refused(op):
    args, kwargs, _ = materialize(op.facts.samples()[0])
    with pytest.raises(TypeError):
        op(*args, **kwargs, no_such_option=1)


@pytest.mark.parametrize("op", list(registry.values()), ids=lambda op: op.__name__)
def test_every_op_is_documented(op):
    text = op.__doc__ or ""
    assert text.strip()
    if op.facts.places or op.facts.method:
        if op.kind_name != "inplace":
            assert ">>>" in text, "a public op has an example"
            assert op.facts.samples is not None and op.facts.samples(), "a public op has sample calls"


def test_draws_are_what_they_say():
    rng = np.random.default_rng(0)
    values = np.sort(draw(Draw((50,), distinct=True), rng, np.float64))
    assert np.diff(values).min() > 1e-3
    args, _, leaves = materialize(Case((Draw((2, 3)), 1.5)), requires_grad=True)
    assert args[1] == 1.5
    assert leaves[0].requires_grad


def test_every_row_of_the_native_table_is_an_ops():
    assert set(_core._native_names()) <= set(registry)
