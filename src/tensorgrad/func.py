"""torch.func, as far as it needs no batching: modules called with other parameters, gradients as functions of
functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tensorgrad.autograd import grad as _gradients
from tensorgrad.core import Tensor, enable_grad, is_grad_enabled
from tensorgrad.core.names import missing as _missing
from tensorgrad.ops.making.creation import zeros_like
from tensorgrad.ops.shapes.joining import stack

__all__ = ["functional_call", "grad", "grad_and_value", "hessian", "jacrev", "vjp"]


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


def _mapped(function: Callable, x: Any, strict: bool = True) -> Any:
    """A nest of dicts, lists and tuples with ``function`` applied to its tensors, the only leaves it may have
    if ``strict``.
    """
    if isinstance(x, Tensor):
        return function(x)
    if isinstance(x, dict):
        return type(x)((key, _mapped(function, value, strict)) for key, value in x.items())
    if isinstance(x, (list, tuple)):
        values = [_mapped(function, value, strict) for value in x]
        return type(x)(*values) if hasattr(x, "_fields") else type(x)(values)
    if strict:
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    return x


def _flat(x: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _mapped(found.append, x)
    return found


class _Transform:
    """One call of a transformed function: the arguments it is differentiated in, and whether what comes out
    can be differentiated further, by what lies outside of it.

    As in PyTorch, gradients are recorded inside whatever the mode outside, and the mode outside says whether
    the answers are.
    """

    def __init__(self, name: str, args: tuple, argnums: Any) -> None:
        if not isinstance(argnums, (int, tuple)):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
        places = (argnums,) if isinstance(argnums, int) else argnums
        for n in places:
            if not isinstance(n, int):
                raise RuntimeError(f"argnum must be int, got: {type(n)}")
            if not -len(args) <= n < len(args):
                raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
        places = tuple(n % len(args) for n in places)
        if not places:
            raise RuntimeError("argnums must be non-empty")
        if len(set(places)) < len(places):
            raise RuntimeError(f"argnums elements must be unique, got {argnums}")
        self.name = name
        self.recorded = is_grad_enabled()
        made = {n: _mapped(self._started, args[n]) for n in places}
        self.args = tuple(made.get(n, a) for n, a in enumerate(args))
        self.inputs = made[places[0]] if isinstance(argnums, int) else tuple(made[n] for n in places)
        self.tensors = _flat(self.inputs)
        self.own = {id(t) for t in self.tensors}

    def _started(self, x: Tensor) -> Tensor:
        return x.view_as(x) if self.recorded and x.requires_grad else x.detach().requires_grad_()

    def call(self, func: Callable, kwargs: dict[str, Any], has_aux: bool) -> tuple[Any, Any]:
        """What the function gives, and what it gives beside that."""
        found = func(*self.args, **kwargs)
        if not has_aux:
            return found, None
        if not (isinstance(found, tuple) and len(found) == 2):
            raise RuntimeError(
                f"{self.name}(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is "
                "True"
            )
        return found

    def lives(self, x: Tensor) -> bool:
        """Whether a tensor depends on a leaf that lies outside."""
        if not self.recorded or not x.requires_grad:
            return False
        if x.grad_fn is None:
            return self._outside(x)
        seen, waiting = set(), [x.grad_fn]
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            for edge, _ in node.next_functions:
                if hasattr(edge, "variable"):
                    if self._outside(edge.variable):
                        return True
                elif edge is not None:
                    waiting.append(edge)
        return False

    def _outside(self, leaf: Tensor) -> bool:
        """Whether a leaf is not of this transform, nor of one within it that has ended."""
        return leaf.requires_grad and id(leaf) not in self.own

    def end(self) -> None:
        """Gives up the leaves made for this call: what came out does not depend on them."""
        for t in self.tensors:
            if t.is_leaf:
                t.requires_grad_(False)

    def left(self, x: Any) -> Any:
        """What goes out: cut from the graph, unless that leads further out."""
        return _mapped(lambda t: t if self.lives(t) else t.detach(), x, strict=False)

    def gradients(
        self, outputs: list[Tensor], weights: list[Any], live: bool, retain: bool
    ) -> tuple[Tensor, ...]:
        """The gradients of weighted outputs, in the order of ``tensors``."""
        used = [(o, w) for o, w in zip(outputs, weights, strict=True) if o.requires_grad]
        if not used:
            return tuple(zeros_like(t) for t in self.tensors)
        values, factors = zip(*used, strict=True)
        found = _gradients(
            values, self.tensors, factors, retain_graph=retain or live, create_graph=live, allow_unused=True
        )
        return tuple(zeros_like(t) if g is None else g for t, g in zip(self.tensors, found, strict=True))

    def like_inputs(self, values: Any) -> Any:
        """Values, one for each tensor, in the nest that the inputs are."""
        each = iter(values)
        return _mapped(lambda _: next(each), self.inputs)


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of ``func``, a scalar, with respect to some arguments, and its
    value.

    The arguments may be tensors or dicts, lists and tuples of them. It may be applied again, for gradients of
    gradients, and what it gives can be differentiated by tensors that ``func`` took from elsewhere.

    >>> tg.func.grad_and_value(lambda x: (x ** 2).sum())(tg.ones(2))
    (tensor([2., 2.]), tensor(2.))
    """

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        run = _Transform("grad_and_value", args, argnums)
        with enable_grad():
            value, aux = run.call(func, kwargs, has_aux)
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(value)}"
                )
            if value.ndim:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got a tensor of "
                    f"shape {list(value.shape)}: reduce it with .sum() or .mean(), or use jacrev"
                )
            found = run.gradients([value], [None], run.lives(value), False)
            answer, value, aux = run.like_inputs(run.left(found)), run.left(value), run.left(aux)
            run.end()
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


def jacrev(func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False) -> Callable:
    """A function that gives the Jacobian of ``func`` with respect to some arguments: for every tensor that it
    gives and every tensor it is given, one of their shapes joined.

    >>> tg.func.jacrev(lambda x: x * 2)(tg.ones(2))
    tensor([[2., 0.],
            [0., 2.]])
    """

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        run = _Transform("jacrev", args, argnums)

        def jacobian(out: Tensor) -> Any:
            live, flat = run.lives(out), out.reshape(-1)
            rows = [run.gradients([flat[i]], [None], live, True) for i in range(out.numel())]
            columns = zip(*rows, strict=True) if rows else ([] for _ in run.tensors)
            joined = (
                stack(column).reshape(out.shape + x.shape) if column else x.new_zeros(out.shape + x.shape)
                for column, x in zip(columns, run.tensors, strict=True)
            )
            return run.left(run.like_inputs(joined))

        with enable_grad():
            found, aux = run.call(func, kwargs, has_aux)
            answer, aux = _mapped(jacobian, found), run.left(aux)
            run.end()
        return (answer, aux) if has_aux else answer

    return wrapper


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives the second derivatives of ``func`` with respect to some arguments.

    >>> tg.func.hessian(lambda x: (x ** 3).sum())(tg.ones(2))
    tensor([[6., 0.],
            [0., 6.]])
    """
    return jacrev(jacrev(func, argnums), argnums)


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """What ``func`` gives, and a function of a vector, shaped as that, which gives the vector's product with
    the Jacobian for each of ``primals``.

    >>> output, product = tg.func.vjp(lambda x: x ** 2, tg.tensor([1.0, 3.0]))
    >>> product(tg.ones(2))
    (tensor([2., 6.]),)
    """
    run = _Transform("vjp", primals, tuple(range(len(primals))))
    with enable_grad():
        found, aux = run.call(func, {}, has_aux)
    outputs = _flat(found)
    live = any(map(run.lives, outputs))

    def product(cotangents: Any) -> Any:
        weights = _flat(cotangents)
        if [w.shape for w in weights] != [o.shape for o in outputs]:
            wanted, given = ([list(t.shape) for t in each] for each in (outputs, weights))
            raise RuntimeError(
                f"vjp: the cotangents must be shaped as the output is, {wanted}, but are {given}"
            )
        again = is_grad_enabled() and (live or any(w.requires_grad for w in weights))
        with enable_grad():
            return run.like_inputs(run.left(run.gradients(outputs, weights, again, True)))

    return (run.left(found), product, run.left(aux)) if has_aux else (run.left(found), product)


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str) -> Any:
        raise _missing("module 'tensorgrad.func'", name, globals())
