"""torch.hub: what was downloaded before can be read; nothing is downloaded here."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlparse

from tensorgrad.core.names import refusing

__all__ = [
    "download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir",
]  # fmt: skip

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # the start of a file's hash in its name
_chosen: str | None = None


def get_dir() -> str:
    """The folder of what was downloaded, PyTorch's: that of `set_dir`, else one named hub in TORCH_HOME or
    in the user's cache.

    >>> tg.hub.get_dir().endswith("hub")
    True
    """
    return _chosen if _chosen is not None else os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    """The folder of all that PyTorch keeps in the user's cache."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.expanduser(os.environ.get("TORCH_HOME", cache))


def set_dir(d: str | os.PathLike) -> None:
    """Makes `d` that folder."""
    global _chosen
    _chosen = os.path.expanduser(d)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """What `load` reads of the file of that name in `model_dir`, or in `checkpoints` of `get_dir()`.

    Errors: `RuntimeError` if it is not there yet, with the place where it is wanted; it is not downloaded.
    """
    import tensorgrad as tg

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        raise RuntimeError(f"tensorgrad downloads nothing: put the file of {url} at {path}")
    return tg.load(path, map_location=map_location, weights_only=weights_only)


def _refuses(name: str, about: str) -> Any:
    text = f"hub.{name}: tensorgrad downloads nothing, and runs no code of a hub"
    return refusing(name, RuntimeError, text, about)


download_url_to_file = _refuses("download_url_to_file", "nothing is downloaded")
load = _refuses("load", "models of a hub are programs, which are neither downloaded nor run")
help = _refuses("help", "models of a hub are not asked for")
list = _refuses("list", "models of a hub are not asked for")
