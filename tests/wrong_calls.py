"""Calls every op with too few, too many and wrong arguments; prints those that fail in another way than by
a clean error. Run by tests/test_wrong_calls.py in a process of its own, which may crash.
"""

import sys
import warnings
from functools import partial

import tensorgrad as tg
from tensorgrad.core import Op
from tensorgrad.core.declare import registry

CLEAN = (TypeError, ValueError, RuntimeError, IndexError, OverflowError)
WRONG = (None, "two", object(), [], (), 2**70, -1, True, 0.5)


def operand(recorded: bool) -> tg.Tensor:
    """What may be written in place, with a history or without."""
    x = tg.tensor([[0.25, 0.5], [0.75, 0.5]], requires_grad=recorded)
    return x * 1 if recorded else x


def calls(params: tuple[str, ...], recorded: bool):
    """Pairs of positional and keyword arguments; every tensor is another one."""
    yield (), {}
    for count in range(1, len(params) + 3):
        yield tuple(operand(recorded) for _ in range(count)), {}
    x = operand(recorded)
    yield (x, x), {}
    for name in params:
        yield (x,), {name: x}
    for name in ("no_such_argument", "out", "input", "other"):
        yield (operand(recorded),), {name: operand(recorded)}
    for wrong in WRONG:
        yield (wrong,), {}
        yield (operand(recorded), wrong), {}
        yield (operand(recorded), operand(recorded), wrong), {}
        if len(params) > 1:
            yield (operand(recorded),), {params[1]: wrong}


def try_all(name: str, function, params: tuple[str, ...]) -> None:
    print(name, file=sys.stderr, flush=True)  # the last one is where a crash was
    for recorded in (False, True):
        for args, words in calls(params, recorded):
            try:
                function(*args, **words)
            except CLEAN:
                pass
            except Exception as error:
                print(f"{name}{args}{words}: {type(error).__name__}: {error}".replace("\n", " "))


def main() -> None:
    warnings.simplefilter("ignore")
    tg.set_backend(sys.argv[1])
    for name, op in registry.items():
        if not name.startswith("_"):
            try_all(name, op, op.params)
    for name in dir(tg.Tensor):
        method = getattr(tg.Tensor, name)
        if not name.startswith("_") and callable(method) and not isinstance(method, Op):
            try_all(f"Tensor.{name}", partial(method, operand(False)), ("other",))
            try_all(f"Tensor.{name}", partial(method, operand(True)), ("other",))


if __name__ == "__main__":
    main()
