"""Leaves of graphs, for the tests of the tape."""

from __future__ import annotations

import tensorgrad as tg


def leaf(*values, dtype=None):
    return tg.tensor(list(values), dtype=dtype, requires_grad=True)
