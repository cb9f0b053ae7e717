"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad import ops
from tensorgrad.core import Tensor

__all__ = ["pad_sequence", "unpad_sequence"]


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
