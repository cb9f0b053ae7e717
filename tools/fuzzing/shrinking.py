"""Makes a program that shows a fault smaller, as long as it still shows it."""

from __future__ import annotations

import ast
import copy
import re
import time
from collections.abc import Callable, Iterator

Program = list[str]


def shrink(lines: Program, shows: Callable[[Program], bool], seconds: float = 20.0) -> Program:
    """The smallest program found in the time: lines go first, then parts of lines."""
    end = time.monotonic() + seconds
    changed = True
    while changed and time.monotonic() < end:
        changed = False
        for candidate in candidates(lines):
            if time.monotonic() > end:
                break
            if shows(candidate):
                lines, changed = candidate, True
                break
    return lines


def candidates(lines: Program) -> Iterator[Program]:
    """Smaller programs, the boldest first."""
    size = len(lines) // 2
    while size:
        for start in range(len(lines) - size, -1, -1):
            yield lines[:start] + lines[start + size :]
        size //= 2
    for i, line in enumerate(lines):
        yield from renamed(lines, i)
        seen = {line}
        for shorter in simpler(line):
            if shorter not in seen:
                seen.add(shorter)
                yield [*lines[:i], shorter, *lines[i + 1 :]]


def renamed(lines: Program, i: int) -> Iterator[Program]:
    """Without a line that makes a variable: an earlier one stands in its place."""
    made = [line.split(" = ")[0] for line in lines[: i + 1]]
    for earlier in made[:i]:
        if made[i].isidentifier() and earlier.isidentifier() and earlier != made[i]:
            yield lines[:i] + [re.sub(rf"\b{made[i]}\b", earlier, each) for each in lines[i + 1 :]]


def simpler(line: str) -> Iterator[str]:
    """Lines with one part simpler or gone."""
    try:
        tree = ast.parse(line)
    except SyntaxError:
        return
    if len(tree.body) != 1 or isinstance(tree.body[0], ast.ClassDef):
        return
    if isinstance(tree.body[0], ast.With):
        yield from (ast.unparse(each) for each in tree.body[0].body)
    yield from rectangles(tree)
    places = [(node, name) for node in ast.walk(tree) for name in node._fields]
    for number, (node, name) in enumerate(places):
        value = getattr(node, name)
        if isinstance(value, ast.expr) and not isinstance(node, ast.keyword):
            for other in children(value):
                yield changed(tree, number, other)
        elif isinstance(value, list) and value and all(isinstance(v, (ast.expr, ast.keyword)) for v in value):
            if name == "targets" or isinstance(node, ast.List):
                continue
            for i, each in enumerate(value):
                if name in ("args", "keywords", "elts"):
                    yield changed(tree, number, value[:i] + value[i + 1 :])
                inner = each.value if isinstance(each, ast.keyword) else each
                for other in children(inner):
                    put = ast.keyword(each.arg, other) if isinstance(each, ast.keyword) else other
                    yield changed(tree, number, [*value[:i], put, *value[i + 1 :]])


def changed(tree: ast.Module, number: int, value: object) -> str:
    """The line with one field of one node replaced; nodes are numbered as `ast.walk` meets them."""
    tree = copy.deepcopy(tree)
    node, name = [(node, name) for node in ast.walk(tree) for name in node._fields][number]
    setattr(node, name, value)
    return ast.unparse(ast.fix_missing_locations(tree))


def children(node: ast.expr) -> Iterator[ast.expr]:
    """Simpler expressions that may stand where this one stands."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not is_library(node.func.value):
            yield node.func.value
        yield from (a for a in node.args if not isinstance(a, (ast.Constant, ast.List)))
    elif isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Subscript):
        yield node.value
    elif isinstance(node, ast.Attribute) and not is_library(node):
        yield node.value
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value not in (0, 1):
        yield from (ast.Constant(type(node.value)(n)) for n in (1, 0, 2) if n != node.value)
        if isinstance(node.value, float) and node.value != round(node.value, 1):
            yield ast.Constant(round(node.value, 1))


def is_library(node: ast.expr) -> bool:
    """Whether an expression is `T`, `F`, `T.linalg` and such."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in ("T", "F", "np")


def rectangles(tree: ast.Module) -> Iterator[str]:
    """The line with a nested list of numbers cut along one of its axes, or with simpler numbers."""
    found = [
        n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "T.tensor" and n.args
    ]
    for number, call in enumerate(found):
        try:
            data = eval(ast.unparse(call.args[0]), {"nan": float("nan"), "inf": float("inf")})
        except Exception:
            continue
        for other in smaller(data):
            copied = copy.deepcopy(tree)
            calls = [
                n for n in ast.walk(copied) if isinstance(n, ast.Call) and ast.unparse(n.func) == "T.tensor"
            ]
            [c for c in calls if c.args][number].args[0] = ast.parse(text(other), mode="eval").body
            yield ast.unparse(copied)


def text(data: object) -> str:
    return "[" + ", ".join(map(text, data)) + "]" if isinstance(data, list) else str(data)


def smaller(data: object) -> Iterator[object]:
    if not isinstance(data, list) or not data:
        return
    depth, level = 0, data
    while isinstance(level, list) and level:
        depth, level = depth + 1, level[0]
    for axis in range(depth):
        size = len(along(data, axis))
        for i in range(size if size > 1 else 0):
            yield cut(data, axis, i)
    if len(data) == 1 and depth:
        yield data[0]
    yield from renumbered(data)


def along(data: list, axis: int) -> list:
    return data if axis == 0 else along(data[0], axis - 1)


def cut(data: list, axis: int, i: int) -> list:
    return data[:i] + data[i + 1 :] if axis == 0 else [cut(row, axis - 1, i) for row in data]


def renumbered(data: list) -> Iterator[list]:
    """The same list with one number simpler."""
    for i, each in enumerate(data):
        if isinstance(each, list):
            for other in renumbered(each):
                yield [*data[:i], other, *data[i + 1 :]]
        elif type(each) in (int, float) and each not in (0, 1):
            kind = type(each)
            for n in (kind(1), kind(0), *([round(each, 1)] if kind is float and each == each else [])):
                if n != each:
                    yield [*data[:i], n, *data[i + 1 :]]
