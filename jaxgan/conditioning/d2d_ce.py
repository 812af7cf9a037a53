"""The data-to-data cross-entropy (D2D-CE) of ReACGAN."""

import jax
import jax.numpy as jnp

from jaxgan.conditioning import base
from jaxgan.conditioning.base import Conditioning
from jaxgan.conditioning.heads import Embedding, similarities
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, View


def d2d_ce(*, num_classes: int, weight: float | Schedule = 1.0, generator_weight: float | Schedule = 1.0,
           temperature: float = 0.5, positive_margin: float = 0.98, negative_margin: float = 0.02,
           shift_negatives: bool = False, dim: int = 512, spectral: bool = False, info=None) -> Conditioning:
    """Each image nears the proxy of its class and leaves images of other classes, on a sphere of `dim` dimensions.

    Kang et al. 2021 (ReACGAN), section 3: D minimises `d2d_ce_loss` over a batch of real images, G over a batch of
    fakes. The margins stop both forces where they have done enough. For CIFAR10 they use weight and generator_weight
    0.5, temperature 0.5, positive_margin 0.98; negative_margin is always 1 - positive_margin. Their code computes
    something else than their formula: see `shift_negatives` in `d2d_ce_loss`, which reproduces it.
    Comparisons stay within the batch, under parallel="pmap" within a device's share. Only for one class an example.
    spectral: see `heads`.
    """
    base.check_labels("d2d_ce", num_classes, ("class",), info)
    if not temperature > 0:
        raise InputError(f"config.conditioning: temperature must be above 0; got {temperature}.")

    def value(output, label: Array) -> Array:
        head = output.extra["d2d_ce"]
        return jnp.mean(d2d_ce_loss(head["image"], head["proxy"], label, temperature=temperature,
                                    positive_margin=positive_margin, negative_margin=negative_margin,
                                    shift_negatives=shift_negatives))

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        return at(weight, view.images) * value(view.real_output, view.label), {}

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        return at(generator_weight, view.images) * value(view.fake_output, view.label), {}

    return Conditioning(base.both(discriminator, generator), {"d2d_ce": Embedding(num_classes, dim, spectral)},
                        hides_label=True)


def d2d_ce_loss(image: Array, proxy: Array, label: Array, *, temperature: float, positive_margin: float,
                negative_margin: float, shift_negatives: bool = False) -> Array:
    """[B]: -log(p_i / (p_i + sum_j n_ij)), j over the images of other classes than i's, where

    p_i = exp(min(0, cos(image_i, proxy_i) - positive_margin) / temperature),
    n_ij = exp(max(0, cos(image_i, image_j) - negative_margin) / temperature).

    image, proxy: unit vectors [B, dim], proxy i that of image i's class. label: int [B].
    shift_negatives: divide n_ij, but not p_i, by exp(max_k (cos(image_i, image_k) - negative_margin) / temperature)
    over all k other than i, held constant: what StudioGAN does, on which the paper's scores rest. It was to keep exp
    in range, but makes negatives weigh less the nearer any image is, of whatever class.
    """
    label = base.class_label(label)
    positive = -jax.nn.relu(positive_margin - jnp.sum(image * proxy, axis=1, keepdims=True)) / temperature
    beyond = (similarities(image) - negative_margin) / temperature
    negative = jax.nn.relu(beyond)
    if shift_negatives:
        others = jnp.where(jnp.eye(len(label), dtype=bool), -jnp.inf, beyond)
        negative -= jax.lax.stop_gradient(others.max(axis=1, keepdims=True))
    negative = jnp.where(label[:, None] == label, -jnp.inf, negative)
    return jax.nn.logsumexp(jnp.concatenate([positive, negative], axis=1), axis=1) - positive[:, 0]
