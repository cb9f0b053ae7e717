"""torch.onnx: `export` writes a module as an ONNX model; it needs the onnx package."""

from __future__ import annotations

from .exporting import TrainingMode, export
from .graph import OnnxExporterError

__all__ = ["OnnxExporterError", "TrainingMode", "export"]
