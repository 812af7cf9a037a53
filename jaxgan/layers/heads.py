"""From a discriminator's features to its logit, and further heads beside it."""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from jaxgan import catalogue
from jaxgan.errors import InputError
from jaxgan.layers.spectral import INITIALIZERS, Layers
from jaxgan.typing import Array, DiscriminatorOutput

KINDS = ("linear", "projection", "san")


class AdversarialHead(nn.Module):
    """features [B, F], label -> logit [B], both float32 at least; `output` gives them as a DiscriminatorOutput.

    "linear": w . h + b, whatever the label. "projection": (w + e(label)) . h + b (Miyato & Koyama 2018), e being
    one vector a class; "linear" when num_classes is 0. spectral: both w and the table of e are normalised.
    "san": the last layer of SAN (Takida et al. 2024): with w = w0 + e(label), the logit is |w| (w / |w|) . h without
    bias, and its direction w / |w| gets no gradient from it. The direction is to be trained by the Wasserstein loss
    whatever the main loss is, which no loss of the logit alone can say. So `output` also gives extra["direction"], the
    same numbers with gradient to the direction only, for the regularizer "san", without which the direction stays
    where it began. Spectral normalization leaves this head alone.
    """

    kind: str = "linear"
    num_classes: int = 0
    spectral: bool = False
    spectral_eps: float = 1e-12
    iterate_in_eval: bool = False
    kernel_init: Initializer = INITIALIZERS["orthogonal"]

    def __call__(self, features: Array, label: Array | None = None, *, train: bool) -> Array:
        return self.output(features, label, train=train).logit

    @nn.compact
    def output(self, features: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        if self.kind not in KINDS:
            hint = catalogue.suggest(self.kind, KINDS)
            raise InputError(f"config.discriminator.head: there is no {self.kind!r}. {hint}")
        spectral = self.spectral and self.kind != "san"
        features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
        layers = Layers(spectral, self.spectral_eps, self.iterate_in_eval, self.kernel_init, features.dtype)
        embedding = 0
        if self.num_classes and self.kind != "linear":
            embed = layers.embed(self.num_classes, features.shape[-1], name="embed")
            embedding = embed(label, train=train)
        if self.kind == "san":
            return self._sliced(features, embedding)
        logit = layers.dense(1, name="linear")(features, train=train)[:, 0]
        return DiscriminatorOutput(logit=logit + jnp.sum(embedding * features, axis=-1), features=features)

    def _sliced(self, features: Array, embedding: Array | int) -> DiscriminatorOutput:
        weight = self.param("direction", self.kernel_init, (features.shape[-1], 1))[:, 0] + embedding
        scale = jnp.linalg.norm(weight, axis=-1, keepdims=True)
        direction, scaled = weight / scale, features * scale
        stop = jax.lax.stop_gradient
        return DiscriminatorOutput(
            logit=jnp.sum(scaled * stop(direction), axis=-1), features=features,
            extra={"direction": jnp.sum(stop(scaled) * direction, axis=-1)})


class WithHeads(nn.Module):
    """`discriminator` with further heads on its features; each head's output is in `extra` under its name.

    A head is a Linen module called as head(features [B, F], label) -> an array, or a dict of arrays. Its parameters
    and variables are the discriminator's.
    """

    discriminator: nn.Module
    heads: Mapping[str, nn.Module]

    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        output = self.discriminator(image, label, train=train)
        if output.features is None:
            raise InputError(f"config.discriminator gives no features for the heads {', '.join(self.heads)} of "
                             "config.conditioning: return them, [B, F], in its DiscriminatorOutput.")
        extra = {name: head(output.features, label) for name, head in self.heads.items()}
        return output.replace(extra=output.extra | extra)
