"""Pictures of the graph: what is in them, that they are well-formed, that boxes and layers keep apart."""

import re
from xml.etree import ElementTree

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.inside.layout import lay_out

SVG = "{http://www.w3.org/2000/svg}"


def xor_loss():
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    x = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = tg.tensor([[0.0], [1.0], [1.0], [0.0]])
    return model, (model(x) - y).square().mean()


class Transformer(nn.Module):
    def __init__(self, layers=3):
        super().__init__()
        self.embed, self.place = nn.Embedding(20, 16), nn.Embedding(8, 16)
        self.blocks = nn.Sequential(
            *[nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True) for _ in range(layers)]
        )
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 20)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.embed(x) + self.place(tg.arange(x.shape[1])))))


def texts(drawing):
    return [box.lines for box in drawing.boxes]


def test_ops_leaves_and_result_are_boxes_with_shapes():
    model, loss = xor_loss()
    drawing = tg.draw(loss)
    assert texts(drawing) == [
        ["model.0.weight", "[4, 2]"], ["model.0.bias", "[4]"], ["model.2.weight", "[1, 4]"],
        ["model.2.bias", "[1]"], ["linear", "[4, 4]", "keeps input"], ["tanh", "[4, 4]", "keeps output"],
        ["linear", "[4, 1]", "keeps input, weight"], ["sigmoid", "[4, 1]", "keeps output"],
        ["sub", "[4, 1]"], ["square", "[4, 1]", "keeps input"], ["mean"], ["loss"],
    ]  # fmt: skip
    into = [(0, 4), (1, 4), (4, 5), (5, 6), (2, 6), (3, 6)]
    assert drawing.edges == [*into, (6, 7), (7, 8), (8, 9), (9, 10), (10, 11)]


def test_gradients_show_where_there_are():
    w = tg.ones(4, requires_grad=True)
    loss = (w * 3).sum()
    assert texts(tg.draw(loss))[0] == ["w", "[4]"]
    loss.backward()
    assert texts(tg.draw(loss))[0] == ["w", "[4]", "grad 6"]


def test_what_is_kept_for_backward_is_noted():
    w = tg.ones(4, requires_grad=True)
    result = (w * w).tanh().sum()
    notes = [box.note for box in tg.draw(result).boxes if box.kind == "op"]
    assert notes == [
        "MulBackward0; keeps input [4], other [4]",
        "TanhBackward0; keeps output [4]",
        "SumBackward0; keeps nothing",
    ]  # fmt: skip


def test_the_legend_says_what_the_colours_mean():
    svg = tg.draw((tg.ones(4, requires_grad=True) * 2).sum()).svg()
    texts = [t.text for t in ElementTree.fromstring(svg).iter(SVG + "text")]
    assert {"parameter or other leaf", "op: what it gives, what it keeps"} <= set(texts)
    assert "ops of a module" not in texts


def test_lines_show_where_they_are_remembered():
    w = tg.ones(4, requires_grad=True)
    with tg.autograd.trap_nan():
        result = (w * 2).sum()
    notes = [box.note for box in tg.draw(result).boxes if box.kind == "op"]
    assert all(note.endswith(": result = (w * 2).sum()") and "test_draw.py:" in note for note in notes)


def test_drawing_touches_nothing():
    w = tg.ones(4, requires_grad=True)
    loss = (w * w).sum()
    tg.draw(loss)
    assert w.grad is None
    loss.backward()
    assert tg.draw(loss).boxes[0].lines == ["w", "[4]", "grad 4"]       # though nothing is kept any more


def test_the_svg_is_well_formed_and_its_boxes_do_not_touch():
    model, loss = xor_loss()
    root = ElementTree.fromstring(tg.draw(loss).svg())
    assert root.tag == SVG + "svg"
    found = [r for r in root.iter(SVG + "rect") if r.get("rx")]
    assert len(found) == 12
    boxes = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in found]
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    left, top, width, height = map(float, root.get("viewBox").split())
    for x, y, w, h in boxes:
        assert x >= left and y >= top and x + w <= left + width and y + h <= top + height
    assert "model.0.weight" in [t.text for t in root.iter(SVG + "text")]


def test_every_arrow_points_down():
    net = Transformer()
    drawing = tg.draw(net(tg.zeros(2, 8, dtype=tg.int64)).sum())
    paths = re.findall(r'<path d="M([^"]*)" marker', drawing.svg())
    assert len(paths) == len(drawing.edges)
    for path in paths:
        heights = [float(pair.split(",")[1]) for pair in re.findall(r"[-\d.]+,[-\d.]+", path)]
        assert heights == sorted(heights)


def test_repeated_modules_are_folded():
    net = Transformer()
    drawing = tg.draw(net(tg.zeros(2, 8, dtype=tg.int64)).sum())
    modules = [box.lines for box in drawing.boxes if box.kind == "module"]
    second = next(lines for lines in modules if lines[0] == "net.blocks.1")
    assert second[1].endswith(" ops, as net.blocks.0") and second[2:] == ["2,224 parameters", "[2, 8, 16]"]
    assert len(drawing.boxes) < 50
    assert any(lines[0].startswith("net.blocks.0.norm1") for lines in texts(drawing))


def test_a_deep_net_is_folded_to_what_one_can_read():
    part = [nn.Sequential(nn.Linear(8, n), nn.Tanh(), nn.Linear(n, 8)) for n in [8, 9, 10] * 13 + [8]]
    model = nn.Sequential(*part)
    out = model(tg.ones(2, 8)).sum()
    drawing = tg.draw(out)
    assert len(drawing.boxes) <= 48
    names = [box.lines[0] for box in drawing.boxes]
    assert names.count("linear") == 2 and "model.39" in names       # those of the first


def test_a_module_that_runs_in_turns_makes_no_circle():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    both = nn.ModuleDict({"a": nn.Sequential(first, nn.Tanh()), "b": nn.Sequential(second, nn.Tanh())})
    h = tg.ones(2, 4)
    for _ in range(8):
        h = both["b"](both["a"](h))
    drawing = tg.draw(h.sum(), both)
    assert len(drawing.boxes) < 4 * 8 + 6
    below = {i: [] for i in range(len(drawing.boxes))}
    for a, b in drawing.edges:
        below[a].append(b)
    done = []

    def visit(i, path):
        assert i not in path
        if i not in done:
            for j in below[i]:
                visit(j, (*path, i))
            done.append(i)

    for i in below:
        visit(i, ())


def test_dot_and_mermaid_name_every_box_and_edge(tmp_path):
    model, loss = xor_loss()
    drawing = tg.draw(loss)
    assert drawing.dot().count("->") == drawing.mermaid().count("-->") == len(drawing.edges)
    assert 'n0 [label="model.0.weight\\n[4, 2]"' in drawing.dot()
    for name in ("a.svg", "a.dot", "a.mmd"):
        drawing.save(tmp_path / name)
    assert (tmp_path / "a.svg").read_text() == drawing._repr_svg_()
    with pytest.raises(ValueError, match="no format"):
        drawing.save(tmp_path / "a.png")


def test_names_that_mean_something_to_svg_are_escaped():
    w = tg.ones(2, requires_grad=True)
    drawing = tg.draw((w * 2).sum())
    drawing.boxes[0].lines[0] = 'a<b> & "c"'
    assert 'a<b> & "c"' in [t.text for t in ElementTree.fromstring(drawing.svg()).iter(SVG + "text")]
    assert "#quot;c#quot;" in drawing.mermaid() and '\\"c\\"' in drawing.dot()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        tg.draw(tg.ones(1))
    with pytest.raises(TypeError, match="must be Tensor"):
        tg.draw([1.0])


def test_neighbours_in_a_layer_keep_apart_and_edges_cross_little():
    sizes = [(40.0, 20.0)] * 6
    places, routes, (width, height) = lay_out(sizes, [(0, 3), (1, 4), (2, 5), (0, 4)])
    for i, p in enumerate(places):
        for q in places[:i]:
            assert p.layer != q.layer or abs(p.x - q.x) >= 40
    order = [sorted(each, key=lambda i: places[i].x) for each in ([0, 1, 2], [3, 4, 5])]
    assert [i + 3 for i in order[0]] == order[1]
    assert width >= 120 and height > 40
    long = lay_out([(10.0, 10.0)] * 3, [(0, 1), (1, 2), (0, 2)])[1]
    assert [len(route) for route in long] == [2, 2, 3]
