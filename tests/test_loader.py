"""Loaders: PyTorch's order for the same seed, and whole batches that are what single rows give."""

import json
from pathlib import Path

import pytest
from comparing import same
from small_datasets import Count, Squares

import tensorgrad as tg
from tensorgrad.utils import data
from tensorgrad.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
)

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "training.json").read_text())


class OneByOne(Dataset):
    """The rows of another dataset with nothing that a loader could take a short way through."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


def lists(loader):
    return [batch.tolist() for batch in loader]


# ---------------------------------------------------------------------------- PyTorch's order


@pytest.mark.parametrize("case", FIXTURE["orders"], ids=lambda case: case["name"])
def test_order_is_torchs_and_the_generator_is_left_where_torch_leaves_it(case):
    names = {**vars(data), "rows": TensorDataset(tg.arange(11)), "Generator": tg.Generator}
    tg.manual_seed(7)
    loader = eval(case["name"], names)
    for epoch in case["epochs"]:
        seen = [(batch[0] if isinstance(batch, (list, tuple)) else batch).tolist() for batch in loader]
        assert seen == epoch
    assert tg.randint(1 << 30, ()).item() == case["after"]


@pytest.mark.parametrize("case", FIXTURE["orders"], ids=lambda case: case["name"])
def test_order_is_the_same_row_by_row_and_with_workers(case):
    names = {**vars(data), "rows": OneByOne(TensorDataset(tg.arange(11))), "Generator": tg.Generator}
    for workers in (0, 2):
        names["DataLoader"] = lambda *args, workers=workers, **kwargs: DataLoader(
            *args, num_workers=workers, **kwargs
        )
        tg.manual_seed(7)
        loader = eval(case["name"], names)
        for epoch in case["epochs"]:
            seen = [(batch[0] if isinstance(batch, (list, tuple)) else batch).tolist() for batch in loader]
            assert seen == epoch
        assert tg.randint(1 << 30, ()).item() == case["after"]


def test_random_numbers_drawn_between_batches_do_not_change_the_order():
    rows = TensorDataset(tg.arange(20))
    tg.manual_seed(5)
    quiet = [x.tolist() for (x,) in DataLoader(rows, 4, shuffle=True)]
    tg.manual_seed(5)
    noisy = []
    for (x,) in DataLoader(rows, 4, shuffle=True):
        tg.rand(3)
        noisy.append(x.tolist())
    assert quiet == noisy


def test_a_pass_left_early_draws_no_more_than_row_by_row():
    after = []
    for dataset in (TensorDataset(tg.arange(12)), OneByOne(TensorDataset(tg.arange(12)))):
        generator = tg.Generator().manual_seed(3)
        loader = DataLoader(dataset, 4, sampler=RandomSampler(dataset, num_samples=30, generator=generator))
        for i, _ in enumerate(loader):
            if i == 2:
                break
        after.append(generator.initial_seed() and tg.randint(1 << 30, (), generator=generator).item())
    assert after[0] == after[1]


# ---------------------------------------------------------------------------- whole batches

ROWS = TensorDataset(
    tg.arange(33, dtype=tg.float32).reshape(11, 3), tg.arange(11), tg.ones(11, 2, 2, dtype=tg.float64)
)
PLAIN = {
    "rows": ROWS,
    "subset": Subset(ROWS, [9, 2, 2, 5, 0]),
    "subset of a subset": Subset(Subset(ROWS, range(8)), [7, 0, 3]),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "size, drop_last", [(1, False), (2, True), (4, False), (4, True), (100, False), (100, True)]
)
def test_whole_batch_is_what_single_rows_give(name, shuffle, size, drop_last):
    tg.manual_seed(1)
    whole = list(DataLoader(PLAIN[name], size, shuffle=shuffle, drop_last=drop_last))
    tg.manual_seed(1)
    single = list(DataLoader(OneByOne(PLAIN[name]), size, shuffle=shuffle, drop_last=drop_last))
    same(whole, single)


def test_whole_batch_is_one_indexing_call_a_tensor(monkeypatch):
    monkeypatch.setattr(
        TensorDataset, "__getitem__", TensorDataset.__getitem__
    )  # the same one: still plain rows
    calls = []

    class Counting(TensorDataset):
        pass

    class Spy:
        def __init__(self, tensor):
            self.tensor = tensor

        def __len__(self):
            return len(self.tensor)

        def __getitem__(self, index):
            calls.append(index)
            return self.tensor[index]

    rows = Counting(Spy(tg.arange(10)), Spy(tg.arange(10)))
    assert len(list(DataLoader(rows, 5, shuffle=True))) == 2
    assert len(calls) == 4


def test_batches_are_copies():
    x = tg.zeros(4)
    for (batch,) in DataLoader(TensorDataset(x), 2):
        batch += 1
    assert x.tolist() == [0, 0, 0, 0]


def test_gradients_flow_through_a_whole_batch():
    x = tg.arange(4, dtype=tg.float32).requires_grad_()
    for shuffle in (False, True):
        x.grad = None
        for (batch,) in DataLoader(TensorDataset(x), 2, shuffle=shuffle):
            (2 * batch).sum().backward()
        assert x.grad.tolist() == [2, 2, 2, 2]


def test_own_rows_are_asked_for():
    class Twice(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * value for value in super().__getitem__(index))

    ((x,),) = DataLoader(Twice(tg.arange(3)), 3)
    assert x.tolist() == [0, 2, 4]
    ((x,),) = DataLoader(Subset(Twice(tg.arange(3)), [2]), 3)
    assert x.tolist() == [4]


def test_own_getitems_is_asked_for():
    class Many(Dataset):
        def __len__(self):
            return 5

        def __getitems__(self, indices):
            return [-i for i in indices]

    assert lists(DataLoader(Many(), 2)) == [[0, -1], [-2, -3], [-4]]
    Many.__getitems__ = lambda self, indices: [1]
    with pytest.raises(ValueError, match="Expected 2, got 1"):
        list(DataLoader(StackDataset(Many()), 2))


# ---------------------------------------------------------------------------- the loader


def test_batches_of_a_mapped_dataset():
    assert lists(DataLoader(Squares(5), 2)) == [[0, 1], [4, 9], [16]]
    assert lists(DataLoader(Squares(5), 2, drop_last=True)) == [[0, 1], [4, 9]]
    assert lists(DataLoader(Squares(3))) == [[0], [1], [4]]
    assert list(DataLoader(Squares(3), None)) == [0, 1, 4]
    assert list(DataLoader(Squares(3), 2, collate_fn=tuple)) == [(0, 1), (4,)]


def test_batches_of_an_iterable_dataset():
    assert lists(DataLoader(Count(5), 2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Count(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert lists(DataLoader(Count(4), 2)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Count(3), None)) == [0, 1, 2]
    assert lists(DataLoader(Count(0), 2)) == []


def test_lists_and_ranges_are_datasets():
    assert lists(DataLoader(range(4), 3)) == [[0, 1, 2], [3]]
    assert lists(DataLoader([1.5, 2.5], 2)) == [[1.5, 2.5]]


def test_samplers_of_users():
    assert lists(DataLoader(Squares(9), 2, sampler=[3, 1, 2])) == [[9, 1], [4]]
    assert lists(DataLoader(Squares(9), batch_sampler=[[3, 1], [2], [0, 0, 0]])) == [[9, 1], [4], [0, 0, 0]]
    loader = DataLoader(Squares(9), batch_sampler=BatchSampler(range(5), 2, True))
    assert len(loader) == 2 and loader.batch_size is None


@pytest.mark.parametrize(
    "loader, length",
    [
        (lambda: DataLoader(Squares(5), 2), 3),
        (lambda: DataLoader(Squares(5), 2, drop_last=True), 2),
        (lambda: DataLoader(Squares(5), None), 5),
        (lambda: DataLoader(Squares(5), 2, sampler=[1, 2]), 1),
        (lambda: DataLoader(Squares(0), 2), 0),
        (lambda: DataLoader(TensorDataset(tg.ones(9)), 4, shuffle=True), 3),
    ],
)
def test_length_is_the_number_of_batches(loader, length):
    loader = loader()
    assert len(loader) == length == len(list(loader))


def test_length_of_an_iterable_dataset_is_asked_for():
    class Known(Count):
        def __len__(self):
            return self.count

    assert len(DataLoader(Known(5), 2)) == 3 and len(DataLoader(Known(5), 2, drop_last=True)) == 2
    with pytest.raises(TypeError):
        len(DataLoader(Count(5), 2))


def test_what_a_loader_has():
    rows, generator = TensorDataset(tg.ones(3)), tg.Generator()
    loader = DataLoader(rows, 2, shuffle=True, generator=generator)
    assert (
        loader.dataset is rows
        and loader.batch_size == 2
        and loader.drop_last is False
        and loader.num_workers == 0
    )
    assert isinstance(loader.sampler, RandomSampler) and isinstance(loader.batch_sampler, BatchSampler)
    assert (
        loader.generator is generator
        and loader.collate_fn is default_collate
        and loader.prefetch_factor is None
    )
    with pytest.raises(
        ValueError, match="batch_size attribute should not be set after DataLoader is initialized"
    ):
        loader.batch_size = 3
    loader.anything = 1


def test_two_passes_at_once_are_independent():
    loader = DataLoader(TensorDataset(tg.arange(4)), 2)
    assert [(a.tolist(), b.tolist()) for (a,), (b,) in zip(loader, loader)] == [
        ([0, 1], [0, 1]),
        ([2, 3], [2, 3]),
    ]


def test_pin_memory_warns():
    with pytest.warns(UserWarning, match="pin_memory"):
        assert len(list(DataLoader(Squares(2), 2, pin_memory=True))) == 1


LOADER_ERRORS = {
    "negative workers": (dict(num_workers=-1), "num_workers option should be non-negative"),
    "negative timeout": (dict(timeout=-1), "timeout option should be non-negative"),
    "prefetch alone": (dict(prefetch_factor=2), "prefetch_factor option could only be specified"),
    "no prefetch": (dict(num_workers=1, prefetch_factor=0), "prefetch_factor option should be non-negative"),
    "persistent alone": (dict(persistent_workers=True), "persistent_workers option needs num_workers > 0"),
    "context alone": (dict(multiprocessing_context="fork"), "multiprocessing_context can only be used"),
    "sampler and shuffle": (
        dict(sampler=[1], shuffle=True),
        "sampler option is mutually exclusive with shuffle",
    ),
    "batch sampler and size": (
        dict(batch_sampler=[[1]], batch_size=2),
        "batch_sampler option is mutually exclusive",
    ),
    "batch sampler and drop": (
        dict(batch_sampler=[[1]], drop_last=True),
        "batch_sampler option is mutually exclusive",
    ),
    "drop without batches": (dict(batch_size=None, drop_last=True), "mutually exclusive with drop_last"),
    "size 0": (dict(batch_size=0), "batch_size should be a positive integer value, but got batch_size=0"),
    "size float": (dict(batch_size=2.0), "batch_size should be a positive integer value"),
    "size bool": (dict(batch_size=True), "batch_size should be a positive integer value"),
    "drop number": (dict(batch_size=2, drop_last=1), "drop_last should be a boolean value"),
}


@pytest.mark.parametrize("name", LOADER_ERRORS)
def test_loader_error_is_torchs(name):
    kwargs, message = LOADER_ERRORS[name]
    with pytest.raises(ValueError, match=message):
        DataLoader(Squares(3), **kwargs)


@pytest.mark.parametrize(
    "kwargs", [dict(shuffle=True), dict(sampler=[0]), dict(batch_sampler=[[0]])], ids=str
)
def test_iterable_dataset_has_its_own_order(kwargs):
    with pytest.raises(
        ValueError, match=f"DataLoader with IterableDataset: expected unspecified {next(iter(kwargs))}"
    ):
        DataLoader(Count(3), **kwargs)
    assert lists(DataLoader(Count(3), 3, shuffle=False)) == [[0, 1, 2]]


def test_shuffling_nothing_is_torchs_error():
    with pytest.raises(
        ValueError, match="num_samples should be a positive integer value, but got num_samples=0"
    ):
        DataLoader(Squares(0), shuffle=True)
