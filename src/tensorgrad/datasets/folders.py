"""Images in folders, one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.data import Dataset

__all__ = ["ImageFolder", "read_image"]

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def read_image(path: Any) -> tg.Tensor:
    """The image in a file as a uint8 tensor (3, height, width), by Pillow, in whatever format that reads.

    Raises ImportError where Pillow is not installed (it is the extra `images`), and OSError, which names the
    file, for one that is damaged or no image.

    >>> tg.datasets.read_image("nowhere.png")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.png'
    """
    with open(path, "rb") as file:
        try:
            from PIL import Image
        except ImportError:
            raise ImportError(
                "images are read by Pillow, which is not installed: pip install 'tensorgrad-cpu[images]'"
            ) from None
        try:
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise OSError(f"{os.fspath(path)!r} can't be read as an image: {error}") from error
    return tg.from_numpy(pixels.transpose(2, 0, 1).copy())


class ImageFolder(Dataset):
    """The images below a folder, whose own folders are the classes: `root/cat/1.png` is of the class `cat`.

    Classes are numbered in the order of their names. `classes` has these, `class_to_idx` the numbers by name,
    `samples` (also `imgs`) the paths with their numbers, `targets` the numbers. A sample is an image and its
    number: the image is what `loader` makes of the path, which is a uint8 tensor (3, height, width) unless
    another is given, and then what `transform` makes of that; `target_transform` gets the number. Images are
    read when they are asked for, which needs Pillow (the extra `images`).

    Args:
        root: the folder.
        transform, target_transform: functions of the image and of the number.
        loader: a function of a path; `read_image` unless given.
        is_valid_file: a function of a path that says whether it is an image; by its ending unless given.
        allow_empty: whether a class may have no images.

    Raises FileNotFoundError for a folder without classes, and for a class without images.

    >>> import os, tempfile
    >>> root = tempfile.mkdtemp()
    >>> for name in ("dog/1.png", "cat/2.png", "cat/notes.txt"):
    ...     os.makedirs(os.path.join(root, os.path.dirname(name)), exist_ok=True)
    ...     open(os.path.join(root, name), "w").close()
    >>> folder = tg.datasets.ImageFolder(root)
    >>> folder.classes, folder.targets, len(folder)
    (['cat', 'dog'], [0, 1], 2)
    """

    def __init__(
        self,
        root: Any,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = read_image,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        self.root = os.fspath(root)
        self.transform = transform
        self.target_transform = target_transform
        self.loader = loader
        self.classes, self.class_to_idx = self.find_classes(self.root)
        valid = is_valid_file or (lambda path: path.lower().endswith(ENDINGS))
        self.samples: list[tuple[str, int]] = []
        empty = []
        for name, number in self.class_to_idx.items():
            before = len(self.samples)
            for folder, _, files in sorted(os.walk(Path(self.root) / name, followlinks=True)):
                paths = [os.path.join(folder, file) for file in sorted(files)]
                self.samples += [(path, number) for path in paths if valid(path)]
            if len(self.samples) == before:
                empty.append(name)
        if empty and not allow_empty:
            wanted = "" if is_valid_file else f", wanted files that end in {', '.join(ENDINGS)}"
            raise FileNotFoundError(f"there are no images of the classes {', '.join(empty)}{wanted}")
        self.imgs = self.samples
        self.targets = [number for _, number in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """The names of the classes, and their numbers; a subclass may have another rule."""
        with os.scandir(directory) as entries:
            classes = sorted(entry.name for entry in entries if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"{directory!r} has no folders, which would be the classes")
        return classes, {name: number for number, name in enumerate(classes)}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        image, number = self.loader(path), target
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            number = self.target_transform(number)
        return image, number

    def __repr__(self) -> str:
        return f"ImageFolder({self.root!r}: {len(self)} images of {len(self.classes)} classes)"
