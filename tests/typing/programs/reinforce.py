"""Policy gradients on a game of one dimension."""

import random
from collections import deque

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.distributions import Categorical


class Walk:
    def __init__(self, length: int = 5) -> None:
        self.length = length
        self.place = 0

    def reset(self) -> tg.Tensor:
        self.place = 0
        return self.seen()

    def seen(self) -> tg.Tensor:
        return nn.functional.one_hot(tg.tensor(self.place), self.length).float()

    def step(self, action: int) -> tuple[tg.Tensor, float, bool]:
        self.place = min(max(self.place + (1 if action else -1), 0), self.length - 1)
        done = self.place == self.length - 1
        return self.seen(), float(done), done


class Policy(nn.Module):
    def __init__(self, states: int, actions: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(states, 16), nn.ReLU(), nn.Linear(16, actions))

    def forward(self, state: tg.Tensor) -> Categorical:
        return Categorical(logits=self.net(state))


def play(game: Walk, policy: Policy, most: int = 20) -> tuple[tg.Tensor, list[float]]:
    logs: list[tg.Tensor] = []
    rewards: list[float] = []
    state = game.reset()
    for _ in range(most):
        choice = policy(state)
        action = choice.sample()
        logs.append(choice.log_prob(action))
        state, reward, done = game.step(int(action.item()))
        rewards.append(reward)
        if done:
            break
    return tg.stack(logs), rewards


random.seed(0)
game, policy = Walk(), Policy(5, 2)
optimizer = tg.optim.SGD(policy.parameters(), lr=0.1, momentum=0.9)
memory: deque[float] = deque(maxlen=10)
for _ in range(3):
    logs, rewards = play(game, policy)
    returns = tg.tensor(rewards).flip(0).cumsum(0).flip(0)
    loss = -(logs * (returns - returns.mean())).sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    memory.append(sum(rewards))
