"""Hooks of modules: around forward and backward, of one module or of all."""

import warnings
from collections import OrderedDict

import pytest
from small_modules import Doubles, ones

from tensorgrad import nn

# -- hooks -----------------------------------------------------------------------------------------


def test_forward_hooks_see_and_replace_arguments_and_output():
    module = Doubles()
    seen = []
    pre = module.register_forward_pre_hook(lambda m, args: seen.append(("pre", m is module, args)))
    post = module.register_forward_hook(lambda m, args, output: seen.append(("post", args, output)))
    assert module(3) == 6
    assert seen == [("pre", True, (3,)), ("post", (3,), 6)]
    pre.remove()
    post.remove()
    with (
        module.register_forward_pre_hook(lambda m, args: args[0] + 1),
        module.register_forward_hook(lambda m, args, output: (args, output)),
    ):
        assert module(3) == ((4,), 8)
    assert module(3) == 6 and len(seen) == 2


def test_hooks_run_in_order_and_may_be_put_first():
    module = Doubles()
    order = []
    module.register_forward_hook(lambda m, a, o: order.append(1))
    module.register_forward_hook(lambda m, a, o: order.append(2))
    module.register_forward_hook(lambda m, a, o: order.append(0), prepend=True)
    module.register_forward_pre_hook(lambda m, a: order.append(-1))
    module.register_forward_pre_hook(lambda m, a: order.append(-2), prepend=True)
    module(1)
    assert order == [-2, -1, 0, 1, 2]


def test_hooks_with_kwargs():
    module = Doubles()
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"times": kwargs["times"] + 1}), with_kwargs=True
    )
    module.register_forward_hook(lambda m, args, kwargs, output: (kwargs, output), with_kwargs=True)
    assert module(2, times=3) == ({"times": 4}, 8)
    module.register_forward_pre_hook(lambda m, args, kwargs: 1, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\)"):
        module(2, times=3)


def test_an_always_called_hook_runs_after_an_exception():
    module = Doubles()
    seen = []
    module.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    module.register_forward_hook(lambda m, args, output: seen.append("not this"))
    with pytest.raises(TypeError):
        module(object())
    assert seen == [None]


def test_hooks_may_be_taken_away_through_the_dict():
    module = Doubles()
    module.register_forward_hook(lambda m, a, o: 0)
    module._forward_hooks.clear()
    assert module(2) == 4
    module.register_forward_hook(lambda m, a, o: 0)
    module._forward_hooks = OrderedDict()
    assert module(2) == 4
    module._forward_hooks[0] = lambda m, a, o: "mine"
    assert module(2) == "mine"


def test_hooks_run_inside_a_sequential():
    net = nn.Sequential(Doubles(), Doubles())
    net[1].register_forward_hook(lambda m, args, output: output + 1)
    net.register_forward_pre_hook(lambda m, args: 10)
    assert net(1) == 41


def test_global_forward_hooks_reach_every_module_and_run_first():
    every = nn.modules.module
    order = []
    module = nn.Sequential(Doubles())
    module[0].register_forward_hook(lambda m, a, o: order.append("own"))
    handles = [
        every.register_module_forward_pre_hook(lambda m, a: order.append(f"pre {type(m).__name__}")),
        every.register_module_forward_hook(lambda m, a, o: order.append(f"post {type(m).__name__}")),
    ]
    try:
        assert module(1) == 2
    finally:
        for handle in handles:
            handle.remove()
    assert order == ["pre Sequential", "pre Doubles", "post Doubles", "own", "post Sequential"]
    module(1)
    assert len(order) == 6


def test_registration_hooks_see_and_replace_parts():
    every = nn.modules.module
    seen = []
    handles = [
        every.register_module_parameter_registration_hook(lambda m, name, p: seen.append(name)),
        every.register_module_buffer_registration_hook(lambda m, name, b: b + 1),
        every.register_module_module_registration_hook(lambda m, name, c: nn.Identity()),
    ]
    try:
        module = nn.Module()
        module.weight = nn.Parameter(ones(1))
        module.register_buffer("count", ones(1))
        module.inner = nn.ReLU()
        module.add_module("other", nn.ReLU())
    finally:
        for handle in handles:
            handle.remove()
    assert seen == ["weight"]
    assert module.count.item() == 2
    assert isinstance(module.inner, nn.Identity) and isinstance(module.other, nn.Identity)


class Product(nn.Module):
    def forward(self, x, y):
        return x * y


def test_full_backward_hooks_see_the_gradients_of_inputs_and_outputs():
    module = Product()
    seen = []
    handle = module.register_full_backward_hook(
        lambda m, grad_in, grad_out: seen.append((m, grad_in, grad_out))
    )
    x, y = ones(1) * 3, ones(1) * 5
    x.requires_grad_()
    y.requires_grad_()
    (module(x, y) * 7).sum().backward()
    ((m, grad_in, grad_out),) = seen
    assert m is module and [g.item() for g in grad_in] == [35, 21] and [g.item() for g in grad_out] == [7]
    assert x.grad.item() == 35 and y.grad.item() == 21
    handle.remove()
    module(x, y).sum().backward()
    assert len(seen) == 1


def test_full_backward_hooks_may_replace_the_gradients():
    module = Product()
    module.register_full_backward_pre_hook(lambda m, grad_out: (grad_out[0] * 10,))
    module.register_full_backward_hook(lambda m, grad_in, grad_out: (grad_in[0] + 1, grad_in[1]))
    x, y = ones(1).requires_grad_(), ones(1).requires_grad_()
    module(x, y).sum().backward()
    assert x.grad.item() == 11 and y.grad.item() == 10


def test_full_backward_hooks_give_none_for_inputs_without_gradient():
    module = Product()
    seen = []
    module.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append(grad_in))
    x = ones(1).requires_grad_()
    module(x, 3.0).sum().backward()
    assert seen[0][0].item() == 3 and seen[0][1] is None


def test_a_full_backward_hook_fires_when_no_input_needs_a_gradient():
    layer = nn.Linear(2, 1)
    seen = []
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append((grad_in, grad_out[0].shape)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer(ones(3, 2)).sum().backward()
    assert seen == [((None,), (3, 1))]
    assert layer.weight.grad is not None


def test_a_full_backward_hook_that_returns_too_much_is_refused():
    module = Product()
    module.register_full_backward_hook(lambda m, grad_in, grad_out: grad_in + grad_in)
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 4, but expected 2"):
        module(ones(1).requires_grad_(), ones(1)).sum().backward()


def test_global_full_backward_hooks_fire():
    seen = []
    handle = nn.modules.module.register_module_full_backward_hook(
        lambda m, gi, go: seen.append(type(m).__name__)
    )
    try:
        Product()(ones(1).requires_grad_(), ones(1)).sum().backward()
    finally:
        handle.remove()
    assert seen == ["Product"]


def test_old_and_full_backward_hooks_do_not_mix():
    module = Product()
    module.register_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="Cannot use both"):
        module.register_full_backward_hook(lambda *args: None)
