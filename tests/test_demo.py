"""`python -m tensorgrad`: the demos keep their promises, and what goes wrong is said in one sentence."""

import hashlib
import io
import os
import re
import subprocess
import sys
import time
from importlib import metadata, resources

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import __main__ as command
from tensorgrad.demo import digits, xor
from tensorgrad.demo.progress import Progress


def run(*args, cwd=None, **env):
    line = [sys.executable, "-m", "tensorgrad", *map(str, args)]
    return subprocess.run(line, capture_output=True, text=True, cwd=cwd, timeout=120, env=os.environ | env)


# The data


def test_digits_are_the_1797_images_of_the_file():
    images, labels = tg.datasets.digits()
    assert images.shape == (1797, 8, 8) and images.dtype == tg.uint8
    assert labels.shape == (1797,) and labels.dtype == tg.int64
    pixels = images.numpy()
    assert pixels.min() == 0 and pixels.max() == 16
    assert np.bincount(labels.numpy()).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # first line of optdigits.tes
    assert pixels[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0] and labels[:10].tolist() == list(range(10))
    stored = hashlib.sha256(pixels.tobytes() + labels.numpy().astype(np.uint8).tobytes()).hexdigest()
    assert stored == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_digits_are_fresh_each_time():
    images, _ = tg.datasets.digits()
    images.numpy()[:] = 0
    assert int(tg.datasets.digits()[0].max()) == 16


def test_authors_and_terms_of_the_digits_come_with_the_package():
    note = resources.files("tensorgrad.datasets").joinpath("README.md").read_text(encoding="utf-8")
    for text in [note, tg.datasets.digits.__doc__]:
        text = " ".join(text.split())
        assert "Alpaydin" in text and "Kaynak" in text and "Optical Recognition of Handwritten Digits" in text
        assert "10.24432/C50P49" in text and "CC BY 4.0" in text


# demo digits


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    begin = time.perf_counter()
    done = run("demo", "digits", cwd=folder)
    return folder, done, time.perf_counter() - begin


def test_demo_digits_reads_97_percent_within_ten_seconds(digits_run):
    _, done, seconds = digits_run
    assert (done.returncode, done.stderr) == (0, "")
    percent = float(re.search(r"drawn at random: ([\d.]+) %", done.stdout)[1])
    assert percent >= 97
    assert seconds < 10


def test_demo_digits_tells_the_harder_score_and_why(digits_run):
    out = digits_run[1].stdout
    random = float(re.search(r"drawn at random: ([\d.]+) %", out)[1])
    last = float(re.search(r"last 359 rows: ([\d.]+) %", out)[1])
    assert 85 < last < random - 3
    assert "writer by writer" in out


def test_demo_digits_shows_progress_without_a_terminal(digits_run):
    bar = r"^  epoch +\d+/40 \[[#.]{30}\] loss \d\.\d{4}  accuracy [ \d.]{5} %$"
    assert len(re.findall(bar, digits_run[1].stdout, re.M)) == 20  # ten for each of the two trainings


def test_saved_digits_score_the_same_by_the_command_that_the_demo_prints(digits_run):
    folder, done, _ = digits_run
    printed = done.stdout.rstrip().splitlines()[-1].split()
    assert printed[:3] == ["python", "-m", "tensorgrad"]
    again = run(*printed[3:], cwd=folder)
    assert (again.returncode, again.stderr) == (0, "")
    percent = re.search(r"at random: ([\d.]+ % \(\d+ of 359\))", done.stdout)[1]
    assert percent in again.stdout


def test_test_rows_are_the_agreed_ones_and_not_trained_on():
    learn, test = digits.random_split(1797)
    assert test.tolist() == np.random.default_rng(0).permutation(1797)[:359].tolist()
    assert sorted([*learn, *test]) == list(range(1797))


def test_the_same_seed_gives_the_same_network():
    x, y = digits.pixels_and_labels()
    one, two, other = (digits.train(x[:200], y[:200], 2, seed, quiet=True) for seed in (1, 1, 2))
    assert (one[0].weight == two[0].weight).all()
    assert not (one[0].weight == other[0].weight).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_97_percent_is_not_the_luck_of_one_seed(seed):
    x, y = digits.pixels_and_labels()
    learn, test = digits.random_split(len(x))
    model = digits.train(x[learn], y[learn], 40, seed, quiet=True)
    assert float((digits.read(model, x[test]) == y[test]).to(tg.float32).mean()) >= 0.97


# demo xor, info


def test_demo_xor_prints_every_prediction():
    done = run("demo", "xor")
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(r"^  ([01])  ([01]) +([\d.]+) +([01])$", done.stdout, re.M)
    assert len(rows) == 4
    for a, b, prediction, wanted in rows:
        assert int(wanted) == int(a) ^ int(b)
        assert abs(float(prediction) - int(wanted)) < 0.05
    assert "XOR is learned" in done.stdout


def test_demo_xor_admits_a_failure():
    done = run("demo", "xor", "--hidden", 2, "--seed", 0)
    assert done.returncode == 0
    assert "Not learned" in done.stdout


def test_info_tells_versions_level_threads_and_backend():
    done = run("info")
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["tensorgrad"] == tg.__version__
    assert told["numpy"] == np.__version__
    assert told["python"].startswith(".".join(map(str, sys.version_info[:2])))
    assert "compiled" in told["kernels"] and tg._kernels.level() in told["kernels"]
    assert int(told["threads"]) >= 1
    assert re.fullmatch(r"[\d,]+ bytes in tensors, [\d,]+ cached for new ones", told["memory"])


@pytest.mark.parametrize("backend", ["numpy", "kernels"])
def test_info_tells_the_backend_in_use(backend):
    done = run("info", TENSORGRAD_BACKEND=backend)
    assert re.search(rf"^backend +{backend}$", done.stdout, re.M), done.stdout + done.stderr


def test_version_of_the_command_is_that_of_the_package():
    assert run("--version").stdout == f"tensorgrad {tg.__version__}\n"


def test_version_of_the_distribution_is_that_of_the_package():
    try:
        installed = metadata.version("tensorgrad-cpu")
    except metadata.PackageNotFoundError:
        pytest.skip("run from the source tree: there is no distribution to ask")
    assert installed == tg.__version__


# What goes wrong


@pytest.mark.parametrize(
    "args, part",
    [
        ([], "COMMAND"),
        (["demo"], "DEMO"),
        (["demo", "letters"], "letters"),
        (["demo", "digits", "--epochs", "0"], "'0' is not a whole number of at least 1"),
        (["demo", "digits", "--epochs", "many"], "'many' is not a whole number"),
        (["demo", "digits", "--save", "no/such/folder/model"], "the folder 'no/such/folder' does not exist"),
        (["demo", "digits", "--save", "."], "'.' is a folder"),
        (["demo", "xor", "--hidden", "-3"], "'-3' is not a whole number of at least 1"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(args, part, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(args)
    assert stop.value.code == 2
    assert part in capsys.readouterr().err


def one_sentence(capsys):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tensorgrad: ") and err.count("\n") == 1
    return err


def test_a_missing_model_is_named(capsys):
    assert command.main(["score", "digits", "no_such_file"]) == 1
    assert "no_such_file" in one_sentence(capsys)


def test_a_file_that_is_no_model_is_refused(capsys, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"not a model at all")
    assert command.main(["score", "digits", str(path)]) == 1
    one_sentence(capsys)


def test_the_model_of_another_network_is_refused(capsys, tmp_path):
    path = tmp_path / "model"
    tg.save(xor.network(8).state_dict(), path)
    assert command.main(["score", "digits", str(path)]) == 1
    one_sentence(capsys)


def test_leaving_in_the_middle_is_no_traceback():
    line = f'"{sys.executable}" -m tensorgrad demo xor --steps 20 | head -n 1'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize("words", ["", "demo", "demo digits", "demo xor", "score", "score digits", "info"])
def test_help_of_every_command(words, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main([*words.split(), "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m tensorgrad")


# The progress bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_in_a_terminal_one_line_is_drawn_over():
    screen = Terminal()
    progress = Progress(4, "step", screen)
    for step in range(1, 5):
        progress.show(step, f"loss {step}")
    text = screen.getvalue()
    assert text.count("\r") == 4 and text.count("\n") == 1 and text.endswith("loss 4\n")
    assert "[" + "#" * 15 + "." * 15 + "]" in text


@pytest.mark.parametrize("total, lines", [(1, 1), (3, 3), (10, 10), (40, 10), (2000, 10), (1003, 10)])
def test_in_a_file_at_most_ten_lines_are_written(total, lines):
    page = io.StringIO()
    progress = Progress(total, "step", page)
    for step in range(1, total + 1):
        progress.show(step, "")
    assert page.getvalue().count("\n") == lines
    assert f"step {total}/{total} [{'#' * 30}]" in page.getvalue()
