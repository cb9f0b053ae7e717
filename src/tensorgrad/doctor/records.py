"""What a close look knows of each tensor of the step."""

from __future__ import annotations

from tensorgrad.doctor.places import Place


class Record:
    """What is known of a tensor that an op made: how it came about, in numbers."""

    __slots__ = (
        "axis", "bent", "calls", "cuts", "exped", "graded", "inputs", "linear", "name", "params", "place",
        "shape", "squash", "summed", "sums", "trained",
    )  # fmt: skip

    name: str
    shape: tuple
    place: Place | None
    inputs: tuple
    params: int  # a bit for each parameter that it depends on
    calls: int  # a bit for each call of a model that it came out of
    trained: int  # the same, of those to which a gradient can go back from here
    linear: int  # the product from which only affine ops lead here, or -1
    bent: bool
    graded: bool
    axis: int | None  # of a softmax: along which its values add up to one
    squash: str  # the softmax or sigmoid whose values these are
    exped: int  # how many ops ago there was an exponential
    summed: int  # how many elements were summed into this, undivided
    sums: frozenset  # the lines that added it up, bit by bit
    cuts: Place | None  # where it was detached
