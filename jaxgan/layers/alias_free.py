"""Layers that keep feature maps band-limited, so that they commute with shifts, or rotations (StyleGAN3, Karras et al.
2021)."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike

from jaxgan.layers.equalized import clamped, leaky
from jaxgan.layers.filters import Band, lowpass, radial_lowpass, separated
from jaxgan.layers.modulation import ModulatedConv
from jaxgan.typing import Array

FILTER_SIZE = 6  # taps at the lower of two rates
OVERSAMPLING = 2  # of the rate at which the leaky ReLU acts
BLOCK = 64  # samples of the finer map that one matrix filters


class FourierFeatures(nn.Module):
    """w [B, w_dim] -> [B, *band.size, features]: waves of fixed random frequencies up to the band's cutoff, turned and
    shifted as w says, then mixed by a learned matrix.

    transform: [2, 3] or [B, 2, 3], a further row allowed: for points of the image, (x, y) from the centre in units of
    the longer side, where they would be without it. Frequencies that it takes out of the band are damped.
    """

    features: int
    band: Band

    @nn.compact
    def __call__(self, w: Array, transform: Array | None = None) -> Array:
        frequencies = self.variable("constants", "frequencies", self._frequencies).value.astype(w.dtype)
        phases = self.variable("constants", "phases", self._phases).value.astype(w.dtype)
        affine = nn.Dense(4, kernel_init=nn.initializers.zeros, bias_init=_unturned, dtype=w.dtype, name="affine")
        turn, shift = _combined(affine(w / math.sqrt(w.shape[-1])), transform)
        phases = phases + jnp.einsum("cx,bx->bc", frequencies, shift)
        frequencies = jnp.einsum("cx,bxy->bcy", frequencies, turn)
        cutoff, highest = self.band.cutoff, self.band.rate / 2
        amplitudes = jnp.clip((highest - jnp.linalg.norm(frequencies, axis=-1)) / (highest - cutoff), 0, 1)
        down, across = ((np.arange(side) + 0.5 - side / 2) / self.band.rate for side in self.band.size)
        angle = (across.astype(w.dtype)[:, None] * frequencies[:, None, None, :, 0]
                 + down.astype(w.dtype)[:, None, None] * frequencies[:, None, None, :, 1] + phases[:, None, None])
        waves = jnp.sin(2 * np.pi * angle) * amplitudes[:, None, None]
        kernel = self.param("kernel", nn.initializers.normal(1.0), (self.features, self.features))
        return waves @ (kernel / math.sqrt(self.features)).astype(w.dtype)

    def _frequencies(self) -> Array:
        """Uniform in a disc; (x, y) each."""
        radius, angle = self._uniform((2, self.features))
        radius, angle = self.band.cutoff * jnp.sqrt(radius), 2 * np.pi * angle
        return radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)

    def _phases(self) -> Array:
        return self._uniform((self.features,)) - 0.5

    def _uniform(self, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(self.make_rng("params"), shape)


class AliasFreeConv(nn.Module):
    """Modulated convolution from one band to another, and a leaky ReLU between two filters: [B, *after.size, features].

    The ReLU acts at twice the higher of both rates, so that the harmonics it makes can be taken away again. x is
    divided by the root of a moving average of its mean square, "magnitude" in the collection "moving", which takes the
    batch in in training. radial: the second filter is the same in every direction. linear: the layer that makes the
    image, neither filtered nor rectified, its kernel not demodulated. The convolution sees zeros past its map's edge
    and makes a map that is size - 1 wider.
    """

    features: int
    before: Band
    after: Band
    size: int = 3
    radial: bool = False
    linear: bool = False
    clamp: float | None = None
    magnitude_decay: float = 0.999
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Array, w: Array, *, train: bool) -> Array:
        magnitude = self.variable("moving", "magnitude", jnp.ones, ())
        wide = jnp.promote_types(self.dtype, jnp.float32)
        if train and self.is_mutable_collection("moving") and not self.is_initializing():
            now = jnp.mean(lax.stop_gradient(x).astype(wide) ** 2)
            magnitude.value = now + self.magnitude_decay * (magnitude.value - now)
        x = jnp.pad(x, ((0, 0), *2 * [2 * [self.size // 2]], (0, 0)))
        x = ModulatedConv(self.features, self.size, demodulate=not self.linear, dtype=self.dtype, name="conv")(x, w)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x = x * lax.rsqrt(magnitude.value).astype(x.dtype) + bias.astype(x.dtype)
        if self.linear:
            return clamped(x, self.clamp)
        return filtered_leaky(x, self.before, self.after, self.radial, self.clamp)


def filtered_leaky(x: Array, before: Band, after: Band, radial: bool = False, clamp: float | None = None) -> Array:
    """x of one band, or wider by a few samples on all sides -> its leaky ReLU in another band, [B, *after.size, C]."""
    rate = OVERSAMPLING * max(before.rate, after.rate)
    up, down = round(rate / before.rate), round(rate / after.rate)
    design = FILTER_SIZE * down, after.cutoff, after.half_width, rate
    taps = up * lowpass(FILTER_SIZE * up, before.cutoff, before.half_width, rate)
    kernels = separated(radial_lowpass(*design)) if radial else [(lowpass(*design),) * 2]
    for axis, size in zip((1, 2), after.size):
        outputs = (size - 1) * down + FILTER_SIZE * down
        # Both maps have one centre; half a sample over falls to the front, as in the published networks.
        offset = (outputs + len(taps) - 1 - (x.shape[axis] - 1) * up) // 2
        x = resample(x, taps, axis, outputs, up=up, offset=offset)
    x = leaky(x, clamp=clamp)
    return sum(resample(resample(x, column, 1, after.size[0], down=down), row, 2, after.size[1], down=down)
               for column, row in kernels)


def resample(x: Array, taps: np.ndarray | Array, axis: int, outputs: int, *, up: int = 1, down: int = 1,
             offset: int = 0) -> Array:
    """y[o] = sum over i of x[i] taps[up i + offset - down o] along axis 1 or 2, for `outputs` values of o; x is zero
    outside. `up` or `down`, or both, are 1.

    A product with a banded matrix, block by block where a map is large: on CPUs and matrix units that is faster than
    to add up shifted maps, and its derivative is another such product.
    """
    inputs = x.shape[axis]
    if max(inputs, outputs) <= 2 * BLOCK:
        return _product(_banded(taps, outputs, inputs, up, down, offset), x, axis)
    periods = -(-max(BLOCK, len(taps)) // max(up, down))
    made, read = periods * up, periods * down
    blocks = -(-outputs // made)
    first = -(offset // up)  # input that the first output starts with
    window = (len(taps) - 1 - offset + down * (made - 1)) // up + 1 - first
    sides = [(0, 0, 0)] * x.ndim
    sides[axis] = (-first, (blocks + 1) * read + first - inputs, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), sides)
    x = x.reshape(*x.shape[:axis], blocks + 1, read, *x.shape[axis + 1:])
    own = lax.slice_in_dim(x, 0, blocks, axis=axis)
    following = lax.slice_in_dim(lax.slice_in_dim(x, 1, blocks + 1, axis=axis), 0, window - read, axis=axis + 1)
    x = jnp.concatenate([own, following], axis=axis + 1)
    y = _product(_banded(taps, made, window, up, down, offset + up * first), x, axis + 1)
    y = y.reshape(*y.shape[:axis], blocks * made, *y.shape[axis + 2:])
    return lax.slice_in_dim(y, 0, outputs, axis=axis)


def _banded(taps: np.ndarray | Array, outputs: int, inputs: int, up: int, down: int, offset: int) -> np.ndarray | Array:
    """The matrix of `resample`."""
    position = up * np.arange(inputs) + offset - down * np.arange(outputs)[:, None]
    inside = (position >= 0) & (position < len(taps))
    return inside * taps[np.where(inside, position, 0)]


def _product(matrix: np.ndarray | Array, x: Array, axis: int) -> Array:
    """matrix @ x along one axis."""
    before, after = x.shape[:axis], x.shape[axis + 1:]
    flat = x.reshape(math.prod(before), x.shape[axis], math.prod(after))
    return jnp.einsum("oi,aib->aob", jnp.asarray(matrix, x.dtype), flat).reshape(*before, len(matrix), *after)


def _combined(learned: Array, transform: Array | None) -> tuple[Array, Array]:
    """(cosine, sine, x, y) of any length, and a transform before it -> matrices [B, 2, 2] and shifts [B, 2]."""
    cosine, sine, *moved = (learned / jnp.linalg.norm(learned[:, :2], axis=1, keepdims=True)).T
    turn = jnp.stack([cosine, -sine, sine, cosine], axis=-1).reshape(-1, 2, 2)
    transform = jnp.eye(2, 3) if transform is None else jnp.asarray(transform)
    matrix, offset = (part.astype(learned.dtype) for part in (transform[..., :2, :2], transform[..., :2, 2]))
    return turn @ matrix, jnp.einsum("bxy,by->bx", turn, offset - jnp.stack(moved, axis=-1))


def _unturned(key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """(cosine, sine, x, y) of no turn and no shift."""
    return jnp.zeros(shape, dtype).at[0].set(1)
