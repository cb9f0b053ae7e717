"""Random tensors: for one seed the numbers of PyTorch's CPU wheel."""

from __future__ import annotations

import builtins
import operator
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, _random, bfloat16, int64, uint8
from tensorgrad.core.subclasses import answerable
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.making import creation
from tensorgrad.ops.making.creation import _UNSET, _default, _finish, _new, _size


class Generator(_random.Generator):
    """A stream of random numbers of its own, as torch's on the CPU.

    >>> g = tg.Generator().manual_seed(0)
    >>> tg.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    def get_state(self):
        """The state as a uint8 tensor, in torch's layout."""
        return _core.from_numpy(super().get_state())

    def set_state(self, new_state):
        """Continues from a state that ``get_state`` gave, here or in torch."""
        if not isinstance(new_state, Tensor) or new_state.dtype is not uint8:
            raise TypeError("set_state() wants a tensorgrad.ByteTensor, as get_state() gives")
        super().set_state(new_state.numpy())


default_generator = Generator()
default_generator.manual_seed(67280421310721)
_core._draw_from(default_generator)


def _stream(generator: Any) -> _random.Generator:
    if generator is None:
        return default_generator
    if not isinstance(generator, _random.Generator):
        raise TypeError(f"argument 'generator' must be tensorgrad.Generator, not {type(generator).__name__}")
    return generator


def manual_seed(seed: builtins.int) -> Generator:
    """Seeds the default generator, and returns it.

    >>> _ = tg.manual_seed(0)
    >>> tg.rand(2)
    tensor([0.4963, 0.7682])
    """
    default_generator.manual_seed(seed)
    return default_generator


def seed() -> builtins.int:
    """Seeds the default generator with a number from the system, and returns that.

    >>> isinstance(tg.seed(), int)
    True
    """
    return default_generator.seed()


def initial_seed() -> builtins.int:
    """The number that the default generator was last seeded with.

    >>> tg.manual_seed(3).initial_seed() == tg.initial_seed() == 3
    True
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a uint8 tensor.

    >>> tg.get_rng_state().shape
    tensorgrad.Size([5056])
    """
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Puts the default generator into a state that ``get_rng_state`` gave.

    >>> tg.set_rng_state(tg.get_rng_state())
    """
    default_generator.set_state(new_state)


def _drawn(shape: tuple, fill: Any, dtype: Any, out: Any, requires_grad: builtins.bool, device: Any):
    made = _new(shape, _UNSET, dtype, False, out=None, device=device)
    if made.numel():
        fill(_core._memory_of(made))
    return _finish(made, out, requires_grad)


def _continuous(name: str, dtype: Any) -> None:
    """Refuses other dtypes plainly, as the draws do that check it in PyTorch; no loop is missing there."""
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} wants a tensor of a float dtype, got {dtype.name}")


def _float(name: str, dtype: Any, out: Any = None):
    wanted = _default(dtype if dtype is not None or out is None else out.dtype)
    if not wanted.is_floating_point:
        raise NotImplementedError(
            f"\"{name}\" not implemented for '{wanted.name}': random floats need a float dtype"
        )
    return wanted


def rand(
    *sizes: Any, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: builtins.bool = False,
    pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Numbers uniform in [0, 1).

    >>> bool((tg.rand(100) < 1).all())
    True
    """
    stream = _stream(generator)
    return _drawn(
        _size("rand", sizes, size),
        lambda a: stream.fill_uniform(a),
        _float("rand", dtype, out),
        out,
        requires_grad,
        device,
    )


def randn(
    *sizes: Any, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: builtins.bool = False,
    pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Numbers of the standard normal distribution.

    >>> tg.randn(2, 3).shape
    tensorgrad.Size([2, 3])
    """
    stream = _stream(generator)
    return _drawn(
        _size("randn", sizes, size),
        lambda a: stream.fill_normal(a),
        _float("randn", dtype, out),
        out,
        requires_grad,
        device,
    )


def _bounds(name: str, low: Any, high: Any) -> tuple[builtins.int, builtins.int]:
    """The bounds of random integers; a single one, first or by name, is the upper one."""
    if high is None:
        low, high = 0, low
    low = 0 if low is None else low
    for argument, bound in (("low", low), ("high", high)):
        if isinstance(bound, builtins.float) or not hasattr(bound, "__index__"):
            raise TypeError(f"{name}(): argument '{argument}' must be int, not {type(bound).__name__}")
    return operator.index(low), operator.index(high)


def randint(
    low: Any = None, high: Any = None, size: Any = None, *, generator: Any = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: builtins.bool = False,
    pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Whole numbers uniform in [low, high), ``low`` being 0 if left out.

    >>> tg.randint(3, (4,)).dtype
    tensorgrad.int64
    """
    if size is None:
        low, high, size = None, low, high
    if size is None or isinstance(size, builtins.int):
        raise TypeError("randint(): argument 'size' must be tuple of ints, as in randint(low, high, (2, 3))")
    low, high = _bounds("randint", low, high)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    stream = _stream(generator)
    wanted = int64 if dtype is None and out is None else dtype if dtype is not None else out.dtype
    return _drawn(
        tuple(size),
        lambda a: stream.fill_randint(a, builtins.int(low), builtins.int(high)),
        wanted,
        out,
        requires_grad,
        device,
    )


def randperm(
    n: Any, *, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: builtins.bool = False, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """The numbers from 0 to ``n`` - 1 in random order.

    >>> tg.randperm(4).sort().values
    tensor([0, 1, 2, 3])
    """
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    wanted = int64 if dtype is None and out is None else dtype if dtype is not None else out.dtype
    creation.empty(n, dtype=wanted)  # raises where there is no memory for so many
    if wanted.is_floating_point and n > 2**wanted.digits + 1:
        raise RuntimeError(f"randperm: {wanted.name} does not hold {n} different integers")
    made = _core._tensor_of(_stream(generator).permutation(n, wanted.array_dtype), wanted)
    return _finish(made, out, requires_grad)


@answerable
def rand_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Numbers uniform in [0, 1), in the shape and dtype of ``input``.

    >>> tg.rand_like(tg.ones(2)).shape
    tensorgrad.Size([2])
    """
    want_tensors("rand_like", input=input)
    if creation.keeps_order(memory_format) and not input.is_contiguous():
        made = uniform_(creation.laid_out_as(input, dtype, device), generator=generator)
        return _finish(made, None, requires_grad)
    return rand(
        tuple(input.shape),
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


@answerable
def randn_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Numbers of the standard normal distribution, in the shape and dtype of ``input``.

    >>> tg.randn_like(tg.ones(2)).shape
    tensorgrad.Size([2])
    """
    want_tensors("randn_like", input=input)
    if creation.keeps_order(memory_format) and not input.is_contiguous():
        made = normal_(creation.laid_out_as(input, dtype, device), generator=generator)
        return _finish(made, None, requires_grad)
    return randn(
        tuple(input.shape),
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


@answerable
def randint_like(
    input: Tensor, low: Any = None, high: Any = None, *, generator: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: builtins.bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Whole numbers uniform in [low, high), in the shape and dtype of ``input``.

    >>> tg.randint_like(tg.ones(2), 3).shape
    tensorgrad.Size([2])
    """
    want_tensors("randint_like", input=input)
    low, high = _bounds("randint_like", low, high)
    if creation.keeps_order(memory_format) and not input.is_contiguous():
        made = creation.laid_out_as(input, dtype, device)
        return _finish(random_(made, low, high, generator=generator), None, requires_grad)
    return randint(
        low,
        high,
        tuple(input.shape),
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


def normal_numbers(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, out: Any = None,
    dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: builtins.bool = False,
    pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Numbers of normal distributions: ``mean`` and ``std`` are tensors, or numbers with ``size``.

    >>> tg.normal(0.0, 1.0, (2, 3)).shape
    tensorgrad.Size([2, 3])
    """
    if isinstance(std, Tensor):
        if bool((std.detach() < 0).any()):
            raise RuntimeError("normal expects all elements of std >= 0.0")
    elif std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal() of two numbers needs a size")
        stream = _stream(generator)
        return _drawn(
            tuple(size),
            lambda a: stream.fill_normal(a, mean, std),
            _float("normal", dtype, out),
            out,
            requires_grad,
            device,
        )
    like = mean if isinstance(mean, Tensor) else std
    if isinstance(mean, Tensor) and isinstance(std, Tensor):
        shape = np.broadcast_shapes(tuple(mean.shape), tuple(std.shape))
    else:
        shape = tuple(like.shape)
    made = randn(shape, generator=generator, dtype=_float("normal", like.dtype))
    with _no_grad():
        made = made * std + mean
    return _finish(made, out, False)


normal_numbers.__name__ = "normal"


def _no_grad():
    from tensorgrad.core.modes import no_grad

    return no_grad()


def _drawing_order(t: Tensor) -> list[builtins.int]:
    """Its dimensions as they lie in memory, the longest step first: the order in which PyTorch draws."""
    return sorted(range(t.ndim), key=lambda d: -t.stride(d))


def _filled_in_place(self, fill):
    """Draws into a tensor's memory: in place, outside the graph's values."""
    _core._enter_inplace(self)
    if self.numel():
        array = _core._memory_of(self).transpose(_drawing_order(self))
        if array.flags.c_contiguous:
            fill(array)
        else:
            flat = np.empty(array.shape, array.dtype)
            fill(flat)
            _core._write_by("draw", self, lambda _: array.__setitem__(..., flat))
    return _core._fill_in_place(self, None)


def uniform_(
    self: Any, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **other: Any
) -> Tensor:
    """Fills with numbers uniform in [from, to).

    >>> bool((tg.empty(9).uniform_(-1, 0) < 0).all())
    True
    """
    from_ = other.pop("from", from_)
    if other:
        raise TypeError(f"uniform_() got an unexpected keyword argument '{next(iter(other))}'")
    if not from_ <= to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}")
    _float("uniform_", self.dtype)
    return _filled_in_place(self, lambda a: _stream(generator).fill_uniform(a, from_, to))


def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fills with numbers of a normal distribution.

    >>> tg.empty(3).normal_().shape
    tensorgrad.Size([3])
    """
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    _float("normal_", self.dtype)
    scalar = not self.is_contiguous()
    return _filled_in_place(self, lambda a: _stream(generator).fill_normal(a, mean, std, scalar))


def random_(self: Any, from_: Any = None, to: Any = None, *, generator: Any = None, **other: Any) -> Tensor:
    """Fills with whole numbers in [from, to), or in the dtype's whole range from 0.

    >>> bool((tg.empty(9).random_(5) < 5).all())
    True
    """
    from_ = other.pop("from", from_)
    if other:
        raise TypeError(f"random_() got an unexpected keyword argument '{next(iter(other))}'")
    stream = _stream(generator)
    if from_ is None:
        return _filled_in_place(self, lambda a: stream.fill_random(a, to))
    if to is None:
        from_, to = 0, from_
    if from_ >= to:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={from_} >= to={to}")
    return _filled_in_place(self, lambda a: stream.fill_randint(a, from_, to))


def _probability(p: Any) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")


def bernoulli_(self: Any, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fills with ones, each with probability ``p``, and zeros.

    >>> tg.empty(2).bernoulli_(1.0)
    tensor([1., 1.])
    """
    stream = _stream(generator)
    if isinstance(p, Tensor):
        each = np.broadcast_to(_core._array_of(p), tuple(self.shape)).transpose(_drawing_order(self)).copy()
        return _filled_in_place(self, lambda a: stream.bernoulli(each, a))
    _probability(p)
    return _filled_in_place(self, lambda a: stream.fill_bernoulli(a, p))


def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """Ones and zeros: one with the probability that ``input`` (or ``p``) says.

    >>> tg.bernoulli(tg.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    want_tensors("bernoulli", input=input)
    if p is not None:
        made = bernoulli_(creation.empty_like(input), p, generator=generator)
        return _finish(made, out, False)
    _float("bernoulli", input.dtype)
    each = np.asarray(_core._array_of(input), order="C")
    if each.size and not ((each >= 0) & (each <= 1)).all():
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    made = creation.empty_like(input)
    if each.size:
        _stream(generator).bernoulli(each, _core._memory_of(made))
    return _finish(made, out, False)


def exponential_(self: Any, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fills with numbers of the exponential distribution of rate ``lambd``.

    >>> bool((tg.empty(9).exponential_() >= 0).all())
    True
    """
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    _continuous("exponential_", self.dtype)
    return _filled_in_place(self, lambda a: _stream(generator).fill_exponential(a, lambd))


def geometric_(self: Any, p: Any, *, generator: Any = None) -> Tensor:
    """Fills with numbers of the geometric distribution of probability ``p``.

    >>> bool((tg.empty(9).geometric_(0.5) >= 1).all())
    True
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return _filled_in_place(self, lambda a: _stream(generator).fill_geometric(a, p))


def cauchy_(self: Any, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fills with numbers of the Cauchy distribution.

    >>> tg.empty(2).cauchy_().shape
    tensorgrad.Size([2])
    """
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    _continuous("cauchy_", self.dtype)
    return _filled_in_place(self, lambda a: _stream(generator).fill_cauchy(a, median, sigma))


def log_normal_(self: Any, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Tensor:
    """Fills with numbers whose logarithm is normal.

    >>> bool((tg.empty(9).log_normal_() > 0).all())
    True
    """
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    _float("log_normal_", self.dtype)
    return _filled_in_place(self, lambda a: _stream(generator).fill_log_normal(a, mean, std))


@answerable
def multinomial(
    input: Tensor, num_samples: Any, replacement: builtins.bool = False, *, generator: Any = None,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with the weights of each row of ``input``.

    >>> tg.multinomial(tg.tensor([0.0, 1.0]), 1)
    tensor([1])
    """
    want_tensors("multinomial", input=input)
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    _continuous("multinomial", input.dtype)
    if input.dtype is bfloat16:
        raise NotImplementedError("multinomial: not implemented for bfloat16; convert with .float() first")
    if out is not None and (not isinstance(out, Tensor) or out.dtype is not int64):
        raise RuntimeError("multinomial expects Long tensor out")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    weights = np.asarray(_core._array_of(input), order="C")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (weights.sum(-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    made = _core._copy_of_array(_stream(generator).multinomial(weights, num_samples, replacement))
    return _finish(made, out, False)


def gumbel_softmax(
    logits: Any, tau: Any = 1, hard: builtins.bool = False, eps: float = 1e-10, dim: Any = -1
) -> Tensor:
    r"""Random shares that add up to 1, nearer to one class of the softmax the smaller ``tau`` is, with
    gradients to ``logits``.

    :math:`\mathrm{softmax}((x + g) / \tau)` with numbers :math:`g` of the Gumbel distribution. With ``hard``
    the value is exactly 1 for one class and 0 for the others, and the gradient is that of the shares.

    >>> tg.nn.functional.gumbel_softmax(tg.tensor([0.0, 99.0]), hard=True)
    tensor([0., 1.])
    """
    noise = -exponential_(creation.empty_like(logits)).log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return creation.zeros_like(logits).scatter_(dim, index, 1.0) - soft.detach() + soft


IN_PLACE = (uniform_, normal_, random_, bernoulli_, exponential_, geometric_, cauchy_, log_normal_)
for _method in (*IN_PLACE, bernoulli, multinomial):
    _core._add_method(_method.__name__, _method)

PUBLIC = {
    "tensorgrad": (
        Generator, manual_seed, seed, initial_seed, get_rng_state, set_rng_state, rand, randn, randint,
        randperm, rand_like, randn_like, randint_like, normal_numbers, bernoulli, multinomial,
    ),
    "tensorgrad.nn.functional": (gumbel_softmax,),
}  # fmt: skip
