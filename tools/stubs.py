"""Writes the type stubs from the declarations.

    python tools/stubs.py            writes them into the source tree
    python tools/stubs.py --check    fails if a file is not what it would write

What is written: the stubs of the compiled core, of the package, and of the modules whose names are made when
they are imported. What an op gives is read off its sample calls.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad.core import Op, Tensor, _core
from tensorgrad.core.declare import signature_of
from tensorgrad.testing.samples import materialize

PACKAGE = "tensorgrad"
FUNCTIONS = ("tensorgrad.linalg", "tensorgrad.nn.functional", "tensorgrad.special")
LAYERS = ("tensorgrad.nn", "tensorgrad.nn.modules")
# The modules from which the package takes names, and its names for dtypes that Python's types have too.
HOMES = [
    "core",
    *(f"core.{m}" for m in "device interop legacy limits printing settings storages threads".split()),
]
ALIASES = ("bool", "double", "float", "half", "int", "long", "short")
ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Written by tools/stubs.py from the declarations; edit those, not this file.\n"

# Attributes of Tensor that are no methods.
ATTRIBUTES = {
    "shape": "Size", "dtype": "_dtype", "device": "_device", "layout": "Any", "ndim": "int",
    "itemsize": "int", "nbytes": "int", "is_leaf": "bool", "output_nr": "int", "grad_fn": "Any",
    "requires_grad": "bool", "retains_grad": "bool", "grad": "Tensor | None", "data": "Tensor",
    "T": "Tensor", "mT": "Tensor", "H": "Tensor", "mH": "Tensor", "_base": "Tensor | None",
    "_version": "int", "name": "None", "names": "Any", "_make_subclass": "Any", "__torch_function__": "Any",
}  # fmt: skip
# What compiled functions and methods give, where it is no tensor.
RETURNS = {
    "item": "int | float | bool", "tolist": "Any", "numpy": "NDArray[Any]", "dim": "int",
    "ndimension": "int", "numel": "int", "nelement": "int", "element_size": "int", "storage_offset": "int",
    "data_ptr": "int", "get_device": "int", "is_contiguous": "bool", "is_floating_point": "bool",
    "is_signed": "bool", "is_complex": "bool", "is_inference": "bool", "_is_view": "bool",
    "retain_grad": "None", "backward": "None", "detach": "Tensor", "register_hook": "RemovableHandle",
    "register_post_accumulate_grad_hook": "RemovableHandle",
    "__len__": "int", "__bool__": "bool", "__int__": "int", "__float__": "float", "__index__": "int",
    "__contains__": "bool", "__hash__": "int", "__iter__": "Iterator[Tensor]", "__dlpack__": "Any",
    "__dlpack_device__": "tuple[int, int]", "__getitem__": "Tensor", "__setitem__": "None", "__repr__": "str",
    "__format__": "str", "__array__": "NDArray[Any]",
    "get_backend": "str", "set_backend": "None", "set_default_dtype": "None", "empty_cache": "None",
    "memory_allocated": "int", "memory_reserved": "int", "can_cast": "bool", "get_default_dtype": "dtype",
    "promote_types": "dtype", "result_type": "dtype", "dtype_of_numpy": "dtype", "from_numpy": "Tensor",
}  # fmt: skip
# Compiled methods that give one thing without and another with an argument.
OVERLOADED = {"size": ("Size", "dim: int", "int"), "stride": ("tuple[int, ...]", "dim: int", "int")}
BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
COMPARED = [f"__{name}__" for name in ("lt", "le", "gt", "ge", "eq", "ne")]
SIGNED = [f"__{name}__" for name in ("neg", "pos", "abs", "invert")]
OPERATORS = [f"__{prefix}{name}__" for name in BINARY for prefix in ("", "r", "i")] + SIGNED + COMPARED
# Settings that mean the same everywhere.
SETTINGS = {
    "dtype": "_dtype | type | None", "device": "_device | str | None", "generator": "Generator | None",
    "memory_format": "Any", "layout": "Any",
}  # fmt: skip
# What annotations of plain functions may say in a stub; anything else is Any there.
KNOWN = re.compile(
    r"(Any|Tensor|Size|dtype|Generator|Callable|Sequence|(builtins\.)?(int|float|bool)|str|tuple|list|None"
    r"|\.\.\.|[\[\], |])*"
)
IMPORTS = """\
from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from tensorgrad.core._core import {answers}, _dtype, _Operand
from tensorgrad.core.device import device as _device
"""
TENSORS = "from tensorgrad.core._core import Size, Tensor\nfrom tensorgrad.core._random import Generator\n"

answers: dict[tuple[str, ...], str] = {}  # the named tuples that ops give: fields -> name


def name_of_result(found: Any) -> str:
    """The type of what a call gave."""
    if isinstance(found, Tensor):
        return "Tensor"
    if hasattr(found, "_fields"):
        title = "".join(part.capitalize() for field in found._fields for part in field.split("_"))
        return answers.setdefault(found._fields, title)
    if isinstance(found, (tuple, list)):
        return "tuple[Tensor, ...]"
    return type(found).__name__ if isinstance(found, (bool, int, float, str)) else "Any"


@functools.cache
def results_of(op: Op) -> list[tuple[dict[str, Any], str]]:
    """What the sample calls give: arguments by name, and the type of the result."""
    found = []
    for sample in op.facts.samples() if op.facts.samples is not None else ():
        args, kwargs, _ = materialize(sample)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # some ops are deprecated, and say so
                result = name_of_result(op(*args, **kwargs))
        except Exception as error:
            raise SystemExit(f"the sample call {sample.name} of {op.__name__} fails: {error}") from error
        names = list(signature_of(op).parameters) if op.variadic_index < 0 else ["*"]
        found.append(({**dict(zip(names, args)), **kwargs, "*": args}, result))
    return found


def forms_of(op: Op) -> list[tuple[dict[str, str], str]]:
    """The forms of call that give different types: for some parameters their type there, and the result.

    They are read off the sample calls. A switch that changes the result when it is True, or a dimension
    that does when it is given, decides in every call.
    """
    results = results_of(op)
    usual = results[0][1] if results else "Any"
    others = {result for _, result in results if result != usual}
    if not others:
        return [({}, usual)]
    (other,) = others
    parameters = signature_of(op).parameters
    if any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        return [({"*": "alone"}, usual), ({}, other)]
    deciding = []  # the parameters that are given, not as by default, where the result is the other one
    for name, p in parameters.items():
        given = {(type(a.get(name)) in (bool, int) and a[name] is not p.default, r) for a, r in results}
        if given == {(False, usual), (True, other)}:
            deciding.append(name)
    switches = [name for name in deciding if parameters[name].default is False]
    if switches:
        forms = [({name: "Literal[False]" for name in switches}, usual)]
        forms += [({name: "Literal[True]"}, other) for name in switches]
        return [*forms, ({name: "bool" for name in switches}, "Any")]
    (name,) = deciding
    forms = [({name: "None"}, usual), ({name: "int"}, other)]
    if any(isinstance(given.get(name), Tensor) for given, _ in results):
        forms.insert(1, ({name: "Tensor"}, usual))
    return [*forms, ({name: "int | None"}, "Any")]


def default_of(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, (bool, int, float, str)) else "..."


def annotation_of(given: Any) -> str:
    """A plain function's annotation in the words of a stub."""
    if given is inspect.Parameter.empty or not KNOWN.fullmatch(str(given)):
        return "Any"
    return re.sub(r"\bdtype\b", "_dtype", str(given)).replace("builtins.", "")


def type_of(function: Any, p: inspect.Parameter, is_tensor: bool) -> str:
    """A parameter's type, as far as the declaration or the default tells it."""
    if p.name in SETTINGS and not is_tensor:
        return SETTINGS[p.name]
    if not isinstance(function, Op):
        return annotation_of(p.annotation)
    if p.name == "tensors":
        return "Sequence[Tensor]"
    if is_tensor:
        number_too = ("both",) if p.name == "input" else ("both", "other")
        if function.kind_name == "binary" and function.numbers in number_too:
            return "_Operand"
        return "Tensor | None" if p.default is None or p.name in function.optional else "Tensor"
    kind = type(p.default)
    given = [arguments[p.name] for arguments, _ in results_of(function) if p.name in arguments]
    known = kind in (bool, float, str) and all(isinstance(value, (kind, int)) for value in given)
    return kind.__name__ if known else "Any"


def parameters(function: Any, first: str | None, chosen: dict[str, str], result: str) -> str:
    """A signature's parameters with types; those of ``chosen`` are as it says, and given."""
    is_op = isinstance(function, Op)
    signature = signature_of(function) if is_op else inspect.signature(function)
    given = list(signature.parameters.values())
    inplace = is_op and function.kind_name == "inplace"
    target = function.target if inplace else function
    tensors = set(target.tensor_params or [n for n in target.params[:1] if n == "input"]) if is_op else set()
    variadic = target.params[target.variadic_index] if is_op and target.variadic_index >= 0 else None
    required = {name for name, kind in chosen.items() if kind in ("Literal[True]", "Tensor", "int")}
    parts: list[str] = []
    starred = False
    for i, p in enumerate(given):
        if p.name == "out" and inplace:
            continue
        if i == 0 and first is not None:
            parts.append(first)
        elif p.kind is p.VAR_POSITIONAL or p.name == variadic:
            parts.append("tensor: Tensor, /" if "*" in chosen else f"*{p.name}: Any")
            starred = "*" not in chosen
        elif p.kind is p.VAR_KEYWORD:
            parts.append(f"**{p.name}: Any")
        else:
            if (p.kind is p.KEYWORD_ONLY or (p.name in required and " = " in parts[-1])) and not starred:
                parts.append("*")
                starred = True
            kind = chosen.get(p.name) or type_of(target, p, p.name in tensors)
            if inplace and i == 0:
                kind = "Tensor"
            default = "" if p.default is p.empty or p.name in required else f" = {default_of(p.default)}"
            parts.append(f"{p.name}: {kind}{default}")
    if is_op and function.takes_inplace and first is None:
        parts.append("inplace: bool = False")  # a switch of activations, after the op's own arguments
    if is_op and "out" not in signature.parameters and function.facts.places and not inplace:
        if not starred:
            parts.append("*")
        at = len(parts) - any(part.startswith("**") for part in parts)
        parts.insert(at, f"out: {'Tensor | None' if result == 'Tensor' else 'Any'} = None")
    return ", ".join(parts)


def stub_of(name: str, function: Any, first: str | None = None, indent: str = "") -> str:
    """The lines of a stub that say how a function is called."""
    if not isinstance(function, Op):
        signature = inspect.signature(function)
        result = annotation_of(signature.return_annotation)
        if result == "Any":
            result = RETURNS.get(name, "Tensor" if name.endswith("_") else "Any")
        if first is None and "self" in signature.parameters:
            first = "input: Tensor"  # a method as a function
        forms = [({}, result)]
    else:
        forms = [({}, "Tensor")] if function.kind_name == "inplace" else forms_of(function)
    lines = []
    for chosen, result in forms:
        if len(forms) > 1:
            lines.append(f"{indent}@overload\n")
        shown = parameters(function, first, chosen, result)
        lines.append(f"{indent}def {name}({shown}) -> {result}: ...\n")
    return "".join(lines)


def without_shadows(stub: str) -> str:
    """The stub with Python's `bool`, `float` and `int` under names that no method and no dtype takes."""
    head, rest = re.sub(r"(: |-> |\[|\| )(bool|float|int)\b", r"\1_\2", stub).split("\n", 1)
    return f"{head}\nfrom builtins import bool as _bool, float as _float, int as _int\n{rest}"


def method_stub(name: str, value: Any) -> str:
    if isinstance(value, Op) or inspect.isfunction(value):
        return stub_of(name, value, "self", "    ")
    if name in OVERLOADED:
        usual, given, other = OVERLOADED[name]
        return (
            f"    @overload\n    def {name}(self) -> {usual}: ...\n"
            f"    @overload\n    def {name}(self, {given}) -> {other}: ...\n"
        )
    signature = inspect.signature(value) if not name.startswith("__") else None
    shown = "*args: Any" if signature is None else compiled_parameters(signature)
    return f"    def {name}(self{shown and ', ' + shown}) -> {RETURNS.get(name, 'Tensor')}: ...\n"


def compiled_parameters(signature: inspect.Signature) -> str:
    """The parameters of a compiled function, whose types nobody says."""
    parts = []
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        star = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        if p.name != "self":
            kind = type(p.default).__name__ if isinstance(p.default, bool) else SETTINGS.get(p.name, "Any")
            default = "" if p.default is p.empty else f" = {default_of(p.default)}"
            parts.append(f"{star}{p.name}: {kind}{default}")
    return ", ".join(parts)


def tensor_stub() -> str:
    lines = ["class Tensor:\n"]
    lines.append("    def __init__(self, *args: Any, **settings: Any) -> None: ...\n")
    lines += [f"    {name}: {kind}\n" for name, kind in sorted(ATTRIBUTES.items())]
    for name in OPERATORS:
        if name in ("__eq__", "__ne__"):
            lines.append(f"    def {name}(self, other: object) -> Tensor: ...  # type: ignore[override]\n")
        elif hasattr(Tensor, name):
            other = "" if name in SIGNED else ", other: _Operand"
            lines.append(f"    def {name}(self{other}) -> Tensor: ...\n")
    named: dict[int, str] = {}
    for name, value in sorted(vars(Tensor).items()):
        if name in ATTRIBUTES or name in OPERATORS or (name.startswith("_") and name not in RETURNS):
            continue
        if not callable(value):
            lines.append(f"    {name}: {'bool' if isinstance(value, bool) else 'Any'}\n")
        elif named.setdefault(id(value), name) == name or name.startswith("__"):
            lines.append(method_stub(name, value))
        else:
            lines.append(f"    {name} = {named[id(value)]}\n")
    return "".join(lines)


def core_stub() -> str:
    tensor = tensor_stub()  # which finds the answers' names
    lines = [
        HEAD,
        "from collections.abc import Callable, Iterator, Sequence\n",
        "from typing import Any, Literal, NamedTuple, SupportsFloat, TypeAlias, overload\n\n",
        "from numpy.typing import NDArray\n",
        "from tensorgrad.core.device import device as _device\n",
        "from tensorgrad.core._random import Generator\n\n",
        "class dtype:\n    code: int\n    computes: int\n    digits: int\n    largest: float\n",
        "    itemsize: int\n    name: str\n    title: str\n    short: str\n    numpy_dtype: Any\n",
        "    array_dtype: Any\n    is_floating_point: bool\n    is_signed: bool\n    is_complex: bool\n\n",
        "_dtype: TypeAlias = dtype\n",
        "_Operand: TypeAlias = Tensor | SupportsFloat\n\n",
        "class Size(tuple[int, ...]):\n    def numel(self) -> int: ...\n\n",
    ]
    public_results()
    for fields, name in answers.items():
        lines.append(f"class {name}(NamedTuple):\n")
        lines += [f"    {field}: Tensor\n" for field in fields]
    lines.append(tensor)
    lines.append(
        "\nclass Op:\n    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...\n"
        "    def __getattr__(self, name: str) -> Any: ...\n"
        "    def __setattr__(self, name: str, value: Any) -> None: ...\n"
        "    def __init__(self, body: Any, **facts: Any) -> None: ...\n    __name__: str\n\n"
    )
    done = {"dtype", "Size", "Tensor", "Op", "np", "weakref"}
    for name, value in sorted(vars(_core).items()):
        if name in done or name.startswith("__") or inspect.ismodule(value):
            continue
        if inspect.isclass(value):
            bases = ", ".join(b.__name__ for b in value.__bases__ if b is not object)
            lines.append(f"class {name}{f'({bases})' if bases else ''}:\n")
            lines.append("    def __init__(self, *args: Any, **kwargs: Any) -> None: ...\n")
            if hasattr(value, "__enter__"):
                lines += [f"    def __{end}__(self, *error: Any) -> None: ...\n" for end in ("enter", "exit")]
            if not bases:
                lines.append("    def __getattr__(self, name: str) -> Any: ...\n\n")
        elif name == "all_dtypes":
            lines.append("all_dtypes: tuple[dtype, ...]\n")
        elif callable(value) and not name.startswith("_"):
            result = RETURNS.get(name, "bool" if name.startswith("is_") else "Any")
            lines.append(f"def {name}({compiled_parameters(inspect.signature(value))}) -> {result}: ...\n")
        else:
            lines.append(f"{name}: Any\n")
    return without_shadows("".join(lines))


def public_results() -> None:
    """Asks what every public op gives, so that all answers have their names."""
    for place in (PACKAGE, *FUNCTIONS):
        for function in ops.public(place).values():
            if isinstance(function, Op) and function.kind_name != "inplace":
                forms_of(function)


def imported(value: Any, name: str) -> str:
    """The line that takes a class from where it is defined."""
    home = next(family.__name__ for family in ops.FAMILIES if vars(family).get(name) is value)
    return f"from {home} import {name} as {name}\n"


def functions_stub(place: str, elsewhere: dict[str, Any]) -> str:
    """The functions offered at an address; those that are ``elsewhere`` are taken from there."""
    lines: list[str] = []
    again: list[str] = []
    named: dict[int, str] = {}
    for name, function in sorted(ops.public(place).items()):
        if not hasattr(sys.modules[place], name):
            continue  # a module may leave out some
        if elsewhere.get(name) is function:
            again.append(f"    {name} as {name},\n")
        elif inspect.isclass(function):
            lines.insert(0, imported(function, name))
        elif named.setdefault(id(function), name) != name:
            lines.append(f"{name} = {named[id(function)]}\n")
        else:
            lines.append(stub_of(name, function))
    if again:
        lines.insert(0, f"from {PACKAGE} import (\n{''.join(again)})\n")
    return "".join(lines)


def head() -> str:
    public_results()
    return HEAD + IMPORTS.format(answers=", ".join(sorted(answers.values())))


def package_stub() -> str:
    lines = [head()]
    there = ops.public(PACKAGE)
    homes = [f"{PACKAGE}.{home}" for home in HOMES]
    by_home: dict[str, list[str]] = {}
    constants = ["__version__: str\n", *(f"{name}: dtype\n" for name in ALIASES)]
    for name in dir(tg):
        value = getattr(tg, name)
        if name in there or (isinstance(value, tg.dtype) and name in ALIASES):
            continue
        if inspect.ismodule(value):
            lines.append(f"from {value.__name__.rpartition('.')[0]} import {name} as {name}\n")
        elif isinstance(value, float) or value is None:
            constants.append(f"{name}: {'None' if value is None else 'float'}\n")
        else:
            home = next((h for h in homes if vars(importlib.import_module(h)).get(name) is value), None)
            there_as = name
            if home is None:
                home, _, there_as = tg._LAZY[name].partition(":")
            by_home.setdefault(home, []).append(f"    {there_as} as {name},\n")
    for home, names in sorted(by_home.items()):
        lines.append(f"from {home} import (\n{''.join(names)})\n")
    functions = functions_stub(PACKAGE, {})
    return without_shadows("".join([*lines, functions, *constants]))


def module_stub(place: str) -> str:
    lines = [head(), TENSORS, functions_stub(place, ops.public(PACKAGE))]
    return without_shadows("".join(lines))


def layers_stub(place: str) -> str:
    """The names of a module of layers, each from where it is defined."""
    module = importlib.import_module(place)
    inner = [each for each in LAYERS if each.startswith(f"{place}.")]
    lines = [HEAD, *(f"from {each} import *\n" for each in inner)]
    for name in sorted(set(module.__all__).difference(*(importlib.import_module(e).__all__ for e in inner))):
        value = getattr(module, name)
        home = value.__name__.rpartition(".")[0] if inspect.ismodule(value) else value.__module__
        lines.append(f"from {home} import {name} as {name}\n")
    return "".join(lines)


FILES: dict[str, Callable[[], str]] = {
    "src/tensorgrad/core/_core.pyi": core_stub,
    "src/tensorgrad/__init__.pyi": package_stub,
    **{f"src/{p.replace('.', '/')}.pyi": functools.partial(module_stub, p) for p in FUNCTIONS},
    **{f"src/{p.replace('.', '/')}/__init__.pyi": functools.partial(layers_stub, p) for p in LAYERS},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something would change")
    check = parser.parse_args().check
    stale = []
    for name, make in FILES.items():
        path = ROOT / name
        tg.manual_seed(0)
        text = make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    if stale:
        print(f"not up to date: {', '.join(stale)}; run python tools/stubs.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
