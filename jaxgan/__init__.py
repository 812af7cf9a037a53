"""jaxgan: train, study and use generative adversarial networks in JAX."""

__version__ = "0.1.0"
