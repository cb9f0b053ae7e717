"""A small convolutional network, its layers named, initialized and counted."""

from collections import OrderedDict

import tensorgrad as tg
from tensorgrad import nn


class Block(nn.Module):
    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.short = nn.Identity(
            ) if channels == out_channels else nn.Conv2d(channels, out_channels, 1, stride
        )

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        out = self.norm(self.conv(x))
        out += self.short(x)
        return nn.functional.relu(out, inplace=True)


class Net(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict([("first", Block(1, 4)), ("second", Block(4, 8, 2)), ("pool", nn.MaxPool2d(2))])
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
        self.apply(self.start)

    @staticmethod
    def start(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.constant_(module.bias, 0.0)

    def forward(self, images: tg.Tensor) -> tg.Tensor:
        return self.head(self.features(images))


net = Net(10).train()
logits = net(tg.randn(2, 1, 8, 8))
print(logits.shape, sum(p.numel() for p in net.parameters() if p.requires_grad))
for name, child in net.named_modules():
    print(name or "net", type(child).__name__)
pooled, where = nn.functional.max_pool2d(tg.randn(1, 1, 4, 4), 2, return_indices=True)
print(nn.functional.max_unpool2d(pooled, where, 2).shape)
net.eval()
