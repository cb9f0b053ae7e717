"""Layers that compare two tensors."""

from __future__ import annotations

from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    r"""The `p`-norm of the difference of each pair of rows: :math:`\lVert x_1 - x_2 + \epsilon \rVert_p`.

    >>> nn.PairwiseDistance(eps=0.0)(tg.tensor([[3.0, 4.0]]), tg.zeros(1, 2))
    tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    r"""The cosine of the angle between two tensors along `dim`.

    >>> nn.CosineSimilarity()(tg.tensor([[3.0, 0.0]]), tg.tensor([[1.0, 0.0]]))
    tensor([1.])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
