"""The auxiliary discriminative classifier of ADC-GAN."""

from collections.abc import Sequence

from jaxgan.conditioning import base
from jaxgan.conditioning.base import Conditioning
from jaxgan.conditioning.heads import Classifier
from jaxgan.conditioning.likelihoods import cross_entropy
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, View


def adc(*, num_classes: int, weight: float | Schedule = 1.0, generator_weight: float | Schedule = 1.0,
        class_weights: str | Sequence[float] | None = None, spectral: bool = False, info=None) -> Conditioning:
    """One classifier of 2K classes: "real and of class y" (number 2y), "fake and of class y" (number 2y + 1).

    Hou et al. 2022: D minimises CE(real, 2y) + CE(fake, 2y + 1); G minimises CE(fake, 2y) - CE(fake, 2y + 1), which
    is the difference of two logits, and unlike ACGAN's objective has its optimum at the data's own distribution.
    Only for one class an example. class_weights: as in `auxiliary_classifier`. spectral: see `heads`.
    """
    base.check_labels("adc", num_classes, ("class",), info)
    weights = base.class_weights(class_weights, num_classes, info)

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        real, fake = (output.extra["adc"] for output in (view.real_output, view.fake_output))
        losses = cross_entropy(real, as_real(view.label)) + cross_entropy(fake, as_fake(view.label))
        return (at(weight, view.images) * base.mean(losses, view.label, weights),
                {"accuracy": (real.argmax(axis=1) == as_real(view.label)).mean()})

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        fake = view.fake_output.extra["adc"]
        losses = cross_entropy(fake, as_real(view.label)) - cross_entropy(fake, as_fake(view.label))
        return at(generator_weight, view.images) * base.mean(losses, view.label, weights), {}

    return Conditioning(base.both(discriminator, generator), {"adc": Classifier(2 * num_classes, spectral)},
                        hides_label=True)


def as_real(label: Array) -> Array:
    """The number of "real and of this class"."""
    return 2 * base.class_label(label)


def as_fake(label: Array) -> Array:
    """The number of "fake and of this class"."""
    return 2 * base.class_label(label) + 1
