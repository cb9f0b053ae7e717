# Functions of the rows of a matrix, losses, and sums.


cdef object over_rows(str name, dict given):
    """A kernel of lines along a dimension, on the rows of matrices."""
    cdef dict lines = {}
    out = given["out"]
    if out is not None:
        writable_array(name, "out", out)
    for operand, value in given.items():
        if value is not None:
            matrix = np.asarray(value)
            if matrix.ndim != 2:
                raise ValueError(f"{name}: {operand} is {matrix.dtype}{list(matrix.shape)}, wanted a matrix")
            lines[operand] = matrix[:, :, None]
    result = perform(name, name, lines)
    return result[:, :, 0] if out is None else out


def softmax(input, out=None):
    """The exponentials of each row, divided by their sum.

    >>> softmax(np.float32([[0, 0], [1000, 0]]))
    array([[0.5, 0.5],
           [1. , 0. ]], dtype=float32)
    """
    return over_rows("softmax", {"input": input, "out": out})


def softmax_backward(grad, output, out=None):
    """The gradient of the input of `softmax`: `(g - sum(g y)) y`, row by row.

    >>> softmax_backward(np.float32([[1, 0]]), np.float32([[0.5, 0.5]]))
    array([[ 0.25, -0.25]], dtype=float32)
    """
    return over_rows("softmax_backward", {"grad": grad, "output": output, "out": out})


def log_softmax(input, out=None):
    """The logarithm of `softmax`, safe where that is 0.

    >>> log_softmax(np.float32([[1000, 0]]))
    array([[    0., -1000.]], dtype=float32)
    """
    return over_rows("log_softmax", {"input": input, "out": out})


def log_softmax_backward(grad, output, out=None):
    """The gradient of the input of `log_softmax`: `g - exp(y) sum(g)`, row by row.

    >>> log_softmax_backward(np.float32([[1, 1]]), np.float32([[0, -1000]]))
    array([[-1.,  1.]], dtype=float32)
    """
    return over_rows("log_softmax_backward", {"grad": grad, "output": output, "out": out})


def layer_norm(input, weight=None, bias=None, eps=1e-5, out=None):
    """Each row less its mean and over its deviation, times `weight`, plus `bias`; also the means and 1 / the deviations.

    >>> y, mean, scale = layer_norm(np.float32([[1, 3]]), eps=0.0)
    >>> y, mean, scale
    (array([[-1.,  1.]], dtype=float32), array([2.], dtype=float32), array([1.], dtype=float32))
    """
    return perform("layer_norm", "layer_norm", {"input": input, "weight": weight, "bias": bias, "eps": eps, "out": out})


def layer_norm_backward(grad, input, mean, scale, weight=None):
    """The gradients of the input, weight and bias of `layer_norm`, from that of its output and what it gave beside it.

    >>> x = np.float32([[1, 3, 8]])
    >>> y, mean, scale = layer_norm(x)
    >>> of_input, of_weight, of_bias = layer_norm_backward(np.ones_like(x), x, mean, scale)
    >>> bool(abs(of_input).max() < 1e-6), of_bias
    (True, array([1., 1., 1.], dtype=float32))
    """
    of_input, of_weight, of_bias = perform("layer_norm_backward", "layer_norm_backward", {
        "grad": grad, "input": input, "weight": weight, "mean": mean, "scale": scale})
    return of_input, of_weight.astype(of_input.dtype), of_bias.astype(of_input.dtype)


cdef tuple of_classes(str who, dict given, reduction, ignore_index):
    """Runs a kernel that reads class numbers; raises ValueError for one that there is not."""
    wrong = np.array([-1, 0])
    given.update(mean=asks_mean(who, reduction), ignore_index=ignore_index, wrong=wrong)
    results = perform(who, who, given)
    if wrong[0] >= 0:
        classes = results[len(results) - 2].shape[1]
        raise ValueError(f"{who}: target[{wrong[0]}] is {wrong[1]}, wanted a class from 0 to {classes - 1} or {ignore_index}")
    return results


cdef bint asks_mean(str who, object reduction) except -1:
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{who}: reduction is {reduction!r}, wanted 'mean' or 'sum'")
    return reduction == "mean"


def cross_entropy(logits, target, reduction="mean", ignore_index=-100):
    """The negative log probability of each row's class, averaged or summed; also the log probabilities, for the way back.

    >>> loss, log_probabilities = cross_entropy(np.float32([[0, 0]]), [1])
    >>> round(float(loss), 4)
    0.6931
    """
    return of_classes("cross_entropy", {"logits": logits, "target": target}, reduction, ignore_index)[:2]


def cross_entropy_backward(log_probabilities, target, grad=1.0, reduction="mean", ignore_index=-100, out=None):
    """The gradient of the logits of `cross_entropy`.

    >>> cross_entropy_backward(np.log(np.float32([[0.5, 0.5]])), [1])
    array([[ 0.5, -0.5]], dtype=float32)
    """
    given = {"log_probabilities": log_probabilities, "target": target, "grad": grad, "out": out}
    return of_classes("cross_entropy_backward", given, reduction, ignore_index)[0]


def mse_loss(input, target, reduction="mean"):
    """The squares of the differences of two arrays, averaged or summed.

    >>> mse_loss(np.float32([1, 2]), np.float32([1, 4]))
    array(2., dtype=float32)
    """
    return perform("mse_loss", "mse_loss", {"input": input, "target": target, "mean": asks_mean("mse_loss", reduction)})


def mse_loss_backward(input, target, grad=1.0, reduction="mean", out=None):
    """The gradient of the input of `mse_loss`: twice the difference, over the number of elements for a mean.

    >>> mse_loss_backward(np.float32([1, 2]), np.float32([1, 4]))
    array([ 0., -2.], dtype=float32)
    """
    return perform("mse_loss_backward", "mse_loss_backward", {
        "grad": grad, "input": input, "target": target, "mean": asks_mean("mse_loss_backward", reduction), "out": out})


def sum(input, axis=None, out=None):
    """The sum of all elements, or along one axis; its rounding errors grow with the logarithm of the length.

    >>> sum(np.float32([[1, 2], [3, 4]]), axis=0)
    array([4., 6.], dtype=float32)
    """
    x = np.asarray(input)
    shape = x.shape
    if axis is None:
        outer, reduced, inner = (), shape, ()
    elif -x.ndim <= axis < x.ndim:
        outer, reduced, inner = shape[:axis % x.ndim], (shape[axis],), shape[axis % x.ndim + 1:]
    else:
        raise ValueError(f"sum: axis is {axis}, wanted one of the {x.ndim} of an array {list(shape)}")
    if out is not None:
        writable_array("sum", "out", out)
        if out.shape != outer + inner:
            raise ValueError(f"sum: out is {out.dtype}{list(out.shape)}, wanted {x.dtype}{list(outer + inner)}")
    x = x.reshape(product(outer), product(reduced), product(inner))
    lines = None if out is None else out.reshape(product(outer), product(inner))
    result = perform("sum", "sum", {"input": x, "out": lines}).reshape(outer + inner)
    return result if out is None else out


cdef Py_ssize_t product(tuple sizes) except -1:
    cdef Py_ssize_t count = 1
    for size in sizes:
        count *= size
    return count
