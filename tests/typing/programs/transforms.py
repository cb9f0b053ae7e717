"""Functions of functions: gradients, Jacobians, Hessians and a call with other parameters."""

import tensorgrad as tg
from tensorgrad import Tensor, nn
from tensorgrad.func import functional_call, grad, grad_and_value, vjp


def energy(x: Tensor) -> Tensor:
    return (x.sin() * x).sum()


x = tg.linspace(0, 1, 4)
slope: Tensor = grad(energy)(x)
print(slope.shape, grad(lambda x: grad(energy)(x).sum())(x).norm())
gradient, value = grad_and_value(energy)(x)
out, pull = vjp(energy, x)
print(value.item() == out.item(), pull(tg.ones(())))
jacobian = tg.autograd.functional.jacobian(lambda x: x**2, x)
hessian = tg.autograd.functional.hessian(energy, x)
print(jacobian.shape, hessian.diagonal())

model = nn.Linear(4, 1)
parameters = {name: p.detach().clone() for name, p in model.named_parameters()}


def loss(parameters: dict[str, Tensor]) -> Tensor:
    found: Tensor = functional_call(model, parameters, (x,))
    return found.pow(2).mean()


slopes = grad(loss)(parameters)
parameters = {name: p - 0.1 * slopes[name] for name, p in parameters.items()}
