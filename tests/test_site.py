"""The site holds every public name, and no link of README, docs or the site leads nowhere."""

from __future__ import annotations

import json
import re
import zlib
from importlib import import_module
from types import ModuleType

import pytest
from sitemaking import figures, names, pages, reference, text

import tensorgrad as tg

WRITTEN = sorted({
    pages.ROOT / "README.md", *pages.PAGES.values(), *(pages.ROOT / "docs").rglob("*.md"),
    *(pages.ROOT / "src").rglob("README.md"),
})  # fmt: skip


@pytest.fixture(scope="module")
def entries():
    return names.entries()


def test_every_public_name_has_an_entry(entries):
    told = {address for entry in entries for address in entry.addresses}
    public = {f"{module}.{name}" for module in names.MODULES for name in names.public_names(module)}
    assert told == public and len(public) > 2200
    few = {"tensorgrad.relu_", "tensorgrad.nn.Linear", "tensorgrad.Tensor.grad", "tensorgrad.float32"}
    assert few <= told
    made, listed = reference.pages()
    for entry in entries:
        name = re.escape(entry.names[0])
        directive = re.compile(rf"^(?:\.\. py:\w+::|  +) ?(?:Tensor\.)?{name}(?:\(|$)", re.MULTILINE)
        own = reference.file_of(entry.module)
        assert any(directive.search(made[p]) for p in made if p == own or entry.module == "tensorgrad"), name
    assert all(page.removeprefix("reference/") in listed for page in made)


def test_no_public_module_is_left_out(entries):
    told = {id(names.value_of(entry.module, name)) for entry in entries for name in entry.names}
    for module in names.modules_of_the_package():
        place = import_module(module)
        for name in place.__all__:
            value = getattr(place, name)
            known = isinstance(value, ModuleType) or id(value) in told
            assert known or not names.stands_for_itself(value), f"{module}.{name}"
    shown = {value.__name__ for name in dir(tg) if isinstance(value := getattr(tg, name), ModuleType)}
    inner = {f"tensorgrad.{name}" for name in ("bench", "core", "demo", "ops", "utils", "version")}
    assert shown - inner <= set(names.MODULES)


def test_every_entry_says_something(entries):
    silent = [entry.address for entry in entries if entry.home is None and not reference.doc_of(entry.value)]
    assert silent == []
    made = "".join(reference.pages()[0].values())
    assert str(pages.ROOT) not in made and not re.search(r" at 0x|<(module|function|attribute) ", made)


def test_what_stands_at_several_addresses_is_told_of_once(entries):
    homes = [entry for entry in entries if entry.home is None and names.stands_for_itself(entry.value)]
    assert len({id(entry.value) for entry in homes}) == len(homes)
    by_address = {entry.address: entry for entry in entries}
    relu = by_address["tensorgrad.relu"]
    assert relu.names == ["relu", "relu_"] and "tensorgrad.nn.functional.relu" in relu.also
    assert by_address["tensorgrad.nn.functional.relu"].home == "tensorgrad.relu"


@pytest.mark.parametrize(
    "docstring, expected",
    [
        ("It is.\n>>> 1\n1\n>>> 2\n2", "It is.\n\n>>> 1\n1\n>>> 2\n2"),
        ("Of (N, *), of relu_ and a|b.", r"Of (N, \*), of relu\_ and a\|b."),
        ("**Not `b`**, 2**3 and 2**4.", r"Not `b`, 2\*\*3 and 2\*\*4."),
        ("`name`, `a + b`, ``*x``, :math:`x_i`.", "`name`, ``a + b``, ``*x``, :math:`x_i`."),
        ("Args:\n    a: one\n        more.\n    b, c: two.", "``a``\n    one more.\n``b``, ``c``\n    two."),
    ],
    ids=["example", "prose", "bold", "backticks", "arguments"],
)
def test_docstrings_become_restructured_text(docstring, expected):
    assert text.rst(docstring) == expected


def test_a_signature_shows_kinds_and_defaults():
    def call(a: int, *rest, key: str = "x", other=None, **more) -> bool: ...

    assert text.signature(call) == "(a: int, *rest, key: str = 'x', other=None, **more) -> bool"


@pytest.mark.parametrize("source", WRITTEN, ids=[str(p.relative_to(pages.ROOT)) for p in WRITTEN])
def test_links_lead_somewhere(source):
    assert [fault for link in pages.links(source) if (fault := pages.fault(link))] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A title\n[a](#a-title) [b](#b) [c](no.md) `[d](no.md)` [e][e] [f](https://example.org)\n\n"
        f"[e]: {pages.REPOSITORY}/blob/main/NO.md\n```\n[g](no.md)\n```\n"
    )
    faults = [fault.partition(":")[0] for link in pages.links(page) if (fault := pages.fault(link))]
    assert faults == ["#b", "no.md", "https"]


def test_links_of_pages_lead_to_pages():
    made = {}
    home = pages.ROOT / "docs/guide/performance.md"
    for to, expected in [
        ("../../src/tensorgrad/core/README.md#what-was-measured", "../core.md#what-was-measured"),
        ("../benchmarks.md", "../benchmarks.md"),
        ("../../setup.py", f"{pages.REPOSITORY}/blob/main/setup.py"),
        ("../../examples", f"{pages.REPOSITORY}/tree/main/examples"),
        ("#threads", "#threads"),
    ]:
        assert pages.on_the_site(to, home, "guide/performance", made) == expected
    assert made == {}


def test_figures_become_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FILE", tmp_path / "benchmarks.json")
    ratios = {"numpy": {"median": 2.5, "low": 1.0, "high": 123.4}}
    row = {"group": figures.TRAINING, "name": "a step", "seconds": {"kernels": 1.5e-5}}
    failed = {"group": "Others", "name": "a call", "seconds": {}, "ratios": {}, "error": "it failed"}
    facts = {"date": "2026-01-02T03:04:05", "machine": "m", "level": "v3", "threads": 1, "rounds": 9}
    rows = [{**row, "ratios": ratios, "error": None}, failed]
    found = {**facts, "torch": None, "rows": rows, "means": {"numpy": 2.5}}
    figures.FILE.write_text(json.dumps(found), encoding="utf-8")
    head = "| Training steps | µs | NumPy path |\n| --- | --: | --: |\n"
    assert figures.training_steps().startswith(f"{head}| a step | 15.0 | 2.50 (1.00-123) |\n")
    assert "2026-01-02" in figures.all_tables() and "## Others" in figures.all_tables()
    assert "a call" not in figures.all_tables()


def test_the_readme_has_the_measured_training_steps():
    readme = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    assert figures.table(figures.read(), figures.TRAINING) in readme


@pytest.mark.parametrize("name", pages.GUIDE)
def test_a_page_of_the_guide_is_short(name):
    lines = pages.PAGES[f"guide/{name}"].read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120 and max(map(len, lines)) <= 180


def test_the_site_builds_without_a_warning_and_lists_every_name(site, entries):
    data = (site / "objects.inv").read_bytes()
    listed = zlib.decompress(data.split(b"\n", 4)[4]).decode()
    found = {line.split(" ")[0] for line in listed.splitlines() if " py:" in line}
    assert {address for entry in entries for address in entry.addresses} <= found
    for page in pages.PAGES:
        assert (site / f"{page}.html").exists()
