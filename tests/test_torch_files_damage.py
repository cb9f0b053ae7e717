"""Files that look like PyTorch's: whatever they say, nothing is run, and no memory is asked for that they do
not fill.
"""

import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.io import LoadError

FILES = Path(__file__).parent / "fixtures" / "files"
STATES = ["torch_zip.pt", "torch_legacy.pt", "torch_protocol5.pt"]
MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"


class Name:
    """A global, written by name whether or not it is there."""

    def __init__(self, module, name):
        self.line = f"c{module}\n{name}\n".encode()


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args


class Outside:
    def __init__(self, *pid):
        self.pid = pid


class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        return obj.pid if type(obj) is Outside else None

    def save_name(self, obj):
        self.write(obj.line)

    def save_call(self, obj):
        self.save(obj.function)
        self.save(obj.args)
        self.write(b"R")

    dispatch = {**pickle._Pickler.dispatch, Name: save_name, Call: save_call}


def pickled(obj):
    file = io.BytesIO()
    Pickler(file, 2).dump(obj)
    return file.getvalue()


def archive(pickle, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("archive/data.pkl", pickle)
        for name, data in members.items():
            made.writestr("archive/" + name.replace("_", "/"), data)
    return file.getvalue()


def legacy(pickle, keys, data):
    head = b"\x80\x02" + MAGIC + b"." + pickled(1001) + pickled({"little_endian": True})
    return head + pickle + pickled(keys) + data


def loaded(data):
    return tg.load(io.BytesIO(data))


def tensor(
    kind="FloatStorage", key="0", count=4, offset=0, size=(2, 2), stride=(2, 1), view=(), requires_grad=False
):  # fmt: skip
    storage = Outside("storage", Name("torch", kind), key, "cpu", count, *view)
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, size, stride, requires_grad, collections.OrderedDict())


NUMBERS = np.arange(4, dtype="<f4").tobytes()


def test_what_these_tests_put_together_is_read():
    for data in (
        archive(pickled(tensor()), data_0=NUMBERS),
        legacy(pickled(tensor(view=(None,))), ["0"], struct.pack("<q", 4) + NUMBERS),
    ):
        assert loaded(data).tolist() == [[0, 1], [2, 3]]


def test_a_part_of_a_storage_as_early_files_have_it():
    part = tensor(size=(2,), stride=(1,), view=(("1", 1, 2),))
    whole = tensor(size=(4,), stride=(1,), view=(None,))
    data = struct.pack("<q", 4) + NUMBERS
    found = loaded(legacy(pickled([whole, part]), ["0"], data))
    found[0][2] = 9.0
    assert found[1].tolist() == [1, 9]
    for start, size in [(3, 2), (-1, 2), (0, 5), (2, -1), (0.0, 1)]:
        with pytest.raises(LoadError, match="part of storage"):
            loaded(legacy(pickled(tensor(view=(("1", start, size),))), ["0"], data))


# ---------------------------------------------------------------------------- code


class Shell:
    def __reduce__(self):
        return os.system, ("echo it was run",)


PROGRAMS = {
    "system": (pickle.dumps(Shell(), 2), r"(posix|nt)\.system"),
    "system, protocol 5": (pickle.dumps(Shell(), 5), r"(posix|nt)\.system"),
    "getattr": (pickled(Call(Name("__builtin__", "getattr"), 1, "real")), r"builtins\.getattr"),
    "eval": (pickled(Call(Name("__builtin__", "eval"), "1")), r"builtins\.eval"),
    "a module that is not loaded": (pickled(Name("torch.__main__", "main")), r"torch\.__main__\.main"),
    "ours by name": (pickled(Name("tensorgrad", "save")), r"tensorgrad\.save"),
    "inside of what is admitted": (pickled(Name("torch", "Tensor.backward")), r"torch\.Tensor\.backward"),
    "by the stack": (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.", r"os\.system"),
    "an instance": (b"\x80\x02(ios\nsystem\n.", "INST"),
    "an extension": (b"\x80\x02\x82\x01.", "EXT1"),
    "state of a function": (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__Nsb.",
        "sets the state",
    ),
    "state of a class": (b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aNsb.", "sets the state"),
    "a call of data": (b"\x80\x02]\x85R.", "REDUCE|damaged|takes more"),
    "a class made of a function": (b"\x80\x02ctorch\nSize\n)\x81.", "makes"),
    "memory by a number": (pickled(Call(Name("builtins", "bytearray"), 2**40)), "made of no bytes"),
    "bytes by any codec": (pickled(Call(Name("_codecs", "encode"), "a", "rot13")), "rot13"),
    "an array of objects": (pickled(Call(Name("numpy", "dtype"), "O8", False, True)), "object"),
    "an array by its shape": (pickled(Call(Name("numpy", "ndarray"), (2**40,))), "not admitted"),
    "a tensor by its size": (pickled(Call(Name("torch", "Tensor"), 2**40)), "calls a .*Tensor"),
    "a parameter by its class": (b"\x80\x02ctorch.nn.parameter\nParameter\n)\x81.", "makes a .*Parameter"),
    "the same bytes many times": (
        b"\x80\x03cbuiltins\nbytearray\nq\x00B\x10\x27\x00\x00" + bytes(10_000) + b"\x85q\x01"
        + b"h\x00h\x01R" * 1000 + b".",
        "too often",
    ),
    "a layout": (pickled(Call(Name("torch.serialization", "_get_layout"), "torch.sparse_coo")), "sparse_coo"),
    "a device": (pickled(Call(Name("torch", "device"), "cuda")), "cuda"),
    "something else outside": (pickled(Outside("file", "/etc/passwd")), "only storages"),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_no_code_is_run_and_what_was_named_is_said(name, layout, capfd):
    data, what = PROGRAMS[name]
    with pytest.raises(LoadError, match=what) as error:
        loaded(archive(data) if layout == "zip" else legacy(data, [], b""))
    assert "run" not in capfd.readouterr().out
    assert isinstance(error.value, pickle.UnpicklingError) and isinstance(error.value, RuntimeError)


DEEP = {
    "nested key": b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.",
    "nested set": b"\x80\x04\x8f()" + b"\x85" * 300_000 + b"\x90.",
    "key that doubles": b"\x80\x02})q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"Ns.",
    "pairs of a dictionary": b"\x80\x02ccollections\nOrderedDict\n(](])" + b"\x85" * 300_000 + b"Neeat\x85R.",
}


@pytest.mark.parametrize("name", DEEP)
def test_keys_that_would_take_the_stack_or_for_ever_are_refused(name):
    with pytest.raises(LoadError):
        loaded(archive(DEEP[name]))


def test_lists_as_deep_as_a_file_is_long_are_read():
    found = loaded(archive(b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b"."))
    for _ in range(299_999):
        (found,) = found
    assert found == []


# ---------------------------------------------------------------------------- claims

CLAIMS = {
    "past the storage": (tensor(offset=1), "needs 5 elements, and its storage has 4"),
    "negative size": (tensor(size=(2, -2)), "shape"),
    "negative stride": (tensor(stride=(2, -1)), "stride"),
    "negative offset": (tensor(offset=-1), "offset"),
    "sizes that are no numbers": (tensor(size=(2.0, 2)), "shape"),
    "sizes past 64 bits": (tensor(size=(2**64, 1), stride=(0, 0)), "shape"),
    "too large": (tensor(size=(2**40, 2**40), stride=(0, 0)), "too large"),
    "more strides": (tensor(stride=(2, 1, 1)), "strides"),
    "100 dimensions": (tensor(size=(1,) * 100, stride=(1,) * 100), "shape"),
    "storage that says more": (tensor(count=2**40), "takes 4398046511104 bytes|should have"),
    "storage that says less": (tensor(count=3), "should have 12 bytes, and there are 16|needs 4"),
    "negative storage": (tensor(count=-1), "elements"),
    "storage that is not there": (tensor(key="7"), "archive/data/7|storages that its list names"),
    "storage outside": (tensor(key="../data.pkl"), "data/../data.pkl|storages that its list names"),
    "storage without a type": (tensor(kind="Size"), "no type"),
    "no storage": (Call(Name("torch._utils", "_rebuild_tensor"), 1, 0, (1,), (1,)), "no storage"),
    "another size elsewhere": ([tensor(), tensor("DoubleStorage")], "elsewhere|takes"),
    "integers with a gradient": (
        tensor("IntStorage", size=(4,), stride=(1,), requires_grad=True),
        "damaged.*gradient|float",
    ),
}


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_claims_are_checked(name, layout):
    obj, message = CLAIMS[name]
    data = archive(pickled(obj), data_0=NUMBERS)
    if layout == "legacy":
        data = legacy(pickled(obj), ["0"], struct.pack("<q", 4) + NUMBERS)
        message += "|bytes, and says 4 elements"
    with pytest.raises(LoadError, match=message):
        loaded(data)


def test_storages_on_the_same_bytes_do_not_add_up_to_more_than_the_file():
    """A table of contents may send a thousand names to one place."""
    tensors = [tensor("ByteStorage", str(i), 4096, size=(4096,), stride=(1,)) for i in range(64)]
    file = io.BytesIO(archive(pickled(tensors)))
    with zipfile.ZipFile(file, "a") as made:
        made.writestr("archive/data/0", bytes(4096))
        first = made.getinfo("archive/data/0")
        for i in range(1, 64):
            again = zipfile.ZipInfo(f"archive/data/{i}")
            for field in ("header_offset", "file_size", "compress_size", "CRC", "flag_bits"):
                setattr(again, field, getattr(first, field))
            made.filelist.append(again)
    with pytest.raises(LoadError, match="takes 4096 bytes, and there are"):
        loaded(file.getvalue())


def test_members_that_are_compressed_or_missing_are_named():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", pickled([0] * 1000))
    with pytest.raises(LoadError, match="data.pkl is compressed"):
        loaded(file.getvalue())
    with pytest.raises(LoadError, match="TorchScript"):
        loaded(archive(pickled(1), **{"constants.pkl": b""}))
    with pytest.raises(LoadError, match="byte order"):
        loaded(archive(pickled(1), byteorder=b"middle"))


# ---------------------------------------------------------------------------- damage


def mutated(data, rng):
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        i, n = rng.integers(len(changed)), int(rng.integers(1, 9))
        what = rng.integers(5)
        if what == 0:
            del changed[i : i + n]
        elif what == 1:
            changed[i:i] = changed[i : i + n] * 2
        elif what == 2:
            changed[i : i + n] = rng.integers(0, 256, n, np.uint8).tobytes()
        elif what == 3:
            changed[i] ^= 1 << int(rng.integers(8))
        else:
            changed[i : i + 4] = b"\xff\xff\xff\x7f"
    return bytes(changed)


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("seed", range(2))
def test_damaged_files_are_loaded_or_refused(name, seed):
    data, rng, refused = (FILES / name).read_bytes(), np.random.default_rng(seed), 0
    for _ in range(300):
        try:
            loaded(mutated(data, rng))
        except LoadError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("name", STATES)
def test_every_truncation_is_refused(name):
    data = (FILES / name).read_bytes()
    for length in range(0, len(data), 7):
        with pytest.raises(LoadError):
            loaded(data[:length])


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux what it uses")
def test_hostile_lengths_ask_for_no_memory():
    """Every length that a pickle can claim, in a process that may take 300 MB more than it has."""
    code = f"""
        import io, resource, struct, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import tensorgrad as tg
        from test_torch_files_damage import LoadError, NUMBERS, archive, legacy, loaded, pickled, tensor
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000,) * 2)
        longest = b"\\xff\\xff\\xff\\x7f."
        pickles = [b"\\x80\\x02N" + code + longest for code in (b"X", b"T", b"\\x8b", b"B", b"r")]
        for code in (b"\\x8d", b"\\x8e", b"\\x96", b"\\x95"):
            pickles += [b"\\x80\\x05" + code + struct.pack("<Q", 2**power) for power in range(20, 64, 4)]
        pickles += [pickled(tensor(count=2**power)) for power in range(20, 61, 4)]
        pickles += [pickled(tensor(offset=2**power, size=(2**power, 1))) for power in range(20, 61, 4)]
        for pickle in pickles:
            old = legacy(pickle, ["0"], struct.pack("<q", 4) + NUMBERS)
            for data in (archive(pickle, data_0=NUMBERS), old):
                try:
                    loaded(data)
                except LoadError:
                    pass
        print("alive")
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert run.stdout == "alive\n", run.stderr


def test_a_damaged_module_is_refused_where_all_is_trusted_too():
    file = io.BytesIO()
    tg.save(nn.Linear(2, 1), file)
    data = file.getvalue()
    for cut in (len(data) // 3, len(data) - 30):
        with pytest.raises(LoadError):
            tg.load(io.BytesIO(data[:cut]), weights_only=False)
    with pytest.raises(LoadError, match="pickle is damaged"):
        tg.load(io.BytesIO(archive(b"\x80\x02]")), weights_only=False)
