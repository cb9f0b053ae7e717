"""The libraries that programs run under."""

from __future__ import annotations

import contextlib

import tensorgrad as tg
from fuzzing.running import Library

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)


def subject(backend: str) -> Library:
    """tensorgrad on one of its backends."""
    return Library(f"tensorgrad, {backend}", tg, lambda: tg.backend(backend))


def reference() -> Library:
    """What holds the right answers: PyTorch, or without it the NumPy path."""
    return subject("numpy") if torch is None else Library("torch", torch, contextlib.nullcontext)
