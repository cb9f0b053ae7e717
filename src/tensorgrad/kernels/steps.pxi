# Optimizer steps. Parameters and states are changed in place, so they must be arrays that fit; gradients are only read.


cdef object state(str who, str name, object value, object param):
    """An array to be changed in place, of the shape and dtype of the parameter."""
    if value is None:
        raise ValueError(f"{who}: {name} is None, wanted an array")
    return output(who, name, value, param.shape, param.dtype)


cdef object parameter(str who, object param):
    if not isinstance(param, np.ndarray) or (param.dtype != np.float32 and param.dtype != np.float64):
        kind = getattr(param, "dtype", type(param).__name__)
        raise ValueError(f"{who}: param is {kind}, wanted an array of float32 or float64")
    return output(who, "param", param, param.shape, param.dtype)


def sgd_step(param, grad, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False,
             buffer=None, first=False):
    """One step of gradient descent, in place; with momentum the `buffer` remembers past steps, and is set at the `first`.

    >>> param = np.float32([1, 2])
    >>> sgd_step(param, np.float32([2, 2]), lr=0.5)
    >>> param
    array([0., 1.], dtype=float32)
    """
    cdef KernelArgs a
    p = parameter("sgd_step", param)
    g = like("sgd_step", "grad", grad, p)
    begin(&a, 1)
    a.size[0] = p.size
    a.data[0] = address(p)
    a.data[1] = address(g)
    a.data[2] = address(state("sgd_step", "buffer", buffer, p)) if momentum else NULL
    a.scalar[0] = lr
    a.scalar[1] = momentum
    a.scalar[2] = dampening
    a.scalar[3] = weight_decay
    a.scalar[4] = bool(nesterov)
    a.scalar[5] = bool(maximize)
    a.scalar[6] = bool(first)
    launch(b"sgd", code_of(p), &a)


def adam_step(param, grad, mean, square, step, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False,
              maximize=False, largest=None):
    """Step number `step` (from 1) of Adam, in place; `decoupled` makes it AdamW, and `largest` is the state of AMSGrad.

    >>> param, mean, square = np.float32([1]), np.zeros(1, np.float32), np.zeros(1, np.float32)
    >>> adam_step(param, np.float32([4]), mean, square, step=1, lr=0.5)
    >>> param
    array([0.5], dtype=float32)
    """
    cdef KernelArgs a
    p = parameter("adam_step", param)
    g = like("adam_step", "grad", grad, p)
    if step < 1:
        raise ValueError(f"adam_step: step is {step}, wanted 1 or more")
    begin(&a, 1)
    a.size[0] = p.size
    a.data[0] = address(p)
    a.data[1] = address(g)
    a.data[2] = address(state("adam_step", "mean", mean, p))
    a.data[3] = address(state("adam_step", "square", square, p))
    a.data[4] = NULL if largest is None else address(state("adam_step", "largest", largest, p))
    a.scalar[0] = lr
    a.scalar[1], a.scalar[2] = betas
    a.scalar[3] = eps
    a.scalar[4] = weight_decay
    a.scalar[5] = bool(decoupled)
    a.scalar[6] = step
    a.scalar[7] = bool(maximize)
    launch(b"adam", code_of(p), &a)


def rmsprop_step(param, grad, square, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, maximize=False,
                 mean=None, buffer=None):
    """One step of RMSprop, in place; `mean` makes it the centered one, and `buffer` remembers past steps for `momentum`.

    >>> param, square = np.float32([1]), np.zeros(1, np.float32)
    >>> rmsprop_step(param, np.float32([4]), square, lr=0.05)
    >>> param
    array([0.5], dtype=float32)
    """
    cdef KernelArgs a
    p = parameter("rmsprop_step", param)
    g = like("rmsprop_step", "grad", grad, p)
    begin(&a, 1)
    a.size[0] = p.size
    a.data[0] = address(p)
    a.data[1] = address(g)
    a.data[2] = address(state("rmsprop_step", "square", square, p))
    a.data[3] = NULL if mean is None else address(state("rmsprop_step", "mean", mean, p))
    a.data[4] = address(state("rmsprop_step", "buffer", buffer, p)) if momentum else NULL
    a.scalar[0] = lr
    a.scalar[1] = alpha
    a.scalar[2] = eps
    a.scalar[3] = weight_decay
    a.scalar[4] = momentum
    a.scalar[5] = bool(maximize)
    launch(b"rmsprop", code_of(p), &a)
