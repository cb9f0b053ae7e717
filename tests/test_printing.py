"""The text of tensors, held against what PyTorch 2.13 printed (see fixtures/make_printing.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.core.printing import format_tensor, get_printoptions, printoptions, set_printoptions

CASES = json.loads((Path(__file__).parent / "fixtures" / "printing.json").read_text())


def name(case):
    options = ",".join(f"{key}={value}" for key, value in case["options"].items())
    shape = "x".join(map(str, case["shape"])) or "0d"
    return "-".join(filter(None, [case["dtype"], shape, options, case.get("grad")]))


def values(case):
    if "arange" in case:
        start, step = case["arange"]
        array = start + step * np.arange(int(np.prod(case["shape"])))
    else:
        array = np.array(case["values"])
    return array.astype(case["dtype"]).reshape(case["shape"])


@pytest.fixture(autouse=True)
def fresh_options():
    before = get_printoptions()
    yield
    set_printoptions(**before)


def test_the_fixture_is_whole():
    assert len(CASES) >= 400
    dtypes = {"float32", "float64", "float16", "uint8", "int8", "int16", "int32", "int64", "bool"}
    assert {case["dtype"] for case in CASES} == dtypes


@pytest.mark.parametrize("case", CASES, ids=name)
def test_text_is_that_of_pytorch(case):
    set_printoptions(profile="default")
    set_printoptions(**case["options"])
    text = format_tensor(
        values(case),
        dtype=f"torch.{case['dtype']}",
        default_dtype=f"torch.{case.get('default', 'float32')}",
        grad_fn=case["grad_fn"],
        requires_grad="grad" in case,
    )
    assert text == case["text"]


@pytest.mark.parametrize("case", [case for case in CASES if "dtype=" not in case["text"]], ids=name)
def test_a_tensor_shows_itself_so(case):
    set_printoptions(profile="default")
    set_printoptions(**case["options"])
    tg.set_default_dtype(getattr(tg, case.get("default", "float32")))
    tensor = tg.from_numpy(values(case)).requires_grad_("grad" in case)
    assert repr(tensor * 1 if case.get("grad") == "recorded" else tensor) == case["text"]


def test_a_dtype_is_named_as_it_is_written():
    assert repr(tg.tensor([1, 2], dtype=tg.uint8)) == "tensor([1, 2], dtype=tensorgrad.uint8)"
    assert repr(tg.zeros(0, 3, dtype=tg.int64)) == "tensor([], size=(0, 3), dtype=tensorgrad.int64)"


def test_printing_leaves_no_trace_on_the_tape():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert str(x) == repr(x) == f"{x}" == "tensor([1., 2.], requires_grad=True)"
    assert x.is_leaf and x.grad is None


def test_a_number_formats_as_a_number():
    assert f"{tg.tensor(3.14159):.2f}" == "3.14"


def test_four_terabytes_are_summarised_without_reading_them():
    huge = np.lib.stride_tricks.as_strided(np.ones(1, np.float32), (10**6, 10**6), (0, 0))
    lines = format_tensor(huge, dtype="f", default_dtype="f").splitlines()
    assert len(lines) == 7
    assert lines[0] == "tensor([[1., 1., 1.,  ..., 1., 1., 1.],"
    assert lines[3] == "        ...,"


def test_views_print_as_their_copies():
    base = np.arange(24.0).reshape(4, 6)
    view = base[::-1, ::2].T
    say = dict(dtype="f", default_dtype="f")
    assert format_tensor(view, **say) == format_tensor(view.copy(), **say)


def test_options_are_back_after_the_block_even_after_an_error():
    before = get_printoptions()
    with pytest.raises(RuntimeError), printoptions(precision=1, linewidth=40):
        assert get_printoptions()["precision"] == 1
        raise RuntimeError
    assert get_printoptions() == before


def test_scientific_mode_lasts_one_setting():
    set_printoptions(sci_mode=True)
    assert get_printoptions()["sci_mode"] is True
    set_printoptions(precision=3)
    assert get_printoptions()["sci_mode"] is None


def test_profile_is_a_base_for_the_other_settings():
    set_printoptions(profile="short", edgeitems=9)
    assert get_printoptions() == dict(precision=2, threshold=1000, edgeitems=9, linewidth=80, sci_mode=None)


def test_unknown_profile_changes_nothing():
    before = get_printoptions()
    with pytest.raises(ValueError, match="'tiny'.*default, short, full"):
        set_printoptions(profile="tiny", precision=9)
    assert get_printoptions() == before
