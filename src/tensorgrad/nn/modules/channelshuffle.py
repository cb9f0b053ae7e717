"""PyTorch's address of ChannelShuffle."""

from tensorgrad.nn.modules.pixelshuffle import ChannelShuffle

__all__ = ["ChannelShuffle"]
