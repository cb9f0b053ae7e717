"""Weights of which a part is kept at 0, by a mask that is multiplied with them before each forward."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.utils._hooks import end_first
from tensorgrad.nn.utils.convert_parameters import parameters_to_vector

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(ABC):
    """A way to choose what stays. A subclass says by `compute_mask(t, default_mask)` what stays of `t`, of
    what stayed so far, and by `PRUNING_TYPE` what it looks at when something was pruned already:
    "unstructured" at the elements that are left, "structured" at the slices along `dim` that are, "global" at
    everything.

    >>> class EveryOther(nn.utils.prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         mask = default_mask.clone()
    ...         mask.view(-1)[1::2] = 0
    ...         return mask
    >>> layer = nn.Linear(2, 2)
    >>> _ = EveryOther.apply(layer, "weight")
    >>> layer.weight_mask
    tensor([[1., 0.],
            [1., 0.]])
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        """What happens before a forward: the tensor is computed from its original and the mask."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """1 for what stays, 0 for what does not."""

    def apply_mask(self, module: Module) -> Tensor:
        """The module's original tensor, multiplied by its mask."""
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prunes a module's tensor by this method, on top of what has been pruned of it, and has it computed
        before each forward. `importance_scores` are looked at instead of the tensor. If it fails, nothing is
        changed.
        """
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        tensor = getattr(module, name)
        scores = _scores_of(tensor, importance_scores, name)
        before = _hooks_on(module, name)
        if len(before) > 1:
            raise AssertionError(f"{name!r} has {len(before)} pruning methods: they belong in a container")
        if before:
            ((number, old),) = before.items()
            method = PruningContainer(*(old if isinstance(old, PruningContainer) else [old]), method)
            mask = getattr(module, name + "_mask").detach().clone()
        else:
            mask = tg.ones_like(tensor)
        mask = method.compute_mask(scores, default_mask=mask)
        if before:
            del module._forward_pre_hooks[number]
        else:
            module.register_parameter(name + "_orig", tensor)
            del module._parameters[name]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """A tensor of which this method has put a part to 0."""
        scores = _scores_of(t, importance_scores, "t")
        mask = tg.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Module) -> None:
        """Makes the tensor a parameter again; what was pruned is 0, and may change."""
        name = self._tensor_name
        original = module._parameters[name + "_orig"]
        original.data = self.apply_mask(module).detach()
        delattr(module, name)
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _scores_of(tensor: Tensor, scores: Tensor | None, name: str) -> Tensor:
    if scores is None:
        return tensor
    if scores.shape != tensor.shape:
        raise AssertionError(
            f"importance_scores have to be {tuple(tensor.shape)} as {name} is, not {tuple(scores.shape)}"
        )
    return scores


def _hooks_on(module: Module, name: str | None = None) -> dict[int, BasePruningMethod]:
    """The pruning methods on a module's tensor, or without a name on all of them."""
    return {
        number: hook
        for number, hook in module._forward_pre_hooks.items()
        if isinstance(hook, BasePruningMethod) and name in (None, hook._tensor_name)
    }


class PruningContainer(BasePruningMethod):
    """Pruning methods that were applied to a tensor one after the other.

    >>> layer = nn.Linear(4, 1)
    >>> for amount in (1, 2):
    ...     _ = nn.utils.prune.l1_unstructured(layer, "weight", amount)
    >>> layer.weight_mask.sum()
    tensor(1.)
    """

    def __init__(self, *methods: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if methods:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Takes one more method, of the same tensor."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"a pruning method has to be a BasePruningMethod, not {type(method).__name__}")
        if method._tensor_name != self._tensor_name:
            raise ValueError(f"the methods here prune {self._tensor_name!r}, not {method._tensor_name!r}")
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, index: Any) -> Any:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask after the last method, which sees what the others have left."""
        method = self._pruning_methods[-1]
        place = _left(method, default_mask)
        mask = default_mask.to(t.dtype, copy=True)
        mask[place] = method.compute_mask(t[place], default_mask=default_mask[place]).to(mask.dtype)
        return mask


def _left(method: BasePruningMethod, mask: Tensor) -> Any:
    """The part of a tensor that a method looks at, as an index."""
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        return mask == 1
    if kind == "global":
        return (slice(None),) * mask.ndim
    if kind != "structured":
        raise ValueError(f"PRUNING_TYPE has to be unstructured, structured or global, not {kind!r}")
    if not hasattr(method, "dim"):
        raise AttributeError(f"{type(method).__name__} is structured and has no dim")
    dim = method.dim + mask.ndim if method.dim < 0 else method.dim
    if not 0 <= dim < mask.ndim:
        raise IndexError(f"dim {method.dim} is out of range for a tensor of {mask.ndim} dimensions")
    slices = mask.movedim(dim, 0).flatten(1).sum(1) != 0
    return (*(slice(None),) * dim, slices)


# ---- the methods


class Identity(BasePruningMethod):
    """Prunes nothing, and so prepares a tensor for a mask.

    >>> nn.utils.prune.Identity().prune(tg.tensor([5.0, 6.0]))
    tensor([5., 6.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask as it is."""
        return default_mask


class _Amount(BasePruningMethod):
    """A method that prunes a number of elements or slices, or a share."""

    amount: Any

    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"amount has to be a number, not {amount!r}")
        self.amount = amount
        self.is_share = not isinstance(amount, numbers.Integral)
        if self.amount < 0 or (self.amount > 1 and self.is_share):
            raise ValueError(f"amount has to be a count or a share from 0 to 1, not {amount}")

    def _count(self, size: int) -> int:
        """How many of `size` are pruned."""
        count = round(self.amount * size) if self.is_share else int(self.amount)
        if count > size:
            raise ValueError(f"amount is {self.amount}, and there are {size} to prune")
        return count


class _Unstructured(_Amount):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask without the elements that this method chooses."""
        count = self._count(t.numel())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._chosen(t, count)] = 0
        return mask

    def _chosen(self, t, count):
        raise NotImplementedError


class RandomUnstructured(_Unstructured):
    """Prunes elements at random: `amount` of them, or that share.

    >>> nn.utils.prune.RandomUnstructured(amount=0.5).prune(tg.ones(8)).sum()
    tensor(4.)
    """

    def _chosen(self, t, count):
        return tg.rand_like(t).reshape(-1).topk(count).indices


class L1Unstructured(_Unstructured):
    """Prunes the elements that are nearest to 0: `amount` of them, or that share.

    >>> nn.utils.prune.L1Unstructured(amount=1).prune(tg.tensor([-5.0, 1.0, 6.0]))
    tensor([-5.,  0.,  6.])
    """

    def _chosen(self, t, count):
        return t.detach().abs().reshape(-1).topk(count, largest=False).indices


class _Structured(_Amount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: int | float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask without the slices along `dim` that this method chooses."""
        if t.ndim <= 1:
            raise ValueError(f"slices can be pruned of 2 or more dimensions, not of a {t.ndim}-D tensor")
        if self.dim >= t.ndim:
            raise IndexError(f"dim {self.dim} is out of range for a tensor of {t.ndim} dimensions")
        size = t.shape[self.dim]
        count = self._count(size)
        if not count:
            return default_mask
        kept = self._kept(t, count).to(t.dtype)
        shape = [1] * t.ndim
        shape[self.dim] = size
        return kept.reshape(shape) * default_mask.to(t.dtype)

    def _kept(self, t, count):
        """Which slices stay."""
        raise NotImplementedError


class RandomStructured(_Structured):
    """Prunes slices along `dim` at random: `amount` of them, or that share.

    >>> nn.utils.prune.RandomStructured(amount=1, dim=0).prune(tg.ones(3, 2)).sum()
    tensor(4.)
    """

    def _kept(self, t, count):
        chance = tg.rand(t.shape[self.dim])
        return chance > chance.kthvalue(count).values


class LnStructured(_Structured):
    """Prunes the slices along `dim` whose `n`-norm is the least: `amount` of them, or that share.

    >>> nn.utils.prune.LnStructured(amount=1, n=2, dim=0).prune(tg.tensor([[1.0, 1.0], [0.5, 2.0]]))
    tensor([[0.0000, 0.0000],
            [0.5000, 2.0000]])
    """

    def __init__(self, amount: int | float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t, count):
        size = t.shape[self.dim]
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        norms = tg.norm(t.detach(), self.n, others)
        kept = tg.zeros(size, dtype=tg.bool)
        kept[norms.topk(size - count).indices] = True
        return kept


class CustomFromMask(BasePruningMethod):
    """Prunes what a given mask hides.

    >>> nn.utils.prune.CustomFromMask(tg.tensor([1.0, 0.0])).prune(tg.tensor([5.0, 6.0]))
    tensor([5., 0.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The product of both masks."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"the mask has to be {tuple(default_mask.shape)} as the tensor is, not "
                f"{tuple(self.mask.shape)}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


# ---- as functions


def identity(module: Module, name: str) -> Module:
    """Prepares a module's tensor for pruning, with a mask of ones; gives back the module.

    >>> layer = nn.utils.prune.identity(nn.Linear(2, 3), "bias")
    >>> layer.bias_mask
    tensor([1., 1., 1.])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: int | float) -> Module:
    """Prunes `amount` elements of a module's tensor, or that share, at random; gives back the module.

    >>> layer = nn.utils.prune.random_unstructured(nn.Linear(2, 3), "weight", 1)
    >>> (layer.weight == 0).sum()
    tensor(1)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: int | float, importance_scores: Tensor | None = None
) -> Module:
    """Prunes `amount` elements of a module's tensor, or that share, which are nearest to 0, or whose scores
    are; gives back the module.

    >>> layer = nn.utils.prune.l1_unstructured(nn.Linear(2, 3), "weight", 0.5)
    >>> sorted(layer.state_dict())
    ['bias', 'weight_mask', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: int | float, dim: int) -> Module:
    """Prunes `amount` slices along `dim` of a module's tensor, or that share, at random; gives back the
    module.

    >>> layer = nn.utils.prune.random_structured(nn.Linear(5, 3), "weight", 2, dim=1)
    >>> (layer.weight.sum(0) == 0).sum()
    tensor(2)
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module,
    name: str,
    amount: int | float,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Module:
    """Prunes `amount` slices along `dim` of a module's tensor, or that share, whose `n`-norm, or that of
    their scores, is the least; gives back the module.

    >>> layer = nn.utils.prune.ln_structured(nn.Linear(5, 3), "weight", 0.3, n=float("inf"), dim=0)
    >>> layer.weight_mask.sum()
    tensor(10.)
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prunes what a mask hides of a module's tensor; gives back the module.

    >>> layer = nn.utils.prune.custom_from_mask(nn.Linear(2, 3), "bias", tg.tensor([0, 1, 0]))
    >>> layer.bias_mask
    tensor([0., 1., 0.])
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type,
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prunes several modules' tensors as if they were one, by an unstructured method, whose settings are the
    other arguments.

    >>> layers = [nn.Linear(2, 2), nn.Linear(2, 1)]
    >>> weights = [(layer, "weight") for layer in layers]
    >>> nn.utils.prune.global_unstructured(weights, nn.utils.prune.L1Unstructured, amount=4)
    >>> sum((layer.weight == 0).sum() for layer in layers)
    tensor(4)
    """
    if not isinstance(parameters, Iterable):
        raise TypeError(
            f"global_unstructured: parameters have to be pairs of module and name, not {parameters!r}"
        )
    given = {} if importance_scores is None else importance_scores
    if not isinstance(given, dict):
        raise TypeError(f"global_unstructured: importance_scores have to be a dict, not {given!r}")
    places = list(parameters)
    tensors = [getattr(module, name) for module, name in places]
    scores = parameters_to_vector(given.get(place, tensor) for place, tensor in zip(places, tensors))
    mask = parameters_to_vector(
        getattr(module, f"{name}_mask", tg.ones_like(tensor))
        for (module, name), tensor in zip(places, tensors)
    )
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f"global_unstructured: {pruning_method.__name__} is {method.PRUNING_TYPE}, and has to be "
            "unstructured"
        )
    method._tensor_name = "all"
    mask = PruningContainer(method).compute_mask(scores, mask)
    parts = mask.split([tensor.numel() for tensor in tensors])
    for (module, name), tensor, part in zip(places, tensors, parts, strict=True):
        custom_from_mask(module, name, part.reshape(tensor.shape))


def remove(module: Module, name: str) -> Module:
    """Ends the pruning of a module's tensor: what was pruned is 0, and may change. Gives back the module.

    >>> layer = nn.utils.prune.l1_unstructured(nn.Linear(2, 3), "weight", 0.5)
    >>> list(nn.utils.prune.remove(layer, "weight").state_dict())
    ['bias', 'weight']
    """
    found = _hooks_on(module, name)
    if not found:
        raise ValueError(f"{name!r} of {type(module).__name__} is not pruned")
    return end_first(module, found)


def is_pruned(module: Module) -> bool:
    """Whether a tensor of the module, or of one below it, is pruned.

    >>> nn.utils.prune.is_pruned(nn.Linear(2, 3))
    False
    """
    return any(_hooks_on(each) for each in module.modules())
