"""Adversarial losses, written in logits.

Every loss gives one value an example, at least float32 whatever the networks computed in, without reduction: the
engine takes the mean. r is the discriminator's logit on a real image, f its logit on a fake one.

Losses that need more than logits live elsewhere: the multi-hinge, whose logits are of classes, in `conditioning`; the
slicing (SAN) variant of any loss here is a head that normalises its last layer and the regularizer `san`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.typing import Array


class Loss(NamedTuple):
    """What the two players minimise; values and logits are [B].

    discriminator(real_logit, fake_logit); generator(fake_logit, real_logit), where real_logit is None unless
    `paired`: then the i-th fake is compared with the i-th real image, and the generator's update needs both.
    """

    discriminator: Callable[[Array, Array], Array]
    generator: Callable[[Array, Array | None], Array]
    paired: bool = False


def non_saturating() -> Loss:
    """Softplus loss: D softplus(-r) + softplus(f), G softplus(-f).

    Goodfellow et al. 2014, section 3: the generator maximises log D(G(z)), which keeps its gradient where the
    discriminator is sure of itself. StyleGAN calls it the logistic loss, and so may a config: "logistic" is this.
    """
    return Loss(discriminator=_cross_entropy, generator=lambda fake, real=None: jax.nn.softplus(-_wide(fake)))


def minimax() -> Loss:
    """The zero-sum game itself (Goodfellow et al. 2014, eq. 1): D as in `non_saturating`, G -softplus(f).

    The generator's gradient, -sigmoid(f), vanishes where the discriminator wins: for study, seldom for use.
    """
    return Loss(discriminator=_cross_entropy, generator=lambda fake, real=None: -jax.nn.softplus(_wide(fake)))


def hinge() -> Loss:
    """D max(0, 1-r) + max(0, 1+f), G -f (Lim & Ye 2017; Miyato et al. 2018, eqs. 16 and 17)."""
    return Loss(
        discriminator=lambda real, fake: jax.nn.relu(1 - _wide(real)) + jax.nn.relu(1 + _wide(fake)),
        generator=lambda fake, real=None: -_wide(fake),
    )


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> Loss:
    """D ((r-b)^2 + (f-a)^2) / 2, G (f-c)^2 / 2 (Mao et al. 2017, eq. 2, its factor 1/2 kept).

    a, b: what D should answer to fakes and to reals; c: what G wants to hear. The defaults are the paper's eq. 9,
    which it trains with; a=-1, b=1, c=0 is its eq. 8, for which the game minimises a Pearson chi-squared divergence.
    """
    return Loss(
        discriminator=lambda real, fake: ((_wide(real) - b) ** 2 + (_wide(fake) - a) ** 2) / 2,
        generator=lambda fake, real=None: (_wide(fake) - c) ** 2 / 2,
    )


def wasserstein() -> Loss:
    """D f - r, G -f (Arjovsky et al. 2017). The discriminator must be kept Lipschitz, by `gradient_penalty` say."""
    return Loss(
        discriminator=lambda real, fake: _wide(fake) - _wide(real),
        generator=lambda fake, real=None: -_wide(fake),
    )


def relativistic_paired() -> Loss:
    """RpGAN with the softplus: D softplus(f - r), G softplus(r - f), the i-th real against the i-th fake.

    Jolicoeur-Martineau 2018 (there RSGAN); Huang et al. 2024 (R3GAN), eq. 2, who add R1 and R2, without which it need
    not converge. With labels, the two of a pair must carry the same one.
    """
    return Loss(
        discriminator=lambda real, fake: jax.nn.softplus(_wide(fake) - _wide(real)),
        generator=lambda fake, real: jax.nn.softplus(_wide(real) - _wide(fake)),
        paired=True,
    )


def dual_contrastive() -> Loss:
    """Each real against all fakes and each fake against all reals of the batch (Yu et al. 2021, eqs. 2 and 3).

    D log(1 + sum_j exp(f_j - r_i)) + log(1 + sum_j exp(f_i - r_j)). The paper writes a game in which G maximises what
    D minimises; here, as `non_saturating` does for `minimax`, G minimises the same with the roles exchanged, and keeps
    its gradient where D is sure. Values grow with log B; under `parallel="pmap"` each device contrasts its own part.
    """
    return Loss(
        discriminator=lambda real, fake: _contrast(_wide(real), _wide(fake)),
        generator=lambda fake, real: _contrast(_wide(fake), _wide(real)),
        paired=True,
    )


def none() -> Loss:
    """No adversarial loss at all: 0 for both players, for methods whose terms replace it, such as the multi-hinge."""
    return Loss(discriminator=lambda real, fake: jnp.zeros_like(_wide(fake)),
                generator=lambda fake, real=None: jnp.zeros_like(_wide(fake)), paired=False)


def _contrast(above: Array, below: Array) -> Array:
    if above.ndim != 1:
        raise InputError("config.loss: dual_contrastive contrasts whole images, and this discriminator answers for "
                         "their patches. Choose another loss.")
    gaps = below[None, :] - above[:, None]  # [i, j]: how far below_j stands over above_i
    return sum(jax.nn.softplus(jax.nn.logsumexp(gaps, axis=axis)) for axis in (0, 1))


def _cross_entropy(real: Array, fake: Array) -> Array:
    return jax.nn.softplus(-_wide(real)) + jax.nn.softplus(_wide(fake))


def _wide(logit: Array) -> Array:
    return logit.astype(jnp.promote_types(logit.dtype, jnp.float32))


LOSSES: dict[str, Callable[..., Loss]] = {
    "non_saturating": non_saturating,
    "logistic": non_saturating,
    "minimax": minimax,
    "hinge": hinge,
    "least_squares": least_squares,
    "wasserstein": wasserstein,
    "relativistic_paired": relativistic_paired,
    "dual_contrastive": dual_contrastive,
    "none": none,
}
