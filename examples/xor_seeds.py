"""How often a small network learns XOR: Adam, 2,000 steps, one training for each seed from 0 to 19.

With 8 hidden units every start leads there. With 2, which are enough to write XOR down, more than half of
the starts end in a flat place: a loss of 1/8, where one pair of inputs is not told apart, or of 1/6, where
only (0, 0) is told from the rest.
"""

from functools import cache

from tensorgrad.demo import xor

SEEDS = range(20)
STEPS = 2000


@cache
def outcomes(hidden, seeds=SEEDS, steps=STEPS):
    """For each seed: whether XOR was learned, and the last loss."""
    results = []
    for seed in seeds:
        model, loss = xor.train(hidden, steps, seed, quiet=True)
        results.append((xor.learned(model), loss))
    return results


def main():
    for hidden in 8, 2:
        results = outcomes(hidden)
        print(f"2-{hidden}-1: XOR learned from {sum(ok for ok, _ in results)} of {len(results)} starts")
        for seed, (ok, loss) in enumerate(results):
            print(f"  seed {seed:2}  loss {loss:.5f}  {'learned' if ok else 'stuck'}")


if __name__ == "__main__":
    main()
