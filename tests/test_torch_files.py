"""Files of PyTorch's: what it wrote is read, what we write it reads, and nothing else is run or made."""

import collections
import copy
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from comparing import same
from file_parts import Strange

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.io import LoadError
from tensorgrad.serialization import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

FILES = Path(__file__).parent / "fixtures" / "files"
EXPECTED = json.loads((FILES / "torch_files.json").read_text())
STATES = ["torch_zip.pt", "torch_1.6.pt", "torch_legacy.pt", "torch_protocol5.pt"]
IMAGE = tg.arange(9.0).reshape(1, 1, 3, 3) / 9
LAYERS = [nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Flatten, nn.Linear]


def written(obj, **how):
    file = io.BytesIO()
    tg.save(obj, file, **how)
    return file.getvalue()


def again(obj, **how):
    return tg.load(io.BytesIO(written(obj)), **how)


def agrees(tensor, told):
    assert str(tensor.dtype) == f"tensorgrad.{told['dtype']}"
    assert list(tensor.shape) == told["shape"] and list(tensor.stride()) == told["stride"]
    assert tensor.storage_offset() == told["offset"]
    assert tensor.requires_grad == told["requires_grad"] and tensor.is_leaf
    assert type(tensor) is (nn.Parameter if told["parameter"] else tg.Tensor)
    assert tensor.double().tolist() == told["values"]


@pytest.fixture(autouse=True)
def nothing_admitted():
    yield
    clear_safe_globals()


# ---------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    "name, mmap", [*[(name, False) for name in STATES], ("torch_zip.pt", True), ("torch_1.6.pt", True)]
)
def test_what_torch_wrote_is_read(name, mmap):
    state = tg.load(FILES / name, mmap=mmap)
    assert state["tensors"].keys() == EXPECTED["tensors"].keys()
    for key, told in EXPECTED["tensors"].items():
        agrees(state["tensors"][key], told)
    for key, told in EXPECTED["model"].items():
        agrees(state["model"][key], told)
    agrees(state["optimizer"]["state"][0]["exp_avg"], EXPECTED["exp_avg"])
    plain = [1, -(2**40), 10**30, 2.5, None, True, "text", b"bytes\xff", (1, (2,)), {"a": {3: [4]}}, 1 + 2j]
    same(state["plain"], plain)
    assert state["set"] == {1, 2} and state["device"] == tg.device("cpu")
    same(state["counter"], collections.Counter("aab"))
    assert type(state["size"]) is tg.Size and state["size"] == (2, 3) and state["dtype"] is tg.bfloat16
    same(state["number"], np.float64(0.25))
    same(state["array"], np.arange(6, dtype=np.int16).reshape(2, 3).T)
    assert type(state["model"]) is collections.OrderedDict and state["model"]._metadata[""] == {"version": 1}


@pytest.mark.parametrize("name", STATES)
def test_what_shared_memory_shares_it_again(name):
    tensors = tg.load(FILES / name)["tensors"]
    tensors["whole"][2, 1] = 50.0
    assert tensors["turned"][0, 2] == 50 and tensors["row"][1] == 50 and tensors["leaf"].item() == 1.5


def test_training_goes_on_from_torchs_state():
    state = tg.load(FILES / "torch_zip.pt")
    layer = nn.Linear(3, 2)
    layer.load_state_dict(state["model"])
    layer.bias.requires_grad_(False)
    optimizer = tg.optim.Adam(layer.parameters(), lr=0.1)
    optimizer.load_state_dict(state["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.5
    before = layer.weight.clone()
    layer(tg.ones(1, 3)).sum().backward()
    optimizer.step()
    assert optimizer.state_dict()["state"][0]["step"] == 2 and not tg.equal(layer.weight, before)


def test_the_content_tells_the_kind_of_a_file_not_its_name(tmp_path):
    (tmp_path / "a.safetensors").write_bytes((FILES / "torch_zip.pt").read_bytes())
    (tmp_path / "b.pt").write_bytes((FILES / "plain.safetensors").read_bytes())
    assert "optimizer" in tg.load(tmp_path / "a.safetensors") and "scalar" in tg.load(tmp_path / "b.pt")


@pytest.mark.parametrize("name", STATES)
def test_a_file_object_is_read_from_where_it_stands(name):
    file = io.BytesIO(b"before" + (FILES / name).read_bytes())
    file.seek(6)
    agrees(tg.load(file)["tensors"]["whole"], EXPECTED["tensors"]["whole"])


def test_two_legacy_states_one_after_the_other():
    file = io.BytesIO(2 * (FILES / "torch_legacy.pt").read_bytes())
    first, second = tg.load(file), tg.load(file)
    same(first["model"], second["model"])


@pytest.mark.parametrize("name", STATES)
def test_a_stream_that_cannot_seek_is_read(name):
    class Stream:
        def __init__(self):
            self.file = io.BytesIO((FILES / name).read_bytes())

        def read(self, size=-1):
            return self.file.read(size if size < 0 else min(size, 7))

    agrees(tg.load(Stream())["tensors"]["turned"], EXPECTED["tensors"]["turned"])


@pytest.mark.parametrize(
    "name, what",
    [
        ("complex", r"torch\.ComplexFloatStorage"),
        ("uint16", r"torch\.uint16"),
        ("sparse", r"torch\._utils\._rebuild_sparse_tensor"),
        ("quantized", r"torch\._utils\._rebuild_qtensor|torch\.QInt8Storage"),
    ],
)
def test_what_there_is_not_here_is_named(name, what):
    with pytest.raises(LoadError, match=what + ".*not here"):
        tg.load(FILES / f"torch_{name}.pt")


def test_a_mapped_file_is_shown_and_never_written(tmp_path):
    path = tmp_path / "m.pt"
    tg.save({"x": tg.arange(100_000.0), "b": tg.tensor([True])}, path)
    before = path.read_bytes()
    state = tg.load(path, mmap=True)
    state["x"][3] = 9.0
    assert state["x"][3] == 9 and state["x"][99_999] == 99_999 and path.read_bytes() == before
    assert tg.load(path, mmap=True)["x"][3] == 3
    with pytest.raises(ValueError, match="mmap"):
        tg.load(io.BytesIO(before), mmap=True)
    with pytest.raises(RuntimeError, match="mmap"):
        tg.load(FILES / "torch_legacy.pt", mmap=True)


def test_numbers_of_a_big_endian_machine_are_turned_round():
    file, order = io.BytesIO(), {"little": b"big", "big": b"little"}
    data = written({"x": tg.tensor([1, 2]), "b": tg.tensor([1.0, -2.0], dtype=tg.bfloat16)})
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("byteorder"):
                content = order[content.decode()]
            elif "/data/" in name:
                size = 8 if len(content) == 16 else 2
                content = np.frombuffer(content, f"u{size}").byteswap().tobytes()
            new.writestr(name, content)
    file.seek(0)
    state = tg.load(file)
    assert state["x"].tolist() == [1, 2] and state["b"].tolist() == [1, -2]


# ---------------------------------------------------------------------------- writing


def test_what_we_write_is_what_torch_has_read():
    """The members of today's file are those of the file that PyTorch read when the fixtures were made."""
    with zipfile.ZipFile(FILES / "ours.pt") as old:
        members = {name: old.read(name) for name in old.namelist()}
    state = tg.load(FILES / "ours.pt")
    for key, told in EXPECTED["ours"].items():
        agrees(state["tensors"][key], told)
    weight = tg.arange(6.0).reshape(2, 3)
    ours = {
        "whole": weight,
        "turned": weight.T[1:],
        "bits": weight.view(tg.int32)[1],
        "parameter": nn.Parameter(tg.ones(2)),
        "half": tg.tensor([0.5, -2.0], dtype=tg.bfloat16),
        "empty": tg.empty(0, 3),
        "flags": tg.tensor([True, False]),
    }
    data = written({"tensors": ours, "size": tg.Size([1, 2]), "dtype": tg.float16, "epoch": 7})
    with zipfile.ZipFile(io.BytesIO(data)) as new:
        assert {name: new.read(name) for name in new.namelist()} == members


def test_storages_lie_at_multiples_of_64_bytes(tmp_path):
    data = written([tg.full((n,), 7, dtype=tg.uint8) for n in (1, 3, 100)])
    for n in (1, 3, 100):
        assert data.index(b"\7" * n + b"PK") % 64 == 0


def test_members_past_four_gigabytes_have_their_sizes_elsewhere(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    data = written({"small": tg.ones(3), "large": tg.arange(1000.0)})
    assert data.index(np.arange(1000, dtype=np.float32).tobytes()) % 64 == 0
    monkeypatch.undo()
    same(tg.load(io.BytesIO(data)), {"small": tg.ones(3), "large": tg.arange(1000.0)})


def test_the_name_tells_what_is_written(tmp_path):
    for name, start in [("a.pt", b"PK"), ("a.pth", b"PK"), ("a.safetensors", None), ("a.tg", None)]:
        tg.save({"x": tg.ones(2)}, tmp_path / name)
        with open(tmp_path / f"object-{name}", "wb") as file:
            tg.save({"x": tg.ones(2)}, file)
        for path in (tmp_path / name, tmp_path / f"object-{name}"):
            assert (path.read_bytes()[:2] == start) == (start is not None)
            same(tg.load(path), {"x": tg.ones(2)})


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    tg.save({"x": tg.ones(2)}, tmp_path / "m.pt")
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        tg.save({"x": tg.zeros(2), "f": lambda: 0}, tmp_path / "m.pt")
    same(tg.load(tmp_path / "m.pt"), {"x": tg.ones(2)})
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt"]
    file = io.BytesIO()
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        tg.save([lambda: 0], file)
    assert file.getvalue() == b""


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_comes_back(protocol):
    state = {"x": tg.ones(2), "s": {1, 2}, "b": b"x" * 300, "t": "y" * 300, "n": 2**70, "c": 1j, "e": ()}
    state |= {"bytes": bytearray(b"ab"), "frozen": frozenset([1]), "a": np.arange(3.0), "i": np.int32(4)}
    same(tg.load(io.BytesIO(written(state, pickle_protocol=protocol))), state)


def test_views_of_other_dtypes_and_parts_share_one_storage():
    x = tg.zeros(1000)
    data = written([x, x[10:20], x.view(tg.int32), nn.Parameter(x), x.reshape(10, 100).T])
    assert len(data) < 4000 + 3000
    back = tg.load(io.BytesIO(data))
    back[0][12] = 1.0
    assert back[1][2] == 1 and back[2][12] == 0x3F800000 and back[3][12] == 1 and back[4][12, 0] == 1


def test_one_object_in_two_places_is_one_again():
    tensor, weight = tg.ones(2), nn.Parameter(tg.ones(2))
    back = again({"a": tensor, "b": [tensor], "c": weight, "d": (weight,)})
    assert back["a"] is back["b"][0] and back["c"] is back["d"][0] and type(back["c"]) is nn.Parameter


def test_attributes_and_buffers_come_back():
    tensor, weight = tg.ones(2), nn.Parameter(tg.ones(2))
    tensor.label, weight.label = "t", "w"
    back = again([tensor, weight, nn.Buffer(tg.ones(2), persistent=False)])
    assert back[0].label == "t" and back[1].label == "w" and type(back[1]) is nn.Parameter
    assert type(back[2]) is nn.Buffer and back[2].persistent is False


# ---------------------------------------------------------------------------- modules


@pytest.mark.parametrize("name", ["torch_module.pt", "ours_module.pt"])
def test_a_whole_module_is_read_where_all_is_trusted(name):
    module = tg.load(FILES / name, weights_only=False)
    assert type(module) is nn.Sequential and type(module[0]) is nn.Conv2d and not module.training
    np.testing.assert_allclose(module(IMAGE).tolist(), EXPECTED["module"], rtol=1e-5)
    module.register_forward_hook(lambda module, args, out: out * 0)
    assert module(IMAGE).abs().sum() == 0


@pytest.mark.parametrize("name", ["torch_module.pt", "ours_module.pt"])
def test_a_whole_module_is_read_where_exactly_its_classes_are_admitted(name):
    for missing in LAYERS:
        with safe_globals([layer for layer in LAYERS if layer is not missing]):
            with pytest.raises(LoadError, match=rf"Weights only load failed.*\.{missing.__name__}\b"):
                tg.load(FILES / name)
    with safe_globals(LAYERS):
        module = tg.load(FILES / name)
    np.testing.assert_allclose(module(IMAGE).tolist(), EXPECTED["module"], rtol=1e-5)
    with pytest.raises(pickle.UnpicklingError, match=r"torch\.nn[\w.]*\.Sequential"):
        tg.load(FILES / name)


@pytest.mark.parametrize("name", ["torch_layers.pt", "ours_layers.pt"])
def test_layers_that_torch_keeps_more_for_are_written_and_read(name):
    """What is expected PyTorch has computed with the modules of our file, and then it wrote its own."""
    layers = tg.load(FILES / name, weights_only=False)
    x = tg.arange(6.0).reshape(3, 1, 2) / 6
    lstm, padded = layers["lstm"](x)[0], layers["padded"](x.reshape(1, 1, 6))
    for key, out in {"lstm": lstm, "padded": padded, "encoder": layers["encoder"](x)}.items():
        np.testing.assert_allclose(out.tolist(), EXPECTED["layers"][key], rtol=1e-5, atol=1e-6)
    state, written_now = vars(layers["lstm"]), written(layers)
    assert "_flat_weights" not in state
    with zipfile.ZipFile(io.BytesIO(written_now)) as archive:
        told = archive.read("archive/data.pkl")
    assert b"_flat_weights_names" in told and b"_reversed_padding_repeated_twice" in told


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4, batch_first=True)
        self.attend = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.functional.gelu, dropout=0.0)
        self.lazy = nn.LazyLinear(2)
        self.last = nn.Linear(4, 4)
        self.register_buffer("count", tg.zeros(()), persistent=False)

    def forward(self, x):
        self.count += 1
        return self.last(self.attend(self.rnn(x)[0]))


def double(module, args, out):
    return out * 2


def test_a_module_of_ones_own_comes_back_with_hooks_buffers_and_ops():
    net = Net()
    net.last.register_forward_hook(double)
    x = tg.randn(2, 5, 3)
    expected = net(x)
    back = again(net, weights_only=False)
    assert type(back) is Net and back.count == 1 and nn.parameter.is_lazy(back.lazy.weight)
    same(back(x).detach(), expected.detach())
    back(x).sum().backward()
    assert back.rnn.weight_ih_l0.grad is not None


def test_an_optimizer_comes_back_with_its_model():
    model = nn.Linear(2, 1)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model, optimizer = again((model, optimizer), weights_only=False)
    assert optimizer.param_groups[0]["params"][0] is model.weight


# ---------------------------------------------------------------------------- what is admitted


def test_safe_globals_admit_what_they_name_and_nothing_after():
    data = written({"x": Strange()})
    with pytest.raises(LoadError, match=r"file_parts\.Strange.*safe_globals\(\[Strange\]\)"):
        tg.load(io.BytesIO(data))
    with safe_globals([Strange]):
        assert type(tg.load(io.BytesIO(data))["x"]) is Strange and get_safe_globals() == [Strange]
        with safe_globals([Net]):
            assert get_safe_globals() == [Strange, Net]
        assert get_safe_globals() == [Strange]
    assert get_safe_globals() == []
    with pytest.raises(ZeroDivisionError), safe_globals([Strange]):
        raise ZeroDivisionError
    with pytest.raises(LoadError, match="Strange"):
        tg.load(io.BytesIO(data))
    add_safe_globals([(Net, "file_parts.Strange")])
    assert type(tg.load(io.BytesIO(data))["x"]) is Net


@pytest.mark.parametrize(
    "what, error", [(3, TypeError), ((Net,), ValueError), ((Net, 3), TypeError), ("text", TypeError)]
)
def test_what_has_no_name_is_not_admitted(what, error):
    with pytest.raises(error, match="add_safe_globals"):
        add_safe_globals([Strange, what])
    assert get_safe_globals() == []


def test_a_pickle_module_reads_only_where_all_is_trusted():
    data = written([Strange()])
    assert type(tg.load(io.BytesIO(data), pickle_module=pickle)[0]) is Strange
    with pytest.raises(RuntimeError, match="weights_only"):
        tg.load(io.BytesIO(data), pickle_module=pickle, weights_only=True)
    with pytest.raises(ValueError, match="pickle"):
        written(1, pickle_module=json)
    same(tg.load(io.BytesIO(written([1], pickle_module=pickle))), [1])


def test_a_class_that_is_not_there_is_named():
    data = (FILES / "torch_module.pt").read_bytes().replace(b"\nReLU\n", b"\nReLv\n")
    with pytest.raises(LoadError, match=r"torch\.nn\.modules\.activation\.ReLv"):
        tg.load(io.BytesIO(data), weights_only=False)


def test_a_copy_of_a_loaded_state_is_its_own():
    state = tg.load(FILES / "torch_zip.pt")
    twin = copy.deepcopy(state)
    twin["tensors"]["whole"][0, 0] = 5.0
    assert state["tensors"]["whole"][0, 0] == 0


def test_nothing_of_a_memory_is_written():
    x = tg.arange(4.0)
    for part in (x[4:], x[:0], tg.ones(3, 4)[:, 4:]):
        file = io.BytesIO()
        tg.save({"whole": x, "part": part}, file)
        file.seek(0)
        back = tg.load(file)
        assert back["part"].shape == part.shape and back["whole"].tolist() == x.tolist()
