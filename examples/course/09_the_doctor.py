# %% [markdown]
# # 9. How to read the doctor's report
#
# A network that does not learn seldom gives an error. It prints a loss, and the loss is bad. The doctor
# runs the script as it is, listens, and says what it saw. This chapter runs a script with two faults, reads
# the report, mends the first finding, and looks again.
#
# ## The patient

# %%
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F
from tensorgrad.demo import plots

plt = plots.pyplot()

TRAIN = """\
import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F

tg.manual_seed(0)
images, labels = tg.datasets.digits()
pixels = images.reshape(-1, 64).float()

model = nn.Sequential(
    nn.Linear(64, 64), nn.ReLU(),
    nn.Linear(64, 10), nn.Softmax(dim=1),
)
optimizer = tg.optim.SGD(model.parameters(), lr=0.05)
for step in range(300):
    rows = tg.randint(0, 1500, (64,))
    loss = F.cross_entropy(model(pixels[rows]), labels[rows])
    loss.backward()
    optimizer.step()
right = (model(pixels[1500:]).argmax(1) == labels[1500:]).float().mean()
print(f"loss {loss.item():.3f}, right {right.item():.1%}")
"""


def terminal(program, *command, **environment):
    """What a terminal shows for `python ... train.py`, with the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve()
        (folder / "train.py").write_text(program)
        line = [sys.executable, *command, "train.py"]
        done = subprocess.run(
            line, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
        )
        return (done.stdout + done.stderr).replace(f"{folder}{os.sep}", ""), done.returncode


DOCTOR = "-m", "tensorgrad", "doctor"
report, status = terminal(TRAIN, *DOCTOR)
print("$ python -m tensorgrad doctor train.py")
print(report)
print("exit status", status)
assert status == 3 and "missing-zero-grad" in report and "softmax-before-cross-entropy" in report

# %% [markdown]
# ## Reading it
#
# The first line is what the script itself printed: it ended without an error and reads far too few digits.
#
# **The table** has a row for each layer with weights:
#
# | column | what it says | sound |
# |---|---|---|
# | mean, spread | of what comes out of the layer | spread near 1, alike in all layers; here 10 and more |
# | rank | how many different directions the outputs take | much more than 1 |
# | asleep | ReLU units that no input wakes | under a third |
# | gradient | its norm | alike from layer to layer |
# | signal/noise | mean gradient against its variation over steps | falls towards 0 as training ends |
# | step/weight | how far a step moves the weights, in parts of their size | 0.001 to 0.02; here more |
#
# **The findings** come with severity, code and place: the line of *your* script. Then what was seen, why
# that stops learning, and what to do. `ERROR` and `WARNING` are alarms. `INFO` is a remark, often a
# consequence of another finding. All codes and their thresholds are in [doctor.md](../doctor.md). The exit
# status is 3 when there is an error, so that a script can tell.
#
# ## Mend one thing at a time
#
# The first finding first: the gradients are never cleared, so that each step goes along the sum of all
# gradients so far. One line mends it.

# %%
CLEARED = TRAIN.replace("    loss.backward()", "    optimizer.zero_grad()\n    loss.backward()")
report, status = terminal(CLEARED, *DOCTOR)
print(report)
assert status == 3 and "missing-zero-grad" not in report and "softmax-before-cross-entropy" in report

# %% [markdown]
# Far better, the steps are of a sensible size, and one finding is left. `cross_entropy` takes the softmax
# itself. On top of a softmax the largest it can tell apart are scores of 0 and 1, so the loss cannot fall
# below `ln(1 + 9 / e) = 1.46`. Somebody who saw three digits of four read right might have been content.

# %%
SOUND = CLEARED.replace(", nn.Softmax(dim=1)", "")
report, status = terminal(SOUND, *DOCTOR)
print(report)
assert status == 0 and "No findings." in report

# %% [markdown]
# ## In a notebook: `watch`
#
# `tg.doctor.watch` does the same around a loop. Here a deep network of sigmoids ([chapter
# 5](05_vanishing_and_exploding.md)), and the same with ReLU and fitting first weights. `report.rows()` are
# the rows of the table.

# %%
images, labels = tg.datasets.digits()
pixels = images.reshape(-1, 64).float() / 16
pixels = (pixels - pixels.mean()) / pixels.std()


def watched(activation, steps=200):
    tg.manual_seed(0)
    widths = [64] + [48] * 8 + [10]
    model = nn.Sequential()
    for number, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        layer = nn.Linear(inputs, outputs)
        if activation is nn.ReLU:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        model.add_module(f"layer{number + 1}", layer)
        model.add_module(f"activation{number + 1}", activation() if number < 8 else nn.Identity())
    optimizer = tg.optim.SGD(model.parameters(), lr=0.02)
    with tg.doctor.watch(model, optimizer) as report:
        for _ in range(steps):
            rows = tg.randint(0, 1500, (64,))
            loss = F.cross_entropy(model(pixels[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return report, loss.item()


reports = {}
for activation in nn.Sigmoid, nn.ReLU:
    report, loss = watched(activation)
    reports[activation.__name__] = report
    print(f"{activation.__name__:<8} loss {loss:.2f}   findings: {[f.code for f in report.findings]}")

first = reports["Sigmoid"].findings[0]
print("\nsaw:  ", first.message)
print("why:  ", first.why)
print("to do:", first.remedy)
assert first.code == "vanishing-gradient"
assert "vanishing-gradient" not in [f.code for f in reports["ReLU"].findings]

# %% alt="Gradient by layer from both reports: with sigmoids it vanishes, with ReLU it stays level"
if plt:
    figure, ax = plt.subplots(figsize=(8, 3.5))
    for name, report in reports.items():
        rows = report.rows()
        ax.semilogy([row["layer"] for row in rows], [row["gradient"] for row in rows], "o-", label=name)
    ax.set(xlabel="layer", ylabel="norm of the gradient")
    ax.legend()
    plt.show()

# %% [markdown]
# ## A run that gives nan
#
# A loss that is `nan` tells nothing about where it began: one operation made it, and every other handed it
# on. `trap_nan` stops at the first. Switched on from outside, `TENSORGRAD_TRAP_NAN=1 python train.py`, it
# needs no change to the script; inside it is `with tg.autograd.trap_nan():`.

# %%
NAN = """\
import tensorgrad as tg
import tensorgrad.nn as nn

tg.manual_seed(0)
x = tg.randn(200, 4) * 30
y = (x.sum(1) > 0).float()
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
for step in range(200):
    p = tg.sigmoid(model(x)[:, 0])
    loss = -(y * tg.log(p) + (1 - y) * tg.log(1 - p)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.4f}")
"""

print("$ python train.py")
print(terminal(NAN)[0])
print("$ TENSORGRAD_TRAP_NAN=1 python train.py")
error, status = terminal(NAN, TENSORGRAD_TRAP_NAN="1")
error = error[error.index("tensorgrad.autograd.NonFiniteError") :]
print("\n".join(textwrap.fill(line, 100, subsequent_indent="    ") for line in error.splitlines()))
assert status == 1 and "log(1 - p)" in error and "from 0 to 1, all finite" in error

# %% [markdown]
# Read it from the top: the operation is `log`, what went in was finite and went down to 0, and `log(0)` is
# minus infinity. The last two lines say where. The sigmoid of a score above 17 rounds to exactly 1 in
# single precision, so `1 - p` is 0. And `0 * -inf` is `nan`.
#
# The mend is not a smaller rate but the formula: `binary_cross_entropy_with_logits` takes the score itself,
# and never forms the `log` of a rounded number.

# %%
i, j = NAN.index("    p ="), NAN.index("    optimizer.zero_grad")
fused = "    loss = nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y)\n"
MENDED = NAN[:i] + fused + NAN[j:]
shown, status = terminal(MENDED, TENSORGRAD_TRAP_NAN="1")
print(shown)
assert status == 0 and float(shown.split()[1]) < 0.1

# %% [markdown]
# ## What to do
#
# - Run the doctor before you tune anything. Tuning a rate around a fault finds the rate that hides it best.
# - Mend the topmost error, and run it again: findings below it may have been its consequences.
# - `--html report.html` writes a page with the loss, charts by layer, the graph and the marked source;
#   `--json` is for programs, `report.ok` for a test.
# - "No findings" says that nothing known is wrong with the *mechanics*. Whether the network is large
#   enough, and the data say what you think, only the validation tells ([chapter 8](08_training_loop.md)).
# - For one `nan`, use the trap; when the loss is finite and bad, the doctor.
