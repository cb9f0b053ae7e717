"""Files: what goes in comes out, code is refused, other programs agree."""

import collections
import io
import json
import os
import stat
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from comparing import same
from file_parts import Named, Strange, entry, loaded, posix, saved, with_header

import tensorgrad as tg
from tensorgrad import io as files
from tensorgrad import nn

FILES = Path(__file__).parent / "fixtures" / "files"


def again(obj):
    return loaded(saved(obj))


def header(data):
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


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
    class Slow(Named):
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
    with pytest.raises(RuntimeError, match="pickle_module"):
        tg.load(tmp_path / "f", pickle_module=json, weights_only=True)
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


def test_dtype_that_is_not_supported_is_named(tmp_path):
    data = (FILES / "bfloat16.safetensors").read_bytes().replace(b'"BF16"', b'"F8_X"')
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(files.LoadError, match=r"'x' has the dtype 'F8_X'"):
        tg.load(tmp_path / "x.safetensors")


def test_true_of_another_program_may_be_any_byte():
    back = loaded(with_header({"x": entry("BOOL", (3,), 0, 3)}, b"\0\1\xff"))["x"]
    assert back.numpy().tobytes() == b"\0\1\1"


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
