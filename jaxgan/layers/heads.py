"""What a discriminator says besides real or fake."""

import flax.linen as nn

from jaxgan.typing import Array, DiscriminatorOutput


class WithHeads(nn.Module):
    """A discriminator with further heads on its features; what `heads[name](features, label)` gives is `extra[name]`.

    The heads' parameters are the discriminator's, so they train with it.
    """

    discriminator: nn.Module
    heads: dict[str, nn.Module]

    def __call__(self, image: Array, label: Array | None = None, *, train: bool) -> DiscriminatorOutput:
        output = self.discriminator(image, label, train=train)
        extra = {name: head(output.features, label) for name, head in self.heads.items()}
        return output.replace(extra=output.extra | extra)
