"""Readers of files that people have: IDX, CIFAR, tables, folders of images. The tests write such files."""

import gzip
import pickle
import struct
import sys

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import datasets
from tensorgrad.io import LoadError
from tensorgrad.utils.data import DataLoader, TensorDataset

RANDOM = np.random.default_rng(0)


# ---------------------------------------------------------------------------- IDX

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx_bytes(array):
    array = np.asarray(array)
    head = struct.pack(f">HBB{array.ndim}I", 0, CODES[array.dtype.name], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 7)], ids=str)
def test_idx_gives_what_was_written(kind, shape, tmp_path):
    array = RANDOM.integers(0, 100, shape).astype(kind)
    (tmp_path / "a").write_bytes(idx_bytes(array))
    with gzip.open(tmp_path / "b.gz", "wb") as file:
        file.write(idx_bytes(array))
    for name in ("a", "b.gz"):
        read = datasets.idx(tmp_path / name)
        assert read.dtype is getattr(tg, kind) and read.shape == shape and read.tolist() == array.tolist()
        read += 1  # memory of its own


WHOLE = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3))
DAMAGED = {
    "nothing": (b"", "does not begin as an IDX file does"),
    "something else": (b"\x89PNG\r\n", "does not begin as an IDX file does"),
    "no such type": (b"\0\0\x0a\1\0\0\0\0", "does not begin"),
    "no sizes": (WHOLE[:6], "cut short"),
    "cut short": (WHOLE[:-1], "there are 5"),
    "too long": (WHOLE + b"x", "there are more"),
    "larger than any file": (b"\0\0\x0e\3" + b"\xff" * 12, "more than it can have"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", DAMAGED)
def test_idx_refuses_damaged_files(name, packed, tmp_path):
    data, message = DAMAGED[name]
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(LoadError, match=message) as error:
        datasets.idx(path)
    assert str(path) in str(error.value)


def test_idx_refuses_a_damaged_gzip_file(tmp_path):
    for data in (WHOLE, gzip.compress(WHOLE)[:-9], gzip.compress(WHOLE)[:12] + b"xxxxxxxxxxxxxxx"):
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(LoadError, match="damaged gzip"):
            datasets.idx(tmp_path / "a.gz")


IMAGES = RANDOM.integers(0, 256, (7, 28, 28)).astype(np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)


def write_mnist(folder, images=IMAGES, labels=LABELS, train=True, pattern="{}", pack=False):
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        name = pattern.format(f"{'train' if train else 't10k'}-{kind}-ubyte")
        data = idx_bytes(array)
        (folder / name).write_bytes(gzip.compress(data) if pack else data)


def test_mnist_is_read_from_where_torchvision_keeps_it_or_the_folder_itself(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw")
    write_mnist(tmp_path / "b", pattern="{}.gz", pack=True)
    write_mnist(tmp_path / "FashionMNIST" / "raw", train=False)
    for rows in (datasets.MNIST(tmp_path), datasets.MNIST(str(tmp_path / "b"), download=True)):
        assert len(rows) == 7 and rows.data.equal(tg.tensor(IMAGES))
        assert rows.targets.tolist() == LABELS.tolist()
        image, target = rows[4]
        assert image.shape == (1, 28, 28) and image.dtype is tg.uint8 and image[0].equal(rows.data[4])
        assert target == 5 and type(target) is int
        assert rows.classes[5] == "5 - five" and rows.class_to_idx["5 - five"] == 5
    clothes = datasets.FashionMNIST(tmp_path, train=False)
    assert len(clothes) == 7 and clothes.class_to_idx["Ankle boot"] == 9
    with pytest.raises(RuntimeError, match="t10k-images-idx3-ubyte"):
        datasets.MNIST(tmp_path, train=False)


def test_mnist_is_transformed_and_loaded(tmp_path):
    write_mnist(tmp_path)
    rows = datasets.MNIST(tmp_path, transform=lambda x: x.float() / 255, target_transform=lambda t: t % 2)
    (images, labels), (last, _) = DataLoader(rows, 4)
    assert images.shape == (4, 1, 28, 28) and images.dtype is tg.float32 and len(last) == 3
    assert images[1, 0].allclose(tg.tensor(IMAGES[1]) / 255.0) and labels.tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (IMAGES, LABELS[:6], "not the images and the labels of one"),
        (IMAGES[0], LABELS, "not the images and the labels of one"),
        (IMAGES.astype(np.float32), LABELS, "wanted uint8"),
        (IMAGES, LABELS + 1, "has the label 10"),
    ],
)
def test_mnist_refuses_what_does_not_fit(images, labels, message, tmp_path):
    write_mnist(tmp_path, images, labels)
    with pytest.raises(RuntimeError, match=message):
        datasets.MNIST(tmp_path)


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10", "CIFAR100"])
def test_nothing_is_downloaded(name, tmp_path):
    with pytest.raises(RuntimeError, match="nothing is downloaded here, also not by download=True"):
        getattr(datasets, name)(tmp_path, download=True)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------- CIFAR

PIXELS = RANDOM.integers(0, 256, (6, 3072)).astype(np.uint8)
KINDS = ["cat", "dog", "ship"]


def old_pickle(value):
    """As Python 2 wrote it, protocol 2: all text, and the bytes of arrays, as its str."""

    def text(data):
        head = b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data))
        return head + data

    def write(value):
        if isinstance(value, str):
            return text(value.encode())
        if isinstance(value, int):
            return b"K" + bytes([value])
        if isinstance(value, list):
            return b"](" + b"".join(map(write, value)) + b"e"
        if isinstance(value, dict):
            return b"}(" + b"".join(write(part) for pair in value.items() for part in pair) + b"u"
        shape = b"".join(b"J" + struct.pack("<i", size) for size in value.shape)
        kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xff"
        kind += b"J\xff\xff\xff\xffK\0tb"
        made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
        return made + b"(K\1" + shape + b"\x86" + kind + b"\x89" + text(value.tobytes()) + b"tb"

    return b"\x80\x02" + write(value) + b"."


def new_pickle(value):
    return pickle.dumps({key.encode(): part for key, part in value.items()}, protocol=2)


def write_cifar(folder, dump, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    batch = {"batch_label": "batch", "labels": [0, 1, 2, 2, 1, 0], "data": PIXELS, **changes}
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(dump(batch))
    (folder / "batches.meta").write_bytes(dump({"label_names": KINDS, "num_cases_per_batch": 6}))


@pytest.mark.parametrize("dump", [old_pickle, new_pickle, pickle.dumps])
def test_cifar_is_read_as_python_2_and_3_write_it(dump, tmp_path):
    write_cifar(tmp_path / "cifar-10-batches-py", dump)
    train, test = (datasets.CIFAR10(tmp_path, train=train) for train in (True, False))
    assert len(train) == 30 and len(test) == 6 and train.targets[6:12] == test.targets == [0, 1, 2, 2, 1, 0]
    assert train.data.shape == (30, 32, 32, 3) and train.classes == KINDS and train.class_to_idx["ship"] == 2
    image, target = train[8]
    assert image.dtype is tg.uint8 and image.is_contiguous() and target == 2
    assert image.flatten().tolist() == PIXELS[2].tolist()


def test_cifar_100_has_its_fine_classes(tmp_path):
    batch = {"fine_labels": [0, 1, 2, 2, 1, 0], "coarse_labels": [0] * 6, "data": PIXELS}
    for name in ("train", "test"):
        (tmp_path / name).write_bytes(new_pickle(batch))
    (tmp_path / "meta").write_bytes(old_pickle({"fine_label_names": KINDS, "coarse_label_names": ["thing"]}))
    rows = datasets.CIFAR100(tmp_path, transform=lambda x: x.float().mean(), target_transform=lambda t: -t)
    assert rows.classes == KINDS and rows[3][1] == -2
    assert rows[3][0].item() == pytest.approx(PIXELS[3].mean(), rel=1e-5)


class Harm:
    def __reduce__(self):
        return print, ("this ran",)


WRONG = {
    "code": (dict(data=Harm()), "names builtins.print"),
    "an image too short": (dict(data=PIXELS[:, :-1]), "has 3071 bytes"),
    "floats": (dict(data=PIXELS.astype(np.float32)), "no matrix of bytes"),
    "labels missing": (dict(labels=[0, 1]), "no list of 6 labels"),
    "no such label": (dict(labels=[0, 1, 2, 3, 0, 0]), "the label 3 of 3 classes"),
    "a word for a label": (dict(labels=[0, 1, 2, "cat", 0, 0]), "the label cat"),
}


@pytest.mark.parametrize("name", WRONG)
def test_cifar_refuses_what_is_not_its_own(name, tmp_path, capfd):
    changes, message = WRONG[name]
    write_cifar(tmp_path, pickle.dumps, **changes)
    with pytest.raises(RuntimeError, match=message):
        datasets.CIFAR10(tmp_path)
    assert "this ran" not in capfd.readouterr().out


def test_cifar_refuses_what_is_cut_short(tmp_path):
    write_cifar(tmp_path, old_pickle)
    whole = (tmp_path / "data_batch_3").read_bytes()
    for end in [*range(0, 200, 3), len(whole) // 2, len(whole) - 1]:
        (tmp_path / "data_batch_3").write_bytes(whole[:end])
        with pytest.raises(LoadError, match="data_batch_3"):
            datasets.CIFAR10(tmp_path)


# ---------------------------------------------------------------------------- tables


def table_of(tmp_path, text, **kwargs):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return datasets.csv(path, **kwargs)


TRAINS = """weather, km,hour,late\r
sun,3.5,7,no\r
snow,10,8,yes\r
\r
"rain, heavy",NA,7,no\r
,1e1,8,yes\r
"""


def test_a_table_of_numbers_and_words(tmp_path):
    table = table_of(tmp_path, TRAINS, target="late", categorical=["weather", "hour"])
    assert table.number_names == ["km"] and table.category_names == ["weather", "hour"]
    assert table.numbers.dtype is tg.float32
    assert str(table.numbers.flatten().tolist()) == "[3.5, 10.0, nan, 10.0]"
    assert table.words == {"weather": ["rain, heavy", "snow", "sun"], "hour": ["7", "8"]}
    assert table.categories.tolist() == [[3, 1], [2, 2], [1, 1], [0, 2]]
    assert table.classes == ["no", "yes"] and table.target.tolist() == [0, 1, 0, 1]
    assert len(table) == 4 and isinstance(table, TensorDataset)
    numbers, words, target = table[1]
    assert (numbers.tolist(), words.tolist(), target.item()) == ([10.0], [2, 2], 1)
    ((numbers, words, target),) = DataLoader(table, 4)
    assert numbers.shape == (4, 1) and words.equal(table.categories) and target.equal(table.target)


def test_columns_of_words_are_found_and_columns_can_be_chosen(tmp_path):
    table = table_of(tmp_path, TRAINS, target=-1)
    assert table.category_names == ["weather"] and table.number_names == ["km", "hour"]
    table = table_of(tmp_path, TRAINS, numeric=["hour"])
    assert table.category_names == ["weather", "late"] and table.number_names == ["hour"]
    table = table_of(tmp_path, TRAINS, categorical=[], numeric=[2])
    assert table.numbers.tolist() == [[7], [8], [7], [8]] and len(table[0]) == 1
    assert table.categories is None and table.target is None


@pytest.mark.parametrize(
    "cells, dtype, values, classes",
    [
        ("1 0 -3", tg.int64, [1, 0, -3], None),
        ("1 0 3.5", tg.float32, [1, 0, 3.5], None),
        ("b a b", tg.int64, [1, 0, 1], ["a", "b"]),
        ("1 a 1_0", tg.int64, [0, 2, 1], ["1", "1_0", "a"]),
    ],
)
def test_the_target_is_of_the_kind_of_its_cells(cells, dtype, values, classes, tmp_path):
    text = "x,y\n" + "".join(f"0,{cell}\n" for cell in cells.split())
    table = table_of(tmp_path, text, target="y")
    assert table.target.dtype is dtype and table.target.tolist() == values and table.classes == classes


def test_another_file_is_read_like_the_first(tmp_path):
    first = table_of(tmp_path, TRAINS, target="late", categorical=["weather", "hour"])
    text = "late,hour,extra,km,weather\nyes,8,?,2,snow\nyes,9,?,3,fog\n"
    second = table_of(tmp_path, text, like=first)
    assert second.numbers.tolist() == [[2], [3]] and second.target.tolist() == [1, 1]
    assert second.categories.tolist() == [[2, 2], [0, 0]] and second.words == first.words
    guessed = table_of(tmp_path, "hour,km,weather\n7,1,sun\n", like=first)
    assert guessed.target is None and guessed.categories.tolist() == [[3, 1]]
    with pytest.raises(ValueError, match="line 2: the target 'maybe' is none of"):
        table_of(tmp_path, "late,hour,km,weather\nmaybe,7,1,sun\n", like=first)
    with pytest.raises(KeyError, match="no column 'km'"):
        table_of(tmp_path, "late,hour,weather\nyes,7,sun\n", like=first)
    with pytest.raises(ValueError, match="leave target"):
        table_of(tmp_path, TRAINS, like=first, target="late")


def test_other_forms_of_tables(tmp_path):
    table = table_of(tmp_path, "\ufeff1;2\n3;4\n", header=False, delimiter=";", target="1")
    assert table.numbers.tolist() == [[1], [3]] and table.target.tolist() == [2, 4]
    assert table.number_names == ["0"]
    path = tmp_path / "latin.csv"
    path.write_bytes("stra\xdfe,n\nb\xe4r,-\n".encode("latin1"))
    table = datasets.csv(path, encoding="latin1", missing=["-"])
    assert table.words == {"straße": ["bär"]} and table.numbers.isnan().all()


TABLES = {
    "empty": ("", {}, ValueError, "has no rows"),
    "only names": ("a,b\n", {}, ValueError, "has no rows"),
    "a short row": ("a,b\n1,2\n\n3\n", {}, ValueError, "line 4: there are 1 cells, and in the first line 2"),
    "a long row": ("a\n1,2\n", {}, ValueError, "line 2: there are 2 cells.*what stands between"),
    "two names": ("a,a\n1,2\n", {}, ValueError, r"more than one column of the names \['a'\]"),
    "a word": ("a,b\n1,2\n1,x\n", dict(categorical=[]), ValueError, "line 3: 'x' is no number"),
    "no column": ("a,b\n1,2\n", dict(target="c"), KeyError, "no column 'c'"),
    "no number": ("a,b\n1,2\n", dict(target=2), KeyError, "no number 2"),
    "no target": ("a,b\n1,2\n1,\n", dict(target="b"), ValueError, "line 3: the target 'b' is missing"),
    "twice": ("a,b\n1,2\n", dict(target="b", categorical=["b"]), ValueError, "can't be two of"),
    "other text": ("a,b\n1,\xff\n", dict(encoding="ascii"), ValueError, "ascii"),
    "nothing": ("a,b\n1,2\n", dict(categorical=[], numeric=[]), ValueError, "no column to read"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_wrong_table_is_an_error_that_says_where(name, tmp_path):
    text, kwargs, kind, message = TABLES[name]
    with pytest.raises(kind, match=message):
        table_of(tmp_path, text, **kwargs)


# ---------------------------------------------------------------------------- folders of images


def write_images(root):
    image = pytest.importorskip("PIL.Image")
    pixels = RANDOM.integers(0, 256, (5, 4, 3)).astype(np.uint8)
    for name in ("dog/b.png", "dog/more/a.PNG", "cat/z.bmp"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels).save(root / name)
    image.fromarray(pixels[..., 0]).save(root / "cat" / "grey.png")
    (root / "cat" / "notes.txt").write_text("no image")
    return pixels


def test_a_folder_of_images_has_its_folders_as_classes(tmp_path):
    pixels = write_images(tmp_path)
    rows = datasets.ImageFolder(tmp_path)
    names = [(path.removeprefix(str(tmp_path)).replace("\\", "/"), target) for path, target in rows.samples]
    assert names == [("/cat/grey.png", 0), ("/cat/z.bmp", 0), ("/dog/b.png", 1), ("/dog/more/a.PNG", 1)]
    assert rows.classes == ["cat", "dog"] and rows.class_to_idx == {"cat": 0, "dog": 1}
    assert rows.targets == [0, 0, 1, 1] and rows.imgs is rows.samples and len(rows) == 4
    image, target = rows[2]
    assert target == 1 and image.dtype is tg.uint8 and image.permute(1, 2, 0).tolist() == pixels.tolist()
    grey = rows[0][0]
    assert grey.shape == (3, 5, 4) and grey[0].equal(grey[2]) and grey[1].tolist() == pixels[..., 0].tolist()
    ((images, targets),) = DataLoader(rows, 4)
    assert images.shape == (4, 3, 5, 4) and targets.tolist() == [0, 0, 1, 1]


def test_images_are_read_and_changed_as_one_says(tmp_path):
    write_images(tmp_path)
    rows = datasets.ImageFolder(
        tmp_path,
        transform=lambda image: image.float().mean(),
        target_transform=lambda target: -target,
        is_valid_file=lambda path: path.endswith("b.png"),
        allow_empty=True,
    )
    assert len(rows) == 1 and rows[0][0].ndim == 0 and rows[0][1] == -1
    paths = datasets.ImageFolder(tmp_path, loader=lambda path: path)
    assert paths[1] == paths.samples[1]


def test_folders_without_classes_or_images_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no folders"):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError):
        datasets.ImageFolder(tmp_path / "nowhere")
    write_images(tmp_path)
    (tmp_path / "owl").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images of the classes owl, wanted .* \.jpg"):
        datasets.ImageFolder(tmp_path)
    assert datasets.ImageFolder(tmp_path, allow_empty=True).classes == ["cat", "dog", "owl"]


def test_damaged_images_are_errors_that_name_the_file(tmp_path):
    write_images(tmp_path)
    whole = (tmp_path / "dog" / "b.png").read_bytes()
    for data in (b"", b"no image", whole[:60], whole[:45] + b"xxxxxxx" + whole[52:]):
        (tmp_path / "dog" / "b.png").write_bytes(data)
        with pytest.raises(OSError, match=r"b\.png' can't be read as an image"):
            datasets.read_image(tmp_path / "dog" / "b.png")


def test_without_pillow_an_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'tensorgrad-cpu\[images\]'"):
        datasets.read_image(tmp_path / "a.png")
