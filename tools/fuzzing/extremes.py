"""What special numbers (NaN, infinities, zeros, the ends of a dtype) make of the ops that read them."""

from __future__ import annotations

import numpy as np

from fuzzing.comparing import largest
from fuzzing.refusals import Excuse
from fuzzing.running import Seen
from fuzzing.situations import where_apart, where_apart_at

EXTREMES = [
    Excuse(
        "The gradient of `atan2` near 0",
        lambda s: s.slope("atan2", "arctan2") and "nan" in str(s.difference.wanted),
    ),
    Excuse(
        "of an infinite power the limit",
        lambda s: (
            s.kind == "value"
            and s.calls("ldexp")
            and "nan" in f"{s.difference.found} {s.difference.wanted}"
            and any(
                largest(v.array.astype(np.float64)) > 1000 or bool(np.isinf(v.array).any())
                for v in s.seen("fiu")
            )
        ),
    ),
    Excuse(
        "Of zeros of both signs",
        lambda s: (
            s.kind == "value"
            and s.calls("aminmax", r"[af]?m(in|ax)\w*", r"clamp\w*")
            and any(bool((np.signbit(v.array) & (v.array == 0)).any()) for v in s.seen())
        ),
    ),
    Excuse(
        "What pads a convolution meets its weights",
        lambda s: (
            s.kind == "value"
            and s.calls(r"conv\w*")
            and any(not np.isfinite(v.array).all() for v in s.seen())
            and not bool((np.isfinite(s.difference.found.array) & (where_apart_at(s))).any())
        ),
    ),
    Excuse(
        "`bilinear` multiplies by one input after the other",
        lambda s: s.kind == "value" and s.calls("bilinear") and s.holds("inf", "nan"),
    ),
    Excuse(
        "`grid_sample` at places that are not finite",
        lambda s: s.slope("grid_sample", r"grid_sampler\w*") and s.holds("inf", "nan"),
    ),
    Excuse(
        "Whether a gradient whose own derivative is zero is recorded",
        lambda s: (
            s.kind == "type"
            and s.difference.where.startswith("h")
            and isinstance(s.difference.found, Seen)
            and not s.difference.found.array.any()
            and s.calls("grid_sample", r"grid_sampler\w*")
        ),
    ),
    Excuse(
        "`pixel_unshuffle` of nothing",
        lambda s: s.kind == "shape" and s.calls("pixel_unshuffle") and s.difference.found.array.size == 0,
    ),
    Excuse(
        "Of uint8 images it makes sums in float32 and rounds once",
        lambda s: (
            s.kind == "value"
            and s.calls("interpolate", r"upsample\w*")
            and s.difference.wanted.dtype == "uint8"
            and largest(s.difference.found.array - s.difference.wanted.array / 1.0) <= 2
        ),
    ),
    Excuse(
        "round at other places",
        lambda s: (
            s.kind == "value"
            and s.calls(r"(lstm|gru|rnn_\w+)(_cell)?", r"grid_sample\w*")
            and any(v.dtype == "float16" and largest(v.array) > 1000 for v in s.seen())
        ),
    ),
    Excuse(
        "Polynomials climb by their recurrences",
        lambda s: s.calls(r"\w*_polynomial_\w+") and s.apart() < 1e-12,
    ),
    Excuse(
        "`lp_pool` of integers past 2**24",
        lambda s: (
            s.kind == "value"
            and s.calls(r"lp_pool\dd")
            and any(largest(v.array / 1.0) > 2**24 for v in s.seen("iu"))
        ),
    ),
    Excuse(
        "A loss of `ctc_loss` by way of an infinite log-probability",
        lambda s: (
            s.kind == "value"
            and s.calls("ctc_loss")
            and any(bool((v.array > 80).any()) for v in s.seen())
            and not bool((np.isfinite(where_apart(s))).any())
        ),
    ),
    Excuse(
        "targets of uint8 know -1",
        lambda s: (
            s.kind == "value"
            and s.calls("soft_margin_loss", "margin_ranking_loss")
            and any(v.array.dtype == np.uint8 for v in s.seen("u"))
        ),
    ),
    Excuse(
        "of `cummax` and `cummin` of no elements",
        lambda s: s.calls("cummax", "cummin") and any(v.array.size == 0 for v in s.seen()),
    ),
    Excuse(
        "So is the largest of a bag",
        lambda s: (
            s.kind == "value"
            and s.calls("embedding_bag")
            and "max" in "".join(s.lines)
            and any(bool(np.isnan(v.array).any()) for v in s.seen())
        ),
    ),
    Excuse(
        "a difference with -2**63 times",
        lambda s: s.kind == "value" and s.calls("r?sub") and s.holds(r"(?<=alpha=)-2 ?\*\* ?63"),
    ),
    Excuse(
        "on an edge of `histogram`",
        lambda s: (
            s.calls("histogram", "histogramdd")
            and s.kind == "value"
            and np.allclose(np.sort(s.difference.found.array), np.sort(s.difference.wanted.array), 1e-4)
        ),
    ),
    Excuse(
        "to the power of False",
        lambda s: s.calls("pow") and s.holds("False") and s.only_refused_here("does not require grad"),
    ),
    Excuse(
        "The mean that `std_mean` and `var_mean` give",
        lambda s: (
            s.kind == "value"
            and s.calls("std_mean", "var_mean", r"native_\w+_norm")
            and any(bool(np.isinf(v.array).any()) for v in s.seen())
        ),
    ),
    Excuse(
        "The second derivative of `var` and `std` of too few elements",
        lambda s: s.slope(r"var\w*", r"std\w*") and "nan" in str(s.difference.found),
    ),
]
