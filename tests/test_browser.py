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


# A page in a frame of any width, of which the title tells: windows have a least one.
FRAME = """<!doctype html><title>loading</title><body>
<iframe style="border:0;width:%(width)spx;height:900px" src="%(page)s"></iframe>
<script>
const frame = document.querySelector("iframe");
function look() {
  const inner = frame.contentDocument, all = inner.documentElement;
  const hits = inner.querySelectorAll("#search-results li a");
  if (%(hits)s && hits.length < %(hits)s) return setTimeout(look, 100);
  const links = Array.from(hits, link => link.textContent).slice(0, 3).join(", ");
  const images = Array.from(inner.querySelectorAll("img"));
  const broken = images.filter(image => image.complete && !image.naturalWidth).length;
  const wide = all.scrollWidth - all.clientWidth;
  document.title = `wide ${wide} of ${frame.clientWidth}, broken ${broken}, found ${links}`;
}
frame.addEventListener("load", () => setTimeout(look, 300));
</script>"""


# One that is too wide, whose picture is not there and whose script fails.
FAULTY = '<!doctype html><div style="width:3000px">wide</div><img src="none.png"><script>none()</script>'


class Shelf(SimpleHTTPRequestHandler):
    """Serves the site, a faulty page, and the frame in which a page is looked at."""

    def do_GET(self):
        asked = urlsplit(self.path)
        text = {"/frame": FRAME, "/faulty": FAULTY}.get(asked.path)
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


def looked_at(address, page, width, folder, hits=0):
    """What the title tells of a page, and what its scripts complained of."""
    run = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,950", "--dump-dom",
         "--virtual-time-budget=20000", "--enable-logging=stderr", "--log-level=0",
         f"--user-data-dir={folder / 'profile'}",
         f"{address}/frame?width={width}&hits={hits}&page=/{quote(page)}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    title = re.search("<title>(.*?)</title>", run.stdout)[1]
    return title, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(
    "page",
    ["index.html", "reference/nn.html", "reference/index.html", "course/07_momentum_and_adam.html",
     "guide/tensors.html", "kernels.html"],
)  # fmt: skip
def test_the_site_fits_the_window_and_nothing_in_it_fails(address, page, width, tmp_path):
    title, complaints = looked_at(address, page, width, tmp_path)
    assert title == f"wide 0 of {width}, broken 0, found "
    assert complaints == []


@pytest.mark.parametrize("width", [1280, 400])
def test_the_search_finds_a_name(address, width, tmp_path):
    title, complaints = looked_at(address, "search.html?q=cross_entropy", width, tmp_path, hits=3)
    assert title.startswith(f"wide 0 of {width}, broken 0, found tensorgrad.nn.functional.cross_entropy")
    assert complaints == []


def test_a_faulty_page_would_be_noticed(address, tmp_path):
    title, complaints = looked_at(address, "faulty", 400, tmp_path)
    assert re.match(r"wide 2\d\d\d of 400, broken 1", title)
    assert any("none is not defined" in line for line in complaints)
