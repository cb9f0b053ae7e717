"""Optimizers with a step of its own for every weight, by its past gradients: Adam and its family."""

from __future__ import annotations

from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor

from .optimizer import UNUSED, Optimizer, check_at_least, check_lr, settings_of

__all__ = [
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SparseAdam",
]  # fmt: skip


def check_betas(betas: Any) -> None:
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def blend(old: Tensor, new: Tensor, keep: float) -> Tensor:
    """A running mean: `keep` of the old value, the rest new."""
    return old + (1 - keep) * (new - old)


class Adam(Optimizer):
    r"""Steps of about `lr` for every weight: the mean of its gradients over the root of their mean square.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
              v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
              p \leftarrow p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    `amsgrad` divides by the largest `v` so far. `decoupled_weight_decay` shrinks the weights themselves, as
    AdamW does, instead of adding to the gradient. Kingma and Ba, 2014.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.Adam([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.9000], requires_grad=True)
    """

    slots = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    kernel = "adam"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        settings = settings_of(locals())
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        check_at_least(0.0, epsilon=eps)
        check_betas(betas)
        check_at_least(0.0, weight_decay=weight_decay)
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            if isinstance(beta, Tensor):
                if foreach and not capturable:
                    raise ValueError(
                        f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
                    )
                if beta.numel() != 1:
                    raise ValueError(f"Tensor betas[{i}] must be 1-element")
        super().__init__(params, settings)

    def needs(self, group: dict[str, Any]) -> tuple[str, ...]:
        return self.slots if group["amsgrad"] else self.slots[:3]

    def rule(
        self, param: Tensor, grad: Tensor, state: Any, lr: Any, betas: Any, eps: Any, amsgrad: Any
    ) -> Any:
        step, (beta1, beta2) = state.step.item(), map(float, betas)
        state.exp_avg = blend(state.exp_avg, grad, beta1)
        state.exp_avg_sq = beta2 * state.exp_avg_sq + (1 - beta2) * grad * grad
        square = state.exp_avg_sq
        if amsgrad:
            square = state.max_exp_avg_sq = tg.maximum(state.max_exp_avg_sq, square)
        root = square.sqrt() / (1 - beta2**step) ** 0.5 + eps
        return param - lr / (1 - beta1**step) * state.exp_avg / root


class AdamW(Adam):
    """Adam that shrinks the weights themselves by `lr * weight_decay` a step, apart from the gradient.

    Loshchilov and Hutter, 2017.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.AdamW([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.8990], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


class Adamax(Optimizer):
    r"""Adam with :math:`u \leftarrow \max(\beta_2 u, |g| + \epsilon)` in place of the root mean square.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.Adamax([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.9000], requires_grad=True)
    """

    slots = ("step", "exp_avg", "exp_inf")
    kernel = "adamax"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        check_at_least(0.0, epsilon=eps)
        check_betas(betas)
        check_at_least(0.0, weight_decay=weight_decay)
        super().__init__(params, settings)

    def rule(self, param: Tensor, grad: Tensor, state: Any, lr: Any, betas: Any, eps: Any) -> Any:
        beta1, beta2 = betas
        state.exp_avg = blend(state.exp_avg, grad, beta1)
        state.exp_inf = tg.maximum(beta2 * state.exp_inf, grad.abs() + eps)
        return param - lr / (1 - beta1 ** state.step.item()) * state.exp_avg / state.exp_inf


class NAdam(Optimizer):
    """Adam that looks one step ahead, as Nesterov's momentum does; the look grows with `momentum_decay`.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.NAdam([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x < 1
    tensor([True])
    """

    slots = ("step", "mu_product", "exp_avg", "exp_avg_sq")
    kernel = "nadam"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        check_at_least(0.0, epsilon=eps)
        check_betas(betas)
        check_at_least(0.0, weight_decay=weight_decay, momentum_decay=momentum_decay)
        super().__init__(params, settings)

    def start(self, name: Any, param: Tensor, group: dict[str, Any]) -> Any:
        return tg.tensor(1.0) if name == "mu_product" else super().start(name, param, group)

    def rule(
        self, param: Tensor, grad: Tensor, state: Any, lr: Any, betas: Any, eps: Any, momentum_decay: Any
    ) -> Any:
        step, (beta1, beta2) = state.step.item(), betas
        now, ahead = (beta1 * (1 - 0.5 * 0.96 ** (s * momentum_decay)) for s in (step, step + 1))
        state.mu_product.mul_(now)
        product = state.mu_product.item()
        state.exp_avg = blend(state.exp_avg, grad, beta1)
        state.exp_avg_sq = beta2 * state.exp_avg_sq + (1 - beta2) * grad * grad
        root = (state.exp_avg_sq / (1 - beta2**step)).sqrt() + eps
        return (
            param
            - lr * (1 - now) / (1 - product) * grad / root
            - lr * ahead / (1 - product * ahead) * state.exp_avg / root
        )


class RAdam(Optimizer):
    """Adam that goes by the mean gradient alone until the mean square rests on enough of them. Liu and
    others, 2019.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.RAdam([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.8000], requires_grad=True)
    """

    slots = ("step", "exp_avg", "exp_avg_sq")
    kernel = "radam"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        check_at_least(0.0, epsilon=eps)
        check_betas(betas)
        check_at_least(0.0, weight_decay=weight_decay)
        super().__init__(params, settings)

    def rule(self, param: Tensor, grad: Tensor, state: Any, lr: Any, betas: Any, eps: Any) -> Any:
        step, (beta1, beta2) = state.step.item(), betas
        state.exp_avg = blend(state.exp_avg, grad, beta1)
        state.exp_avg_sq = beta2 * state.exp_avg_sq + (1 - beta2) * grad * grad
        mean = state.exp_avg / (1 - beta1**step)
        longest = 2 / (1 - beta2) - 1  # how many gradients the mean square rests on in the end, and by now
        length = longest - 2 * step * beta2**step / (1 - beta2**step)
        if length > 5:
            trust = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
            mean = mean * (trust * (1 - beta2**step) ** 0.5) / (state.exp_avg_sq.sqrt() + eps)
        return param - lr * mean


class RMSprop(Optimizer):
    r"""Divides each gradient by the root of the mean of its past squares.

    .. math:: v \leftarrow \alpha v + (1 - \alpha) g^2, \qquad p \leftarrow p - \eta g / (\sqrt v + \epsilon)

    `centered` takes the variance instead of the mean square; `momentum` adds the steps up as SGD does.
    Hinton, 2012.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.RMSprop([x], lr=0.01)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.9000], requires_grad=True)
    """

    slots = ("step", "square_avg", "grad_avg", "momentum_buffer")
    kernel = "rmsprop"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        check_at_least(0.0, epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(params, settings)

    def needs(self, group: dict[str, Any]) -> tuple[str, ...]:
        unused = {"grad_avg": not group["centered"], "momentum_buffer": group["momentum"] <= 0}
        return tuple(name for name in self.slots if not unused.get(name))

    def rule(
        self,
        param: Tensor,
        grad: Tensor,
        state: Any,
        lr: Any,
        alpha: Any,
        eps: Any,
        momentum: Any,
        centered: Any,
    ) -> Any:
        state.square_avg = alpha * state.square_avg + (1 - alpha) * grad * grad
        square = state.square_avg
        if centered:
            state.grad_avg = blend(state.grad_avg, grad, alpha)
            square = square - state.grad_avg * state.grad_avg
        step = grad / (square.sqrt() + eps)
        if momentum > 0:
            step = state.momentum_buffer = momentum * state.momentum_buffer + step
        return param - lr * step


class SparseAdam(Optimizer):
    r"""Adam for tables of which each step uses few rows: the others, and what is remembered of them, stay.

    A row whose gradient is zero counts as not used. The formula is that of `Adam`.

    >>> table = tg.ones(3, 2, requires_grad=True)
    >>> optimizer = tg.optim.SparseAdam([table], lr=0.1)
    >>> tg.nn.functional.embedding(tg.tensor([2]), table, sparse=True).sum().backward()
    >>> optimizer.step(); table.detach().sum(1)
    tensor([2.0000, 2.0000, 1.8000])
    """

    slots = ("step", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        settings = settings_of(locals())
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (("learning rate", lr), ("epsilon value", eps)):
            if not 0.0 < value:
                raise ValueError(f"Invalid {name}: {value}")
        check_betas(betas)
        super().__init__(params, settings)

    def rule(self, param: Tensor, grad: Tensor, state: Any, lr: Any, betas: Any, eps: Any) -> Any:
        step = state.step.item()
        used = grad.reshape(grad.shape[0] if grad.ndim else 1, -1).any(1).nonzero().squeeze(1)
        value, change = (t.clone() if t.ndim else t.reshape(1) for t in (param, grad))
        mean, square = (t if t.ndim else t.view(1) for t in (state.exp_avg, state.exp_avg_sq))
        change = change[used]
        mean[used] = m = blend(mean[used], change, betas[0])
        square[used] = v = blend(square[used], change * change, betas[1])
        size = lr * (1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step)
        value[used] = value[used] - size * m / (v.sqrt() + eps)
        return value.view(param.shape)


class Adagrad(Optimizer):
    r"""Divides each gradient by the root of the sum of all its squares so far, so steps only get smaller.

    .. math:: s \leftarrow s + g^2, \quad
              p \leftarrow p - \frac{\eta}{1 + (t - 1) \gamma} \frac{g}{\sqrt s + \epsilon}

    where :math:`\gamma` is `lr_decay`. Duchi, Hazan and Singer, 2011.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.Adagrad([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.9000], requires_grad=True)
    """

    slots = ("step", "sum")
    kernel = "adagrad"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        check_at_least(
            0.0,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=eps,
        )
        super().__init__(params, settings)
        for group in self.param_groups:  # as in PyTorch, there from the start
            for param in group["params"]:
                self.state[param] = {name: self.start(name, param.detach(), group) for name in self.slots}

    def start(self, name: Any, param: Tensor, group: dict[str, Any]) -> Any:
        if name == "sum":
            return tg.full_like(param, group["initial_accumulator_value"])
        return super().start(name, param, group)

    def rule(self, param: Tensor, grad: Tensor, state: Any, lr: Any, lr_decay: Any, eps: Any) -> Any:
        state.sum = state.sum + grad * grad
        return param - lr / (1 + (state.step.item() - 1) * lr_decay) * grad / (state.sum.sqrt() + eps)


class Adadelta(Optimizer):
    r"""Adagrad with a horizon, whose steps are in the units of the weights: past steps over past gradients.

    .. math:: v \leftarrow \rho v + (1 - \rho) g^2, \quad
              \Delta = g \sqrt{(u + \epsilon) / (v + \epsilon)}, \quad
              u \leftarrow \rho u + (1 - \rho) \Delta^2, \quad p \leftarrow p - \eta \Delta

    Zeiler, 2012.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.Adadelta([x])
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x < 1
    tensor([True])
    """

    slots = ("step", "square_avg", "acc_delta")
    kernel = "adadelta"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least(0.0, epsilon=eps, weight_decay=weight_decay)
        super().__init__(params, settings)

    def rule(self, param: Tensor, grad: Tensor, state: Any, lr: Any, rho: Any, eps: Any) -> Any:
        state.square_avg = rho * state.square_avg + (1 - rho) * grad * grad
        delta = (state.acc_delta + eps).sqrt() / (state.square_avg + eps).sqrt() * grad
        state.acc_delta = rho * state.acc_delta + (1 - rho) * delta * delta
        return param - lr * delta


class Adafactor(Optimizer):
    r"""Adam in little memory: of a matrix's mean squares it keeps the means of rows and of columns.

    There is no momentum. The step is relative to the size of the weights, its root mean square is held under
    `d`, and the horizon of the means grows as :math:`1 - t^{\text{beta2\_decay}}`. Shazeer and Stern, 2018.

    >>> w = tg.ones(2, 3, requires_grad=True)
    >>> optimizer = tg.optim.Adafactor([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step(); optimizer.state[w]["row_var"].shape
    tensorgrad.Size([2, 1])
    """

    slots = ("step", "row_var", "col_var", "variance")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        settings = settings_of(locals())
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, settings)

    def start(self, name: Any, param: Tensor, group: dict[str, Any]) -> Any:
        if name == "step":
            return super().start(name, param, group)
        if (param.ndim > 1) != (name in ("row_var", "col_var")):
            return UNUSED
        if name == "row_var":
            return tg.zeros_like(param[..., :1])
        return tg.zeros_like(param[..., :1, :]) if name == "col_var" else tg.zeros_like(param)

    def rule(
        self,
        param: Tensor,
        grad: Tensor,
        state: Any,
        lr: Any,
        beta2_decay: Any,
        eps: Any,
        d: Any,
        weight_decay: Any,
    ) -> Any:
        step, tiny = state.step.item(), tg.finfo(param.dtype).eps if eps[0] is None else eps[0]
        keep = 1 - step**beta2_decay
        length = param.norm().item() / param.numel() ** 0.5
        square = grad * grad
        if grad.ndim > 1:
            state.row_var = blend(state.row_var, square.mean(-1, keepdim=True), keep)
            state.col_var = blend(state.col_var, square.mean(-2, keepdim=True), keep)
            square = state.row_var @ state.col_var / state.row_var.mean(-2, keepdim=True).clamp(min=tiny)
        else:
            state.variance = square = blend(state.variance, square, keep)
        update = grad * square.clamp(min=tiny * tiny).rsqrt()
        spread = update.norm().item() / update.numel() ** 0.5
        return (
            param * (1 - lr * weight_decay)
            - max(eps[1], length) * min(lr, step**-0.5) / max(1.0, spread / d) * update
        )
