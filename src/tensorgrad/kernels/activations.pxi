# Activations and their slopes. All take an array of any shape, and an `out` that may be the input itself.


cdef object apply(bytes name, object input, object out, double first=0.0, double second=0.0):
    cdef KernelArgs a
    who = name.decode()
    x = float_array(who, "input", input)
    y = output(who, "out", out, x.shape, x.dtype)
    begin(&a, 1)
    a.size[0] = x.size
    a.data[0] = address(x)
    a.data[1] = address(y)
    a.stride[0][0] = a.stride[1][0] = x.itemsize
    a.scalar[0] = first
    a.scalar[1] = second
    launch(name, code_of(x), &a)
    return y


cdef object apply_backward(bytes name, str saved_as, object grad, object saved, object out, double first=0.0):
    cdef KernelArgs a
    who = name.decode()
    v = float_array(who, saved_as, saved)
    g = like(who, "grad", grad, v)
    y = output(who, "out", out, v.shape, v.dtype)
    begin(&a, 1)
    a.size[0] = v.size
    a.data[0] = address(g)
    a.data[1] = address(v)
    a.data[2] = address(y)
    a.stride[0][0] = a.stride[1][0] = a.stride[2][0] = v.itemsize
    a.scalar[0] = first
    launch(name, code_of(v), &a)
    return y


def sigmoid(input, out=None):
    """`1 / (1 + exp(-x))` of each element.

    >>> sigmoid(np.float32([0, 100]))
    array([0.5, 1. ], dtype=float32)
    """
    return apply(b"sigmoid", input, out)


def sigmoid_backward(grad, output, out=None):
    """The gradient of the input of `sigmoid`, from that of its output and the output: `g y (1 - y)`.

    >>> sigmoid_backward(np.float32([2]), np.float32([0.5]))
    array([0.5], dtype=float32)
    """
    return apply_backward(b"sigmoid_backward", "output", grad, output, out)


def tanh(input, out=None):
    """The hyperbolic tangent of each element.

    >>> tanh(np.float64([0.0, 50.0]))
    array([0., 1.])
    """
    return apply(b"tanh", input, out)


def tanh_backward(grad, output, out=None):
    """The gradient of the input of `tanh`, from that of its output and the output: `g (1 - y^2)`.

    >>> tanh_backward(np.float32([2]), np.float32([0.5]))
    array([1.5], dtype=float32)
    """
    return apply_backward(b"tanh_backward", "output", grad, output, out)


def relu(input, out=None):
    """Each element, or 0 where it is negative.

    >>> relu(np.float32([-1, 2]))
    array([0., 2.], dtype=float32)
    """
    return apply(b"relu", input, out)


def relu_backward(grad, output, out=None):
    """The gradient of the input of `relu`: that of its output where the output (or the input) is above 0.

    >>> relu_backward(np.float32([5, 5]), np.float32([0, 2]))
    array([0., 5.], dtype=float32)
    """
    return apply_backward(b"relu_backward", "output", grad, output, out)


def leaky_relu(input, slope=0.01, out=None):
    """Each element, times `slope` where it is negative.

    >>> leaky_relu(np.float32([-2, 2]), 0.5)
    array([-1.,  2.], dtype=float32)
    """
    return apply(b"leaky_relu", input, out, slope)


def leaky_relu_backward(grad, input, slope=0.01, out=None):
    """The gradient of the input of `leaky_relu`, from that of its output and the input.

    >>> leaky_relu_backward(np.float32([4, 4]), np.float32([-2, 2]), 0.5)
    array([2., 4.], dtype=float32)
    """
    return apply_backward(b"leaky_relu_backward", "input", grad, input, out, slope)


def elu(input, alpha=1.0, out=None):
    """Each element, or `alpha (exp(x) - 1)` where it is negative.

    >>> elu(np.float32([-100, 2]), 3.0)
    array([-3.,  2.], dtype=float32)
    """
    return apply(b"elu", input, out, alpha)


def elu_backward(grad, input, alpha=1.0, out=None):
    """The gradient of the input of `elu`, from that of its output and the input.

    >>> elu_backward(np.float32([4, 4]), np.float32([-1000, 2]))
    array([0., 4.], dtype=float32)
    """
    return apply_backward(b"elu_backward", "input", grad, input, out, alpha)


def silu(input, out=None):
    """`x sigmoid(x)` of each element.

    >>> silu(np.float32([0, 100]))
    array([  0., 100.], dtype=float32)
    """
    return apply(b"silu", input, out)


def silu_backward(grad, input, out=None):
    """The gradient of the input of `silu`, from that of its output and the input.

    >>> silu_backward(np.float32([4]), np.float32([0]))
    array([2.], dtype=float32)
    """
    return apply_backward(b"silu_backward", "input", grad, input, out)


def gelu(input, approximate="none", out=None):
    """`x` times the share of the normal distribution below `x`; with `approximate="tanh"` by the tanh formula.

    >>> gelu(np.float32([-100, 0, 100]))
    array([ -0.,   0., 100.], dtype=float32)
    """
    return apply(gelu_kernel(approximate), input, out)


def gelu_backward(grad, input, approximate="none", out=None):
    """The gradient of the input of `gelu`, from that of its output and the input.

    >>> gelu_backward(np.float32([4]), np.float32([0]))
    array([2.], dtype=float32)
    """
    return apply_backward(gelu_kernel(approximate) + b"_backward", "input", grad, input, out)


cdef bytes gelu_kernel(approximate):
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is {approximate!r}, wanted 'none' or 'tanh'")
    return b"gelu" if approximate == "none" else b"gelu_tanh"


def softplus(input, out=None):
    """`log(1 + exp(x))` of each element, `x` itself past 20.

    >>> softplus(np.float32([-200, 50]))
    array([ 0., 50.], dtype=float32)
    """
    return apply(b"softplus_1", input, out)


def softplus_backward(grad, input, out=None):
    """The gradient of the input of `softplus`, from that of its output and the input.

    >>> softplus_backward(np.float32([4, 4]), np.float32([0, 50]))
    array([2., 4.], dtype=float32)
    """
    return apply_backward(b"softplus_1_backward", "input", grad, input, out)


def log_sigmoid(input, out=None):
    """`log(sigmoid(x))` of each element, exact where the sigmoid would be 0.

    >>> log_sigmoid(np.float32([-1000]))
    array([-1000.], dtype=float32)
    """
    return apply(b"log_sigmoid", input, out)


def log_sigmoid_backward(grad, input, out=None):
    """The gradient of the input of `log_sigmoid`, from that of its output and the input.

    >>> log_sigmoid_backward(np.float32([4]), np.float32([0]))
    array([2.], dtype=float32)
    """
    return apply_backward(b"log_sigmoid_backward", "input", grad, input, out)


def mish(input, out=None):
    """`x tanh(log(1 + exp(x)))` of each element.

    >>> mish(np.float32([0, 100]))
    array([  0., 100.], dtype=float32)
    """
    return apply(b"mish", input, out)


def mish_backward(grad, input, out=None):
    """The gradient of the input of `mish`, from that of its output and the input.

    >>> mish_backward(np.float32([5]), np.float32([0]))
    array([3.], dtype=float32)
    """
    return apply_backward(b"mish_backward", "input", grad, input, out)


def hardsigmoid(input, out=None):
    """A sigmoid of three straight pieces: `(x + 3) / 6`, no less than 0 and no more than 1.

    >>> hardsigmoid(np.float32([-4, 0, 4]))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return apply(b"hardsigmoid", input, out)


def hardswish(input, out=None):
    """`x hardsigmoid(x)` of each element.

    >>> hardswish(np.float32([-4, 0, 4]))
    array([-0.,  0.,  4.], dtype=float32)
    """
    return apply(b"hardswish", input, out)


def softsign(input, out=None):
    """`x / (1 + |x|)` of each element.

    >>> softsign(np.float32([-1, 3]))
    array([-0.5 ,  0.75], dtype=float32)
    """
    return apply(b"softsign", input, out)
