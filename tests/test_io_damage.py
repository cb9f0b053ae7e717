"""Files: damage is named, whatever it is, and hostile sizes ask for no memory."""

import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from file_parts import entry, loaded, saved, with_header

import tensorgrad as tg
from tensorgrad import io as files


def with_tree(tree, **entries):
    text = json.dumps({"version": 1, "tree": tree})
    return with_header({"__metadata__": {"tensorgrad": text}, **entries}, b"\0" * 4 * len(entries))


# ---------------------------------------------------------------------------- damage

GOOD = {"x": entry()}
DAMAGED = {
    "empty": (b"", "is empty"),
    "short": (b"\1\2", "ends after 2 of the first 8 bytes"),
    "header cut": (struct.pack("<Q", 100) + b"{}", "cut short: .* 100 bytes, and 2"),
    "huge header": (struct.pack("<Q", 2**63) + b"{}", "9223372036854775808 bytes, more than"),
    "header past the limit": (struct.pack("<Q", 100_000_001), "100000001 bytes, more than"),
    "not JSON": (with_header(b"{x"), "not JSON"),
    "not UTF-8": (with_header(b'{"\xff":1}'), "not JSON"),
    "nothing in the header": (with_header(b""), "not JSON"),
    "endless number": (with_header(b'{"x":' + b"9" * 5000 + b"}"), "not JSON|does not have the keys"),
    "nested JSON": (with_header(b"[" * 100_000), "nested too deep"),
    "nested objects": (with_header(b'{"a":' * 100_000), "nested too deep"),
    "a list": (with_header(b"[]"), "not a JSON object"),
    "name twice": (with_header(b'{"x":{},"x":{}}'), "a name twice"),
    "metadata number": (with_header({"__metadata__": {"a": 1}}), "metadata"),
    "entry a list": (with_header({"x": []}), "'x' does not have the keys"),
    "entry without shape": (
        with_header({"x": {"dtype": "F32", "data_offsets": [0, 4]}}),
        "'x' does not have the keys",
    ),
    "dtype": (with_header({"x": entry("F33")}, b"\0" * 4), "'x' has the dtype 'F33'"),
    "dtype list": (with_header({"x": entry([])}, b"\0" * 4), "'x' has the dtype"),
    "negative size": (with_header({"x": entry(shape=(-1, -1))}, b"\0" * 4), "'x' has the shape"),
    "bool size": (with_header({"x": entry(shape=(True,))}, b"\0" * 4), "'x' has the shape"),
    "float size": (with_header({"x": entry(shape=(1.0,))}, b"\0" * 4), "'x' has the shape"),
    "many sizes": (with_header({"x": entry(shape=(1,) * 65)}, b"\0" * 4), "'x' has the shape"),
    "size past 64 bits": (with_header({"x": entry(shape=(2**64,))}, b"\0" * 4), "'x' has the shape"),
    "product past 64 bits": (with_header({"x": entry(shape=(2**31, 2**31, 8))}, b"\0" * 4), "too large"),
    "product that wraps to 4": (with_header({"x": entry(shape=(2**62 + 1, 4))}, b"\0" * 4), "too large"),
    "no elements, huge size": (with_header({"x": entry(shape=(0, 2**62), end=0)}), "too large"),
    "offsets backwards": (with_header({"x": entry(begin=4, end=0)}, b"\0" * 4), "no beginning and end"),
    "offsets negative": (with_header({"x": entry(begin=-4, end=0)}, b"\0" * 4), "no beginning and end"),
    "three offsets": (
        with_header({"x": {**entry(), "data_offsets": [0, 4, 4]}}, b"\0" * 4),
        "no beginning and end",
    ),
    "size and offsets disagree": (
        with_header({"x": entry(shape=(2,))}, b"\0" * 4),
        "takes 8 bytes, and its offsets leave it 4",
    ),
    "past the end": (
        with_header({"x": entry(shape=(2**40,), end=2**42)}, b"\0" * 4),
        "should end at byte 4398046511104 .* are 4",
    ),
    "data cut": (with_header(GOOD, b"\0" * 3), "should end at byte 4 .* are 3"),
    "data left over": (with_header(GOOD, b"\0" * 5), "take 4 bytes, and there are 5"),
    "overlap": (
        with_header({"x": entry(), "y": entry(begin=2, end=6)}, b"\0" * 6),
        "'y' begins at byte 2 .* overlaps",
    ),
    "the same bytes": (
        with_header({"x": entry(), "y": entry()}, b"\0" * 4),
        "'y' begins at byte 0 .* overlaps",
    ),
    "gap": (
        with_header({"x": entry(), "y": entry(begin=6, end=10)}, b"\0" * 10),
        "'y' begins at byte 6 .* gap",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("where", ["path", "stream"])
def test_damage_is_named(tmp_path, name, where):
    data, message = DAMAGED[name]
    path = tmp_path / "damaged.tg"
    path.write_bytes(data)
    with pytest.raises(files.LoadError, match=message) as error:
        tg.load(path) if where == "path" else loaded(data)
    assert ("damaged.tg" if where == "path" else "BytesIO") in str(error.value)
    assert isinstance(error.value, RuntimeError)


TREES = {
    "unknown kind": {"spell": 1},
    "two kinds": {"dict": {}, "tuple": []},
    "no kind": {},
    "no such tensor": {"tensor": "y"},
    "tensor number": {"tensor": 3},
    "tensor list": {"tensor": ["x"]},
    "again nothing": {"again": 0},
    "again before": {"again": -1},
    "again text": {"again": "x"},
    "float": {"float": "0x10"},
    "float list": {"float": []},
    "bytes": {"bytes": "!!"},
    "bytes list": {"bytes": [1]},
    "dtype": {"dtype": "object"},
    "device": {"device": "cuda"},
    "numpy object": {"numpy": ["|O", "AAAA"]},
    "numpy short": {"numpy": ["<f8", "AAAA"]},
    "numpy two": {"numpy": ["|i1", "AAAA"]},
    "numpy text": {"numpy": "x"},
    "keys are dicts": {"dict": [[{"dict": {}}, 1]]},
    "items of three": {"dict": [[1, 2, 3]]},
    "dict number": {"dict": 1},
    "tuple text": {"tuple": "ab"},
    "size of text": {"size": {}},
    "requires_grad text": {"tensor": ["x", "yes"]},
    "integers with gradient": {"tensor": ["n", True]},
    "counter text": {"counter": "ab"},
}


@pytest.mark.parametrize("name", TREES)
def test_damaged_description_is_refused(name):
    data = with_tree({"dict": {"a": [TREES[name]]}}, x=entry(), n=entry("I32", begin=4, end=8))
    with pytest.raises(files.LoadError, match="description of its contents"):
        loaded(data)


def test_deep_description_is_refused():
    tree = 1
    for _ in range(300):
        tree = [tree]
    with pytest.raises(files.LoadError, match="nested"):
        loaded(with_tree(tree))


def test_description_of_a_newer_version_says_so():
    with pytest.raises(files.LoadError, match="version 2.*newer"):
        loaded(with_header({"__metadata__": {"tensorgrad": json.dumps({"version": 2, "tree": 1})}}))


SMALL = {
    "a": tg.tensor([1.5, -2.0]),
    "b": [tg.tensor(True), (1, {"c": float("inf")})],
    3: np.float32(2),
    "p": b"ab",
}


def load_or_refuse(data):
    """LoadError is the only answer to a damaged file, and it takes no more memory than the file."""
    try:
        loaded(data)
    except files.LoadError:
        return False
    return True


def test_every_flipped_byte_is_loaded_or_refused():
    data = saved(SMALL)
    tracemalloc.start()
    refused = 0
    for i in range(len(data)):
        for flip in (1, 2, 16, 128, 255):
            changed = bytearray(data)
            changed[i] ^= flip
            refused += not load_or_refuse(bytes(changed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > len(data)
    assert peak < 5_000_000


def test_every_truncation_is_refused(tmp_path):
    data = saved(SMALL)
    path = tmp_path / "cut"
    for length in range(len(data)):
        assert not load_or_refuse(data[:length]), length
        path.write_bytes(data[:length])
        with pytest.raises(files.LoadError):
            tg.load(path)
    assert load_or_refuse(data)


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_is_loaded_or_refused(seed):
    data, rng = saved(SMALL), np.random.default_rng(seed)
    for _ in range(500):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 5)):
            i, n = rng.integers(len(changed)), int(rng.integers(1, 9))
            what = rng.integers(4)
            if what == 0:
                del changed[i : i + n]
            elif what == 1:
                changed[i:i] = changed[i : i + n] * 2
            elif what == 2:
                changed[i : i + n] = rng.integers(0, 256, n, np.uint8).tobytes()
            else:
                changed[i : i + 1] = (
                    rng.choice(list(b'{}[]",:0123456789eE-tfn'), n).astype(np.uint8).tobytes()
                )
        load_or_refuse(bytes(changed))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux what it uses")
def test_hostile_sizes_ask_for_no_memory():
    """Every size that a table can claim, in a process that may take 300 MB more than it has."""
    code = f"""
        import io, json, resource, struct, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import tensorgrad as tg
        from tensorgrad.io import LoadError
        from file_parts import entry, with_header
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000,) * 2)
        for power in range(20, 64):
            for data in (struct.pack("<Q", 2**power), struct.pack("<Q", 2**power) + b"{{}}",
                         with_header({{"x": entry("U8", (2**power,), 0, 2**power)}}),
                         with_header({{"x": entry("U8", (2**power, 0), 0, 0)}}),
                         with_header({{"x": entry("F64", (2**power,) * 2, 0, 8)}}, b"8 bytes ")):
                try:
                    tg.load(io.BytesIO(data))
                except LoadError:
                    pass
        print("alive")
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert run.stdout == "alive\n", run.stderr


# ---------------------------------------------------------------------------- files of other programs


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def array_file():
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


def zipped(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"x" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    "data, what",
    [
        (archive(a=np.arange(3)), r"a NumPy archive: read it with numpy.load"),
        (array_file(), r"a NumPy array: read it with numpy.load"),
        (zipped("archive/data.pkl"), "its pickle"),
        (zipped("hello.txt"), "a zip archive, neither"),
        (archive(), "a zip archive, neither"),
        (pickle.dumps({"a": [1] * 100}), "a pickle"),
        (gzip.compress(bytes(range(256)) * 9), "compressed by gzip"),
        (gzip.compress(np.random.default_rng(0).bytes(700_000), mtime=0), "compressed by gzip"),
        (b"some text that somebody wrote", "was not written by tensorgrad"),
        (b"", "it is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_of_another_kind_is_called_what_it_is(data, what, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(files.LoadError, match=what):
        tg.load(path)
