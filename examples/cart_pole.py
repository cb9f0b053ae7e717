"""An actor and a critic that learn to keep a pole upright on a cart.

The cart-pole of Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning
control problems" (1983): a push to the left or to the right every 0.02 s; a run ends when the pole leans by
more than 12 degrees, the cart is 2.4 m from the middle, or after 200 steps. Several carts run at once. The
critic guesses how much longer a state will last; the actor makes what did better than the guess more likely.
"""

import math

import tensorgrad as tg
from tensorgrad import nn

CARTS, SPAN, UPDATES, LONGEST = 16, 20, 250, 200
GRAVITY, POLE_MASS, MASS, HALF_POLE, FORCE, TICK = 9.8, 0.1, 1.1, 0.5, 10.0, 0.02


def begin(carts):
    """Place, speed, angle and turning speed of each cart, all near 0."""
    return tg.rand(carts, 4) * 0.1 - 0.05


def push(state, right):
    """The state after a push, and whether the run has ended."""
    _, speed, angle, turning = state.unbind(1)
    force = tg.where(right, FORCE, -FORCE)
    swing = (force + POLE_MASS * HALF_POLE * turning**2 * angle.sin()) / MASS
    bend = HALF_POLE * (4 / 3 - POLE_MASS * angle.cos() ** 2 / MASS)
    turn = (GRAVITY * angle.sin() - angle.cos() * swing) / bend
    gain = swing - POLE_MASS * HALF_POLE * turn * angle.cos() / MASS
    new = state + TICK * tg.stack([speed, gain, turning, turn], 1)
    return new, (new[:, 0].abs() > 2.4) | (new[:, 2].abs() > math.radians(12))


class Player(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 64), nn.Tanh())
        self.actor, self.critic = nn.Linear(64, 2), nn.Linear(64, 1)

    def forward(self, state):
        seen = self.body(state)
        return self.actor(seen).log_softmax(-1), self.critic(seen).squeeze(-1)


def learn(updates=UPDATES, seed=0):
    """The player, and how many steps each run lasted, in order of their ends."""
    tg.manual_seed(seed)
    player = Player()
    optimizer = tg.optim.Adam(player.parameters(), lr=0.01)
    state, age, lasted = begin(CARTS), tg.zeros(CARTS), []
    for _ in range(updates):
        chances, values, ended = [], [], []
        for _ in range(SPAN):
            shares, value = player(state)
            choice = tg.multinomial(shares.detach().exp(), 1)
            state, fallen = push(state, choice[:, 0] == 1)
            age += 1
            over = fallen | (age >= LONGEST)
            chances.append((shares, choice))
            values.append(value)
            ended.append(over)
            lasted += age[over].tolist()
            age[over] = 0
            state = tg.where(over[:, None], begin(CARTS), state)
        with tg.no_grad():
            ahead = player(state)[1]
        loss = 0.0
        for (shares, choice), value, over in zip(reversed(chances), reversed(values), reversed(ended)):
            ahead = 1 + 0.98 * ahead * ~over
            better = ahead - value
            loss = loss + 0.5 * better.square().mean()
            loss = loss - (shares.gather(1, choice)[:, 0] * better.detach()).mean()
            loss = loss + 0.01 * (shares.exp() * shares).sum(1).mean()
        optimizer.zero_grad()
        (loss / SPAN).backward()
        nn.utils.clip_grad_norm_(player.parameters(), 0.5)
        optimizer.step()
    return player, lasted


def main():
    _, lasted = learn()
    tenth = len(lasted) // 10
    print(f"{len(lasted)} runs; the first tenth lasted {sum(lasted[:tenth]) / tenth:.0f} steps in the mean,")
    print(f"the last tenth {sum(lasted[-tenth:]) / tenth:.0f} of at most {LONGEST}")


if __name__ == "__main__":
    main()
