# Functions of the rows of a matrix, losses, and sums.


cdef object apply_rows(bytes name, object first, object second, object out):
    """A kernel from one matrix, or two of one shape, to a third."""
    cdef KernelArgs a
    who = name.decode()
    x = rows_array(who, "input" if second is None else "grad", first)
    y = None if second is None else like(who, "output", second, x)
    result = output(who, "out", out, x.shape, x.dtype)
    begin(&a, 2)
    a.size[0], a.size[1] = x.shape
    a.data[0] = address(x)
    a.data[1] = address(result if y is None else y)
    a.data[2] = address(result)
    launch(name, code_of(x), &a)
    return result


def softmax(input, out=None):
    """The exponentials of each row, divided by their sum.

    >>> softmax(np.float32([[0, 0], [1000, 0]]))
    array([[0.5, 0.5],
           [1. , 0. ]], dtype=float32)
    """
    return apply_rows(b"softmax", input, None, out)


def softmax_backward(grad, output, out=None):
    """The gradient of the input of `softmax`: `(g - sum(g y)) y`, row by row.

    >>> softmax_backward(np.float32([[1, 0]]), np.float32([[0.5, 0.5]]))
    array([[ 0.25, -0.25]], dtype=float32)
    """
    return apply_rows(b"softmax_backward", grad, output, out)


def log_softmax(input, out=None):
    """The logarithm of `softmax`, safe where that is 0.

    >>> log_softmax(np.float32([[1000, 0]]))
    array([[    0., -1000.]], dtype=float32)
    """
    return apply_rows(b"log_softmax", input, None, out)


def log_softmax_backward(grad, output, out=None):
    """The gradient of the input of `log_softmax`: `g - exp(y) sum(g)`, row by row.

    >>> log_softmax_backward(np.float32([[1, 1]]), np.float32([[0, -1000]]))
    array([[-1.,  1.]], dtype=float32)
    """
    return apply_rows(b"log_softmax_backward", grad, output, out)


def layer_norm(input, weight=None, bias=None, eps=1e-5, out=None):
    """Each row less its mean and over its deviation, times `weight`, plus `bias`; also the means and 1 / the deviations.

    >>> y, mean, scale = layer_norm(np.float32([[1, 3]]), eps=0.0)
    >>> y, mean, scale
    (array([[-1.,  1.]], dtype=float32), array([2.], dtype=float32), array([1.], dtype=float32))
    """
    cdef KernelArgs a
    x = rows_array("layer_norm", "input", input)
    rows, columns = x.shape
    w = None if weight is None else column("layer_norm", "weight", weight, columns, x.dtype)
    b = None if bias is None else column("layer_norm", "bias", bias, columns, x.dtype)
    y = output("layer_norm", "out", out, x.shape, x.dtype)
    mean = np.empty(rows, x.dtype)
    scale = np.empty(rows, x.dtype)
    begin(&a, 2)
    a.size[0], a.size[1] = rows, columns
    a.data[0] = address(x)
    a.data[1] = address(w)
    a.data[2] = address(b)
    a.data[3] = address(y)
    a.data[4] = address(mean)
    a.data[5] = address(scale)
    a.scalar[0] = eps
    launch(b"layer_norm", code_of(x), &a)
    return y, mean, scale


def layer_norm_backward(grad, input, mean, scale, weight=None):
    """The gradients of the input, weight and bias of `layer_norm`, from that of its output and what it gave beside it.

    >>> x = np.float32([[1, 3, 8]])
    >>> y, mean, scale = layer_norm(x)
    >>> of_input, of_weight, of_bias = layer_norm_backward(np.ones_like(x), x, mean, scale)
    >>> bool(abs(of_input).max() < 1e-6), of_bias
    (True, array([1., 1., 1.], dtype=float32))
    """
    cdef KernelArgs a
    x = rows_array("layer_norm_backward", "input", input)
    rows, columns = x.shape
    g = like("layer_norm_backward", "grad", grad, x)
    w = None if weight is None else column("layer_norm_backward", "weight", weight, columns, x.dtype)
    m = column("layer_norm_backward", "mean", mean, rows, x.dtype)
    s = column("layer_norm_backward", "scale", scale, rows, x.dtype)
    of_input, of_weight, of_bias = np.empty_like(x), np.empty(columns), np.empty(columns)        # in double, both
    begin(&a, 2)
    a.size[0], a.size[1] = rows, columns
    a.data[0] = address(g)
    a.data[1] = address(x)
    a.data[2] = address(w)
    a.data[3] = address(m)
    a.data[4] = address(s)
    a.data[5] = address(of_input)
    a.data[6] = address(of_weight)
    a.data[7] = address(of_bias)
    launch(b"layer_norm_backward", code_of(x), &a)
    return of_input, of_weight.astype(x.dtype), of_bias.astype(x.dtype)


cdef object class_array(str who, object target, Py_ssize_t rows):
    """`target` as int64, one class for each row; the kernel checks them as it reads them."""
    array = np.ascontiguousarray(target, np.int64)
    if array.shape != (rows,):
        raise ValueError(f"{who}: target has the shape {list(array.shape)}, wanted [{rows}], a class for each row")
    return array


cdef int launch_classes(str who, int dtype, KernelArgs *a) except -1:
    """Calls a kernel that reads class numbers; raises ValueError for one that there is not."""
    cdef int64_t wrong[2]
    wrong[0] = -1
    a.data[4] = wrong
    launch(who.encode(), dtype, a)
    if wrong[0] >= 0:
        raise ValueError(
            f"{who}: target[{wrong[0]}] is {wrong[1]}, wanted a class from 0 to {a.size[1] - 1} or {a.integer[0]}")
    return 0


cdef double mean_flag(str who, object reduction) except -1:
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{who}: reduction is {reduction!r}, wanted 'mean' or 'sum'")
    return 1.0 if reduction == "mean" else 0.0


cdef void *int_address(object array) except? NULL:
    cdef const int64_t[::1] view = array
    return <void *>&view[0] if view.shape[0] else NULL


def cross_entropy(logits, target, reduction="mean", ignore_index=-100):
    """The negative log probability of each row's class, averaged or summed; also the log probabilities, for the way back.

    >>> loss, log_probabilities = cross_entropy(np.float32([[0, 0]]), [1])
    >>> round(float(loss), 4)
    0.6931
    """
    cdef KernelArgs a
    x = rows_array("cross_entropy", "logits", logits)
    rows, classes = x.shape
    t = class_array("cross_entropy", target, rows)
    loss, log_probabilities = np.empty((), x.dtype), np.empty_like(x)
    begin(&a, 2)
    a.size[0], a.size[1] = rows, classes
    a.data[0] = address(x)
    a.data[1] = int_address(t)
    a.data[2] = address(loss)
    a.data[3] = address(log_probabilities)
    a.scalar[0] = mean_flag("cross_entropy", reduction)
    a.integer[0] = ignore_index
    launch_classes("cross_entropy", code_of(x), &a)
    return loss, log_probabilities


def cross_entropy_backward(log_probabilities, target, grad=1.0, reduction="mean", ignore_index=-100, out=None):
    """The gradient of the logits of `cross_entropy`.

    >>> cross_entropy_backward(np.log(np.float32([[0.5, 0.5]])), [1])
    array([[ 0.5, -0.5]], dtype=float32)
    """
    cdef KernelArgs a
    x = rows_array("cross_entropy_backward", "log_probabilities", log_probabilities)
    rows, classes = x.shape
    t = class_array("cross_entropy_backward", target, rows)
    g = np.full((), grad, x.dtype)
    y = output("cross_entropy_backward", "out", out, x.shape, x.dtype)
    begin(&a, 2)
    a.size[0], a.size[1] = rows, classes
    a.data[0] = address(g)
    a.data[1] = address(x)
    a.data[2] = int_address(t)
    a.data[3] = address(y)
    a.scalar[0] = mean_flag("cross_entropy_backward", reduction)
    a.integer[0] = ignore_index
    launch_classes("cross_entropy_backward", code_of(x), &a)
    return y


def mse_loss(input, target, reduction="mean"):
    """The squares of the differences of two arrays, averaged or summed.

    >>> mse_loss(np.float32([1, 2]), np.float32([1, 4]))
    array(2., dtype=float32)
    """
    cdef KernelArgs a
    x = float_array("mse_loss", "input", input)
    t = like("mse_loss", "target", target, x)
    loss = np.empty((), x.dtype)
    begin(&a, 1)
    a.size[0] = x.size
    a.data[0] = address(x)
    a.data[1] = address(t)
    a.data[2] = address(loss)
    a.scalar[0] = mean_flag("mse_loss", reduction)
    launch(b"mse_loss", code_of(x), &a)
    return loss


def mse_loss_backward(input, target, grad=1.0, reduction="mean", out=None):
    """The gradient of the input of `mse_loss`: twice the difference, over the number of elements for a mean.

    >>> mse_loss_backward(np.float32([1, 2]), np.float32([1, 4]))
    array([ 0., -2.], dtype=float32)
    """
    cdef KernelArgs a
    x = float_array("mse_loss_backward", "input", input)
    t = like("mse_loss_backward", "target", target, x)
    g = np.full((), grad, x.dtype)
    y = output("mse_loss_backward", "out", out, x.shape, x.dtype)
    begin(&a, 1)
    a.size[0] = x.size
    a.data[0] = address(g)
    a.data[1] = address(x)
    a.data[2] = address(t)
    a.data[3] = address(y)
    a.scalar[0] = mean_flag("mse_loss_backward", reduction)
    launch(b"mse_loss_backward", code_of(x), &a)
    return y


def sum(input, axis=None, out=None):
    """The sum of all elements, or along one axis; its rounding errors grow with the logarithm of the length.

    >>> sum(np.float32([[1, 2], [3, 4]]), axis=0)
    array([4., 6.], dtype=float32)
    """
    cdef KernelArgs a
    cdef Py_ssize_t outer = 1, reduced, inner = 1, i, at
    x = float_array("sum", "input", input)
    shape = x.shape
    if axis is None:
        reduced = x.size
        result_shape = ()
    else:
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"sum: axis is {axis}, wanted one of the {x.ndim} of an array {list(shape)}")
        at = axis % x.ndim
        reduced = shape[at]
        for i in range(at):
            outer *= shape[i]
        for i in range(at + 1, x.ndim):
            inner *= shape[i]
        result_shape = shape[:at] + shape[at + 1:]
    y = output("sum", "out", out, result_shape, x.dtype)
    begin(&a, 3)
    a.size[0], a.size[1], a.size[2] = outer, reduced, inner
    a.data[0] = address(x)
    a.data[1] = address(y)
    a.stride[0][2] = x.itemsize
    a.stride[0][1] = inner * x.itemsize
    a.stride[0][0] = reduced * inner * x.itemsize
    launch(b"sum", code_of(x), &a)
    return y
