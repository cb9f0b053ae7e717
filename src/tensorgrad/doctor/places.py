"""Where something happened: the line of the user's own files, and what their source says."""

from __future__ import annotations

import ast
import functools
import linecache
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

import tensorgrad


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int


COLLECTING = ("append", "extend", "add", "insert")
_OURS = os.path.dirname(os.path.abspath(tensorgrad.__file__)) + os.sep
_paths = sysconfig.get_paths()
_INSTALLED = tuple(
    os.path.realpath(path) + os.sep
    for path in {
        _paths["stdlib"], _paths["platstdlib"], _paths["purelib"], _paths["platlib"], *site.getsitepackages(),
    }
)  # fmt: skip
_users: dict[str, bool] = {}


def is_users(file: str) -> bool:
    """Whether a file is neither tensorgrad's, nor Python's, nor an installed package's."""
    known = _users.get(file)
    if known is None:
        real = os.path.realpath(file)
        inside = file.startswith(_OURS) or real.startswith(_OURS) or real.startswith(_INSTALLED)
        made = file.startswith("<") and not file.startswith(("<stdin", "<ipython", "<string"))
        compiled = file.endswith((".pyx", ".pxi"))
        known = _users[file] = not (inside or made or compiled)
    return known


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the user's own, seen from this one."""
    while frame is not None:
        file = frame.f_code.co_filename
        if _users.get(file) or (file not in _users and is_users(file)):
            return frame
        frame = frame.f_back
    return None


def user_place(frame: FrameType | None = None) -> Place | None:
    """The innermost line of the user's that is running, seen from the caller or from `frame`."""
    found = user_frame(frame or sys._getframe(1))
    return None if found is None else Place(found.f_code.co_filename, found.f_lineno)


def source_line(place: Place | None) -> str:
    """The text of a line, without the space around it; empty where there is no source."""
    return linecache.getline(place.file, place.line).strip() if place else ""


@functools.lru_cache(64)
def tree_of(file: str) -> ast.Module | None:
    """A file's syntax tree, None if it has none."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None


def _nodes(file: str) -> Iterator[ast.AST]:
    tree = tree_of(file)
    return ast.walk(tree) if tree is not None else iter(())


def freezing_lines(file: str) -> list[int]:
    """The lines that switch gradients of something off for good."""
    found = set()
    for node in _nodes(file):
        if isinstance(node, ast.Assign) and _is_false(node.value):
            found |= {node.lineno for each in node.targets if getattr(each, "attr", "") == "requires_grad"}
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "requires_grad_":
            given = [*node.args, *(word.value for word in node.keywords)]
            if given and _is_false(given[0]):
                found.add(node.lineno)
    return sorted(found)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def collecting_lines(file: str, name: str) -> list[int]:
    """The lines that put something into the container of that name: `name.append(x)`, `self.name += [x]`,
    `log["name"].append(x)`.
    """
    found = set()
    for node in _nodes(file):
        target: ast.expr | None = None
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in COLLECTING:
            target = node.func.value  # type: ignore[attr-defined]
        elif isinstance(node, ast.AugAssign):
            target = node.target
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            target = node.targets[0].value
        keys = []
        while isinstance(target, ast.Subscript):
            keys.append(getattr(target.slice, "value", None))
            target = target.value
        if name in keys or name in (getattr(target, "attr", None), getattr(target, "id", None)):
            found.add(node.lineno)  # type: ignore[attr-defined]
    return sorted(found)
