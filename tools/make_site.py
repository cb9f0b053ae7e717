"""Makes the site: the guide, the course, the reference of every public name, and how it all works.

    python tools/make_site.py              into build/site/html, and fails on any warning
    python tools/make_site.py --open       and shows it in the browser

Needs the packages of the extra `docs`. Only what changed is made anew.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import webbrowser
from importlib.util import find_spec
from pathlib import Path

from sitemaking import figures, names, pages, reference

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "site"
NEEDED = ("sphinx", "myst_parser", "furo", "latex2mathml", *names.OF_TENSORBOARD)


def gather(source: Path) -> None:
    """Puts all pages together, as sources."""
    made, listed = reference.pages()
    below = {
        "index": f"{figures.training_steps()}\n{pages.contents()}", "reference/index": listed,
        "benchmarks": figures.all_tables(),
    }  # fmt: skip
    pages.write(source, below)
    for name, text in made.items():
        pages.put(source / f"{name}.rst", text)
    wanted = {source / f"{name}.md" for name in pages.PAGES} | {source / f"{name}.rst" for name in made}
    for path in (*source.rglob("*.md"), *source.rglob("*.rst")):
        if path not in wanted:
            path.unlink()  # of a page that is no more
    shutil.copytree(ROOT / "docs" / "static", source / "static", dirs_exist_ok=True)


def build(folder: Path) -> Path:
    """Makes the site in a folder, and gives that of its pages."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise SystemExit(f"{', '.join(missing)}: missing; pip install 'tensorgrad-cpu[docs]' brings all")
    from sphinx.cmd.build import build_main

    source, html = folder / "source", folder / "html"
    gather(source)
    arguments = ["-q", "-W", "--keep-going", "-c", ROOT / "docs", "-d", folder / "trees", source, html]
    if build_main([str(argument) for argument in arguments]):
        raise SystemExit("the site has warnings")
    return html


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to make it, instead of build/site")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    args = parser.parse_args()
    html = build(args.folder.resolve())
    print(f"{html / 'index.html'}: {len(list(html.rglob('*.html')))} pages")
    if args.open:
        webbrowser.open((html / "index.html").as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
