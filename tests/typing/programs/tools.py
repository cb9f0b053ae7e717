"""Random numbers, settings, the profiler, checkpointed functions and what shows a graph."""

import tensorgrad as tg
from tensorgrad import Tensor, nn
from tensorgrad.profiler import profile
from tensorgrad.utils.checkpoint import checkpoint


def seeded(seed: int) -> Tensor:
    generator = tg.Generator()
    generator.manual_seed(seed)
    return tg.rand(2, 2, generator=generator)


tg.set_default_dtype(tg.float32)
tg.set_num_threads(tg.get_num_threads())
tg.set_printoptions(precision=3)
state = tg.get_rng_state()
print(seeded(1), tg.randn(2), tg.randperm(4).tolist(), tg.randint(5, (2,)), tg.bernoulli(tg.full((2,), 0.5)))
tg.set_rng_state(state)

layer = nn.Linear(2, 2)
x = seeded(0).requires_grad_()
out: Tensor = checkpoint(layer, x, use_reentrant=False)
out.sum().backward()
with profile() as run:
    layer(x).relu().sum().backward()
print(len(str(run.key_averages().table())) > 0, tg.summary(layer, x) is not None)
device = tg.device("cuda" if tg.cuda.is_available() else "cpu")
print(layer.to(device), tg.zeros(2, device=device).device.type, tg.backends.mps.is_available())
with tg.set_grad_enabled(False), tg.backend("numpy"):
    print(layer(x).requires_grad, tg.get_backend(), tg.is_grad_enabled(), tg.__version__ != "")
