# %% [markdown]
# # 6. A ReLU that dies
#
# `relu(z)` is z where z is positive, and 0 elsewhere. Its slope is 1 or 0. A unit whose z is negative for
# every input gives 0 for every input, gets a gradient of 0, and so stays as it is for ever: it is *dead*.
#
# ## By hand: one step too long
#
# One unit, `relu(w x + b)`, with `w = 1`, `b = 0.5`. Two inputs, 1 and 2; for both the answer should be
# 0.5. The loss is half the mean squared error.
#
#     outputs   1.5, 2.5        errors   1, 2
#     slope in w = (1*1 + 2*2) / 2 = 2.5        slope in b = (1 + 2) / 2 = 1.5
#
# A step with rate 1 gives `w = -1.5`, `b = -1`. Now z is -2.5 and -4. Both outputs are 0, both errors -0.5,
# but the slope of ReLU is 0: no gradient. Whatever the rate is from now on, nothing moves.
#
# **LeakyReLU** has a slope of `a` on the negative side, 0.01 as a rule, here 0.1. A little of the error
# gets through, and it points the right way.

# %%
import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F
from tensorgrad.demo import plots

plt = plots.pyplot()


def one_unit(activation, steps=150):
    """Weight, bias and loss by step: the first step has rate 1, the others 0.2."""
    w, b = tg.tensor(1.0, requires_grad=True), tg.tensor(0.5, requires_grad=True)
    optimizer = tg.optim.SGD([w, b], lr=1.0)
    seen = []
    for _ in range(steps):
        loss = ((activation(w * tg.tensor([1.0, 2.0]) + b) - 0.5) ** 2).mean() / 2
        optimizer.zero_grad()
        loss.backward()
        seen.append((w.item(), b.item(), loss.item()))
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.2
    return seen


units = {"ReLU": one_unit(F.relu), "LeakyReLU(0.1)": one_unit(lambda z: F.leaky_relu(z, 0.1))}
for name, seen in units.items():
    print(name)
    for step in 0, 1, 2, 149:
        w, b, loss = seen[step]
        print(f"  step {step:3}   w {w:7.3f}   b {b:7.3f}   loss {loss:.4f}")
assert units["ReLU"][1] == units["ReLU"][-1] == (-1.5, -1.0, 0.125)
assert units["LeakyReLU(0.1)"][-1][2] < 1e-3

# %% alt="The loss by step, and w and b: ReLU does not move, LeakyReLU finds its way back"
if plt:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5))
    for (name, seen), color in zip(units.items(), ["tab:red", "tab:blue"]):
        w, b, losses = zip(*seen)
        left.plot(losses, color=color, label=name)
        right.plot(w, color=color, label=f"w, {name}")
        right.plot(b, color=color, ls="--", label=f"b, {name}")
    left.set(xlabel="step", ylabel="loss", ylim=(0, 0.5))
    right.set(xlabel="step", ylabel="value")
    left.legend()
    right.legend(fontsize=8)
    plt.show()

# %% [markdown]
# ## A layer that dies
#
# A network that reads digits has an accident: the biases of its hidden layer have been pushed down by 8, as
# by one step of far too high a rate. Then it is trained on, with a sound rate. The network is the same both
# times, but for the activation.

# %%
images, labels = tg.datasets.digits()
pixels = images.reshape(-1, 64).float() / 16


def asleep(net):
    """The share of hidden units that are negative for every image."""
    with tg.no_grad():
        return (net[0](pixels) <= 0).all(0).float().mean().item()


def after_accident(activation, push, steps=250):
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), activation, nn.Linear(64, 10))
    with tg.no_grad():
        net[0].bias -= push
    before = asleep(net)
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        rows = tg.randint(0, 1500, (64,))
        loss = F.cross_entropy(net(pixels[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    right = (net(pixels[1500:]).argmax(1) == labels[1500:]).float().mean().item()
    return losses, before, asleep(net), right


RUNS = {
    "ReLU, no accident": (nn.ReLU(), 0.0),
    "ReLU": (nn.ReLU(), 8.0),
    "LeakyReLU(0.01)": (nn.LeakyReLU(), 8.0),
    "ELU": (nn.ELU(), 8.0),
}
found = {name: after_accident(*run) for name, run in RUNS.items()}
print("                     asleep before   after   right")
for name, (_, before, after, right) in found.items():
    print(f"{name:<20} {before:13.0%} {after:7.0%} {right:7.0%}")
assert found["ReLU"][1] == found["ReLU"][2] == 1 and found["ReLU"][3] < 0.2
assert found["LeakyReLU(0.01)"][1] == 1 and found["LeakyReLU(0.01)"][3] > 0.8

# %% alt="Losses after the accident: ReLU stays at the loss of a guess, LeakyReLU recovers"
if plt:
    figure, ax = plt.subplots(figsize=(8, 4))
    for name, (losses, *_) in found.items():
        ax.plot(losses, lw=1.2, label=name)
    ax.set(xlabel="step", ylabel="loss", ylim=(0, 3))
    ax.legend()
    plt.show()

# %% [markdown]
# ReLU stays at ln 10 = 2.3, the loss of a guess: only the last layer's bias still learns, and says how
# frequent each digit is. LeakyReLU and ELU keep a slope on the negative side, small as it is. Adam, which
# divides a gradient by its usual size, makes full steps of it; plain gradient descent would come back too,
# but slowly.
#
# A unit that sleeps is not a fault in itself. In the sound network a fifth of the units sleep after
# training, and it reads nine digits of ten. The fault is when most of them do.
#
# ## The rate decides
#
# The usual accident is a learning rate that is too high. We train the same network for a hundred steps of
# plain gradient descent with several rates, and count.


# %%
def after_training(lr, seeds=3):
    """The share of units asleep and of digits read, middle of some runs."""
    shares, rights = [], []
    for seed in range(seeds):
        tg.manual_seed(seed)
        net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = tg.optim.SGD(net.parameters(), lr=lr)
        for _ in range(100):
            rows = tg.randint(0, 1500, (64,))
            loss = F.cross_entropy(net(pixels[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        shares.append(asleep(net))
        rights.append((net(pixels[1500:]).argmax(1) == labels[1500:]).float().mean().item())
    return sorted(shares)[seeds // 2], sorted(rights)[seeds // 2]


RATES = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
swept = {lr: after_training(lr) for lr in RATES}
print("rate     asleep   right")
for lr, (share, right) in swept.items():
    print(f"{lr:5} {share:9.0%} {right:7.0%}")
assert swept[0.2][0] < 0.2 and swept[3.2][0] > 0.4
assert swept[0.4][1] > 0.8 and swept[3.2][1] < 0.5

# %% alt="By learning rate: past about 1 units die, and digits are no longer read"
if plt:
    figure, ax = plt.subplots(figsize=(8, 3.5))
    ax.semilogx(RATES, [share for share, _ in swept.values()], "o-", color="tab:red", label="units asleep")
    ax.semilogx(RATES, [right for _, right in swept.values()], "o-", color="tab:blue", label="digits read")
    ax.set(xlabel="learning rate", ylabel="share", ylim=(0, 1), xticks=RATES, xticklabels=RATES)
    ax.minorticks_off()
    ax.legend()
    plt.show()

# %% [markdown]
# ## Born dead: deep and narrow
#
# No accident is needed if a network is deep and narrow. Behind a ReLU all inputs are 0 or positive, so a
# unit whose weights all happen to be negative is dead from the start. With two units per layer both die
# with a probability of at least 1/16, and one such layer cuts everything off. We draw 500 networks for each
# depth and count those whose answer is the same for every input (Lu and others, 2019, "Dying ReLU and
# Initialization").


# %%
def born_dead(width, depth, slope=0.0, networks=500):
    """The share of networks of one input that answer the same to all, without having learned anything."""
    tg.manual_seed(depth)
    h = tg.linspace(-1.7, 1.7, 40)[None, :, None].expand(networks, -1, 1)
    for _ in range(depth):
        h = F.leaky_relu(h @ (tg.randn(networks, h.shape[2], width) * (2 / h.shape[2]) ** 0.5), slope)
    largest = h.abs().amax((1, 2), keepdim=True).clamp(min=1e-30)
    spread = (h / largest).std(1).amax(1)  # by size, as deep networks shrink what goes in
    return (spread < 1e-6).float().mean().item()


DEPTHS = [1, 2, 5, 10, 20, 30]
curves = {f"ReLU, width {width}": [born_dead(width, depth) for depth in DEPTHS] for width in (2, 3, 5, 10)}
curves["LeakyReLU, width 2"] = [born_dead(2, depth, slope=0.01) for depth in DEPTHS]
print("depth" + "".join(f"{depth:8}" for depth in DEPTHS))
for name, shares in curves.items():
    print("     " + "".join(f"{share:8.0%}" for share in shares) + f"   {name}")
assert curves["ReLU, width 2"][4] > 0.8 and curves["ReLU, width 10"][4] < 0.1
assert max(curves["LeakyReLU, width 2"]) == 0

# %% alt="Share born dead by depth: nearly all of width 2, none of width 10 or with LeakyReLU"
if plt:
    figure, ax = plt.subplots(figsize=(8, 3.5))
    for name, shares in curves.items():
        ax.plot(DEPTHS, shares, "o-", ms=4, label=name)
    ax.set(xlabel="layers", ylabel="share born dead", ylim=(-0.03, 1.03))
    ax.legend(fontsize=8)
    plt.show()

# %% [markdown]
# ## What to do
#
# - Count: `(layer_output <= 0).all(0)` over some batches, as `asleep` does above. The doctor does it for
#   every layer and says `dead-relu` beyond 90 % ([chapter 9](09_the_doctor.md)).
# - First lower the rate, or let it grow slowly over the first steps (warm-up). Then look at the inputs:
#   large ones that are all positive push all weights of a unit the same way.
# - `nn.LeakyReLU`, `nn.ELU` or `nn.GELU` in place of `nn.ReLU` cost little and let units come back.
# - Units that died do not come back by training on. Draw the layer anew, or begin anew.
