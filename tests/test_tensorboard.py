"""What a SummaryWriter writes, as TensorBoard's own reader finds it."""

import numpy as np
import pytest

import tensorgrad as tg

pytest.importorskip("tensorboard", reason="tensorboard is not installed")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from tensorgrad.utils.tensorboard import SummaryWriter  # noqa: E402


def read(folder):
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_numbers_and_texts(tmp_path):
    with SummaryWriter(tmp_path, comment="ignored") as writer:
        assert writer.get_logdir() == str(tmp_path)
        for step in range(3):
            writer.add_scalar("loss", tg.tensor([0.5 * step], requires_grad=True).sum(), step)
        writer.add_scalar("lr", np.float64(0.25), tg.tensor(7), walltime=12.0)
        writer.add_text("note", "*well*", 1)
        with pytest.raises(ValueError, match=r"a scalar is wanted, got the shape \[2\]"):
            writer.add_scalar("wrong", tg.ones(2))
    found = read(tmp_path)
    assert [(each.step, each.value) for each in found.Scalars("loss")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert [(each.step, each.value, each.wall_time) for each in found.Scalars("lr")] == [(7, 0.25, 12.0)]
    assert found.Tensors("note/text_summary")[0].tensor_proto.string_val[0] == b"*well*"


def test_several_numbers_and_settings_have_folders(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("run/acc", {"train": 0.5, "test": tg.tensor(0.25)}, 3)
        writer.add_hparams({"lr": 0.1, "net": "mlp", "bn": True}, {"final": 0.75}, run_name="one")
    assert read(tmp_path / "run_acc_test").Scalars("run/acc")[0].value == 0.25
    found = read(tmp_path / "one")
    assert found.Scalars("final")[0].value == 0.75
    kept = set(found.PluginTagToContent("hparams"))
    assert kept == {"_hparams_/experiment", "_hparams_/session_start_info"}


@pytest.mark.parametrize("bins", ["tensorflow", 10], ids=str)
def test_histograms_count_every_value(tmp_path, bins):
    values = np.random.default_rng(0).normal(size=500).astype(np.float32)
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("w", tg.tensor(values), 1, bins=bins)
        writer.add_histogram("few", tg.tensor(values), 1, bins=bins, max_bins=4)
        with pytest.raises(ValueError, match="not finite"):
            writer.add_histogram("w", tg.tensor([float("nan")]))
        with pytest.raises(ValueError, match="no values"):
            writer.add_histogram("w", tg.ones(0))
    for tag in ("w", "few"):
        kept = read(tmp_path).Histograms(tag)[0].histogram_value
        assert kept.num == sum(kept.bucket) == 500
        assert (kept.min, kept.max) == (values.min(), values.max())
        np.testing.assert_allclose([kept.sum, kept.sum_squares], [values.sum(), values @ values], rtol=1e-4)
        for above, limit in enumerate(kept.bucket_limit):
            assert sum(kept.bucket[: above + 1]) == (values < limit).sum() or limit == values.max()
    assert len(kept.bucket) <= 5


def pixels_of(data):
    import io

    return np.asarray(pytest.importorskip("PIL.Image").open(io.BytesIO(data)))


def test_images_are_their_pixels(tmp_path):
    image = tg.randint(0, 256, (3, 4, 5), dtype=tg.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("rgb", image, 0)
        writer.add_image("rows", image.permute(1, 2, 0), dataformats="HWC")
        writer.add_image("gray", tg.tensor([[0.0, 0.5], [1.0, 3.0]]), dataformats="HW")
        writer.add_images("grid", tg.arange(9.0).div(255).view(9, 1, 1, 1).expand(9, 1, 2, 1))
        with pytest.raises(ValueError, match=r"a shape \[3, 4\] is not CHW"):
            writer.add_image("wrong", tg.ones(3, 4))
        with pytest.raises(ValueError, match="1, 3 or 4 channels, got 2"):
            writer.add_image("wrong", tg.ones(2, 3, 4))
    found = read(tmp_path)
    kept = found.Images("rgb")[0]
    assert (kept.height, kept.width) == (4, 5)
    for tag in ("rgb", "rows"):
        pixels = pixels_of(found.Images(tag)[0].encoded_image_string)
        assert (pixels == image.permute(1, 2, 0).numpy()).all()
    assert pixels_of(found.Images("gray")[0].encoded_image_string).tolist() == [[0, 127], [255, 255]]
    rows = pixels_of(found.Images("grid")[0].encoded_image_string)
    assert rows[0].tolist() == rows[1].tolist() == list(range(8)) and rows[2].tolist() == [8] + [0] * 7


def test_after_closing_a_new_file_is_begun(tmp_path):
    writer = SummaryWriter(tmp_path, filename_suffix=".own")
    writer.add_scalar("a", 1)
    writer.close()
    writer.add_scalar("b", 2)
    writer.flush()
    writer.close()
    assert len(list(tmp_path.glob("*.own"))) == 2
