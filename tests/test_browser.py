"""Pages and pictures in a real browser, headless: what a screen of two widths shows of them."""

import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, quote, urlsplit

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


# A page in two frames, wide and narrow (windows have a least width), of which the title tells.
FRAMES = """<!doctype html><title>loading</title><body>
<iframe style="border:0;width:1280px;height:900px" src="%(page)s"></iframe>
<iframe style="border:0;width:400px;height:900px" src="%(page)s"></iframe>
<script>
const frames = Array.from(document.querySelectorAll("iframe"));
const every = (frame, what) => Array.from(frame.contentDocument.querySelectorAll(what));
function look() {
  const hits = frames.map(frame => every(frame, "#search-results li a"));
  if (hits.some(found => found.length < %(hits)s)) return setTimeout(look, 100);
  document.title = frames.map((frame, i) => {
    const page = frame.contentDocument.documentElement;
    const broken = every(frame, "img").filter(image => image.complete && !image.naturalWidth).length;
    const first = hits[i].slice(0, 1).map(link => link.textContent);
    return [frame.clientWidth, page.scrollWidth - page.clientWidth, broken, ...first].join(" ");
  }).join(", ");
}
addEventListener("load", () => setTimeout(look, 300));
</script>"""
# One that is too wide, whose picture is not there and whose script fails.
FAULTY = '<!doctype html><div style="width:3000px">wide</div><img src="none.png"><script>none()</script>'


class Shelf(SimpleHTTPRequestHandler):
    """Serves the site, a faulty page, and the frames in which a page is looked at."""

    def do_GET(self):
        asked = urlsplit(self.path)
        text = {"/frames": FRAMES, "/faulty": FAULTY}.get(asked.path)
        if text is None:
            return super().do_GET()
        given = {name: value for name, (value,) in parse_qs(asked.query).items()}
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((text % given if given else text).encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served while tests look at it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Shelf, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def looked_at(address, page, folder, hits=0):
    """Of each width by how much the page is wider, its broken pictures and first hit; and all complaints."""
    run = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1800,950", "--dump-dom",
         "--virtual-time-budget=20000", "--enable-logging=stderr", "--log-level=0",
         f"--user-data-dir={folder / 'profile'}", f"{address}/frames?hits={hits}&page=/{quote(page)}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    title = re.search("<title>(.*?)</title>", run.stdout)[1]
    return title, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize(
    "page",
    ["index.html", "reference/nn.html", "reference/index.html", "course/07_momentum_and_adam.html",
     "guide/tensors.html", "kernels.html"],
)  # fmt: skip
def test_a_page_of_the_site_fits_the_window_and_nothing_in_it_fails(address, page, tmp_path):
    assert looked_at(address, page, tmp_path) == ("1280 0 0, 400 0 0", [])


def test_the_search_finds_a_name(address, tmp_path):
    found = "tensorgrad.nn.functional.cross_entropy"
    seen = looked_at(address, "search.html?q=cross_entropy", tmp_path, hits=3)
    assert seen == (f"1280 0 0 {found}, 400 0 0 {found}", [])


def test_a_faulty_page_would_be_noticed(address, tmp_path):
    title, complaints = looked_at(address, "faulty", tmp_path)
    assert re.fullmatch(r"1280 1\d\d\d 1, 400 2\d\d\d 1", title)
    assert any("none is not defined" in line for line in complaints)


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
