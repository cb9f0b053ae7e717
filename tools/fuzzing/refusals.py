"""What one side refuses and the other takes, on purpose: the first half of the list of excuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fuzzing.running import Seen
from fuzzing.situations import FUSED, Situation, lenient, writes_nothing


@dataclass(frozen=True)
class Excuse:
    """``line`` stands in docs/differences.md; ``holds`` says whether it covers a situation."""

    line: str
    holds: Callable[[Situation], bool]


REFUSALS = [
    Excuse(
        "Where PyTorch refuses a write because the result overlaps its operand",
        lambda s: s.refused(
            "some elements of the input tensor and the written-to tensor refer to a single memory",
            "more than one element of the written-to tensor refers to a single memory",
        ),
    ),
    Excuse(
        "a write into elements that share memory is refused by every op",
        lambda s: s.only_refused_here("more than one element of the written-to tensor refers to a single"),
    ),
    Excuse(
        "`avg_pool3d` takes an image smaller than its kernel",
        lambda s: s.calls("avg_pool3d") and s.refused("smaller than kernel size"),
    ),
    Excuse(
        "a mask without dimensions is for all scores",
        lambda s: (
            s.calls("scaled_dot_product_attention")
            and s.refused("Dimension specified as -2 but tensor has no dimensions")
        ),
    ),
    Excuse(
        "a loss between bool and floats has its second derivative",
        lambda s: s.calls("smooth_l1_loss", "huber_loss") and s.refused("Subtraction, the `-` operator"),
    ),
    Excuse(
        "`logsumexp` along no dimension",
        lambda s: s.calls("logsumexp") and s.refused("doesn't match the broadcast shape"),
    ),
    Excuse(
        "so more programs run backward that PyTorch stops",
        lambda s: (
            s.refused("has been modified by an inplace operation")
            or (
                s.only_refused_here("has been modified by an inplace operation") and s.calls(*FUSED, "matmul")
            )
        ),
    ),
    Excuse(
        "The outputs of `unbind` and `split` may be written in place",
        lambda s: "multiple views" in str(s.difference.wanted),
    ),
    Excuse(
        "A second walk through a graph is refused where something it needs was freed",
        lambda s: s.refused("Trying to backward through the graph a second time"),
    ),
    Excuse(
        "An index out of range, a number that does not fit",
        lambda s: (
            (s.only_refused_here("out of bounds") and "[" in s.line)
            or (
                s.only_refused_here(
                    "without overflow",
                    "not implemented for",
                    "Low precision dtypes",
                    "at least 2 dimensions",
                    "Dimension out of range",
                    "There must be one `x` value",
                    "Expected a floating point",
                    "square matrices",
                    "dropout probability",
                    "to have the same dtype",
                )
                and writes_nothing(s)
            )
        ),
    ),
    Excuse(
        "Ops work on dtypes for which PyTorch has no loop",
        lambda s: (
            s.refused("not implemented for '", "not supported for", "does not support")
            or (s.calls("tanhshrink", "mse_loss") and s.refused("with a bool tensor is not supported"))
        ),
    ),
    Excuse(
        "Derivatives exist that PyTorch has not",
        lambda s: s.refused(
            "derivative for '",
            "derivative for aten::",
            "is not differentiable with respect to",
            "Index to scalar can have only 1 value",
            "Autograd not support dtype",
            "Double backward is unsupported",
            "Expected grad_output to have non-zero size",
            "size mismatch (got input",
            "TensorAccessor expected",
        )
        or (s.refused("doesn't match the broadcast shape") and s.calls("clamp") and ".grad(" in s.line),
    ),
    Excuse(
        "logdet and slogdet of singular matrices have a derivative",
        lambda s: s.refused("the input matrix is singular") and s.calls("slogdet", "logdet"),
    ),
    Excuse(
        "Operands of several dtypes are promoted",
        lambda s: s.refused(
            "expected scalar type",
            "to have the same dtype",
            "to have the same type as tensor for argument",
            "to match query dtype",
            "expected m1 and m2",
            "same dtype",
            "mixed dtype",
            "Found dtype",
            "Integral inputs not supported",
            "may not be a boolean tensor",
            "can't be cast to the desired output type",
            "torch.int32",
        ),
    ),
    Excuse(
        "Operands of several dtypes are promoted",
        lambda s: (
            s.kind == "dtype"
            and s.calls(r"\w+_(loss|norm)", "cdist", "binary_cross_entropy_with_logits")
            and len({v.dtype for v in s.values.values() if isinstance(v, Seen)}) > 1
        ),
    ),
    Excuse(
        "A name that is missing raises AttributeError",
        lambda s: s.only_refused_here("object has no attribute"),
    ),
    Excuse("Arguments are read more freely", lenient),
    Excuse(
        "An op of float16 or bfloat16 computes in float32",
        lambda s: (
            s.only_refused_here("can't allocate memory") and any(v.dtype == "float16" for v in s.seen())
        ),
    ),
    Excuse(
        "and an int of 2**63 in `searchsorted`",
        lambda s: s.calls("searchsorted", "bucketize") and s.only_refused_here("does not fit in 64 bits"),
    ),
    Excuse(
        "a pool's stride past 2**31",
        lambda s: (
            s.calls(r"\w*_pool[123]d\w*") and s.refused("cannot be converted to type int without overflow")
        ),
    ),
    Excuse(
        "`linear` takes a bias (1, out)",
        lambda s: s.calls("linear") and s.refused("doesn't match the broadcast shape"),
    ),
    Excuse(
        "`soft_margin_loss` refuses targets of bool",
        lambda s: s.calls("soft_margin_loss") and s.only_refused_here("which bool does not hold"),
    ),
    Excuse(
        "and any a kernel with elements",
        lambda s: s.calls("conv_tbc") and s.only_refused_here("a kernel needs elements"),
    ),
    Excuse(
        "Operands of several dtypes are promoted",
        lambda s: s.calls("binary_cross_entropy_with_logits") and s.refused("with two bool tensors"),
    ),
    Excuse(
        "Arguments are read more freely",
        lambda s: s.refused("object of type 'float' has no len()") and s.calls(r"fractional_max_pool2d\w*"),
    ),
    Excuse(
        "What can't be read as the kind that is wanted is a TypeError",
        lambda s: s.only_refused_here("must be bool, not", "must be Number, not", "must be float, not"),
    ),
    Excuse(
        "a factor past int64 has its gradient",
        lambda s: s.refused("cannot be converted to type int") and ".grad(" in s.line,
    ),
    Excuse(
        "`index_fill` at a place counted from the end has its gradient",
        lambda s: s.calls("index_fill") and s.refused("index out of range in self"),
    ),
    Excuse(
        "`index_put` takes values with leading dimensions of 1",
        lambda s: (
            s.calls("index_put")
            and s.refused("cannot be broadcast to indexing result", "too many indices for tensor of dim")
        ),
    ),
    Excuse(
        "A view that a Function gave may be used",
        lambda s: s.refused("This view was created inside a custom Function"),
    ),
    Excuse(
        "A part of a tensor that got its history since",
        lambda s: (
            s.refused("a leaf Variable that requires grad") and bool(re.search(r"\] [-+*/]= ", s.line))
        ),
    ),
    Excuse(
        "`linear_cross_entropy` does not look at `options`",
        lambda s: s.refused("has no attribute '_adjust'"),
    ),
    Excuse(
        "A setting may be past float16",
        lambda s: s.refused("cannot be converted to type c10::Half without overflow"),
    ),
    Excuse(
        "an option that is on or off takes a number's truth",
        lambda s: s.calls(r"\w*dropout\w*") and s.refused("Boolean value of Tensor with"),
    ),
    Excuse(
        "None for what may be left out",
        lambda s: s.refused("got multiple values for argument") and "=None" in s.line,
    ),
    Excuse(
        "`adaptive_avg_pool` to one element takes the same inputs",
        lambda s: s.calls(r"adaptive_avg_pool\dd") and s.only_refused_here("whose batch alone may be empty"),
    ),
    Excuse(
        "a fractional one of no elements or to no outputs, are refused",
        lambda s: (
            s.calls(r"fractional_max_pool\w*")
            and s.only_refused_here("kernel_size 0 is too large", "for 0 outputs")
        ),
    ),
    Excuse(
        "`group_norm` asks for more than one value at both its addresses",
        lambda s: s.calls("group_norm") and s.only_refused_here("more than 1 value per channel"),
    ),
    Excuse(
        "A bias is of its layer's dtype",
        lambda s: s.calls(r"conv\w*") and s.only_refused_here("bias type"),
    ),
    Excuse(
        "A transposed convolution whose result has a size of 0",
        lambda s: s.calls(r"conv\w*") and s.refused("Output size is too small"),
    ),
    Excuse(
        "Scaled dot product attention wants as many values as keys",
        lambda s: s.calls("scaled_dot_product_attention") and s.only_refused_here("cannot be multiplied"),
    ),
    Excuse(
        "`inner` of bool is refused",
        lambda s: s.calls("inner") and s.only_refused_here("not implemented for bool"),
    ),
    Excuse(
        "A slice of a step past its end has one element",
        lambda s: s.calls(r"slice_\w+", r"unfold\w*") and s.holds(r"2 ?\*\* ?63 - 1"),
    ),
    Excuse("complex numbers", lambda s: s.only_refused_here("not complex")),
    Excuse(
        "`take_along_dim` refuses an index out of range",
        lambda s: s.calls("take_along_dim") and s.only_refused_here("out of bounds"),
    ),
    Excuse(
        "`hardtanh_` refuses limits in the wrong order",
        lambda s: s.calls("hardtanh") and s.only_refused_here("min_val cannot be greater than max_val"),
    ),
    Excuse(
        "`cross_entropy` refuses a negative `label_smoothing`",
        lambda s: s.calls("cross_entropy") and s.only_refused_here("label_smoothing must be between"),
    ),
    Excuse(
        "`grid_sampler` refuses a mode that has no number",
        lambda s: s.calls(r"grid_sampler\w*") and s.only_refused_here("there is no mode"),
    ),
    Excuse(
        "states and biases of a shape that is not theirs",
        lambda s: (
            s.calls(r"(lstm|gru|rnn_\w+)(_cell)?")
            and s.only_refused_here("should", "not implemented", "but the input is")
        ),
    ),
    Excuse(
        "`conv_tbc` of integers wants one dtype",
        lambda s: s.calls("conv_tbc") and s.only_refused_here("should be the same"),
    ),
    Excuse(
        "`max_pool1d` takes `return_indices` at both its addresses",
        lambda s: s.refused("unexpected keyword argument 'return_indices'"),
    ),
    Excuse(
        "`chunk` takes any count",
        lambda s: (
            s.calls("chunk")
            and s.refused("split expects split_size be non-negative", "split_size can only be 0")
        ),
    ),
    Excuse(
        "Every op takes `out=`",
        lambda s: s.refused(
            "expected out tensor dtype",
            "unexpected keyword argument 'out'",
            "Expected out tensor to have",
            "only supports bool tensor",
            "output tensor's dtype is wrong",
        ),
    ),
    Excuse(
        "a number in a tensor's place is refused",
        lambda s: s.only_refused_here(
            "must be Tensor, not int", "must be Tensor, not float", "must be Tensor, not bool"
        ),
    ),
]
