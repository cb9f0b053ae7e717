"""Small real data that comes with the package, so that a first network needs no download, and readers of
files that people have: MNIST's and CIFAR's, tables, folders of images.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

import tensorgrad as tg

from .folders import ImageFolder, read_image
from .images import CIFAR10, CIFAR100, MNIST, FashionMNIST, idx
from .tables import Table, csv

__all__ = [
    "CIFAR10", "CIFAR100", "FashionMNIST", "ImageFolder", "MNIST", "Table", "csv", "digits", "idx",
    "read_image",
]  # fmt: skip


def digits() -> tuple[tg.Tensor, tg.Tensor]:
    """1,797 handwritten digits: images `(1797, 8, 8)`, uint8 from 0 to 16 (ink), and labels, int64.

    Written by 13 people on forms, in the order of the original file, where the rows of one writer stand
    together: a test on the last rows is a test on hands that were not seen in training, and harder than one
    on rows drawn at random. This is the test part of E. Alpaydin and C. Kaynak, "Optical Recognition of
    Handwritten Digits", UCI Machine Learning Repository (1998), https://doi.org/10.24432/C50P49, licence CC
    BY 4.0.

    >>> images, labels = tg.datasets.digits()
    >>> images.shape, images.dtype, int(images.max())
    (tensorgrad.Size([1797, 8, 8]), tensorgrad.uint8, 16)
    >>> labels[:5]
    tensor([0, 1, 2, 3, 4])
    """
    with files(__package__).joinpath("digits.npz").open("rb") as file, np.load(file) as stored:
        return tg.from_numpy(stored["images"]), tg.from_numpy(stored["labels"].astype(np.int64))
