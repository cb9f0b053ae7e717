# %% [markdown]
# # 4. The first weights
#
# Before the first step all that a network has are random numbers. If they are too small, the signal fades
# from layer to layer; if they are too large, it grows without bound. Both can be worked out in three lines.
#
# ## By hand: the variance of a sum
#
# A unit adds up n products of a weight and an input. For independent weights with mean 0, the variances add
# up:
#
#     y = w1 x1 + w2 x2 + ... + wn xn
#     E[y²] = n Var(w) E[x²]
#
# So a layer multiplies the mean square by `n Var(w)`, where n is the number of inputs (*fan in*). Through
# 20 layers that factor stands to the power of 20. It must be 1:
#
# - `Var(w) = 1 / n` for a linear layer, and nearly so for tanh, whose slope at 0 is 1.
# - On the way back a layer of m outputs multiplies the gradient's mean square by `m Var(w)`. **Xavier**
#   (Glorot and Bengio, 2010) takes the middle: `Var(w) = 2 / (n + m)`.
# - ReLU sets half of the values to 0, and with them half of the mean square. **Kaiming** (He and others,
#   2015) makes up for it: `Var(w) = 2 / n`.

# %%
import math

import tensorgrad as tg
import tensorgrad.nn as nn
from tensorgrad.demo import plots

plt = plots.pyplot()

tg.manual_seed(0)
n = 400
x = tg.randn(2000, n)
print("mean square after one layer of 400 inputs, weights of spread s:")
for spread in 0.01, 1 / math.sqrt(n), 0.1:
    measured = (x @ (tg.randn(n, n) * spread)).square().mean().item()
    print(f"  s = {spread:.3f}   on paper n s^2 = {n * spread**2:6.3f}   measured {measured:6.3f}")
    assert math.isclose(measured, n * spread**2, rel_tol=0.03)

half = tg.relu(x).square().mean().item()
print(f"and what ReLU leaves of a mean square of 1: {half:.3f}")
assert math.isclose(half, 0.5, rel_tol=0.03)

# %% [markdown]
# ## Through twenty layers
#
# Now a stack of 20 layers of 256 units. Of each layer we note the spread of its activations on the way
# forward, and that of the gradient on the way back.

# %%
WIDTH, DEPTH = 256, 20


def size(t):
    """The root mean square."""
    return t.square().mean().sqrt().item()


def spreads(activation, initialise):
    """Root mean square of what comes out of each layer, and of the gradient that arrives there."""
    tg.manual_seed(1)
    h = tg.randn(512, WIDTH, requires_grad=True)
    outputs = [h]
    for _ in range(DEPTH):
        layer = nn.Linear(WIDTH, WIDTH, bias=False)
        initialise(layer.weight)
        h = activation(layer(h))
        h.retain_grad()
        outputs.append(h)
    (h * tg.randn(512, WIDTH)).sum().backward()
    return [size(t.detach()) for t in outputs], [size(t.grad) for t in outputs]


WAYS = {
    "too small: spread 0.02": lambda w: nn.init.normal_(w, std=0.02),
    "too large: spread 0.2": lambda w: nn.init.normal_(w, std=0.2),
    "Xavier": lambda w: nn.init.xavier_normal_(w),
    "Kaiming": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "nn.Linear as it is": lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)),
}
found = {}
for activation in tg.tanh, tg.relu:
    print(f"\n{activation.__name__:<24}  activations: layer 1  layer 20    gradient: layer 20   layer 1")
    for name, initialise in WAYS.items():
        forward, back = found[activation.__name__, name] = spreads(activation, initialise)
        print(f"  {name:<30} {forward[1]:11.2g} {forward[20]:9.2g} {back[20]:20.2g} {back[1]:9.2g}")

# %% alt="Activations and gradients by layer, for tanh and ReLU and five kinds of first weights"
if plt:
    figure, axes = plt.subplots(2, 2, figsize=(8, 6), sharex=True)
    for column, activation in zip(axes.T, ["tanh", "relu"]):
        for ax, part, title in zip(column, (0, 1), ("activations", "gradients")):
            for name in WAYS:
                ax.semilogy(range(1, DEPTH + 1), found[activation, name][part][1:], ".-", ms=4, label=name)
            ax.set(title=f"{activation}: {title}", ylabel="root mean square")
        column[1].set_xlabel("layer")
    axes[0, 0].legend(fontsize=7)
    plt.show()

# %% [markdown]
# Left, tanh. Small weights multiply the spread by `√256 · 0.02 = 0.32` per layer: a straight line on this
# scale. With large weights nothing explodes forward, because tanh ends at 1, but most units are
# *saturated*: they stand near -1 or 1, where the slope is near 0 and they hardly learn. The few that are
# not pass on so much that the gradient grows on its way back. Xavier keeps both passes within the same
# size.
#
# Right, ReLU. It has no ceiling, so large weights explode. Xavier loses a factor of √2 per layer, a
# thousand in twenty. Kaiming stays.

# %%
tanh_forward = {name: found["tanh", name][0] for name in WAYS}
relu_forward, relu_back = ({name: found["relu", name][part] for name in WAYS} for part in (0, 1))
assert tanh_forward["too small: spread 0.02"][20] < 1e-8
assert tanh_forward["too large: spread 0.2"][20] > 0.8
assert 0.1 < tanh_forward["Xavier"][20] < 1
assert 0.3 < relu_forward["Kaiming"][20] < 3 and 0.3 < relu_back["Kaiming"][1] / relu_back["Kaiming"][20] < 3
loss_per_layer = (relu_forward["Xavier"][20] / relu_forward["Xavier"][0]) ** (1 / DEPTH)
print(f"Xavier under ReLU keeps {loss_per_layer:.3f} per layer; 1 / sqrt(2) = {1 / math.sqrt(2):.3f}")
assert math.isclose(loss_per_layer, 1 / math.sqrt(2), rel_tol=0.05)

# %% [markdown]
# The spread alone does not show saturation. The histograms do: what comes out of layer 1, 10 and 20 of the
# tanh network.

# %% alt="Histograms: small weights end at 0, large ones at -1 and 1, Xavier's stay spread out"
SHOWN = list(WAYS)[:3]
BINS = [k / 30 for k in range(-30, 31)]


def histogram(name, layers=(1, 10, 20)):
    tg.manual_seed(1)
    h, kept = tg.randn(512, WIDTH), {}
    for layer in range(1, DEPTH + 1):
        weight = tg.empty(WIDTH, WIDTH)
        WAYS[name](weight)
        h = tg.tanh(h @ weight.T)
        if layer in layers:
            kept[layer] = h
    return kept


activations = {name: histogram(name) for name in SHOWN}
for name in SHOWN:
    shares = [(h.abs() > 0.9).float().mean().item() for h in activations[name].values()]
    print(f"{name:<24} beyond 0.9 in layers 1, 10, 20: " + "  ".join(f"{share:4.0%}" for share in shares))
if plt:
    figure, axes = plt.subplots(1, 3, figsize=(8, 3), sharey=True)
    for ax, name in zip(axes, SHOWN):
        for layer, h in activations[name].items():
            ax.hist(h.flatten().numpy(), BINS, density=True, histtype="step", label=f"layer {layer}")
        ax.set(title=name, xlabel="activation", yscale="log", ylim=(1e-2, 50))
    axes[0].set_ylabel("density")
    axes[0].legend(fontsize=8)
    plt.show()

# %% [markdown]
# ## Does it learn?
#
# A ReLU network of ten layers reads the digits: 150 steps from three kinds of first weights, everything
# else the same.

# %%
images, labels = tg.datasets.digits()
pixels = images.reshape(-1, 64).float() / 16
pixels = (pixels - pixels.mean()) / pixels.std()


def train(initialise, steps=150):
    tg.manual_seed(2)
    widths = [64] + [100] * 9 + [10]
    layers = [nn.Linear(a, b) for a, b in zip(widths, widths[1:])]
    for layer in layers:
        initialise(layer.weight)
        nn.init.zeros_(layer.bias)
    net = nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())][:-1])
    optimizer = tg.optim.SGD(net.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        rows = tg.randint(0, 1500, (64,))
        loss = nn.functional.cross_entropy(net(pixels[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    right = (net(pixels[1500:]).argmax(1) == labels[1500:]).float().mean().item()
    return losses, right


runs = {name: train(WAYS[name]) for name in ("too small: spread 0.02", "Xavier", "Kaiming")}
print(f"loss of a guess: ln 10 = {math.log(10):.2f}")
for name, (losses, right) in runs.items():
    last = sum(losses[-10:]) / 10
    print(f"{name:<24} first loss {losses[0]:5.2f}   last ten {last:5.2f}   right {right:4.0%}")
assert sum(runs["too small: spread 0.02"][0][-10:]) / 10 > 2.2
assert runs["Kaiming"][1] > 0.75

# %% alt="Losses by step: small weights stay at ln 10, Kaiming falls at once"
if plt:
    figure, ax = plt.subplots(figsize=(8, 3.5))
    for name, (losses, _) in runs.items():
        ax.plot(losses, label=name, lw=1.2)
    ax.axhline(math.log(10), color="0.5", ls=":", label="a guess, ln 10")
    ax.set(xlabel="step", ylabel="loss", ylim=(0, 3.5))
    ax.legend()
    plt.show()

# %% [markdown]
# ## What to do
#
# - `nn.Linear` draws weights of variance `1 / 3n`, as PyTorch does. That is fine for few layers. For more
#   than about five without normalization call `nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")`,
#   or `xavier_uniform_` for tanh and sigmoid.
# - Bring the inputs to spread 1: the reasoning begins with `E[x²] = 1`.
# - All weights equal (zeros, for instance) is the one start that never works: the units of a layer then get
#   the same gradient for ever and remain copies of each other.
# - Look at the first loss. For 10 classes it should be near ln 10 = 2.3; much more means that the last
#   layer's weights are too large.
# - Layer and batch normalization set the spread anew after each layer, and residual blocks let the signal
#   pass by: that is why very deep networks can do without fine tuning here.
