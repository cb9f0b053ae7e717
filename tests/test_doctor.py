"""The doctor: what it finds in scripts with a fault and not in the mended ones, where, and at what cost."""

import contextlib
import io
import json
import subprocess
import sys
import time

import pytest
from doctor_cases import CASES, FIT, MORE, NET, VALUES

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.doctor import measures, run_script, watch
from tensorgrad.doctor.codes import CODES
from tensorgrad.doctor.listening import Ear

LOUD = ("error", "warning")
DOCTOR = [sys.executable, "-m", "tensorgrad", "doctor"]


def examine(path, text):
    path.write_text(text)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run_script(str(path), [])


def loud(report):
    return [each for each in report.findings if each.severity in LOUD]


def test_every_code_has_a_case():
    assert set(CASES) == set(CODES) - {"script-error"}


@pytest.mark.parametrize(
    "code, text, fault, mended",
    [*((code, *case) for code, case in CASES.items()), *MORE.values()],
    ids=[*CASES, *(name.replace(" ", "-") for name in MORE)],
)
def test_fault_is_found_on_its_line_and_mended_script_is_sound(code, text, fault, mended, tmp_path):
    faulty = text.replace("@", fault)
    report = examine(tmp_path / "faulty.py", faulty)
    found = [each for each in loud(report) if each.code == code]
    assert found and not report.log.troubles
    lines = [number for number, line in enumerate(faulty.split("\n"), start=1) if "# here" in line]
    if lines:
        assert found[0].place is not None and found[0].place.line == lines[0]
    assert not loud(examine(tmp_path / "mended.py", text.replace("@", mended)))


def test_what_fails_in_the_doctor_does_not_fail_in_the_run(monkeypatch):
    model, optimizer = small()

    def broken(self, event):
        raise ZeroDivisionError("in the doctor")

    monkeypatch.setattr(Ear, "hear", broken)
    with watch(model, optimizer) as report:
        train(model, optimizer, 5)
    assert report.log.troubles == ["a look failed with ZeroDivisionError: in the doctor"]
    assert str(report).endswith("The doctor: a look failed with ZeroDivisionError: in the doctor")


def test_the_report_fits_a_terminal():
    model = nn.Sequential()
    model.add_module("a_module_with_a_name_that_is_much_longer_than_needed", small()[0])
    optimizer = tg.optim.Adam(model.parameters(), lr=0.0)
    with watch(model, optimizer) as report:
        train(model, optimizer, 40)
    lines = str(report).split("\n")
    assert report.findings and max(map(len, lines)) <= 80
    assert any(line.startswith("...") and "needed.0 " in line for line in lines)


def test_a_column_that_is_always_zero_is_not_taken_for_the_gradient():
    model, optimizer = small()
    with watch(model, optimizer) as report:
        for _ in range(10):
            x = tg.randn(32, 16)
            x[:, ::2] = 0.0
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    assert all(0 < row["signal"] < 100 for row in report.rows())


def test_the_line_of_a_scheduler_is_not_that_of_the_optimizer():
    model, optimizer = small()
    with watch(model) as report:
        tg.optim.lr_scheduler.StepLR(optimizer, 5)
        train(model, optimizer, 3)
    assert [each.made for each in report.log.optimizers] == [None]


def train(model, optimizer, steps):
    x = tg.randn(32, 16)
    y = tg.randint(0, 4, (32,))
    criterion = nn.CrossEntropyLoss()
    for _ in range(steps):
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()


def small():
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    return model, tg.optim.Adam(model.parameters(), lr=0.005)


def test_watch_names_parameters_and_leaves_nothing_behind():
    from tensorgrad.core import Tensor

    before = Tensor.backward, Tensor.detach, nn.Module.__init__, tg.optim.Optimizer.__init__
    model, _ = small()
    optimizer = tg.optim.SGD(model[0].parameters(), lr=0.1)
    with watch(model, optimizer) as report:
        assert not report.findings
        train(model, optimizer, 12)
    assert [(each.code, each.module) for each in loud(report)] == [("not-in-optimizer", "2.weight")]
    assert before == (Tensor.backward, Tensor.detach, nn.Module.__init__, tg.optim.Optimizer.__init__)
    assert report.rows()[0]["layer"] == "0"


def test_watch_passes_an_error_on_and_refuses_a_second_one():
    model, optimizer = small()
    with pytest.raises(KeyError, match="mine"), watch(model, optimizer) as report:
        with pytest.raises(RuntimeError, match="another run"), watch():
            pass
        raise KeyError("mine")
    assert [each.code for each in report.findings] == ["script-error"]
    with watch():
        pass


def test_watched_steps_give_the_same_numbers():
    results = []
    for watched in (False, True):
        tg.manual_seed(3)
        model, optimizer = small()
        with watch(model, optimizer) if watched else contextlib.nullcontext():
            train(model, optimizer, 30)
        results.append([parameter.tolist() for parameter in model.parameters()])
    assert results[0] == results[1]


def test_command_writes_json_and_page_and_says_by_its_exit_status(tmp_path):
    script, told, page = tmp_path / "train.py", tmp_path / "told.json", tmp_path / "page.html"
    script.write_text("import sys\nassert sys.argv[1:] == ['--epochs', '3']\n" + VALUES + NET
                      + "opt = torch.optim.SGD(net.parameters(), lr=0.0)\n" + FIT)  # fmt: skip
    command = [*DOCTOR, "--json", str(told), "--html", str(page), str(script), "--epochs", "3"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    finding = json.loads(told.read_text())["findings"][0]
    assert {"code", "severity", "module", "file", "line", "message", "evidence", "remedy"} <= set(finding)
    lines = script.read_text().split("\n")
    line = next(number for number, text in enumerate(lines, start=1) if "lr=0.0" in text)
    assert (finding["code"], finding["severity"], finding["line"]) == ("lr-zero", "error", line)
    assert "ERROR lr-zero at train.py" in done.stdout
    text = page.read_text()
    assert "lr-zero" in text and "<svg" in text and f"-{line}" in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "") and ">linear</text>" in text


def test_script_that_fails_shows_its_traceback(tmp_path):
    script = tmp_path / "bad.py"
    script.write_text("def f():\n    return 1 / 0\nf()\n")
    done = subprocess.run([*DOCTOR, str(script)], capture_output=True, text=True)
    assert done.returncode == 3
    assert "line 2, in f" in done.stderr and "ZeroDivisionError" in done.stderr
    assert "script-error at bad.py:2" in done.stdout


def test_a_sound_script_leaves_with_status_0(tmp_path):
    script = tmp_path / "good.py"
    script.write_text(VALUES + NET + "opt = torch.optim.Adam(net.parameters(), lr=0.01)\n" + FIT)
    done = subprocess.run([*DOCTOR, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_run_takes_less_than_twice_as_long():
    model, optimizer = small()
    train(model, optimizer, 200)

    def took(watched):
        began = time.process_time()
        with watch(model, optimizer) if watched else contextlib.nullcontext():
            train(model, optimizer, 60000)  # long enough that what it takes in any case is a part of it
        return time.process_time() - began

    assert any(took(True) < 2 * took(False) for _ in range(3))  # others use the machine too


def test_measures():
    import numpy as np

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(64, 2))
    pairs, alike, expected, _ = measures.neighbours(rows, (rows[:, 0] > 0).astype(int), True)
    assert pairs == 64 and alike > 50 and 28 < expected < 36
    ordered = np.repeat(np.arange(4), 32)
    assert measures.mixing([("class", part) for part in np.split(ordered, 4)]) == 0.0
    assert measures.mixing([("class", part) for part in np.split(rng.permutation(ordered), 4)]) > 0.9
    steady = [np.ones(8) + 0.1 * rng.normal(size=8) for _ in range(50)]
    assert measures.signal_to_noise(steady) > 5
    assert measures.signal_to_noise([rng.normal(size=8) for _ in range(50)]) < 0.5
    assert measures.trend([4.0] * 10 + [1.0] * 30).fell == pytest.approx(0.75)
