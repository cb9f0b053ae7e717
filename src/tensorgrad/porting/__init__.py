"""PyTorch programs as they are: `import torch` means tensorgrad, in a process or for a script."""

from tensorgrad.porting.addresses import as_torch
from tensorgrad.porting.running import run_module, run_script

__all__ = ["as_torch", "run_module", "run_script"]
