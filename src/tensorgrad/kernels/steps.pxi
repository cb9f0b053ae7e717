# Optimizer steps. Parameters and states are changed in place, so they must be arrays that fit; gradients are only read.


def sgd_step(param, grad, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False, buffer=None):
    """One step of gradient descent, in place; with momentum the `buffer` remembers past steps.

    >>> param = np.float32([1, 2])
    >>> sgd_step(param, np.float32([2, 2]), lr=0.5)
    >>> param
    array([0., 1.], dtype=float32)
    """
    if momentum and buffer is None:
        raise ValueError("sgd_step: buffer is None, wanted an array")
    perform("sgd_step", "sgd", {
        "param": param, "grad": grad, "buffer": buffer if momentum else None, "lr": lr, "momentum": momentum,
        "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize})


def adam_step(param, grad, mean, square, step, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False,
              maximize=False, largest=None):
    """Step number `step` (from 1) of Adam, in place; `decoupled` makes it AdamW, and `largest` is the state of AMSGrad.

    >>> param, mean, square = np.float32([1]), np.zeros(1, np.float32), np.zeros(1, np.float32)
    >>> adam_step(param, np.float32([4]), mean, square, step=1, lr=0.5)
    >>> param
    array([0.5], dtype=float32)
    """
    if step < 1:
        raise ValueError(f"adam_step: step is {step}, wanted 1 or more")
    perform("adam_step", "adam", {
        "param": param, "grad": grad, "mean": mean, "square": square, "largest": largest, "lr": lr, "beta1": betas[0],
        "beta2": betas[1], "eps": eps, "weight_decay": weight_decay, "step": step, "decoupled_weight_decay": decoupled,
        "maximize": maximize})


def rmsprop_step(param, grad, square, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, maximize=False,
                 mean=None, buffer=None):
    """One step of RMSprop, in place; `mean` makes it the centered one, and `buffer` remembers past steps for `momentum`.

    >>> param, square = np.float32([1]), np.zeros(1, np.float32)
    >>> rmsprop_step(param, np.float32([4]), square, lr=0.05)
    >>> param
    array([0.5], dtype=float32)
    """
    if momentum and buffer is None:
        raise ValueError("rmsprop_step: buffer is None, wanted an array")
    perform("rmsprop_step", "rmsprop", {
        "param": param, "grad": grad, "square": square, "mean": mean, "buffer": buffer if momentum else None, "lr": lr,
        "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum, "maximize": maximize})
