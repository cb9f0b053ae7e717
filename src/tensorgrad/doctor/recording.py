"""What a run leaves behind: numbers by layer, line and step. No tensor is kept."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.doctor import measures
from tensorgrad.doctor.places import Place

WINDOW = 24  # looks that are remembered as recent ones


class Birth(NamedTuple):
    """The first value that is not finite. `name` is empty when it was there before anybody looked."""

    name: str
    place: Place | None
    on_the_way_back: bool
    seen: str
    overflow: bool = False  # whether finite values had already grown beyond all measure


class Site:
    """An op at a line, or an activation behind a layer: what its values were like, look by look."""

    def __init__(
        self, kind: str, op: str, module: str, place: Place | None, made: Place | None, weight: int
    ) -> None:
        self.kind, self.op, self.module, self.weight = kind, op, module, weight
        self.place, self.made = place, made
        self.looks = 0
        self.recent: deque[np.ndarray] = deque(maxlen=WINDOW)
        self.shares: list[float] = []  # of the units asleep, of the values saturated or dropped
        self.units = 0

    def saw_relu(self, values: np.ndarray) -> None:
        """Which units fired for some row of this batch. Of images the channels are the units."""
        self.looks += 1
        axis = 1 if values.ndim in (4, 5) else values.ndim - 1
        if values.ndim == 0:
            return
        fired = np.asarray((values > 0).any(tuple(d for d in range(values.ndim) if d != axis)))
        self.units = fired.size
        self.recent.append(fired)
        self.shares.append(1.0 - float(fired.mean()))

    def asleep(self) -> float:
        """The share of units that no input of the recent batches woke."""
        if not self.recent or any(each.shape != self.recent[0].shape for each in self.recent):
            return 0.0
        return 1.0 - float(np.logical_or.reduce(list(self.recent)).mean())

    def saw_squash(self, values: np.ndarray, low: float, high: float) -> None:
        """The share of values within 1.25 % of the range from an end, where the slope is under 5 % of the
        steepest.
        """
        self.looks += 1
        edge = (high - low) * 0.0125
        self.shares.append(float(((values < low + edge) | (values > high - edge)).mean()))

    def saw_share(self, share: float) -> None:
        self.looks += 1
        self.shares.append(share)


class Layer:
    """A parameter: where it comes from, and what became of its gradient and its values."""

    def __init__(self, number: int, ref: Any, name: str, shape: tuple) -> None:
        self.number, self.ref, self.name, self.shape = number, ref, name, shape
        self.kind = ""  # of its module
        self.made: Place | None = None  # where its module was made
        self.written: Place | None = None  # where its values were last set before training
        self.how = ""  # by a draw, an op, a kernel
        self.registered = 0  # when a module got it: the number of events of that kind before
        self.registered_at: Place | None = None
        self.in_tree = False
        self.requires_grad = True
        self.grads: list[float] = []  # norm of the gradient of a step, as backward left it
        self.stepped: list[float] = []  # and as the optimizer met it
        self.norms: list[float] = []  # of the values
        self.ratios: list[float] = []  # size of a step by size of the values
        self.sketches: list[np.ndarray] = []  # some entries of the gradient
        self.first: np.ndarray | None = None  # some entries of the values
        self.moved = 0.0
        self.same_rows = 0  # how many looks in a row found its rows alike
        self.row_looks = 0
        self.had_grad = False
        self.reached = False  # whether it stood at an end of a loss's graph
        self.used = 0  # in how many looks an op read it
        self.cut_at: Place | None = None
        self.mixed = False  # whether weights that learn come before or behind it
        self.count = int(np.prod(shape)) if shape else 1
        self.changed = False

    @property
    def is_weight(self) -> bool:
        """Whether it is a matrix, and not a bias or a gain."""
        return len(self.shape) > 1

    @property
    def where(self) -> Place | None:
        """Where the fault of bad values would be made: where they were set, or where the layer was made."""
        return self.written or self.made or self.registered_at


class OptimizerLog:
    """An optimizer: where it was made, how often it stepped, at which rates."""

    def __init__(self, ref: Any, kind: str, made: Place | None, order: int) -> None:
        self.ref, self.kind, self.made, self.order = ref, kind, made, order
        self.numbers: list[int] = []  # of its parameters
        self.pending: set[int] = set()  # those that never had a gradient
        self.steps = 0
        self.zero_rates = 0  # of the steps noted, those in which every group's rate was 0
        self.noted = 0  # the step that was last noted, as those of a long run are not all
        self.rates: list[float] = []
        self.uncleared = 0
        self.checked = 0  # steps noted
        self.cleared = True
        self.frozen: set[int] = set()
        self.scheduler: Place | None = None
        self.step_place: Place | None = None
        self.decays: list[float] = []  # pull of the weight decay by the size of the gradient
        self.folds = 0.0  # how often the decay alone would have divided the weights by e
        self.decay = 0.0
        self.clips: list[float] = []  # what is left of the gradient between backward and step


class WalkSite:
    """The backward calls of one line, and the losses they began from."""

    def __init__(self, place: Place | None) -> None:
        self.place = place
        self.losses: list[float] = []
        self.steps: list[int] = []
        self.count = 0
        self.cut = 0  # calls whose loss had no way back
        self.unreached = 0  # looks whose way back met no parameter
        self.no_grad = 0  # calls while gradients were off
        self.forward_off = 0  # looks whose forward pass ran with gradients off
        self.retained = 0
        self.nodes: list[tuple[int, int]] = []  # which walk, how many steps back it took
        self.summed = 0  # looks whose loss is a sum,
        self.measured = 0  # of those in which it is finite
        self.summed_place: Place | None = None
        self.looks = 0
        self.growths: list[float] = []

    @property
    def is_sum(self) -> bool:
        """Whether the loss adds its elements up and does not take their mean."""
        return self.measured > 0 and self.summed >= 0.5 * self.measured

    def saw(self, step: int, loss: float) -> None:
        self.count += 1
        self.losses.append(loss)
        self.steps.append(step)
        if len(self.losses) >= 40000:
            del self.losses[1::2], self.steps[1::2]


@dataclass
class LossSite:
    """A loss that wants raw scores: how often it was given probabilities."""

    looks: int = 0
    probabilities: int = 0
    squashes: int = 0


@dataclass
class Answers:
    """What a net said of many rows, and what was wanted."""

    looks: int = 0
    guesses: list = field(default_factory=list)  # step, counts by class, if several were wanted
    wanted: dict = field(default_factory=dict)
    right: float = 0.0
    pairs: int = 0
    alike: float = 0.0
    expected: float = 0.0
    spread: float = 0.0
    said_spreads: deque = field(default_factory=lambda: deque(maxlen=WINDOW))
    wanted_spreads: list = field(default_factory=list)
    between: list = field(default_factory=list)
    rows: set = field(default_factory=set)  # hashes of those whose columns were compared
    crossed: dict = field(default_factory=dict)  # by class, or 0 for values: rows, sums of products

    @property
    def level(self) -> float | None:
        """The cross entropy that the frequencies of the classes alone give; None where there are none."""
        total = sum(self.wanted.values())
        shares = np.array(list(self.wanted.values())) / max(total, 1)
        return float(-(shares * np.log(shares)).sum()) if total else None

    @property
    def variance(self) -> float:
        """Of the values that are wanted: within batches and between them."""
        shapes = {each.shape for each in self.between}
        means = float(np.stack(self.between).var(0).mean()) if len(shapes) == 1 else 0.0
        return float(np.median(self.wanted_spreads)) ** 2 + means

    def saw_classes(self, guess: np.ndarray, wanted: np.ndarray, step: int) -> None:
        self.looks += 1
        kinds, counts = np.unique(guess, return_counts=True)
        seen = dict(zip(kinds.tolist(), counts.tolist()))
        self.guesses.append((step, seen, len(np.unique(wanted)) > 1))
        if len(self.guesses) >= 1000:
            del self.guesses[1::2]
        for kind, count in zip(*np.unique(wanted, return_counts=True)):
            self.wanted[float(kind)] = self.wanted.get(float(kind), 0) + int(count)

    def saw_values(self, said: np.ndarray, wanted: np.ndarray) -> None:
        self.looks += 1
        with np.errstate(all="ignore"):
            self.said_spreads.append(float(said.std(0).mean()))
            self.wanted_spreads.append(float(wanted.std(0).mean()))
            self.between.append(wanted.mean(0)[:64])

    def saw_columns(self, rows: np.ndarray, wanted: np.ndarray, classes: bool) -> None:
        """How each column goes with what is wanted, of rows that were not there before."""
        hashes = [hash(row.tobytes()) for row in rows]
        new = np.array([each not in self.rows for each in hashes])
        self.rows.update(hashes)
        for kind, sums in measures.products(rows[new], wanted[new], classes).items():
            count, before = self.crossed.get(kind, (0, 0.0))
            if count == 0 or before.shape == sums.shape:
                self.crossed[kind] = count + int(new.sum()), before + sums

    @property
    def columns_tell(self) -> bool:
        """Whether some column goes with what is wanted more than chance would have it, once in a thousand for
        all of them together.
        """
        scores = [abs(sums) / count**0.5 for count, sums in self.crossed.values()]
        tests = sum(each.size for each in scores)
        return tests > 0 and max(each.max() for each in scores) > math.sqrt(2 * math.log(tests / 1e-3))

    def saw_neighbours(self, pairs: int, alike: float, expected: float, spread: float) -> None:
        self.pairs += pairs
        self.alike += alike
        self.expected += expected
        self.spread += spread


class Log:
    """All that was seen."""

    def __init__(self) -> None:
        self.sites: dict[tuple, Site] = {}
        self.layers: list[Layer] = []
        self.optimizers: list[OptimizerLog] = []
        self.walk_sites: dict[Any, WalkSite] = {}
        self.walks = 0
        self.steps = 0
        self.looks = 0
        self.pairs: dict[tuple[int, int], Place | None] = {}  # products with nothing between them that bends
        self.products: dict[int, list[int]] = {}  # how often each was seen, how often behind something bent
        self.repeats: dict[int, int] = {}  # of weights of recurrent layers: how often one runs in a call
        self.sizes: list[float] = []  # of what the products of this look gave, in their order
        self.size_rows: list[list[float]] = []
        self.infinity: Birth | None = None
        self.early_births: list[Birth] = []
        self.births: list[tuple[int, Birth]] = []
        self.first_bad: tuple[int, str] | None = None
        self.data_bad = False
        self.bad_targets = False
        self.broadcasts: dict[tuple, list[int]] = {}
        self.axes: dict[tuple, list] = {}
        self.loss_sites: dict[tuple, LossSite] = {}
        self.answer_sites: dict[tuple, Answers] = {}
        self.chains: dict[Place, tuple[int, int]] = {}
        self.used_sums: set[Place] = set()
        self.columns: dict[Place | None, list] = {}
        self.constant_looks = [0, 0]  # looks whose rows were all alike, looks
        self.lone_looks = 0  # looks at a single row
        self.lone_targets: set[bytes] = set()
        self.constant_place: Place | None = None
        self.first_rows: set[int] = set()
        self.eval_steps: dict[int, list] = {}
        self.train_evals: dict[Place, list] = {}
        self.teachers: set[Place | None] = set()  # calls of models that only say what others should
        self.lone_rows: dict[Place, list] = {}
        self.clip_calls: dict[Place, list[int]] = {}  # calls, calls followed by backward and not by a step
        self.grad_writes: dict[Place | None, int] = {}  # how often gradients were changed in place by hand
        self.kept: tuple[Place | None, str, int] | None = None
        self.target_runs: dict[Any, list] = {}
        self.loaders: list[tuple[Place | None, bool]] = []
        self.modes: dict[int, Place | None] = {}
        self.error: tuple | None = None
        self.table: dict[str, list] = {}  # of each module: step, mean and spread of what came out
        self.ranks: dict[str, list[float]] = {}  # how many directions of its rows were used
        self.depth: list[int] = []
        self.troubles: list[str] = []  # of the doctor itself
        self.graph: Any = None  # the picture of the first that was walked, which holds no tensor

    def note_trouble(self, what: str, error: Exception) -> None:
        """Something of the doctor's own failed: the report says so, once for each kind of error."""
        text = f"{what} failed with {type(error).__name__}: {error}"
        if text not in self.troubles and len(self.troubles) < 8:
            self.troubles.append(text)

    def loss(self, place: Place | None, name: str) -> LossSite:
        return self.loss_sites.setdefault((place, name), LossSite())

    def answers(self, place: Place | None, name: str) -> Answers:
        return self.answer_sites.setdefault((place, name), Answers())

    def saw_axis(self, place: Place | None, made: Place | None, what: str, shape: tuple) -> None:
        self.axes.setdefault((place, made), [0, what, shape])[0] += 1

    def saw_columns(self, rows: np.ndarray, place: Place | None) -> None:
        """The mean square, mean and spread of each column of the data, averaged over the looks."""
        with np.errstate(all="ignore"):
            rows = rows.astype(np.float64)
            new = np.stack([(rows**2).mean(0), rows.mean(0), rows.std(0)])
        if not np.isfinite(new).all():
            return
        found = self.columns.get(place)
        if found is None or found[1].shape != new.shape:
            self.columns[place] = [1, new]
        elif found[0] < 60:
            found[1] = (found[1] * found[0] + new) / (found[0] + 1)
            found[0] += 1
