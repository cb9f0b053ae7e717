# Activations and their slopes. All take an array of any shape, and an `out` that may be the input itself.


cdef object point(str name, object input, object out, dict settings={}):
    return perform(name, name, {"input": input, "out": out, **settings})


cdef object slope(str name, object grad, object saved, object out, dict settings={}):
    return perform(name, name, {"grad": grad, "saved": saved, "out": out, **settings})


def sigmoid(input, out=None):
    """`1 / (1 + exp(-x))` of each element.

    >>> sigmoid(np.float32([0, 100]))
    array([0.5, 1. ], dtype=float32)
    """
    return point("sigmoid", input, out)


def sigmoid_backward(grad, output, out=None):
    """The gradient of the input of `sigmoid`, from that of its output and the output: `g y (1 - y)`.

    >>> sigmoid_backward(np.float32([2]), np.float32([0.5]))
    array([0.5], dtype=float32)
    """
    return slope("sigmoid_backward", grad, output, out)


def tanh(input, out=None):
    """The hyperbolic tangent of each element.

    >>> tanh(np.float64([0.0, 50.0]))
    array([0., 1.])
    """
    return point("tanh", input, out)


def tanh_backward(grad, output, out=None):
    """The gradient of the input of `tanh`, from that of its output and the output: `g (1 - y^2)`.

    >>> tanh_backward(np.float32([2]), np.float32([0.5]))
    array([1.5], dtype=float32)
    """
    return slope("tanh_backward", grad, output, out)


def relu(input, out=None):
    """Each element, or 0 where it is negative.

    >>> relu(np.float32([-1, 2]))
    array([0., 2.], dtype=float32)
    """
    return point("relu", input, out)


def relu_backward(grad, output, out=None):
    """The gradient of the input of `relu`: that of its output where the output (or the input) is above 0.

    >>> relu_backward(np.float32([5, 5]), np.float32([0, 2]))
    array([0., 5.], dtype=float32)
    """
    return slope("relu_backward", grad, output, out)


def leaky_relu(input, negative_slope=0.01, out=None):
    """Each element, times `negative_slope` where it is negative.

    >>> leaky_relu(np.float32([-2, 2]), 0.5)
    array([-1.,  2.], dtype=float32)
    """
    return point("leaky_relu", input, out, {"negative_slope": negative_slope})


def leaky_relu_backward(grad, input, negative_slope=0.01, out=None):
    """The gradient of the input of `leaky_relu`, from that of its output and the input.

    >>> leaky_relu_backward(np.float32([4, 4]), np.float32([-2, 2]), 0.5)
    array([2., 4.], dtype=float32)
    """
    return slope("leaky_relu_backward", grad, input, out, {"negative_slope": negative_slope})


def elu(input, alpha=1.0, out=None):
    """Each element, or `alpha (exp(x) - 1)` where it is negative.

    >>> elu(np.float32([-100, 2]), 3.0)
    array([-3.,  2.], dtype=float32)
    """
    return point("elu", input, out, {"alpha": alpha})


def elu_backward(grad, input, alpha=1.0, out=None):
    """The gradient of the input of `elu`, from that of its output and the input.

    >>> elu_backward(np.float32([4, 4]), np.float32([-1000, 2]))
    array([0., 4.], dtype=float32)
    """
    return slope("elu_backward", grad, input, out, {"alpha": alpha})


def silu(input, out=None):
    """`x sigmoid(x)` of each element.

    >>> silu(np.float32([0, 100]))
    array([  0., 100.], dtype=float32)
    """
    return point("silu", input, out)


def silu_backward(grad, input, out=None):
    """The gradient of the input of `silu`, from that of its output and the input.

    >>> silu_backward(np.float32([4]), np.float32([0]))
    array([2.], dtype=float32)
    """
    return slope("silu_backward", grad, input, out)


def gelu(input, approximate="none", out=None):
    """`x` times the share of the normal distribution below `x`; with `approximate="tanh"` by the tanh formula.

    >>> gelu(np.float32([-100, 0, 100]))
    array([ -0.,   0., 100.], dtype=float32)
    """
    return point(gelu_kernel(approximate), input, out)


def gelu_backward(grad, input, approximate="none", out=None):
    """The gradient of the input of `gelu`, from that of its output and the input.

    >>> gelu_backward(np.float32([4]), np.float32([0]))
    array([2.], dtype=float32)
    """
    return slope(gelu_kernel(approximate) + "_backward", grad, input, out)


cdef str gelu_kernel(approximate):
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is {approximate!r}, wanted 'none' or 'tanh'")
    return "gelu" if approximate == "none" else "gelu_tanh"


def softplus(input, out=None):
    """`log(1 + exp(x))` of each element, `x` itself past 20.

    >>> softplus(np.float32([-200, 50]))
    array([ 0., 50.], dtype=float32)
    """
    return point("softplus_1", input, out)


def softplus_backward(grad, input, out=None):
    """The gradient of the input of `softplus`, from that of its output and the input.

    >>> softplus_backward(np.float32([4, 4]), np.float32([0, 50]))
    array([2., 4.], dtype=float32)
    """
    return slope("softplus_1_backward", grad, input, out)


def log_sigmoid(input, out=None):
    """`log(sigmoid(x))` of each element, exact where the sigmoid would be 0.

    >>> log_sigmoid(np.float32([-1000]))
    array([-1000.], dtype=float32)
    """
    return point("log_sigmoid", input, out)


def log_sigmoid_backward(grad, input, out=None):
    """The gradient of the input of `log_sigmoid`, from that of its output and the input.

    >>> log_sigmoid_backward(np.float32([4]), np.float32([0]))
    array([2.], dtype=float32)
    """
    return slope("log_sigmoid_backward", grad, input, out)


def mish(input, out=None):
    """`x tanh(log(1 + exp(x)))` of each element.

    >>> mish(np.float32([0, 100]))
    array([  0., 100.], dtype=float32)
    """
    return point("mish", input, out)


def mish_backward(grad, input, out=None):
    """The gradient of the input of `mish`, from that of its output and the input.

    >>> mish_backward(np.float32([5]), np.float32([0]))
    array([3.], dtype=float32)
    """
    return slope("mish_backward", grad, input, out)


def hardsigmoid(input, out=None):
    """A sigmoid of three straight pieces: `(x + 3) / 6`, no less than 0 and no more than 1.

    >>> hardsigmoid(np.float32([-4, 0, 4]))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return point("hardsigmoid", input, out)


def hardswish(input, out=None):
    """`x hardsigmoid(x)` of each element.

    >>> hardswish(np.float32([-4, 0, 4]))
    array([-0.,  0.,  4.], dtype=float32)
    """
    return point("hardswish", input, out)


def softsign(input, out=None):
    """`x / (1 + |x|)` of each element.

    >>> softsign(np.float32([-1, 3]))
    array([-0.5 ,  0.75], dtype=float32)
    """
    return point("softsign", input, out)
