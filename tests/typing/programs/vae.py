"""A variational autoencoder with PyTorch's distributions."""

from typing import NamedTuple

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.distributions import Bernoulli, Independent, Normal, kl_divergence


class Losses(NamedTuple):
    rebuilt: tg.Tensor
    divergence: tg.Tensor


class VAE(nn.Module):
    def __init__(self, size: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(size, 8), nn.ELU(), nn.Linear(8, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 8), nn.ELU(), nn.Linear(8, size))
        self.prior = Normal(tg.zeros(latent), tg.ones(latent))

    def forward(self, x: tg.Tensor) -> Losses:
        mean, log_scale = self.encoder(x).chunk(2, dim=-1)
        posterior = Normal(mean, log_scale.exp())
        z = posterior.rsample()
        likelihood = Independent(Bernoulli(logits=self.decoder(z)), 1)
        return Losses(-likelihood.log_prob(x).mean(), kl_divergence(posterior, self.prior).sum(-1).mean())

    @tg.inference_mode()
    def sample(self, count: int) -> tg.Tensor:
        return self.decoder(self.prior.sample((count,))).sigmoid()


vae = VAE(6, 2)
optimizer = tg.optim.RMSprop(vae.parameters(), lr=1e-3)
losses = vae((tg.rand(4, 6) > 0.5).float())
(losses.rebuilt + losses.divergence).backward()
optimizer.step()
print(losses.divergence.item() >= 0, vae.sample(3).shape)
