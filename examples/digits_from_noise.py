"""A variational autoencoder: a network that draws digits from random numbers.

An encoder makes of each image a small cloud of points in a plane of codes, a decoder draws the image from a
point of it. That a cloud may not lie far from 0, nor shrink to a point, is what the second part of the loss
asks for (Kingma and Welling, "Auto-Encoding Variational Bayes", 2013): so every point near 0 becomes a digit.
"""

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn import functional as F

CODES, EPOCHS, BATCH = 6, 30, 64
SHADES = " .:-=+*#@"


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 2 * CODES))
        self.decoder = nn.Sequential(nn.Linear(CODES, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x):
        middle, log_spread = self.encoder(x).chunk(2, 1)
        code = middle + log_spread.exp() * tg.randn_like(middle)
        return self.decoder(code), middle, log_spread


def loss_of(model, x):
    """What is missed of the image, and how far the cloud is from a standard normal one, in nats an image."""
    drawn, middle, log_spread = model(x)
    missed = F.binary_cross_entropy_with_logits(drawn, x, reduction="sum")
    apart = 0.5 * (middle.square() + (2 * log_spread).exp() - 2 * log_spread - 1).sum()
    return (missed + apart) / len(x)


def train(epochs=EPOCHS, seed=0):
    """The model, and the mean loss of each epoch."""
    tg.manual_seed(seed)
    images = tg.datasets.digits()[0].reshape(-1, 64).float() / 16
    model = Autoencoder()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.003)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for batch in tg.randperm(len(images)).split(BATCH):
            loss = loss_of(model, images[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(images))
    return model, losses


@tg.no_grad()
def draw(model, count=5):
    """Images that nobody wrote: `(count, 8, 8)`, from 0 to 1."""
    return model.decoder(tg.randn(count, CODES)).sigmoid().reshape(count, 8, 8)


def main():
    model, losses = train()
    print(f"loss of an image: {losses[0]:.1f} in the first epoch, {losses[-1]:.1f} in the last\n")
    images = (draw(model) * 8).round().int()
    for row in range(8):
        lines = ["".join(SHADES[ink] * 2 for ink in image[row].tolist()) for image in images]
        print("   ".join(lines).rstrip())


if __name__ == "__main__":
    main()
