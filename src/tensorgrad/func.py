"""torch.func, as far as it needs no batching: modules called with other parameters, gradients as functions of
functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorgrad.autograd import functional
from tensorgrad.autograd import grad as _gradients
from tensorgrad.core import Tensor
from tensorgrad.core.names import missing as _missing

__all__ = ["functional_call", "grad", "grad_and_value", "hessian", "jacrev"]


def _owner(module: Any, name: str) -> tuple[dict[str, Any], str]:
    """The dictionary of parameters or buffers in which a dotted name stands, and its last part."""
    path, _, last = name.rpartition(".")
    found = module.get_submodule(path)
    for held in (found._parameters, found._buffers):
        if last in held:
            return held, last
    raise KeyError(name)


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """What a module gives with other parameters and buffers, by name; the module keeps its own.

    A parameter under several names is replaced under all of them, unless ``tie_weights`` is False. Raises
    RuntimeError with ``strict`` for names too many or missing.

    >>> layer = nn.Linear(2, 1)
    >>> tg.func.functional_call(layer, {"weight": tg.ones(1, 2), "bias": tg.zeros(1)}, tg.ones(1, 2))
    tensor([[2.]])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = dict(parameter_and_buffer_dicts)
    else:
        given = {}
        for some in parameter_and_buffer_dicts:
            twice = given.keys() & some.keys()
            if twice:
                raise ValueError(
                    f"{sorted(twice)} appeared in multiple dictionaries; behavior of functional call is "
                    "ambiguous"
                )
            given.update(some)
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if strict and given.keys() != own.keys():
        missing, unknown = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
        raise RuntimeError(f"functional_call: missing {missing}, unexpected {unknown}")
    new = {name: value for name, value in given.items() if name in own}
    if tie_weights:
        value_of = {id(own[name]): value for name, value in new.items()}
        new.update(
            {name: value_of[id(t)] for name, t in own.items() if id(t) in value_of and name not in new}
        )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    places = []
    try:
        for name, value in new.items():
            held, last = _owner(module, name)
            places.append((held, last, held[last]))
            held[last] = value
        return module(*args, **(kwargs or {}))
    finally:
        for held, last, before in reversed(places):
            held[last] = before


def _leaf(x: Any, outer: bool) -> Any:
    if isinstance(x, Tensor):
        return x.view_as(x) if x.requires_grad and outer else x.detach().requires_grad_()
    if isinstance(x, dict):
        return {key: _leaf(value, outer) for key, value in x.items()}
    return type(x)(_leaf(value, outer) for value in x)


def _flat(x: Any) -> list[Tensor]:
    if isinstance(x, Tensor):
        return [x]
    return [t for value in (x.values() if isinstance(x, dict) else x) for t in _flat(value)]


def _like(x: Any, values: Any) -> Any:
    if isinstance(x, Tensor):
        return next(values)
    if isinstance(x, dict):
        return {key: _like(value, values) for key, value in x.items()}
    return type(x)(_like(value, values) for value in x)


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of ``func``, a scalar, with respect to some arguments, and its
    value.

    The arguments may be tensors or dicts, lists and tuples of them. It may be applied again, for gradients of
    gradients.

    >>> tg.func.grad_and_value(lambda x: (x ** 2).sum())(tg.ones(2))
    (tensor([2., 2.]), tensor(2.))
    """

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        places = (argnums,) if isinstance(argnums, int) else argnums
        outer = any(t.requires_grad for n in places for t in _flat(args[n]))
        made = {n % len(args): _leaf(args[n], outer) for n in places}
        found = func(*(made.get(n, a) for n, a in enumerate(args)), **kwargs)
        value, aux = found if has_aux else (found, None)
        if not isinstance(value, Tensor) or value.numel() != 1:
            what = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise RuntimeError(
                f"Expected f(*args) to return a scalar tensor, got {what}: reduce it with .sum() or .mean()"
            )
        wanted = [t for x in made.values() for t in _flat(x)]
        gradients = iter(_gradients(value, wanted, create_graph=outer, materialize_grads=True))
        answers = tuple(_like(x, gradients) for x in made.values())
        answer = answers[0] if isinstance(argnums, int) else answers
        value = value if outer else value.detach()
        return (answer, (value, aux)) if has_aux else (answer, value)

    return wrapper


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of ``func``, a scalar, with respect to some arguments.

    >>> tg.func.grad(tg.func.grad(lambda x: x ** 3))(tg.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        answer, value = both(*args, **kwargs)
        return (answer, value[1]) if has_aux else answer

    return wrapper


def jacrev(func: Callable, argnums: int = 0) -> Callable:
    """A function that gives the Jacobian of ``func`` with respect to one argument.

    >>> tg.func.jacrev(lambda x: x * 2)(tg.ones(2))
    tensor([[2., 0.],
            [0., 2.]])
    """

    def wrapper(*args: Any) -> Any:
        def of_one(x: Tensor) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :])

        return functional.jacobian(of_one, args[argnums], create_graph=args[argnums].requires_grad)

    return wrapper


def hessian(func: Callable, argnums: int = 0) -> Callable:
    """A function that gives the second derivatives of ``func``, a scalar, with respect to one argument.

    >>> tg.func.hessian(lambda x: (x ** 3).sum())(tg.ones(2))
    tensor([[6., 0.],
            [0., 6.]])
    """

    def wrapper(*args: Any) -> Any:
        def of_one(x: Tensor) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :])

        return functional.hessian(of_one, args[argnums], create_graph=args[argnums].requires_grad)

    return wrapper


def __getattr__(name: str) -> Any:
    raise _missing("module 'tensorgrad.func'", name, globals())
