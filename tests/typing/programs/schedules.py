"""Learning rates that change, averages of weights, a closure."""

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
warm = LinearLR(optimizer, start_factor=0.1, total_iters=2)
cool = CosineAnnealingLR(optimizer, T_max=4)
scheduler = SequentialLR(optimizer, [warm, cool], milestones=[2])
averaged = optim.swa_utils.AveragedModel(model)
for _ in range(4):
    loss = model(tg.ones(2, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    averaged.update_parameters(model)
print(scheduler.get_last_lr()[0], optimizer.param_groups[0]["lr"])

plateau = ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1)
for value in (1.0, 1.0, 1.0):
    plateau.step(value)

second = optim.LBFGS(model.parameters(), lr=1, max_iter=3)


def closure() -> tg.Tensor:
    second.zero_grad()
    loss = (model(tg.ones(2, 3)) - 1).pow(2).sum()
    loss.backward()
    return loss


second.step(closure)
others = [
    StepLR(optim.Adam(model.parameters()), step_size=2, gamma=0.5),
    LambdaLR(optim.NAdam(model.parameters()), lambda epoch: 0.9**epoch),
    OneCycleLR(optim.SGD(model.parameters(), lr=0.1), max_lr=0.2, total_steps=10),
]
for other in others:
    other.optimizer.step()
    other.step()
saved = others[0].state_dict()
others[0].load_state_dict(saved)
