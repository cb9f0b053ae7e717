"""Element by element: activations, arithmetic, comparisons, choices, casts."""

from __future__ import annotations

import math
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor, dtype

from .graph import WRITERS, Graph, writes

# Ops that ONNX has under another spelling.
SAME = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt",
    "abs": "Abs", "neg": "Neg", "floor": "Floor", "ceil": "Ceil", "sin": "Sin", "cos": "Cos", "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh",
    "atanh": "Atanh", "erf": "Erf", "sign": "Sign", "reciprocal": "Reciprocal", "hardswish": "HardSwish",
    "softsign": "Softsign",
}  # fmt: skip


def _same(kind: str) -> Any:
    def write(g: Graph, input: Tensor, **rest: Any) -> str:
        name = g.name(input, dtype_of(g))
        return name if kind in ("Floor", "Ceil") and is_whole(g) else g.node(kind, name)

    return write


def dtype_of(g: Graph) -> dtype:
    """That of what the op gave."""
    return g.result.dtype


def is_whole(g: Graph) -> bool:
    """Whether it gave integers, which need no rounding, and for which ONNX has none."""
    return not dtype_of(g).is_floating_point


for _name, _kind in SAME.items():
    WRITERS[_name] = _same(_kind)


@writes("isnan")
def isnan(g: Graph, input: Tensor, **rest: Any) -> str:
    return g.node("IsNaN", input)


@writes("isinf")
def isinf(g: Graph, input: Tensor, **rest: Any) -> str:
    return g.node("IsInf", input)


@writes("contiguous", "clone", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
        "feature_alpha_dropout", "positive")  # fmt: skip
def unchanged(g: Graph, input: Tensor, p: float = 0.0, training: bool = False, **rest: Any) -> str:
    if training and p:
        g.refuse("draws random numbers; export with training=TrainingMode.EVAL")
    return g.name(input)


@writes("to", "type", "type_as", "float", "double", "half", "int", "long", "short", "char", "byte", "bool",
        "bfloat16", "_cast")  # fmt: skip
def cast(g: Graph, input: Tensor, **rest: Any) -> str:
    return g.name(input, dtype_of(g))


# ---------------------------------------------------------------------------- activations


@writes("leaky_relu")
def leaky_relu(g: Graph, input: Tensor, negative_slope: float, **rest: Any) -> str:
    return g.node("LeakyRelu", input, alpha=float(negative_slope))


@writes("elu")
def elu(g: Graph, input: Tensor, alpha: float, **rest: Any) -> str:
    return g.node("Elu", input, alpha=float(alpha))


@writes("celu")
def celu(g: Graph, input: Tensor, alpha: float, **rest: Any) -> str:
    return g.node("Celu", input, alpha=float(alpha))


@writes("selu")
def selu(g: Graph, input: Tensor) -> str:
    return g.node("Selu", input, alpha=1.6732632423543772, gamma=1.0507009873554805)


@writes("silu")
def silu(g: Graph, input: Tensor) -> str:
    return g.node("Mul", input, g.node("Sigmoid", input))


@writes("gelu")
def gelu(g: Graph, input: Tensor, approximate: str) -> str:
    def number(value: float) -> str:
        return g.constant(value, input.dtype)

    if approximate == "tanh":
        cube = g.node("Mul", g.node("Mul", input, input), input)
        inside = g.node("Add", input, g.node("Mul", cube, number(0.044715)))
        curve = g.node("Tanh", g.node("Mul", inside, number(math.sqrt(2 / math.pi))))
    else:
        curve = g.node("Erf", g.node("Mul", input, number(math.sqrt(0.5))))
    return g.node("Mul", g.node("Mul", input, number(0.5)), g.node("Add", curve, number(1.0)))


@writes("softplus")
def softplus(g: Graph, input: Tensor, beta: float, threshold: float) -> str:
    factor = g.constant(beta, input.dtype)
    scaled = g.node("Mul", input, factor)
    is_far = g.node("Greater", scaled, g.constant(threshold, input.dtype))
    return g.node("Where", is_far, input, g.node("Div", g.node("Softplus", scaled), factor))


@writes("logsigmoid")
def logsigmoid(g: Graph, input: Tensor) -> str:
    return g.node("Neg", g.node("Softplus", g.node("Neg", input)))


@writes("mish")
def mish(g: Graph, input: Tensor) -> str:
    return g.node("Mul", input, g.node("Tanh", g.node("Softplus", input)))


@writes("hardsigmoid")
def hardsigmoid(g: Graph, input: Tensor) -> str:
    return g.node("HardSigmoid", input, alpha=1 / 6, beta=0.5)


@writes("relu6")
def relu6(g: Graph, input: Tensor) -> str:
    return clamp(g, input, 0, 6)


@writes("hardtanh")
def hardtanh(g: Graph, input: Tensor, min_val: float, max_val: float, **rest: Any) -> str:
    return clamp(g, input, min_val, max_val)


@writes("clamp")
def clamp(g: Graph, input: Tensor, min: Any = None, max: Any = None) -> str:
    out = g.name(input, dtype_of(g))
    for bound, one, several in ((min, 0, "Max"), (max, 1, "Min")):
        if isinstance(bound, Tensor) and bound.ndim:
            out = g.node(several, out, g.name(bound, dtype_of(g)))
        elif bound is not None:
            limits: list[str | None] = [None, None]
            limits[one] = g.name(bound, dtype_of(g))
            out = g.node("Clip", out, *limits)
    return out


@writes("clamp_min")
def clamp_min(g: Graph, input: Tensor, min: Any) -> str:
    return clamp(g, input, min)


@writes("clamp_max")
def clamp_max(g: Graph, input: Tensor, max: Any) -> str:
    return clamp(g, input, None, max)


@writes("tanhshrink")
def tanhshrink(g: Graph, input: Tensor) -> str:
    return g.node("Sub", input, g.node("Tanh", input))


@writes("hardshrink", "softshrink")
def shrunk(g: Graph, input: Tensor, lambd: float) -> str:
    assert g.call is not None
    bias = float(lambd) if g.call.name == "softshrink" else 0.0
    return g.node("Shrink", input, lambd=float(lambd), bias=bias)


@writes("threshold")
def threshold(g: Graph, input: Tensor, threshold: float, value: float) -> str:
    is_above = g.node("Greater", input, g.constant(threshold, input.dtype))
    return g.node("Where", is_above, input, g.constant(value, input.dtype))


@writes("prelu")
def prelu(g: Graph, input: Tensor, weight: Tensor) -> str:
    slope = g.name(weight)
    if weight.numel() > 1 and input.ndim > 2:
        slope = g.node("Reshape", slope, [-1] + [1] * (input.ndim - 2))
    return g.node("PRelu", input, slope)


@writes("glu")
def glu(g: Graph, input: Tensor, dim: int) -> str:
    half = input.shape[dim] // 2
    kept, gate = g.node("Split", input, [half, half], outputs=2, axis=dim % input.ndim)
    return g.node("Mul", kept, g.node("Sigmoid", gate))


def _over(kind: str) -> Any:
    def write(g: Graph, input: Tensor, dim: int | None, **rest: Any) -> str | None:
        if dim is None:
            return None
        return g.node(kind, g.name(input, dtype_of(g)), axis=dim % max(input.ndim, 1))

    return write


for _names, _kind in ((("softmax", "_softmax"), "Softmax"), (("log_softmax", "_log_softmax"), "LogSoftmax")):
    writes(*_names)(_over(_kind))


# ---------------------------------------------------------------------------- arithmetic


def operands(g: Graph, input: Any, other: Any, common: dtype) -> tuple[str, str]:
    """Both in a common dtype. A constant that repeats along axes has size 1 where the other has more."""
    return _operand(g, input, other, common), _operand(g, other, input, common)


def _operand(g: Graph, value: Any, beside: Any, common: dtype) -> str:
    if isinstance(beside, Tensor) and isinstance(value, Tensor) and beside.shape == g.result.shape:
        if (found := g.spread(value)) is not None:
            return found[0] if value.dtype is common else g.cast(found[0], common)
    return g.name(value, common)


def _arithmetic(kind: str) -> Any:
    def write(g: Graph, input: Any, other: Any, alpha: float = 1, **rest: Any) -> str:
        a, b = operands(g, input, other, dtype_of(g))
        if alpha != 1:
            b = g.node("Mul", b, g.constant(alpha, dtype_of(g)))
        if dtype_of(g) is tg.bool:
            return g.node({"Add": "Or", "Mul": "And", "Max": "Or", "Min": "And"}[kind], a, b)
        return g.node(kind, a, b)

    return write


for _name, _kind in {"add": "Add", "mul": "Mul", "maximum": "Max", "minimum": "Min"}.items():
    WRITERS[_name] = _arithmetic(_kind)
WRITERS["sub"] = subtracted = _arithmetic("Sub")


@writes("rsub")
def rsub(g: Graph, input: Any, other: Any, alpha: float = 1) -> str:
    return subtracted(g, other, input, alpha)


@writes("div")
def div(g: Graph, input: Any, other: Any, rounding_mode: str | None = None, **rest: Any) -> str:
    if rounding_mode == "floor":
        return floor_divide(g, input, other)
    found = g.node("Div", *operands(g, input, other, dtype_of(g)))
    return truncated(g, found) if rounding_mode == "trunc" else found


@writes("floor_divide", "_div_floor")
def floor_divide(g: Graph, input: Any, other: Any) -> str:
    a, b = operands(g, input, other, dtype_of(g))
    if is_whole(g):
        return g.node("Div", g.node("Sub", a, g.node("Mod", a, b)), b)
    # Of the quotient that a remainder leaves: that of 1 / 0.1 rounds to 10, but 0.1 goes into 1 nine times.
    zero, one = (g.constant(number, dtype_of(g)) for number in (0, 1))
    rest, is_below = _rest(g, a, b)
    whole = g.node("Round", g.node("Div", g.node("Sub", a, rest), b))
    whole = g.node("Where", is_below, g.node("Sub", whole, one), whole)
    return g.node("Where", g.node("Equal", b, zero), g.node("Div", a, b), whole)


def _rest(g: Graph, a: str, b: str) -> tuple[str, str]:
    """What a division of floats leaves, with the sign of the first, and where that is not the second's."""
    zero = g.constant(0, dtype_of(g))
    rest = g.node("Mod", a, b, fmod=1)
    signs = g.node("Xor", g.node("Less", rest, zero), g.node("Less", b, zero))
    return rest, g.node("And", g.node("Not", g.node("Equal", rest, zero)), signs)


@writes("remainder")
def remainder(g: Graph, input: Any, other: Any) -> str:
    a, b = operands(g, input, other, dtype_of(g))
    if is_whole(g):
        return g.node("Mod", a, b)
    rest, is_below = _rest(g, a, b)
    return g.node("Where", is_below, g.node("Add", rest, b), rest)


@writes("fmod")
def fmod(g: Graph, input: Any, other: Any, **rest: Any) -> str:
    return g.node("Mod", *operands(g, input, other, dtype_of(g)), fmod=1)


@writes("pow")
def power(g: Graph, input: Any, exponent: Any) -> str:
    return g.node("Pow", *operands(g, input, exponent, dtype_of(g)))


@writes("exp2")
def exp2(g: Graph, input: Tensor, **rest: Any) -> str:
    return power(g, 2, input)


@writes("lerp")
def lerp(g: Graph, input: Tensor, end: Tensor, weight: Any) -> str:
    step = g.node("Mul", g.node("Sub", end, input), g.name(weight, dtype_of(g)))
    return g.node("Add", input, step)


def _of_three(kind: str) -> Any:
    def write(g: Graph, input: Tensor, tensor1: Tensor, tensor2: Tensor, value: float = 1) -> str:
        found = g.node(kind, *(g.name(each, dtype_of(g)) for each in (tensor1, tensor2)))
        if value != 1:
            found = g.node("Mul", found, g.constant(value, dtype_of(g)))
        return g.node("Add", g.name(input, dtype_of(g)), found)

    return write


WRITERS["addcmul"], WRITERS["addcdiv"] = _of_three("Mul"), _of_three("Div")


@writes("square")
def square(g: Graph, input: Tensor) -> str:
    return g.node("Mul", input, input)


@writes("trunc")
def truncated(g: Graph, input: Any) -> str:
    if is_whole(g):
        return g.name(input)
    return g.node("Mul", g.node("Sign", input), g.node("Floor", g.node("Abs", input)))


@writes("erfc")
def erfc(g: Graph, input: Tensor) -> str:
    return g.node("Sub", g.constant(1, dtype_of(g)), g.node("Erf", g.name(input, dtype_of(g))))


@writes("rsqrt")
def rsqrt(g: Graph, input: Tensor) -> str:
    return g.node("Reciprocal", g.node("Sqrt", g.name(input, dtype_of(g))))


@writes("log1p")
def log1p(g: Graph, input: Tensor, **rest: Any) -> str:
    return g.node("Log", g.node("Add", g.name(input, dtype_of(g)), g.constant(1, dtype_of(g))))


@writes("expm1")
def expm1(g: Graph, input: Tensor, **rest: Any) -> str:
    return g.node("Sub", g.node("Exp", g.name(input, dtype_of(g))), g.constant(1, dtype_of(g)))


@writes("log2", "log10")
def log_of_base(g: Graph, input: Tensor, **rest: Any) -> str:
    assert g.call is not None
    base = math.log(2 if g.call.name == "log2" else 10)
    return g.node("Div", g.node("Log", g.name(input, dtype_of(g))), g.constant(base, dtype_of(g)))


@writes("round")
def rounded(g: Graph, input: Tensor, decimals: int = 0) -> str | None:
    return g.name(input) if is_whole(g) else None if decimals else g.node("Round", input)


# ---------------------------------------------------------------------------- comparisons and choices


def _comparison(kind: str, opposite: bool) -> Any:
    def write(g: Graph, input: Any, other: Any, **rest: Any) -> str:
        common = tg.result_type(input, other)
        if common is tg.bool and kind != "Equal":
            common = tg.int32  # ONNX orders numbers alone
        found = g.node(kind, *operands(g, input, other, common))
        found = g.node("Not", found) if opposite else found
        return found if dtype_of(g) is tg.bool else g.cast(found, dtype_of(g))  # of one in place

    return write


for _name, _kind in {
    "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual"
}.items():  # fmt: skip
    WRITERS[_name] = _comparison(_kind, False)
WRITERS["ne"] = _comparison("Equal", True)


def _logical(kind: str) -> Any:
    def write(g: Graph, input: Any, other: Any, **rest: Any) -> str | None:
        if dtype_of(g) is not tg.bool:
            return None
        return g.node(kind, *operands(g, input, other, tg.bool))

    return write


for _name, _kind in {"and": "And", "or": "Or", "xor": "Xor"}.items():
    WRITERS[f"logical_{_name}"] = WRITERS[f"bitwise_{_name}"] = _logical(_kind)


@writes("logical_not", "bitwise_not")
def inverted(g: Graph, input: Tensor, **rest: Any) -> str | None:
    return g.node("Not", g.name(input, tg.bool)) if dtype_of(g) is tg.bool else None


@writes("where", "_where")
def where(g: Graph, condition: Tensor, input: Any = None, other: Any = None) -> str | None:
    if input is None or other is None:
        return None
    chosen, (a, b) = g.name(condition, tg.bool), operands(g, input, other, dtype_of(g))
    if dtype_of(g) is tg.bool:  # for which onnxruntime has no Where
        return g.node("Or", g.node("And", chosen, a), g.node("And", g.node("Not", chosen), b))
    return g.node("Where", chosen, a, b)


@writes("masked_fill")
def masked_fill(g: Graph, input: Tensor, mask: Tensor, value: Any) -> str | None:
    return where(g, mask, value, input)
