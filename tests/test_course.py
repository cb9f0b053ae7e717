"""The chapters in examples/course assert what they claim: each runs, with matplotlib or without."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "examples" / "course").glob("*.py"))
PAGES = ROOT / "docs" / "course"
PLOTTED = [script for script in CHAPTERS if "pyplot()" in script.read_text(encoding="utf-8")]
named = pytest.mark.parametrize("script", CHAPTERS, ids=[script.stem for script in CHAPTERS])


def run(script, capsys):
    """What a chapter prints."""
    space = runpy.run_path(str(script), run_name="__main__")
    assert any(line.startswith("assert ") for line in script.read_text(encoding="utf-8").splitlines())
    out, err = capsys.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= 110
    return out, space


@named
def test_chapter_holds_what_it_claims_without_matplotlib(script, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    out, space = run(script, capsys)
    if "plt" in space:
        assert out.count("pip install matplotlib") == 1


@pytest.fixture
def shown(monkeypatch):
    """How many figures were shown, and have a name on every axis."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    plt.switch_backend("agg")
    figures = []

    def show():
        figures.extend(map(plt.figure, plt.get_fignums()))
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    return figures


@pytest.mark.parametrize("script", PLOTTED, ids=[script.stem for script in PLOTTED])
def test_figures_of_the_chapter_can_be_read(script, capsys, shown):
    run(script, capsys)
    assert shown
    for figure in shown:
        assert 780 <= figure.get_figwidth() * figure.dpi <= 800
        assert figure.axes[-1].get_xlabel()
        assert all(ax.get_ylabel() or ax.get_title() for ax in figure.axes)


@named
def test_page_and_notebook_say_what_the_script_says(script):
    page = (PAGES / f"{script.stem}.md").read_text(encoding="utf-8").splitlines()
    notebook = json.loads((PAGES / f"{script.stem}.ipynb").read_text(encoding="utf-8"))
    cells = [line.rstrip("\n") for cell in notebook["cells"] for line in cell["source"]]
    source = script.read_text(encoding="utf-8").splitlines()
    missing = [
        line
        for line in source
        if line.strip("# ") and not line.startswith("# %%")
        for there in (page, cells)
        if line not in there and line.removeprefix("# ") not in there
    ]
    assert not missing, "python tools/course.py"


@named
def test_links_of_the_page_lead_somewhere(script):
    text = "".join((PAGES / f"{script.stem}.md").read_text(encoding="utf-8").split("```")[::2])
    targets = re.findall(r"\]\(([^)#:]+)[^):]*\)", text)
    assert targets
    assert [target for target in targets if not (PAGES / target).exists()] == []


def test_docs_list_every_chapter():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for script in CHAPTERS:
        assert f"(course/{script.stem}.md)" in index
