"""torch.torch_version: versions that are compared by their numbers."""

from tensorgrad.porting.addresses import VERSION as __version__
from tensorgrad.porting.addresses import Version as TorchVersion

__all__ = ["TorchVersion", "__version__"]
