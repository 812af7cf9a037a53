"""Images by seed: image 37 is the same bytes alone, among 64, on one device or eight."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan import compilation, keys
from jaxgan.typing import Array, Prior, PyTree

CHUNK = 16  # images a device makes at a time


class Sampler:
    """`sampler(weights, seeds, labels) -> float32 [N, H, W, C]`, in [-1, 1] for images.

    z of seed i is drawn from `fold_in(key(0), i)`. Every device always runs the same program on the same number of
    latents, padded where there are fewer; a batch size chosen by need would let XLA choose other summation orders.
    """

    def __init__(self, generator: nn.Module, prior: Prior, mesh: Mesh):
        self.prior = prior
        (axis,) = mesh.axis_names
        self.chunk = CHUNK * mesh.size
        self.sharding = NamedSharding(mesh, PartitionSpec(axis))
        self.replicated = NamedSharding(mesh, PartitionSpec())

        def chunk(weights: PyTree, seeds: Array, labels: Array | None) -> Array:
            z = jax.vmap(lambda seed: prior.sample(jax.random.fold_in(keys.root(0), seed), ()))(seeds)
            variables = {"params": weights["params"], **weights["variables"]}
            return generator.apply(variables, z, labels, train=False, rngs={"noise": keys.root(0)})

        by_device = PartitionSpec(axis)
        self._run = compilation.jit(jax.shard_map(chunk, mesh=mesh, in_specs=(PartitionSpec(), by_device, by_device),
                                                  out_specs=by_device, check_vma=False))

    def __call__(self, weights: PyTree, seeds: Sequence[int], labels: np.ndarray | None = None) -> np.ndarray:
        """labels: int32 [N] or float32 [N, L], one a seed; None for an unlabelled generator."""
        seeds = np.asarray(seeds, np.uint32)
        weights = jax.device_put(weights, self.replicated)
        made = []
        for start in range(0, len(seeds), self.chunk):
            part = slice(start, start + self.chunk)
            placed = None if labels is None else self._place(labels[part])
            made.append(self._run(weights, self._place(seeds[part]), placed))
        return np.concatenate([np.asarray(images) for images in made])[:len(seeds)]

    def _place(self, array: np.ndarray) -> Array:
        padded = np.concatenate([array, np.repeat(array[-1:], self.chunk - len(array), axis=0)])
        return jax.device_put(padded, self.sharding)


def draw_labels(seeds: Sequence[int], frequencies: Sequence[float]) -> np.ndarray:
    """A class for each seed, int32 [N], drawn with the given frequencies; seed i's does not depend on the others."""
    def one(seed):
        key = keys.stream(jax.random.fold_in(keys.root(0), seed), "label")
        return jax.random.categorical(key, jnp.log(jnp.asarray(frequencies, jnp.float32)))
    return np.asarray(jax.jit(jax.vmap(one))(np.asarray(seeds, np.uint32)), np.int32)
