"""Layers and their settings, first weights, what nn.utils does with gradients and parameters."""

import warnings

import pytest
from small_modules import Net, ones

import tensorgrad as tg
from tensorgrad import nn

# -- layers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Linear(in_features=2, out_features=3, bias=False)",
        "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=True)",
        "Embedding(4, 3, padding_idx=3, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True)",
        "LayerNorm((2, 3), eps=0.1, elementwise_affine=True, bias=False)",
        "RMSNorm((2,), eps=None, elementwise_affine=False)",
        "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)",
        "Dropout(p=0.25, inplace=True)",
        "Flatten(start_dim=0, end_dim=2)",
        "Unflatten(dim=1, unflattened_size=(2, 3))",
        "ReLU6(inplace=True)",
        "Hardtanh(min_val=-2.0, max_val=2.0, inplace=True)",
        "LeakyReLU(negative_slope=0.5)",
        "ELU(alpha=2.0, inplace=True)",
        "GELU(approximate='tanh')",
        "Softmax(dim=1)",
        "Softplus(beta=2.0, threshold=3.0)",
        "Threshold(threshold=0.5, value=1.0, inplace=True)",
        "RReLU(lower=0.1, upper=0.2)",
        "PReLU(num_parameters=3)",
        "GLU(dim=0)",
        "PixelShuffle(upscale_factor=2)",
        "ChannelShuffle(groups=2)",
        "CrossMapLRN2d(2, alpha=0.5, beta=0.7, k=2)",
    ],
    ids=lambda text: text.partition("(")[0],
)
def test_a_layer_prints_as_the_call_that_makes_it(text):
    """Most layers' repr is such a call; the few that print plain numbers are written so here too."""
    made = eval(text.replace("bias=True)", ")") if text.startswith("GroupNorm") else text, vars(nn).copy())
    assert repr(made) == text


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: nn.Embedding(4, 3, padding_idx=-1), "Embedding(4, 3, padding_idx=3)"),
        (lambda: nn.Softshrink(0.25), "Softshrink(0.25)"),
        (lambda: nn.ConstantPad1d((1, 2), 3.5), "ConstantPad1d(padding=(1, 2), value=3.5)"),
        (lambda: nn.ZeroPad2d(1), "ZeroPad2d((1, 1, 1, 1))"),
        (lambda: nn.ReflectionPad3d(2), "ReflectionPad3d((2, 2, 2, 2, 2, 2))"),
        (lambda: nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
        (
            lambda: nn.TripletMarginWithDistanceLoss(),
            "TripletMarginWithDistanceLoss(\n  (distance_function): PairwiseDistance()\n)",
        ),
    ],
    ids=lambda value: None if callable(value) else value.partition("(")[0],
)
def test_a_layer_prints_its_settings(make, text):
    assert repr(make()) == text


@pytest.mark.parametrize(
    "make, error, match",
    [
        (lambda: nn.Dropout(1.5), ValueError, "between 0 and 1, but got 1.5"),
        (lambda: nn.GroupNorm(3, 4), ValueError, r"num_channels \(4\) must be divisible by num_groups \(3\)"),
        (lambda: nn.Hardtanh(1.0, 0.0), AssertionError, "must be greater"),
        (lambda: nn.Embedding(4, 3, padding_idx=4), AssertionError, "within num_embeddings"),
        (lambda: nn.Embedding.from_pretrained(tg.ones(3)), AssertionError, "2-dimensional"),
        (lambda: nn.Unflatten(1, 3), TypeError, "tuple of ints"),
        (lambda: nn.TripletMarginLoss(margin=0), ValueError, "greater than 0"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "p == 1 and p == 2"),
        (lambda: nn.Softmax2d()(tg.ones(1, 1)), ValueError, "3D or 4D"),
        (lambda: nn.CircularPad1d(1)(tg.ones(1, 1, 1, 1)), ValueError, "got 4D input"),
    ],
)
def test_bad_settings_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_first_weights_are_those_of_torch_for_the_same_seed():
    """Numbers printed by torch 2.13 after manual_seed(0)."""
    tg.manual_seed(0)
    layer = nn.Linear(2, 2)
    assert layer.weight.tolist() == [
        [-0.005293981172144413, 0.37932288646698],
        [-0.5819807648658752, -0.5203874707221985],
    ]
    assert layer.bias.tolist() == [-0.27234524488449097, 0.1896158903837204]


def test_layers_take_a_dtype():
    assert nn.Linear(2, 2, dtype=tg.float64).weight.dtype == tg.float64
    assert nn.LayerNorm(2, dtype=tg.float64, device="cpu").bias.dtype == tg.float64
    assert nn.Embedding(2, 2, dtype=tg.float64).weight.dtype == tg.float64


def test_embedding_pads_freezes_and_shares_its_table():
    layer = nn.Embedding(3, 2, padding_idx=0)
    assert layer.weight[0].tolist() == [0, 0]
    table = ones(3, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad and frozen.weight.data_ptr() == table.data_ptr()
    assert frozen(tg.tensor([0, 2])).shape == (2, 2)


def test_batch_norm_remembers_means_and_variances():
    layer = nn.BatchNorm1d(1, momentum=0.5)
    assert list(layer.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    out = layer(tg.tensor([[1.0], [3.0]]))
    assert abs(out[0, 0].item() + 1) < 1e-4
    assert layer.running_mean.item() == 1 and layer.running_var.item() == 1.5
    assert layer.num_batches_tracked.item() == 1 and layer.num_batches_tracked.dtype == tg.int64
    layer.eval()
    assert abs(layer(tg.tensor([[1.0]])).item()) < 1e-6 and layer.num_batches_tracked.item() == 1
    old = layer.state_dict()
    del old["num_batches_tracked"], old._metadata
    layer.load_state_dict(old)
    average = nn.BatchNorm1d(1, momentum=None)
    for x in (0.0, 2.0, 4.0):
        average(tg.tensor([[x], [x + 2]]))
    assert abs(average.running_mean.item() - 3) < 1e-6
    with pytest.raises(ValueError, match="expected 4D input \\(got 2D input\\)"):
        nn.BatchNorm2d(1)(ones(2, 1))


def test_instance_norm_takes_inputs_without_a_batch():
    layer = nn.InstanceNorm1d(2, affine=True)
    assert layer(tg.tensor([[1.0, 3.0], [5.0, 5.0]])).shape == (2, 2)
    with pytest.raises(ValueError, match="num_features \\(2\\), but got: 3"):
        layer(ones(1, 3, 4))


def test_weights_of_losses_are_buffers():
    loss = nn.CrossEntropyLoss(weight=ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype == tg.float64
    assert list(nn.BCEWithLogitsLoss(pos_weight=ones(3)).state_dict()) == ["pos_weight"]


def test_the_old_reduction_flags_still_mean_what_they_did():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert nn.MSELoss(size_average=False).reduction == "sum"
        assert nn.MSELoss(reduce=False).reduction == "none"
        assert nn.MSELoss(size_average=True).reduction == "mean"


# -- init and utils --------------------------------------------------------------------------------


def test_init_works_in_place_off_the_tape_and_returns_the_tensor():
    weight = nn.Parameter(tg.zeros(3, 4))
    for fill in (
        nn.init.uniform_,
        nn.init.normal_,
        nn.init.ones_,
        nn.init.zeros_,
        nn.init.xavier_uniform_,
        nn.init.xavier_normal_,
        nn.init.kaiming_uniform_,
        nn.init.kaiming_normal_,
        nn.init.trunc_normal_,
        nn.init.eye_,
        lambda t: nn.init.constant_(t, 2.0),
        lambda t: nn.init.sparse_(t, 0.5),
    ):
        assert fill(weight) is weight
        assert weight.is_leaf and weight.requires_grad and weight.grad_fn is None


def test_init_keeps_its_bounds():
    tg.manual_seed(1)
    weight = tg.empty(50, 30)
    assert nn.init.uniform_(weight, -2.0, 3.0).min() >= -2 and weight.max() < 3
    bound = (6 / 80) ** 0.5
    assert 0.9 * bound < nn.init.xavier_uniform_(weight).abs().max() <= bound
    bound = (6 / 30) ** 0.5
    assert 0.9 * bound < nn.init.kaiming_uniform_(weight).abs().max() <= bound
    bound = (6 / 50) ** 0.5
    assert (
        0.9 * bound
        < nn.init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="relu").abs().max()
        <= bound
    )
    for low, high in ((-1.0, 2.0), (1.0, 4.0)):
        nn.init.trunc_normal_(weight, a=low, b=high)
        assert low <= weight.min() and weight.max() <= high
    nn.init.sparse_(weight, 0.5)
    assert (weight == 0).sum(0).tolist() == [25] * 30


def test_orthogonal_rows_are_orthogonal_and_of_length_gain():
    wide = nn.init.orthogonal_(tg.empty(3, 2, 4), gain=2.0).reshape(3, 8)
    assert ((wide @ wide.T) - 4 * tg.eye(3)).abs().max() < 1e-5
    tall = nn.init.orthogonal_(tg.empty(8, 3))
    assert ((tall.T @ tall) - tg.eye(3)).abs().max() < 1e-5


def test_dirac_passes_channels_on():
    kernel = nn.init.dirac_(tg.empty(4, 2, 3), groups=2)
    assert kernel[:, :, 1].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]] and kernel.sum() == 4


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: nn.init.xavier_uniform_(tg.empty(3)), "fewer than 2 dimensions"),
        (lambda: nn.init.kaiming_normal_(tg.empty(3, 3), mode="fan"), "Mode fan not supported"),
        (lambda: nn.init.eye_(tg.empty(3)), "2 dimensions"),
        (lambda: nn.init.dirac_(tg.empty(3, 3)), "3, 4, or 5 dimensions"),
        (lambda: nn.init.dirac_(tg.empty(3, 3, 3), groups=2), "divisible by groups"),
        (lambda: nn.init.sparse_(tg.empty(3), 0.1), "2 dimensions"),
        (lambda: nn.init.orthogonal_(tg.empty(3)), "2 or more dimensions"),
        (lambda: nn.init.calculate_gain("step"), "Unsupported nonlinearity step"),
        (lambda: nn.init.calculate_gain("leaky_relu", True), "not a valid number"),
    ],
)
def test_init_refuses_what_makes_no_sense(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_gains():
    assert (
        nn.init.calculate_gain("linear")
        == nn.init.calculate_gain("conv2d")
        == nn.init.calculate_gain("sigmoid")
        == 1
    )
    assert nn.init.calculate_gain("relu") == 2**0.5
    assert nn.init.calculate_gain("leaky_relu") == (2 / 1.0001) ** 0.5
    assert nn.init.calculate_gain("selu") == 0.75


def with_grads(*grads):
    parameters = [nn.Parameter(tg.zeros(len(grad))) for grad in grads]
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = tg.tensor(grad)
    return [*parameters, nn.Parameter(tg.zeros(1))]


def test_clip_grad_norm_scales_all_gradients_by_one_factor():
    parameters = with_grads([3.0, 0.0], [0.0, 4.0])
    assert abs(nn.utils.clip_grad_norm_(parameters, 10.0).item() - 5) < 1e-6
    assert parameters[0].grad.tolist() == [3, 0]
    nn.utils.clip_grad_norm_(iter(parameters), 1.0)
    assert abs(parameters[0].grad[0].item() - 0.6) < 1e-5 and abs(parameters[1].grad[1].item() - 0.8) < 1e-5
    assert nn.utils.clip_grad_norm_(with_grads([3.0], [4.0]), 1.0, norm_type=float("inf")).item() == 4
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    single = with_grads([3.0])[0]
    assert nn.utils.clip_grad_norm_(single, 1.0).item() == 3


def test_clip_grad_norm_may_refuse_infinite_gradients():
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(with_grads([float("inf")]), 1.0, error_if_nonfinite=True)


def test_clip_grad_value_keeps_each_element_within_bounds():
    parameters = with_grads([-3.0, 0.5, 2.0])
    nn.utils.clip_grad_value_(parameters, 1.0)
    assert parameters[0].grad.tolist() == [-1, 0.5, 1]


def test_norm_and_clipping_also_come_apart():
    parameters = with_grads([3.0], [4.0])
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    assert norm.item() == 5
    nn.utils.clip_grads_with_norm_(parameters, 2.5, norm)
    assert abs(parameters[0].grad.item() - 1.5) < 1e-5


def test_parameters_become_a_vector_and_come_back():
    net = Net()
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (12,)
    nn.utils.vector_to_parameters(tg.arange(12.0), net.parameters())
    assert net.first.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.last.weight.tolist() == [[9, 10, 11]]
    assert net.first.weight.is_leaf and net.first.weight.requires_grad
    with pytest.raises(TypeError, match="expected"):
        nn.utils.vector_to_parameters([1.0], net.parameters())


# -- helpers for layers ----------------------------------------------------------------------------


def test_settings_of_new_tensors():
    found = nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": tg.float64}})
    assert found == {"device": "cpu", "dtype": tg.float64}
    assert nn.factory_kwargs(None) == {}
    with pytest.raises(TypeError, match="'bias'"):
        nn.factory_kwargs({"bias": True})
    with pytest.raises(TypeError, match="twice"):
        nn.factory_kwargs({"dtype": tg.float64, "factory_kwargs": {"dtype": tg.float32}})


def test_a_prefix_is_taken_off_a_state():
    wrapped = nn.Module()
    wrapped.module = Net()
    state = wrapped.state_dict()
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == list(Net().state_dict())
    assert list(state._metadata) == ["", "first", "act", "last"]
    Net().load_state_dict(state)


def test_the_old_container_warns():
    with pytest.warns(FutureWarning, match="nn.Module"):
        assert repr(nn.Container(first=nn.ReLU())) == "Container(\n  (first): ReLU()\n)"
