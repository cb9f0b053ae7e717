"""A layered drawing of a directed graph without cycles (Sugiyama, Tagawa, Toda 1981): every edge points down,
few cross.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SWEEPS = 12         # of the ordering, then of the places; more change nothing that one sees
GAP, DROP = 26.0, 32.0          # between neighbours, and between layers


@dataclass
class Place:
    """A node, or a bend of an edge that crosses a layer: its middle is at x, y."""

    width: float
    height: float
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    above: list[Place] = field(default_factory=list)
    below: list[Place] = field(default_factory=list)


def lay_out(
    sizes: list[tuple[float, float]], edges: list[tuple[int, int]]
) -> tuple[list[Place], list[list[Place]], tuple[float, float]]:
    """Places for nodes of given width and height, for every edge the places that it goes through, and the
    picture's size.
    """
    places = [Place(*size) for size in sizes]
    _set_layers(places, edges)
    layers: list[list[Place]] = [[] for _ in range(max(p.layer for p in places) + 1)]
    for place in places:
        layers[place.layer].append(place)
    routes = []
    for source, target in edges:
        route = [places[source]]
        for layer in range(places[source].layer + 1, places[target].layer):
            route.append(Place(6.0, 0.0, layer))
            layers[layer].append(route[-1])
        route.append(places[target])
        for upper, lower in zip(route, route[1:]):
            upper.below.append(lower)
            lower.above.append(upper)
        routes.append(route)
    _order(layers)
    _set_x(layers)
    y = 0.0
    for row in layers:
        tall = max(p.height for p in row)
        for place in row:
            place.y = y + tall / 2
        y += tall + DROP
    left = min(p.x - p.width / 2 for row in layers for p in row)
    for row in layers:
        for place in row:
            place.x -= left
    width = max(p.x + p.width / 2 for row in layers for p in row)
    return places, routes, (width, y - DROP)


def _set_layers(places: list[Place], edges: list[tuple[int, int]]) -> None:
    """The longest way from above decides; what nothing leads to is moved down to what it leads to."""
    below: list[list[int]] = [[] for _ in places]
    waiting = [0] * len(places)
    for source, target in edges:
        below[source].append(target)
        waiting[target] += 1
    ready = [i for i, count in enumerate(waiting) if not count]
    starts = list(ready)
    while ready:
        i = ready.pop()
        for j in below[i]:
            places[j].layer = max(places[j].layer, places[i].layer + 1)
            waiting[j] -= 1
            if not waiting[j]:
                ready.append(j)
    for i in starts:
        if below[i]:
            places[i].layer = min(places[j].layer for j in below[i]) - 1


def _order(layers: list[list[Place]]) -> None:
    """Sorts each layer by the middle of a place's neighbours in the last one, up and down by turns, and keeps
    the order with the fewest crossings.
    """
    best, least = [list(row) for row in layers], _crossings(layers)
    for sweep in range(SWEEPS):
        downward = sweep % 2 == 0
        rows = layers[1:] if downward else layers[-2::-1]
        for row in rows:
            near = {
                id(p): rank
                for other in ([layers[row[0].layer - 1]] if downward else [layers[row[0].layer + 1]])
                for rank, p in enumerate(other)
            }
            own = {id(p): rank for rank, p in enumerate(row)}

            def middle(p: Place, near: dict = near, own: dict = own, downward: bool = downward) -> float:
                ranks = [near[id(q)] for q in (p.above if downward else p.below)]
                return sum(ranks) / len(ranks) if ranks else own[id(p)]

            row.sort(key=middle)
        count = _crossings(layers)
        if count < least:
            best, least = [list(row) for row in layers], count
    for row, kept in zip(layers, best):
        row[:] = kept


def _crossings(layers: list[list[Place]]) -> int:
    count = 0
    for row, lower in zip(layers, layers[1:]):
        rank = {id(p): i for i, p in enumerate(lower)}
        ends = [rank[id(q)] for p in row for q in sorted(p.below, key=lambda q: rank[id(q)])]
        count += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return count


def _set_x(layers: list[list[Place]]) -> None:
    """Moves every place towards its neighbours, as far as those beside it let it."""
    for row in layers:
        x = 0.0
        for place in row:
            place.x = x + place.width / 2
            x += place.width + GAP
        for place in row:
            place.x -= x / 2
    for sweep in range(SWEEPS * 2):
        for row in layers if sweep % 2 == 0 else reversed(layers):
            wanted = []
            for place in row:
                near = (place.above if sweep % 2 == 0 else place.below) or place.below or place.above
                weights = [_weight(q) for q in near]
                wanted.append(sum(w * q.x for w, q in zip(weights, near)) / sum(weights) if near else place.x)
            _spread(row, wanted)


def _weight(place: Place) -> float:
    """Leaves give way, so that what is computed one after the other stands in a straight line."""
    return 1.0 if place.above else 0.02


def _spread(row: list[Place], wanted: list[float]) -> None:
    """The places nearest to those wanted, in their order and apart: neighbours that would touch move as one
    block.
    """
    offsets, total = [], 0.0
    for i, place in enumerate(row):
        if i:
            total += (row[i - 1].width + place.width) / 2 + GAP
        offsets.append(total)
    blocks: list[list[float]] = []          # where its places want its first one, weighted; weight; number
    for place, want, offset in zip(row, wanted, offsets):
        blocks.append([_weight(place) * (want - offset), _weight(place), 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last)]
    starts = [total / weight for total, weight, count in blocks for _ in range(int(count))]
    for place, start, offset in zip(row, starts, offsets):
        place.x = start + offset
