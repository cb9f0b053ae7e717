# %% [markdown]
# # 8. A training loop
#
# A loop for real work has more parts than forward, backward, step: batches in random order, a validation
# that says when to stop, and a checkpoint from which an interrupted run goes on *to the same bytes* as if
# nothing had happened.
#
# ## Three sets of data
#
# - **Training** rows are learned from.
# - **Validation** rows are not, but they decide when to stop, and which of several settings is best. So
#   they are no fair judge of the result.
# - **Test** rows are looked at once, at the end.
#
# The digits stand in the order of the people who wrote them. We cut by people, so that validation and test
# are on hands that the network has never seen.

# %%
import copy
import math
import tempfile
from pathlib import Path

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F
from tensorgrad.demo import plots
from tensorgrad.utils.data import DataLoader, TensorDataset

plt = plots.pyplot()

images, labels = tg.datasets.digits()
pixels = images.reshape(-1, 64).float() / 16
PARTS = {"training": slice(0, 300), "validation": slice(300, 1000), "test": slice(1000, None)}
data = {name: TensorDataset(pixels[rows], labels[rows]) for name, rows in PARTS.items()}
print({name: len(part) for name, part in data.items()})

# %% [markdown]
# ## The parts
#
# `Run` holds everything that training changes: the weights, the optimizer's memory, the schedule of the
# rate, the order of the rows, the random numbers, the best weights so far. This list is what a checkpoint
# has to contain; whatever is missing from it makes a resumed run a different run.


# %%
class Run:
    def __init__(self, seed=0):
        tg.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 10))
        self.optimizer = tg.optim.Adam(self.model.parameters(), lr=0.01)
        self.schedule = tg.optim.lr_scheduler.StepLR(self.optimizer, step_size=6, gamma=0.8)
        self.shuffling = tg.Generator().manual_seed(seed)
        self.loader = DataLoader(data["training"], batch_size=32, shuffle=True, generator=self.shuffling)
        self.epoch = 0
        self.best, self.best_epoch, self.best_weights = math.inf, 0, None
        self.history = []

    def train_epoch(self):
        """The mean loss over the training rows, in training mode: dropout is on."""
        self.model.train()
        total = 0.0
        for x, y in self.loader:
            loss = F.cross_entropy(self.model(x), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(y)
        self.schedule.step()
        return total / len(data["training"])

    def evaluate(self, part):
        """Mean loss and share of right answers on a part, in evaluation mode and without a tape."""
        self.model.eval()
        total, right = 0.0, 0
        with tg.no_grad():
            for x, y in DataLoader(data[part], batch_size=200):
                scores = self.model(x)
                total += F.cross_entropy(scores, y, reduction="sum").item()
                right += (scores.argmax(1) == y).sum().item()
        return total / len(data[part]), right / len(data[part])

    def fit(self, epochs, patience=8):
        """Trains until an epoch, or until so many epochs have brought no lower validation loss."""
        while self.epoch < epochs and self.epoch - self.best_epoch < patience:
            self.epoch += 1
            known = self.train_epoch()
            other, right = self.evaluate("validation")
            self.history.append((known, other, right))
            if other < self.best:
                self.best, self.best_epoch = other, self.epoch
                self.best_weights = copy.deepcopy(self.model.state_dict())

    def save(self, path):
        state = {name: getattr(self, name) for name in PLAIN}
        state |= {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "schedule")}
        state |= {"shuffling": self.shuffling.get_state(), "random": tg.get_rng_state()}
        unfinished = Path(path).with_suffix(".unfinished")
        tg.save(state, unfinished)
        unfinished.replace(path)  # all or nothing: a crash while writing leaves the last file whole

    def load(self, path, forget=None):
        """Goes back to where a file was saved; on request without one of its parts."""
        state = tg.load(path)
        for name in PLAIN:
            setattr(self, name, state[name])
        for name in "model", "optimizer", "schedule":
            if name != forget:
                getattr(self, name).load_state_dict(state[name])
        if forget != "shuffling":
            self.shuffling.set_state(state["shuffling"])
        if forget != "random":
            tg.set_rng_state(state["random"])


PLAIN = ["epoch", "best", "best_epoch", "best_weights", "history"]

# %% [markdown]
# Four places where loops go wrong, and the doctor looks for them ([chapter 9](09_the_doctor.md)): `train()`
# and `eval()` are both called, each in its place; validation runs in `no_grad`; gradients are cleared in
# every step; and `.item()` is taken of a loss before it is added up, as the sum would otherwise keep every
# graph.
#
# ## Early stopping
#
# The training loss falls and falls. The validation loss falls, comes to its lowest point, and rises: from
# there on the network learns the rows by heart, and becomes more sure of its errors. We keep the weights of
# the best epoch, and stop when eight epochs have brought nothing better.

# %%
run = Run()
run.fit(epochs=60)
print("epoch   training   validation   right")
for epoch, (known, other, right) in enumerate(run.history, 1):
    note = "   best" if epoch == run.best_epoch else ""
    print(f"{epoch:5} {known:10.3f} {other:12.3f} {right:7.1%}{note}")
print(f"stopped after epoch {run.epoch}")
assert run.epoch == run.best_epoch + 8 < 60

run.model.load_state_dict(run.best_weights)
print("test, with the best weights: loss {:.3f}, right {:.1%}".format(*run.evaluate("test")))
assert run.evaluate("validation")[0] == run.best

# %% [markdown]
# What would have come after the stop? The same run without patience:

# %% alt="Training loss falls to 0; validation loss falls, then rises slowly; a line marks the best epoch"
patient = Run()
patient.fit(epochs=40, patience=40)
known, other, right = zip(*patient.history)
print(f"validation loss: best {min(other):.3f}, in the end {other[-1]:.3f}")
print(f"training loss:   best {min(known):.3f}, in the end {known[-1]:.3f}")
assert other[-1] > 1.1 * min(other) and known[-1] < 0.1
assert list(other[: run.epoch]) == [row[1] for row in run.history]  # the same seed, the same run

if plt:
    figure, ax = plt.subplots(figsize=(8, 4))
    ax.plot(range(1, 41), known, label="training")
    ax.plot(range(1, 41), other, label="validation")
    ax.axvline(run.best_epoch, color="0.5", ls=":", label="best epoch")
    ax.axvline(run.epoch, color="0.5", ls="--", label="stopped here")
    ax.set(xlabel="epoch", ylabel="loss", ylim=(0, 1.2))
    ax.legend()
    plt.show()

# %% [markdown]
# ## Checkpoint and resume
#
# Run A trains eight epochs. Run B trains four and is saved. Then all is lost: a new run with another seed
# reads the file and trains the other four. Both end with the same bytes, every weight, every moment of
# Adam, every loss.


# %%
def weights(run):
    """All weights as bytes."""
    return b"".join(t.numpy().tobytes() for t in run.model.state_dict().values())


a = Run()
a.fit(epochs=8, patience=99)

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "checkpoint.pt"
    b = Run()
    b.fit(epochs=4, patience=99)
    b.save(file)
    print(f"the file has {file.stat().st_size:,} bytes, the weights {len(weights(b)):,}")

    differences = {}
    for forget in None, "optimizer", "schedule", "shuffling", "random":
        c = Run(seed=99)
        c.load(file, forget)
        c.fit(epochs=8, patience=99)
        pairs = zip(a.model.parameters(), c.model.parameters())
        differences[forget] = max((p - q).abs().max().item() for p, q in pairs)
        same = "the same bytes" if weights(a) == weights(c) else "other weights"
        print(f"  forgotten: {forget or 'nothing':<12} {same:<15} off by {differences[forget]:.1g}")
        if forget is None:
            assert weights(a) == weights(c) and a.history == c.history

assert all(difference > 0 for forget, difference in differences.items() if forget)

# %% [markdown]
# Each part that is forgotten makes it another run. Not a bad one, mostly, but a bug that appears only after
# the resumption can then never be seen again.
#
# ## What to do
#
# - Save at the end of an epoch, where no half-used order of rows is left. To save within an epoch, keep the
#   number of batches already taken too.
# - Write to another name and then rename. A file that is half written is worse than none.
# - Save the *weights* (`state_dict`), not the object: a file of weights can be read by another version of
#   your code, and reading it executes nothing.
# - Choose by validation, judge by test, and look at the test once.
# - Cut the data as it will be cut in life: by person, by day, by place. Rows drawn at random would have put
#   the same hands on both sides, and looked better than they are.
