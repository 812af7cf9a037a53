"""The recognition of latent codes of InfoGAN."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.conditioning import base
from jaxgan.conditioning.base import Conditioning, wide
from jaxgan.conditioning.likelihoods import cross_entropy
from jaxgan.errors import InputError
from jaxgan.layers.spectral import Layers
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, View


def info(*, codes: Sequence[int], weight: float | Schedule = 1.0, continuous_weight: float | Schedule = 0.1,
         learn_variance: bool = True, hidden: int = 128, spectral: bool = False) -> Conditioning:
    """A network Q on the discriminator's features recovers the codes from the image; both players help it.

    Chen et al. 2016, eqs. 5 and 6: D, whose features Q shares, and G minimise -E log Q(c | G(z, c)), which bounds the
    mutual information of code and image from below. No labels are needed.
    codes: how z ends, as the latent prior `info` draws it: k > 1 stands for a categorical code of k classes, one-hot in
    k entries of z; 1 for a continuous one in a single entry. (10, 1, 1): the last 12 entries.
    weight: of the sum over categorical codes of -log Q; continuous_weight: of the sum over continuous ones (the paper
    takes 1, and less for continuous codes). learn_variance=False fixes their variance at 1, as the authors' code does
    for MNIST; a learnt one can shrink without end where a code is read exactly, and its loss falls with it.
    hidden: width of Q's own layer, 0 for none. spectral: see `heads`.
    """
    if not isinstance(codes, Sequence) or not codes or any(type(code) is not int or code < 1 for code in codes):
        raise InputError("config.conditioning: info needs `codes` in the latent, such as (10, 1, 1): set config.latent "
                         f"to {{'name': 'info', 'codes': (10, 1, 1)}}; got {codes!r}.")
    codes = tuple(codes)

    def penalty(view: View) -> tuple[Array, dict[str, Array]]:
        found = view.fake_output.extra["info"]
        categorical, continuous = split_codes(view.z, codes)
        total, metrics = jnp.float32(0), {}
        if categorical:
            truth = [code.argmax(axis=1) for code in categorical]
            logits = split(found["logit"], [code.shape[1] for code in categorical])
            loss = jnp.mean(sum(cross_entropy(logit, code) for logit, code in zip(logits, truth)))
            right = [logit.argmax(axis=1) == code for logit, code in zip(logits, truth)]
            total, metrics = total + at(weight, view.images) * loss, metrics | {"accuracy": jnp.mean(jnp.stack(right))}
        if continuous.shape[1]:
            variance = found["variance"] if learn_variance else jnp.ones_like(found["mean"])
            loss = jnp.mean(gaussian_nll(continuous, found["mean"], variance))
            total, metrics = total + at(continuous_weight, view.images) * loss, metrics | {"continuous": loss}
        return total, metrics

    return Conditioning(base.both(penalty, penalty), {"info": Recogniser(codes, hidden, spectral)})


class Recogniser(nn.Module):
    """Q: features [B, F] -> {"logit" [B, entries of all categorical codes], "mean", "variance" [B, continuous codes]}.

    One hidden layer with leaky ReLU 0.1, as in the paper's table for MNIST but without its batch normalization.
    """

    codes: tuple[int, ...]
    hidden: int
    spectral: bool = False

    @nn.compact
    def __call__(self, features: Array, label: Array | None = None) -> dict[str, Array]:
        x, layers = wide(features), Layers(self.spectral)
        if self.hidden:
            x = jax.nn.leaky_relu(layers.dense(self.hidden, name="hidden")(x, train=True), 0.1)
        num_entries, num_continuous = sum(code for code in self.codes if code > 1), self.codes.count(1)
        x = layers.dense(num_entries + 2 * num_continuous, name="output")(x, train=True)
        logit, mean, log_variance = split(x, [num_entries, num_continuous, num_continuous])
        return {"logit": logit, "mean": mean, "variance": jnp.exp(log_variance)}


def split_codes(z: Array, codes: Sequence[int]) -> tuple[list[Array], Array]:
    """The categorical codes at the end of z, each one-hot [B, k], and the continuous ones together, [B, n]."""
    size = sum(codes)
    if z.shape[-1] < size:
        raise InputError(f"config.latent: z has {z.shape[-1]} entries, fewer than the {size} of codes {list(codes)}.")
    parts = split(z[:, z.shape[-1] - size:], codes)
    continuous = [part for part, code in zip(parts, codes) if code == 1]
    return ([part for part, code in zip(parts, codes) if code > 1],
            jnp.concatenate([z[:, :0], *continuous], axis=1))


def split(x: Array, sizes: Sequence[int]) -> list[Array]:
    """`x` [B, sum(sizes)] cut into pieces of these widths."""
    ends = [sum(sizes[:i + 1]) for i in range(len(sizes))]
    return [x[:, end - size:end] for size, end in zip(sizes, ends)]


def gaussian_nll(x: Array, mean: Array, variance: Array) -> Array:
    """-log N(x; mean, variance) summed over the last axis, [B].

    With StudioGAN's guards: 1e-6 is added under the logarithm (to 2 pi variance) and to twice the variance.
    """
    log_density = -0.5 * jnp.log(2 * jnp.pi * variance + 1e-6) - (x - mean) ** 2 / (2 * variance + 1e-6)
    return -jnp.sum(log_density, axis=-1)
