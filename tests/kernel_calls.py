"""How the kernel tests reach the table: NumPy arrays in, one raw call, guards around what is written."""

import numpy as np

from tensorgrad import _kernels
from tensorgrad.core import dtype_of_numpy, float32, float64

GUARD = 64  # bytes on each side of an output; a kernel that writes past the end is caught there
GUARD_BYTE = 0xA5


F32, F64 = float32.code, float64.code


def code(array):
    """The number of an array's element type in kernel.h."""
    return dtype_of_numpy(array.dtype).code


class Guarded:
    """An output array whose surroundings must stay as they were."""

    def __init__(self, shape, dtype, steps=None):
        dtype = np.dtype(dtype)
        steps = steps or (1,) * len(shape)
        spread = tuple(n * abs(s) for n, s in zip(shape, steps, strict=True))
        count = int(np.prod(spread)) * dtype.itemsize
        self.memory = np.full(count + 2 * GUARD, GUARD_BYTE, np.uint8)
        whole = self.memory[GUARD : GUARD + count].view(dtype).reshape(spread)
        self.array = whole[tuple(slice(None, None, s) for s in steps)]

    def check(self):
        """Every byte outside the array is untouched: the guards, and the gaps that its steps leave."""
        raw = self.array.view(f"u{self.array.itemsize}")
        raw[...] = int.from_bytes(bytes([GUARD_BYTE]) * self.array.itemsize, "little")
        assert (self.memory == GUARD_BYTE).all(), "a kernel wrote outside its output"


def run_map(name, inputs, out, scalar=(), dtype=None):
    """A map kernel over operands broadcast to the shape of `out`."""
    shape = out.shape or (1,)
    operands = [
        np.broadcast_to(x, out.shape).reshape(shape) if not out.shape else np.broadcast_to(x, shape)
        for x in inputs
    ]
    operands.append(out.reshape(shape) if not out.shape else out)
    dtype = code(inputs[0]) if dtype is None else dtype
    _kernels.call(
        name, dtype, [x.ctypes.data for x in operands], shape, [x.strides for x in operands], scalar
    )
    return out


def run(name, dtype, operands, size, strides=(), scalar=(), flags=0, integer=()):
    """Any other kernel; an operand of None is a NULL pointer."""
    addresses = [0 if x is None else x.ctypes.data for x in operands]
    _kernels.call(name, dtype, addresses, size, strides, scalar, integer, flags)


def run_reduce(name, x, out_dtype, dtype=None):
    """A reduction of a three-dimensional view over its middle."""
    guarded = Guarded((x.shape[0], x.shape[2]), out_dtype)
    run(name, code(x) if dtype is None else dtype, [x, guarded.array], x.shape, [x.strides])
    result = guarded.array.copy()
    guarded.check()
    return result


def same_by_any_threads(work):
    """Holds that the arrays which `work` gives have the same bytes by any number of threads."""
    before, found = _kernels.threads(), set()
    try:
        for number in (1, 2, 3, 8):
            _kernels.set_threads(number)
            found.add(b"".join(np.asarray(each).tobytes() for each in work()))
    finally:
        _kernels.set_threads(before)
    assert len(found) == 1 and found != {b""}


def events(work):
    """The names of the kernels and bodies that a call runs, in their order."""
    seen = []
    listener = seen.append
    _kernels.listen(listener)
    try:
        work()
    finally:
        _kernels.unlisten(listener)
    return [event.name for event in seen if event.kind in ("kernel", "body")]


def ulps(value, exact):
    """How many units in the last place `value` is from `exact`; infinite for another kind of number."""
    with np.errstate(all="ignore"):
        nearest = exact.astype(np.float32)
        unit = np.spacing(np.abs(np.where(np.isfinite(nearest), nearest, np.finfo(np.float32).max))).astype(
            np.float64
        )
        error = np.abs(value.astype(np.float64) - exact) / unit
        error = np.where(np.isnan(exact), np.where(np.isnan(value), 0.0, np.inf), error)
        # Just past the largest float either side of the border will do.
        border = (np.abs(exact) < 3.5e38) & (np.abs(value) > 3.4e38) & (np.sign(exact) == np.sign(value))
        return np.where(np.isinf(nearest), np.where((value == nearest) | border, 0.0, np.inf), error)


def all_floats(step):
    """Every `step`-th float32 there is: NaN, infinities and denormals among them."""
    return np.arange(0, 2**32, step, dtype=np.uint32).view(np.float32)
