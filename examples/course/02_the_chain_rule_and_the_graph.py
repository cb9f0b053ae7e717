# %% [markdown]
# # 2. The chain rule and the graph
#
# `z = f(y(x))`: how does `z` change with `x`? The chain rule says: multiply the slopes. For many inputs and
# many ways the same rule holds on a graph, and the graph can be drawn.
#
# ## One way: a product
#
# Let `y = x²` and `z = sin(y)`, at `x = 0.8`.
#
#     y = 0.64      dy/dx = 2 x    = 1.6
#     z = 0.5972    dz/dy = cos(y) = 0.8021
#                   dz/dx = 0.8021 * 1.6 = 1.2834

# %%
import math

import tensorgrad as tg
import tensorgrad.nn as nn

x = tg.tensor(0.8, dtype=tg.float64, requires_grad=True)
y = x**2
z = tg.sin(y)
tg.explain(z)
z.backward()
assert math.isclose(x.grad.item(), math.cos(0.64) * 1.6, rel_tol=1e-12)

# %% [markdown]
# The graph of it: green is what was given and wants a gradient (a *leaf*), white the operations with their
# settings and the shape of what they made, orange the result. Forward goes down the arrows, backward goes
# up. (A notebook shows a drawing by itself; in a script, `.save("graph.svg")` writes it.)

# %% alt="A chain of boxes: x, pow, sin, z"
x = tg.tensor(0.8, dtype=tg.float64, requires_grad=True)
y = x**2
z = tg.sin(y)
tg.draw(z)

# %% [markdown]
# ## Two ways: a sum
#
# When `x` reaches `z` by two ways, the products of both ways add up. `z = x² sin(x)`: one way through the
# square, one through the sine.
#
#     dz/dx = 2 x * sin(x) + x² * cos(x)

# %% alt="x has arrows to two boxes, pow and sin, which meet in mul"
x = tg.tensor(0.8, dtype=tg.float64, requires_grad=True)
z = x**2 * tg.sin(x)
tg.draw(z)

# %%
z.backward()
print("tape    ", x.grad.item())
print("on paper", 2 * 0.8 * math.sin(0.8) + 0.8**2 * math.cos(0.8))
assert math.isclose(x.grad.item(), 1.6 * math.sin(0.8) + 0.64 * math.cos(0.8), rel_tol=1e-12)

# %% [markdown]
# With many layers the number of ways explodes: in a net of 10 layers with 100 units each there are 100 to
# the power of 10. Backward visits each arrow once, because it adds up what arrives at a box before it goes
# on.
#
# ## A layer: vectors and matrices
#
# For vectors the slope becomes a matrix of slopes, the *Jacobian*: entry (i, j) says how output i changes
# with input j. The chain rule multiplies matrices. Backward never builds them: each rule takes the vector
# that came, and gives the vector that goes on. Here both, for a layer of 3 inputs and 2 outputs.

# %%
tg.manual_seed(0)
W1, W2 = tg.randn(2, 3, dtype=tg.float64), tg.randn(1, 2, dtype=tg.float64)
v = tg.randn(3, dtype=tg.float64, requires_grad=True)
hidden = tg.tanh(W1 @ v)
out = (W2 @ hidden).sum()
out.backward()

inner = W1  # of W1 v with v
bend = tg.diag(1 - hidden.detach() ** 2)  # of tanh, unit by unit
outer = W2  # of W2 h with h
jacobian = outer @ bend @ inner
print("Jacobians multiplied:", jacobian)
print("backward:            ", v.grad)
assert tg.allclose(jacobian[0], v.grad)

# %% [markdown]
# ## The XOR network
#
# Two inputs, two hidden units, one output, sigmoids: the network of
# [xor_by_hand.py](../../examples/xor_by_hand.py) with biases. In the drawing the four parameters come in
# from the sides; the inputs and the wanted answers need no gradient and are not shown.

# %% alt="The graph of the XOR network: two linear layers with sigmoids, and the mean squared error"
del x, v  # both tools look at the variables around them, and would mention these
inputs = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
wanted = tg.tensor([[0.0], [1.0], [1.0], [0.0]])
w1, b1 = tg.randn(2, 2, requires_grad=True), tg.randn(2, requires_grad=True)
w2, b2 = tg.randn(2, 1, requires_grad=True), tg.randn(1, requires_grad=True)
hidden = tg.sigmoid(inputs @ w1 + b1)
output = tg.sigmoid(hidden @ w2 + b2)
loss = ((output - wanted) ** 2).sum() / 4
tg.draw(loss)

# %% [markdown]
# After `backward` the drawing shows the norm of each gradient too. `tg.explain` gives the same in words;
# for each step it says by how much it made the gradient larger or smaller.

# %%
tg.explain(loss)

# %% [markdown]
# ## A deeper network, folded
#
# A large graph is folded by module, so that it can still be looked at. Below, a residual network; of its
# three blocks, which are alike, the first is shown in full. The arrow past the block is the short way on
# which a gradient comes back unchanged (more in [chapter 5](05_vanishing_and_exploding.md)).


# %% alt="Three residual blocks in a row: the first with an arrow past it, two folded"
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.second(tg.relu(self.first(x)))


net = nn.Sequential(nn.Linear(4, 8), Block(8), Block(8), Block(8), nn.Linear(8, 1))
score = net(tg.randn(16, 4)).square().mean()
tg.draw(score, net)

# %%
print(tg.summary(net, tg.randn(16, 4)))

# %% [markdown]
# ## What to do
#
# - Draw the loss of a network that does not learn. A parameter that is not in the drawing gets no gradient:
#   look for a `detach`, a `.item()` or a `no_grad` on its way.
# - `tg.draw(loss).save("graph.svg")` writes a file; `.mermaid()` and `.dot()` give text for other tools.
# - [chain_rule.py](../../examples/chain_rule.py) measures each factor of a chain by a tape of its own.
