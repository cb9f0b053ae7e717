"""torch.utils.tensorboard: what a run writes for TensorBoard to show; needs the tensorboard package."""

from __future__ import annotations

import datetime
import io
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tensorgrad.core import Tensor

try:
    from PIL import Image
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.hparams import summary_v2 as hparams
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ImportError as error:
    text = f"{error}; what SummaryWriter writes by comes with pip install 'tensorgrad-cpu[tensorboard]'"
    raise ModuleNotFoundError(text, name=error.name) from error

__all__ = ["SummaryWriter"]

# The histograms' limits, TensorFlow's: each 1.1 times the one before it, both ways from 0.
_POSITIVE = 1e-12 * 1.1 ** np.arange(774)
_LIMITS = np.concatenate([-_POSITIVE[::-1], [0.0], _POSITIVE])


def _array(value: Any) -> np.ndarray:
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _number(value: Any) -> float:
    array = _array(value)
    if array.size != 1:
        raise ValueError(f"a scalar is wanted, got the shape {list(array.shape)}")
    return float(array.reshape(()))


def _png(pixels: np.ndarray) -> bytes:
    """An image of uint8, height by width by 1, 3 or 4 channels, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def _histogram(values: Any, bins: Any, max_bins: int | None) -> HistogramProto:
    array = _array(values).astype(np.float64).reshape(-1)
    if not array.size:
        raise ValueError("add_histogram: there are no values")
    if not np.isfinite(array).all():
        raise ValueError("add_histogram: there are values that are not finite")
    counts, limits = np.histogram(array, _LIMITS if isinstance(bins, str) and bins == "tensorflow" else bins)
    if max_bins is not None and counts.size > max_bins:
        step = -(-counts.size // max_bins)
        starts = np.arange(0, counts.size, step)
        counts, limits = np.add.reduceat(counts, starts), limits[[*starts, counts.size]]
    filled = np.flatnonzero(counts)
    first, last = (filled[0], filled[-1] + 1) if filled.size else (0, 1)
    return HistogramProto(
        min=array.min(), max=array.max(), num=array.size, sum=array.sum(), sum_squares=array @ array,
        bucket_limit=limits[first : last + 1].tolist(), bucket=[0, *counts[first:last].tolist()],
    )  # fmt: skip


class SummaryWriter:
    """Writes numbers, histograms, images, figures, texts and settings of a run into files in `log_dir`.

    Without `log_dir` it is `runs/` with the time, this machine's name and `comment`. Graphs, embeddings,
    meshes, audio and video are not there.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if log_dir is None:
            now = datetime.datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step, self.filename_suffix = purge_step, filename_suffix
        self._settings = (max_queue, flush_secs, filename_suffix)
        self._files: dict[str, EventFileWriter] = {}
        self._file(self.log_dir)
        if purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._files[self.log_dir].add_event(
                Event(wall_time=time.time(), step=purge_step, session_log=start)
            )

    def _file(self, folder: str) -> EventFileWriter:
        if folder not in self._files:
            self._files[folder] = EventFileWriter(folder, *self._settings)
        return self._files[folder]

    def _write(self, summary: Summary, step: Any, walltime: float | None, folder: str | None = None) -> None:
        event = Event(wall_time=time.time() if walltime is None else walltime, summary=summary)
        if step is not None:
            event.step = int(_number(step))
        self._file(folder or self.log_dir).add_event(event)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number, which stands in float32. Raises ValueError for more than one."""
        value = Summary.Value(tag=tag, simple_value=_number(scalar_value))
        self._write(Summary(value=[value]), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several numbers to show together, each in a folder of its own."""
        for tag, scalar in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, main_tag.replace("/", "_") + "_" + tag)
            value = Summary.Value(tag=main_tag, simple_value=_number(scalar))
            self._write(Summary(value=[value]), global_step, walltime, folder)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How many of the values lie where; `bins` as for `numpy.histogram`, or TensorFlow's."""
        value = Summary.Value(tag=tag, histo=_histogram(values, bins, max_bins))
        self._write(Summary(value=[value]), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """An image of uint8, or of floats from 0 to 1; `dataformats` names its dimensions: CHW, HWC or HW."""
        pixels, order = _array(img_tensor), dataformats.upper()
        if len(order) != pixels.ndim or set(order) not in ({*"CHW"}, {*"HW"}):
            raise ValueError(f"add_image: a shape {list(pixels.shape)} is not {dataformats}")
        if "C" not in order:
            pixels, order = pixels[..., None], order + "C"
        pixels = pixels.transpose([order.index(each) for each in "HWC"])
        if pixels.dtype != np.uint8:
            pixels = (pixels.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)
        if pixels.shape[2] not in (1, 3, 4):
            raise ValueError(f"add_image: an image has 1, 3 or 4 channels, got {pixels.shape[2]}")
        height, width, channels = pixels.shape
        image = Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=_png(pixels)
        )
        self._write(Summary(value=[Summary.Value(tag=tag, image=image)]), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Images of one shape side by side, in rows of 8; `dataformats` is NCHW, NHWC or NHW."""
        images, order = _array(img_tensor), dataformats.upper()
        if len(order) != images.ndim or set(order) not in ({*"NCHW"}, {*"NHW"}):
            raise ValueError(f"add_images: a shape {list(images.shape)} is not {dataformats}")
        if "C" not in order:
            images, order = images[..., None], order + "C"
        images = images.transpose([order.index(each) for each in "NHWC"])
        count, height, width, channels = images.shape
        columns = min(count, 8)
        rows = -(-count // columns)
        grid = np.zeros((rows * columns, height, width, channels), images.dtype)
        grid[:count] = images
        grid = grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
        grid = grid.reshape(rows * height, columns * width, channels)
        self.add_image(tag, grid, global_step, walltime, "HWC")

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A figure of matplotlib, as an image; it is closed if `close`."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        self.add_image(tag, np.array(canvas.buffer_rgba())[..., :3], global_step, walltime, "HWC")
        if close:
            from matplotlib import pyplot

            pyplot.close(figure)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text in Markdown."""
        plugin = SummaryMetadata.PluginData(
            plugin_name="text", content=TextPluginData(version=0).SerializeToString()
        )
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        text = TensorProto(dtype="DT_STRING", string_val=[text_string.encode()], tensor_shape=shape)
        metadata = SummaryMetadata(plugin_data=plugin)
        value = Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=text)
        self._write(Summary(value=[value]), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """The settings of a run and what came of it, in a folder of their own, `run_name` or the time."""
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        settings = {
            name: value if isinstance(value, (bool, int, float, str)) else _number(value)
            for name, value in hparam_dict.items()
        }
        known = hparam_domain_discrete or {}
        choices = {name: hparams.Discrete(known[name]) for name in known}
        asked = [hparams.HParam(name, choices.get(name)) for name in settings]
        metrics = [hparams.Metric(name) for name in metric_dict]
        self._write(hparams.hparams_config_pb(asked, metrics), None, None, folder)
        self._write(hparams.hparams_pb(settings), None, None, folder)
        for name, number in metric_dict.items():
            value = Summary.Value(tag=name, simple_value=_number(number))
            self._write(Summary(value=[value]), global_step, None, folder)

    def flush(self) -> None:
        """Writes all that waits."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Writes all that waits, and closes the files; what is added after that goes to new ones."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
