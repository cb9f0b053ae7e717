# The matrix product.


cdef object matrix(str name, object value):
    """`value` as a matrix of floats of which one stride is one element, copied only where neither is."""
    array = np.asarray(value)
    if array.ndim != 2 or (array.dtype != np.float32 and array.dtype != np.float64):
        raise ValueError(f"matmul: {name} is {array.dtype}{list(array.shape)}, wanted a matrix of float32 or float64")
    if array.strides[0] != array.itemsize and array.strides[1] != array.itemsize:
        return np.ascontiguousarray(array)
    return array


cdef void *corner(const floating[:, :] m) noexcept nogil:
    return <void *>&m[0, 0] if m.shape[0] and m.shape[1] else NULL


def matmul(a, b, bias=None, relu=False, out=None):
    """The product of two matrices, plus a bias along the rows, negative results made 0 if asked.

    Transposed matrices are taken as they are.

    >>> matmul(np.float32([[1, 2]]), np.float32([[3], [4]]), bias=np.float32([-20]), relu=True)
    array([[0.]], dtype=float32)
    """
    cdef KernelArgs k
    x, y = matrix("a", a), matrix("b", b)
    if x.dtype != y.dtype:
        raise ValueError(f"matmul: a is of {x.dtype} and b of {y.dtype}, wanted one dtype")
    if x.shape[1] != y.shape[0]:
        raise ValueError(f"matmul: the inner sizes differ, {x.shape} @ {y.shape}")
    shape = (x.shape[0], y.shape[1])
    add = None if bias is None else column("matmul", "bias", bias, shape[1], x.dtype)
    result = output("matmul", "out", out, shape, x.dtype)
    if np.may_share_memory(result, x) or np.may_share_memory(result, y):
        raise ValueError("matmul: out shares memory with a or b, wanted one apart")
    begin(&k, 4)
    k.size[0], k.size[1] = shape
    k.size[2] = x.shape[1]
    k.size[3] = 1
    if x.dtype == np.float32:
        k.data[0], k.data[1] = corner[float](x), corner[float](y)
    else:
        k.data[0], k.data[1] = corner[double](x), corner[double](y)
    k.data[2] = address(add)
    k.data[3] = address(result)
    k.stride[0][0], k.stride[0][1] = x.strides
    k.stride[1][0], k.stride[1][1] = y.strides
    k.stride[3][0] = shape[1] * x.itemsize
    k.stride[0][2] = k.stride[1][2] = k.stride[3][2] = 0
    k.flags = (GEMM_BIAS if add is not None else 0) | (GEMM_RELU if relu else 0)
    launch(b"matmul", code_of(result), &k)
    return result
