"""A gradient in three lines: the slope of x0**2 + x1**2 is (2 x0, 2 x1)."""

import tensorgrad as tg


def main():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    (x**2).sum().backward()
    print(x.grad)


if __name__ == "__main__":
    main()
