"""Softmax and its kin, and the norms of layers: inputs brought to mean 0 and variance 1, or to sum 1."""

from __future__ import annotations

import math
import warnings

import numpy as np

from tensorgrad.core import no_grad
from tensorgrad.core.declare import between, case, composite, fused, normal, primitive
from tensorgrad.core.limits import finfo
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.reducing.reductions import added_up, cast, check_tensor
from tensorgrad.ops.shapes import joining, shaping, slicing

F_ = "tensorgrad.nn.functional"
BOTH = ("tensorgrad", F_)
EVERYWHERE = ("tensorgrad", F_, "tensorgrad.special")


# ---------------------------------------------------------------------------- softmax


def _softmax_samples():
    return [
        case(normal(3, 4), -1, name="last"),
        case(normal(2, 3, 4), 1, name="middle"),
        case(normal(), 0, name="0-d"),
    ]


def _softmax_input(g, output, dim):
    return output * (g - reductions.sum(g * output, dim, True))


@primitive(vjp=dict(input=_softmax_input), at=(), grad_name="SoftmaxBackward0", samples=_softmax_samples)
def _softmax(input, dim):
    """Exponentials divided by their sum."""
    dim = wrap_dim(dim, input.ndim)
    x = input.reshape(input.shape or 1)
    e = np.exp(x - np.max(x, axis=dim, keepdims=True, initial=-np.inf))
    found = e / added_up(e, dim, True).astype(e.dtype)
    return found.astype(input.dtype, copy=False).reshape(input.shape)


@primitive(
    vjp=dict(input=lambda g, output, dim: g - output.exp() * reductions.sum(g, dim, True)),
    at=(),
    grad_name="LogSoftmaxBackward0",
    samples=_softmax_samples,
)
def _log_softmax(input, dim):
    """Logarithms of exponentials divided by their sum."""
    dim = wrap_dim(dim, input.ndim)
    x = input.reshape(input.shape or 1)
    x = x - np.max(x, axis=dim, keepdims=True, initial=-np.inf)
    found = x - np.log(added_up(np.exp(x), dim, True)).astype(x.dtype)
    return found.astype(input.dtype, copy=False).reshape(input.shape)


def _along(name, form, input, dim, dtype):
    """A softmax along ``dim``, which used to be optional."""
    if dtype is not None:
        check_tensor(name, input)
        input = cast(input, dtype)
    elif type(dim) is int and input.is_floating_point():
        return form(input, dim)
    check_tensor(name, input)
    if input.numel():
        _want_floats(name, input)
    if dim is None:
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X "
            f"as an argument.",
            stacklevel=4,
        )
        dim = 0 if input.ndim in (0, 1, 3) else 1
    if not input.is_floating_point():  # it has no elements
        wrap_dim(dim, input.ndim)
        return input.clone()
    return form(input, dim)


def _dtype_samples():
    return [case(normal(3, 4), 1, name="last"), case(normal(3, 4), dim=0, name="first")]


@composite(samples=_dtype_samples, at=EVERYWHERE, method=True)
def softmax(input, dim=None, dtype=None, *, _stacklevel=3):
    r"""Positive numbers that add up to 1 along ``dim``: :math:`e^{x_i} / \sum_j e^{x_j}`.

    >>> tg.softmax(tg.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return _along("softmax", _softmax, input, dim, dtype)


@composite(samples=_dtype_samples, at=EVERYWHERE, method=True)
def log_softmax(input, dim=None, dtype=None, *, _stacklevel=3):
    r"""The logarithm of the softmax along ``dim``: :math:`x_i - \log \sum_j e^{x_j}`, without overflow.

    >>> tg.log_softmax(tg.tensor([0.0, 0.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    return _along("log_softmax", _log_softmax, input, dim, dtype)


# ---------------------------------------------------------------------------- mean 0, variance 1


def _standardize_input(g_0, g_1, g_2, g_3, output_0, output_2, dim, input_shape):
    """What is left of the gradient without the two directions that standardizing takes away, and nothing
    where the variance overflowed."""
    count = reductions._count(dim, input_shape)
    level = output_2 * reductions.mean(g_0, dim, True) - g_1 / count
    slope = output_2 * (reductions.mean(g_0 * output_0, dim, True) + g_2 * output_2 / count)
    slope = slope - (g_3 * (2 / max(count, 1)) / output_2).masked_fill(output_2 == 0, 0)
    return output_2 * g_0 - level - output_0 * slope


@primitive(
    vjp=dict(input=_standardize_input),
    at=(),
    samples=lambda: [
        case(normal(3, 4), (1,), 1e-5, name="rows"),
        case(normal(2, 3, 4), (0, 2), 0.1, name="channels"),
    ],
)
def _standardize(input, dim, eps):
    """The distance from the mean in standard deviations; the mean; the inverse deviation; the variance."""
    count = np.float64(reductions._count(dim, input.shape))
    mean = added_up(input, dim, True) / count
    centred = input - mean
    variance = np.sum(np.square(centred), axis=dim, keepdims=True) / count
    inverse = 1 / np.sqrt(variance + eps)
    np.multiply(centred, inverse, out=centred)
    return tuple(each.astype(input.dtype, copy=False) for each in (centred, mean, inverse, variance))


def _affine(input, weight, bias):
    """Scaled and moved, in memory that the tape does not keep: a norm's result may be written in place."""
    if weight is None and bias is None:
        return input.clone() if input.requires_grad else input
    if weight is not None:
        input = input * weight
    return input if bias is None else input + bias


def _want_floats(name, input):
    check_tensor(name, input)
    if not input.is_floating_point():
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}')


def _check_normalized(name, input, normalized_shape, weight, bias=None):
    """The shape as a tuple; raises RuntimeError where it isn't the end of the input's."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _want_floats(name, input)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            f"but got normalized_shape = {list(shape)}"
        )
    for each, what in ((weight, "weight"), (bias, "bias")):
        if each is not None and tuple(each.shape) != shape:
            raise RuntimeError(
                f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
                f"{list(each.shape)} and normalized_shape = {list(shape)}"
            )
    if tuple(input.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    return shape


@fused(
    tensors=("input", "weight", "bias"),
    at=BOTH,
    grad_name="NativeLayerNormBackward0",
    samples=lambda: [
        case(normal(3, 4), (4,), name="plain"),
        case(normal(3, 4), (4,), between(0.5, 1.5, 4), normal(4), name="affine"),
        case(normal(2, 3, 4), (3, 4), between(0.5, 1.5, 3, 4), name="two-dims"),
    ],
)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    r"""The last dimensions brought to mean 0 and variance 1, then scaled and moved: :math:`\frac{x -
    \mu}{\sqrt{\sigma^2 + \epsilon}} w + b` with the biased variance.

    >>> F.layer_norm(tg.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    shape = _check_normalized("layer_norm", input, normalized_shape, weight, bias)
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    return _affine(_standardize(input, dims, eps)[0], weight, bias)


@composite(
    single=True,
    samples=lambda: [
        case(normal(3, 4), (4,), name="plain"),
        case(normal(2, 3, 4), (3, 4), between(0.5, 1.5, 3, 4), 0.1, name="weight"),
    ],
    at=BOTH,
)
def rms_norm(input, normalized_shape, weight=None, eps=None):
    r"""The last dimensions divided by their root mean square, then scaled:
    :math:`\frac{x}{\sqrt{\overline{x^2} + \epsilon}} w`. ``eps`` is the smallest difference of the dtype
    from 1 if not given.

    >>> F.rms_norm(tg.tensor([[3.0, -3.0]]), (2,))
    tensor([[ 1., -1.]])
    """
    shape = _check_normalized("rms_norm", input, normalized_shape, weight)
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    eps = finfo(input.dtype).eps if eps is None else eps
    scale = (reductions.mean(input * input, dims, True) + eps).rsqrt()
    scaled = input * scale
    return scaled if weight is None else scaled * weight


def _by_channel(values, ndim):
    """One number a channel, beside an input whose channels are dimension 1."""
    return None if values is None else shaping.reshape(values, (-1,) + (1,) * (ndim - 2))


def _check_per_channel(channels, **given):
    for name, each in given.items():
        if each is not None and (each.ndim != 1 or each.numel() != channels):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got "
                f"{name} of shape {list(each.shape)} and {channels} channels"
            )


@composite(
    single=True,
    samples=lambda: [
        case(normal(2, 4, 3), 2, name="plain"),
        case(normal(2, 4), 2, between(0.5, 1.5, 4), normal(4), 0.1, name="affine"),
    ],
    at=BOTH,
)
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Groups of channels brought to mean 0 and variance 1, then scaled and moved channel by channel.

    Shapes: input (N, C, *), weight and bias (C).

    >>> F.group_norm(tg.tensor([[1.0, 3.0, 2.0, 6.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    _want_floats("group_norm", input)
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    batch, channels = input.shape[:2]
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    _check_per_channel(channels, weight=weight, bias=bias)
    if input.numel() == num_groups:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    if input.numel() == 0:
        groups = input
    else:
        size = input.numel() // (batch * num_groups)
        groups = layer_norm(shaping.reshape(input, (batch * num_groups, size)), (size,), None, None, eps)
    return _affine(
        shaping.reshape(groups, input.shape), _by_channel(weight, input.ndim), _by_channel(bias, input.ndim)
    )


def _check_sizes(input):
    """Raises ValueError when a channel has a single value, of which no variance can be told."""
    if math.prod(input.shape) // max(input.shape[1], 1) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}: give a "
            "larger batch, or call model.eval() to use the statistics that were gathered"
        )


def _remember(running, now, momentum):
    """Moves running statistics towards the present ones."""
    if running is not None:
        with no_grad():
            running.copy_(running * (1 - momentum) + cast(now, running.dtype) * momentum)


def _remember_both(running_mean, running_var, mean, variance, count, momentum):
    if running_mean is None and running_var is None:
        return
    unbiased = variance.detach() * (count / max(count - 1, 1))
    for running, now in ((running_mean, mean.detach()), (running_var, unbiased)):
        if running is not None:
            _remember(running, shaping.reshape(now, (-1, running.shape[0])).mean(0), momentum)


def _frozen(input, running_mean, running_var, eps):
    """Standardized by statistics that were gathered before."""
    deviation = (_by_channel(running_var, input.ndim) + eps).rsqrt()
    return (input - _by_channel(running_mean, input.ndim)) * deviation


@fused(
    tensors=("input", "weight", "bias", "running_mean", "running_var"),
    optional=("running_mean", "running_var"),
    single=False,
    grad_name="NativeBatchNormBackward0",
    samples=lambda: [
        case(normal(4, 3), None, None, training=True, name="training"),
        case(normal(4, 3, 2), None, None, between(0.5, 1.5, 3), normal(3), True, name="affine"),
        case(
            normal(4, 3), normal(3), between(0.5, 2.0, 3), between(0.5, 1.5, 3), normal(3), name="evaluation"
        ),
    ],
    at=F_,
)
def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Channels brought to mean 0 and variance 1, then scaled and moved: by the statistics of the batch in
    training, which the running ones then follow (with the unbiased variance), and by the running ones
    otherwise.

    Shapes: input (N, C, *), everything else (C).

    >>> F.batch_norm(tg.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if eps < 0 or (training and eps == 0):
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps):
    _want_floats("batch_norm", input)
    if input.numel() == 0 and input.ndim == 1:
        return shaping.clone(input)
    if input.ndim < 2:
        raise RuntimeError(f"batch_norm expects an input of at least 2 dimensions, got {input.ndim}")
    if training:
        _check_sizes(input)
    elif running_mean is None or running_var is None:
        raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
    for name, each in dict(
        running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    ).items():
        flat = each is None or each.ndim < 2 or name in ("weight", "bias")
        if each is not None and (each.numel() != input.shape[1] or not flat):
            found = f"{each.numel()}" if flat else f"the shape {list(each.shape)}"
            raise RuntimeError(f"{name} should contain {input.shape[1]} elements not {found}")
    if training:
        dims = (0, *range(2, input.ndim))
        found, mean, _, variance = _standardize(input, dims, eps)
        count = reductions._count(dims, input.shape)
        _remember_both(running_mean, running_var, mean, variance, count, momentum)
    else:
        found = _frozen(input, running_mean, running_var, eps)
    return _affine(found, _by_channel(weight, input.ndim), _by_channel(bias, input.ndim))


@composite(
    samples=lambda: [
        case(normal(2, 3, 4), name="plain"),
        case(normal(2, 3, 4), weight=between(0.5, 1.5, 3), bias=normal(3), eps=0.1, name="affine"),
    ],
    at=F_,
)
def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """Every channel of every sample brought to mean 0 and variance 1, then scaled and moved channel by
    channel.

    >>> F.instance_norm(tg.tensor([[[1.0, 3.0], [2.0, 6.0]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """
    _want_floats("instance_norm", input)
    given = dict(running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _check_per_channel(input.shape[1], **given)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        found = _frozen(input, running_mean, running_var, eps)
    else:
        count = math.prod(input.shape[2:])
        if count == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {input.shape}"
            )
        found, mean, _, variance = _standardize(input, tuple(range(2, input.ndim)), eps)
        _remember_both(running_mean, running_var, mean, variance, count, momentum)
    return _affine(found, _by_channel(weight, input.ndim), _by_channel(bias, input.ndim))


@composite(
    single=True,
    samples=lambda: [
        case(normal(2, 4, 3), 2, name="even"),
        case(normal(1, 5, 2), 3, 0.5, 0.7, 2.0, name="odd"),
    ],
    at=F_,
)
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    r"""Divided by the activity of neighbouring channels: :math:`x_c (k + \frac{\alpha}{n} \sum_{c'}
    x_{c'}^2)^{-\beta}` over the ``size`` channels around c.

    >>> F.local_response_norm(tg.ones(1, 1, 2), 1, alpha=3.0, beta=0.5)
    tensor([[[0.5000, 0.5000]]])
    """
    check_tensor("local_response_norm", input)
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if input.numel() == 0:
        return input
    size = slicing._whole_number(size, "size")
    if size < 1:
        raise RuntimeError(f"local_response_norm: size must be greater than zero, but got {size}")
    channels = input.shape[1]
    squares = input * input
    total = None
    # Channel c takes channel c + shift, if there is one.
    for shift in range(max(-(size // 2), 1 - channels), min((size + 1) // 2, channels)):
        left = channels - abs(shift)
        part = squares.narrow(1, max(shift, 0), left)
        if shift:
            gap = input.new_zeros((input.shape[0], abs(shift), *input.shape[2:]))
            part = joining.cat([part, gap] if shift > 0 else [gap, part], 1)
        total = part if total is None else total + part
    return input / (total * (alpha / size) + k).pow(beta)


# ---------------------------------------------------------------------------- with their statistics


@composite(
    optional=("weight", "bias"),
    samples=lambda: [case(normal(3, 4), (4,), between(0.5, 1.5, 4), normal(4), 1e-5, name="affine")],
    smooth=False,
)
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """The triple (layer_norm, mean, inverse deviation).

    >>> tg.native_layer_norm(tg.tensor([[1.0, 3.0]]), (2,), None, None, 0.0)[1]
    tensor([[2.]])
    """
    shape = _check_normalized("native_layer_norm", input, normalized_shape, weight, bias)
    found, mean, inverse, _ = _standardize(input, tuple(range(input.ndim - len(shape), input.ndim)), eps)
    return _affine(found, weight, bias), mean.detach(), inverse.detach()


@composite(
    optional=("weight", "bias"),
    samples=lambda: [case(normal(2, 4, 3), between(0.5, 1.5, 4), normal(4), 2, 4, 3, 2, 1e-5, name="affine")]
)
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """The triple (group_norm, mean, inverse deviation), the latter two (N, group).

    >>> tg.native_group_norm(tg.tensor([[1.0, 3.0]]), None, None, 1, 2, 1, 1, 0.0)[1]
    tensor([[2.]])
    """
    check_tensor("native_group_norm", input)
    _check_per_channel(C, weight=weight, bias=bias)
    if group <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {group}")
    groups = shaping.reshape(input, (N, group, (C // group) * HxW))
    found, mean, inverse, _ = _standardize(groups, (2,), eps)
    found = _affine(shaping.reshape(found, (N, C, HxW)), _by_channel(weight, 3), _by_channel(bias, 3))
    shapes = (input.shape, (N, group), (N, group))
    return tuple(shaping.reshape(*each) for each in zip((found, mean, inverse), shapes, strict=True))


@composite(
    optional=("weight", "bias", "running_mean", "running_var"),
    samples=lambda: [
        case(normal(4, 3), between(0.5, 1.5, 3), normal(3), None, None, True, 0.1, 1e-5, name="training"),
    ],
    smooth=False,
)
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """The triple (batch_norm, mean, inverse deviation), the latter two empty outside training.

    >>> tg.native_batch_norm(tg.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 0.0)[1]
    tensor([2.])
    """
    if not isinstance(training, (bool, np.bool_)):
        raise TypeError(
            f"native_batch_norm(): argument 'training' (position 6) must be bool, not "
            f"{type(training).__name__}"
        )
    if input.ndim < 2:
        raise IndexError(
            f"native_batch_norm: Dimension out of range: {input.ndim} dimensions have no channels"
        )
    found = _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        empty = input.new_zeros((0,))
        return found, empty, empty
    _, mean, inverse, _ = _standardize(input.detach(), (0, *range(2, input.ndim)), eps)
    return found, shaping.reshape(mean, (-1,)), shaping.reshape(inverse, (-1,))
