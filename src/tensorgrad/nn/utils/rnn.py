"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad.core import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences of different lengths without padding: the first steps of all, then the second steps, and so
    on. `pack_sequence` and `pack_padded_sequence` make them, recurrent layers take them.

    ``batch_sizes`` says how many sequences reach each step; the longest stands first. Where sequences came in
    another order, ``sorted_indices`` are their places in that one, and ``unsorted_indices`` the way back. Its
    conversions are those of a tensor, of ``data``.

    >>> nn.utils.rnn.pack_sequence([tg.tensor([1, 2, 3]), tg.tensor([4])]).batch_sizes
    tensor([2, 1, 1])
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("PackedSequence wants data and batch sizes, or a pair of them")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _converted(self, data: Tensor) -> PackedSequence:
        return self if data is self.data else type(self)(data, *self[1:])

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with ``data`` in another dtype; itself where that is its own."""
        return self._converted(self.data.to(*args, **kwargs))

    def pin_memory(self) -> PackedSequence:
        """The same in memory that a GPU could read."""
        return self._converted(self.data.pin_memory())

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on the CPU."""
        return self.to(*args, **{"device": "cpu", **kwargs})

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on a GPU, which there is not."""
        return self._converted(self.data.cuda(*args, **kwargs))

    @property
    def is_cuda(self) -> bool:
        """Whether ``data`` is on a GPU: never."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether ``data`` is in memory that a GPU could read: never."""
        return False


def _conversion(name: str, dtype: str):
    def convert(self):
        return self.to(getattr(tg, dtype))

    convert.__name__ = name
    convert.__doc__ = f"The same with ``data`` as {dtype}."
    return convert


for _name, _dtype in dict(
    double="float64", float="float32", half="float16", long="int64", int="int32", short="int16", char="int8",
    byte="uint8",
).items():  # fmt: skip
    setattr(PackedSequence, _name, _conversion(_name, _dtype))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one; None of None.

    >>> nn.utils.rnn.invert_permutation(tg.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    return tg.empty_like(permutation).scatter_(0, permutation, tg.arange(permutation.numel()))


def _packed_rows(sizes: np.ndarray, along_batch: int, along_steps: int) -> np.ndarray:
    """Where the rows of packed sequences stand among those of padded ones."""
    steps = np.repeat(np.arange(len(sizes)), sizes)
    batch = np.arange(len(steps)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return batch * along_batch + steps * along_steps


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The sequences of a padded tensor, packed: without what lies behind the length of each.

    Shapes: input (steps, batch, *), or (batch, steps, *) if ``batch_first``. The lengths must fall, unless
    ``enforce_sorted`` is False.

    >>> nn.utils.rnn.pack_padded_sequence(tg.tensor([[1, 2], [3, 0]]), [2, 1], batch_first=True).data
    tensor([1, 3, 2])
    """
    if not isinstance(lengths, Tensor):
        lengths = tg.tensor(list(lengths), dtype=tg.int64)
    lengths = lengths.to(tg.int64)
    if lengths.ndim != 1:
        raise RuntimeError(f"pack_padded_sequence: lengths should be a vector, but are {lengths.ndim}-D")
    if input.ndim < 2:
        raise IndexError(f"pack_padded_sequence: input needs 2 dimensions, but has {input.ndim}")
    batch, steps = input.shape[:2] if batch_first else (input.shape[1], input.shape[0])
    if lengths.numel() != batch:
        raise RuntimeError(
            f"pack_padded_sequence: a batch of {batch} has as many lengths, but got {lengths.numel()}"
        )
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = tg.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    many = lengths.numpy()
    if batch == 0 or many.min() < 1 or many.max() > steps:
        raise RuntimeError(
            f"pack_padded_sequence: lengths should be from 1 to the {steps} steps of the input, but are "
            f"{many.tolist()}"
        )
    if (np.diff(many) > 0).any():
        raise RuntimeError(
            f"pack_padded_sequence: lengths should fall, but are {many.tolist()}; enforce_sorted=False puts "
            f"them in order"
        )
    sizes = (many > np.arange(many[0])[:, None]).sum(1)
    rows = _packed_rows(sizes, *((steps, 1) if batch_first else (1, batch)))
    data = input.reshape(steps * batch, *input.shape[2:])[tg.from_numpy(rows)]
    return PackedSequence(data, tg.tensor(sizes, dtype=tg.int64), sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Packed sequences in one tensor, filled up with ``padding_value`` to the length of the longest, or to
    ``total_length``; and their lengths.

    >>> packed = nn.utils.rnn.pack_sequence([tg.tensor([1, 2]), tg.tensor([3])])
    >>> nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))
    """
    data, batch_sizes, _, unsorted_indices = sequence
    sizes = batch_sizes.numpy()
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ValueError(
            f"pad_packed_sequence: total_length should be at least the length of the longest sequence, "
            f"{len(sizes)}, but is {total_length}"
        )
    batch = int(sizes[0])
    shape = (batch, steps) if batch_first else (steps, batch)
    source = np.full(batch * steps, len(data))
    source[_packed_rows(sizes, *((steps, 1) if batch_first else (1, batch)))] = np.arange(len(data))
    padding = tg.full((1, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded = tg.cat([data, padding])[tg.from_numpy(source)].reshape(*shape, *data.shape[1:])
    lengths = tg.tensor((sizes > np.arange(batch)[:, None]).sum(1), dtype=tg.int64)
    if unsorted_indices is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, unsorted_indices), lengths[unsorted_indices]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """The sequences packed. The longest must stand first, and so on, unless ``enforce_sorted`` is False.

    >>> nn.utils.rnn.pack_sequence([tg.tensor([1, 2, 3]), tg.tensor([4, 5]), tg.tensor([6])]).data
    tensor([1, 4, 6, 2, 5, 3])
    """
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that `pack_sequence` packed.

    >>> nn.utils.rnn.unpack_sequence(nn.utils.rnn.pack_sequence([tg.tensor([1, 2]), tg.tensor([4])]))
    [tensor([1, 2]), tensor([4])]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)


def pad_sequence(
    sequences: Sequence[Tensor] | Tensor,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """The sequences side by side, each filled up with ``padding_value`` to the length of the longest.

    A sequence's first dimension is its length; the others must be the same. The result has the length first,
    then the sequences, or the other way round with ``batch_first``.

    >>> nn.utils.rnn.pad_sequence([tg.tensor([1, 2, 3]), tg.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side should be either 'right' or 'left', not {padding_side!r}")
    if isinstance(sequences, Tensor):
        sequences = sequences.unbind(0)
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: wanted several tensors, but got {type(sequences).__name__}")
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    longest = max(s.shape[0] for s in sequences)
    filled = []
    for s in sequences:
        missing = longest - s.shape[0]
        sides = (missing, 0) if padding_side == "left" else (0, missing)
        filled.append(ops.pad(s, (0, 0) * (s.ndim - 1) + sides, value=padding_value) if missing else s)
    return ops.stack(filled, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that `pad_sequence` put together, given their lengths.

    >>> nn.utils.rnn.unpad_sequence(tg.tensor([[1, 4], [2, 0]]), tg.tensor([2, 1]))
    [tensor([1, 2]), tensor([4])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(padded_sequences.unbind(0), lengths, strict=True)]
