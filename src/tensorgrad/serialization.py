"""torch.serialization: `save`, `load`, and the classes that a file may name.

>>> tg.serialization.load is tg.load
True
"""

from tensorgrad.io import LoadError, load, save
from tensorgrad.io.safe import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = [
    "LoadError",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]
