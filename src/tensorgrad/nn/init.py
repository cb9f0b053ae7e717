"""Ways to fill a tensor with first values. Each works in place, off the tape, and returns the tensor."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the size of the signals through a nonlinearity; `param` is leaky_relu's slope.

    >>> nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4  # found by trial, as PyTorch has it
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, int | float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with numbers evenly from `[a, b)`.

    >>> w = nn.init.uniform_(tg.empty(1000), 2.0, 3.0)
    >>> bool(((2 <= w) & (w < 3)).all())
    True
    """
    with tg.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with numbers from a normal distribution.

    >>> w = nn.init.normal_(tg.empty(100, 100), mean=1.0, std=0.1)
    >>> round(w.mean().item(), 2), round(w.std().item(), 2)
    (1.0, 0.1)
    """
    with tg.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fills with numbers from a normal distribution, those outside `[a, b]` drawn again.

    Where `[a, b]` holds less than three tenths of the distribution, numbers even in `[a, b]` are accepted
    with the density's probability instead.

    >>> w = nn.init.trunc_normal_(tg.empty(1000), a=-1.0, b=1.0)
    >>> bool((w.abs() <= 1).all())
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )

    def below(x):
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0

    def density(values):  # its logarithm, 0 at the highest point inside [a, b]
        return ((values - mean) / std) ** 2 * -0.5 - log_peak

    with tg.no_grad():
        if below(b) - below(a) > 0.3:
            low, high = (tg.tensor(bound, dtype=tensor.dtype).item() for bound in (a, b))
            result = tensor.normal_(mean, std, generator=generator)
            while (outside := (result < low) | (result > high)).any():
                result = tg.where(
                    outside, tg.empty_like(result).normal_(mean, std, generator=generator), result
                )
        else:
            log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
            result = tensor.uniform_(a, b, generator=generator)
            chance = tg.empty_like(tensor)
            pending = chance.uniform_(generator=generator).log_() > density(result)
            while pending.any():
                candidates = tg.empty_like(tensor).uniform_(a, b, generator=generator)
                result = tg.where(pending, candidates, result)
                pending = pending & (chance.uniform_(generator=generator).log_() > density(candidates))
        if result is not tensor:
            tensor.copy_(result)
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with one number.

    >>> nn.init.constant_(tg.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    with tg.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with 1.

    >>> nn.init.ones_(tg.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with 0.

    >>> nn.init.zeros_(tg.empty(2))
    tensor([0., 0.])
    """
    with tg.no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """Makes a matrix the identity: ones on the diagonal, else zeros.

    >>> nn.init.eye_(tg.empty(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with tg.no_grad():
        tensor.zero_()
        for i in range(min(tensor.shape)):
            tensor[i, i] = 1
    return tensor


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Makes a convolution's kernel pass its input channels on unchanged, in each of `groups` groups.

    >>> nn.init.dirac_(tg.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    size = tensor.shape[0] // groups
    middle = tuple(extent // 2 for extent in tensor.shape[2:])
    with tg.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(size, tensor.shape[1])):
                tensor[(group * size + channel, channel, *middle)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor):
    """How many inputs one output sees, and how many outputs one input reaches."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor, mode):
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills evenly from `[-a, a)`, `a = gain * sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010).

    >>> w = nn.init.xavier_uniform_(tg.empty(300, 300))
    >>> round(w.abs().max().item(), 2)
    0.1
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills from a normal distribution of deviation `gain * sqrt(2 / (fan_in + fan_out))` (Glorot and
    Bengio, 2010).

    >>> w = nn.init.xavier_normal_(tg.empty(300, 500))
    >>> round(w.std().item(), 2)
    0.05
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _xavier_std(tensor, gain):
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills evenly from `[-b, b)`, `b = gain * sqrt(3 / fan)`; `a` is leaky_relu's slope (He and others,
    2015).

    >>> w = nn.init.kaiming_uniform_(tg.empty(256, 600))
    >>> round(w.abs().max().item(), 2)
    0.1
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills from a normal distribution of deviation `gain / sqrt(fan)`; `a` is leaky_relu's slope (He
    and others, 2015).

    >>> w = nn.init.kaiming_normal_(tg.empty(256, 200))
    >>> round(w.std().item(), 2)
    0.1
    """
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _is_empty(tensor):
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def _kaiming_std(tensor, a, mode, nonlinearity):
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Makes the rows (or columns, whichever are fewer) orthogonal and of length `gain`; dimensions past
    the first count as one.

    >>> w = nn.init.orthogonal_(tg.empty(2, 3))
    >>> (w @ w.T).round(decimals=3).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    with tg.no_grad():
        flat = tg.empty((rows, columns), dtype=tensor.dtype).normal_(0, 1, generator=generator).numpy()
        q, r = np.linalg.qr(flat.T if rows < columns else flat)
        q *= np.sign(np.diagonal(r))  # makes it uniform over all such matrices (Mezzadri, math-ph/0609050)
        q = np.ascontiguousarray(q.T if rows < columns else q)
        return tensor.copy_(tg.from_numpy(q.reshape(tensor.shape))).mul_(gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fills a matrix from a normal distribution, then puts a share of `sparsity` zeros into each column
    (Martens, 2010).

    >>> w = nn.init.sparse_(tg.empty(10, 3), sparsity=0.5)
    >>> (w == 0).sum(0)
    tensor([5, 5, 5])
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with tg.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[tg.randperm(rows)[:zeros], column] = 0
    return tensor


def _renamed(function):
    """The function under its old name, which says what it is called now."""
    old = function.__name__[:-1]

    @functools.wraps(function)
    def call(*args, **kwargs):
        warnings.warn(f"nn.init.{old} is now called {old}_", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"The old name of `{old}_`."
    return call


uniform, normal, constant, eye, dirac, orthogonal, sparse = map(
    _renamed, (uniform_, normal_, constant_, eye_, dirac_, orthogonal_, sparse_)
)
xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal = map(
    _renamed, (xavier_uniform_, xavier_normal_, kaiming_uniform_, kaiming_normal_)
)


# By the names of PyTorch's halves without gradients, which programs import.
_no_grad_uniform_, _no_grad_normal_, _no_grad_trunc_normal_ = uniform_, normal_, trunc_normal_
_no_grad_fill_, _no_grad_zero_ = constant_, zeros_
