"""What `import torch` and its submodules find once `as_torch` was called."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import multiprocessing
import re
import sys
from multiprocessing import spawn
from types import ModuleType
from typing import Any

import tensorgrad
from tensorgrad.core import _core
from tensorgrad.core.names import missing
from tensorgrad.porting.absent import DTYPES, found_absent

PYTORCH = "2.13.0"  # the release whose names and behaviour these are

# PyTorch's addresses that are no modules here, as patterns, and where their names live.
ELSEWHERE = [
    (r"_tensor|functional", "tensorgrad"),
    (r"_dynamo", "tensorgrad.compiler"),
    (r"amp\.(autocast_mode|grad_scaler)", "tensorgrad.amp"),
    (r"autograd\.(anomaly_mode|grad_mode|variable)", "tensorgrad.autograd"),
    (r"autograd\.profiler", "tensorgrad.profiler"),
    (r"cuda\.amp\.(autocast_mode|common|grad_scaler)", "tensorgrad.cuda.amp"),
    (r"cuda\.(memory|random)", "tensorgrad.cuda"),
    (r"distributions\.(\w+)", "tensorgrad.distributions"),
    (
        r"optim\.(adadelta|adafactor|adagrad|adam|adamax|adamw|asgd|lbfgs|nadam|radam|rmsprop|rprop|sgd)",
        "tensorgrad.optim",
    ),
    (r"nn\.parallel\.distributed", "tensorgrad.nn.parallel.data_parallel"),
    (r"storage", "tensorgrad.core.storages"),
    (r"utils\.dlpack", "tensorgrad"),
    (r"utils\.data\._utils\.collate", "tensorgrad.data.collating"),
    (r"utils\.data\._utils", "tensorgrad.data"),
]


class Version(str):
    """A version that is compared by its numbers, with other versions, texts and tuples."""

    def _numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", self.partition("+")[0]))

    def _of(self, other: Any) -> tuple[int, ...]:
        return tuple(other) if isinstance(other, tuple) else Version(other)._numbers()

    def __lt__(self, other: Any) -> bool:
        return self._numbers() < self._of(other)

    def __le__(self, other: Any) -> bool:
        return self._numbers() <= self._of(other)

    def __gt__(self, other: Any) -> bool:
        return self._numbers() > self._of(other)

    def __ge__(self, other: Any) -> bool:
        return self._numbers() >= self._of(other)


VERSION = Version(f"{PYTORCH}+tensorgrad")


class StandIn(ModuleType):
    """The module `torch`: its names are tensorgrad's, but for its version."""

    def __init__(self) -> None:
        super().__init__("torch", tensorgrad.__doc__)
        self.__version__ = VERSION
        self.__path__: list[str] = []
        self.__file__ = tensorgrad.__file__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__config__":
            raise AttributeError(name)
        self.__dict__[name] = value = self._found(name)  # kept: coming here costs more than a small op
        return value

    def _found(self, name: str) -> Any:
        if name != "ops":  # PyTorch's are compiled ones by their names
            try:
                return getattr(tensorgrad, name)
            except AttributeError:
                if name in DTYPES:
                    return DTYPES[name]
                if name != "__config__" and found_absent(name) is None:
                    raise
        return importlib.import_module(f"torch.{name}")

    def __dir__(self) -> list[str]:
        return dir(tensorgrad)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch.x` as what tensorgrad has for it."""

    def find_spec(
        self, fullname: str, path: Any, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        root, _, rest = fullname.partition(".")
        if root != "torch" or not rest:
            return None
        if counterpart(rest) is None:
            error = missing("module 'torch'", rest, dir(tensorgrad))
            raise ModuleNotFoundError(f"No module named {fullname!r}: {error}", name=fullname)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        found = counterpart(module.__name__.partition(".")[2])
        if isinstance(found, ModuleType):
            found.__dict__.setdefault("__path__", [])  # else nobody would be asked for what is in it
        sys.modules[module.__name__] = found

    def find_distributions(self, context: Any = None) -> list[Torch]:
        """What `importlib.metadata` finds under the name torch."""
        return [Torch()] if context is not None and str(context.name).lower() == "torch" else []


class Torch(importlib.metadata.Distribution):
    """The package torch to those who ask for its version: that of the PyTorch whose names these are."""

    def read_text(self, filename: str) -> str | None:
        about = f"Metadata-Version: 2.1\nName: torch\nVersion: {PYTORCH}\n"
        return about if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(2, "torch has no files here", path)


_sought: set[str] = set()  # addresses that are looked for among the modules that there are


class LastFinder(Finder):
    """Finds `tensorgrad.x`, where nothing else does, if programs may import `torch.x`."""

    def find_spec(
        self, fullname: str, path: Any, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        root, _, rest = fullname.partition(".")
        if root != "tensorgrad" or fullname in _sought or found_absent(rest) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        rest = module.__name__.partition(".")[2]
        found: Any = sys.modules.get(f"torch.{rest}") or found_absent(rest)
        sys.modules[module.__name__] = sys.modules[f"torch.{rest}"] = found

    def find_distributions(self, context: Any = None) -> list[Torch]:
        return []


def counterpart(address: str) -> Any:
    """What stands under torch's address here, or None."""
    if address.partition(".")[0] == "ops":  # PyTorch's are compiled ones by their names
        return found_absent(address)
    ours = f"tensorgrad.{address}"
    _sought.add(ours)
    try:
        return importlib.import_module(ours)
    except ModuleNotFoundError as error:
        if not ours.startswith(str(error.name)):
            raise
    finally:
        _sought.discard(ours)
    for pattern, where in ELSEWHERE:
        if re.fullmatch(pattern, address):
            return importlib.import_module(where)
    parent, _, name = address.rpartition(".")
    if parent == "backends":
        return getattr(counterpart(parent), name, None)
    return found_absent(address)


def as_torch() -> ModuleType:
    """Makes `import torch` mean tensorgrad in this process, with all of its submodules that are here.

    Gives the module `torch`, whose version is that of the PyTorch whose names these are; sizes, dtypes and
    types of tensors print as torch's. A PyTorch that is installed is neither touched nor loaded; what is not
    here is a ModuleNotFoundError, an AttributeError or, of modules that programs import without using them,
    a NotImplementedError when it is called, that says so. Processes that this one starts by `multiprocessing`
    have it too.

    Errors: `RuntimeError` if PyTorch itself was imported before.

    >>> torch = tg.as_torch()
    >>> import torch.nn.functional as F
    >>> F is tg.nn.functional, torch.Tensor is tg.Tensor, torch.__version__ > "2.9"
    (True, True, True)
    """
    found = sys.modules.get("torch")
    if isinstance(found, StandIn):
        return found
    if found is not None:
        raise RuntimeError(
            "as_torch: PyTorch itself is imported already; call as_torch() before anything imports torch"
        )
    module = StandIn()
    module.__spec__ = importlib.machinery.ModuleSpec("torch", None, is_package=True)
    sys.modules["torch"] = module
    sys.meta_path.insert(0, Finder())
    sys.meta_path.append(LastFinder())
    _core._call_library("torch")
    _carry_over()
    return module


class _Torch:
    """What calls `as_torch` where its pickle is read."""

    def __reduce__(self) -> Any:
        return _in_started_process, ()


def _in_started_process() -> None:
    as_torch()


def _carry_over() -> None:
    """Spawned processes read how to prepare before they import the main module: this goes with it."""
    prepared = spawn.get_preparation_data

    def with_torch(name: str) -> dict[str, Any]:
        return {**prepared(name), "tensorgrad": _Torch()}

    spawn.get_preparation_data = with_torch
    multiprocessing.set_forkserver_preload([])  # else a server imports the main module, and is told nothing
