"""100 sigmoids in a row: the gradient shrinks on its way back until nothing arrives. ReLU lets it through.

The slope of a sigmoid is y (1 - y), at most 1/4. A chain of n of them multiplies n such slopes: at most
4**-n. Double precision still holds 4**-100, single precision ends at 1e-45 and shows a plain 0. ReLU's
slope is 1 for what is positive, and a product of ones is one; for what is negative it is 0, and then
nothing passes at all.
"""

import tensorgrad as tg

LAYERS = 100


def gradients(function, start=0.5, layers=LAYERS, dtype=tg.float64):
    """The gradient of the end of the chain at the input of each layer, first layer first."""
    x = tg.tensor(start, dtype=dtype, requires_grad=True)
    chain = [x]
    for _ in range(layers):
        chain.append(function(chain[-1]))
    for link in chain[1:]:
        link.retain_grad()
    chain[-1].backward()
    return [link.grad.item() for link in chain[:-1]]


def main():
    columns = {
        "sigmoid": gradients(tg.sigmoid),
        "sigmoid, float32": gradients(tg.sigmoid, dtype=tg.float32),
        "relu": gradients(tg.relu),
        "relu of -0.5": gradients(tg.relu, start=-0.5),
    }
    print("gradient that reaches layer" + "".join(f"{name:>18}" for name in columns))
    for layer in [LAYERS - 1, LAYERS - 2, *range(LAYERS - 10, -1, -10)]:
        print(f"{layer + 1:27}" + "".join(f"{column[layer]:18.3g}" for column in columns.values()))
    sigmoid = columns["sigmoid"]
    share = sigmoid[0] / sigmoid[1]
    print(f"\nThe first sigmoid passes on {share:.3f} of what it gets; no sigmoid passes on more than 0.25.")


if __name__ == "__main__":
    main()
