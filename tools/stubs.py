"""Writes the type stubs and the reference page from the declarations.

    python tools/stubs.py            writes them into the source tree
    python tools/stubs.py --check    fails if a file is not what it would write

What is written: `core/_core.pyi` (the compiled core, with the Tensor methods that are declared as ops),
`__init__.pyi`, `nn/functional.pyi`, and `docs/reference.md`.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad.core import Op, Tensor, _core
from tensorgrad.core.declare import registry, signature_of
from tensorgrad.testing.samples import materialize

ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Written by tools/stubs.py from the declarations; edit those, not this file.\n"

# Compiled methods whose signature Python can't read.
NATIVE = {
    "shape": "Size", "dtype": "dtype", "device": "Any", "layout": "Any", "ndim": "int", "itemsize": "int",
    "nbytes": "int", "is_leaf": "bool", "output_nr": "int", "grad_fn": "Any", "requires_grad": "bool",
    "retains_grad": "bool", "grad": "Tensor | None", "data": "Tensor", "is_cuda": "bool", "T": "Tensor",
    "mT": "Tensor", "H": "Tensor", "mH": "Tensor",
}  # fmt: skip
RETURNS = {
    "item": "Any", "tolist": "Any", "numpy": "Any", "size": "Any", "stride": "Any", "dim": "int",
    "ndimension": "int", "numel": "int", "nelement": "int", "element_size": "int", "storage_offset": "int",
    "data_ptr": "int", "get_device": "int", "is_contiguous": "bool", "is_floating_point": "bool",
    "is_signed": "bool", "is_complex": "bool", "is_inference": "bool", "detach": "Tensor",
    "detach_": "Tensor", "requires_grad_": "Tensor", "retain_grad": "None", "backward": "None",
    "__len__": "int", "__bool__": "bool", "__int__": "int", "__float__": "float", "__index__": "int",
    "__contains__": "bool", "__hash__": "int", "__iter__": "Iterator[Tensor]", "__dlpack__": "Any",
    "__dlpack_device__": "tuple[int, int]", "__getitem__": "Tensor", "__setitem__": "None", "__repr__": "str",
    "__format__": "str", "__array__": "Any",
}  # fmt: skip
OPERATORS = [
    f"__{prefix}{name}__"
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "matmul",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
    )
    for prefix in ("", "r", "i")
] + [
    "__neg__",
    "__pos__",
    "__abs__",
    "__invert__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__eq__",
    "__ne__",
]


def result_of(op: Op) -> str:
    """What a call gives, told by the first sample call."""
    if op.kind_name == "inplace":
        return "Tensor"
    if op.facts.samples is None:
        return "Any"
    args, kwargs, _ = materialize(op.facts.samples()[0])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # some ops are deprecated, and say so
            found = op(*args, **kwargs)
    except Exception as error:
        raise SystemExit(f"the first sample call of {op.__name__} fails: {error}") from error
    if isinstance(found, Tensor):
        return "Tensor"
    if isinstance(found, (tuple, list)):
        return "Any" if hasattr(found, "_fields") else "tuple[Tensor, ...]"
    return type(found).__name__ if isinstance(found, (bool, int, float, str)) else "Any"


def default_of(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, (bool, int, float, str)) else "..."


def type_of(function: Any, name: str, default: Any, is_tensor: bool) -> str:
    """A parameter's type, as far as the declaration or the default tells it."""
    if default is not inspect.Parameter.empty:
        return type(default).__name__ if isinstance(default, (bool, float, str)) else "Any"
    if name == "tensors":
        return "Sequence[Any]"
    if not is_tensor:
        return "Any"
    if not isinstance(function, Op):
        return "Tensor"
    if name in function.optional:
        return "Tensor | None"
    takes_numbers = function.kind_name == "binary" and function.numbers != "none"
    return "Tensor | float" if takes_numbers and name == "other" else "Tensor"


def without_shadows(stub: str) -> str:
    """The stub with Python's `bool`, `float` and `int` under names that no method and no dtype takes."""
    head, rest = re.sub(r"(: |-> |\[|\| )(bool|float|int)\b", r"\1_\2", stub).split("\n", 1)
    return f"{head}\nfrom builtins import bool as _bool, float as _float, int as _int\n{rest}"


def parameters(function: Any, tensors: Iterable[str] = (), first: str | None = None) -> str:
    """A signature's parameters with types: tensors where they are declared, `Any` elsewhere."""
    tensors = set(tensors)
    variadic = None
    if isinstance(function, Op):
        if function.kind_name == "inplace":
            return f"{first or 'input: Tensor'}, *args: Any, **kwargs: Any"
        signature = signature_of(function)
        variadic = function.params[function.variadic_index] if function.variadic_index >= 0 else None
    else:
        signature = inspect.signature(function)
    parts = []
    seen_star = False
    for i, (name, p) in enumerate(signature.parameters.items()):
        if i == 0 and first is not None:
            parts.append(first)
            continue
        kind = type_of(function, name, p.default, name in tensors)
        if p.kind is p.VAR_POSITIONAL or name == variadic:
            parts.append(f"*{name}: Any")
            seen_star = True
        elif p.kind is p.VAR_KEYWORD:
            parts.append(f"**{name}: Any")
        else:
            if p.kind is p.KEYWORD_ONLY and not seen_star:
                parts.append("*")
                seen_star = True
            default = "" if p.default is p.empty else f" = {default_of(p.default)}"
            parts.append(f"{name}: {kind}{default}")
    if isinstance(function, Op) and function.takes_inplace and first is None:
        parts.append("inplace: bool = False")  # a switch of activations, after the op's own arguments
    if isinstance(function, Op) and "out" not in signature.parameters and function.facts.places:
        if not seen_star:
            parts.append("*")
        if not any(p.startswith("**") for p in parts):
            parts.append("out: Any = ...")
    return ", ".join(parts)


def function_stub(name: str, function: Any) -> str:
    if isinstance(function, Op):
        tensors = function.tensor_params or [n for n in function.params[:1] if n == "input"]
        return f"def {name}({parameters(function, tensors)}) -> {result_of(function)}: ...\n"
    if inspect.isclass(function):
        return f"from {function.__module__} import {function.__name__} as {name}\n"
    return f"def {name}({parameters(function)}) -> Any: ...\n"


def method_stub(name: str, value: Any) -> str:
    if isinstance(value, Op):
        return (
            f"    def {name}({parameters(value, value.tensor_params, 'self')}) -> {result_of(value)}: ...\n"
        )
    if isinstance(value, Callable) and inspect.isfunction(value):
        return f"    def {name}({parameters(value, first='self')}) -> {RETURNS.get(name, 'Any')}: ...\n"
    return f"    def {name}(self, *args: Any, **kwargs: Any) -> {RETURNS.get(name, 'Any')}: ...\n"


def core_stub() -> str:
    lines = [HEAD, "from collections.abc import Iterator, Sequence\n", "from typing import Any\n\n"]
    lines.append(
        "class dtype:\n    code: int\n    computes: int\n    digits: int\n    largest: float\n"
        "    itemsize: int\n    name: str\n"
        "    title: str\n    short: str\n    numpy_dtype: Any\n    array_dtype: Any\n    "
        "is_floating_point: bool\n"
    )
    lines.append("    is_signed: bool\n    is_complex: bool\n\n")
    lines.append("class Size(tuple[int, ...]):\n    def numel(self) -> int: ...\n\n")
    lines.append(
        "class Tensor:\n    def __init__(self, *args: Any, dtype: Any = None, device: Any = None) -> None: "
        "...\n"
    )
    for name, kind in sorted(NATIVE.items()):
        if hasattr(Tensor, name):
            lines.append(f"    {name}: {kind}\n")
    for name in OPERATORS:
        if hasattr(Tensor, name) and name not in ("__eq__", "__ne__"):
            lines.append(f"    def {name}(self, *other: Any) -> Tensor: ...\n")
    lines.append("    def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]\n")
    lines.append("    def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]\n")
    for name in sorted(vars(Tensor)):
        if name in NATIVE or name in OPERATORS or (name.startswith("__") and name not in RETURNS):
            continue
        value = vars(Tensor)[name]
        if name.startswith("_") and name not in RETURNS and isinstance(value, Op):
            continue
        if callable(value):
            lines.append(method_stub(name, value))
        else:
            lines.append(f"    {name}: Any\n")
    lines.append(
        "\nclass Op:\n    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...\n    def "
        "__getattr__(self, name: str) -> Any: ...\n"
    )
    lines.append(
        "    def __setattr__(self, name: str, value: Any) -> None: ...\n    def __init__(self, body: Any, "
        "**facts: Any) -> None: ...\n    __name__: str\n\n"
    )
    done = {"dtype", "Size", "Tensor", "Op"}
    for name, value in sorted(vars(_core).items()):
        if name in done or name.startswith("__") or inspect.ismodule(value) or name in ("np", "weakref"):
            continue
        if inspect.isclass(value):
            bases = ", ".join(b.__name__ for b in value.__bases__ if b is not object)
            lines.append(
                f"class {name}{f'({bases})' if bases else ''}:\n    def __init__(self, *args: Any, **kwargs: "
                "Any) -> None: ...\n"
            )
            lines.append("    def __getattr__(self, name: str) -> Any: ...\n\n" if not bases else "\n")
        elif name == "all_dtypes":
            lines.append("all_dtypes: tuple[dtype, ...]\n")
        elif callable(value):
            result = (
                "bool"
                if name.startswith("is_")
                else "dtype"
                if name in ("get_default_dtype", "promote_types", "result_type")
                else "Any"
            )
            lines.append(f"def {name}(*args: Any, **kwargs: Any) -> {result}: ...\n")
        else:
            lines.append(f"{name}: Any\n")
    return without_shadows("".join(lines))


def package_stub() -> str:
    source = (ROOT / "src/tensorgrad/__init__.py").read_text(encoding="utf-8")
    lines = [HEAD, "from collections.abc import Sequence\n", "from typing import Any\n\n"]
    for name in (
        "autograd",
        "cuda",
        "data",
        "datasets",
        "io",
        "linalg",
        "nn",
        "optim",
        "plain",
        "random",
        "special",
        "testing",
        "utils",
    ):
        lines.append(f"from tensorgrad import {name} as {name}\n")
    lines.append("from tensorgrad.inside import draw as draw, explain as explain, summary as summary\n")
    lines.append("from tensorgrad.io import load as load, save as save\n")
    for module, names in {
        "tensorgrad.core": [n for n in tg.core.__all__ if n not in ("dtype",)] + ["dtype"],
        "tensorgrad.core.device": [
            "channels_last",
            "contiguous_format",
            "device",
            "layout",
            "memory_format",
            "preserve_format",
            "strided",
        ],
        "tensorgrad.core.limits": ["finfo", "iinfo"],
        "tensorgrad.core.printing": ["get_printoptions", "set_printoptions"],
        "tensorgrad.core.threads": ["get_num_threads", "set_num_threads"],
    }.items():
        lines.append(
            f"from {module} import (\n" + "".join(f"    {n} as {n},\n" for n in sorted(set(names))) + ")\n"
        )
    assert "__version__" in source
    lines.append("\n__version__: str\n")
    for name, function in sorted(ops.public("tensorgrad").items()):
        lines.append(function_stub(name, function))
    aliases = dict(
        bool="bool_",
        half="float16",
        float="float32",
        double="float64",
        short="int16",
        int="int32",
        long="int64",
    )
    lines.append("".join(f"{name} = {core}\n" for name, core in aliases.items()))
    lines.append("def __getattr__(name: str) -> Any: ...\n")
    return without_shadows("".join(lines))


def functional_stub() -> str:
    lines = [
        HEAD,
        "from collections.abc import Sequence\nfrom typing import Any\n\nfrom tensorgrad.core import "
        "Tensor\n\n",
    ]
    for name, function in sorted(ops.public("tensorgrad.nn.functional").items()):
        lines.append(function_stub(name, function))
    lines.append("def __getattr__(name: str) -> Any: ...\n")
    return "".join(lines)


def reference() -> str:
    """Every public op: signature, text, and which paths it has."""
    lines = [
        "<!-- Written by tools/stubs.py from the declarations; edit those, not this file. -->\n# Reference "
        "of the ops\n\n"
    ]
    families: dict[str, list[tuple[str, Op]]] = {}
    for name, op in registry.items():
        if name.startswith("_") or op.kind_name == "inplace" or not (op.facts.places or op.facts.method):
            continue
        families.setdefault(op.facts.family, []).append((name, op))
    count = sum(map(len, families.values()))
    lines.append(
        f"{count} ops in {len(families)} families. *kernel*: compiled loops for these dtypes; *hot*: called "
        "from C.\n"
    )
    for family, members in sorted(families.items()):
        lines.append(f"\n## {family}\n")
        for name, op in sorted(members, key=lambda pair: pair[0]):
            where = [p.replace("tensorgrad", "tg", 1) for p in op.facts.places] + (
                ["Tensor"] if op.facts.method else []
            )
            lines.append(f"\n### {name}{signature_of(op)}\n\n")
            notes = ["in " + ", ".join(where), op.kind_name]
            if op.kernel_dtypes:
                notes.append("kernel for " + ", ".join(d.name for d in op.kernel_dtypes))
            elif op.has_hot_path:
                notes.append("hot")
            if not op.differentiable:
                notes.append("no gradient")
            if op.facts.inplace:
                notes.append(f"in place: `{name}_`")
            lines.append("; ".join(notes) + ".\n\n")
            lines.append(
                inspect.cleandoc(op.__doc__ or "")
                .replace("\n>>> ", "\n    >>> ")
                .replace("\n... ", "\n    ... ")
                + "\n"
            )
    return "".join(lines)


FILES: dict[str, Callable[[], str]] = {
    "src/tensorgrad/core/_core.pyi": core_stub,
    "src/tensorgrad/__init__.pyi": package_stub,
    "src/tensorgrad/nn/functional.pyi": functional_stub,
    "docs/reference.md": reference,
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
