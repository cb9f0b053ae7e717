"""torch.func: modules called with other parameters, gradients as functions of functions, and calls for each
part of a batch, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorgrad.autograd import grad as _gradients
from tensorgrad.core import Tensor, _core, enable_grad, is_grad_enabled
from tensorgrad.core.names import missing as _missing
from tensorgrad.ops.making.creation import zeros_like
from tensorgrad.ops.shapes.joining import stack
from tensorgrad.random import get_rng_state, set_rng_state

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip


def _owner(module: Any, name: str) -> tuple[dict[str, Any], str]:
    """The dictionary of parameters or buffers in which a dotted name stands, and its last part."""
    path, _, last = name.rpartition(".")
    found = module.get_submodule(path)
    for held in (found._parameters, found._buffers):
        if last in held:
            return held, last
    raise KeyError(name)


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Makes every batch norm in a module one without running statistics, in place; gives the module.

    >>> model = tg.func.replace_all_batch_norm_modules_(nn.Sequential(nn.BatchNorm1d(2)))
    >>> model[0].track_running_stats, model[0].running_mean
    (False, None)
    """
    for module in root.modules():
        if hasattr(module, "num_batches_tracked") and module.track_running_stats:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


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


NESTS = (dict, list, tuple)


def _members(nest: Any) -> Any:
    return nest.values() if isinstance(nest, dict) else nest


def _like(nest: Any, values: list) -> Any:
    """A dict, list or tuple as ``nest`` is, of other values."""
    if isinstance(nest, dict):
        made = copy(nest)
        made.update(zip(nest, values, strict=True))
        return made
    return type(nest)(*values) if hasattr(nest, "_fields") else type(nest)(values)


def _mapped(function: Callable, x: Any, strict: bool = True, leaf: type = Tensor) -> Any:
    """A nest of dicts, lists and tuples with ``function`` applied to its leaves, beside which it may have no
    others if ``strict``.
    """
    if isinstance(x, leaf):
        return function(x)
    if isinstance(x, NESTS):
        return _like(x, [_mapped(function, value, strict, leaf) for value in _members(x)])
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


def jacfwd(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable:
    """A function that gives the Jacobian of ``func`` with respect to some arguments, by its rows as `jacrev`.

    ``func`` is called once, and so draws random numbers once, whatever ``randomness`` is.

    >>> tg.func.jacfwd(lambda x: x * 2)(tg.ones(2))
    tensor([[2., 0.],
            [0., 2.]])
    """
    return jacrev(func, argnums, has_aux=has_aux)


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """What ``func`` gives, and the product of its Jacobian with ``tangents``, shaped as ``primals``: the
    derivative of a product with the vectors on the other side.

    Raises RuntimeError with ``strict`` if an output does not depend on the inputs.

    >>> tg.func.jvp(lambda x: x ** 2, (tg.tensor([1.0, 3.0]),), (tg.ones(2),))
    (tensor([1., 9.]), tensor([2., 6.]))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError(
            f"jvp: primals and tangents must be tuples, not {type(primals)} and {type(tangents)}"
        )
    vectors = _flat(tangents)
    if [v.shape for v in vectors] != [x.shape for x in _flat(primals)]:
        raise RuntimeError("jvp: primals and tangents must be nests of tensors of the same shapes")
    run = _Transform("jvp", primals, tuple(range(len(primals))))
    with enable_grad():
        found, aux = run.call(func, {}, has_aux)
        outputs = _flat(found)
        live = any(map(run.lives, outputs)) or (run.recorded and any(v.requires_grad for v in vectors))
        weights = [zeros_like(o).requires_grad_() for o in outputs]
        pulled = run.gradients(outputs, weights, True, True)
        used = [(p, v) for p, v in zip(pulled, vectors, strict=True) if p.requires_grad]
        products: Any = [None] * len(weights)
        if used:
            values, factors = zip(*used, strict=True)
            products = _gradients(values, weights, factors, create_graph=live, allow_unused=True)
        if strict and any(p is None for p in products):
            raise RuntimeError("jvp: with strict=True every output must depend on the inputs; one does not")
        each = iter(zeros_like(o) if p is None else p for o, p in zip(outputs, products, strict=True))
        answer = _mapped(lambda _: next(each), found)
        if not live:
            answer = _mapped(lambda t: t.detach(), answer)
        given, aux = run.left(found), run.left(aux)
        run.end()
    return (given, answer, aux) if has_aux else (given, answer)


def stack_module_state(models: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of modules of one kind, each stacked along a new first dimension.

    >>> params, buffers = tg.func.stack_module_state([nn.Linear(2, 1), nn.Linear(2, 1)])
    >>> params["weight"].shape, buffers
    (tensorgrad.Size([2, 1, 2]), {})
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: there must be at least one model")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: all models must be in training mode, or none")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: all models must be of one class")

    def stacked(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        found = {}
        for name, first in states[0].items():
            tensor = stack([state[name] for state in states]).detach()
            found[name] = tensor.requires_grad_(first.requires_grad)
        return found

    return (
        stacked([dict(model.named_parameters()) for model in models]),
        stacked([dict(model.named_buffers()) for model in models]),
    )


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """A function that calls ``func`` for each part of its arguments along a dimension, and stacks what it
    gives.

    ``in_dims`` is a dimension, None for an argument that all calls get whole, or a nest of them as the
    arguments are; keyword arguments go by dimension 0. ``out_dims`` says where the new dimension of each
    result stands, or is None for one that is the same in all calls. Random numbers of the default generator
    are an error, but with ``randomness="different"`` they differ from call to call, and with ``"same"`` do
    not; ``chunk_size`` is PyTorch's and changes nothing. The calls come one after the other, so an op for
    many at once is quicker where there is one.

    >>> tg.func.vmap(tg.dot)(tg.ones(2, 3), tg.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"vmap: randomness must be 'error', 'different' or 'same', not {randomness!r}")

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(in_dims, (int, tuple, list)):
            raise ValueError(f"vmap: in_dims must be an int or a nest of them, not {type(in_dims)}")
        dims = (in_dims,) * len(args) if isinstance(in_dims, int) else tuple(in_dims)
        if len(dims) != len(args):
            raise ValueError(f"vmap: in_dims has {len(dims)} entries, and there are {len(args)} inputs")
        sizes: list[int] = []
        parts = [_split(x, dim, sizes) for x, dim in zip(args, dims, strict=True)]
        named = {word: _split(x, 0, sizes) for word, x in kwargs.items()}
        if not sizes:
            raise ValueError("vmap: no argument is mapped over: no tensor has a dimension in in_dims")
        if len({*sizes}) > 1:
            raise ValueError(f"vmap: the mapped dimensions must be of one size, not {sizes}")
        if not sizes[0]:
            raise RuntimeError("vmap: a dimension of size 0 has no part to call the function with")
        results = []
        state = get_rng_state()
        for i in range(sizes[0]):
            if randomness == "same":
                set_rng_state(state)
            results.append(func(*_part(parts, i), **_part(named, i)))
        if randomness == "error" and get_rng_state().numpy().tobytes() != state.numpy().tobytes():
            set_rng_state(state)
            raise RuntimeError(
                "vmap: the function draws random numbers; say with randomness='different' or 'same' whether "
                "its calls draw others or the same"
            )
        single = isinstance(results[0], Tensor) and isinstance(out_dims, (list, tuple)) and len(out_dims) == 1
        return _stacked(results, out_dims[0] if single else out_dims)

    return wrapper


class _Parts(tuple):
    """What one tensor is to each of the calls."""


def _split(x: Any, dim: Any, sizes: list[int]) -> Any:
    """A nest with its tensors in parts along ``dim``, itself a dimension or a nest of them."""
    if dim is None:
        return x
    if isinstance(x, Tensor):
        if not isinstance(dim, int):
            raise ValueError(f"vmap: in_dims has {dim!r} for a tensor, not a dimension or None")
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"vmap: in_dim {dim} is none of a tensor of {x.ndim} dimensions")
        sizes.append(x.shape[dim])
        return _Parts(x.unbind(dim))
    if isinstance(x, NESTS):
        each = _dims_of(x, dim, "in_dims")
        return _like(x, [_split(v, d, sizes) for v, d in zip(_members(x), each, strict=True)])
    raise ValueError(f"vmap: in_dim {dim!r} for what is no tensor, but {type(x)}: it wants None there")


def _part(x: Any, i: int) -> Any:
    return _mapped(lambda parts: parts[i], x, strict=False, leaf=_Parts)


def _dims_of(nest: Any, dim: Any, word: str) -> list:
    """For each member of a nest its dimension, or nest of them."""
    if dim is None or isinstance(dim, int):
        return [dim] * len(nest)
    if isinstance(nest, dict):
        if isinstance(dim, dict) and dim.keys() == nest.keys():
            return [dim[key] for key in nest]
    elif isinstance(dim, (list, tuple)) and len(dim) == len(nest):
        return list(dim)
    kind = f"{type(nest).__name__} of {len(nest)}"
    raise ValueError(f"vmap: {word} has {dim!r} for a {kind}, which must be built like it")


def _keys(x: Any) -> Any:
    """What the members of a nest are found by; None of what is no nest."""
    return x.keys() if isinstance(x, dict) else range(len(x)) if isinstance(x, NESTS) else None


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or np.array_equal(_core._array_of(a), _core._array_of(b), equal_nan=True)


def _stacked(results: list, dim: Any) -> Any:
    """The calls' results as one, with the calls along ``dim``, a dimension or a nest of them."""
    first = results[0]
    if isinstance(first, Tensor):
        if isinstance(dim, int):
            return stack(results, dim)
        if dim is not None:
            raise ValueError(f"vmap: out_dims has {dim!r} for a tensor, not a dimension or None")
        if not all(_same(first, other) for other in results[1:]):
            raise ValueError("vmap: out_dims has None for what is not the same in all calls")
        return first
    if isinstance(first, NESTS):
        if any(_keys(other) != _keys(first) for other in results):
            raise ValueError("vmap: the function must give nests that are built the same in all calls")
        columns = ([result[key] for result in results] for key in _keys(first))
        dims = _dims_of(first, dim, "out_dims")
        return _like(first, [_stacked(column, d) for column, d in zip(columns, dims, strict=True)])
    raise ValueError(f"vmap: the function must give tensors or nests of them, not {type(first)}")


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str) -> Any:
        raise _missing("module 'tensorgrad.func'", name, globals())
