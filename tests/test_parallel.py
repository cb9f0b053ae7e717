"""Modules for several processes and devices, of which there is one: they do what the plain ones do."""

import pytest

import tensorgrad as tg
from tensorgrad import nn


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 4), (2, 3, 2, 2, 2)])
def test_sync_batch_norm_is_the_batch_norm_of_any_input(shape, training):
    plain = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)](3)
    shared = nn.SyncBatchNorm(3, process_group="any")
    x = tg.rand(*shape)
    for norm in (plain, shared):
        norm(x * 3 + 1)
        norm.train(training)
    assert tg.equal(plain(x), shared(x)) and tg.equal(plain.running_var, shared.running_var)
    assert list(plain.state_dict()) == list(shared.state_dict())
    assert repr(shared).removeprefix("Sync").split("(")[1] == repr(plain).split("(")[1]


def test_every_batch_norm_of_a_module_is_converted_and_keeps_its_parameters():
    inner = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, affine=False), nn.InstanceNorm2d(3))
    net = nn.Sequential(inner, nn.BatchNorm2d(3, momentum=0.3)).eval()
    net(tg.rand(2, 2, 4, 4))
    found = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert found is net and type(net[0][2]) is nn.InstanceNorm2d
    assert type(net[1]) is type(net[0][1]) is nn.SyncBatchNorm and not net[1].training
    assert net[1].momentum == 0.3 and net[0][1].weight is None
    norm = nn.BatchNorm1d(3)
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(norm, "group")
    assert shared is not norm and shared.weight is norm.weight and shared.running_mean is norm.running_mean
    assert shared.process_group == "group"


def test_sync_batch_norm_refuses():
    for shape in ((3,), (3, 0, 2)):
        with pytest.raises(ValueError):
            nn.SyncBatchNorm(3)(tg.ones(*shape))


def test_data_parallel_calls_its_module_and_names_it():
    layer = nn.Linear(2, 3)
    both = nn.DataParallel(layer, device_ids=[0, 1], output_device=0)
    x = tg.rand(4, 2)
    assert tg.equal(both(x), layer(x)) and both.module is layer and both.device_ids == []
    assert list(both.state_dict()) == ["module.weight", "module.bias"]
    both.load_state_dict({"module.weight": tg.ones(3, 2), "module.bias": tg.zeros(3)})
    assert (layer.weight == 1).all() and not both.eval().module.training
    assert nn.parallel.DataParallel is nn.DataParallel
    found = nn.parallel.data_parallel(lambda x, scale: x * scale, (x,), module_kwargs={"scale": 2})
    assert tg.equal(found, x * 2)
    assert tg.equal(nn.parallel.data_parallel(layer, x), layer(x))


def test_memory_formats_change_no_module():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv3d(2, 3, 3))
    weight = net[0].weight
    assert nn.utils.convert_conv2d_weight_memory_format(net, tg.channels_last) is net
    assert nn.utils.convert_conv3d_weight_memory_format(net, tg.channels_last_3d) is net
    assert net[0].weight is weight and weight.is_contiguous()
    with pytest.raises(TypeError, match="memory_format"):
        nn.utils.convert_conv2d_weight_memory_format(net, "channels_last")


def test_an_encoder_takes_any_module_for_a_layer():
    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.self_attn = nn.MultiheadAttention(2, 1)
            self.shift = nn.Parameter(tg.ones(2))

        def forward(self, x, src_mask=None, src_key_padding_mask=None, is_causal=False):
            return x + self.shift

    encoder = nn.TransformerEncoder(Shift(), 3)
    assert encoder(tg.zeros(4, 1, 2)).tolist() == [[[3.0, 3.0]]] * 4
    assert len(list(encoder.parameters())) == 3 * 5
    with pytest.raises(TypeError, match="Module"):
        nn.TransformerEncoder(lambda x: x, 2)


SHARES = [(False, 10, 3), (True, 10, 3), (False, 2, 5), (True, 9, 3)]


@pytest.mark.parametrize("drop_last, size, replicas", SHARES)
def test_processes_share_a_dataset(drop_last, size, replicas):
    def parts(epoch):
        found = []
        for rank in range(replicas):
            sampler = tg.utils.data.DistributedSampler(
                range(size), replicas, rank, seed=3, drop_last=drop_last
            )
            sampler.set_epoch(epoch)
            found.append(list(sampler))
            assert len(sampler) == len(found[-1])
        return found

    first = parts(0)
    order = tg.randperm(size, generator=tg.Generator().manual_seed(3)).tolist()
    together = [each for row in zip(*first) for each in row]
    assert together[:size] == order[: len(together)] and len(set(map(len, first))) == 1
    assert set(together) <= set(range(size)) and (drop_last or set(together) == set(range(size)))
    assert size < 9 or parts(1) != first


def test_a_sampler_without_others_has_all():
    sampler = tg.utils.data.distributed.DistributedSampler(range(4), shuffle=False)
    assert list(sampler) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="Invalid rank"):
        tg.utils.data.DistributedSampler(range(4), 2, 2)


def test_questions_about_devices_are_answered():
    assert tg.version.cuda is None and not tg.accelerator.is_available()
    assert tg.accelerator.current_accelerator() is None and tg.accelerator.device_count() == 0
    assert not tg.cuda.is_bf16_supported() and tg.cuda.max_memory_allocated() == 0
    for ask in (tg.cuda.set_device, tg.cuda.get_device_name, tg.cuda.mem_get_info):
        with pytest.raises(RuntimeError, match="no CUDA device"):
            ask(0)
