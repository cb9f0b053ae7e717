"""Datasets, samplers and what makes batches of rows."""

import collections
import warnings

import numpy as np
import pytest
from comparing import same
from small_datasets import Count, Squares

import tensorgrad as tg
from tensorgrad.utils import data
from tensorgrad.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)

# ---------------------------------------------------------------------------- datasets


def test_tensor_dataset():
    rows = TensorDataset(tg.arange(3), tg.tensor([7, 8, 9]))
    assert len(rows) == 3 and [x.item() for x in rows[1]] == [1, 8] and type(rows[1]) is tuple
    assert [x.tolist() for x in rows[1:]] == [[1, 2], [8, 9]]
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors.*\[3, 2\]"):
        TensorDataset(tg.ones(3), tg.ones(2))


def test_stack_dataset():
    assert StackDataset(Squares(3), "abc")[2] == (4, "c")
    named = StackDataset(number=Squares(3), text="abc")
    assert named[1] == {"number": 1, "text": "b"} and len(named) == 3
    assert named.__getitems__([0, 2]) == [{"number": 0, "text": "a"}, {"number": 4, "text": "c"}]
    ((numbers, text),) = DataLoader(StackDataset(Squares(3), "abc"), 3)
    assert numbers.tolist() == [0, 1, 4] and text == ("a", "b", "c")
    for args, kwargs, message in (
        ((), {}, "At least one"),
        (("a",), {"x": "a"}, "both"),
        (("ab", "a"), {}, "Size mismatch"),
    ):
        with pytest.raises(ValueError, match=message):
            StackDataset(*args, **kwargs)


def test_concat_dataset():
    both = Squares(3) + Squares(2)
    assert (
        isinstance(both, ConcatDataset)
        and [both[i] for i in range(5)] == [0, 1, 4, 0, 1]
        and both[-1] == 1
        and len(both) == 5
    )
    with pytest.raises(ValueError, match="should not exceed dataset length"):
        both[-6]
    with pytest.raises(IndexError):
        both[5]
    with pytest.raises(AssertionError, match="empty"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([Count(3)])


def test_chain_dataset():
    assert list(Count(2) + Count(3)) == [0, 1, 0, 1, 2]
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([Squares(3)]))


def test_subset_of_lists_and_tensors():
    assert Subset(Squares(9), [4, 2])[0] == 16 and len(Subset(Squares(9), [4, 2])) == 2
    assert [x.tolist() for x in Subset(TensorDataset(tg.arange(9)), [4, 2, 7])[[0, 2]]] == [[4, 7]]


def test_random_split():
    parts = random_split(range(10), [3, 7], generator=tg.Generator().manual_seed(42))
    again = random_split(range(10), [3, 7], generator=tg.Generator().manual_seed(42))
    assert [list(p) for p in parts] == [list(p) for p in again]
    assert sorted(x for part in parts for x in part) == list(range(10))
    assert [len(p) for p in random_split(range(10), [0.35, 0.35, 0.3])] == [4, 3, 3]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        random_split(range(10), [3, 6])
    with pytest.raises(ValueError, match="Fraction at index 0"):
        random_split(range(10), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(2), [0.9, 0.1])


def test_datasets_say_what_is_missing():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(data.Sampler())
    assert Dataset[int] and IterableDataset[str] and data.Sampler[int]


# ---------------------------------------------------------------------------- samplers


def test_samplers():
    assert list(SequentialSampler("abc")) == [0, 1, 2] and len(SequentialSampler("abc")) == 3
    assert sorted(RandomSampler(range(50))) == list(range(50)) and len(RandomSampler(range(50))) == 50
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=77))
    assert len(drawn) == 77 and set(drawn) == set(range(5))
    assert len(list(RandomSampler(range(5), num_samples=13))) == 13
    assert sorted(SubsetRandomSampler([3, 9, 4])) == [3, 4, 9]
    assert set(WeightedRandomSampler([0, 1, 0, 3], 100)) == {1, 3}
    assert sorted(WeightedRandomSampler([0, 1, 2, 3], 3, replacement=False)) == [1, 2, 3]


def test_order_is_new_in_every_pass_and_the_same_for_one_seed():
    sampler = RandomSampler(range(100))
    tg.manual_seed(0)
    first, second = list(sampler), list(sampler)
    tg.manual_seed(0)
    assert list(sampler) == first != second == list(sampler)


SAMPLER_ERRORS = {
    "no samples": (lambda: RandomSampler([]), ValueError, "num_samples=0"),
    "negative samples": (lambda: RandomSampler("ab", num_samples=-1), ValueError, "num_samples=-1"),
    "replacement text": (
        lambda: RandomSampler("ab", replacement="yes"),
        TypeError,
        "replacement should be a boolean",
    ),
    "weighted none": (lambda: WeightedRandomSampler([1.0], 0), ValueError, "num_samples=0"),
    "weighted bool": (lambda: WeightedRandomSampler([1.0], True), ValueError, "num_samples=True"),
    "weighted replacement": (
        lambda: WeightedRandomSampler([1.0], 1, 1),
        ValueError,
        "replacement should be a boolean",
    ),
    "weighted 2d": (lambda: WeightedRandomSampler([[1.0]], 1), ValueError, "1d sequence"),
}


@pytest.mark.parametrize("name", SAMPLER_ERRORS)
def test_sampler_error_is_torchs(name):
    make, kind, message = SAMPLER_ERRORS[name]
    with pytest.raises(kind, match=message):
        make()


# ---------------------------------------------------------------------------- collating

Pair = collections.namedtuple("Pair", "a b")


def test_default_collate():
    cases = [
        ([tg.ones(2), tg.zeros(2)], tg.tensor([[1.0, 1.0], [0.0, 0.0]])),
        ([1, 2], tg.tensor([1, 2])),
        ([True, False], tg.tensor([True, False])),
        ([1.5, 2.5], tg.tensor([1.5, 2.5], dtype=tg.float64)),
        ([np.float32(1), np.float32(2)], tg.tensor([1.0, 2.0])),
        ([np.ones(2, np.int16)] * 2, tg.ones(2, 2, dtype=tg.int16)),
        (["a", "b"], ["a", "b"]),
        ([b"a"], [b"a"]),
        ([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}], {"x": tg.tensor([1, 2]), "y": ["a", "b"]}),
        ([(1, 2.0), (3, 4.0)], [tg.tensor([1, 3]), tg.tensor([2.0, 4.0], dtype=tg.float64)]),
        ([[1, 2], [3, 4]], [tg.tensor([1, 3]), tg.tensor([2, 4])]),
        ([{"p": (1, [2])}], {"p": [tg.tensor([1]), [tg.tensor([2])]]}),
        ([Pair(1, 2), Pair(3, 4)], Pair(tg.tensor([1, 3]), tg.tensor([2, 4]))),
        ([collections.OrderedDict(a=1)], collections.OrderedDict(a=tg.tensor([1]))),
    ]
    for batch, expected in cases:
        same(default_collate(batch), expected)


def test_default_collate_refuses_what_it_does_not_know():
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors.*object"):
        default_collate([object()])
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match=r"equal size.*\[2, 3\]"):
        default_collate([[1, 2], [1, 2, 3]])
    with pytest.raises(RuntimeError):
        default_collate([tg.ones(2), tg.ones(3)])


def test_default_convert():
    tensor = tg.ones(2)
    assert default_convert(tensor) is tensor
    same(default_convert(np.ones(2, np.float32)), tensor)
    same(default_convert({"a": [np.ones(2, np.float32), 3], "b": "text"}), {"a": [tensor, 3], "b": "text"})
    same(default_convert(Pair(np.float32(1), None)), Pair(tg.tensor(1.0), None))


def test_torchs_other_addresses():
    from tensorgrad.utils.data.dataloader import DataLoader as Loader
    from tensorgrad.utils.data.dataloader import default_collate as collate
    from tensorgrad.utils.data.dataset import TensorDataset as Rows
    from tensorgrad.utils.data.sampler import SubsetRandomSampler as Sampler

    assert (Loader, collate, Rows, Sampler) == (
        DataLoader,
        default_collate,
        TensorDataset,
        SubsetRandomSampler,
    )


def test_training_in_batches_learns():
    x = tg.linspace(-1, 1, 64).reshape(-1, 1)
    weight, bias = tg.zeros(1, 1, requires_grad=True), tg.zeros(1, requires_grad=True)
    optimizer = tg.optim.SGD([weight, bias], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(40):
            for xs, ys in DataLoader(TensorDataset(x, 3 * x - 2), 16, shuffle=True):
                optimizer.zero_grad()
                ((xs @ weight + bias - ys) ** 2).mean().backward()
                optimizer.step()
    assert weight.item() == pytest.approx(3, abs=1e-2) and bias.item() == pytest.approx(-2, abs=1e-2)
