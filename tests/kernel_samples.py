"""What tests of kernels are given: dtypes, samples, and the references of the reductions."""

import math

import numpy as np

from tensorgrad.core import dtype_of_numpy

NAN, INF = math.nan, math.inf
FLOATS = (np.float32, np.float64)
TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
SHORT = {kind: dtype_of_numpy(kind).short for kind in TYPES}


def sample(shape, span, dtype, seed=0):
    return np.random.default_rng(seed).uniform(*span, shape).astype(dtype)


REDUCTIONS = {
    "sum": (lambda x: x.sum(1), FLOATS),
    "mean": (lambda x: x.mean(1), FLOATS),
    "prod": (lambda x: x.prod(1), FLOATS),
    "amax": (lambda x: x.max(1), FLOATS),
    "amin": (lambda x: x.min(1), FLOATS),
    "vector_norm": (lambda x: np.sqrt((x * x).sum(1)), FLOATS),
}
