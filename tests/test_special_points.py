"""First and second derivatives of every op where they are easily wrong: at zeros, ties and ends, and where an
infinity or NaN arrives from above. What is right is PyTorch's answer, in a fixture.
"""

from __future__ import annotations

from fnmatch import fnmatchcase as fnmatch
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from special_points import POINTS, arguments, found, samples

import tensorgrad as tg

FIXTURE = Path(__file__).parent / "fixtures" / "special_points.npz"
SAMPLES = {f"{name}/{sample.name}": (name, sample) for name, sample in samples()}

ORDER = "an infinity meets one of the other sign, or 0, or not, as the products of matrices are ordered"
GAUGE = "with equal eigenvalues or singular values the answer is rounding alone"
WHICH = "which of equal elements is named is not promised"
LINEAR = "the gradient of the offset depends on no input; PyTorch gives zeros, here there is none"
KNOWN = {  # op/sample/point/what, as patterns
    "am*/*/nan upstream/*": "PyTorch multiplies by the mask of what was reached; here NaN stays in its place",
    "as_strided_scatter/*": "PyTorch gives the source the gradient of other elements",
    "scatter_reduce/am*-False/*": "PyTorch counts the element that it does not include",
    "index_reduce/amax/*": "PyTorch counts the element that it does not include",
    "corrcoef/rows/nan upstream/*": "whether a 1 is clipped is rounding",
    "softplus/settings/ties/second": "PyTorch's slope has none at the threshold itself",
    "prelu/*/second": "PyTorch counts 0 as positive in the second derivative, not in the first",
    "scaled_dot_product_attention/*/nan upstream/*": "PyTorch multiplies by the mask",
    "pad/re*/live": "a linear op, whose gradient depends on no input; PyTorch gives zeros",
    "*_norm/*/live": LINEAR,
    "bilinear/*": ORDER,
    "solve*/* upstream/*": ORDER,
    "triangular_solve/*": ORDER,
    "matrix_power/*": ORDER,
    "lu_factor_ex/*": ORDER,
    "qr/*": ORDER,
    "ormqr/*": ORDER,
    "householder_product/*": ORDER,
    "scatter_reduce/prod*/infinity upstream/*": ORDER,
    "index_reduce/prod/infinity upstream/*": ORDER,
    "eigh/*": GAUGE,
    "eigvalsh/plain/*": GAUGE,
    "svdvals/stack/ones/second": GAUGE,
    "topk/*": WHICH,
    "kthvalue/*": WHICH,
}


@cache
def expected():
    """PyTorch's derivatives by "op/sample/point": first ones, which of them are live, second ones."""
    held = np.load(FIXTURE)
    answers, values, live = {}, held["values"], held["live"]
    for name in str(held["names"]).split("\n"):
        sample, point = name.rsplit("/", 1)
        if sample not in SAMPLES:
            continue
        leaves = arguments(SAMPLES[sample][1], point)[2]
        cut = []
        for leaf in leaves * 2:
            cut.append(values[: leaf.numel()].reshape(tuple(leaf.shape)))
            values = values[leaf.numel() :]
        answers[name] = cut[: len(leaves)], list(live[: len(leaves)]), cut[len(leaves) :]
        live = live[len(leaves) :]
    return answers


def close(ours, right, strict):
    """Whether they agree. Unless ``strict``, we may have a number where PyTorch's formula is 0 times
    infinity, or NaN for a sum of infinities.
    """
    with np.errstate(over="ignore"):
        ours = ours.astype(np.float32)
    if not strict:
        right = np.where(np.isnan(right) | (np.isnan(ours) & np.isinf(right)), ours, right)
    return np.allclose(ours, right, rtol=1e-5, atol=1e-6, equal_nan=True)


def known(case):
    return any(fnmatch(case, pattern) for pattern in KNOWN)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_derivatives_at_special_points_are_right(sample, backend):
    wrong = []
    for point in POINTS:
        answer = expected().get(f"{sample}/{point}")
        if answer is None:
            continue
        first, live, second = answer
        with tg.backend(backend):
            fast, _, _ = found(*SAMPLES[sample], point, False)
            slow, ours_live, ours_second = found(*SAMPLES[sample], point, True)
        for what, ours, right in (
            ("fast", fast, first),
            ("first", slow, first),
            ("second", ours_second, second),
            ("live", [np.array(ours_live)], [np.array(live)]),
        ):
            for n, (a, b) in enumerate(zip(ours, right, strict=True)):
                strict = what in ("fast", "first") and point == "nan upstream"
                if not close(a, b, strict) and not known(f"{sample}/{point}/{what}"):
                    wrong.append((point, what, n, a, b))
    assert not wrong
