"""Files: `save` and `load`. The format is told in `container.py`."""

from .container import LoadError
from .files import load, save

__all__ = ["LoadError", "load", "save"]
