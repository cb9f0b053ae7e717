"""What differs from the reference on purpose: the one list. Each entry names its line in docs/differences.md.

An entry is as narrow as its reason: it looks at the program, at what was found and at what was wanted.
"""

from __future__ import annotations

import re

import numpy as np

from fuzzing.comparing import largest
from fuzzing.extremes import EXTREMES
from fuzzing.refusals import REFUSALS, Excuse
from fuzzing.running import Seen
from fuzzing.situations import (
    FILLS,
    IN_ANOTHER_ORDER,
    LAPACK,
    PICKS,
    ROUNDED_SETTING,
    Situation,
    cancelled,
    constant_gradient,
    constant_where_recorded,
    cut_off,
    defined,
    degenerate,
    equal_elements,
    failed,
    hooked_and_written,
    laid_out,
    longer_source,
    mirrored,
    not_finite,
    of_degree,
    of_equals,
    overflowed,
    overlapping_write,
    permuted,
    squares_overflow,
    unsorted,
    where_apart,
    writes_in_place,
    zero_meets_infinity,
)


def _ends(array: np.ndarray) -> bool:
    """Whether there is -inf or -0.0, of which roots and powers make different things."""
    return bool((np.isneginf(array) | (np.signbit(array) & (array == 0))).any())


EXCUSES = [
    *REFUSALS,
    *EXTREMES,
    Excuse(
        "Of a write through `.data`",
        lambda s: s.kind == "value" and ".data" in "".join(s.lines) and s.slope(),
    ),
    Excuse(
        "Whether a gradient whose own derivative is zero is recorded",
        lambda s: constant_gradient(s) or constant_where_recorded(s),
    ),
    Excuse(
        "`prelu` has its second derivative also at 0",
        lambda s: s.kind == "value" and s.calls("prelu") and s.difference.where.startswith("h"),
    ),
    Excuse(
        "A gradient that `autograd.grad` gave",
        lambda s: (
            "autograd.grad(" in "".join(s.lines)
            and (
                s.refused("A view was created in no_grad mode", "Can't detach views in-place")
                or s.only_refused_here("Can't detach views in-place")
            )
        ),
    ),
    Excuse(
        "may pass their gradient to another of equal elements",
        lambda s: s.slope() and s.calls(*PICKS) and equal_elements(s),
    ),
    Excuse(
        "A view that was made before its base was asked for a gradient",
        lambda s: (
            s.calls("requires_grad")
            and (s.kind in ("requires_grad", "type", "error", "class") or s.slope())
        ),
    ),
    Excuse(
        "A number divided by a tensor is one division",
        lambda s: (
            s.only_refused_here("saved by DivBackward0")
            and any(re.search(r"= [-\d.]+ / ", line) for line in s.lines)
        ),
    ),
    Excuse(
        "do not promise which index of equal elements they name",
        of_equals,
    ),
    Excuse(
        "`clamp` and its kin refuse bool",
        lambda s: s.calls(r"clamp\w*") and s.only_refused_here("not implemented for bool"),
    ),
    Excuse(
        "`native_batch_norm` asks for two numbers of a channel",
        lambda s: (
            s.calls("native_batch_norm")
            and s.only_refused_here("more than 1 value per channel", "should contain")
        ),
    ),
    Excuse(
        "is that of the values it saw",
        lambda s: s.slope("kron") and writes_in_place(s),
    ),
    Excuse(
        "a tensor that was kept and then detached in place",
        lambda s: (
            s.refused("Trying to use a saved tensor that has been detached in-place")
            or (
                s.only_refused_here("has been modified by an inplace operation")
                and "detach_()" in "".join(s.lines)
            )
        ),
    ),
    Excuse(
        "`mode` puts NaN last",
        lambda s: s.kind == "value" and s.calls("mode") and any(np.isnan(v.array).any() for v in s.seen()),
    ),
    Excuse(
        "An infinite or NaN gradient of `amax`, `amin`, `aminmax` and `scatter_reduce` goes to",
        lambda s: (
            s.kind == "value"
            and s.calls("amax", "amin", "aminmax", "scatter_reduce", "index_reduce")
            and "nan" in str(s.difference.wanted)
        ),
    ),
    Excuse(
        "`median` of an expanded tensor",
        lambda s: s.kind == "value" and s.calls("median", "nanmedian") and s.calls("expand"),
    ),
    Excuse(
        "`cumsum_` and `cumprod_` of bool are refused",
        lambda s: s.calls("cumsum", "cumprod") and s.only_refused_here("desired output type Bool"),
    ),
    Excuse(
        "The gradients of `hardtanh`, `elu` and their kin where the input is NaN",
        lambda s: (
            s.slope("hardtanh", "relu6", "celu", "elu", "selu", "hardswish", "hardshrink", "softshrink")
            and (s.holds("nan") or any(bool(np.isnan(v.array).any()) for v in s.seen("f")))
        ),
    ),
    Excuse(
        "A product of all elements has NaN for its gradient",
        lambda s: s.slope("prod") and "nan" in str(s.difference.found),
    ),
    Excuse(
        "Where a zero meets an infinity in the derivatives of `prod` and `cumprod`",
        lambda s: s.slope("prod", "cumprod") and zero_meets_infinity(s),
    ),
    Excuse(
        "A view of a tensor that `detach_` took off its graph",
        lambda s: (
            (s.kind == "requires_grad" or s.refused("a view of a leaf Variable that requires grad"))
            and "detach_()" in "".join(s.lines)
        ),
    ),
    Excuse(
        "A write that is refused changes nothing",
        lambda s: s.kind == "value" and s.calls("masked_scatter"),
    ),
    Excuse(
        "An index that is empty passes no gradient on",
        lambda s: (
            s.refused("ScatterAddBackward0 returned an invalid gradient")
            or (s.refused("CopySlices returned an invalid gradient") and s.calls("scatter_add"))
            or (s.only_refused_here("does not require grad") and "(0,)" in "".join(s.lines))
            or (
                s.calls(r"scatter\w*")
                and (
                    (s.kind == "type" and any(v.array.size == 0 for v in s.seen()))
                    or (
                        s.only_refused_here("require grad", "to not have been used")
                        and any(v.array.size == 0 for v in s.seen())
                    )
                )
            )
        ),
    ),
    Excuse(
        "A NaN that arrives at a distance of 0",
        lambda s: s.slope("cdist") and ("nan" in str(s.difference.found) or s.holds("inf")),
    ),
    Excuse(
        "In place is computed what out of place is",
        lambda s: (
            s.refused("in-place forward function with a negative slope", "requires dtype Double")
            or (
                s.slope()
                and re.search(r"\b(leaky_r)?e?lu_\(", "".join(s.lines))
                and s.holds("inf", "1e400", "nan")
            )
        ),
    ),
    Excuse(
        "`det` of singular matrices has its derivatives",
        lambda s: (
            s.slope("det")
            or (
                "nan" in str(s.difference.wanted)
                and s.slope("sinc", "cosine_similarity", "svdvals", "renorm", r"\w*norm")
                and (s.calls("sinc") or not np.isfinite(where_apart(s)).any())
            )
        ),
    ),
    Excuse(
        "Gradients at infinity are the limits",
        lambda s: (
            s.slope("logaddexp", "logaddexp2", "softsign", "mish", "log_ndtr", "addcdiv", "huber_loss", "i0")
            and "nan" in str(s.difference.wanted)
            and any(
                largest(v.array) > (80 if s.difference.where.startswith("h") else 1e38)
                or bool(np.isinf(v.array).any())
                for v in s.seen()
            )
        ),
    ),
    Excuse(
        "`backward(create_graph=True)` ties",
        lambda s: s.kind == "leak" and "backward(create_graph=True)" in "".join(s.lines),
    ),
    Excuse(
        "A tensor that an op keeps and that is then written from that op's result",
        lambda s: s.kind == "leak" and any(re.search(r" = [-\d.]+ / ", line) for line in s.lines),
    ),
    Excuse(
        "Of an order 0 the norm's gradient is zeros",
        lambda s: (
            s.calls("norm", "vector_norm", "dist", "renorm", "normalize", "triplet_margin_loss")
            and s.difference.found is not None
            and (s.kind == "type" or s.difference.where.endswith("grad is None"))
        ),
    ),
    Excuse(
        "A NaN that arrives at `logcumsumexp`",
        lambda s: s.kind == "value" and s.calls("logcumsumexp") and "nan" in str(s.difference.found),
    ),
    Excuse(
        "The gradient of `ctc_loss` of a target that can't be reached",
        lambda s: (
            (s.slope("ctc_loss") and "nan" in str(s.difference.wanted))
            or (s.slope("ctc_loss") and any(bool((v.array > 80).any()) for v in s.seen()))
            or (s.calls("ctc_loss") and s.only_refused_here("out of the label range"))
        ),
    ),
    Excuse(
        "`view_copy` wants a shape",
        lambda s: s.calls("view_copy") and s.only_refused_here("view size is not compatible"),
    ),
    Excuse(
        "The hooks of a view stay",
        lambda s: (
            (s.kind == "value" and hooked_and_written(s))
            or "no_grad()" in "".join(s.lines)
            and (
                (
                    s.only_refused_here(
                        "has been modified by an inplace operation", "through the graph a second time"
                    )
                    and "grad(" in s.line
                )
                or (s.kind == "type" and "allow_unused" in defined(s))
            )
        ),
    ),
    Excuse(
        "Which results keep the order of permuted operands",
        lambda s: (s.calls(*IN_ANOTHER_ORDER) or bool(re.search(r"\bv\d+\[.*(\[|T\.)", "\n".join(s.lines))))
        and (
            (permuted(s) and s.calls(*FILLS))
            or any(f".{what}()" in defined(s) for what in ("storage_offset", "stride", "is_contiguous"))
            or laid_out(s)
        ),
    ),
    Excuse(
        "The sign of a NaN",
        lambda s: (
            s.calls("copysign", "signbit")
            and any(
                isinstance(v, Seen) and v.array.dtype.kind == "f" and bool(np.isnan(v.array).any())
                for v in s.values.values()
            )
        ),
    ),
    Excuse(
        "`gelu` has its limits",
        lambda s: s.kind == "value" and s.calls("gelu") and "nan" in str(s.difference.wanted),
    ),
    Excuse(
        "A write through a view whose elements share memory",
        overlapping_write,
    ),
    Excuse(
        "In place is computed what out of place is",
        lambda s: (
            s.kind in ("value", "type")
            and s.calls(r"logical_\w+", "sign", "sgn", "eq", "ne", "lt", "le", "gt", "ge")
            and s.difference.where[0] == "g"
        ),
    ),
    Excuse(
        "`gcd` is never negative",
        lambda s: s.kind == "value" and s.calls("gcd", "lcm") and "-9223372036854775808" in "".join(s.lines),
    ),
    Excuse(
        "Dropout of integers",
        lambda s: s.kind == "dtype" and s.calls(r"\w*dropout\w*"),
    ),
    Excuse(
        "`addbmm_` and its kin never give the tensor another shape",
        lambda s: s.calls("addbmm") and s.only_refused_here("doesn't match the broadcast shape"),
    ),
    Excuse(
        "`trapezoid` adds up pairs",
        lambda s: (
            s.calls("trapezoid", "trapz")
            and ((s.kind == "value" and s.holds("inf")) or s.only_refused_here("has no dimensions"))
        ),
    ),
    Excuse(
        "What LAPACK makes of NaN, of infinities and of singular matrices",
        lambda s: (
            (s.kind in ("value", "error", "accepted") and not_finite(s))
            or (s.kind == "value" and failed(s))
        ),
    ),
    Excuse(
        "PyTorch stops at an assertion of its own",
        lambda s: s.difference.wanted == "not to be looked at"
        or s.refused(
            "INTERNAL ASSERT FAILED",
            "returned an invalid gradient at index",
            "ZeroTensors are immutable",
            "can't allocate memory",
            "bad_alloc",
        ),
    ),
    Excuse(
        "`scatter_reduce` of a source longer than its index",
        lambda s: (s.slope() or s.refused("must match the size of tensor")) and longer_source(s),
    ),
    Excuse(
        "The gradient that `as_strided_scatter` gives its input",
        lambda s: s.slope("as_strided_scatter"),
    ),
    Excuse(
        "`narrow_copy` from a negative start",
        lambda s: s.refused("must match the size of tensor b") and s.calls("narrow_copy"),
    ),
    Excuse(
        "`local_response_norm` of integers",
        lambda s: s.kind == "value" and s.calls("local_response_norm") and bool(s.seen("iu")),
    ),
    Excuse(
        "Polynomials of NaN are NaN, those of a degree past 2**31",
        lambda s: (s.kind == "value" or s.only_refused_here("the degree")) and of_degree(s),
    ),
    Excuse(
        "`multi_margin_loss` and `multilabel_margin_loss` of NaN",
        lambda s: (
            s.kind == "value" and s.calls("multi_margin_loss", "multilabel_margin_loss") and s.holds("nan")
        ),
    ),
    Excuse(
        "Bessel functions of float32 past 2**20",
        lambda s: (
            s.kind == "value"
            and s.calls(r"\w*bessel_\w\d", "airy_ai")
            and any(largest(v.array.astype(np.float64)) > 2**20 for v in s.seen("fiu"))
        ),
    ),
    Excuse(
        "incomplete gamma functions have their limits",
        lambda s: (
            s.kind == "value"
            and s.calls("igamma", "igammac", "gammainc", "gammaincc")
            and (
                bool(re.search(r"\de[-+]?\d\d", "".join(s.lines)))
                or (s.holds("nan") and s.holds("inf"))
            )
        ),
    ),
    Excuse(
        "`native_group_norm` and `native_batch_norm` read weights that are not contiguous",
        lambda s: (
            s.kind == "value"
            and s.calls("native_group_norm", "native_batch_norm")
            and any(w in "".join(s.lines) for w in (".expand(", "[..., 0]", ", 2)[", ".t("))
        ),
    ),
    Excuse(
        "The gradients of `i0`, `i1` and `i1e` at NaN",
        lambda s: s.slope("i0", "i1", "i1e") and s.holds("nan"),
    ),
    Excuse(
        "the slope of its slope near 0",
        lambda s: s.slope("i1e") and any(bool((np.abs(v.array) < 1e-4).any()) for v in s.seen()),
    ),
    Excuse(
        "-inf and -0.0 to the power of 0.5 or -0.5",
        lambda s: (
            s.kind == "value"
            and s.holds("0.5", "1.5")
            and (s.calls("pow", "float_power") or "**" in "".join(s.lines))
            and (s.holds("inf") or any(_ends(v.array) for v in s.seen()))
        ),
    ),
    Excuse(
        "A key that a mask hides counts nothing",
        lambda s: (
            s.kind == "value"
            and s.calls("scaled_dot_product_attention")
            and s.holds("nan", "inf")
            and any(w in "".join(s.lines) for w in ("is_causal", "True"))
        ),
    ),
    Excuse(
        "The gradients of `cdist` and `pdist` at NaN are those of the norms",
        lambda s: s.slope("cdist", "pdist") and s.holds("nan"),
    ),
    Excuse(
        "Integers are widened before they are added",
        lambda s: (
            s.kind == "value"
            and s.calls("trapezoid", "trapz", "cumulative_trapezoid", "softsign", "gradient", r"\w+_reduce")
            and any(
                v.array.dtype.kind == "u" or largest(v.array / 1.0) * 2 > np.iinfo(v.array.dtype).max
                for v in s.seen("iu")
            )
        ),
    ),
    Excuse("up to the signs that its LAPACK happens to give", lambda s: s.calls(*LAPACK) and mirrored(s)),
    Excuse(
        "`lstsq` refuses a right side of another number of rows",
        lambda s: s.calls("lstsq") and (s.only_refused_here("should match other.size") or s.kind == "shape"),
    ),
    Excuse(
        "`matrix_exp` adds up another series",
        lambda s: (
            s.calls("matrix_exp")
            and s.kind == "value"
            and (
                s.within(256)
                or any(largest(v.array) > 1e4 for v in s.seen())
            )
        ),
    ),
    Excuse(
        "What LAPACK makes of NaN, of infinities and of singular matrices",
        degenerate,
    ),
    Excuse(
        "gradient of `index_reduce` counts the element that it does not include",
        lambda s: s.slope("index_reduce", "scatter_reduce") and "include_self=False" in "".join(s.lines),
    ),
    Excuse(
        "the power that `ldexp` multiplies by is a fraction",
        lambda s: s.slope("ldexp") and cut_off(s),
    ),
    Excuse(
        "The gradient of `logit` at NaN",
        lambda s: s.slope("logit") and s.holds("nan"),
    ),
    Excuse(
        "`softplus` has its second derivative also at the threshold",
        lambda s: s.slope("softplus") and s.difference.where.startswith("h") and not where_apart(s).any(),
    ),
    Excuse(
        "The gradient of `tanhshrink` near 0",
        lambda s: s.slope("tanhshrink") and s.apart() < 1e-3,
    ),
    Excuse("Where a sum or a product passes the largest number on the way", overflowed),
    Excuse(
        "so are norms of any order",
        lambda s: (
            s.kind == "value"
            and s.calls(r"\w*norm\w*", "[cp]?dist", "pairwise_distance", "triplet_margin_loss")
            and (
                s.holds(r"2 ?\*\* ?(31|63|70)", "1e308")
                or (squares_overflow(s) and s.slope())  # a sum of slopes, of which one is 0 there
                or (squares_overflow(s) and not (np.isfinite(where_apart(s)) & (where_apart(s) != 0)).any())
            )
        ),
    ),
    Excuse(
        "An odd exponent past 2**24",
        lambda s: (
            s.kind == "value"
            and s.calls("pow")
            and s.holds(r"2 ?\*\* ?(31|63) - 1", r"\d{8,}")
            and np.array_equal(np.abs(s.difference.found.array), np.abs(s.difference.wanted.array))
        ),
    ),
    Excuse("`searchsorted` and `bucketize` of a sequence that is not sorted", unsorted),
    Excuse(  # a log of softmax near 0 has lost what its reciprocal shows
        "error): the last bits differ",
        lambda s: (
            s.calls("log_softmax")
            and (s.calls("reciprocal", "rsqrt", "div", "log") or " / " in "".join(s.lines))
            and s.apart() < 1e-3
            or (s.calls("[cp]?dist", r"\w*norm") and s.within(32))
            or (s.calls("poisson_nll_loss", "gaussian_nll_loss") and bool(s.seen("iub")) and s.apart() < 1e-6)
            or (s.slope("scaled_dot_product_attention") and cancelled(s))
            or (s.slope(r"(lstm|gru|rnn_\w+)(_cell)?") and s.within(64))
        ),
    ),
    Excuse(
        "`histc` of a range whose width times `bins` is more than the dtype holds",
        lambda s: s.calls("histc") and s.kind == "value" and s.holds(r"-?\d\.?\d*e\+(3[78]|30[678])"),
    ),
    Excuse(
        "factors of the finished product",
        lambda s: (
            s.calls("addbmm", "addmm", "baddbmm", "addmv", "addr")
            and s.kind == "value"
            and s.holds("inf")
            and bool(np.isnan(s.difference.wanted.array).any())
        ),
    ),
    Excuse(
        "A mask of uint8 can be filled with a single number",
        lambda s: s.refused("masked_fill_ only supports boolean masks"),
    ),
    Excuse(
        "round a setting such as celu's alpha to float32",
        lambda s: s.calls(*ROUNDED_SETTING) and s.apart() < 1e-6 and s.difference.wanted.dtype == "float64",
    ),
    Excuse(
        "`bessel_*`, `airy_ai`, trigamma and `igamma` are right to about 1e-14",
        lambda s: (
            (
                s.calls(r"\w*bessel_\w\d", "airy_ai")
                and (s.apart() < 1e-5 or s.apart() * largest(s.difference.wanted.array) < 1e-6)
            )
            or (s.calls("polygamma", "digamma", "lgamma", "mvlgamma", "zeta") and s.apart() < 1e-5)
            or (s.calls("igamma", "igammac") and s.apart() < 1e-13)
        ),
    ),
    Excuse(
        "polygamma, zeta and airy_ai at their poles and at infinity",
        lambda s: (
            s.kind == "value"
            and (s.calls("polygamma", "zeta", "airy_ai") or s.slope("lgamma", "digamma", "mvlgamma"))
            and not bool((np.abs(s.difference.wanted.array) < 1e10).all())
        ),
    ),
]


def excused(situation: Situation) -> Excuse | None:
    """The entry that covers a situation, if there is one."""
    return next((e for e in EXCUSES if e.holds(situation)), None)
