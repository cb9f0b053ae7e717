# Written by tools/stubs.py from the declarations; edit those, not this file.
from collections.abc import Sequence
from typing import Any

from tensorgrad.core import Tensor

def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
    *,
    out: Any = ...,
) -> Tensor: ...
def bilinear(
    input1: Tensor, input2: Tensor, weight: Tensor, bias: Any = None, *, out: Any = ...
) -> Tensor: ...
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
    *,
    out: Any = ...,
) -> Tensor: ...
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def celu_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def channel_shuffle(input: Tensor, groups: Any, *, out: Any = ...) -> Tensor: ...
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: Any = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def cosine_similarity(
    x1: Tensor, x2: Tensor, dim: Any = 1, eps: float = 1e-08, *, out: Any = ...
) -> Tensor: ...
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: Any = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    out: Any = ...,
) -> Tensor: ...
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: Any = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
    *,
    out: Any = ...,
) -> Tensor: ...
def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def elu_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: Any = None,
    max_norm: Any = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
    *,
    out: Any = ...,
) -> Tensor: ...
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Any = None,
    max_norm: Any = None,
    norm_type: Any = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: Any = None,
    *,
    out: Any = ...,
) -> Tensor: ...
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any: ...
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-06,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def gelu(input: Tensor, *, approximate: str = "none", out: Any = ...) -> Tensor: ...
def glu(input: Tensor, dim: Any = -1, *, out: Any = ...) -> Tensor: ...
def group_norm(
    input: Tensor,
    num_groups: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-05,
    *,
    out: Any = ...,
) -> Tensor: ...
def gumbel_softmax(
    logits: Any, tau: Any = 1, hard: bool = False, eps: float = 1e-10, dim: Any = -1
) -> Any: ...
def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Any = ...) -> Tensor: ...
def hardsigmoid(input: Tensor, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def hardsigmoid_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def hardswish(input: Tensor, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def hardswish_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def hardtanh_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Any = None,
    *,
    out: Any = ...,
) -> Tensor: ...
def instance_norm(
    input: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
    *,
    out: Any = ...,
) -> Tensor: ...
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
    *,
    out: Any = ...,
) -> Tensor: ...
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
    *,
    out: Any = ...,
) -> Tensor: ...
def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-05,
    *,
    out: Any = ...,
) -> Tensor: ...
def leaky_relu(
    input: Tensor, negative_slope: float = 0.01, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def leaky_relu_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def linear(input: Tensor, weight: Tensor, bias: Any = None, *, out: Any = ...) -> Tensor: ...
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: Any = None,
    label_smoothing: float = 0.0,
    options: Any = None,
    out: Any = ...,
) -> Tensor: ...
def local_response_norm(
    input: Tensor, size: Any, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0, *, out: Any = ...
) -> Tensor: ...
def log_softmax(
    input: Tensor, dim: Any = None, dtype: Any = None, *, _stacklevel: Any = 3, out: Any = ...
) -> Tensor: ...
def logsigmoid(input: Tensor, *, out: Any = ...) -> Tensor: ...
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: Any = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def mish(input: Tensor, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def mish_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
    *,
    out: Any = ...,
) -> Tensor: ...
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: Any = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: Any = -100,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, *, out: Any = ...
) -> Tensor: ...
def one_hot(tensor: Tensor, num_classes: Any = -1, *, out: Any = ...) -> Tensor: ...
def pad(input: Tensor, pad: Any, mode: str = "constant", value: Any = None, *, out: Any = ...) -> Tensor: ...
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False, *, out: Any = ...
) -> Tensor: ...
def pdist(input: Tensor, p: float = 2.0, *, out: Any = ...) -> Tensor: ...
def pixel_shuffle(input: Tensor, upscale_factor: Any, *, out: Any = ...) -> Tensor: ...
def pixel_unshuffle(input: Tensor, downscale_factor: Any, *, out: Any = ...) -> Tensor: ...
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-08,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def prelu(input: Tensor, weight: Tensor, *, out: Any = ...) -> Tensor: ...
def relu(input: Tensor, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def relu6(input: Tensor, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def relu6_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def relu_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Any = None, eps: Any = None, *, out: Any = ...
) -> Tensor: ...
def rrelu(
    input: Tensor,
    lower: float = 0.125,
    upper: float = 0.3333333333333333,
    training: bool = False,
    inplace: bool = False,
    *,
    out: Any = ...,
) -> Tensor: ...
def rrelu_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: Any = None,
    enable_gqa: bool = False,
    *,
    out: Any = ...,
) -> Tensor: ...
def selu(input: Tensor, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def selu_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def sigmoid(input: Tensor, *, out: Any = ...) -> Tensor: ...
def sigmoid_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def silu(input: Tensor, inplace: bool = False, *, out: Any = ...) -> Tensor: ...
def silu_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
    *,
    out: Any = ...,
) -> Tensor: ...
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def softmax(
    input: Tensor, dim: Any = None, dtype: Any = None, *, _stacklevel: Any = 3, out: Any = ...
) -> Tensor: ...
def softmin(
    input: Tensor, dim: Any = None, _stacklevel: Any = 3, dtype: Any = None, *, out: Any = ...
) -> Tensor: ...
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Any = ...) -> Tensor: ...
def softshrink(input: Tensor, lambd: float = 0.5, *, out: Any = ...) -> Tensor: ...
def softsign(input: Tensor, *, out: Any = ...) -> Tensor: ...
def tanh(input: Tensor, *, out: Any = ...) -> Tensor: ...
def tanh_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def tanhshrink(input: Tensor, *, out: Any = ...) -> Tensor: ...
def threshold(
    input: Tensor, threshold: Any, value: Any, inplace: bool = False, *, out: Any = ...
) -> Tensor: ...
def threshold_(input: Tensor, *args: Any, **kwargs: Any) -> Tensor: ...
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: Any = 2,
    eps: float = 1e-06,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    *,
    out: Any = ...,
) -> Tensor: ...
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Any = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
    out: Any = ...,
) -> Tensor: ...
def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any: ...
def __getattr__(name: str) -> Any: ...
