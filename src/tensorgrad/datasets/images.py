"""Collections of small images in the files that their makers give out: MNIST and its like, CIFAR-10 and 100.

Files are read from where they are, and never fetched. A sample is an image and the number of its class. The
image is a uint8 tensor (channels, height, width), which `transform` gets if there is one; `target_transform`
gets the number.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import tensorgrad as tg
from tensorgrad.data import Dataset
from tensorgrad.io import LoadError
from tensorgrad.io.torch_names import DATA, NUMPY
from tensorgrad.io.unpickling import Input, Unpickler

__all__ = ["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "Images", "idx"]

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DEFLATED = 1040  # deflate makes at most 1,032 bytes of one


class Images(Dataset):
    """Images in one array with the numbers of their classes: what the collections here have in common.

    `data` and `targets` are all of them, `classes` the names, `class_to_idx` the numbers by name.
    """

    data: Any
    targets: Any
    classes: list[str]

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        self.root = Path(root)
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        self.read(download)

    def read(self, download: bool) -> None:
        """Sets `data` and `targets` from the files."""
        raise NotImplementedError

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class by its name."""
        return {name: number for number, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def image(self, index: int) -> tg.Tensor:
        """One image as it is stored: uint8, channels first."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self.image(index)
        target: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r}: {len(self)} images of {len(self.classes)} classes)"

    def find(self, folders: list[str], names: list[str], download: bool) -> Path:
        """The first of these files that is there. Raises RuntimeError when none is."""
        for folder in folders:
            for name in names:
                path = self.root / folder / name
                if path.is_file():
                    return path
        places = " or ".join(repr((self.root / folder).as_posix()) for folder in folders)
        asked = "; nothing is downloaded here, also not by download=True" if download else ""
        raise RuntimeError(f"Dataset not found: there is no {names[0]!r} in {places}{asked}")


# ---------------------------------------------------------------------------- IDX


def idx(path: Any) -> tg.Tensor:
    """The tensor in a file of the format IDX, which MNIST has; one that ends in .gz is unpacked on the way.

    Its dtype is the file's: uint8, int8, int16, int32, float32 or float64. Raises LoadError, a RuntimeError,
    for a file that is damaged or something else; lengths are looked at before memory is asked for.

    Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two-numbers")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7]))  # uint8, one dimension of 2
    >>> tg.datasets.idx(path)
    tensor([5, 7], dtype=tensorgrad.uint8)
    """
    packed = os.fspath(path).endswith(".gz")
    room = os.path.getsize(path)
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            return _read_idx(file, room * DEFLATED if packed else room)
    except LoadError as error:
        raise LoadError(f"idx: {os.fspath(path)!r} can't be read: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LoadError(f"idx: {os.fspath(path)!r} is a damaged gzip file: {error}") from error


def _read_idx(file: BinaryIO, room: int) -> tg.Tensor:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES:
        raise LoadError(f"it does not begin as an IDX file does, but with {magic!r}")
    lengths = file.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise LoadError(f"it is cut short: the sizes of {magic[3]} dimensions should follow")
    shape = struct.unpack(f">{magic[3]}I", lengths)
    kind = np.dtype(IDX_TYPES[magic[2]])
    nbytes = math.prod(shape) * kind.itemsize
    if nbytes > room:
        raise LoadError(f"{shape} elements of {kind.itemsize} bytes are more than it can have")
    data = file.read(nbytes + 1)
    if len(data) != nbytes:
        there = "more" if len(data) > nbytes else len(data)
        raise LoadError(f"{nbytes} bytes of {shape} elements should follow, and there are {there}")
    if len(shape) > 32:
        raise LoadError(f"it has {len(shape)} dimensions")
    return tg.from_numpy(np.frombuffer(data, kind).astype(kind.newbyteorder("=")).reshape(shape))


class MNIST(Images):
    """Handwritten digits, 28x28: 60,000 to train on, 10,000 to test with `train=False`.

    The four files (`train-images-idx3-ubyte` and so on, also as .gz) are looked for in `root`, and in its
    folder `MNIST/raw`. `data` is uint8 (n, 28, 28), `targets` int64 (n,); a sample is a uint8 tensor (1, 28,
    28) and an int. Raises RuntimeError for files that are missing or damaged.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86 (1998).

    >>> tg.datasets.MNIST("nowhere")
    Traceback (most recent call last):
    RuntimeError: Dataset not found: there is no 'train-images-idx3-ubyte' in 'nowhere/MNIST/raw' or 'nowhere'
    """

    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven",
        "8 - eight", "9 - nine",
    ]  # fmt: skip

    def read(self, download: bool) -> None:
        images, labels = (self._find(kind, download) for kind in ("images-idx3", "labels-idx1"))
        self.data = idx(images)
        targets = idx(labels)
        if self.data.ndim != 3 or targets.ndim != 1 or len(self.data) != len(targets):
            raise LoadError(
                f"{images} has the shape {tuple(self.data.shape)} and {labels} the shape "
                f"{tuple(targets.shape)}: these are not the images and the labels of one collection"
            )
        if self.data.dtype is not tg.uint8 or targets.dtype is not tg.uint8:
            raise LoadError(f"{images} and {labels} have {self.data.dtype} and {targets.dtype}, wanted uint8")
        if len(targets) and int(targets.max()) >= len(self.classes):
            raise LoadError(f"{labels} has the label {int(targets.max())}, and there are {len(self.classes)}")
        self.targets = targets.long()

    def _find(self, kind: str, download: bool) -> Path:
        name = f"{'train' if self.train else 't10k'}-{kind}-ubyte"
        other = name.replace("-idx", ".idx")  # as some archives have it
        return self.find(
            [f"{type(self).__name__}/raw", ""], [name, f"{name}.gz", other, f"{other}.gz"], download
        )

    def image(self, index: int) -> tg.Tensor:
        return self.data[index].unsqueeze(0)


class FashionMNIST(MNIST):
    """Pictures of clothes in the files and sizes of MNIST, in `root` or in its folder `FashionMNIST/raw`.

    Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms" (2017), arXiv:1708.07747.

    >>> tg.datasets.FashionMNIST.classes[:3]
    ['T-shirt/top', 'Trouser', 'Pullover']
    """

    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]  # fmt: skip


# ---------------------------------------------------------------------------- CIFAR

ARRAYS = {**NUMPY, "_codecs.encode": DATA["_codecs.encode"]}  # the latter for bytes, from Python 3


def _arrays_only(module: str, name: str) -> Any:
    full = f"{module}.{name}"
    if full not in ARRAYS:
        raise LoadError(f"it names {full}, and such a file has numbers, text and NumPy arrays only")
    return ARRAYS[full]


def _nothing_outside(pid: Any) -> Any:
    raise LoadError("it keeps something outside of its pickle")


class CIFAR10(Images):
    """Photographs of ten kinds of things, 32x32 in colour: 50,000 to train on, 10,000 to test with
    `train=False`.

    The files of the Python version (`data_batch_1` to 5, `test_batch`, `batches.meta`) are looked for in
    `root` and in its folder `cifar-10-batches-py`. They are pickles, of which nothing is run. `data` is a
    NumPy array, uint8 (n, 32, 32, 3), `targets` a list; a sample is a uint8 tensor (3, 32, 32) and an int.
    Raises RuntimeError for files that are missing or damaged.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    >>> tg.datasets.CIFAR10("nowhere")
    Traceback (most recent call last):
    RuntimeError: Dataset not found: there is no 'data_batch_1' in 'nowhere/cifar-10-batches-py' or 'nowhere'
    """

    folder = "cifar-10-batches-py"
    parts = {True: [f"data_batch_{i}" for i in range(1, 6)], False: ["test_batch"]}
    labels = "labels"
    names = ("batches.meta", "label_names")

    def read(self, download: bool) -> None:
        paths = [self.find([self.folder, ""], [name], download) for name in self.parts[self.train]]
        meta = self.find([self.folder, ""], [self.names[0]], download)
        self.classes = self._classes(meta)
        data, self.targets = [], []
        for path in paths:
            images, labels = self._batch(path)
            data.append(images)
            self.targets += labels
        self.data = np.concatenate(data).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)

    def _classes(self, path: Path) -> list[str]:
        names = _entry(path, self.names[1])
        if type(names) is not list or not names or not all(type(name) is str for name in names):
            raise LoadError(f"{path}: {self.names[1]!r} is no list of names")
        return names

    def _batch(self, path: Path) -> tuple[np.ndarray, list[int]]:
        read = _entries(path)
        images, labels = (_entry(path, name, read) for name in ("data", self.labels))
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2:
            raise LoadError(f"{path}: 'data' is no matrix of bytes")
        if images.shape[1] != 3072:
            raise LoadError(f"{path}: an image has {images.shape[1]} bytes, wanted 3 x 32 x 32")
        if type(labels) is not list or len(labels) != len(images):
            raise LoadError(f"{path}: {self.labels!r} is no list of {len(images)} labels, one for each image")
        wrong = [label for label in labels if type(label) is not int or not 0 <= label < len(self.classes)]
        if wrong:
            raise LoadError(f"{path}: there is the label {str(wrong[0])[:40]} of {len(self.classes)} classes")
        return images, labels

    def image(self, index: int) -> tg.Tensor:
        return tg.from_numpy(self.data[index]).permute(2, 0, 1).contiguous()


class CIFAR100(CIFAR10):
    """Photographs of a hundred kinds of things, as `CIFAR10`: the files `train`, `test` and `meta` are
    looked for in `root` and in its folder `cifar-100-python`. The classes are the hundred fine ones.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    >>> tg.datasets.CIFAR100("nowhere")
    Traceback (most recent call last):
    RuntimeError: Dataset not found: there is no 'train' in 'nowhere/cifar-100-python' or 'nowhere'
    """

    folder = "cifar-100-python"
    parts = {True: ["train"], False: ["test"]}
    labels = "fine_labels"
    names = ("meta", "fine_label_names")


def _entries(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle, whose keys and text may be Python 2's."""
    try:
        with open(path, "rb") as file:
            source = Input(file, os.path.getsize(path))
            read = Unpickler(source, _arrays_only, _nothing_outside, (np.ndarray,), "latin1").load()
    except LoadError as error:
        raise LoadError(f"{path} can't be read: {error}") from error
    if type(read) is not dict:
        raise LoadError(f"{path} can't be read: it has no dictionary")
    return {key: value for key, value in _as_text(read)}


def _as_text(read: dict) -> Iterator[tuple[str, Any]]:
    for key, value in read.items():
        if type(value) is list and value and type(value[0]) is bytes:
            value = [each.decode("latin1") if type(each) is bytes else each for each in value]
        yield (key.decode("latin1") if type(key) is bytes else str(key)[:40]), value


def _entry(path: Path, name: str, read: dict[str, Any] | None = None) -> Any:
    found = _entries(path) if read is None else read
    if name not in found:
        raise LoadError(f"{path} can't be read: it has no {name!r}, but {sorted(found)[:10]}")
    return found[name]
