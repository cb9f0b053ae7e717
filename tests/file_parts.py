"""Files in memory, and their parts put together by hand."""

import io
import json
import os
import struct

import pytest

import tensorgrad as tg

posix = pytest.mark.skipif(os.name != "posix", reason="a pipe, a limit or a right that only POSIX has")


class Named(io.BytesIO):
    """A file object whose name tells the layout that is written."""

    name = "state.safetensors"


def saved(obj):
    file = Named()
    tg.save(obj, file)
    return file.getvalue()


def loaded(data):
    return tg.load(io.BytesIO(data))


def with_header(table, data=b""):
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), begin=0, end=4):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


class Strange:
    pass
