"""The answer to a name that is not there: what is not in yet, or else which name is nearest."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Families of PyTorch's names that have no nearest name here, because the whole family is not in yet.
NOT_YET = [
    (
        r"(complex(32|64|128)?|c(half|float|double)|view_as_(real|complex)|polar|imag|fft|stft|istft)",
        "complex numbers are",
    ),
    (r"float8_.*", "8-bit floats are"),
    (r"u?int(1|2|3|4|5|6|7|16|32|64)|q(u?int\w+)|quantiz.*|dequantize", "that dtype is"),
    (r"(sparse|hs|ss)(_.*|adam|embedding|mm|addmm)|to_sparse_.*", "that of sparse tensors is"),
    (r"(export|fx|onnx|_dynamo|_inductor)", "compiling a program is"),
    (r"(vmap|jvp|jacfwd|forward_ad)", "batched and forward-mode derivatives are"),
]


def missing(owner: str, name: str, names: Iterable[str]) -> AttributeError:
    """The error for ``owner.name``, where ``names`` are those that exist."""
    from difflib import get_close_matches

    start = f"{owner} has no attribute {name!r}"
    for pattern, what in NOT_YET:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return AttributeError(f"{start}: {what} not in tensorgrad yet")
    near = get_close_matches(name, [n for n in names if not n.startswith("_")], n=1, cutoff=0.6)
    hint = f"; the nearest name that it has is {near[0]!r}" if near else ""
    return AttributeError(start + hint)
