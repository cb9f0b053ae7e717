"""A convolutional network that reads handwritten digits of people it has not seen before.

Each filter looks at 3x3 pixels and is laid on every place of the image, so what it learns at one place holds
at all. The last of the rows are by other hands than the first; a network of one plain hidden layer reads
fewer of them.
"""

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn import functional as F

TRAINED_ON, EPOCHS, BATCH = 1438, 12, 32


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 2 * 2, 10),
    )  # fmt: skip


def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def train(model, images, labels, epochs=EPOCHS):
    optimizer = tg.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(epochs):
        for batch in tg.randperm(len(images)).split(BATCH):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


@tg.no_grad()
def share_read(model, images, labels):
    """Of the digits, how many the model in evaluation reads right."""
    return (model.eval()(images).argmax(1) == labels).float().mean().item()


def compare(epochs=EPOCHS, seed=0):
    """The share of unseen hands' digits that each of the two reads."""
    images, labels = tg.datasets.digits()
    images = images[:, None].float() / 16
    known, other = (images[:TRAINED_ON], labels[:TRAINED_ON]), (images[TRAINED_ON:], labels[TRAINED_ON:])
    found = []
    for network in (plain, convolutional):
        tg.manual_seed(seed)
        found.append(share_read(train(network(), *known, epochs), *other))
    return found


def main():
    by_plain, by_convolution = compare()
    print(f"digits of other people: a plain hidden layer reads {100 * by_plain:.1f} %")
    print(f"                        convolutions read          {100 * by_convolution:.1f} %")


if __name__ == "__main__":
    main()
