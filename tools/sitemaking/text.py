"""Docstrings and signatures as reStructuredText."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

# What is set by itself: roles, literals, names in backticks, links.
SET = re.compile(r"(:[\w:]+:`[^`]+`|``.+?``|`[^`]+`_{0,2}|https?://\S+)", re.DOTALL)
ARGUMENT = re.compile(r"(?P<name>[\w*][\w*, ]*): (?P<text>.*)", re.DOTALL)


def marked(text: str) -> str:
    """Prose in which stars, bars and trailing underscores mean themselves. Bold text may have names in it,
    which reStructuredText can't say: it becomes plain."""
    text = re.sub(r"(?<![\w*])\*\*(?=\w)(.+?)\*\*(?!\w)", r"\1", text, flags=re.DOTALL)
    parts = SET.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", parts[i])
    for i in range(1, len(parts), 2):
        if parts[i].startswith("`") and not parts[i].startswith("``"):
            inner = parts[i].strip("`_")
            # A name may be a link; anything else in backticks is code.
            parts[i] = f"`{inner}`" if re.fullmatch(r"[A-Za-z_][\w.]*", inner) else f"``{inner}``"
    return "".join(parts)


def arguments(block: str) -> str:
    """The lines below `Args:` as a definition list."""
    items: list[str] = []
    for line in textwrap.dedent(block).splitlines():
        if line.startswith(" "):
            items[-1] += f" {line.strip()}"
        else:
            items.append(line)
    lines = []
    for item in items:
        found = ARGUMENT.fullmatch(item)
        names, text = (found["name"], found["text"]) if found else (item, "")
        lines.append(", ".join(f"``{name.strip()}``" for name in names.split(",")))
        lines.append(f"    {marked(text)}")
    return "\n".join(lines)


def paragraphs(doc: str) -> list[str]:
    """A docstring cut at empty lines, and before an example that follows without one."""
    doc = re.sub(r"(?m)^(?!>>>|\.\.\. )(.*\S.*)\n(?=[ ]*>>> )", lambda m: keep_result(doc, m), doc)
    return [part for part in re.split(r"\n\s*\n", doc) if part.strip()]


def keep_result(doc: str, found: re.Match[str]) -> str:
    """The line before `>>>`: a result inside an example stays with it."""
    before = doc[: found.start()].rpartition("\n\n")[2]
    example = ">>> " in before or found[1].lstrip().startswith((">>> ", "... "))
    return f"{found[1]}\n" if example else f"{found[1]}\n\n"


def rst(doc: str) -> str:
    """A docstring as reStructuredText."""
    found = []
    for part in paragraphs(inspect.cleandoc(doc)):
        if part.lstrip().startswith(">>> "):
            found.append(textwrap.dedent(part))
        elif part.startswith("Args:\n"):
            found.append(arguments(part.partition("\n")[2]))
        elif part.startswith((".. ", "    ", "- ", "* ", "1. ")):
            found.append(part if part.startswith((".. ", "    ")) else part[:2] + marked(part[2:]))
        else:
            found.append(marked(part))
    return "\n\n".join(found)


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring, marked."""
    start = " ".join(paragraphs(inspect.cleandoc(doc or ""))[:1]).replace("\n", " ")
    if start.lstrip().startswith(">>>"):
        return ""
    sentence = re.match(r".*?[.:](?= [A-Z]|\s*$)", start)
    found = marked(sentence[0] if sentence else start)
    return found[:-1] + "." if found.endswith(":") else found


def default(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(default, value)) + ("," if isinstance(value, tuple) and len(value) == 1 else "")
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    return getattr(value, "__name__", None) or "..."


def qualified(annotation: str, value: Any) -> str:
    """An annotation in which the two classes that many name, but another module has too, are told apart."""
    if getattr(value, "__module__", None) == "tensorgrad.plain":
        return annotation
    annotation = re.sub(r"(?<![.\w])Tensor\b", "tensorgrad.Tensor", annotation)
    return re.sub(r"(?<![.\w])Parameter\b", "tensorgrad.nn.Parameter", annotation)


def signature(value: Any, method: bool = False) -> str:
    """How it is called, with what annotations say; `(...)`, for a class nothing, if Python can't tell."""
    try:
        given = inspect.signature(value)
    except (TypeError, ValueError):
        return "" if isinstance(value, type) else "(...)"
    parts: list[str] = []
    starred = False
    for i, p in enumerate(given.parameters.values()):
        if method and i == 0:
            continue
        if p.kind is p.VAR_POSITIONAL:
            starred = True
        elif p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        kind = qualified(p.annotation, value) if isinstance(p.annotation, str) else ""
        shown = f"{star}{p.name}"
        if kind and kind != "Any":
            shown += f": {kind}"
        if p.default is not p.empty:
            shown += f" = {default(p.default)}" if ": " in shown else f"={default(p.default)}"
        parts.append(shown)
    result = given.return_annotation
    told = isinstance(result, str) and result not in ("Any", "None")
    arrow = f" -> {qualified(result, value)}" if told else ""
    return f"({', '.join(parts)}){'' if isinstance(value, type) else arrow}"


def indented(text: str, by: int = 3) -> str:
    return textwrap.indent(text, " " * by, lambda line: bool(line.strip()))
