"""The multi-class hinge loss of MHGAN."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxgan.conditioning import base
from jaxgan.conditioning.base import Conditioning, wide
from jaxgan.conditioning.heads import Classifier
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, DiscriminatorOutput, View


def multi_hinge(*, num_classes: int, weight: float | Schedule = 1.0, generator_weight: float | Schedule = 1.0,
                fake_class: bool = True, class_weights: str | Sequence[float] | None = None, spectral: bool = False,
                info=None) -> Conditioning:
    """One classifier of K classes and "fake", under the hinge of Crammer & Singer, in the place of real against fake.

    Kavalerov et al. 2019, in their first form: D minimises `crammer_singer` of real images at their class and of fakes
    at "fake", G that of fakes at their class. For that form set loss="none", so that this is all the two play for;
    with another loss it is added to it. The score of "fake" is minus the discriminator's logit: with the K scores of
    the head these are the K + 1 linear scores of the paper, and whatever else reads the logit (R1, ADA's sign, top-k)
    still reads how real an image looks.
    fake_class=False leaves out "fake" and D's view of fakes: an auxiliary classifier with a hinge, which needs an
    adversarial loss beside it, as in their later form on top of a projection discriminator.
    Only for one class an example. class_weights: as in `auxiliary_classifier`. spectral: see `heads`.
    """
    base.check_labels("multi_hinge", num_classes, ("class",), info)
    weights = base.class_weights(class_weights, num_classes, info)

    def scores(output: DiscriminatorOutput) -> Array:
        classes = wide(output.extra["multi_hinge"])
        return jnp.concatenate([classes, -wide(output.logit)[:, None]], axis=1) if fake_class else classes

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        real = scores(view.real_output)
        losses = crammer_singer(real, view.label)
        if fake_class:
            losses += crammer_singer(scores(view.fake_output), jnp.full_like(view.label, num_classes))
        return (at(weight, view.images) * base.mean(losses, view.label, weights),
                {"accuracy": (real.argmax(axis=1) == view.label).mean()})

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        fake = scores(view.fake_output)
        return (at(generator_weight, view.images) * base.mean(crammer_singer(fake, view.label), view.label, weights),
                {"accuracy": (fake.argmax(axis=1) == view.label).mean()})

    return Conditioning(base.both(discriminator, generator), {"multi_hinge": Classifier(num_classes, spectral)},
                        hides_label=True)


def crammer_singer(score: Array, label: Array) -> Array:
    """max(0, 1 + max over k other than the label of score_k - score_label), [B]; score [B, K], label int [B]."""
    chosen = jax.nn.one_hot(base.class_label(label), score.shape[1], dtype=bool)
    best_other = jnp.max(jnp.where(chosen, -jnp.inf, score), axis=1)
    return jax.nn.relu(1 + best_other - jnp.sum(jnp.where(chosen, score, 0), axis=1))
