"""torch.serialization: `save`, `load`, and the classes that a file may name.

>>> tg.serialization.load is tg.load
True
"""

from typing import Any, TypeAlias

from tensorgrad.io import LoadError, load, save
from tensorgrad.io.safe import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

MAP_LOCATION: TypeAlias = Any  # what load takes for `map_location`

__all__ = [
    "MAP_LOCATION",
    "LoadError",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]
