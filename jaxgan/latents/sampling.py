"""Images by seed: image 37 is the same bytes alone, among 64, on one device or eight."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan import compilation, keys
from jaxgan.errors import InputError
from jaxgan.typing import Array, Prior, PyTree

CHUNK = 16  # images a device makes at a time


class Truncation(NamedTuple):
    """How near to the middle codes stay: less variety, better looks.

    In w, every row, or the first `cutoff` of them, is drawn towards the mean: mean + psi (w - mean). Without a w, what
    the prior makes of psi: no entry of a normal z exceeds it.
    """

    psi: float
    cutoff: int | None = None


class Sampler:
    """`sampler(weights, seeds, labels) -> float32 [N, H, W, C]`, in [-1, 1] for images.

    A seed becomes a code, a code an image. The code is z, drawn for seed i from `fold_in(key(0), i)`; for a generator
    with the methods `mapping` and `synthesis` it is what the one makes of z and the other takes, w [B, rows, w_dim].
    Every device always runs the same two programs on the same number of codes, padded where there are fewer; a batch
    size chosen by need would let XLA choose other summation orders.
    """

    def __init__(self, generator: nn.Module, prior: Prior, mesh: Mesh):
        self.generator, self.prior, self.mesh = generator, prior, mesh
        self.has_w = hasattr(generator, "mapping") and hasattr(generator, "synthesis")
        self.chunk = CHUNK * mesh.size
        self._coder = functools.cache(self._compile_coder)
        self._synthesize = self._compile(self.image)

    def __call__(self, weights: PyTree, seeds: Sequence[int], labels: np.ndarray | None = None,
                 truncation: Truncation | None = None) -> np.ndarray:
        """labels: int32 [N] or float32 [N, L], one a seed; None for an unlabelled generator."""
        return self.synthesize(weights, self.codes(weights, seeds, labels, truncation), labels)

    def codes(self, weights: PyTree, seeds: Sequence[int], labels: np.ndarray | None = None,
              truncation: Truncation | None = None) -> np.ndarray:
        """The codes of seeds, z [N, z_dim] or w [N, rows, w_dim]."""
        self.check(truncation)
        return self._chunked(self._coder(truncation), weights, np.asarray(seeds, np.uint32), labels)

    def synthesize(self, weights: PyTree, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """The images of codes, one label each; a w carries its label in itself."""
        return self._chunked(self._synthesize, weights, codes, labels)

    def check(self, truncation: Truncation | None) -> None:
        """Raises InputError where this generator's codes cannot be truncated so."""
        if truncation is None:
            return
        if not (0 <= truncation.psi < np.inf and (truncation.psi or self.has_w)):
            raise InputError(f"Truncation of {truncation.psi:g} is none: give a number above 0, such as 0.7.")
        if self.has_w:
            return
        if truncation.cutoff is not None:
            raise InputError("A cutoff of truncation is of rows of w, and this run's generator has no w: leave it out.")
        if self.prior.truncated is None:
            raise InputError("This run's latents cannot be truncated: only normal and uniform ones can.")

    def image(self, weights: PyTree, codes: Array, labels: Array | None) -> Array:
        """`synthesize` to be traced: of any number of codes, differentiable."""
        inputs, method = ((codes,), "synthesis") if self.has_w else ((codes, labels), "__call__")
        return self.generator.apply(variables_of(weights), *inputs, train=False, rngs={"noise": keys.root(0)},
                                    method=method)

    def _compile_coder(self, truncation: Truncation | None) -> Callable:
        def draw(seed: Array) -> Array:
            key = jax.random.fold_in(keys.root(0), seed)
            if truncation is None or self.has_w:
                return self.prior.sample(key, ())
            return self.prior.truncated(key, (), truncation.psi)

        def codes(weights: PyTree, seeds: Array, labels: Array | None) -> Array:
            z = jax.vmap(draw)(seeds)
            if not self.has_w:
                return z
            options = truncation._asdict() if truncation else {}
            return self.generator.apply(variables_of(weights), z, labels, train=False, method="mapping", **options)
        return self._compile(codes)

    def _compile(self, function: Callable) -> Callable:
        by_device = PartitionSpec(*self.mesh.axis_names)
        return compilation.jit(jax.shard_map(function, mesh=self.mesh, in_specs=(PartitionSpec(), by_device, by_device),
                                             out_specs=by_device, check_vma=False))

    def _chunked(self, run: Callable, weights: PyTree, inputs: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        weights = jax.device_put(weights, NamedSharding(self.mesh, PartitionSpec()))
        made = []
        for start in range(0, len(inputs), self.chunk):
            part = slice(start, start + self.chunk)
            placed = None if labels is None else self._place(labels[part])
            made.append(run(weights, self._place(inputs[part]), placed))
        return np.concatenate([np.asarray(output) for output in made])[:len(inputs)]

    def _place(self, array: np.ndarray) -> Array:
        padded = np.concatenate([array, np.repeat(array[-1:], self.chunk - len(array), axis=0)])
        return jax.device_put(padded, NamedSharding(self.mesh, PartitionSpec(*self.mesh.axis_names)))


def variables_of(weights: PyTree) -> PyTree:
    """{"params", "variables"} as `apply` wants them."""
    return {"params": weights["params"], **weights["variables"]}


def draw_labels(seeds: Sequence[int], frequencies: Sequence[float]) -> np.ndarray:
    """A class for each seed, int32 [N], drawn with the given frequencies; seed i's does not depend on the others."""
    def one(seed):
        key = keys.stream(jax.random.fold_in(keys.root(0), seed), "label")
        return jax.random.categorical(key, jnp.log(jnp.asarray(frequencies, jnp.float32)))
    return np.asarray(jax.jit(jax.vmap(one))(np.asarray(seeds, np.uint32)), np.int32)
