# %% [markdown]
# # 1. The tape in plain Python
#
# A network learns by following the slope of its loss. The slope comes from the *tape*: a list of what was
# computed, which is walked backwards. `tensorgrad.plain` is that tape in one file of plain Python, made to
# be read: open [plain.py](../../src/tensorgrad/plain.py) beside this page.
#
# ## By hand
#
# Take `z = sin(x y) + x` at `x = 2`, `y = 0.5`. In small steps, with a name for each result:
#
#     a = x y      = 1
#     b = sin(a)   = 0.8415
#     z = b + x    = 2.8415
#
# Now backwards. For each name we ask: if it grows a little, by how much does `z` grow? We begin with `z`
# itself, where the answer is 1.
#
#     dz/dz = 1
#     dz/db = 1                          z = b + x: what b gains, z gains
#     dz/da = dz/db cos(a) = 0.5403      b = sin(a), whose slope is cos(a)
#     dz/dy = dz/da x      = 1.0806      a = x y: one more of y is x more of a
#     dz/dx = dz/da y + 1  = 1.2702      x is used twice: through a, and directly. Both count
#
# Each line needs only the line above and one rule for one operation. That is all of backpropagation.
#
# ## By the tape

# %%
import math

import tensorgrad as tg
from tensorgrad import plain

x = plain.tensor(2.0, requires_grad=True)
y = plain.tensor(0.5, requires_grad=True)
z = plain.sin(x * y) + x
z.backward()
print("dz/dx =", x.grad.item(), "  on paper:", math.cos(1) * 0.5 + 1)
print("dz/dy =", y.grad.item(), "  on paper:", math.cos(1) * 2)
assert math.isclose(x.grad.item(), math.cos(1) * 0.5 + 1, rel_tol=1e-6)
assert math.isclose(y.grad.item(), math.cos(1) * 2, rel_tol=1e-6)

# %% [markdown]
# ## What was recorded
#
# Each operation on a tensor that needs a gradient leaves a `Node`: which operation it was, what it got, and
# an edge to where each input came from. `z.grad_fn` is the last one. Following the edges we meet the steps
# that we wrote above, backwards.


# %%
def walk(node, depth=0):
    """The nodes from the result to the leaves, each input below what was made of it."""
    print("   " * depth + repr(node))
    for edge in node.edges:
        if isinstance(edge, plain.Node):
            walk(edge, depth + 1)
        elif edge is not None:
            print("   " * (depth + 1) + f"leaf {'x' if edge is x else 'y'}")


walk(z.grad_fn)

# %% [markdown]
# ## Watch it
#
# `plain.listen = print` has the tape say what it does, with the shapes (`[]` is a single number): first
# each operation that is recorded, then each node that backward passes.

# %%
heard = []


def hear(line):
    heard.append(line)
    print(line)


plain.listen = hear
x.grad = y.grad = None
z = plain.sin(x * y) + x
print("--- and back")
z.backward()
plain.listen = None

back = [line.split(":")[0] for line in heard if line.startswith("<")]
assert back == ["<AddBackward0>", "<SinBackward0>", "<MulBackward0>"]

# %% [markdown]
# In a debugger, set a breakpoint in `plain.backward` and step: `ready` holds the nodes whose gradient is
# complete, `arrived` what has come to each so far. A node waits until all that was made of its results has
# reported. `x` is a leaf that is used twice: what comes by both ways is added up in its `.grad`.
#
# ## What `explain` prints
#
# The compiled tape, which everything else in this course uses, does the same, much faster. `tg.explain`
# writes its chain rule out, as on paper.

# %%
x = tg.tensor(2.0, requires_grad=True)
y = tg.tensor(0.5, requires_grad=True)
z = tg.sin(x * y) + x
tg.explain(z)

# %% [markdown]
# Read it from the top. A line at the margin is an operation and its result. The lines below it say what
# each of its inputs gets: what came, times the slope. `What arrives` is what `backward` would put into
# `.grad`: `x` has both of its ways added up.
#
# ## XOR
#
# The smallest task that needs a hidden layer: say whether exactly one of two inputs is 1. No line can part
# the two answers, so one layer cannot do it. Here it is on the plain tape, eight hidden units, plain
# gradient descent.

# %%
inputs = plain.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
wanted = plain.tensor([[0.0], [1.0], [1.0], [0.0]])

tg.manual_seed(0)
w1, b1, w2, b2 = (
    plain.Tensor(tg.randn(shape).numpy() * scale, requires_grad=True)
    for shape, scale in [((2, 8), 1.0), ((8,), 0.0), ((8, 1), 0.35), ((1,), 0.0)]
)
optimizer = plain.optim.SGD([w1, b1, w2, b2], lr=1.0)


def forward():
    return plain.sigmoid(plain.tanh(inputs @ w1 + b1) @ w2 + b2)


losses = []
for step in range(400):
    loss = ((forward() - wanted) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 80 == 0:
        print(f"step {step:4}   loss {losses[-1]:.4f}")

print("\n  input    output   wanted")
for row, output, target in zip(inputs.tolist(), forward().tolist(), wanted.tolist()):
    print(f"  {row[0]:.0f}  {row[1]:.0f}   {output[0]:8.3f}   {target[0]:6.0f}")
answers = [round(output[0]) for output in forward().tolist()]
assert answers == [0, 1, 1, 0]

# %% [markdown]
# Nowhere did we write a derivative. The tape knows one rule for `@`, one for `+`, one for `tanh` and so on;
# the order of the nodes does the rest.
#
# The same network without a hidden layer stays at a loss of 1/4, the answer "one half" to everything:

# %%
w, b = plain.tensor([[0.5], [-0.3]], requires_grad=True), plain.tensor([0.1], requires_grad=True)
optimizer = plain.optim.SGD([w, b], lr=1.0)
for _ in range(300):
    loss = ((plain.sigmoid(inputs @ w + b) - wanted) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
answers = plain.sigmoid(inputs @ w + b).flatten().tolist()
print(f"one layer: loss {loss.item():.4f}, answers", [round(answer, 3) for answer in answers])
assert abs(loss.item() - 0.25) < 0.001

# %% [markdown]
# ## What to do
#
# - Read `plain.py` once with a debugger. Afterwards `backward` is no magic.
# - If a gradient surprises you, make the case small, use scalars, and compare `tg.explain` with your paper.
# - [xor_by_hand.py](../../examples/xor_by_hand.py) works the gradient of an XOR network out by hand and
#   holds the tape against it over 10 000 steps; [xor_seeds.py](../../examples/xor_seeds.py) counts how
#   often XOR is learned.
