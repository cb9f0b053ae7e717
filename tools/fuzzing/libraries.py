"""The libraries that programs run under."""

from __future__ import annotations

import contextlib

import tensorgrad as tg
from fuzzing.running import Library


def subject(backend: str) -> Library:
    """tensorgrad on one of its backends."""
    return Library(f"tensorgrad, {backend}", tg, lambda: tg.backend(backend))


def reference() -> Library:
    """What holds the right answers: PyTorch, or without it the NumPy path."""
    try:
        import torch
    except ImportError:
        return subject("numpy")
    torch.set_num_threads(1)
    return Library("torch", torch, contextlib.nullcontext)
