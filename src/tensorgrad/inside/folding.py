"""Graphs too large to read, with the ops of a module as one box.

The tape does not know modules, but it ends at their parameters, whose names are paths. An op belongs to what
the parameters before and behind it have in common: what stands between two layers of ``block.0`` is of
``block.0``.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .drawing import Box

Edges = list[tuple[int, int]]


Path = tuple[str, ...]


def folded(boxes: list[Box], edges: Edges, most: int) -> tuple[list[Box], Edges]:
    """The graph folded as little as brings it to ``most`` boxes: first the modules that do what one before
    them does, then the innermost ones, at last the outermost.
    """
    paths = _paths(boxes, edges)
    deepest = max((len(path) for path in paths), default=0)
    like = _repeated(boxes, paths)
    found = boxes, edges
    for depth in range(deepest + 1, 0, -1):
        groups = [_group(path, depth, like) for path in paths]
        found = _grouped(boxes, edges, groups, like)
        if len(found[0]) <= most:
            break
    return found


def _group(path: Path, depth: int, like: dict[Path, Path]) -> Path | None:
    """The module whose box shows what belongs to ``path``; None where that is shown itself."""
    for length in range(1, len(path) + 1):
        if path[:length] in like or length == depth:
            return path[:length]
    return None


def _repeated(boxes: list[Box], paths: list[Path]) -> dict[Path, Path]:
    """Modules of several ops that are those of an earlier one beside them, which is given."""
    ops: dict[Path, list[str]] = {}
    for box, path in zip(boxes, paths):
        for length in range(1, len(path) + 1 if box.kind == "op" else 0):
            ops.setdefault(path[:length], []).append(box.lines[0])
    first: dict[tuple, Path] = {}
    like = {}
    for path, titles in ops.items():
        earlier = first.setdefault((path[:-1], *titles), path)
        if earlier is not path and len(titles) > 2:
            like[path] = earlier
    return like


def _paths(boxes: list[Box], edges: Edges) -> list[Path]:
    """The module of every box: that of the parameters of an op, else what one above and one below have in
    common.

    A sum of what goes into a module and what comes out of it belongs to the module, and views to what they
    are made for.
    """
    above: list[list[int]] = [[] for _ in boxes]
    below: list[list[int]] = [[] for _ in boxes]
    for source, target in edges:
        if boxes[source].kind == "op" and boxes[target].kind == "op":
            above[target].append(source)
            below[source].append(target)
    paths: list[Path] = [_owner(box.lines[0]) if box.kind == "leaf" else () for box in boxes]
    sure = [False] * len(boxes)
    for source, target in edges:
        if paths[source] and boxes[source].kind == "leaf" and boxes[target].kind == "op":
            paths[target] = common(paths[target], paths[source]) if sure[target] else paths[source]
            sure[target] = True
    ops = [i for i, box in enumerate(boxes) if box.kind == "op"]        # in the order in which they ran
    before = _nearest(ops, above, paths, sure)
    behind = _nearest(ops[::-1], below, paths, sure)
    for i in ops:
        if not sure[i]:
            paths[i] = max((common(a, b) for a in before[i] for b in behind[i]), key=len, default=())
    for i in ops:
        if not sure[i] and len(above[i]) > 1:
            for a, b in permutations(above[i], 2):
                shared = [common(paths[a], paths[c]) for c in below[b] if c != i]
                paths[i] = max([paths[i], *shared], key=len)
    for i in ops[::-1]:
        if boxes[i].moves and below[i] and not sure[i]:
            wanted = paths[below[i][0]]
            for j in below[i][1:]:
                wanted = common(wanted, paths[j])
            paths[i] = max(paths[i], wanted, key=len)
    for i in ops:
        if boxes[i].moves and above[i]:
            paths[i] = max(paths[i], paths[above[i][0]], key=len)
    return paths


def _owner(name: str) -> Path:
    return tuple(name.split(".")[:-1])


def _nearest(
    order: list[int], towards: list[list[int]], paths: list[Path], sure: list[bool]
) -> dict[int, set[Path]]:
    """For every op the modules of those nearest to it that have parameters, in one direction."""
    found: dict[int, set[Path]] = {}
    for i in order:
        found[i] = set()
        for j in towards[i]:
            found[i] |= {paths[j]} if sure[j] else found[j]
    return found


def common(first: Path, second: Path) -> Path:
    """What two paths begin with."""
    length = 0
    while length < min(len(first), len(second)) and first[length] == second[length]:
        length += 1
    return first[:length]


def _grouped(
    boxes: list[Box], edges: Edges, groups: list[Path | None], like: dict[Path, Path]
) -> tuple[list[Box], Edges]:
    """One box for each group."""
    above: list[list[int]] = [[] for _ in boxes]
    for source, target in edges:
        above[target].append(source)
    # A module that runs several times is a box each time: what comes back from outside begins the next one.
    runs: list[dict[Path, int]] = []
    cluster: list[tuple] = []
    for i, group in enumerate(groups):
        reached: dict[Path, int] = {}
        for j in above[i]:
            for each, count in runs[j].items():
                reached[each] = max(reached.get(each, 0), count + (each == group != groups[j]))
        if group is not None and boxes[i].kind != "leaf":
            reached.setdefault(group, 0)
        runs.append(reached)
        if group is None:
            cluster.append((i,))
        elif boxes[i].kind == "leaf":
            cluster.append((group, 0))
        else:
            cluster.append((group, reached[group]))
    numbers: dict[tuple, int] = {}
    members: list[list[int]] = []
    for i, key in enumerate(cluster):
        if key not in numbers:
            numbers[key] = len(members)
            members.append([])
        members[numbers[key]].append(i)
    inner = list(dict.fromkeys((numbers[cluster[a]], numbers[cluster[b]]) for a, b in edges))
    inner = [(a, b) for a, b in inner if a != b]
    if _has_cycle(len(members), inner):
        return boxes, edges
    return [_one([boxes[i] for i in each], groups[each[0]], like) for each in members], inner


def _one(inner: list[Box], path: Path | None, like: dict[Path, Path]) -> Box:
    """A box for several."""
    if path is None:
        return inner[0]
    ops = [box for box in inner if box.kind == "op"]
    leaves = [box for box in inner if box.kind == "leaf"]
    lines = [".".join(path), f"{len(ops)} ops" if len(ops) != 1 else ops[0].lines[0]]
    if path in like:
        lines[1] += f", as {'.'.join(like[path])}"
    if leaves:
        lines.append(f"{sum(box.size for box in leaves):,} parameters")
    shapes = [line for box in ops[-1:] for line in box.lines[1:] if line.startswith("[")]
    note = ", ".join(box.lines[0] for box in ops)
    return type(inner[0])("module", lines + shapes, note=note)


def _has_cycle(count: int, edges: Edges) -> bool:
    below: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in edges:
        below[source].append(target)
        waiting[target] += 1
    ready = [i for i, each in enumerate(waiting) if not each]
    done = 0
    while ready:
        done += 1
        for j in below[ready.pop()]:
            waiting[j] -= 1
            if not waiting[j]:
                ready.append(j)
    return done < count
