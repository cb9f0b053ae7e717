"""Images in another size, or seen through a grid: what the table of samples can't know."""

import itertools

import numpy as np
import pytest
from recorded_calls import floats, hold, recorded, titles

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F
from tensorgrad.autograd import gradcheck, gradgradcheck
from tensorgrad.core.declare import registry
from tensorgrad.ops.layers.resampling import adjoint

RECORDED = recorded("resampling")


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def both_backends(request):
    with tg.backend(request.param):
        yield


# ---------------------------------------------------------------------------- interpolate


@pytest.mark.parametrize("dtype", [tg.float32, tg.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("call, expected", RECORDED, ids=titles(RECORDED))
def test_answers_are_torchs(call, expected, dtype):
    hold(call, expected, dtype)


def test_twice_as_large_is_repetition():
    x = floats(2, 3, 4, 5)
    repeated = x.numpy().repeat(2, 2).repeat(2, 3)
    for mode in ("nearest", "nearest-exact", "area"):
        np.testing.assert_array_equal(F.interpolate(x, None, 2, mode).numpy(), repeated)


@pytest.mark.parametrize("mode, n", [("linear", 1), ("bilinear", 2), ("trilinear", 3)])
def test_a_slope_stays_one_between_corners(mode, n):
    axes = np.meshgrid(*[np.arange(4.0)] * n, indexing="ij")
    x = tg.tensor(sum(10**k * axis for k, axis in enumerate(axes))[None, None])
    axes = np.meshgrid(*[np.linspace(0, 3, 7)] * n, indexing="ij")
    wanted = sum(10**k * axis for k, axis in enumerate(axes))
    np.testing.assert_allclose(F.interpolate(x, 7, None, mode, True)[0, 0].numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_wide_filters_keep_what_is_constant(mode):
    x = tg.full((1, 1, 9, 11), 3.0, dtype=tg.float64)
    np.testing.assert_allclose(F.interpolate(x, (4, 3), None, mode, antialias=True).numpy(), 3.0, rtol=1e-14)


def test_a_factor_says_how_far_apart_outputs_are_unless_recomputed():
    x = tg.arange(10.0).reshape(1, 1, 10)
    # 17 outputs, 1 / 1.75 apart, or 10 / 17.
    assert F.interpolate(x, None, 1.75)[0, 0, -1].item() == np.floor(16 / 1.75)
    recomputed = F.interpolate(x, None, 1.75, recompute_scale_factor=True)
    np.testing.assert_array_equal(recomputed.numpy(), F.interpolate(x, 17).numpy())
    assert not np.array_equal(recomputed.numpy(), F.interpolate(x, None, 1.75).numpy())


def test_an_infinity_stays_where_it_is():
    x = tg.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = np.inf
    y = F.interpolate(x, (4, 8), None, "bilinear")
    assert np.isfinite(y[0, 0, 1:].numpy()).all() and np.isinf(y[0, 0, 0, 0].item())


def test_an_image_gets_nothing_back_from_places_outside():
    x, grid = tg.ones(1, 1, 2, 2, requires_grad=True), tg.tensor([[[[-np.inf, 0.0], [3.0, 0.0]]]])
    back = tg.autograd.grad(F.grid_sample(x, grid, align_corners=True).sum(), x)[0]
    assert back.tolist() == [[[[0.0, 0.0], [0.0, 0.0]]]]


@pytest.mark.parametrize("dtype", [tg.float16, tg.bfloat16], ids=str)
def test_narrow_floats_are_rounded_once(dtype):
    x = floats(1, 2, 5, 4).to(dtype)
    for mode in ("bilinear", "bicubic", "nearest", "area"):
        found = F.interpolate(x, (7, 3), None, mode)
        wanted = F.interpolate(x.float(), (7, 3), None, mode).to(dtype)
        assert found.dtype is dtype
        assert (found == wanted).all()


def test_integers():
    x = tg.tensor([[[0, 10, 20]]])
    assert F.interpolate(x, 6).tolist() == [[[0, 0, 10, 10, 20, 20]]]
    image = tg.tensor([[[[0, 255], [255, 0]]]], dtype=tg.uint8)
    assert F.interpolate(image, (3, 3), None, "bilinear", True).tolist() == [
        [[[0, 128, 255], [128, 128, 128], [255, 128, 0]]]
    ]
    assert F.interpolate(image, (5, 5), None, "bicubic").dtype is tg.uint8
    with pytest.raises(NotImplementedError):
        F.interpolate(x, 6, None, "linear")


@pytest.mark.parametrize("weighted", [True, False])
def test_a_table_and_its_adjoint_are_transposed_matrices(weighted):
    rng = np.random.default_rng(0)
    at = rng.integers(-1, 6, (3, 9))
    weight = rng.standard_normal(at.shape) if weighted else None

    def matrix(at, weight, extent):
        full = np.zeros((at.shape[1], extent))
        for k, j in itertools.product(*map(range, at.shape)):
            if at[k, j] >= 0:
                full[j, at[k, j]] += 1 if weight is None else weight[k, j]
        return full

    np.testing.assert_allclose(matrix(*adjoint(at, weight, 6), 9), matrix(at, weight, 6).T)


X = tg.ones(1, 2, 4, 4)
WRONG = {
    "nothing asked": (lambda: F.interpolate(X), ValueError),
    "both asked": (lambda: F.interpolate(X, 2, 2.0), ValueError),
    "three sizes": (lambda: F.interpolate(X, (2, 2, 2)), ValueError),
    "three factors": (lambda: F.interpolate(X, None, (2, 2, 2)), ValueError),
    "a size that is no int": (lambda: F.interpolate(X, 2.5), TypeError),
    "a size of 0": (lambda: F.interpolate(X, 0), RuntimeError),
    "a factor of 0": (lambda: F.interpolate(X, None, 0.0), RuntimeError),
    "a factor to recompute of a size": (lambda: F.interpolate(X, 2, recompute_scale_factor=True), ValueError),
    "corners of nearest": (lambda: F.interpolate(X, 2, None, "nearest", False), ValueError),
    "antialias of nearest": (lambda: F.interpolate(X, 2, antialias=True), ValueError),
    "antialias of a line": (lambda: F.interpolate(X[0], 2, None, "linear", antialias=True), ValueError),
    "lanczos without antialias": (lambda: F.interpolate(X, 2, None, "lanczos"), ValueError),
    "linear of an image": (lambda: F.interpolate(X, 2, None, "linear"), NotImplementedError),
    "bilinear of a line": (lambda: F.interpolate(X[0], 2, None, "bilinear"), NotImplementedError),
    "a mode of no kind": (lambda: F.interpolate(X, 2, None, "smooth"), NotImplementedError),
    "no batch and channels": (lambda: F.interpolate(X[0, 0], 2), NotImplementedError),
    "no elements": (lambda: F.interpolate(X[..., :0], 2), RuntimeError),
    "no tensor": (lambda: F.interpolate([1.0], 2), TypeError),
    "a size past all memory": (lambda: F.interpolate(X, 2**40), RuntimeError),
    "a line past all memory": (lambda: F.interpolate(X[0], 2**55, mode="linear"), RuntimeError),
    "a mode of no kind of grids": (lambda: F.grid_sample(X, tg.zeros(1, 1, 1, 2), "cubic"), ValueError),
    "a padding of no kind": (
        lambda: F.grid_sample(X, tg.zeros(1, 1, 1, 2), padding_mode="wrap"), ValueError,
    ),
    "a grid of triples": (lambda: F.grid_sample(X, tg.zeros(1, 1, 1, 3), align_corners=True), RuntimeError),
    "a grid of two": (lambda: F.grid_sample(X, tg.zeros(2, 1, 1, 2), align_corners=True), RuntimeError),
    "bicubic volumes": (
        lambda: F.grid_sample(X[None], tg.zeros(1, 1, 1, 1, 3), "bicubic", align_corners=True), RuntimeError,
    ),
    "integer grids": (
        lambda: F.grid_sample(X, tg.zeros(1, 1, 1, 2).long(), align_corners=True), NotImplementedError,
    ),
    "maps of another shape": (lambda: F.affine_grid(tg.ones(1, 2, 2), (1, 1, 2, 2), True), ValueError),
    "maps of integers": (lambda: F.affine_grid(tg.ones(1, 2, 3).long(), (1, 1, 2, 2), True), ValueError),
    "sizes of lines": (lambda: F.affine_grid(tg.ones(1, 2, 3), (1, 1, 2), True), NotImplementedError),
    "sizes of nothing": (lambda: F.affine_grid(tg.ones(1, 2, 3), (1, 1, 0, 2), True), ValueError),
    "sizes of more images": (lambda: F.affine_grid(tg.ones(1, 2, 3), (2, 1, 2, 2), True), RuntimeError),
}  # fmt: skip


@pytest.mark.parametrize("ask, error", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(ask, error):
    with pytest.raises(error):
        ask()


def test_layers_and_older_names():
    x = floats(1, 2, 3, 4)
    pairs = [
        (nn.Upsample((5, 6), mode="bilinear"), "Upsample(size=(5, 6), mode='bilinear')",
         F.interpolate(x, (5, 6), None, "bilinear")),
        (nn.Upsample(scale_factor=(2, 1.5)), "Upsample(scale_factor=(2.0, 1.5), mode='nearest')",
         F.interpolate(x, None, (2.0, 1.5))),
        (nn.UpsamplingNearest2d(scale_factor=2), "UpsamplingNearest2d(scale_factor=2.0, mode='nearest')",
         F.interpolate(x, None, 2)),
        (nn.UpsamplingBilinear2d((2, 5)), "UpsamplingBilinear2d(size=(2, 5), mode='bilinear')",
         F.interpolate(x, (2, 5), None, "bilinear", True)),
    ]  # fmt: skip
    for layer, text, wanted in pairs:
        assert repr(layer) == text
        np.testing.assert_array_equal(layer(x).numpy(), wanted.numpy())
    for old, args in ((F.upsample, ()), (F.upsample_nearest, ()), (F.upsample_bilinear, ("bilinear", True))):
        with pytest.warns(UserWarning, match="deprecated"):
            found = old(x, (2, 5))
        np.testing.assert_array_equal(found.numpy(), F.interpolate(x, (2, 5), None, *args).numpy())


# ---------------------------------------------------------------------------- grids


def at_places(image, places, mode, padding, aligned):
    """One image (C, H, W) at places (n, 2), one element after the other."""
    extents = image.shape[1:][::-1]

    def unreflected(v, extent):
        low, high = (0, extent - 1) if aligned else (-0.5, extent - 0.5)
        while high > low and not low <= v <= high:
            v = 2 * low - v if v < low else 2 * high - v
        return v

    def read(x, y):
        inside = []
        for v, extent in ((x, extents[0]), (y, extents[1])):
            if padding == "reflection":
                v = unreflected(v, extent)
            if padding != "zeros":
                v = min(max(v, 0), extent - 1)
            if not 0 <= v <= extent - 1:
                return np.zeros(len(image))
            inside.append(int(v))
        return image[:, inside[1], inside[0]]

    def near(v):        # Keys's kernel of slope -0.75
        v = abs(v)
        if v <= 1:
            return 1.25 * v**3 - 2.25 * v**2 + 1
        return -0.75 * (v**3 - 5 * v**2 + 8 * v - 4) if v < 2 else 0

    found = []
    for place in places:
        xy = [
            (v + 1) / 2 * (e - 1) if aligned else ((v + 1) * e - 1) / 2
            for v, e in zip(place, extents, strict=True)
        ]
        if mode != "bicubic" and padding != "zeros":
            if padding == "reflection":
                xy = [unreflected(v, e) for v, e in zip(xy, extents, strict=True)]
            xy = [min(max(v, 0), e - 1) for v, e in zip(xy, extents, strict=True)]
        first = [int(np.floor(v)) for v in xy]
        if mode == "nearest":
            found.append(read(*(round(v) for v in xy)))
            continue
        wide = mode == "bicubic"
        kernel, reach = (near, range(-1, 3)) if wide else (lambda v: max(1 - abs(v), 0), range(2))
        found.append(
            sum(
                kernel(xy[0] - first[0] - i) * kernel(xy[1] - first[1] - j) * read(first[0] + i, first[1] + j)
                for i, j in itertools.product(reach, reach)
            )
        )
    return np.array(found).T


@pytest.mark.parametrize("aligned", [True, False], ids=["corners", "edges"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample_is_a_sum_of_neighbours(mode, padding, aligned):
    x, grid = floats(2, 3, 4, 5), floats(2, 3, 7, 2, seed=1) * 1.5
    found = F.grid_sample(x, grid, mode, padding, aligned).numpy()
    assert found.shape == (2, 3, 3, 7)
    for n in range(2):
        wanted = at_places(x[n].numpy(), grid[n].numpy().reshape(-1, 2), mode, padding, aligned)
        np.testing.assert_allclose(found[n].reshape(3, -1), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_grid_sample_is_differentiable_in_both(mode):
    x, grid = floats(1, 1, 3, 4).requires_grad_(), (floats(1, 2, 2, 2, seed=1) * 0.5).requires_grad_()
    assert gradcheck(lambda a, b: F.grid_sample(a, b, mode, align_corners=False), (x, grid))
    assert gradgradcheck(lambda a, b: F.grid_sample(a, b, mode, align_corners=False), (x, grid))


def test_the_nearest_element_has_a_slope_of_0_in_the_grid():
    x, grid = floats(1, 1, 3, 4).requires_grad_(), floats(1, 2, 2, 2).requires_grad_()
    F.grid_sample(x, grid, "nearest", "border", False).sum().backward()
    assert grid.grad.tolist() == tg.zeros_like(grid).tolist()
    assert x.grad.sum().item() == 4.0


@pytest.mark.parametrize("aligned", [True, False], ids=["corners", "edges"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 2, 3, 1, 2)], ids=["image", "volume"])
def test_the_identity_shows_the_image(shape, aligned):
    n = len(shape) - 2
    theta = tg.eye(n, n + 1, dtype=tg.float64).expand(shape[0], n, n + 1)
    x = floats(*shape)
    found = F.grid_sample(x, F.affine_grid(theta, shape, aligned), align_corners=aligned)
    np.testing.assert_allclose(found.numpy(), x.numpy(), rtol=1e-12, atol=1e-12)


def test_affine_grids_are_maps_of_centres():
    theta = floats(1, 2, 3)
    grid = F.affine_grid(theta, (1, 1, 2, 4), align_corners=False).numpy()
    for i, j in itertools.product(range(2), range(4)):
        place = np.array([(2 * j + 1) / 4 - 1, (2 * i + 1) / 2 - 1, 1])
        np.testing.assert_allclose(grid[0, i, j], theta[0].numpy() @ place, rtol=1e-12)


def test_where_corners_are_is_to_be_said():
    with pytest.warns(UserWarning, match="align_corners"):
        grid = F.affine_grid(tg.eye(2, 3)[None], (1, 1, 2, 2))
    with pytest.warns(UserWarning, match="align_corners"):
        F.grid_sample(tg.ones(1, 1, 2, 2), grid)


def test_empty_batches():
    assert F.interpolate(tg.ones(0, 2, 3, 3), 4, None, "bilinear").shape == (0, 2, 4, 4)
    assert F.grid_sample(tg.ones(0, 2, 3, 3), tg.ones(0, 4, 5, 2), align_corners=True).shape == (0, 2, 4, 5)


def test_a_table_that_reads_past_its_dimension_is_no_crash():
    """The private op, whose kernel goes by the table."""
    op = registry["_resample"]
    x = floats(2, 3)
    weight = np.ones((1, 2))
    for at in (np.array([[0, 3]]), np.array([[10**12, 0]])):
        with pytest.raises(IndexError):
            op(x, 1, at, weight, at, weight)
