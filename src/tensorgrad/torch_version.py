"""torch.torch_version: versions that are compared by their numbers."""

from tensorgrad.porting.addresses import PYTORCH
from tensorgrad.porting.addresses import Version as TorchVersion

__all__ = ["TorchVersion"]

__version__ = TorchVersion(f"{PYTORCH}+tensorgrad")
