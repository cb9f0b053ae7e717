"""The layers, at PyTorch's addresses."""

# ruff: noqa: F403
from tensorgrad.nn.modules.activation import *
from tensorgrad.nn.modules.adaptive import *
from tensorgrad.nn.modules.batchnorm import *
from tensorgrad.nn.modules.container import *
from tensorgrad.nn.modules.conv import *
from tensorgrad.nn.modules.distance import *
from tensorgrad.nn.modules.dropout import *
from tensorgrad.nn.modules.flatten import *
from tensorgrad.nn.modules.fold import *
from tensorgrad.nn.modules.instancenorm import *
from tensorgrad.nn.modules.linear import *
from tensorgrad.nn.modules.loss import *
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.modules.normalization import *
from tensorgrad.nn.modules.padding import *
from tensorgrad.nn.modules.pixelshuffle import *
from tensorgrad.nn.modules.pooling import *
from tensorgrad.nn.modules.rnn import *
from tensorgrad.nn.modules.sparse import *
from tensorgrad.nn.modules.transformer import *
from tensorgrad.nn.modules.upsampling import *

__all__ = [name for name, value in globals().items() if isinstance(value, type) and issubclass(value, Module)]
