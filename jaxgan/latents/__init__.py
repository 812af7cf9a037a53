"""The generator's inputs: where they are drawn from, and how to move among them."""

from jaxgan.latents.priors import PRIORS

__all__ = ["PRIORS"]
