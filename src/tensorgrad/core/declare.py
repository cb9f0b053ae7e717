"""The decorators that declare an op: once, for every reader.

`@unary`, `@binary`, `@reduction`, `@primitive` and `@view` take a NumPy body and gradient formulas written in
ops; `@composite` takes a function of tensors; `@fused` is a composite that a kernel may stand in for. Each
gives an `Op`, which is the public function, and keeps it in `registry`, where tests, benchmarks,
documentation and stubs find it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tensorgrad.core import _core
from tensorgrad.core._core import MISSING_ARGUMENT, Op

registry: dict[str, Op] = {}
aliases: dict[str, dict[str, Op]] = {}      # second names, by the address that offers them

# What PyTorch calls a parameter that is a tensor.
OPERANDS = frozenset(
    """
    A a anchor append attn_mask aweights B b batch1 batch2 bias boundaries condition elements end exponent
    fweights index indices input input1 input2 key L linear_bias linear_weight log_probs LU LU_data
    LU_pivots mask mat mat1 mat2 negative offsets other out per_sample_weights pivots pos_weight positive
    prepend q query running_mean running_var self sorted_sequence sorter source src target targets tau
    tensor tensor1 tensor2 test_elements values var vec vec1 vec2 weight x x1 x2 y
    """.split()
)


@dataclass(frozen=True)
class Draw:
    """A random array to be made for a test or a benchmark: floats in [low, high), or integers, or truth
    values.
    """

    shape: tuple[int, ...]
    kind: str = "float"
    low: float = -2.0
    high: float = 2.0
    distinct: bool = False


def normal(*shape: int) -> Draw:
    """Floats on both sides of zero."""
    return Draw(shape)


def between(low: float, high: float, *shape: int) -> Draw:
    """Floats in [low, high)."""
    return Draw(shape, low=low, high=high)


def distinct(*shape: int) -> Draw:
    """Floats of which no two are close: for ops that compare."""
    return Draw(shape, distinct=True)


def integers(low: int, high: int, *shape: int) -> Draw:
    """int64 numbers in [low, high)."""
    return Draw(shape, kind="int", low=low, high=high)


def truths(*shape: int) -> Draw:
    """Truth values."""
    return Draw(shape, kind="bool")


@dataclass(frozen=True)
class Case:
    """One sample call of an op; `Draw`s among the arguments stand for tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    name: str = ""


def case(*args: Any, name: str = "", **kwargs: Any) -> Case:
    """A sample call."""
    return Case(args, kwargs, name)


@dataclass
class Facts:
    """What the registry knows of an op beside what the core needs."""

    samples: Callable[[], list[Case]] | None
    places: tuple[str, ...]
    method: bool
    family: str
    smooth: bool
    inplace: bool


def _parameters(body: Callable) -> tuple[list[str], list[Any], int]:
    """Names and defaults of a function's parameters, and how many may be positional."""
    code = body.__code__
    count = code.co_argcount
    names = list(code.co_varnames[: count + code.co_kwonlyargcount])
    defaults = [MISSING_ARGUMENT] * len(names)
    given = body.__defaults__ or ()
    for i, value in enumerate(given):
        defaults[count - len(given) + i] = value
    for name, value in (body.__kwdefaults__ or {}).items():
        defaults[names.index(name)] = value
    return names, defaults, count


def _writes(body: Callable) -> bool:
    """Whether a body can write its result into memory that it is given: `out`, by keyword only."""
    code = body.__code__
    return "out" in code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


# What PyTorch calls a parameter that is a float, where its default is no integer.
FLOATS = frozenset("beta delta eps margin max_norm momentum nan neginf posinf scale".split())


def _settings(names: list[str], defaults: list[Any], others: Iterable[str]) -> dict[str, str]:
    """Which parameters are settings of one kind, as their names or defaults say."""
    found = {}
    for name, default in zip(names, defaults):
        if name == "memory_format" or (name == "dtype" and name not in others):
            found[name] = name
        elif name in FLOATS and type(default) is not int:
            found[name] = "float"
        elif type(default) in (bool, int, float) and name not in others:
            found[name] = "bool" if type(default) is bool else "Number"
    return found


def _positional_body(body: Callable, names: list[str], positional: int) -> Callable:
    """A body that takes its keyword-only parameters by position too."""
    if positional == len(names):
        return body
    keywords = names[positional:]

    def call(*args, **out):
        return body(*args[:positional], **dict(zip(keywords, args[positional:], strict=True)), **out)

    call.__doc__ = body.__doc__
    call.__wrapped__ = body  # type: ignore[attr-defined]
    return call


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.strip("_").split("_"))


def _want_free(name: str) -> None:
    """Refuses a name that an op has: of two declarations the first would be dead, and nobody would know."""
    if name in registry:
        raise ValueError(f"there is an op {name!r} already, of {registry[name].definition.__module__}")


def _declare(
    body: Callable,
    *,
    kind: str,
    rule: str,
    vjp: dict[Any, Callable] | None,
    nograd: Iterable[str],
    samples: Callable[[], list[Case]] | None,
    at: str | Iterable[str],
    method: bool,
    inplace: bool,
    variadic: str | None = None,
    list_arg: str | None = None,
    grad_name: str | Callable[[Any], str] | None = None,
    smooth: bool = True,
    name: str | None = None,
    checks: Callable | None = None,
    tensors: Iterable[str] | None = None,
    others: Iterable[str] = (),
    optional: Iterable[str] = (),
    numbers: str = "both",
    switched: bool = False,
    single: bool = False,
    double: bool = False,
    elementwise: bool = False,
) -> Op:
    name = name or body.__name__
    _want_free(name)
    names, defaults, positional = _parameters(body)
    writes = kind != "composite" and _writes(body)
    if writes:      # `out` is the engine's, not the caller's
        del defaults[names.index("out")]
        names.remove("out")
    formulas: dict[str, Callable] = {}
    for argument, formula in (vjp or {}).items():
        for each in argument if isinstance(argument, tuple) else (argument,):
            formulas[each] = formula
    nograd = tuple(nograd)
    if tensors is None:
        known = OPERANDS.difference(others) if kind == "composite" else {*formulas, *nograd}
        tensors = [n for n in names if n in known]
    tensor_params = tuple(tensors)
    unknown = (set(formulas) | set(nograd)) - set(names)
    if unknown:
        raise TypeError(f"{name}: no parameter {sorted(unknown)}")
    called = body if kind == "composite" else _positional_body(body, names, positional)
    op = Op(
        _core.InSingle(called) if single else called,
        name=name,
        kind=kind,
        rule=rule,
        params=tuple(names),
        defaults=tuple(defaults),
        positional=positional,
        variadic=-1 if variadic is None else names.index(variadic),
        tensor_params=tensor_params,
        formulas=tuple(formulas.get(n) for n in tensor_params),
        formula_args=tuple(_parameters(formulas[n])[0] if n in formulas else () for n in tensor_params),
        list_arg=list_arg,
        grad_name=grad_name if isinstance(grad_name, str) else _camel(name) + "Backward0",
        naming=grad_name if callable(grad_name) else None,
        settings=_settings(names, defaults, (*others, "dtype") if name.startswith("_") else others),
        check=checks,
        numbers=numbers,
        switched=switched,
        double=double,
        writes=writes,
        elementwise=elementwise,
    )
    places = (at,) if isinstance(at, str) else tuple(at)
    family = body.__module__.rsplit(".", 1)[-1]
    op.facts = Facts(samples, places, method, family, smooth, inplace)
    op.definition = body
    op.__doc__ = body.__doc__
    op.optional = frozenset(optional)
    op.__module__ = places[0] if places else body.__module__
    op.__qualname__ = name
    registry[name] = op
    if method:
        _core._add_method(name, op)
    if inplace:
        in_place(op, method=method)
    return op


def in_place(target: Op, name: str | None = None, *, method: bool = True) -> Op:
    """The in-place form of an op, ``name_``: writes the result into its first argument and returns that."""
    name = name or target.__name__ + "_"
    _want_free(name)
    op = Op(
        target.body, name=name, kind="inplace", rule="free", params=target.params, defaults=target.defaults,
        positional=len(target.params), variadic=-1, tensor_params=(), formulas=(), formula_args=(),
        list_arg=None, grad_name="", target=target,
    )  # fmt: skip
    op.__doc__ = f"``{target.__name__}``, written into the first argument, which is returned."
    op.facts = Facts(None, target.facts.places, method, target.facts.family, True, False)
    op.definition = target.definition
    op.__module__ = target.__module__
    op.__qualname__ = name
    registry[name] = op
    if method:
        _core._add_method(name, op)
    return op


def alias(name: str, op: Op, *, at: str | Iterable[str] | None = None, method: bool | None = None) -> Op:
    """Offers an op under a second name: at its own places unless ``at`` says others, as a method if it is
    one.
    """
    facts = op.facts
    places = facts.places if at is None else (at,) if isinstance(at, str) else tuple(at)
    forms = {name: op}
    if facts.inplace and at is None:
        forms[name + "_"] = registry[op.__name__ + "_"]
    for place in places:
        aliases.setdefault(place, {}).update(forms)
    if facts.method if method is None else method:
        for each, form in forms.items():
            _core._add_method(each, form)
    return op


def _decorator(**fixed: Any) -> Callable[[Callable], Op]:
    return lambda body: _declare(body, **fixed)


def unary(
    vjp: dict[str, Callable] | None = None, *, rule: str = "float", samples=None, at="tensorgrad",
    method=True, inplace=True, grad_name=None, smooth=True, domain: tuple[float, float] = (-2.0, 2.0),
    name=None, switch=False, double=False,
):  # fmt: skip
    """An op of one tensor, element by element; its other parameters are numbers.

    ``rule``: "float" (integers become the default float), "same", "no bool", "bool" (answers bool), "free".
    ``domain`` is where the default samples lie. The kernel of the same name, if there is one, takes the other
    parameters in order. ``switch``: a call may say ``inplace=True`` after the op's own arguments, as those of
    activations do. ``double``: the body gets floats in float64, in which what it computes cancels less.
    """
    samples = samples or (
        lambda: [case(between(*domain, 3, 4), name="plain"), case(between(*domain), name="0-d")]
    )
    nograd = () if vjp else ("input",)
    return _decorator(
        kind="unary", rule=rule, vjp=vjp, nograd=nograd, samples=samples, at=at, method=method,
        inplace=inplace, grad_name=grad_name, smooth=smooth, name=name, switched=switch, double=double,
    )  # fmt: skip


def binary(
    vjp: dict[str, Callable] | None = None, *, rule: str = "same", samples=None, at="tensorgrad", method=True,
    inplace=True, grad_name=None, smooth=True, domain: tuple[float, float] = (-2.0, 2.0), name=None,
    checks: Callable | None = None, numbers: str = "both", double=False,
):  # fmt: skip
    """An op of two tensors (or a tensor and a number), element by element, with broadcasting and promotion.

    ``numbers`` says where a call may have a number for a tensor: in "both" places (but one at a time), for
    the "other" operand alone, or in "none".

    ``checks`` sees the arguments as given before the body runs (not before a kernel): it may raise, or answer
    in the op's place. ``double`` is that of `unary`.
    """
    samples = samples or (
        lambda: [
            case(between(*domain, 3, 4), between(*domain, 3, 4), name="plain"),
            case(between(*domain, 3, 1), between(*domain, 4), name="broadcast"),
        ]
        + ([] if numbers == "none" else [case(between(*domain, 2, 3), 1.5, name="number")])
    )
    return lambda body: _declare(
        body, kind="binary", rule=rule, vjp=vjp,
        nograd=[n for n in _parameters(body)[0][:2] if n not in (vjp or {})], samples=samples, at=at,
        method=method, inplace=inplace, grad_name=grad_name, smooth=smooth, name=name, checks=checks,
        numbers=numbers, double=double,
    )  # fmt: skip


def reduction(
    vjp: dict[str, Callable] | None = None, *, rule: str = "same", samples=None, at="tensorgrad", method=True,
    grad_name=None, smooth=True, checks=None, name=None, draw: Callable[..., Draw] = normal,
):  # fmt: skip
    """An op over some dimensions of one tensor: ``(input, dim=None, keepdim=False, ...)``.

    The body gets ``dim`` as a tuple of every dimension to reduce, and the formulas may ask for
    ``input_shape``. ``rule``: "same", "float" (integers are refused), "wide" (integers are added up in
    int64), "bool", "free".
    """
    samples = samples or (
        lambda: [
            case(draw(3, 4), name="all"),
            case(draw(2, 3, 4), 1, name="dim1"),
            case(draw(2, 3, 4), (0, 2), True, name="dims-keep"),
            case(draw(), name="0-d"),
        ]
    )
    return _decorator(
        kind="reduction", rule=rule, vjp=vjp, nograd=() if vjp else ("input",), samples=samples, at=at,
        method=method, inplace=False, grad_name=grad_name, smooth=smooth, checks=checks, name=name,
    )  # fmt: skip


def primitive(
    vjp: dict[Any, Callable] | None = None, *, nograd: Iterable[str] = (), samples=None,
    at: Any = "tensorgrad", method=False, inplace=False, variadic=None, list_arg=None, grad_name=None,
    smooth=True, name=None, elementwise=False,
):  # fmt: skip
    """An op with a NumPy body of its own shape. Every tensor parameter is in ``vjp`` or in ``nograd``.

    A formula's parameters say what the tape keeps: ``g`` (the output's gradient; ``g_0``, ``g_1`` of
    several), ``output`` (``output_0``), parameters of the op by name, the shape of the first tensor
    (``input_shape``), of the second or of the third. One formula for several arguments:
    ``vjp={("a", "b"): f}`` gives a tuple with one gradient for every tensor parameter of the op.
    ``elementwise``: the results lie in memory in the order of the operands, in that of the parameters.
    """
    return _decorator(
        kind="primitive", rule="free", vjp=vjp, nograd=nograd, samples=samples, at=at, method=method,
        inplace=inplace, variadic=variadic, list_arg=list_arg, grad_name=grad_name, smooth=smooth, name=name,
        elementwise=elementwise,
    )  # fmt: skip


def view(
    vjp: dict[str, Callable],
    *,
    samples=None,
    at: Any = "tensorgrad",
    method=True,
    variadic=None,
    grad_name=None,
    name=None,
):
    """An op whose body gives a view of its input's array: the result shares the input's memory."""
    return _decorator(
        kind="view", rule="free", vjp=vjp, nograd=(), samples=samples, at=at, method=method, inplace=False,
        variadic=variadic, grad_name=grad_name, name=name,
    )  # fmt: skip


def composite(
    *, samples=None, at: Any = "tensorgrad", method=False, inplace=False, smooth=True, name=None,
    others: Iterable[str] = (), optional: Iterable[str] = (), single=False,
):  # fmt: skip
    """An op built from other ops: a plain function of tensors, with no formula of its own.

    Parameters with a name of `OPERANDS` take tensors alone (or None, where that is the default), which a call
    checks before the body runs. ``others`` names those of them that take something else too, ``optional``
    those that take None though it is not their default. So it is with settings, whose kind is that of their
    default. ``single``: of narrow floats it is computed in float32, and rounded once.
    """
    return _decorator(
        kind="composite", rule="free", vjp=None, nograd=(), samples=samples, at=at, method=method,
        inplace=inplace, smooth=smooth, name=name, others=others, optional=optional, single=single,
    )  # fmt: skip


def fused(
    *,
    tensors: Iterable[str],
    samples=None,
    at: Any = "tensorgrad",
    method=False,
    grad_name=None,
    smooth=True,
    name=None,
    optional: Iterable[str] = (),
    single=True,
):
    """A composite that a kernel of the core stands in for where it can; ``tensors`` names its tensor
    parameters.

    The body is the definition: it runs on the NumPy path, for what the kernel declines, and to be
    differentiated twice.
    """
    return _decorator(
        kind="composite", rule="free", vjp=None, nograd=(), samples=samples, at=at, method=method,
        inplace=False, grad_name=grad_name, smooth=smooth, name=name, tensors=tensors, optional=optional,
        single=single,
    )  # fmt: skip


def signature_of(op: Op) -> inspect.Signature:
    """The signature of an op's definition, as it is called."""
    signature = inspect.signature(op.definition)
    if not op.writes:
        return signature
    return signature.replace(parameters=[p for name, p in signature.parameters.items() if name != "out"])
