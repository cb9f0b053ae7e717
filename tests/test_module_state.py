"""What is saved and copied of modules: state_dict, extra state, pickles, copies."""

import copy
import gc
import pickle
import threading
import weakref

import pytest
from small_modules import Doubles, Net, added_one, ones, same

import tensorgrad as tg
from tensorgrad import nn

# -- state -----------------------------------------------------------------------------------------


def test_state_dict_holds_parameters_and_persistent_buffers_and_shares_memory():
    net = Net()
    state = net.state_dict()
    assert list(state) == ["seen", "first.weight", "first.bias", "last.weight"]
    assert not any(value.requires_grad for value in state.values())
    with tg.no_grad():
        state["seen"].fill_(3.0)
    assert net.seen.item() == 3
    assert net.state_dict(keep_vars=True)["first.weight"] is net.first.weight
    assert list(net.state_dict(prefix="net."))[0] == "net.seen"
    mine = {}
    assert net.state_dict(destination=mine) is mine and len(mine) == 4
    assert list(state._metadata) == ["", "first", "act", "last"] and state._metadata["first"] == {
        "version": 1
    }


def test_load_state_dict_copies_into_the_same_parameters():
    net, other = Net(), Net()
    before = list(net.parameters())
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert all(same(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    assert net.first.weight.data_ptr() != other.first.weight.data_ptr()


def test_load_state_dict_with_assign_takes_the_tensors():
    net, other = Net(), Net()
    other.double()
    net.last.weight.requires_grad_(False)
    state = other.state_dict()
    net.load_state_dict(state, assign=True)
    assert net.first.weight.dtype == tg.float64
    assert net.first.weight.data_ptr() == state["first.weight"].data_ptr()
    assert isinstance(net.first.weight, nn.Parameter) and net.first.weight.requires_grad
    assert not net.last.weight.requires_grad


def test_load_state_dict_names_all_that_does_not_fit():
    net = Net()
    before = copy.deepcopy(net.state_dict())
    state = net.state_dict()
    del state["seen"]
    state["odd"] = ones(1)
    state["first.odd"] = ones(1)
    state["nowhere.weight"] = ones(1)
    state["last.weight"] = ones(5, 5)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    assert message.startswith("Error(s) in loading state_dict for Net:\n\t")
    assert 'Missing key(s) in state_dict: "seen".' in message
    assert 'Unexpected key(s) in state_dict: "odd", "nowhere.weight", "first.odd".' in message
    assert "size mismatch for last.weight: copying a param with shape" in message and "[5, 5]" in message
    assert same(net.last.weight, before["last.weight"])


def test_load_state_dict_without_strict_returns_what_did_not_fit():
    net = Net()
    state = net.state_dict()
    del state["seen"]
    state["odd"] = ones(1)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["seen"] and result.unexpected_keys == ["odd"]
    state["last.weight"] = ones(5, 5)
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)


def test_load_state_dict_refuses_other_things():
    with pytest.raises(TypeError, match="dict-like"):
        Net().load_state_dict([1])
    with pytest.raises(RuntimeError, match='While copying the parameter named "weight"'):
        nn.Linear(1, 1, bias=False).load_state_dict({"weight": "text"})


def test_load_state_dict_takes_one_element_for_a_scalar():
    module = nn.Module()
    module.register_buffer("steps", tg.tensor(0.0))
    module.load_state_dict({"steps": tg.tensor([5.0])})
    assert module.steps.item() == 5 and module.steps.ndim == 0


def test_extra_state_travels_with_the_state_dict():
    class Counting(nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    module = nn.Sequential(Counting())
    module[0].count = 5
    state = module.state_dict()
    assert state == {"0._extra_state": {"count": 5}}
    other = nn.Sequential(Counting())
    other.load_state_dict(state)
    assert other[0].count == 5
    with pytest.raises(RuntimeError, match='Missing key.* "0._extra_state"'):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match='Unexpected key.* "_extra_state"'):
        nn.Identity().load_state_dict({"_extra_state": 1})


def test_a_layer_can_upgrade_an_old_state():
    class New(nn.Module):
        _version = 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(tg.zeros(2))

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            if local_metadata.get("version", 1) < 2:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    module = New()
    module.load_state_dict({"w": ones(2)})
    assert same(module.weight, ones(2))
    module.load_state_dict(module.state_dict())


def test_state_dict_hooks_run():
    net = Net()
    seen = []
    net.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append((prefix, keep_vars)))
    net.first._register_state_dict_hook(
        lambda module, state, prefix, metadata: state.__delitem__(prefix + "bias")
    )
    post = net.register_state_dict_post_hook(lambda module, state, prefix, metadata: seen.append(len(state)))
    assert "first.bias" not in net.state_dict(keep_vars=True)
    assert seen == [("", True), 3]
    post.remove()
    net.register_state_dict_post_hook(lambda *args: 1)
    with pytest.raises(RuntimeError, match="must return None"):
        net.state_dict()


def test_load_state_dict_hooks_run():
    net = Net()
    seen = []

    def before(module, state, prefix, metadata, strict, missing, unexpected, errors):
        seen.append((module is net.first, prefix))
        state[prefix + "bias"] = state.pop(prefix + "offset")

    def after(module, keys):
        seen.append(list(keys.missing_keys))
        keys.missing_keys.clear()

    net.first.register_load_state_dict_pre_hook(before)
    net.register_load_state_dict_post_hook(after)
    state = net.state_dict()
    state["first.offset"] = state.pop("first.bias")
    del state["seen"]
    net.load_state_dict(state)
    assert seen == [(True, "first."), ["seen"]]


# -- copying ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_module_can_be_pickled(protocol):
    net = Net()
    net.note = "kept"
    net.eval()
    again = pickle.loads(pickle.dumps(net, protocol))
    assert type(again) is Net and again.note == "kept" and not again.training
    assert list(again.state_dict()) == list(net.state_dict())
    assert same(again(ones(1, 2)), net(ones(1, 2)))
    assert isinstance(again.first.weight, nn.Parameter) and again.first.weight.requires_grad


def test_deepcopy_copies_values_keeps_sharing_and_hooks():
    net = Net()
    net.tied = net.first
    net.register_forward_hook(added_one)
    again = copy.deepcopy(net)
    assert again.tied is again.first and again.first is not net.first
    assert same(again.first.weight, net.first.weight)
    assert again.first.weight.data_ptr() != net.first.weight.data_ptr()
    assert same(again(ones(1, 2)), net(ones(1, 2)))


def test_copy_shares_the_parts():
    net = Net()
    again = copy.copy(net)
    assert again.first is net.first and again is not net


def test_users_own_pickling_methods_work():
    again = pickle.loads(pickle.dumps(WithoutCache()))
    assert again.cache == "made anew" and isinstance(again.inner, nn.Linear)
    assert copy.deepcopy(WithoutCache()).inner(ones(1, 1)).shape == (1, 1)


class WithoutCache(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)
        self.cache = threading.Lock()  # can't be pickled

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["cache"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.cache = "made anew"


def test_one_instance_may_take_over_the_dict_of_another():
    net = Net()
    other = Doubles()
    other.__dict__ = net.__dict__
    assert other.first is net.first
    state = net.__dict__
    del net, other
    gc.collect()
    assert isinstance(state["_modules"]["first"], nn.Linear)


def test_modules_are_weakly_referable_hashable_and_collected():
    net = Net()
    net.me = net
    gone = weakref.ref(net)
    assert {net: 1}[net] == 1
    del net
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("damage", ["missing", "unexpected", "shape", "hook"])
def test_state_that_does_not_match_leaves_the_module_as_it_was(damage, assign):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    parameters = list(model.parameters())
    before = [p.detach().clone() for p in parameters]
    state = {key: tg.zeros_like(value) for key, value in model.state_dict().items()}
    if damage == "missing":
        del state["1.bias"]
    elif damage == "unexpected":
        state["other"] = tg.ones(1)
    elif damage == "shape":
        state["1.weight"] = tg.ones(5, 5)
    else:
        model[1].register_load_state_dict_post_hook(lambda module, keys: 1 / 0)
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        model.load_state_dict(state, assign=assign)
    assert all(p is q for p, q in zip(model.parameters(), parameters))
    assert all((p == q).all() for p, q in zip(model.parameters(), before))
