"""The text of a gradient formula, with the names of a call in it."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any

OPERATORS = {
    "mul": ast.Mult, "div": ast.Div, "add": ast.Add, "sub": ast.Sub, "pow": ast.Pow, "matmul": ast.MatMult,
    "product": ast.MatMult,
}  # fmt: skip
OPPOSITES = {ast.LtE: ast.Gt, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.Eq: ast.NotEq}


# What functions of several statements come to, where that fits on a line.
READS = {
    "_pow_input": "g * exponent * input ** (exponent - 1)",
    "_matmul_input": "g @ other.mT",
    "_matmul_other": "input.mT @ g",
    "_linear_weight": "g.mT @ input",
}


def text_of(formula: Callable, names: dict[str, str], values: dict[str, Any]) -> str:
    """What a formula computes, where its parameters have these names: ``lambda g, other: mul(g, other)``
    gives ``g * y``. Of ways that hang on the ``values`` of parameters the one is given that they take.

    Of a function of several statements the call is given, since no expression says it all.
    """
    body = READS.get(formula.__name__) or _expression(formula)
    if body is None:
        asked = inspect.signature(formula).parameters
        title = formula.__name__.lstrip("_").replace("<lambda>", "formula")
        return f"{title}({', '.join(names.get(name, name) for name in asked)})"
    marks: dict[str, ast.expr] = {}
    for i, (name, text) in enumerate(names.items()):
        number = text.replace(".", "", 1).isdigit()
        marks[name] = ast.Constant(ast.literal_eval(text)) if number else ast.Name(f"name_{i}_")
    known = {**formula.__globals__, **values}
    written = ast.unparse(_Rewriting(marks, known).visit(ast.parse(body, mode="eval")))
    for i, text in enumerate(names.values()):
        written = written.replace(f"name_{i}_", text)
    return written


@functools.cache
def _tree(file: str) -> list[ast.Lambda | ast.FunctionDef]:
    with open(file, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Lambda, ast.FunctionDef))]


@functools.cache
def _expression(formula: Callable) -> str | None:
    """The one expression that a function gives; None where there is more to it, or no source."""
    code: Any = formula.__code__
    try:
        found = [node for node in _tree(code.co_filename) if _first_line(node) == code.co_firstlineno]
    except OSError:
        return None
    asked = list(code.co_varnames[: code.co_argcount])
    found = [node for node in found if [each.arg for each in node.args.args] == asked]
    for node in found:
        if isinstance(node, ast.FunctionDef):
            body = [each for each in node.body if not _is_text(each)]
            if len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None:
                return ast.unparse(body[0].value)
            return None
        compiled = compile(ast.Expression(node), code.co_filename, "eval").co_consts[0]
        if len(found) == 1 or (compiled.co_code, compiled.co_names) == (code.co_code, code.co_names):
            return ast.unparse(node.body)
    return None


def _first_line(node: Any) -> int:
    return node.decorator_list[0].lineno if getattr(node, "decorator_list", None) else node.lineno


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


class _Rewriting(ast.NodeTransformer):
    """Calls of arithmetic as operators, what numbers make trivial done, modules left out, parameters
    marked.
    """

    def __init__(self, marks: dict[str, ast.expr], known: dict[str, Any]) -> None:
        self.marks = marks
        self.known = known

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        try:
            taken = node.body if eval(ast.unparse(node.test), self.known) else node.orelse
        except Exception:           # something that it asks for is not known here
            return self.generic_visit(node)
        return self.visit(taken)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.marks.get(node.id) or ast.Name(node.id.lstrip("_"))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        left, right = node.left, node.right
        if not isinstance(right, ast.Constant):
            return node
        if isinstance(left, ast.Constant) and isinstance(node.op, ast.Sub):
            return ast.Constant(left.value - right.value)       # type: ignore[operator]
        if right.value == 1 and isinstance(node.op, (ast.Pow, ast.Mult, ast.Div)):
            return left
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called == "neg":
            return ast.UnaryOp(ast.USub(), node.args[0])
        if called in ("kept", "stepwise"):          # shapes, and whose slope is none of the reader's worries
            return node.args[0]
        if called == "keep":
            return ast.BinOp(node.args[0], ast.Mult(), node.args[1])
        if called == "logical_not" and isinstance(node.args[0], ast.Compare):
            opposite = OPPOSITES.get(type(node.args[0].ops[0]))
            if opposite is not None:
                return ast.Compare(node.args[0].left, [opposite()], node.args[0].comparators)
        operator = OPERATORS.get(called)
        if operator and len(node.args) == 2 and not node.keywords:
            return ast.BinOp(node.args[0], operator(), node.args[1])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id not in self.marks:
            return ast.Name(node.attr.lstrip("_"))          # `arithmetic.mul`: the module says nothing here
        return self.generic_visit(node)
