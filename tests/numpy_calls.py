"""Calls of NumPy's functions on tensors that need no gradient, and what came of them as plain data."""

import numpy as np


def tensors(lib):
    """`x`: floats, `y`: other ones of its shape, `v`: a vector, `n`: integers, `b`: truths."""
    return {
        "x": lib.tensor([[0.5, -1.5, 2.0], [3.25, 0.0, -2.5]]),
        "y": lib.tensor([[1.0, 2.0, -3.0], [0.5, 4.0, 1.0]]),
        "v": lib.tensor([3.0, 1.0, 2.0, 1.0]),
        "n": lib.tensor([3, 1, 2, 1]),
        "b": lib.tensor([True, False, True, True]),
    }


def described(found):
    """Its type, dtype and values, in JSON's types."""
    if isinstance(found, (list, tuple)):
        return [described(each) for each in found]
    if isinstance(found, np.ndarray):
        return {"type": "ndarray", "dtype": str(found.dtype), "values": found.tolist()}
    if hasattr(found, "detach"):
        dtype = str(found.dtype).rpartition(".")[2]
        return {"type": "Tensor", "dtype": dtype, "values": found.tolist()}
    if isinstance(found, np.generic):
        return {"type": "scalar", "dtype": str(found.dtype), "values": found.item()}
    return {"type": type(found).__name__, "values": found}


CALLS = {
    "abs": lambda x, **_: np.abs(x),
    "add": lambda x, y, **_: np.add(x, y),
    "add array": lambda x, **_: np.ones(3, np.float32) + x,
    "tensor plus array": lambda x, **_: x + np.ones(3, np.float32),
    "tensor plus doubles": lambda x, **_: x + np.ones(3),
    "tensor times scalar": lambda x, **_: x * np.float64(2),
    "scalar times tensor": lambda x, **_: np.float32(2) * x,
    "double scalar times tensor": lambda x, **_: np.float64(2) * x,
    "all": lambda b, **_: np.all(b),
    "allclose": lambda x, **_: np.allclose(x, x),
    "any": lambda b, **_: np.any(b),
    "append": lambda v, **_: np.append(v, 1.0),
    "argmax": lambda v, **_: np.argmax(v),
    "argmax of an axis": lambda x, **_: np.argmax(x, axis=1),
    "argmin": lambda v, **_: np.argmin(v),
    "argsort": lambda v, **_: np.argsort(v),
    "argwhere": lambda x, **_: np.argwhere(x),
    "array": lambda x, **_: np.array(x),
    "array of a list": lambda v, n, **_: np.array([v.numpy(), n.numpy()]),
    "array_equal": lambda x, y, **_: np.array_equal(x, y),
    "asarray": lambda n, **_: np.asarray(n),
    "asarray of a dtype": lambda n, **_: np.asarray(n, dtype=np.float64),
    "average": lambda v, **_: np.average(v),
    "bincount": lambda n, **_: np.bincount(n),
    "broadcast_to": lambda v, **_: np.broadcast_to(v, (2, 4)),
    "ceil": lambda x, **_: np.ceil(x),
    "clip": lambda x, **_: np.clip(x, -1, 1),
    "column_stack": lambda v, **_: np.column_stack([v, v]),
    "concatenate": lambda x, y, **_: np.concatenate([x, y]),
    "copy": lambda x, **_: np.copy(x),
    "cos": lambda x, **_: np.cos(x),
    "count_nonzero": lambda x, **_: np.count_nonzero(x),
    "cumprod": lambda v, **_: np.cumprod(v, axis=0),
    "cumsum": lambda v, **_: np.cumsum(v, axis=0),
    "diag": lambda v, **_: np.diag(v),
    "diff": lambda v, **_: np.diff(v),
    "divide": lambda x, y, **_: np.divide(x, y),
    "dot": lambda v, **_: np.dot(v, v),
    "dot of an array": lambda v, **_: np.dot(np.ones(4, np.float32), v),
    "einsum": lambda v, **_: np.einsum("i,i->", v, v),
    "equal": lambda x, y, **_: np.equal(x, y),
    "exp": lambda x, **_: np.exp(x),
    "expand_dims": lambda v, **_: np.expand_dims(v, 0),
    "flip": lambda v, **_: np.flip(v),
    "floor": lambda x, **_: np.floor(x),
    "full_like": lambda v, **_: np.full_like(v, 2),
    "greater": lambda x, y, **_: np.greater(x, y),
    "histogram": lambda v, **_: np.histogram(v, bins=3, range=(0.0, 3.0)),
    "hstack": lambda v, **_: np.hstack([v, v]),
    "interp": lambda v, **_: np.interp(1.5, [1.0, 2.0], v[:2]),
    "isfinite": lambda x, **_: np.isfinite(x),
    "isin": lambda n, **_: np.isin(n, [1, 2]),
    "isnan": lambda x, **_: np.isnan(x),
    "linalg.norm": lambda v, **_: np.linalg.norm(v),
    "log1p": lambda v, **_: np.log1p(v),
    "logical_and": lambda b, **_: np.logical_and(b, b),
    "matmul": lambda x, y, **_: np.matmul(x, y.T),
    "max": lambda x, **_: np.max(x),
    "maximum": lambda x, y, **_: np.maximum(x, y),
    "mean": lambda x, **_: np.mean(x),
    "mean of an axis": lambda x, **_: np.mean(x, axis=0),
    "median": lambda v, **_: np.median(v),
    "meshgrid": lambda n, **_: np.meshgrid(n, n),
    "min": lambda x, **_: np.min(x),
    "multiply": lambda x, y, **_: np.multiply(x, y),
    "ndim": lambda x, **_: np.ndim(x),
    "nonzero": lambda v, **_: np.nonzero(v),
    "ones_like": lambda v, **_: np.ones_like(v),
    "outer": lambda v, **_: np.outer(v, v),
    "pad": lambda v, **_: np.pad(v, 1),
    "percentile": lambda v, **_: np.percentile(v, 50),
    "power": lambda v, **_: np.power(v, 2),
    "prod": lambda v, **_: np.prod(v),
    "ravel": lambda x, **_: np.ravel(x),
    "repeat": lambda v, **_: np.repeat(v, 2),
    "reshape": lambda x, **_: np.reshape(x, (3, 2)),
    "roll": lambda v, **_: np.roll(v, 1),
    "round": lambda x, **_: np.round(x),
    "shape": lambda x, **_: list(np.shape(x)),
    "sign": lambda x, **_: np.sign(x),
    "sort": lambda v, **_: np.sort(v),
    "split": lambda v, **_: np.split(v, 2),
    "sqrt": lambda v, **_: np.sqrt(v),
    "squeeze": lambda x, **_: np.squeeze(x[:1]),
    "stack": lambda v, **_: np.stack([v, v]),
    "std": lambda v, **_: np.std(v),
    "subtract": lambda x, y, **_: np.subtract(x, y),
    "sum": lambda x, **_: np.sum(x),
    "sum of a list": lambda v, **_: np.sum([1.0, 2.0]),
    "sum of an axis": lambda x, **_: np.sum(x, axis=1),
    "sum of truths": lambda b, **_: np.sum(b),
    "swapaxes": lambda x, **_: np.swapaxes(x, 0, 1),
    "take": lambda v, **_: np.take(v, [0, 1]),
    "tanh": lambda x, **_: np.tanh(x),
    "tile": lambda v, **_: np.tile(v, 2),
    "trace": lambda x, **_: np.trace(x),
    "transpose": lambda x, **_: np.transpose(x),
    "unique": lambda n, **_: np.unique(n),
    "unique with counts": lambda n, **_: np.unique(n, return_counts=True),
    "var": lambda v, **_: np.var(v),
    "vstack": lambda v, **_: np.vstack([v, v]),
    "where": lambda x, y, **_: np.where(x > 0, x, y),
    "where of a condition": lambda b, **_: np.where(b),
    "zeros_like": lambda v, **_: np.zeros_like(v),
    "float": lambda v, **_: float(v[0]),
    "array indexed by a tensor": lambda n, **_: np.arange(5)[n],
    "array indexed by truths": lambda b, **_: np.arange(4)[b],
    "array assigned a tensor": lambda v, **_: _assigned(v),
    "list of numbers": lambda v, **_: np.array([each.item() for each in v]),
    "mean of a list of tensors": lambda v, **_: np.mean([v[0], v[1]]),
    "array of a list of tensors": lambda v, **_: np.array([v[0], v[1]]),
    "array minus tensor": lambda v, **_: np.ones(4) - v,
    "array less than tensor": lambda v, **_: np.ones(4) < v,
    "array divided in place": lambda v, **_: _divided(v),
}


def _assigned(v):
    array = np.zeros(4)
    array[:] = v
    return array


def _divided(v):
    array = np.ones(4, np.float32)
    array /= v
    return array
