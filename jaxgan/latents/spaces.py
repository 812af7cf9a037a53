"""Latent spaces that can be walked: what path lengths and interpolations are measured on."""

from collections.abc import Callable

import jax
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan import compilation, keys
from jaxgan.latents.sampling import CHUNK
from jaxgan.metrics.base import Space
from jaxgan.typing import Array, Prior, PyTree


def z_space(generator: nn.Module, prior: Prior, mesh: Mesh, weights: PyTree, spherical: bool,
            draw_labels: Callable[[np.ndarray], np.ndarray] | None,
            features: Callable[[np.ndarray], np.ndarray]) -> Space:
    """The space of the generator's input. The code of seed i is the z that `Sampler` makes image i of.

    draw_labels: labels for seeds; None for an unlabelled generator.
    """
    (axis,) = mesh.axis_names
    chunk, sharding = CHUNK * mesh.size, NamedSharding(mesh, PartitionSpec(axis))
    weights = jax.device_put(weights, NamedSharding(mesh, PartitionSpec()))

    @jax.jit
    def codes(seeds: Array) -> Array:
        return jax.vmap(lambda seed: prior.sample(jax.random.fold_in(keys.root(0), seed), ()))(seeds)

    def part(weights: PyTree, z: Array, labels: Array | None) -> Array:
        variables = {"params": weights["params"], **weights["variables"]}
        return generator.apply(variables, z, labels, train=False, rngs={"noise": keys.root(0)})

    run = compilation.jit(jax.shard_map(part, mesh=mesh, in_specs=(PartitionSpec(), PartitionSpec(axis),
                                                                   PartitionSpec(axis)),
                                        out_specs=PartitionSpec(axis), check_vma=False))

    def draw(seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        seeds = np.asarray(seeds, np.uint32)
        return np.asarray(codes(seeds)), draw_labels(seeds) if draw_labels else None

    def place(array: np.ndarray) -> Array:
        return jax.device_put(np.concatenate([array, np.repeat(array[-1:], chunk - len(array), axis=0)]), sharding)

    def synthesize(z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        made = [run(weights, place(z[start:start + chunk]),
                    None if labels is None else place(labels[start:start + chunk]))
                for start in range(0, len(z), chunk)]
        return np.concatenate([np.asarray(images) for images in made])[:len(z)]

    return Space(draw, synthesize, spherical, features)
