"""The chain rule, factor by factor: z = f(y(x)) changes with x as dz/dx = dz/dy * dy/dx.

Each factor is measured by a tape of its own that knows only its own function. Their product is what one
`backward` through the whole chain finds, however long the chain is.
"""

import math

import tensorgrad as tg

CHAIN = [
    ("square", lambda x: x**2),
    ("sin", tg.sin),
    ("exp", tg.exp),
]


def factor(function, value):
    """`function(value)` and its slope there, from a tape that holds this one function."""
    x = tg.tensor(value, dtype=tg.float64, requires_grad=True)
    y = function(x)
    y.backward()
    return y.item(), x.grad.item()


def factors(chain, value):
    """For each function of the chain: its name, what goes in, what comes out, its slope."""
    rows = []
    for name, function in chain:
        result, slope = factor(function, value)
        rows.append((name, value, result, slope))
        value = result
    return rows


def whole(chain, value):
    """The slope of the whole chain, by one backward pass."""

    def composed(x):
        for _, function in chain:
            x = function(x)
        return x

    return factor(composed, value)[1]


def main():
    start = 0.8
    print("z = exp(sin(x ** 2)) at x =", start)
    print(f"\n  {'function':<10} {'in':>9} {'out':>9} {'slope':>9} {'so far':>9}")
    product = 1.0
    for name, value, result, slope in factors(CHAIN, start):
        product *= slope
        print(f"  {name:<10} {value:9.5f} {result:9.5f} {slope:9.5f} {product:9.5f}")
    by_paper = math.exp(math.sin(start**2)) * math.cos(start**2) * 2 * start
    print(f"\nproduct of the factors   {product:.12f}")
    print(f"one backward pass        {whole(CHAIN, start):.12f}")
    print(f"on paper                 {by_paper:.12f}   exp(sin x^2) * cos(x^2) * 2x")


if __name__ == "__main__":
    main()
