# %% [markdown]
# # 7. Momentum and Adam in a narrow valley
#
# Gradient descent is slow where the loss is a long narrow valley: steep across, nearly flat along. Five
# optimizers start from the same point of such a valley, and we look at the paths they take.
#
# ## The valley
#
# The loss is `(a² + 50 b²) / 2`. Its gradient is `(a, 50 b)`: along `b` the slope changes fifty times as
# fast as along `a`. The ratio of the largest to the smallest curvature is the *condition number*, here 50.
# For networks it is often many thousands.

# %%
import tensorgrad as tg
from tensorgrad.demo import plots

plt = plots.pyplot()

CURVATURE = tg.tensor([1.0, 50.0], dtype=tg.float64)
START = [-10.0, 2.0]
STEPS = 100


def loss_at(point):
    return (CURVATURE * point**2).sum(-1) / 2


# %% [markdown]
# ## By hand: how far may a step go?
#
# One step of gradient descent multiplies each coordinate by a number of its own:
#
#     a  becomes  a - lr * a       =  (1 - lr) a
#     b  becomes  b - lr * 50 * b  =  (1 - 50 lr) b
#
# A coordinate comes nearer to 0 only if its factor lies between -1 and 1. The steep direction decides what
# is allowed, `lr < 2 / 50`, and the flat direction has to live with it. The best rate makes both factors
# equally large: `lr = 2 / (1 + 50)`, and both are then 49/51: 4 % of the way per step, however you tune it.

# %%
limit, best = 2 / 50, 2 / (1 + 50)
print("    rate   factor of a   factor of b")
for lr in 0.1 * best, best, 0.999 * limit, 1.05 * limit:
    slowest = max(abs(1 - lr), abs(1 - 50 * lr))
    verdict = f"{slowest:.3f} decides" if slowest < 1 else "grows without end"
    print(f"{lr:8.4f} {1 - lr:13.3f} {1 - 50 * lr:13.3f}   {verdict}")


# %% [markdown]
# The tape and the optimizer do the same, so the point after some steps is known beforehand.


# %%
def path(make, steps=STEPS):
    """The points that an optimizer visits, the start included."""
    point = tg.tensor(START, dtype=tg.float64, requires_grad=True)
    optimizer = make([point])
    points = [point.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        loss_at(point).backward()
        optimizer.step()
        points.append(point.detach().clone())
    return tg.stack(points)


twenty = path(lambda p: tg.optim.SGD(p, lr=best), steps=20)[-1]
print("after 20 steps:", twenty.tolist())
print("on paper:      ", [START[0] * (1 - best) ** 20, START[1] * (1 - 50 * best) ** 20])
assert tg.allclose(twenty, tg.tensor(START, dtype=tg.float64) * (1 - best * CURVATURE) ** 20)

# %% [markdown]
# ## Five optimizers
#
# - **SGD** goes down the slope it stands on. Across the valley the slope turns its sign at every step.
# - **Momentum** goes on with a part of its last step, here 0.8 of it, and adds the slope. What turns its
#   sign cancels out; what stays the same adds up, to five times the rate. The price: it overshoots.
# - **Nesterov**'s momentum takes the slope where the momentum is about to carry it, and so brakes earlier.
# - **RMSprop** divides each coordinate's slope by the size that slope has had of late. A factor that makes
#   one direction steeper falls out.
# - **Adam** does this too, and uses momentum for the slope.

# %%
MAKERS = {
    "SGD": lambda p: tg.optim.SGD(p, lr=best),
    "momentum": lambda p: tg.optim.SGD(p, lr=0.02, momentum=0.8),
    "Nesterov": lambda p: tg.optim.SGD(p, lr=0.02, momentum=0.8, nesterov=True),
    "RMSprop": lambda p: tg.optim.RMSprop(p, lr=0.15),
    "Adam": lambda p: tg.optim.Adam(p, lr=0.5),
}
paths = {name: path(make) for name, make in MAKERS.items()}

print("loss after         " + "".join(f"{steps:>10} steps" for steps in (10, 30, 100)))
for name, points in paths.items():
    print(f"{name:<19}" + "".join(f"{loss_at(points[steps]).item():16.2g}" for steps in (10, 30, 100)))

# %% [markdown]
# SGD has the best rate there is for it, and is last. The contours below are lines of equal loss; every dot
# is a step.

# %% alt="Paths over the contours: SGD zigzags and creeps, the others arrive; and the loss by step"
COLORS = dict(zip(paths, ["tab:red", "tab:blue", "tab:cyan", "tab:green", "tab:orange"]))
if plt:
    figure, axes = plt.subplots(2, 3, figsize=(8, 5))
    across, along = tg.linspace(-3, 3, 121), tg.linspace(-11, 6, 121)
    heights = along[None, :] ** 2 / 2 + 50 * across[:, None] ** 2 / 2
    for ax, (name, points) in zip(axes.flat, paths.items()):
        ax.contour(along, across, heights, levels=[0.5, 3, 10, 30, 80, 160], colors="0.75", linewidths=0.8)
        ax.plot(points[:, 0], points[:, 1], ".-", color=COLORS[name], lw=1, ms=4)
        ax.plot(0, 0, "k+", ms=10)
        ax.set(title=name, xlim=(-11, 6), ylim=(-3, 3), xlabel="a (flat)", ylabel="b (steep)")
        ax.grid(False)
    ax = axes.flat[5]
    for name, points in paths.items():
        ax.semilogy(loss_at(points), color=COLORS[name], label=name)
    ax.set(title="loss", xlabel="step", ylim=(1e-10, 1e3))
    ax.legend(fontsize=7, loc="lower left")
    plt.show()

# %%
final = {name: loss_at(points[-1]).item() for name, points in paths.items()}
assert final["Nesterov"] < final["momentum"] < 1e-4 * final["SGD"]
assert final["RMSprop"] < 1e-2 * final["SGD"] and final["Adam"] < final["SGD"]

# %% [markdown]
# ## Why momentum pays: the square root
#
# For a valley with condition number κ there are best settings of both methods, known from paper (Polyak,
# 1964):
#
# | | rate | momentum | a step multiplies the distance by | steps for a tenth |
# |---|---|---|---|---|
# | gradient descent | 2 / (1 + κ) | 0 | (κ - 1) / (κ + 1) | 1.15 κ |
# | momentum | (2 / (1 + √κ))² | ((√κ - 1) / (√κ + 1))² | (√κ - 1) / (√κ + 1) | 1.15 √κ |
#
# With κ = 10 000 that is 11 500 steps against 115. Let us count the steps to a thousandth of the way.
# (Momentum has to gather speed first, and takes somewhat longer than the table says.)


# %%
def steps_to_a_thousandth(condition, heavy):
    curvature = tg.tensor([1.0, condition], dtype=tg.float64)
    root = condition**0.5
    if heavy:
        settings = dict(lr=(2 / (1 + root)) ** 2, momentum=((root - 1) / (root + 1)) ** 2)
    else:
        settings = dict(lr=2 / (1 + condition))
    point = tg.ones(2, dtype=tg.float64, requires_grad=True)
    optimizer = tg.optim.SGD([point], **settings)
    steps = 0
    while point.detach().norm() > 1e-3 * 2**0.5:
        optimizer.zero_grad()
        ((curvature * point**2).sum() / 2).backward()
        optimizer.step()
        steps += 1
    return steps


CONDITIONS = [10, 30, 100, 300, 1000]
plain = [steps_to_a_thousandth(c, heavy=False) for c in CONDITIONS]
heavy = [steps_to_a_thousandth(c, heavy=True) for c in CONDITIONS]
print("condition number  " + "".join(f"{c:8}" for c in CONDITIONS))
print("gradient descent  " + "".join(f"{n:8}" for n in plain))
print("momentum          " + "".join(f"{n:8}" for n in heavy))

# From 10 to 1000 the condition number grows 100 times, and its root 10 times.
assert 80 < plain[-1] / plain[0] < 120
assert 8 < heavy[-1] / heavy[0] < 20

# %% alt="Steps by condition number: in proportion for gradient descent, by the root for momentum"
if plt:
    figure, ax = plt.subplots(figsize=(8, 4))
    ax.loglog(CONDITIONS, plain, "o-", color=COLORS["SGD"], label="gradient descent")
    ax.loglog(CONDITIONS, heavy, "o-", color=COLORS["momentum"], label="momentum")
    for power in 1, 0.5:
        ax.loglog(CONDITIONS, [3.45 * c**power for c in CONDITIONS], ":", color="0.4")
    ax.plot([], ":", color="0.4", label="on paper: 3.45 κ, 3.45 √κ")
    ax.set(xlabel="condition number κ", ylabel="steps to 1/1000 of the way")
    ax.legend()
    plt.show()

# %% [markdown]
# ## What RMSprop and Adam cannot see
#
# They divide each coordinate by its own size. That helps where the steep direction *is* a coordinate. We
# turn the valley by 45 degrees: the same loss, but now both coordinates are equally steep, and dividing
# changes nothing.

# %%
TURN = tg.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=tg.float64) / 2**0.5


def steps_to(loss_below, make, turned, most=2000):
    """Steps until the loss stays below a bound for the first time."""
    start = tg.tensor(START, dtype=tg.float64)
    point = (TURN @ start if turned else start).clone().requires_grad_()
    optimizer = make([point])
    for step in range(most):
        loss = loss_at(TURN.T @ point if turned else point)
        if loss.item() < loss_below:
            return step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return most


print("steps to a loss of 0.1   straight   turned")
counts = {}
for name, make in MAKERS.items():
    counts[name] = steps_to(0.1, make, turned=False), steps_to(0.1, make, turned=True)
    print(f"{name:<24} {counts[name][0]:8} {counts[name][1]:8}")

assert max(abs(a - b) for a, b in (counts["SGD"], counts["momentum"], counts["Nesterov"])) <= 1
assert counts["RMSprop"][1] > 2 * counts["RMSprop"][0] and counts["Adam"][1] > 1.3 * counts["Adam"][0]

# %% [markdown]
# SGD and momentum take the same number of steps, since they go by the slope, which turns with the valley.
# RMSprop and Adam need more. In networks much of the difference in scale does lie between coordinates (a
# bias and a weight, an early and a late layer, a frequent and a rare word), which is why Adam is a good
# first choice there.
#
# ## What to do
#
# - Begin with Adam and `lr=1e-3`. Where there is time for tuning, SGD with `momentum=0.9` is often as good
#   in the end.
# - If the loss jumps up and down, the rate is too large for the steepest direction: halve it. The flat
#   directions will be slow; give them momentum rather than rate.
# - Make the valley rounder: bring inputs to mean 0 and spread 1, use normalization layers and good first
#   weights ([chapter 4](04_initialisation.md)).
# - Lower the rate towards the end (`optim.lr_scheduler`): Adam's steps have about the size `lr` even where
#   the slope is small, so that it circles around the lowest point.
