# %% [markdown]
# # 5. Gradients that vanish and explode
#
# On its way back a gradient is multiplied once per layer, or once per step of time. Forty factors of 0.5
# leave a trillionth; forty factors of 2 make a trillion.
#
# ## By hand: one number, many steps
#
# The smallest recurrent network is `h = w h`, a number that is multiplied again and again:
#
#     h after T steps = w^T h0         its slope in h0 = w^T         its slope in w = T w^(T-1) h0

# %%
import math

import tensorgrad as tg
import tensorgrad.nn as nn
from tensorgrad.demo import plots

plt = plots.pyplot()

T = 40
print("     w   slope in h0, tape      on paper   slope in w, tape      on paper")
for value in 0.5, 0.9, 1.0, 1.1, 2.0:
    w = tg.tensor(value, dtype=tg.float64, requires_grad=True)
    h0 = tg.tensor(1.0, dtype=tg.float64, requires_grad=True)
    h = h0
    for _ in range(T):
        h = w * h
    h.backward()
    on_paper = value**T, T * value ** (T - 1)
    print(f"  {value:4} {h0.grad.item():19.3g} {on_paper[0]:13.3g} {w.grad.item():18.3g} {on_paper[1]:13.3g}")
    assert math.isclose(h0.grad.item(), on_paper[0], rel_tol=1e-9)
    assert math.isclose(w.grad.item(), on_paper[1], rel_tol=1e-9)

# %% [markdown]
# Only at `w = 1` exactly does the gradient arrive as it left. For a matrix the largest eigenvalue takes the
# place of `w` (its size is the *spectral radius*), and the slope of the activation multiplies in: at most 1
# for tanh, at most 1/4 for the sigmoid. [vanishing_gradient.py](../../examples/vanishing_gradient.py) sends
# a gradient back through a hundred sigmoids.
#
# ## Vanishing: layers of a network
#
# Twelve layers of 64 units. We compare the gradient that reaches the weights of each layer, for four
# activations, and for sigmoids with a way past each layer (a *residual* connection, `h + layer(h)`).

# %%
DEPTH, WIDTH = 12, 64


def gradients(activation, residual=False):
    """The norm of the gradient of each layer's weights."""
    tg.manual_seed(0)
    layers = [nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)]
    h = tg.randn(128, WIDTH)
    for layer in layers:
        if activation is tg.relu:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_normal_(layer.weight)
        out = activation(layer(h))
        h = h + out if residual else out
    h.square().mean().backward()
    return [layer.weight.grad.norm().item() for layer in layers]


WAYS = {
    "sigmoid": gradients(tg.sigmoid),
    "tanh": gradients(tg.tanh),
    "relu": gradients(tg.relu),
    "sigmoid, residual": gradients(tg.sigmoid, residual=True),
}
for name, norms in WAYS.items():
    ratio = norms[0] / norms[-1]
    per_layer = ratio ** (1 / (DEPTH - 1))
    print(f"{name:<18} first layer / last layer = {ratio:8.1e}, a factor of {per_layer:.2f} per layer")
assert WAYS["sigmoid"][0] < 1e-5 * WAYS["sigmoid"][-1]
assert min(norms[0] / norms[-1] for name, norms in WAYS.items() if name != "sigmoid") > 0.01

# %% alt="Gradient norm by layer: sigmoids lose two thirds of a power of ten per layer, others hardly any"
if plt:
    figure, ax = plt.subplots(figsize=(8, 4))
    for name, norms in WAYS.items():
        ax.semilogy(range(1, DEPTH + 1), norms, "o-", ms=4, label=name)
    ax.set(xlabel="layer", ylabel="norm of the gradient of its weights")
    ax.legend()
    plt.show()

# %% [markdown]
# With sigmoids the first layer gets so little that it hardly moves, while the last one learns. The network
# then trains its end upon noise. What helps: ReLU or tanh, first weights of the right size ([chapter
# 4](04_initialisation.md)), residual connections, normalization.
#
# ## Exploding: a recurrent network
#
# A recurrent layer uses *one* matrix at every step of time. If its spectral radius is above 1, the gradient
# grows with the length of the sequence, until tanh saturates.
#
# The task: read 30 random numbers and say the sum of them, in which a number counts 0.8 of the one after
# it. So the network has to remember, and the last numbers matter most. We draw the recurrent weights with a
# radius of our choice.

# %%
LENGTH, HIDDEN = 30, 32
COUNTS = 0.8 ** tg.arange(LENGTH - 1, -1, -1).float()


def batch(size=64):
    x = tg.randn(LENGTH, size, 1)
    return x, COUNTS @ x[:, :, 0]


class Reader(nn.Module):
    def __init__(self, radius):
        super().__init__()
        self.rnn = nn.RNN(1, HIDDEN)
        self.out = nn.Linear(HIDDEN, 1)
        # A matrix of independent numbers of variance 1 / n has eigenvalues up to about 1 in size.
        nn.init.normal_(self.rnn.weight_hh_l0, std=radius / HIDDEN**0.5)

    def forward(self, x):
        _, last = self.rnn(x)
        return self.out(last[0])[:, 0]


def by_time(radius):
    """The norm of the gradient that the loss at the end sends to the number of each step."""
    tg.manual_seed(3)
    net = Reader(radius)
    x, y = batch()
    x.requires_grad_()
    ((net(x) - y) ** 2).mean().backward()
    return x.grad.norm(dim=(1, 2)).tolist()


back = {radius: by_time(radius) for radius in (0.5, 1.0, 1.6, 3.0)}
print("radius   gradient at the last number   at the first")
for radius, norms in back.items():
    print(f"{radius:6} {norms[-1]:29.2g} {norms[0]:14.2g}")
assert back[0.5][0] < 1e-6 * back[0.5][-1] and back[3.0][0] > 10 * back[3.0][-1]

# %% alt="Gradient by step of time: radius 0.5 and 1 fade into the past, 3 grows"
if plt:
    figure, ax = plt.subplots(figsize=(8, 4))
    for radius, norms in back.items():
        ax.semilogy(range(-LENGTH + 1, 1), norms, ".-", label=f"radius {radius}")
    ax.set(xlabel="step of time, 0 is the last", ylabel="gradient at the input")
    ax.legend()
    plt.show()

# %% [markdown]
# Radius 0.5: what was read ten steps ago has no say any more, and the network cannot learn to remember.
# Radius 3: the past drowns the present. Even 1 fades, because tanh multiplies its slopes in.
#
# ## Clipping
#
# When such a network trains, its loss has cliffs: places where a small change of the weights changes
# everything. There the gradient is huge for one step, and that one step throws the weights far away.
# Clipping shortens it:
#
# - **by norm**: if the norm of all gradients together is above a limit, all are multiplied by the same
#   factor. The direction stays.
# - **by value**: each number is cut to -limit ... limit. The direction changes, towards the diagonal.

# %%
for clip, limit in (nn.utils.clip_grad_norm_, 1.0), (nn.utils.clip_grad_value_, 1.0):
    w = tg.zeros(2, requires_grad=True)
    (w * tg.tensor([30.0, 0.5])).sum().backward()
    before = w.grad.tolist()
    clip([w], limit)
    print(f"{clip.__name__:<17} {before} becomes {[round(g, 3) for g in w.grad.tolist()]}")

# %% [markdown]
# Now the training from a radius of 1.6, with the same steps of plain gradient descent, without and with.


# %%
def train(clip=None, steps=300):
    """The loss and the norm of the gradient, before it was clipped, of each step."""
    tg.manual_seed(0)
    net = Reader(1.6)
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
    losses, norms = [], []
    for _ in range(steps):
        x, y = batch()
        loss = ((net(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        norms.append(tg.cat([p.grad.flatten() for p in net.parameters()]).norm().item())
        if clip is not None:
            clip(net.parameters())
        optimizer.step()
        losses.append(loss.item())
        if not losses[-1] < 1e6:
            break
    return losses, norms


runs = {
    "not clipped": train(),
    "norm clipped to 1": train(lambda params: nn.utils.clip_grad_norm_(params, 1.0)),
    "values clipped to 0.1": train(lambda params: nn.utils.clip_grad_value_(params, 0.1)),
}
for name, (losses, norms) in runs.items():
    end = f"{sum(losses[-20:]) / 20:.2f} in the end" if len(losses) == 300 else "over a million"
    print(f"{name:<22} {len(losses):3} steps, loss {losses[0]:.2f} at first, {end},", end=" ")
    print(f"gradient {min(norms):.1f} to {max(norms):.2g}")
assert len(runs["not clipped"][0]) < 50
assert all(sum(losses[-20:]) / 20 < 0.5 for name, (losses, _) in runs.items() if name != "not clipped")

# %% alt="Left the losses: without clipping it shoots up at once. Right the gradient's norm, with spikes"
if plt:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
    for name, (losses, norms) in runs.items():
        left.semilogy(losses, lw=1, label=name)
        right.semilogy(norms, lw=1, label=name)
    left.set(xlabel="step", ylabel="loss", ylim=(0.02, 1e4))
    right.set(xlabel="step", ylabel="norm of the gradient, before clipping", ylim=(0.3, 1e4))
    right.axhline(1, color="0.5", ls=":")
    left.legend(fontsize=8)
    plt.show()

# %% [markdown]
# ## What to do
#
# - Look at the gradient's norm by layer, before you change anything: a loop over
#   `model.named_parameters()`, or `python -m tensorgrad doctor SCRIPT.py` ([chapter 9](09_the_doctor.md)).
# - Vanishing: ReLU and its kin, good first weights, residual connections, normalization; for sequences LSTM
#   or GRU, whose memory is *added to* at each step rather than multiplied.
# - Exploding: `clip_grad_norm_(model.parameters(), 1.0)` between `backward` and `step`. It returns the norm
#   as it was; log it, and choose the limit somewhat above its usual size. A limit that acts at every step
#   is a learning rate in disguise.
# - Clip by norm first; by value only if a few numbers are the trouble.
# - Clipping mends the steps, not the past that is out of reach: for a gradient that vanishes it does
#   nothing.
