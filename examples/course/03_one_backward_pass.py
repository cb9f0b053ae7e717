# %% [markdown]
# # 3. One backward pass against a million differences
#
# There is a way to a gradient that needs no calculus: change one weight a little and see what the loss
# does. Why does nobody train networks so?
#
# ## By hand: what it costs
#
# Let one evaluation of the loss cost 1.
#
# - **Differences**: `(loss(w + h) - loss(w - h)) / 2h` for each weight: two evaluations for one of n
#   numbers, `2 n` in all.
# - **Backward**: each operation of the forward pass has one or two partners on the way back. For a layer `y
#   = W x` with m weights, forward does m multiplications; backward does m for the gradient of `x` and m for
#   that of `W`. So backward costs about 2, and both passes 3, *whatever n is*.
#
# The saving is a factor of `2 n / 3`. For a small network of a million weights: 700 000.
#
# Let us measure it, on networks with one hidden layer of growing width.

# %%
from time import perf_counter

import tensorgrad as tg
import tensorgrad.nn as nn
from tensorgrad.demo import plots

plt = plots.pyplot()

tg.manual_seed(0)
x, y = tg.randn(32, 64), tg.randn(32, 1)
WIDTHS = [4, 16, 64, 256, 1024, 4096, 15151]


def network(width):
    return nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 1))


def best_time(function, repeat=5):
    """The shortest of some times: the others had to wait for something else."""
    times = []
    for _ in range(repeat):
        begin = perf_counter()
        function()
        times.append(perf_counter() - begin)
    return min(times)


def measure(width):
    """Number of weights; seconds of one evaluation, and of one with its backward pass."""
    net = network(width)
    n = sum(p.numel() for p in net.parameters())

    def evaluate():
        with tg.no_grad():
            ((net(x) - y) ** 2).mean()

    def differentiate():
        net.zero_grad()
        ((net(x) - y) ** 2).mean().backward()

    return n, best_time(evaluate), best_time(differentiate)


rows = [measure(width) for width in WIDTHS]
print("   weights   evaluation   + backward   ratio   by differences would take")
for n, forward, both in rows:
    print(f"{n:10,} {forward * 1e6:9.0f} us {both * 1e6:9.0f} us {both / forward:7.1f}", end=" ")
    print(f"{2 * n * forward:13,.3f} s")

# The ratio is 3 on paper. Room is left for a busy machine, and for the fixed costs of small networks.
n, forward, both = rows[-1]
assert n > 900_000 and both / forward < 30
assert 2 * n * forward > 10_000 * both

# %% alt="Seconds for one gradient: differences grow with the square of the weights, backward in proportion"
if plt:
    figure, ax = plt.subplots(figsize=(8, 4))
    sizes = [n for n, *_ in rows]
    lines = {
        "2 n evaluations": ([2 * n * forward for n, forward, _ in rows], "o-"),
        "one backward pass": ([both for *_, both in rows], "o-"),
        "one evaluation": ([forward for _, forward, _ in rows], ":"),
    }
    for (name, (seconds, style)), color in zip(lines.items(), ["tab:red", "tab:blue", "0.4"]):
        ax.loglog(sizes, seconds, style, color=color, label=name)
    for seconds, name in [(1, "a second"), (3600, "an hour")]:
        ax.axhline(seconds, color="0.7", lw=0.8)
        ax.text(sizes[0], seconds * 1.3, name, color="0.4")
    ax.set(xlabel="weights in the network", ylabel="seconds for one gradient")
    ax.legend(loc="center", bbox_to_anchor=(0.7, 0.45))
    plt.show()

# %% [markdown]
# The largest network has to write its million slopes into memory, which costs more than the
# multiplications; the ratio grows somewhat, but it does not grow with n.
#
# ## Why it works in this direction only
#
# The chain rule is a product of matrices, `J3 J2 J1`, and a product can be worked out from either end.
#
# - From the **input** (forward mode): one pass gives how *all outputs* change with *one* direction of the
#   input. `tg.autograd.functional.jvp` does that. A gradient of n weights needs n passes.
# - From the **output** (reverse mode, backward): one pass gives how *one output* changes with *all inputs*.
#   A loss is one number: one pass.
#
# So backward is quick because a loss is a single number. A function with many outputs and few inputs is the
# other way around. Backward pays in memory: what the forward pass computed must be kept until the way back
# has used it.
#
# Here a function from 200 numbers to 1. Its gradient by one backward pass, and by 200 passes of one
# direction each:

# %%
matrix = tg.randn(200, 200, dtype=tg.float64) / 200**0.5


def function(w):
    return tg.tanh(matrix @ tg.tanh(matrix @ w)).square().sum()


w = tg.randn(200, dtype=tg.float64, requires_grad=True)
function(w).backward()
slopes = []
for i in range(200):
    direction = tg.zeros(200, dtype=tg.float64)
    direction[i] = 1
    slopes.append(tg.autograd.functional.jvp(function, w.detach(), direction)[1])
largest = (tg.stack(slopes) - w.grad).abs().max().item()
print(f"largest difference between 1 backward and 200 directions: {largest:.1e}")
assert tg.allclose(tg.stack(slopes), w.grad, rtol=1e-10)

# %% [markdown]
# ## What differences are good for
#
# They know nothing of the rules that backward uses, so they are an independent check of them.
# `tg.autograd.gradcheck` compares both in double precision, on inputs that are small enough. A rule of your
# own with a wrong slope is found at once:


# %%
class Cube(tg.autograd.Function):
    """x cubed; its slope is 3 x squared."""

    factor = 3

    @classmethod
    def forward(cls, ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @classmethod
    def backward(cls, ctx, g):
        (x,) = ctx.saved_tensors
        return g * cls.factor * x**2


class WrongCube(Cube):
    factor = 2


x = tg.randn(4, dtype=tg.float64, requires_grad=True)
print("slope 3 x^2:", tg.autograd.gradcheck(Cube.apply, (x,)))
print("slope 2 x^2:", tg.autograd.gradcheck(WrongCube.apply, (x,), raise_exception=False))
assert tg.autograd.gradcheck(Cube.apply, (x,))
assert not tg.autograd.gradcheck(WrongCube.apply, (x,), raise_exception=False)

# %% [markdown]
# ## What to do
#
# - Train with `backward`; check a new rule or a layer of your own with `gradcheck`, in float64.
# - Never choose the step of a difference by feel: too large, and the curve bends; too small, and the digits
#   run out. [finite_differences.py](../../examples/finite_differences.py) measures the error by step, and
#   that of backward beside it.
# - When memory is short, `tg.utils.checkpoint` forgets what the forward pass computed and computes it again
#   on the way back.
