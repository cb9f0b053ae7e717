"""Matrices taken apart and put together, and systems solved."""

import math

import tensorgrad as tg

A = tg.randn(4, 4, dtype=tg.float64)
b = tg.randn(4, 2, dtype=tg.float64)
q, r = tg.linalg.qr(A)
print(tg.allclose(q @ r, A), tg.dist(q @ r, A))
U, S, Vh = tg.linalg.svd(A, full_matrices=False)
print((U * S @ Vh - A).abs().max() < 1e-9)
print(tg.linalg.svd(A).S.shape, tg.linalg.svdvals(A).max())
x = tg.linalg.solve(A, b)
symmetric = A @ A.mT + tg.eye(4, dtype=tg.float64)
factor = tg.linalg.cholesky(symmetric)
values, vectors = tg.linalg.eigh(symmetric)
sign, logarithm = tg.linalg.slogdet(symmetric)
print(values.min().item(), vectors.shape, float(sign), math.exp(logarithm.item()) > 0)
print(A.norm(), A.norm(2), A.norm(p=1, dim=0), tg.linalg.norm(A, ord="fro"), tg.linalg.vector_norm(b, dim=0))
print(A.det(), A.inverse().shape, tg.linalg.matrix_rank(A), A.trace(), A.T[0].dot(b[:, 0]))
print(
    tg.einsum("ij,jk->ik", A, b).shape, tg.linalg.multi_dot([A, A, b]).shape,
    tg.outer(b[:, 0], b[:, 1]).sum()
)
print(tg.linalg.lstsq(A, b).solution.shape, tg.linalg.pinv(A).mean(), tg.matrix_exp(A).shape)
print(tg.baddbmm(tg.zeros(2, 3, 5), tg.ones(2, 3, 4), tg.ones(2, 4, 5)).sum())
assert x.shape == b.shape and factor.tril().equal(factor)
