"""Images by seed: image 37 is the same bytes alone, among 64, on one device or eight."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan import compilation, keys, processes
from jaxgan.errors import InputError
from jaxgan.metrics.kmeans import assign
from jaxgan.typing import Array, Prior, PyTree

CHUNK = 16  # images a device makes at a time


class Truncation(NamedTuple):
    """How near to the middle codes stay: less variety, better looks.

    In w, every row, or the first `cutoff` of them, is drawn towards the mean: mean + psi (w - mean). Without a w, what
    the prior makes of psi: no entry of a normal z exceeds it. centres: of w, [K, w_dim] for each class, or under None
    for all of them; each w is then drawn towards the nearest of its class instead (`jaxgan.latents.multimodal`).
    """

    psi: float
    cutoff: int | None = None
    centres: Mapping[int | None, np.ndarray] | None = None


class Sampler:
    """`sampler(weights, seeds, labels) -> float32 [N, H, W, C]`, in [-1, 1] for images.

    A seed becomes a code, a code an image. The code is z, drawn for seed i from `fold_in(key(0), i)`; for a generator
    with the methods `mapping` and `synthesis` it is what the one makes of z and the other takes, w [B, rows, w_dim].
    """

    def __init__(self, generator: nn.Module, prior: Prior, mesh: Mesh):
        self.generator, self.prior, self.mesh = generator, prior, mesh
        self.has_w = hasattr(generator, "mapping") and hasattr(generator, "synthesis")
        self.chunk = CHUNK * mesh.size
        self._coder = functools.cache(self._compile_coder)
        self._synthesize = self.compile(self.image)

    def __call__(self, weights: PyTree, seeds: Sequence[int], labels: np.ndarray | None = None,
                 truncation: Truncation | None = None) -> np.ndarray:
        """labels: int32 [N] or float32 [N, L], one a seed; None for an unlabelled generator."""
        return self.synthesize(weights, self.codes(weights, seeds, labels, truncation), labels)

    def codes(self, weights: PyTree, seeds: Sequence[int], labels: np.ndarray | None = None,
              truncation: Truncation | None = None) -> np.ndarray:
        """The codes of seeds, z [N, z_dim] or w [N, rows, w_dim]."""
        self.check(truncation)
        if truncation and truncation.centres is not None:
            return towards_centres(self.codes(weights, seeds, labels), labels, truncation)
        psi, cutoff = (truncation.psi, truncation.cutoff) if truncation else (None, None)
        return self._coder(psi, cutoff)(weights, np.asarray(seeds, np.uint32), labels)

    def synthesize(self, weights: PyTree, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """The images of codes, one label each; a w carries its label in itself."""
        return self._synthesize(weights, codes, labels)

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

    def latent(self, seed: Array) -> Array:
        """The z of a seed, to be traced."""
        return self.prior.sample(seed_key(seed), ())

    def code(self, weights: PyTree, z: Array, labels: Array | None, **truncation) -> Array:
        """The code of z [B, z_dim], to be traced: z itself where there is no w."""
        if not self.has_w:
            return z
        return self.generator.apply(variables_of(weights), z, labels, train=False, method="mapping", **truncation)

    def image(self, weights: PyTree, codes: Array, labels: Array | None) -> Array:
        """`synthesize` to be traced: of any number of codes, differentiable."""
        inputs, method = ((codes,), "synthesis") if self.has_w else ((codes, labels), "__call__")
        return self.generator.apply(variables_of(weights), *inputs, train=False, rngs={"noise": keys.root(0)},
                                    method=method)

    def compile(self, function: Callable[[PyTree, Array, Array | None], PyTree]) -> Callable:
        """`function(weights, inputs, labels)` for any number of inputs, in NumPy.

        Every device always runs the same program on the same number of them, padded where there are fewer; a batch size
        chosen by need would let XLA choose other summation orders.
        """
        by_device = PartitionSpec(*self.mesh.axis_names)
        run = compilation.jit(jax.shard_map(function, mesh=self.mesh, in_specs=(PartitionSpec(), by_device, by_device),
                                            out_specs=by_device, check_vma=False))

        def chunked(weights: PyTree, inputs: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
            weights = processes.place(weights, NamedSharding(self.mesh, PartitionSpec()))
            made = []
            for start in range(0, len(inputs), self.chunk):
                part = slice(start, start + self.chunk)
                placed = None if labels is None else self._place(labels[part])
                made.append(run(weights, self._place(inputs[part]), placed))
            return np.concatenate([processes.fetch(output) for output in made])[:len(inputs)]
        return chunked

    def _compile_coder(self, psi: float | None, cutoff: int | None) -> Callable:
        def draw(seed: Array) -> Array:
            if psi is None or self.has_w:
                return self.latent(seed)
            return self.prior.truncated(seed_key(seed), (), psi)

        def codes(weights: PyTree, seeds: Array, labels: Array | None) -> Array:
            options = {} if psi is None else {"psi": psi, "cutoff": cutoff}
            return self.code(weights, jax.vmap(draw)(seeds), labels, **options)
        return self.compile(codes)

    def _place(self, array: np.ndarray) -> Array:
        padded = np.concatenate([array, np.repeat(array[-1:], self.chunk - len(array), axis=0)])
        return processes.place(padded, NamedSharding(self.mesh, PartitionSpec(*self.mesh.axis_names)))


def seed_key(seed: Array) -> Array:
    """The key that everything about a seed is drawn from."""
    return jax.random.fold_in(keys.root(0), seed)


def towards_centres(codes: np.ndarray, labels: np.ndarray | None, truncation: Truncation) -> np.ndarray:
    """w [N, rows, w_dim], all rows alike, drawn towards the nearest centre: centre + psi (w - centre)."""
    single = None in truncation.centres
    near = np.empty_like(codes[:, 0])
    for label in [None] if single else np.unique(labels).tolist():
        rows = np.full(len(codes), True) if single else labels == label
        centres = truncation.centres[label]
        near[rows] = centres[assign(codes[rows, 0], centres)]
    drawn = codes.copy()
    part = drawn[:, :truncation.cutoff]
    part[:] = near[:, None] + np.float32(truncation.psi) * (part - near[:, None])
    return drawn


def variables_of(weights: PyTree) -> PyTree:
    """{"params", "variables"} as `apply` wants them."""
    return {"params": weights["params"], **weights["variables"]}


def draw_labels(seeds: Sequence[int], frequencies: Sequence[float]) -> np.ndarray:
    """A class for each seed, int32 [N], drawn with the given frequencies; seed i's does not depend on the others."""
    return np.asarray(_drawn(np.asarray(seeds, np.uint32), np.asarray(frequencies, np.float32)), np.int32)


@jax.jit
def _drawn(seeds: Array, frequencies: Array) -> Array:
    def one(seed: Array) -> Array:
        return jax.random.categorical(keys.stream(seed_key(seed), "label"), jnp.log(frequencies))
    return jax.vmap(one)(seeds)
