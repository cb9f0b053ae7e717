"""Pages and pictures in a real browser, headless: what a screen of two widths shows of them."""

import re
import shutil
import subprocess

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.bench.commands import rows
from tensorgrad.bench.racing import OURS, Ratio, Result
from tensorgrad.bench.reports import Report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")

# Says in the title what is wider than the window.
LOOK = """<script>
addEventListener("load", () => {
  const all = document.documentElement;
  document.title = `wide ${all.scrollWidth - all.clientWidth} of ${innerWidth}`;
});
</script>"""


def shown(page, width):
    """The document as the browser has it when it is loaded."""
    run = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom",
         f"--user-data-dir={page.parent / 'profile'}", page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The doctor's page of a network whose first layer sleeps."""
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    nn.init.constant_(net[0].bias, -20.0)
    optimizer = tg.optim.SGD(net.parameters(), lr=0.05)
    with tg.doctor.watch(net, optimizer) as report:
        for _ in range(60):
            x = tg.rand(16, 4)
            loss = nn.functional.mse_loss(net(x), x.sum(1, keepdim=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    path = tmp_path_factory.mktemp("page") / "page.html"
    report.write_html(path)
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text and not re.search(r'(src|href)="(?!#)', text)  # needs nothing from outside
    path.write_text(text.replace("</body>", LOOK + "</body>"), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 500])
def test_the_doctors_page_fits_the_window(page, width):
    dom = shown(page, width)
    assert re.search(rf"<title>wide 0 of {width}</title>", dom), re.findall("<title>.*?</title>", dom)
    assert "dead-relu" in dom and "<svg" in dom and 'role="region"' in dom


def test_a_graph_is_a_picture(tmp_path):
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    picture = tg.draw(net(tg.ones(3, 2)).sum())._repr_svg_()
    path = tmp_path / "graph.html"
    path.write_text(f"<!doctype html><title></title><body>{picture}{LOOK}</body>", encoding="utf-8")
    dom = shown(path, 1280)
    assert all(name in dom for name in ("net.0.weight", "tanh", "linear"))


@pytest.mark.parametrize("width", [1280, 500])
def test_the_benchmarks_page_fits_the_window(tmp_path, width):
    report = Report({OURS: "1", "numpy": "1", "torch": "1"}, 1, 3)
    for row in rows():
        seconds = dict.fromkeys((OURS, "numpy", "torch"), 1.0)
        report.add(Result(row, seconds, {"numpy": Ratio(123.4, 99.9, 456.7), "torch": Ratio(0.5, 0.25, 4.0)}))
    path = tmp_path / "page.html"
    path.write_text(report.page().replace("</body>", LOOK + "</body>"), encoding="utf-8")
    dom = shown(path, width)
    assert re.search(rf"<title>wide 0 of {width}</title>", dom), re.findall("<title>.*?</title>", dom)
    assert dom.count("<rect") == 2 * len(rows())
