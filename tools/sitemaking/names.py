"""Every public name: at which addresses it stands, and at which of them it is told of."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Op

# A module that needs packages which need not be there; the site does.
OF_TENSORBOARD = ("tensorboard", "PIL")
TENSORBOARD = "utils.tensorboard" if all(map(find_spec, OF_TENSORBOARD)) else ""

# Of a name that stands at several addresses the first one tells it, the others point there.
MODULES = [
    f"tensorgrad.{name}".rstrip(".")
    for name in f"""
    . Tensor nn nn.functional nn.init nn.attention nn.parameter nn.parallel nn.parallel.scatter_gather
    nn.utils nn.utils.parametrize
    nn.utils.parametrizations nn.utils.prune nn.utils.rnn nn.utils.stateless
    optim optim.lr_scheduler optim.swa_utils autograd autograd.functional autograd.graph func
    utils.data utils.checkpoint utils.hooks utils.benchmark {TENSORBOARD} data datasets io serialization
    random linalg special sparse distributions distributions.constraints distributions.transforms
    distributions.utils doctor inside plain profiler testing onnx porting jit compiler amp backends cpu
    cuda cuda.amp accelerator distributed multiprocessing futures hub overrides types torch_version
    """.split()
]
# Modules that are no addresses for users: the machinery, and PyTorch's older addresses of the same names.
INSIDES = (
    "core", "ops", "demo", "nn.modules", "data.", "datasets.", "io.", "doctor.", "inside.", "testing.",
    "porting.", "optim.optimizer", "nn.utils.spectral_norm", "nn.utils.weight_norm", "utils.model_zoo",
    "utils.data.", "version",
)  # fmt: skip


@dataclass
class Entry:
    """One name of a module, or of Tensor, with its second names there."""

    module: str
    names: list[str]
    value: Any
    home: str | None = None  # the address at which it is told of, if that is another one
    also: list[str] = field(default_factory=list)  # its other addresses

    @property
    def address(self) -> str:
        return f"{self.module}.{self.names[0]}"

    @property
    def addresses(self) -> list[str]:
        return [f"{self.module}.{name}" for name in self.names]


def place_of(module: str) -> Any:
    return tg.Tensor if module == "tensorgrad.Tensor" else import_module(module)


def public_names(module: str) -> list[str]:
    """What a module lists in `__all__`, or else defines; of the package and of Tensor what `dir` shows."""
    place = place_of(module)
    if place in (tg, tg.Tensor):
        found = dir(place)
    else:
        found = getattr(place, "__all__", None) or [
            name for name, value in vars(place).items()
            if getattr(value, "__module__", None) == module or isinstance(value, KINDS.get(module, ()))
        ]  # fmt: skip
    shown = (name for name in found if not name.startswith("_"))
    return sorted(name for name in shown if not isinstance(getattr(place, name), ModuleType))


# Modules whose names are objects of a class of their own, beside functions and classes.
KINDS: dict[str, Any] = {"tensorgrad.distributions.constraints": tg.distributions.constraints.Constraint}


def value_of(module: str, name: str) -> Any:
    place = place_of(module)
    return inspect.getattr_static(place, name) if place is tg.Tensor else getattr(place, name)


def stands_for_itself(value: Any) -> bool:
    """Whether the same object at another address is the same name: not so of numbers."""
    return callable(value) or isinstance(value, (tg.dtype, property)) or inspect.isgetsetdescriptor(value)


def target_of(value: Any) -> Any:
    """The op that an in-place form stands beside, or the value itself."""
    return value.target if isinstance(value, Op) and value.kind_name == "inplace" else value


def entries() -> list[Entry]:
    """One for each public name, but second names and in-place forms share that of the first."""
    found: list[Entry] = []
    homes: dict[int, Entry] = {}
    for module in MODULES:
        here: dict[int, Entry] = {}
        names = public_names(module)
        values = {name: value_of(module, name) for name in names}
        own = [n for n, v in values.items() if getattr(v, "__name__", n) == n and target_of(v) is v]
        for name in [*own, *(n for n in names if n not in own)]:
            value = values[name]
            known = here.get(id(target_of(value))) if stands_for_itself(value) else None
            if known is not None:
                known.names.append(name)
                homes.setdefault(id(value), known)
                continue
            entry = Entry(module, [name], value)
            found.append(entry)
            if stands_for_itself(value):
                here[id(value)] = entry
                home = homes.setdefault(id(value), entry)
                if home is not entry:
                    entry.home = home.address
                    home.also.append(entry.address)
    return found


def modules_of_the_package() -> Iterator[str]:
    """Every module with an `__all__` that a user may import."""
    for module in walk_packages(tg.__path__, "tensorgrad."):
        name = module.name.removeprefix("tensorgrad.")
        if any(part.startswith("_") for part in name.split(".")) or f"{name}.".startswith(INSIDES):
            continue
        if name == "utils.tensorboard" and not TENSORBOARD:
            continue
        if hasattr(import_module(module.name), "__all__"):
            yield module.name
