"""torch.onnx: `export` writes a module as an ONNX model; it needs the onnx package."""

from __future__ import annotations

from .exporting import TrainingMode, export
from .graph import ExportError

__all__ = ["ExportError", "TrainingMode", "export"]
