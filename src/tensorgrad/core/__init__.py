"""The core: tensors, dtypes, the tape and the declaration of ops. README.md in this folder tells how it fits
together.
"""

from tensorgrad.core._core import (
    AccumulateGrad,
    AllocationError,
    Node,
    Op,
    RemovableHandle,
    Size,
    Tensor,
    all_dtypes,
    can_cast,
    dtype,
    dtype_of_numpy,
    empty_cache,
    from_numpy,
    get_backend,
    get_default_dtype,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    memory_allocated,
    memory_reserved,
    promote_types,
    result_type,
    set_backend,
    set_default_dtype,
)
from tensorgrad.core.modes import backend, enable_grad, inference_mode, no_grad, set_grad_enabled

bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64 = all_dtypes

__all__ = [
    "AccumulateGrad", "AllocationError", "Node", "Op", "RemovableHandle", "Size", "Tensor", "all_dtypes",
    "backend", "bfloat16", "bool_", "can_cast", "dtype", "dtype_of_numpy", "empty_cache", "enable_grad",
    "float16", "float32", "float64", "from_numpy", "get_backend", "get_default_dtype", "inference_mode",
    "int16", "int32", "int64", "int8", "is_anomaly_enabled", "is_grad_enabled", "is_inference_mode_enabled",
    "memory_allocated", "memory_reserved", "no_grad", "promote_types", "result_type", "set_backend",
    "set_default_dtype", "set_grad_enabled", "uint8",
]  # fmt: skip
