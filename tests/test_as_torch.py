"""Programs that import torch run on tensorgrad: each in a process of its own, which `as_torch` changes."""

import os
import subprocess
import sys

import pytest

import tensorgrad as tg

PROGRAM = '''
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.backends.cudnn as cudnn
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, optim
from torch.autograd import Variable
from torch.cuda.amp import GradScaler, autocast
from torch.distributions.normal import Normal
from torch.nn.modules.utils import _pair
from torch.nn.utils.rnn import pad_sequence
from torch.optim.adam import Adam
from torch.optim.lr_scheduler import StepLR
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, TensorDataset

cudnn.benchmark = True
assert torch.backends.cudnn.benchmark and not torch.backends.mps.is_available()
assert not torch.cuda.is_available() and not dist.is_available() and not torch.is_autocast_enabled()
torch.manual_seed(0)
model = torch.compile(torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))))
optimizer = Adam(model.parameters(), lr=0.01)
scaler = GradScaler(enabled=False)
for x, y in DataLoader(TensorDataset(torch.randn(32, 4), torch.randint(0, 2, (32,))), batch_size=8):
    with autocast(enabled=False):
        loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
print(f"{loss.item():.5f}", __name__, isinstance(loss, Tensor), sys.argv[1:], tree_map(len, {"a": ["bc"]}))
'''
SAYS = "0.66340 __main__ True ['--lr', '1'] {'a': [2]}"  # the loss is PyTorch 2.13's


def python(*command, folder):
    paths = [os.path.dirname(os.path.dirname(tg.__file__)), *sys.path]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    run = [sys.executable, *command]
    return subprocess.run(run, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("start", [["program.py"], ["-m", "program"]], ids=["script", "module"])
def test_a_program_runs_as_it_is(folder, start):
    run = python("-m", "tensorgrad", "run", *start, "--lr", "1", folder=folder)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == SAYS


WORKERS = """
import multiprocessing
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

class Who(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return f"{torch.__version__} {get_worker_info().id}"

if __name__ == "__main__":
    for method in multiprocessing.get_all_start_methods():
        print(list(DataLoader(Who(), None, num_workers=2, multiprocessing_context=method)))
"""


@pytest.mark.parametrize("start", [["workers.py"], ["-m", "workers"]], ids=["script", "module"])
def test_processes_that_a_program_starts_have_it_too(folder, start):
    (folder / "workers.py").write_text(WORKERS)
    run = python("-m", "tensorgrad", "run", *start, folder=folder)
    assert run.returncode == 0, run.stderr
    said = {"['2.13.0+tensorgrad 0', '2.13.0+tensorgrad 1']"}
    assert set(run.stdout.splitlines()) == said


def test_what_a_program_raises_is_its_own(folder):
    (folder / "fails.py").write_text("import sys, torch\nprint(1 / 0 if len(sys.argv) > 1 else sys.exit(7))")
    assert python("-m", "tensorgrad", "run", "fails.py", folder=folder).returncode == 7
    run = python("-m", "tensorgrad", "run", "fails.py", "x", folder=folder)
    assert run.returncode == 1 and "ZeroDivisionError" in run.stderr and "line 2" in run.stderr
    run = python("-m", "tensorgrad", "run", "nowhere.py", folder=folder)
    assert run.returncode == 1 and run.stderr == "tensorgrad: nowhere.py: there is no such script\n"


CALLS = {
    "versions": 'assert torch.__version__ == "2.13.0+tensorgrad" and torch.__version__ > "2.9" and '
    'torch.__version__ >= (2, 13) and not torch.__version__ < "2.13.0" and torch.__version__ <= "10.0"',
    "one module": "import torch.nn.functional; assert torch.nn.functional is tg.nn.functional; "
    "assert torch.Tensor is tg.Tensor",
    "again": "assert tg.as_torch() is torch",
    "sparse": "import torch.sparse as sp; from torch.sparse import FloatTensor; "
    "x = FloatTensor(torch.tensor([[0], [1]]), torch.ones(1), torch.Size([2, 2])); "
    "assert torch.spmm(x, torch.eye(2)).equal(sp.mm(x, torch.eye(2))) and x.layout is torch.sparse_coo",
    "names": "import torch.optim.sgd, torch.amp.grad_scaler, torch.distributions.kl, torch.serialization; "
    "import torch.cuda.amp.grad_scaler; assert torch.optim.sgd.SGD is tg.optim.SGD",
    "old tops": "import torch.utils.model_zoo as model_zoo; from torch.utils.dlpack import from_dlpack; "
    "from torch.distributions.utils import broadcast_all; from torch.storage import UntypedStorage; "
    "from torch.autograd import profiler; from torch.nn.parallel.distributed import DistributedDataParallel; "
    "from torch.nn.modules.transformer import _get_clones; from torch.types import Device, Number, _size; "
    "import torch._dynamo; torch._dynamo.config.suppress_errors = True; torch._dynamo.reset(); "
    "assert torch.hub.load_state_dict_from_url is model_zoo.load_url and profiler is torch.profiler",
    "memory": "assert torch.cuda.OutOfMemoryError is torch.OutOfMemoryError; "
    "assert issubclass(torch.OutOfMemoryError, RuntimeError)",
    "imported and not used": "import torch.fx, torch._C, torch.xpu, torch.utils.cpp_extension as c; "
    "from torch.distributed.nn.functional import all_gather; import torch.distributed.fsdp; "
    "from torch.fx import GraphModule, wrap; assert wrap(len) is len and not isinstance(1, GraphModule); "
    "from torch.onnx import is_in_onnx_export as asked; assert not asked() and not torch.xpu.is_available(); "
    "Mine = type('Mine', (torch.fx.Interpreter,), {}); "
    "from torch.utils.data.datapipes.iter import Mapper; import torch.ops; torch.ops.aten.add.Tensor; "
    "assert torch._C._get_tracing_state() is None and not hasattr(torch, 'nothing')",
    "dtypes that no tensor has": "x = torch.ones(1); table = {torch.complex64: 8, torch.float32: 4, "
    "torch.uint16: 2}; assert table[x.dtype] == 4 and x.dtype not in (torch.complex64, torch.float8_e5m2); "
    "assert str(torch.complex64) == 'torch.complex64' and torch.cfloat is torch.complex64\n"
    "try: x.to(torch.complex64)\nexcept TypeError as e: assert 'complex numbers are not in' in str(e)\n"
    "else: assert 0",
    "names are looked for once": "torch.add, torch.float32, torch.cfloat, torch._foreach_add; "
    "type(torch).__getattr__ = None; assert torch.add is tg.add and torch.float32 is tg.float32; "
    "assert torch.cfloat.is_complex and torch._foreach_add is tg._foreach_add",
    "version": "from importlib.metadata import version; "
    "assert version('torch') == version('Torch') == '2.13.0'; "
    "from torch.torch_version import TorchVersion; assert TorchVersion('2.1') < '2.13'; "
    "assert 'CPU' in torch.__config__.show()",
    "how things print": "x = torch.ones(2, 3, dtype=torch.float64); "
    "assert str(x.shape) == 'torch.Size([2, 3])'; "
    "assert str(x.dtype) == 'torch.float64' and x.type() == 'torch.DoubleTensor'; "
    "assert repr(x[0]) == 'tensor([1., 1., 1.], dtype=torch.float64)' and str(x.layout) == 'torch.strided'; "
    "assert repr(x.max(0)).startswith('torch.return_types.max')",
    "spec": "import importlib.util; assert importlib.util.find_spec('torch'); "
    "import torch.nn; assert tg.nn.__spec__.name == 'tensorgrad.nn'",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_module_torch(folder, call):
    run = python("-c", f"import tensorgrad as tg; tg.as_torch(); import torch; {call}", folder=folder)
    assert run.returncode == 0, run.stderr


MISSING = {
    "import torch; torch.sparse_bsr_tensor": "AttributeError: .*_bsr_tensor': that of sparse tensors is",
    "import torch.nn.nothing": "ModuleNotFoundError: No module named 'torch.nn.nothing'",
    "from torch.nn import Linearr": "ImportError: cannot import name 'Linearr'",
    "import tensorgrad; tensorgrad.fft": "AttributeError: .*'fft': complex numbers are not in tensorgrad yet",
    "import torch; torch.fft.fft()": "NotImplementedError: torch.fft.fft: complex numbers are not in tensor",
    "from torch import fx; fx.Tracer()": "NotImplementedError: torch.fx.Tracer: compiling a program is",
    "from torch.distributed import nn; nn.f()": "NotImplementedError: torch.distributed.nn.f: training on",
    "import torch; torch.ops.mine.f.default(1)": "NotImplementedError: torch.ops.mine.f: code that was comp",
    "import torch.jit; torch.jit.load('x')": "NotImplementedError: jit.load: compiled programs are not in",
}


@pytest.mark.parametrize("line", MISSING)
def test_what_is_not_there_says_so(folder, line):
    import re

    run = python("-c", f"import tensorgrad as tg; tg.as_torch()\n{line}", folder=folder)
    assert run.returncode == 1 and re.search(MISSING[line], run.stderr.splitlines()[-1])


def test_a_pytorch_that_is_installed_is_not_touched(folder):
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text("print('loaded')")
    program = "import tensorgrad as tg; tg.as_torch(); import torch; print(torch.ones(1))"
    run = python("-c", program, folder=folder)
    assert run.stdout == "tensor([1.])\n", run.stderr
    run = python("-c", "import torch, tensorgrad as tg; tg.as_torch()", folder=folder)
    assert "RuntimeError: as_torch: PyTorch itself is imported already" in run.stderr


def test_trees():
    from collections import OrderedDict, defaultdict, namedtuple

    from tensorgrad.utils import _pytree as trees

    Pair = namedtuple("Pair", "first second")
    tree = [Pair(1, (2, [])), OrderedDict(b=3, a=None), defaultdict(list, c=[4]), {}]
    leaves, spec = trees.tree_flatten(tree)
    assert leaves == [1, 2, 3, None, 4] and spec.num_leaves == 5 and spec == trees.tree_structure(tree)
    back = trees.tree_unflatten(leaves, spec)
    assert back == tree and [type(part) for part in back] == [type(part) for part in tree]
    assert back[2]["new"] == []
    assert trees.tree_map_only(int, lambda x: -x, tree)[0] == Pair(-1, (-2, []))
    assert trees.tree_leaves(tree, is_leaf=lambda x: isinstance(x, Pair))[0] == tree[0]
    with pytest.raises(ValueError, match="4 leaves, the spec has 5"):
        trees.tree_unflatten(leaves[:4], spec)
    with pytest.raises(ValueError, match="not built alike"):
        trees.tree_map(max, [1], [1, 2])
