"""torch.onnx: `export` writes a module as an ONNX model; it needs the onnx package.

`recording.py` hears the calls of a pass, `exporting.py` makes the file, and `graph.py` goes from one to the
other by a table of writers, an op's name to a few lines that add nodes: `elementwise.py`, `shapes.py`,
`reductions.py`, `layers.py`, `recurrent.py`. An op without one is written as the ops that it calls.
"""

from __future__ import annotations

from .exporting import TrainingMode, export, is_in_onnx_export
from .graph import OnnxExporterError

__all__ = ["OnnxExporterError", "TrainingMode", "export", "is_in_onnx_export"]
