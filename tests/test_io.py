"""Files: what goes in comes out, other programs agree, damage is named, an old file survives a failure."""

import collections
import gzip
import io
import json
import os
import pickle
import stat
import struct
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import io as files
from tensorgrad import nn

if os.name == "posix":
    import resource

posix = pytest.mark.skipif(os.name != "posix", reason="a pipe, a limit or a right that only POSIX has")
FILES = Path(__file__).parent / "fixtures" / "files"


def saved(obj):
    file = io.BytesIO()
    tg.save(obj, file)
    return file.getvalue()


def loaded(data):
    return tg.load(io.BytesIO(data))


def again(obj):
    return loaded(saved(obj))


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


def header(data):
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(table, data=b""):
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), begin=0, end=4):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def with_tree(tree, **entries):
    text = json.dumps({"version": 1, "tree": tree})
    return with_header({"__metadata__": {"tensorgrad": text}, **entries}, b"\0" * 4 * len(entries))


# ---------------------------------------------------------------------------- what goes in comes out

NESTED = {
    "empty": {},
    "plain": {"a": 1, "b": [2.5, None, True, "text", "\u00e9\ud800\0"], "c": (1, (2, [3]))},
    "big ints": [10**40, -(2**63), 2**64],
    "floats": [0.1, 1e-320, float("inf"), -float("inf"), float("nan"), -0.0],
    "keys": {1: "int", "1": "str", 2.5: "float", None: "none", (1, 2): "tuple", False: "bool", b"x": "bytes"},
    "key like a tag": {"tensor": "x", "dict": {"tuple": [1]}},
    "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
    "counter": collections.Counter([1, 1, 5]),
    "bytes": [b"", bytes(range(256))],
    "torch words": [tg.float16, tg.bool, tg.Size([2, 3]), tg.device("cpu")],
    "numpy scalars": [np.float32(1.5), np.int8(-3), np.bool_(True), np.float64("nan"), np.uint64(2**64 - 1)],
    "arrays": [np.arange(6).reshape(2, 3).T, np.zeros((0, 2)), np.array(1.5, np.float16)],
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_state_comes_back_as_it_was(name):
    same(again(NESTED[name]), NESTED[name])
    same(again({"x": NESTED[name]}), {"x": NESTED[name]})


def test_minus_zero_keeps_its_sign():
    assert str(again(-0.0)) == "-0.0"


@pytest.mark.parametrize("dtype", tg.core.all_dtypes, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_tensor_comes_back_bit_for_bit(dtype, shape):
    values = np.random.default_rng(1).integers(0, 256, (*shape, dtype.itemsize), np.uint8)
    if dtype == tg.bool:
        values &= 1
    tensor = tg.from_numpy(values.reshape(-1)).view(dtype).reshape(shape)
    back = again({"x": tensor})["x"]
    assert back.dtype == dtype and back.shape == tensor.shape and back.is_contiguous()
    assert back.reshape(-1).view(tg.uint8).tolist() == tensor.reshape(-1).view(tg.uint8).tolist()


def test_strided_view_is_saved_as_its_own_values():
    big = tg.arange(1000, dtype=tg.float32).reshape(100, 10)
    view = big.T[3:5, ::7]
    data = saved(view)
    same(loaded(data), tg.from_numpy(np.ascontiguousarray(view.numpy())))
    assert len(header(data)[1]) == view.numel() * 4


def test_broadcast_view_is_saved_in_full():
    view = tg.ones(1, 3).expand(4, 3)
    same(again(view), tg.ones(4, 3))


def test_parameters_and_requires_grad_come_back():
    weight = nn.Parameter(tg.ones(2))
    frozen = nn.Parameter(tg.ones(2), requires_grad=False)
    leaf = tg.ones(2, requires_grad=True)
    back = again([weight, frozen, leaf])
    assert type(back[0]) is nn.Parameter and back[0].requires_grad
    assert type(back[1]) is nn.Parameter and not back[1].requires_grad
    assert type(back[2]) is tg.Tensor and back[2].requires_grad and back[2].is_leaf


def test_one_tensor_in_two_places_is_one_tensor_again():
    tensor, other = tg.ones(1000), tg.ones(1000)
    data = saved({"a": tensor, "b": [tensor], "c": other})
    back = loaded(data)
    assert back["a"] is back["b"][0] and back["c"] is not back["a"]
    assert len(header(data)[1]) == 2 * 4000


def test_shared_memory_is_stored_once_and_shared_again():
    tensor = tg.zeros(1000)
    data = saved([tensor, tensor.detach(), nn.Parameter(tensor), tensor[:999]])
    assert len(header(data)[1]) == 4000 + 3996
    one, two, parameter, part = loaded(data)
    assert one is not two
    one[0] = 7.0
    assert two[0] == 7 and parameter[0] == 7 and part[0] == 0


def test_loaded_tensors_can_be_written():
    back = again(tg.zeros(3))
    back[0] = 1.0
    assert back.tolist() == [1, 0, 0]


def test_names_in_the_file_tell_the_place():
    state = {
        "net": {"0.weight": tg.ones(1)},
        "list": [tg.zeros(1)],
        3: tg.zeros(2),
        "__metadata__": tg.zeros(3),
    }
    state["net.0.weight"] = tg.zeros(4)  # the same name as the first
    table, _ = header(saved(state))
    assert set(table) == {"__metadata__", "net.0.weight", "list.0", "3", "__metadata___", "net.0.weight_"}
    same(again(state), state)


def test_every_tensor_is_aligned_to_its_elements():
    data = saved([tg.ones(3, dtype=tg.int8), tg.ones(1, dtype=tg.float64), tg.ones(1, dtype=tg.float16)])
    table, body = header(data)
    assert (len(data) - len(body)) % 64 == 0
    assert [v["data_offsets"][0] for k, v in table.items() if k != "__metadata__"] == [0, 8, 10]


def test_training_state_comes_back():
    model = nn.Linear(3, 2)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
    scheduler = tg.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
    model(tg.ones(4, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "random": tg.get_rng_state(),
    }
    same(again(state), state)


# ---------------------------------------------------------------------------- paths and file objects


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_paths_of_all_kinds(tmp_path, kind):
    path = kind(str(tmp_path / "state.tg"))
    tg.save({"x": tg.ones(2)}, path)
    same(tg.load(path), {"x": tg.ones(2)})
    assert os.listdir(tmp_path) == ["state.tg"]


def test_file_object_is_read_and_written_from_where_it_stands(tmp_path):
    with open(tmp_path / "f", "wb+") as file:
        file.write(b"before")
        tg.save([1, tg.ones(2)], file)
        file.seek(6)
        same(tg.load(file), [1, tg.ones(2)])


def test_stream_that_cannot_seek_is_read():
    class Stream:
        def __init__(self, data):
            self.file = io.BytesIO(data)

        def read(self, size=-1):
            return self.file.read(size if size < 0 else min(size, 7))  # and gives little at a time

    same(tg.load(Stream(saved([tg.ones(9)]))), [tg.ones(9)])


def test_file_object_that_writes_little_at_a_time():
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(bytes(data[:5]))

    file = Slow()
    tg.save([tg.ones(9), "x"], file)
    same(loaded(file.getvalue()), [tg.ones(9), "x"])


@posix
def test_a_pipe_can_be_saved_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    tg.save(tg.ones(2), tmp_path / "pipe")
    same(loaded(reader.communicate()[0]), tg.ones(2))


@posix
def test_new_file_has_ordinary_rights_and_an_old_one_keeps_its_own(tmp_path):
    before = os.umask(0o027)
    try:
        tg.save(1, tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o604)
    tg.save(2, tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604 and tg.load(tmp_path / "new") == 2


@posix
def test_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    tg.save(1, tmp_path / "link")
    tg.save(2, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and tg.load(tmp_path / "real") == 2


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        tg.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no-folder/x") as error:
        tg.save(1, tmp_path / "no-folder" / "x")
    assert ".tmp" not in str(error.value)


def test_torchs_arguments_are_taken(tmp_path):
    tg.save(1, tmp_path / "f", pickle_protocol=2, _use_new_zipfile_serialization=False)
    for location in (None, "cpu", tg.device("cpu"), lambda storage, place: storage, {"cuda:0": "cpu"}):
        assert tg.load(tmp_path / "f", map_location=location, weights_only=True, mmap=True) == 1
    with pytest.raises((RuntimeError, ValueError), match="cuda"):
        tg.load(tmp_path / "f", map_location="cuda")
    with pytest.raises(ValueError, match="pickle"):
        tg.load(tmp_path / "f", pickle_module=json)
    with pytest.raises(ValueError, match="pickle"):
        tg.save(1, tmp_path / "f", pickle_module=json)


# ---------------------------------------------------------------------------- what is not written


@pytest.mark.parametrize(
    "make",
    [lambda: nn.Linear(2, 3), lambda: tg.optim.SGD([tg.ones(1, requires_grad=True)])],
    ids=["module", "optimizer"],
)
@pytest.mark.parametrize("inside", [False, True])
def test_code_is_refused_with_the_way_to_do_it(tmp_path, make, inside):
    obj = {"epoch": 1, "it": make()} if inside else make()
    place = r"the object\['it'\]" if inside else "the object"
    with pytest.raises(TypeError, match=place + r" is a \w+.*state_dict\(\)"):
        tg.save(obj, tmp_path / "f")
    assert os.listdir(tmp_path) == []


class Strange:
    pass


class Pair(collections.namedtuple("Pair", "a b")):
    pass


@pytest.mark.parametrize(
    "value",
    [
        Strange(),
        {1, 2},
        1j,
        object,
        len,
        Pair(1, 2),
        collections.defaultdict(list),
        np.array([None]),
        np.zeros(2, [("x", np.float32)]),
        np.zeros(2, "V3"),
        np.ma.masked_array([1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_unknown_object_is_refused_and_its_place_named(value):
    with pytest.raises(TypeError, match=r"the object\['a'\]\[1\]\[0\] is a "):
        saved({"a": [0, (value,)]})


def test_a_list_that_contains_itself_is_refused():
    loop = [1]
    loop.append({"x": loop})
    with pytest.raises(ValueError, match=r"\[1\]\['x'\] is a list that contains itself"):
        saved(loop)
    pair = [1]
    same(again([pair, pair]), [[1], [1]])  # twice is not inside


def test_bottomless_nesting_is_refused():
    deep = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested more than"):
        saved(deep)


# ---------------------------------------------------------------------------- other programs


def test_file_of_the_safetensors_package_is_read():
    back = tg.load(FILES / "plain.safetensors")
    expected = json.loads((FILES / "plain.json").read_text())
    assert set(back) == set(expected)
    for name, (dtype, values) in expected.items():
        array = back[name].numpy()
        assert str(array.dtype) == dtype and array.tolist() == values


def test_safetensors_package_reads_our_files():
    """The bytes of today are the ones that the package has read when the fixture was made."""
    state = tg.load(FILES / "ours.safetensors")
    assert saved(state) == (FILES / "ours.safetensors").read_bytes()
    assert state["epoch"] == 7 and state["betas"] == (0.9, 0.999)
    seen = json.loads((FILES / "ours.json").read_text())
    mine = {f"net.{k}": v for k, v in state["net"].items()} | {"step": state["step"], "mask": state["mask"]}
    assert seen == {name: [str(t.numpy().dtype), t.tolist()] for name, t in mine.items()}


@pytest.mark.parametrize("name", ["torch.pt", "torch_old.pt"])
def test_torch_checkpoint_is_recognised_and_the_way_out_shown(name):
    with pytest.raises(files.LoadError, match=r"(?s)PyTorch checkpoint.*may run code.*save_file") as error:
        tg.load(FILES / name)
    assert repr(str(FILES / name)) in str(error.value)


def test_dtype_that_is_not_supported_is_named(tmp_path):
    data = (FILES / "bfloat16.safetensors").read_bytes().replace(b'"BF16"', b'"F8_X"')
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(files.LoadError, match=r"'x' has the dtype 'F8_X'"):
        tg.load(tmp_path / "x.safetensors")


def test_true_of_another_program_may_be_any_byte():
    back = loaded(with_header({"x": entry("BOOL", (3,), 0, 3)}, b"\0\1\xff"))["x"]
    assert back.numpy().tobytes() == b"\0\1\1"


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
        from test_io import entry, with_header
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


# ---------------------------------------------------------------------------- arrays of every dtype

NUMBERS = ["?", *"i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16".split()]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", [*NUMBERS, "S3", "U4", "M8[s]", "m8[D]", "M8[25s]"])
def test_an_array_comes_back_with_its_dtype_and_values(name, order):
    dtype = np.dtype(name).newbyteorder(order)
    table = (np.arange(24) % 7).reshape(4, 6).astype(dtype)
    layouts = {
        "whole": table,
        "turned": table.T,
        "backwards": table[::-1, ::-2],
        "0-d": table[1, 2:3].reshape(()),
        "empty": table[:0],
        "repeated": np.broadcast_to(table[0], (3, 6)),
        "scalar": table[1, 3],
    }
    same(again(layouts), layouts)


def test_numpy_s_random_state_comes_back():
    for state in (np.random.get_state(), np.random.get_state(legacy=False)):
        np.random.set_state(again(state))
        drawn = np.random.rand(3)
        np.random.set_state(state)
        np.testing.assert_array_equal(np.random.rand(3), drawn)
    philox = np.random.Philox(3)
    philox.state = again(np.random.Philox(5).state)
    assert philox.random_raw() == np.random.Philox(5).random_raw()


def test_the_same_array_of_a_tensor_s_dtype_in_another_byte_order_is_a_tensor_for_other_programs():
    data = saved({"a": np.arange(3, dtype=">f4")})
    table = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert table["a"]["dtype"] == "F32" and np.frombuffer(data[-12:], "<f4").tolist() == [0, 1, 2]


@pytest.mark.parametrize("form", ["V4", "O", "f16", "U0", "i3", "M8[fortnights]", "<f4,<i4", 4, None])
def test_a_dtype_that_save_never_writes_is_damage(form):
    data = saved({"a": np.arange(3, dtype=np.uint32)})
    length = struct.unpack("<Q", data[:8])[0]
    table = json.loads(data[8 : 8 + length])
    tree = json.loads(table["__metadata__"]["tensorgrad"])
    tree["tree"]["dict"]["a"]["array"][1] = form
    table["__metadata__"]["tensorgrad"] = json.dumps(tree)
    text = json.dumps(table).encode()
    with pytest.raises(files.LoadError, match="damaged"):
        loaded(struct.pack("<Q", len(text)) + text + data[8 + length :])


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
        (zipped("archive/data.pkl"), "a PyTorch checkpoint"),
        (zipped("hello.txt"), "a zip archive, neither"),
        (archive(), "a zip archive, neither"),
        (pickle.dumps({"a": [1] * 100}), "a pickle"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j" + b" " * 100, "a PyTorch checkpoint"),
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


# ---------------------------------------------------------------------------- failures while saving


@pytest.fixture
def old(tmp_path):
    """A file with an old state; at the end it must still be there, alone."""
    path = tmp_path / "model.tg"
    tg.save({"x": tg.ones(3), "epoch": 1}, path)
    yield path
    same(tg.load(path), {"x": tg.ones(3), "epoch": 1})
    assert os.listdir(tmp_path) == ["model.tg"]


@posix
def test_old_file_survives_a_full_disk(old):
    code = f"""
        import resource
        import tensorgrad as tg
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            tg.save({{"x": tg.zeros(1_000_000)}}, {str(old)!r})
        except OSError as error:
            print(error)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert "model.tg is as it was" in run.stdout, run.stdout + run.stderr


@posix
def test_full_disk_leaves_no_new_file(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(OSError, match="was not made"):
            tg.save(tg.zeros(1_000_000), tmp_path / "new.tg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_old_file_survives_a_failing_system_call(old, monkeypatch, call):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        tg.save(2, old)
    monkeypatch.undo()


def test_old_file_survives_an_interruption(old, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tg.save({"x": tg.zeros(100)}, old)
    monkeypatch.undo()


def test_old_file_survives_an_object_that_can_not_be_written(old):
    with pytest.raises(TypeError):
        tg.save({"x": tg.zeros(3), "y": Strange()}, old)


def test_old_file_survives_a_killed_process(old):
    code = f"""
        import os
        import tensorgrad as tg
        os.fsync = lambda descriptor: os._exit(9)
        tg.save({{"x": tg.zeros(1000)}}, {str(old)!r})
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 9
    (left,) = old.parent.glob(".model.tg.*.tmp")  # nobody was left to take it away
    tg.save({"x": tg.ones(3), "epoch": 1}, old)
    assert not left.exists()


@posix
def test_a_save_leaves_the_unfinished_file_of_a_living_saver_and_any_other_alone(tmp_path):
    others = tmp_path / ".notes.tmp", tmp_path / ".model.tg.0123456789abcdef.tmp"
    for other in others:
        other.touch()
    tg.save(1, tmp_path / "first.tg")
    with files.files._replacing(str(tmp_path / "slow.tg")) as file:
        file.write(b"half")
        tg.save(2, tmp_path / "second.tg")
    assert all(other.exists() for other in others)
    assert (tmp_path / "slow.tg").read_bytes() == b"half"


@posix
@pytest.mark.parametrize("mode", [None, 0o600, 0o640, 0o666])
def test_a_file_being_written_was_never_open_to_more_than_its_target(tmp_path, monkeypatch, mode):
    path, modes = tmp_path / "model.tg", []
    if mode is not None:
        path.touch()
        path.chmod(mode)
    real = os.open

    def opened(*args):
        descriptor = real(*args)
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "open", opened)
        tg.save(tg.ones(3), path)
    finally:
        os.umask(before)
    wanted = 0o640 if mode is None else mode
    assert modes[0] & ~wanted == 0 and stat.S_IMODE(path.stat().st_mode) == wanted


def test_a_read_only_file_is_refused_and_as_it_was(old):
    old.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        tg.save(2, old)
    old.chmod(0o644)


@posix
def test_the_new_file_is_synced_before_it_takes_the_old_ones_place(old, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a)))
    tg.save({"x": tg.ones(3), "epoch": 1}, old)
    assert calls == ["fsync", "replace", "fsync"]


class Failing(io.BytesIO):
    """A file object whose disk is full after some bytes."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def write(self, data):
        if self.tell() + len(data) > self.room:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("room", [0, 100, 1000])
def test_failing_file_object_raises_its_own_error(old, room):
    state = {"x": tg.ones(1000)}
    with pytest.raises(OSError, match="No space left"):
        tg.save(state, Failing(room))
    same(state, {"x": tg.ones(1000)})


def test_file_object_that_takes_nothing_is_named():
    class Stuck(io.RawIOBase):
        def write(self, data):
            return 0

    with pytest.raises(OSError, match="took 0 of"):
        tg.save(1, Stuck())


def test_unknown_object_leaves_a_file_object_untouched():
    file = io.BytesIO()
    with pytest.raises(TypeError):
        tg.save([tg.ones(3), Strange()], file)
    assert file.getvalue() == b""
