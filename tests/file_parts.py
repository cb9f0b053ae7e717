"""Files in memory, and their parts put together by hand."""

import io
import json
import os
import struct

import numpy as np
import pytest

import tensorgrad as tg

posix = pytest.mark.skipif(os.name != "posix", reason="a pipe, a limit or a right that only POSIX has")


def saved(obj):
    file = io.BytesIO()
    tg.save(obj, file)
    return file.getvalue()


def loaded(data):
    return tg.load(io.BytesIO(data))


def same(a, b):
    """Equal in type and value, all the way down."""
    assert type(a) is type(b)
    if isinstance(a, tg.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape and a.requires_grad == b.requires_grad
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert [(type(k), k) for k in a] == [(type(k), k) for k in b]
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b or a != a and b != b


def with_header(table, data=b""):
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), begin=0, end=4):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


class Strange:
    pass
