"""`python -m tensorgrad bench`: rows are compared before they are timed, and told as text, JSON and page."""

import argparse
import json
import os
import re
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import __main__ as command
from tensorgrad.bench import commands
from tensorgrad.bench.racing import OURS, Ratio, Result, Row, arrays_of, difference, ratio_of, timed_in_turns
from tensorgrad.bench.reports import Report


def unequal(lib):
    """Work that the two paths do not agree on."""
    value = 1.0 if tg.get_backend() == "kernels" else 2.0
    return lambda: lib.tensor(value)


def refused(lib):
    return lambda: lib.ones(2) @ lib.ones(3)


def ended(lib):
    os._exit(7)


def equal(value, lib):
    return lambda: lib.tensor(value)


NAMES = ["sigmoid of 4", "sigmoid of 4, back"]
FINE = Row("Odd", "fine", partial(equal, 3.0))


def options(*args):
    return command.bench_options(argparse.ArgumentParser()).parse_args(["--quick", *args])


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Two rows, forward and back, by the command: what it printed and its two files."""
    folder = tmp_path_factory.mktemp("bench")
    line = [sys.executable, "-m", "tensorgrad", "bench", "--quick", "--only", "SIGMOID of 4", "--rounds", "2"]
    files = ["--json", str(folder / "it.json"), "--html", str(folder / "it.html")]
    run = subprocess.run([*line, *files], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout, json.loads((folder / "it.json").read_text()), (folder / "it.html").read_text("utf-8")


def test_table_has_rows_ratios_and_means_in_80_columns(quick):
    lines = quick[0].splitlines()
    assert max(map(len, lines)) <= 80
    assert [line[:22].strip() for line in lines if "sigmoid" in line] == NAMES
    assert lines[0].startswith(f"tensorgrad {tg.__version__} ") and "2 rounds" in " ".join(lines[:2])
    assert lines[-1].startswith("geometric mean ")


def test_json_has_facts_rows_and_means(quick):
    told = quick[1]
    assert told["tensorgrad"] == tg.__version__ and told["numpy"] == np.__version__
    assert told["threads"] == 1 and told["rounds"] == 2 and told["date"].endswith("+00:00")
    assert [row["name"] for row in told["rows"]] == NAMES
    for row in told["rows"]:
        assert row["group"] == "What a call costs" and row["error"] is None
        assert 0 < row["seconds"]["kernels"] < 1 and set(row["seconds"]) == {"kernels", *row["ratios"]}
        assert all(0 < each["low"] <= each["median"] <= each["high"] for each in row["ratios"].values())
    medians = [row["ratios"]["numpy"]["median"] for row in told["rows"]]
    assert told["means"]["numpy"] == pytest.approx(np.sqrt(np.prod(medians)))
    assert told["means"]["numpy"] > 1, "the kernels are behind the NumPy path in what a call costs"
    assert (told["torch"] is None) == ("torch" not in told["means"])


class Page(HTMLParser):
    """Tags that are open, what headings and labels say, and the references of ids."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.ids, self.wanted = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.seen.append((tag, attrs))
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.wanted += [attrs[key] for key in ("aria-labelledby", "aria-describedby") if key in attrs]
        self.wanted += [attrs["href"].removeprefix("#")] if tag == "a" else []
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_whole_and_says_what_its_bars_show(quick):
    page = Page()
    page.feed(quick[2])
    assert not page.open and len(set(page.ids)) == len(page.ids) and set(page.wanted) <= set(page.ids)
    figures = [attrs for tag, attrs in page.seen if tag == "svg"]
    assert [attrs["role"] for attrs in figures] == ["img"]
    ratio = quick[1]["rows"][0]["ratios"]["numpy"]["median"]
    said = re.search(r"sigmoid of 4: NumPy path ([\d.]+)[,;]", figures[0]["aria-label"])
    assert float(said[1]) == pytest.approx(ratio, rel=0.01)  # three digits of it
    bars = [attrs for tag, attrs in page.seen if tag == "rect"]
    assert len(bars) == sum(len(row["ratios"]) for row in quick[1]["rows"])
    assert "http" not in quick[2], "the page needs nothing else"


def test_bars_start_at_1_and_go_left_where_the_kernels_are_behind():
    report = Report({OURS: "1", "numpy": "1"}, 1, 3)
    for name, ratio in (("ahead", Ratio(4.0, 3.0, 5.0)), ("behind <&", Ratio(0.5, 0.4, 0.6))):
        seconds = {OURS: 1e-6, "numpy": 1e-6 * ratio.median}
        report.add(Result(Row("Group", name, refused), seconds, {"numpy": ratio}))
    page = Page()
    page.feed(report.page())
    assert not page.open
    axis = next(float(a["x1"]) for tag, a in page.seen if tag == "line" and a["class"] == "axis")
    ahead, behind = (a for tag, a in page.seen if tag == "rect")
    assert float(ahead["x"]) == pytest.approx(axis)
    assert float(behind["x"]) + float(behind["width"]) == pytest.approx(axis, abs=0.11)
    assert float(ahead["width"]) == pytest.approx(2 * float(behind["width"]), abs=0.2)  # log 4, log 1/2
    assert report.mean("numpy") == pytest.approx(2**0.5)


def test_a_wrong_result_fails_its_row_and_the_others_go_on(tmp_path, capsys):
    rows = [Row("Odd", "unequal", unequal), Row("Odd", "refused", refused), FINE]
    path = tmp_path / "it.json"
    assert commands.command(rows, options("--json", str(path)), ("numpy",)) == 1
    told = json.loads(path.read_text())["rows"]
    assert told[0]["error"] == "kernels and numpy differ: numbers of up to 2 are 1 apart"
    assert not told[0]["seconds"]
    assert told[1]["error"].startswith("kernels: RuntimeError: ")
    assert told[2]["error"] is None and told[2]["seconds"]["numpy"] > 0
    out = capsys.readouterr().out
    assert "FAILED kernels and numpy differ" in out and out.endswith("2 rows failed\n")


def test_a_quick_run_of_all_rows_fails_where_the_kernels_have_no_lead(capsys, monkeypatch):
    monkeypatch.setattr(commands, "LEAD", 1e6)
    assert commands.command([FINE], options(), ("numpy",)) == 1
    assert "lost their lead" in capsys.readouterr().err


def test_a_side_that_dies_is_named_and_no_file_is_written(tmp_path):
    path = tmp_path / "it.json"
    with pytest.raises(RuntimeError, match="process of kernels ended with code 7"):
        commands.command([Row("Odd", "ended", ended)], options("--json", str(path)), ("numpy",))
    assert not path.exists()


def test_environment_is_as_it_was():
    before = dict(os.environ)
    assert commands.command([FINE], options("--only", "fine"), ("numpy",)) == 0
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--rounds", "0"], "'0' is not a whole number of at least 1"),
        (["--threads", "many"], "'many' is not a whole number of at least 1"),
        (["--json", "nowhere/it.json"], "the folder 'nowhere' does not exist"),
        (["--slow"], "--slow"),
    ],
)
def test_wrong_usage_is_said_before_anything_runs(args, said, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["bench", *args])
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_help_spells_names_as_they_are(capsys):
    with pytest.raises(SystemExit):
        command.main(["bench", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Time calls and training steps: kernels, NumPy path and, where it is installed, PyTorch." in said


def test_a_pattern_that_no_row_has_is_an_error_that_lists_the_groups(capsys):
    assert command.main(["bench", "--only", "quantum"]) == 1
    said = capsys.readouterr().err
    assert "no row matches 'quantum'" in said and "Training steps" in said


def test_patterns_look_into_group_and_name_in_any_case():
    rows = commands.rows()
    names = [row.name for row in rows]
    assert len(set(names)) == len(names) and max(map(len, names)) <= 36
    assert {row.group for row in commands.matching(rows, "training")} == {"Training steps"}
    assert [row.name for row in commands.matching(rows, "MATMUL 1??X1*")] == ["matmul 128x128"]


def test_difference_is_by_the_largest_number_and_by_what_is_not_finite():
    a = np.array([1.0, 1000.0])
    assert difference([a], [a + 0.5]) is None
    assert difference([a], [a + 2.0]) == "numbers of up to 1e+03 are 2 apart"
    assert difference([a], [a[:1]]) == "shapes are [(2,)] and [(1,)]"
    assert difference([a], [np.array([1.0, np.nan])]) == "other numbers are not finite"
    assert difference([np.zeros(2)], [np.zeros(2)]) is None
    assert difference([a], [a, a]).startswith("shapes are")


def test_results_are_numbers_of_every_tensor_in_them():
    nested = [tg.ones(2, dtype=tg.bfloat16), (tg.tensor(3), [tg.ones(1, requires_grad=True)])]
    assert [each.tolist() for each in arrays_of(nested)] == [[1.0, 1.0], 3.0, [1.0]]


def test_rounds_take_turns_and_give_median_and_range():
    asked = []

    def timer(name, seconds):
        def take(count):
            asked.append((name, count))
            return seconds

        return take

    took = timed_in_turns({"a": timer("a", 0.01), "b": timer("b", 0.5)}, 3, 0.1)
    a, b = ("a", 10), ("b", 1)
    assert asked == [("a", 1), ("b", 1), a, b, b, a, a, b]
    assert took == {"a": [0.01] * 3, "b": [0.5] * 3}
    assert ratio_of([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]) == Ratio(3.0, 2.0, 4.0)
