"""The twin auxiliary classifiers of TAC-GAN."""

from collections.abc import Sequence

from jaxgan.conditioning import base, likelihoods
from jaxgan.conditioning.base import Conditioning
from jaxgan.conditioning.heads import Classifier
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule, at
from jaxgan.typing import Array, View


def twin_auxiliary_classifier(*, num_classes: int, weight: float | Schedule = 1.0,
                              generator_weight: float | Schedule = 1.0, twin_weight: float | Schedule = 1.0,
                              generator_twin_weight: float | Schedule = 1.0, labels: str = "class",
                              class_weights: str | Sequence[float] | None = None, spectral: bool = False,
                              info=None) -> Conditioning:
    """ACGAN with a second classifier T that learns the labels of fakes and that the generator plays against.

    Gong et al. 2019: D minimises CE(C(real)) + CE(T(fake)), G minimises CE(C(fake)) - CE(T(fake)). The last term
    gives back the entropy that ACGAN takes from each class. C learns from real images alone, as in the authors' code
    and in StudioGAN. G's share of T is not bounded below: a T that learns too slowly shows as a falling loss.
    weight, generator_weight: of C; twin_weight, generator_twin_weight: of T. labels, class_weights: as in
    `auxiliary_classifier`. spectral: see `heads`.
    """
    loss = likelihoods.find(labels)
    base.check_labels("twin_auxiliary_classifier", num_classes, likelihoods.kinds(labels), info)
    if class_weights is not None and labels != "class":
        raise InputError("config.conditioning: class_weights needs labels='class'.")
    weights = base.class_weights(class_weights, num_classes, info)

    def value(prediction: Array, label: Array) -> Array:
        return base.mean(loss(prediction, label), label, weights)

    def discriminator(view: View) -> tuple[Array, dict[str, Array]]:
        real, twin = view.real_output.extra["auxiliary_classifier"], view.fake_output.extra["twin_classifier"]
        return (at(weight, view.images) * value(real, view.label)
                + at(twin_weight, view.images) * value(twin, view.label),
                {"accuracy": likelihoods.accuracy(real, view.label, labels),
                 "twin_accuracy": likelihoods.accuracy(twin, view.label, labels)})

    def generator(view: View) -> tuple[Array, dict[str, Array]]:
        fake, twin = (view.fake_output.extra[name] for name in ("auxiliary_classifier", "twin_classifier"))
        return (at(generator_weight, view.images) * value(fake, view.label)
                - at(generator_twin_weight, view.images) * value(twin, view.label),
                {"accuracy": likelihoods.accuracy(fake, view.label, labels)})

    heads = {name: Classifier(num_classes, spectral) for name in ("auxiliary_classifier", "twin_classifier")}
    return Conditioning(base.both(discriminator, generator), heads, hides_label=True)
