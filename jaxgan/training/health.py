"""What an expert would look at while a GAN trains, measured now and then outside the step, and said in one sentence."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxgan import compilation, keys, processes
from jaxgan.images import from_uint8
from jaxgan.training.objectives import Batch, Parts, Scene, Stage, batch_labels
from jaxgan.training.parallel import AXIS, Axis, Parallel
from jaxgan.training.state import TrainState
from jaxgan.typing import Array, PyTree

IMAGES = 256  # of each kind that are looked at, rounded up to whole batches …
BYTES = 64 << 20  # … of which at least one is read, and no more than this
PREFIX = "health/"
SIDE = 16  # pixels a side at which images are compared with each other


class Batches(Protocol):
    """`batches[k]` is {"image": uint8 or float32 [B, H, W, C], "label"}, batch k of a set."""

    def __getitem__(self, index: int) -> dict[str, np.ndarray]: ...


class Doctor:
    """Examines a run, and says the most likely of what is wrong with it, once. history: what the log holds of it.

    The images are the same every time: the first batches of the training set and of the held-out one (None: there is
    none, and what needs it is left out), and fakes of fixed latents.
    """

    def __init__(self, parts: Parts, parallel: Parallel, images_per_step: int, train: Batches, held_out: Batches | None,
                 history: Sequence[Mapping[str, Any]] = ()):
        self.history = [record for record in history if any(name.startswith(PREFIX) for name in record)]
        self._sets, self._parallel = (train, held_out), parallel
        self._images: list[PyTree] = []
        # One program with the global batch, whatever the run is; only weights are read as the run holds them.
        axis = Axis(size=1, split=lambda tree: tree, whole=parallel.axis.whole, local=lambda key: key,
                    mean=lambda tree: tree)
        # In a hurry: examinations are rare.
        self._measure = compilation.jit_once(functools.partial(measure, Stage(parts, axis, images_per_step)),
                                             out_shardings=NamedSharding(parallel.mesh, PartitionSpec()))

    def examine(self, state: TrainState, logged: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
        """Measurements, and findings that are new with them. logged: what the log is about to say of this step.

        Which findings are new follows from the log alone, so a run that was resumed says what it would have said.
        """
        step = int(state.step)
        images = self._images or self._read()
        # The state of pmap, which comes from one device, goes back to all; others are there already.
        found = self._measure(jax.device_put(state, self._parallel.shardings(state)), *images)
        values = {PREFIX + name: float(value) for name, value in jax.device_get(found).items()}
        if {"g/grad_norm", "d/grad_norm"} <= logged.keys():
            values[f"{PREFIX}grad_ratio"] = logged["g/grad_norm"] / max(logged["d/grad_norm"], 1e-12)
        self.history = [record for record in self.history if record["step"] < step] + [{"step": step, **values}]
        name = sign(self.history)
        if name in (None, sign(self.history[:-1])):
            return values, {}
        return values, {name: SIGNS[name].text.format(**{key.removeprefix(PREFIX): values[key] for key in values})}

    def _read(self) -> list[PyTree]:
        """Both sets as [n, B, ...], each batch spread over the devices."""
        place = NamedSharding(self._parallel.mesh, PartitionSpec(None, AXIS))
        for batches in self._sets:
            read = [batches[0]] if batches else []
            if read:
                image = read[0]["image"]
                count = min(math.ceil(IMAGES / (len(image) * jax.process_count())), max(BYTES // image.nbytes, 1))
                read += [batches[k] for k in range(1, count)]
            self._images.append(processes.join_parts(
                {name: np.stack([batch[name] for batch in read]) for name in (read[0] if read else ())}, place))
        return self._images


def measure(stage: Stage, state: TrainState, train: PyTree, held_out: PyTree) -> dict[str, Array]:
    """What there is to know. train, held_out: {"image": [n, B, ...], "label"}; held_out {} for none.

    Networks run as in training, on whole batches, and the discriminator sees images augmented as the run has it.
    """
    parts, axis, _ = stage
    key = keys.stream(state.key, "health")

    def see(inputs):
        number, real, unseen = inputs
        part = jax.random.fold_in(key, number)
        z = parts.prior.sample(keys.stream(part, "z"), (len(real["image"]),))
        params = state.players["discriminator"].params
        real, unseen = ({**each, "image": as_float(each["image"])} if each else {} for each in (real, unseen))
        scene = Scene(stage, "discriminator", params, state,
                      Batch(real["image"], batch_labels(parts.degrade, real, part, axis), z), part)
        label = scene.batch.label
        images = {"real": scene.batch.image, "fake": scene.generate(z, label)[0]}
        shown = {name: (image, label) for name, image in images.items()}
        if unseen:
            shown["unseen"] = unseen["image"], batch_labels(parts.degrade, unseen, part, axis)
        logits = {name: scene.discriminate(*given, name)[0].logit for name, given in shown.items()}
        if label is not None:
            images["relabelled"] = scene.generate(z, jnp.roll(label, 1, axis=0))[0]
        return (logits, {name: shrunk(image) for name, image in images.items()},
                {name: saturated(images[name]) for name in ("real", "fake")})

    count = len(train["image"])
    logits, small, saturation = jax.lax.map(see, (jnp.arange(count), train, held_out))
    logits, small, label = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]),
                                        (logits, small, train.get("label")))
    excess = jnp.mean(saturation["fake"]) - jnp.mean(saturation["real"])
    return of_logits(logits) | of_images(small, label) | of_weights(state) | {"saturation": excess}


def of_logits(logits: Mapping[str, Array]) -> dict[str, Array]:
    """How well the discriminator tells real from fake at the threshold midway between their medians, which every loss
    allows: of some, only differences of logits mean anything."""
    real, fake = logits["real"], logits["fake"]
    threshold = (jnp.median(real) + jnp.median(fake)) / 2

    def above(logit):
        return jnp.mean(logit > threshold) + jnp.mean(logit == threshold) / 2
    found = {"accuracy_real": above(real), "accuracy_fake": 1 - above(fake)}
    found |= {"accuracy_held_out": above(logits["unseen"])} if "unseen" in logits else {}
    gap = jnp.mean(real) - jnp.mean(fake)
    spread = (jnp.std(real) + jnp.std(fake)) / 2
    return found | {"logit_gap": gap, "logit_spread": spread, "logit_middle": (jnp.mean(real) + jnp.mean(fake)) / 2}


def of_images(small: Mapping[str, Array], label: Array | None) -> dict[str, Array]:
    """How various the fakes are, and how far from the reals, in units of the mean distance of two reals. small: rows
    of `shrunk`."""
    real, fake = small["real"], small["fake"]
    reals, fakes, across = distances(real, real), distances(fake, fake), distances(fake, real)
    unit = jnp.maximum(apart(reals), 1e-6)
    found = {"variety_real": apart(reals), "diversity": apart(fakes) / unit,
             "distance": (2 * jnp.mean(across) - apart(reals) - apart(fakes)) / unit}
    if "relabelled" in small:
        moved = jnp.mean(jnp.linalg.norm(fake - small["relabelled"], axis=1))
        found["label_effect"] = moved / jnp.maximum(apart(fakes), 1e-6)
    if label is not None and label.ndim == 1:
        same = label[:, None] == label
        found["class_coverage"] = coverage(across, reals, label)
        found["class_diversity"] = apart(fakes, same) / jnp.maximum(apart(reals, same), 1e-6)
        found["label_signal"] = signal(real, label)
    return found


def of_weights(state: TrainState) -> dict[str, Array]:
    """How far the generator is from its first average, relative to the size of its weights."""
    if not state.averages:
        return {}
    live, average = state.players["generator"].params, next(iter(state.averages.values()))["params"]
    def squares(tree):
        return sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree))
    return {"average_distance": jnp.sqrt(squares(jax.tree.map(jnp.subtract, live, average)) / squares(live))}


def as_float(image: Array) -> Array:
    return from_uint8(image) if image.dtype == jnp.uint8 else image


def shrunk(image: Array) -> Array:
    """[N, H, W, C] -> [N, D], at most SIDE pixels a side."""
    count, height, width, channels = image.shape
    shape = count, min(height, SIDE), min(width, SIDE), channels
    return jax.image.resize(image, shape, "linear").reshape(count, -1)


def distances(one: Array, other: Array) -> Array:
    """Between rows: [N, M]."""
    squares = jnp.sum(one**2, axis=1)[:, None] + jnp.sum(other**2, axis=1) - 2 * one @ other.T
    return jnp.sqrt(jnp.maximum(squares, 0))


def apart(matrix: Array, among: Array | bool = True) -> Array:
    """The mean distance of two different rows, of all pairs or of those `among` them; NaN where there are none."""
    pairs = ~jnp.eye(len(matrix), dtype=bool) & among
    return jnp.sum(matrix * pairs) / jnp.sum(pairs)


def saturated(image: Array) -> Array:
    """The share of values at the ends of the range, or beyond."""
    return jnp.mean(jnp.abs(image) > 0.98)


def coverage(fake_to_real: Array, between_reals: Array, label: Array) -> Array:
    """Classes that fakes come near to, as a share of those that reals come near to: by the nearest other real."""
    def hit(matrix):
        met = jnp.any(label[jnp.argmin(matrix, axis=1)][:, None] == label, axis=0)
        return jnp.sum(met / jnp.sum(label[:, None] == label, axis=0))
    return hit(fake_to_real) / hit(jnp.where(jnp.eye(len(label), dtype=bool), jnp.inf, between_reals))


def signal(real: Array, label: Array) -> Array:
    """How much more of the variance of images lies between their classes than between classes drawn by chance, in
    standard deviations of the latter; NaN where there are fewer than four images a class."""
    centred = real - jnp.mean(real, axis=0)
    products = centred @ centred.T

    def between(label):
        same = label[:, None] == label
        return jnp.sum(products * same / jnp.sum(same, axis=1)) / jnp.trace(products)
    chance = jax.lax.map(lambda key: between(jax.random.permutation(key, label)), jax.random.split(keys.root(0), 64))
    classes = jnp.sum(1 / jnp.sum(label[:, None] == label, axis=1))
    found = (between(label) - jnp.mean(chance)) / jnp.std(chance)
    return jnp.where(len(label) < 4 * classes, jnp.nan, found)


class Sign(NamedTuple):
    """A way to fail: what of the measurements speaks of it, and what to say."""

    shows: Callable[[Mapping[str, float]], bool]
    text: str


PATIENCE = 3  # examinations in a row that must show a sign: every GAN begins with fakes unlike anything, and stumbles
# The limits, and why; what tends to cause the others comes first. They were set on small runs, one seed each: gradient
# ratios on the logs of 33, 0.02 to 7; all else on the last checkpoints of eight recipes on digits and two MLPs, where
# accuracies are 0.5 to 0.95, diversity 0.9 to 1.05 (of six: within classes 0.8 to 1.3), distance up to 0.15, classes
# covered 0.9 to 1, the label's effect 0.58 to 1, the average up to 0.19 of the weights away and saturation below 0.
# "Healthy" below means these.
SIGNS = {
    # Two pictures of anything differ by a hundredth of the range in more than a few pixels.
    "constant_data": Sign(
        lambda m: m["variety_real"] < 0.05,
        "the training images are all alike (two of them are {variety_real:.2g} apart); look at config.data"),
    # No better than a coin, while comparing pixels shows the difference: it does not learn, or far too slowly. Two
    # untrained players look so too.
    "starved": Sign(
        lambda m: m["accuracy_real"] + m["accuracy_fake"] < 1.1 and m["distance"] > 0.3,
        "the discriminator is too weak: it is right on {accuracy_real:.0%} of real and {accuracy_fake:.0%} of fake "
        "images although these are easily told apart (distance {distance:.2f}); raise "
        "optimizers.discriminator.learning_rate, num_critic or discriminator.width"),
    # A tanh at its ends passes no gradient. Healthy generators make fewer such values than the data have.
    "saturated": Sign(
        lambda m: m["saturation"] > 0.2,
        "the generator is stuck: {saturation:.0%} more of its values than of the data's are at the ends of the range "
        "(diversity {diversity:.2f}); start again with a lower learning rate of both players"),
    # Seen on 256 images each, both accuracies are known to 0.03, so 0.2 is no chance.
    "memorising": Sign(
        lambda m: m["accuracy_held_out"] < m["accuracy_real"] - 0.2,
        "the discriminator is memorising: held-out accuracy {accuracy_held_out:.2f} against {accuracy_real:.2f} on the "
        "images it trains on; try augmentation.ada or diffaugment, regularizers.lecam, or more images"),
    # Right more often than in any healthy run, about fakes that the eye tells from real images too.
    "overpowering": Sign(
        lambda m: min(m["accuracy_real"], m["accuracy_fake"]) > 0.98 and m["distance"] > 0.3,
        "the discriminator is too strong: it is right on {accuracy_real:.0%} of real and {accuracy_fake:.0%} of fake "
        "images, which stay far from real ones (distance {distance:.2f}); lower optimizers.discriminator.learning_rate "
        "or num_critic, or add regularizers.r1"),
    # A tenth of the least ratio of a healthy run.
    "no_gradient": Sign(
        lambda m: m["grad_ratio"] < 0.002,
        "the generator learns nothing: its gradient is {grad_ratio:.1e} of the discriminator's; try "
        "loss=non_saturating, or lower optimizers.discriminator.learning_rate"),
    # Less than half of the least that a healthy run has.
    "collapsed": Sign(
        lambda m: m["diversity"] < 0.4,
        "the generator has collapsed: two of its images are {diversity:.2f} as far apart as two real ones; try a lower "
        "learning rate, a penalty on the discriminator (regularizers.r1), or regularizers.mode_seeking"),
    # Healthy runs have 0.8 or more. At 0.6 the images teach a classifier 0.25 less (experiments/augmentation), at 0.47
    # and 0.32 the recall of the data was 0.04 and 0.01.
    "classes_collapsed": Sign(
        lambda m: m["class_diversity"] < 0.65,
        "the generator has little variety within the classes: two of its images of one class are {class_diversity:.2f} "
        "as far apart as two real ones; let the label weigh less beside the latent (a smaller generator.embed_dim, a "
        "larger latent.dim), or try regularizers.mode_seeking"),
    # About half of the least that a healthy run has.
    "classes_missing": Sign(
        lambda m: m["class_coverage"] < 0.5,
        "the generator leaves classes out: its images come near to {class_coverage:.0%} of those that real ones come "
        "near to; try a conditioning, class_weights of the data, or regularizers.mode_seeking"),
    # Of 256 images: digits 77 to 112, photographs of ten kinds 13 to 21, X-rays of the healthy and the ill 10 to 15;
    # labels at random -1.1 to 2.6.
    "labels_meaningless": Sign(
        lambda m: m["label_signal"] < 4,
        "the labels seem to say nothing about the images: classes differ by {label_signal:.1f} standard deviations of "
        "chance; look whether the labels belong to the images"),
    # A third of the least that a healthy run has.
    "label_ignored": Sign(
        lambda m: m["label_effect"] < 0.2,
        "the generator ignores its labels: another label moves an image by {label_effect:.2f} of what another latent "
        "does; look whether the labels belong to the images, or add a conditioning"),
    # Weights so far from their average are no variation of it.
    "restless": Sign(
        lambda m: m["average_distance"] > 0.5,
        "the generator runs away from its own average ({average_distance:.2f} of its weights); lower "
        "optimizers.generator.learning_rate, or shorten average's half_life_kimg"),
    # bfloat16 tells 1 from 1.004: what is 200 times smaller than the offset drowns in it.
    "drift": Sign(
        lambda m: abs(m["logit_middle"]) > 200 * (abs(m["logit_gap"]) + m["logit_spread"]),
        "logits drift: they are about {logit_middle:.3g} and differ by {logit_gap:.2g}; try regularizers.lecam, or a "
        "lower optimizers.discriminator.learning_rate"),
}


def sign(history: Sequence[Mapping[str, float]]) -> str | None:
    """The first sign that every one of the last PATIENCE examinations shows. What could not be measured shows none."""
    recent = [{name.removeprefix(PREFIX): value for name, value in record.items()} for record in history[-PATIENCE:]]
    if len(recent) < PATIENCE:
        return None
    return next((name for name, one in SIGNS.items() if all(_shows(one, values) for values in recent)), None)


def _shows(one: Sign, values: Mapping[str, float]) -> bool:
    try:
        return one.shows(values)
    except KeyError:
        return False
