"""The auxiliary classifier of ACGAN."""

from collections.abc import Sequence

from jaxgan.conditioning import base, likelihoods
from jaxgan.conditioning.base import Conditioning
from jaxgan.conditioning.heads import Classifier
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, View


def auxiliary_classifier(*, num_classes: int, weight: float | Schedule = 1.0,
                         generator_weight: float | Schedule = 1.0, labels: str = "class", train_on_fake: bool = False,
                         class_weights: str | Sequence[float] | None = None, spectral: bool = False,
                         info=None) -> Conditioning:
    """A classifier beside the critic: D minimises -log C(y | real), G minimises -log C(y | fake).

    Odena et al. 2017, eq. 3. There D also learns the labels of fakes (`train_on_fake`); the default follows
    StudioGAN and WGAN-GP, whose classifier reads real images alone and so never learns the generator's mistakes.
    Known to favour samples that are easy to classify over the full breadth of a class: that is what
    `twin_auxiliary_classifier`, `adc` and `d2d_ce` set out to mend. WGAN-GP uses generator_weight 0.1.
    labels: "class" (softmax), "several" (vectors of 0 and 1: a sigmoid an entry) or "continuous" (vectors: squared
    error). class_weights: None, "balanced", or one a class (`base.class_weights`); for both players.
    spectral: see `heads`.
    """
    loss = likelihoods.find(labels)
    base.check_labels("auxiliary_classifier", num_classes, likelihoods.kinds(labels), info)
    if class_weights is not None and labels != "class":
        raise InputError("config.conditioning: class_weights needs labels='class'.")
    weights = base.class_weights(class_weights, num_classes, info)

    def value(prediction: Array, label: Array) -> Array:
        return base.mean(loss(prediction, label), label, weights)

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        real, fake = (output.extra["auxiliary_classifier"] for output in (view.real_output, view.fake_output))
        total = value(real, view.label) + (value(fake, view.label) if train_on_fake else 0)
        return at(weight, view.images) * total, {"accuracy": likelihoods.accuracy(real, view.label, labels)}

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        fake = view.fake_output.extra["auxiliary_classifier"]
        return (at(generator_weight, view.images) * value(fake, view.label),
                {"accuracy": likelihoods.accuracy(fake, view.label, labels)})

    heads = {"auxiliary_classifier": Classifier(num_classes, spectral)}
    return Conditioning(base.both(discriminator, generator), heads, hides_label=True)
