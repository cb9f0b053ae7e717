"""Lists, tuples, dicts and what is in them as a flat list of leaves, and back: PyTorch's names for it."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "TreeSpec", "tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_",
    "tree_map_only", "tree_structure", "tree_unflatten",
]  # fmt: skip


@dataclass(frozen=True)
class TreeSpec:
    """How a tree is built: the type of its node, what that needs (keys, say), and its children's specs."""

    type: Any
    context: Any
    children: tuple[TreeSpec, ...]

    @property
    def num_leaves(self) -> int:
        return 1 if self.type is None else sum(child.num_leaves for child in self.children)

    def is_leaf(self) -> bool:
        return self.type is None


LEAF = TreeSpec(None, None, ())


def _children(node: Any) -> tuple[list, Any] | None:
    """The parts of a node and its context, or None of a leaf."""
    if isinstance(node, defaultdict):
        return list(node.values()), (node.default_factory, list(node))
    if type(node) in (dict, OrderedDict):
        return list(node.values()), list(node)
    if type(node) in (list, tuple):
        return list(node), None
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return list(node), None
    return None


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, TreeSpec]:
    """The leaves from left to right, and the spec that `tree_unflatten` needs.

    >>> from tensorgrad.utils._pytree import tree_flatten
    >>> tree_flatten({"a": 1, "b": [2, 3]})[0]
    [1, 2, 3]
    """
    parts = None if is_leaf is not None and is_leaf(tree) else _children(tree)
    if parts is None:
        return [tree], LEAF
    flat = [tree_flatten(child, is_leaf) for child in parts[0]]
    spec = TreeSpec(type(tree), parts[1], tuple(spec for _, spec in flat))
    return [leaf for leaves, _ in flat for leaf in leaves], spec


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree of a spec with these leaves. Raises ValueError for another number of them.

    >>> from tensorgrad.utils._pytree import tree_flatten, tree_unflatten
    >>> leaves, spec = tree_flatten((1, {"a": 2}))
    >>> tree_unflatten([3, 4], spec)
    (3, {'a': 4})
    """
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: got {len(leaves)} leaves, the spec has {treespec.num_leaves}")
    return _built(iter(leaves), treespec)


def _built(leaves: Any, spec: TreeSpec) -> Any:
    if spec.is_leaf():
        return next(leaves)
    parts = [_built(leaves, child) for child in spec.children]
    if issubclass(spec.type, defaultdict):
        factory, keys = spec.context
        return spec.type(factory, zip(keys, parts))
    if issubclass(spec.type, dict):
        return spec.type(zip(spec.context, parts))
    return spec.type(*parts) if hasattr(spec.type, "_fields") else spec.type(parts)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list:
    """The leaves from left to right."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The spec of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree of what a function makes of each leaf, and of those in the same places of others.

    >>> from tensorgrad.utils._pytree import tree_map
    >>> tree_map(lambda x, y: x + y, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_flatten(rest, is_leaf) for rest in rests]
    for _, other in others:
        if other != spec:
            raise ValueError("tree_map: the trees are not built alike")
    return tree_unflatten([func(*each) for each in zip(leaves, *(flat for flat, _ in others))], spec)


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Calls a function with each leaf, and gives the tree as it is."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kind: Any, func: Callable, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """`tree_map` of leaves of one type, or of several; others stay."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether all leaves are so."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether any leaf is so."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
