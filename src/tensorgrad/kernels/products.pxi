# The matrix product.


def matmul(a, b, bias=None, relu=False, out=None):
    """The product of two matrices, plus a bias along the rows, negative results made 0 if asked.

    Transposed matrices are taken as they are.

    >>> matmul(np.float32([[1, 2]]), np.float32([[3], [4]]), bias=np.float32([-20]), relu=True)
    array([[0.]], dtype=float32)
    """
    flags = (GEMM_BIAS if bias is not None else 0) | (GEMM_RELU if relu else 0)
    return perform("matmul", "matmul", {"a": a, "b": b, "bias": bias, "out": out}, flags)
