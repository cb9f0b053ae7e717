"""The reference as pages: an entry for every public name, from docstrings and declarations."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import tensorgrad as tg
from sitemaking.names import MODULES, Entry, entries, place_of, target_of
from sitemaking.text import first_sentence, indented, rst, signature
from tensorgrad.core import Op
from tensorgrad.core.declare import registry

Pages = dict[str, str]

# The rooms of the ops, as parts of the page of `tensorgrad`.
ROOMS = {
    "making": "Making tensors", "elementwise": "Element by element", "reducing": "Reductions and order",
    "shapes": "Shapes", "indices": "Indices", "matrices": "Matrices and vectors",
    "layers": "Layers' functions",
}  # fmt: skip
REST = "Types, modes and settings"
ABOUT_REST = "What tensors are made of, and what holds for a thread or for the whole program."
# Titles of parts whose module has a short name.
TITLES = {
    "_core": "Basic types", "amp": "Mixed precision", "device": "Devices and layouts",
    "limits": "Limits of dtypes", "interop": "Other libraries", "legacy": "Older names",
    "_module": "Modules", "rnn": "Recurrent layers", "conv": "Convolutions", "loss": "Losses",
    "_schedules": "Schedules", "_cycles": "Cycles", "unnamed": "As `torch` has them",
}  # fmt: skip
MANY = 24  # names that a page may have without parts


def file_of(address: str) -> str:
    return "reference/" + address.removeprefix("tensorgrad.").replace(".", "-")


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[2] if module.startswith("tensorgrad.ops.") and parts[2] in ROOMS else ""


def defined_in(value: Any) -> str:
    """The module that a name was written in."""
    value = target_of(value)
    if isinstance(value, Op):
        return value.definition.__module__
    return str(getattr(value, "__module__", None) or type(value).__module__)


def heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n\n"


def doc_of(value: Any) -> str:
    """What is said of a value: the docstring of its own, else of its kind."""
    if isinstance(value, tg.dtype):
        kind = "floating-point numbers" if value.is_floating_point else "integers"
        return f"The dtype of {'truth values' if value == tg.bool else kind}, {8 * value.itemsize} bits each."
    if isinstance(value, (int, float, str)) or value is None:
        return f"``{value!r}``"
    home = defined_in(value)
    if callable(value) and home in ("typing", "types"):
        return f"``{value!r}``"
    if callable(value) and not home.startswith(("tensorgrad", "builtins")):
        return f"Python's own, of ``{home}``."
    if isinstance(value, type):
        return vars(value).get("__doc__") or ""
    if isinstance(value, property) or inspect.isdatadescriptor(value):
        return value.__doc__ or ""
    if callable(value) or isinstance(value, ModuleType):
        return inspect.getdoc(value) or ""
    shown = repr(value)  # of an object that is no function: itself, and what its kind says
    own = type(value).__module__.startswith("tensorgrad")
    kind = (inspect.getdoc(value) or "").split("\n\n")[0] if own else ""
    return kind if " at 0x" in shown else f"``{shown}``\n\n{kind}"


def notes(op: Op) -> str:
    """What the declaration says of an op beside its text."""
    found = ["element by element" if op.kind_name in ("unary", "binary") else op.kind_name]
    if op.kernel_dtypes:
        found.append("kernel for " + ", ".join(d.name for d in op.kernel_dtypes))
    if not op.differentiable:
        found.append("no gradient")
    return f"*{'; '.join(found).capitalize()}.*"


def elsewhere(entry: Entry) -> str:
    """Where else the same object stands."""
    return f"Also {', '.join(map(link, entry.also))}." if entry.also else ""


def link(address: str) -> str:
    """A link to an entry, shown without the package's name."""
    return f":py:obj:`{address.removeprefix('tensorgrad.')} <{address}>`"


@functools.cache
def homes() -> dict[int, str]:
    """Where each class is told of."""
    return {id(e.value): e.address for e in entries() if e.home is None and isinstance(e.value, type)}


def members(entry: Entry) -> Iterator[str]:
    """The methods and properties that a class has a text for, its own and those of undocumented bases."""
    told = set()
    for base in entry.value.__mro__:
        if base is not entry.value and (not base.__name__.startswith("_") or base is object):
            continue
        for name, value in vars(base).items():
            function = getattr(value, "__func__", value)
            has_text = isinstance(getattr(function, "__doc__", None), str)
            if name.startswith("_") or name in told or not has_text:
                continue
            told.add(name)
            if isinstance(value, property) or inspect.isdatadescriptor(value):
                head = f".. py:property:: {name}\n"
            elif inspect.isroutine(function):
                bound = not isinstance(value, staticmethod)
                head = f".. py:method:: {name}{signature(function, bound)}\n"
                if isinstance(value, (staticmethod, classmethod)):
                    head += f"   :{type(value).__name__}:\n"
            else:
                continue
            doc = re.sub(r"^\w+\(.*\)\n--\n\n", "", function.__doc__)  # as compiled code writes signatures
            yield f"{head}\n{indented(rst(doc))}\n"


def body(entry: Entry) -> str:
    """What stands under the name."""
    value = entry.value
    if entry.home is not None:
        return f"{first_sentence(doc_of(target_of(value)))}\n\nSee {link(entry.home)}."
    found = rst(doc_of(value))
    about = [elsewhere(entry)]
    inner: list[str] = []
    if isinstance(value, type) and defined_in(value).startswith("tensorgrad"):
        bases = [homes()[id(b)] for b in value.__bases__ for b in b.__mro__[:2] if id(b) in homes()]
        if bases:
            about.insert(0, f"A kind of {', '.join(map(link, dict.fromkeys(bases)))}.")
        if value is not tg.Tensor:
            inner += members(entry)
    if isinstance(value, Op) and target_of(value) is value:
        about.insert(0, notes(value))
    return "\n\n".join(filter(None, [found, " ".join(filter(None, about)), *inner]))


def told(entry: Entry, values: dict[str, Any]) -> str:
    """An entry as a directive: all names and how they are called, and what they are."""
    method = entry.module == "tensorgrad.Tensor"
    prefix = "Tensor." if method else ""
    if isinstance(entry.value, type):
        kind = "exception" if issubclass(entry.value, BaseException) else "class"
    elif isinstance(entry.value, property) or inspect.isdatadescriptor(entry.value):
        kind = "property"
    elif not callable(entry.value) or isinstance(entry.value, tg.dtype):
        kind = "attribute" if method else "data"
    else:
        kind = "method" if method else "function"
    lines = []
    for name in entry.names:
        called = kind in ("class", "exception", "function", "method")
        shown = signature(values[name], method) if called else ""
        lines.append(f"{prefix}{name}{shown}")
    head = f".. py:{kind}:: " + ("\n" + " " * len(f".. py:{kind}:: ")).join(lines)
    return f"{head}\n\n{indented(body(entry))}\n\n"


def title_of(module: str) -> str:
    last = module.rpartition(".")[2]
    return TITLES.get(last) or last.strip("_").replace("_", " ").capitalize()


def intro_of(module: str) -> str:
    """The first paragraph of a module's own text."""
    doc = inspect.cleandoc(getattr(sys.modules.get(module), "__doc__", None) or "")
    first = doc.split("\n\n")[0]
    return "" if first.startswith(">>>") else rst(first) + "\n\n"


def names_of(found: list[Entry]) -> str:
    """A line of links to what follows, where that is more than a few."""
    if len(found) < 4:
        return ""
    return " · ".join(f":py:obj:`{entry.names[0]} <{entry.address}>`" for entry in found) + "\n\n"


def listed(found: list[Entry], module: str, cut: bool) -> str:
    """The entries of a page, in parts by where they are defined if they are many."""
    values = {name: getattr(place_of(module), name) for entry in found for name in entry.names}
    if not cut:
        return names_of(found) + "".join(told(entry, values) for entry in found)
    if module == "tensorgrad.Tensor":
        own, ops = ([e for e in found if (e.home is None) is mine] for mine in (True, False))
        return "".join(
            heading(title, "-") + names_of(those) + "".join(told(entry, values) for entry in those)
            for title, those in (("Attributes and methods of its own", own), ("Ops as methods", ops))
        )
    parts: dict[str, list[Entry]] = {}
    for entry in found:
        parts.setdefault(defined_in(entry.value), []).append(entry)
    titled: dict[str, list[str]] = {}
    for part in sorted(parts, key=lambda part: (part[:15] != "tensorgrad.core", title_of(part))):
        own = part.startswith("tensorgrad.") and part != module and len(parts[part]) > 1
        title = title_of(part) if own else "Others"
        text = titled.setdefault(title, [])
        if own and not text:
            text.append(intro_of(part))
        text.append(names_of(parts[part]))
        text += [told(entry, values) for entry in parts[part]]
    others = titled.pop("Others", None)
    if others:
        titled["Others" if titled else "Names"] = others
    return "".join(heading(title, "-") + "".join(text) for title, text in titled.items())


def page(module: str, found: list[Entry], title: str, intro: str, cut: bool, first: bool = True) -> str:
    declared = "py:module" if first and isinstance(place_of(module), ModuleType) else "py:currentmodule"
    address = "tensorgrad" if module == "tensorgrad.Tensor" else module
    return f"{heading(title, '=')}.. {declared}:: {address}\n\n{intro}{listed(found, module, cut)}"


def pages() -> tuple[Pages, str]:
    """The pages of the reference, by name, and what lists them."""
    by_module: dict[str, list[Entry]] = {module: [] for module in MODULES}
    for entry in entries():
        by_module[entry.module].append(entry)
    made: Pages = {}
    rows = []
    for module, found in by_module.items():
        count = sum(len(entry.names) for entry in found)
        if module == "tensorgrad":
            rooms: dict[str, list[Entry]] = {room: [] for room in ROOMS} | {"": []}
            for entry in found:
                rooms[room_of(defined_in(entry.value))].append(entry)
            for room, those in rooms.items():
                file = "reference/tensorgrad-" + (room or "rest")
                title = f"tensorgrad: {ROOMS.get(room, REST).lower()}"
                about = intro_of(f"tensorgrad.ops.{room}") if room else f"{rst(ABOUT_REST)}\n\n"
                made[file] = page(module, those, title, about, True, first=not room)
                rows.append((file, title, sum(len(e.names) for e in those), about))
            continue
        place = place_of(module)
        text = rst(doc_of(place)) + "\n\n"
        cut = len(found) > MANY
        if module == "tensorgrad.Tensor":  # the class itself stands among the types
            text = "The type itself is :py:class:`tensorgrad.Tensor`.\n\n"
        made[file_of(module)] = page(module, found, module, text, cut)
        rows.append((file_of(module), module, count, first_sentence(doc_of(place)) + "\n"))
    return made, index(rows)


def index(rows: list[tuple[str, str, int, str]]) -> str:
    """What stands on the page that lists the others below its text: them, and how many names each has."""
    total = sum(row[2] for row in rows)
    lines = [
        f"{total} names at {len(MODULES)} addresses, {len(ops_declared())} of them ops; "
        "{ref}`all by the alphabet <genindex>`.\n\n| address | names | what it is |\n|---|--:|---|\n"
    ]
    for file, title, count, about in rows:
        text = re.sub(r":\w+:|`", "", " ".join(about.split()))
        lines.append(f"| [{title}]({file.removeprefix('reference/')}.rst) | {count} | {text} |\n")
    lines.append("\n```{toctree}\n:hidden:\n\n")
    for file, title, _, _ in rows:
        room, _, name = title.rpartition(": ")
        lines.append(f"{name.capitalize() if room else name.removeprefix('tensorgrad.')} </{file}>\n")
    return "".join([*lines, "```\n"])


def ops_declared() -> list[str]:
    return [
        name
        for name, op in registry.items()
        if not name.startswith("_") and op.kind_name != "inplace" and (op.facts.places or op.facts.method)
    ]
