"""What is said of a name that is not there, and what one that is there says of itself."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from importlib import import_module

import pytest

import tensorgrad as tg
from tensorgrad.core import Op

# Classes that are compiled, or errors: Python reads no signature of them.
COMPILED = {"Generator", "Node", "Op", "Tensor", "dtype"}
MODULES = [
    "tensorgrad", "tensorgrad.nn", "tensorgrad.nn.functional", "tensorgrad.nn.init", "tensorgrad.nn.utils",
    "tensorgrad.nn.utils.parametrizations", "tensorgrad.nn.utils.prune", "tensorgrad.nn.utils.rnn",
    "tensorgrad.linalg", "tensorgrad.special", "tensorgrad.optim", "tensorgrad.optim.lr_scheduler",
    "tensorgrad.optim.swa_utils", "tensorgrad.distributions", "tensorgrad.func", "tensorgrad.autograd",
    "tensorgrad.autograd.functional", "tensorgrad.utils.data", "tensorgrad.random", "tensorgrad.io",
    "tensorgrad.amp", "tensorgrad.profiler", "tensorgrad.testing", "tensorgrad.datasets", "tensorgrad.cuda",
]  # fmt: skip

NEAR = {
    "reluu": "'relu'", "softmaxx": "'softmax'", "zeroes": "'zeros'", "arrange": "'arange'", "summ": "'sum'",
    "mat_mul": "'matmul'", "nograd": "'no_grad'", "randin": "'randint'", "concatinate": "'concatenate'",
    "nn.Linearr": "'Linear'", "nn.Liner": "'Linear'", "nn.ReLu": "'ReLU'", "nn.Conv2D": "'Conv2d'",
    "nn.Sequental": "'Sequential'", "nn.MSEloss": "'MSELoss'", "nn.functional.linear_": "'linear'",
    "nn.functional.cros_entropy": "'cross_entropy'", "nn.functional.mseloss": "'mse_loss'",
    "nn.utils.clip_grad_nor_": "'clip_grad_norm_'", "optim.adam": "'Adam'", "optim.Adamw": "'AdamW'",
    "optim.lr_schedular": "'lr_scheduler'", "linalg.SVD": "'svd'", "linalg.eig_h": "'eigh'",
    "distributions.normal": "'Normal'", "func.gradd": "'grad'",
}  # fmt: skip
ELSEWHERE = {
    "Linear": "nn.Linear", "Adam": "optim.Adam", "DataLoader": "utils.data.DataLoader", "Module": "nn.Module",
    "cross_entropy": "nn.functional.cross_entropy", "StepLR": "optim.lr_scheduler.StepLR",
    "Normal": "distributions.Normal", "clip_grad_norm_": "nn.utils.clip_grad_norm_", "item": "Tensor.item",
    "kaiming_normal_": "nn.init.kaiming_normal_", "jacobian": "autograd.functional.jacobian",
    "nn.relu": "nn.functional.relu", "nn.cross_entropy": "nn.functional.cross_entropy", "nn.tensor": "tensor",
    "nn.Adam": "optim.Adam", "nn.pad_sequence": "nn.utils.rnn.pad_sequence", "optim.StepLR":
    "optim.lr_scheduler.StepLR", "nn.functional.LeakyReLU": "nn.LeakyReLU", "linalg.trace": "trace",
    "nn.functional.CrossEntropyLoss": "nn.CrossEntropyLoss", "utils.DataLoader": "utils.data.DataLoader",
    "nn.CrossEntropy": "nn.functional.cross_entropy",
}  # fmt: skip
NONSENSE = [
    "xyzzy", "quux", "radiation", "set_seed", "ab", "random_normal", "nn.foo", "optim.bar", "linalg.zip",
    "nn.functional.mse",
]  # fmt: skip


def said(address: str) -> str:
    """The message of an attribute that is not there."""
    module, _, name = f"tensorgrad.{address}".rpartition(".")
    with pytest.raises(AttributeError) as caught:
        getattr(import_module(module), name)
    return str(caught.value)


@pytest.mark.parametrize("address", NEAR)
def test_a_misspelt_name_gets_the_one_that_was_meant(address):
    assert f"the nearest name that it has is {NEAR[address]}" in said(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_name_at_the_wrong_place_gets_the_right_one(address):
    assert said(address).endswith(f"there is tensorgrad.{ELSEWHERE[address]}")


@pytest.mark.parametrize("address", NONSENSE)
def test_where_nothing_is_near_nothing_is_suggested(address):
    assert said(address).endswith(f"has no attribute {address.rpartition('.')[2]!r}")


def test_to_ask_whether_a_name_is_there_looks_for_no_other():
    code = (
        "import sys, tensorgrad as tg; before = set(sys.modules)\n"
        "assert not hasattr(tg, 'Linear') and set(sys.modules) == before\n"
        "try: tg.Linear\n"
        "except AttributeError as error: import pickle; again = pickle.loads(pickle.dumps(error))\n"
        "assert type(again) is AttributeError and 'tensorgrad.nn.Linear' in str(again)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("code", "name"), [("tg.ones(2).rehsape(2)", "reshape"), ("tg.nn.Linear(2, 2).wieght", "weight")]
)
def test_the_traceback_names_the_nearest_attribute_of_tensors_and_modules(code, name):
    run = [sys.executable, "-c", f"import tensorgrad as tg; {code}"]
    assert f"Did you mean: '{name}'?" in subprocess.run(run, capture_output=True, text=True).stderr


def public_names(address):
    """The names of a module, or the methods of Tensor."""
    place = tg.Tensor if address == "tensorgrad.Tensor" else import_module(address)
    for name in getattr(place, "__all__", None) or dir(place):
        value = getattr(place, name)
        if callable(value) and not isinstance(value, types.ModuleType) and not name.startswith("_"):
            yield name, value


@pytest.mark.parametrize("address", [*MODULES, "tensorgrad.Tensor"])
def test_all_public_names_have_a_signature_and_a_text(address):
    for name, value in public_names(address):
        text = inspect.getdoc(value) or ""
        assert text.split("\n")[0].strip(), name
        if name in COMPILED or (isinstance(value, type) and issubclass(value, BaseException)):
            continue
        parameters = inspect.signature(value).parameters
        if isinstance(value, Op) and not hasattr(value.definition, "__wrapped__"):
            assert set(value.params) <= {*parameters, "out"}, name


def test_dir_has_what_completion_offers():
    for module in (tg, tg.nn, tg.nn.functional, tg.optim, tg.linalg, tg.distributions):
        assert set(getattr(module, "__all__", ())) <= set(dir(module))
    assert {"nn", "optim", "save", "relu", "float32", "no_grad", "distributions"} <= set(dir(tg))
    assert not {name for name in dir(tg) if name.startswith("_")} and "annotations" not in dir(tg)
    assert {"sum", "relu_", "backward", "shape", "T"} <= set(dir(tg.ones(1)))


def test_help_shows_how_an_op_is_called():
    import pydoc

    text = pydoc.plain(pydoc.render_doc(tg.cumsum))
    assert "cumsum(input, dim, *, dtype=None)" in text and "The sums of the elements" in text
