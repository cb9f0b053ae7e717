"""Small training scripts, each with a fault and mended."""

HEAD = """
import tensorgrad as torch
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F
torch.manual_seed(0)
"""
VALUES = HEAD + """
x = torch.randn(256, 4)
y = torch.sin(2 * x[:, :1]) + x[:, 1:2]
"""
KINDS = HEAD + """
x = torch.randn(400, 4)
y = (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0.5).long()
"""
NET = "net = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 1))\n"
SORTER = "net = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 3))\n"
ADAM = "opt = torch.optim.Adam(net.parameters(), lr=0.01)\n"
FIT = """
for epoch in range(8):
    for rows in torch.randperm(len(x)).split(32):
        loss = F.mse_loss(net(x[rows]), y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
"""
SORT = FIT.replace("F.mse_loss", "F.cross_entropy")

# code: (script with @ where they differ, fault, mended). The line with "# here" is the one to be named.
CASES = {
    "dead-relu": (KINDS + SORTER + "@\n" + ADAM + SORT, "nn.init.constant_(net[0].bias, -30.0)  # here", ""),
    "saturated": (
        VALUES
        + "net = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))\n"
        "for layer in (net[0], net[2]):\n    @\n" + ADAM + FIT,
        "nn.init.normal_(layer.weight, std=25.0)  # here", "nn.init.normal_(layer.weight, std=0.3)",
    ),
    "vanishing-gradient": (
        VALUES + "layers = [nn.Linear(4, 16)]\nfor _ in range(9):\n    layers += [@, nn.Linear(16, 16)]\n"
        "net = nn.Sequential(*layers, nn.Linear(16, 1))\n"
        + ADAM.replace("0.01", "0.003") + FIT.replace("range(8)", "range(16)"),
        "nn.Sigmoid()", "nn.LeakyReLU(0.5)",
    ),
    "exploding-gradient": (
        VALUES
        + "layers = [nn.Linear(4, 32)]\nfor _ in range(8):\n    layers += [nn.ReLU(), nn.Linear(32, 32)]\n"
        "    @\nnet = nn.Sequential(*layers, nn.Linear(32, 1))\n"
        "opt = torch.optim.SGD(net.parameters(), lr=1e-3)\n" + FIT,
        "nn.init.normal_(layers[-1].weight, std=2.0)  # here", "nn.init.kaiming_normal_(layers[-1].weight)",
    ),
    "not-in-optimizer": (
        VALUES + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = @
        self.last = nn.Linear(16, 1)
    def forward(self, x):
        return self.last(torch.tanh(self.first[0](x)))
net = Net()
""" + ADAM + FIT,
        "[nn.Linear(4, 16)]  # here", "nn.ModuleList([nn.Linear(4, 16)])",
    ),
    "no-gradient": (
        VALUES + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 16), nn.Linear(16, 1)
    def forward(self, x):
        h = torch.tanh(self.first(x))
        @
        return self.last(h)
net = Net()
""" + ADAM + FIT,
        "h = h.detach()  # here", "h = h * 1.0",
    ),
    "stale-parameter": (VALUES + NET + ADAM + "@\n" + FIT, "net[2] = nn.Linear(24, 1)  # here", ""),
    "missing-zero-grad": (VALUES + NET + ADAM
    + FIT.replace("opt.zero_grad()", "@"), "pass", "opt.zero_grad()"),
    "missing-step": (VALUES + NET + ADAM + FIT.replace("opt.step()", "@"), "pass", "opt.step()"),
    "missing-backward": (VALUES + NET + ADAM
    + FIT.replace("loss.backward()", "@"), "pass", "loss.backward()"),
    "softmax-before-cross-entropy": (
        KINDS + SORTER + ADAM + SORT.replace("F.cross_entropy(net(x[rows])", "F.cross_entropy(@") + "# \n",
        "F.softmax(net(x[rows]), 1)", "net(x[rows])",
    ),
    "sigmoid-before-bce-with-logits": (
        VALUES + "y = (y > 0).float()\n" + NET + ADAM
        + FIT.replace("F.mse_loss(net(x[rows])", "F.binary_cross_entropy_with_logits(@"),
        "torch.sigmoid(net(x[rows]))", "net(x[rows])",
    ),
    "softmax-wrong-dim": (
        KINDS + SORTER + ADAM
        + SORT.replace("F.cross_entropy(net(x[rows])", "F.nll_loss(F.log_softmax(net(x[rows]), dim=@)"),
        "0", "1",
    ),
    "nan-birth": (
        VALUES + NET + ADAM
        + FIT.replace("F.mse_loss(net(x[rows]), y[rows])", "(torch.sqrt(@ - net(x[rows])) - 1).mean()"),
        "(y[rows] * 0)", "(y[rows] * 0 + 100)",
    ),
    "nan-in-data": (VALUES + "@\n" + NET + ADAM + FIT, "x[5, 1] = float('nan')", ""),
    "eval-left-on": (
        KINDS
        + "net = nn.Sequential(nn.Linear(4, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 3))\n@\n"
        + ADAM + SORT,
        "net.eval()  # here", "net.train()",
    ),
    "train-left-on": (
        KINDS + "net = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Dropout(0.4), nn.Linear(24, 3))\n"
        + ADAM + SORT
        + "@\nwith torch.no_grad():\n    right = (net(x).argmax(1) == y).sum()  # here\n",
        "", "net.eval()",
    ),
    "lr-too-high": (KINDS + SORTER + "opt = torch.optim.SGD(net.parameters(), lr=@)  # here\n"
    + SORT, "40.0", "0.2"),
    "lr-too-low": (KINDS + SORTER + "opt = torch.optim.SGD(net.parameters(), lr=@)  # here\n"
    + SORT, "1e-7", "0.2"),
    "lr-zero": (
        KINDS + SORTER + ADAM
        + "plan = torch.optim.lr_scheduler.LambdaLR(opt, lambda n: (n + 1) @ 50)  # here\n"
        + SORT + "        plan.step()\n",
        "// 5000 *", "/",
    ),
    "broadcast-loss": (
        VALUES + "@\n" + NET + ADAM + FIT.replace("y[rows])", "y[rows])  # here"), "y = y.squeeze(1)", "",
    ),
    "symmetric-init": (
        VALUES
        + "net = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 1))\n"
        "for p in net.parameters():\n    @\n" + ADAM + FIT,
        "nn.init.constant_(p, 0.2)  # here", "p.data.mul_(1.1)",
    ),
    "input-scale": (KINDS + "x = x * @\n" + SORTER + "opt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
    + SORT, "3000.0", "1.0"),
    "constant-input": (
        KINDS + SORTER + ADAM
        + SORT.replace("net(x[rows]), y[rows])", "net(x[rows @]), y[rows])  # here"), "* 0", "",
    ),
    "no-nonlinearity": (
        VALUES.replace("x[:, 1:2]", "x[:, 1:2].abs()")
        + "net = nn.Sequential(nn.Linear(4, 24), @, nn.Linear(24, 1))\n" + ADAM + FIT,
        "nn.Dropout(0.01)", "nn.GELU()",
    ),
    "frozen": (VALUES + NET + "for p in net[0].parameters():\n    p.requires_grad = @\n" + ADAM
    + FIT, "False  # here", "True"),
    "graph-kept": (VALUES + NET + ADAM + "total = 0.0\n" + FIT
    + "        total += @\n", "loss  # here", "loss.item()"),
    "weight-decay-too-strong": (
        VALUES + NET + "opt = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=@)  # here\n"
        + FIT, "20.0", "0.01",
    ),
    "clipped-to-nothing": (
        VALUES + NET + ADAM
        + FIT.replace("opt.step()",
        "nn.utils.clip_grad_norm_(net.parameters(), @)  # here\n        opt.step()"),
        "1e-6", "1.0",
    ),
    "constant-prediction": (
        KINDS + "y = (x[:, 0] > @).long()\n" + SORTER.replace("24, 3", "24, 2")
        + "opt = torch.optim.SGD(net.parameters(), lr=0.05)\n" + SORT, "1.8", "0.1",
    ),
    "batch-of-one-norm": (
        HEAD + "x, y = torch.randn(60, 3, 8), torch.arange(60) % 2\n"
        "net = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(),"
        " nn.Linear(24, 2))\n" + ADAM
        + SORT.replace("split(32)", "split(@)").replace("y[rows])", "y[rows])  # here"), "1", "20",
    ),
    "detached-loss": (
        VALUES + NET + ADAM + FIT.replace("loss.backward()", "@\n        loss.backward()  # here"),
        "loss = torch.tensor(loss.item(), requires_grad=True)", "loss = loss * 1.0",
    ),
    "wrong-reduction": (
        KINDS + SORTER + "opt = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)\n"
        + SORT.replace("y[rows])", "y[rows], reduction='@')  # here"), "sum", "mean",
    ),
    "labels-unrelated": (KINDS + "@\n" + SORTER + ADAM
    + SORT.replace("range(8)", "range(12)"), "y = y[torch.randperm(400)]", ""),
    "not-shuffled": (KINDS + SORTER + ADAM + "@\n"
    + SORT.replace("torch.randperm(len(x))", "order"), "order = y.argsort()", "order = torch.randperm(400)"),
    "backward-inside-no-grad": (
        VALUES + NET + ADAM
        + "def step(rows):\n    loss = F.mse_loss(net(x[rows]), y[rows])\n    loss.requires_grad_()\n"
        "    opt.zero_grad()\n    loss.backward()  # here\n    opt.step()\nfor k in range(30):\n"
        "    with torch.set_grad_enabled(@):\n        step(torch.randperm(256)[:32])\n", "False", "True",
    ),
    "bad-clip": (
        VALUES + NET + ADAM + "def clip():\n    nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # here\n"
        + """
for k in range(60):
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    @
    opt.step()
""", "clip(); loss.backward()", "loss.backward(); clip()",
    ),
    "dropout-too-strong": (
        KINDS
        + "net = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Dropout(@), nn.Linear(24, 3))  # here\n"
        + ADAM + SORT,
        "0.95", "0.2",
    ),
    "hidden-state-not-detached": (
        HEAD + "cell, read = nn.RNNCell(1, 8), nn.Linear(8, 1)\n"
        "opt = torch.optim.Adam([*cell.parameters(), *read.parameters()], lr=0.01)\n" + """
wave = torch.sin(torch.arange(0, 200) / 5.0).reshape(-1, 1, 1)
h = torch.zeros(1, 8)
for k in range(0, 100, 5):
    for t in range(k, k + 5):
        h = cell(wave[t], h)
    loss = F.mse_loss(read(h), wave[k + 5])
    opt.zero_grad()
    loss.backward()  # here
    opt.step()
    @
""", "pass", "h = h.detach()",
    ),
}  # fmt: skip

SEQUENCES = HEAD + """
def batches(count):
    for _ in range(count):
        x = torch.randn(32, 12, 2)
        yield x, x[:, 0, 0] * x[:, -1, 1]
"""

# name: (code, script, fault, mended): the same faults elsewhere, and what only looks like them
MORE = {
    "a moving average keeps its graphs, norms of weights do not": (
        "graph-kept",
        VALUES + "net = nn.Sequential(*[nn.Linear(4, 4) for _ in range(12)], nn.Tanh(), nn.Linear(4, 1))\n"
        "average = 0.0\n" + ADAM + FIT
        + "        average = 0.9 * average + 0.1 * loss@  # here\n"
        "        size = sum(p.square().sum() for p in net.parameters())\n",
        "", ".detach()",
    ),
    "lists of a dictionary": (
        "graph-kept",
        VALUES + NET + ADAM + "log = {'loss': []}\n" + FIT + "        log['loss'].append(loss@)  # here\n",
        "", ".item()",
    ),
    "weights of no module": (
        "not-in-optimizer",
        VALUES + "net = lambda x: torch.tanh(F.linear(x, first)).mm(second)\n"
        "first, second = torch.randn(9, 4, requires_grad=True), torch.randn(9, 1, requires_grad=True)\n"
        "opt = torch.optim.Adam([@], lr=0.01)  # here\n" + FIT,
        "second", "first, second",
    ),
    "units of an LSTM": (
        "symmetric-init",
        SEQUENCES + "lstm, last = nn.LSTM(2, 8, batch_first=True), nn.Linear(8, 1)\n"
        "for p in (*lstm.parameters(), *last.parameters()):\n    @\n"
        "opt = torch.optim.Adam([*lstm.parameters(), *last.parameters()], lr=0.01)\n"
        "for x, y in batches(40):\n    loss = F.mse_loss(last(lstm(x)[0][:, -1])[:, 0], y)\n"
        "    opt.zero_grad()\n    loss.backward()\n    opt.step()\n",
        "nn.init.constant_(p, 0.1)  # here", "nn.init.uniform_(p, -0.3, 0.3)",
    ),
    "a recurrent layer whose gradient grows": (
        "exploding-gradient",
        SEQUENCES + "rnn, last = nn.RNN(2, 8, batch_first=True, nonlinearity='relu'), nn.Linear(8, 1)\n"
        "@\nopt = torch.optim.SGD([*rnn.parameters(), *last.parameters()], lr=1e-3)\n"
        "for x, y in batches(40):\n    loss = F.mse_loss(last(rnn(x.repeat(1, 3, 1))[0][:, -1])[:, 0], y)\n"
        "    opt.zero_grad()\n    loss.backward()\n    opt.step()\n",
        "nn.init.orthogonal_(rnn.weight_hh_l0, gain=2.5)  # here", "nn.init.orthogonal_(rnn.weight_hh_l0)",
    ),
    "infinite targets": (
        "nan-in-data", VALUES + "import numpy as np\nwith np.errstate(all='ignore'):\n"
        "    y = torch.from_numpy(np.log(np.abs(np.round(y.numpy(), @))))\n" + NET + ADAM + FIT,
        "0", "6",
    ),
    "rates too low for a gradient that is always the same": (
        "lr-too-low", VALUES.replace("torch.sin", "3 + 0.1 * torch.sin") + NET
        + "opt = torch.optim.SGD(net.parameters(), lr=@)  # here\n" + FIT, "2e-6", "1e-2",
    ),
    "a sum that ends in nan at once": (
        "wrong-reduction",
        VALUES + NET.replace("4, 24", "4, 240").replace("24, 1)", "240, 1)")
        + "opt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        + FIT.replace("y[rows])", "y[rows], reduction=@)  # here"), "'sum'", "'mean'",
    ),
    "random features are frozen on purpose": (
        "frozen",
        VALUES + "net = nn.Sequential(nn.Linear(4, @), nn.Tanh(), nn.Linear(@, 1))\n"
        "net[0].requires_grad_(False)  # here\nopt = torch.optim.Adam(net[2].parameters(), lr=0.03)\n"
        + FIT.replace("range(8)", "range(40)"), "2", "300",
    ),
    "noise over a weak line": (
        "labels-unrelated",
        HEAD + "x = torch.randn(1200, 4)\ny = @ + 2 * torch.randn(1200, 1)\nnet = nn.Linear(4, 1)\n"
        + ADAM + FIT.replace("range(8)", "range(4)"), "0 * x[:, :1]", "0.6 * x[:, :1]",
    ),
    "a teacher that stays in training mode": (
        "train-left-on",
        KINDS + "net, teacher = (nn.Sequential(nn.Linear(4, 24), nn.BatchNorm1d(24), nn.ReLU(), "
        "nn.Linear(24, 3)) for _ in range(2))\n"
        + ADAM + SORT.replace("loss = F.cross_entropy(net(x[rows]), y[rows])", """
        with torch.no_grad():
            said = teacher(x[rows]).softmax(1)  # here
        loss = F.cross_entropy(net(x[rows]), y[rows]) + (net(x[rows]) - @).square().mean() / 9"""),
        "1", "said",
    ),
}  # fmt: skip
