"""Optimizers a config can name, and the correction lazy regularization asks of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxgan import catalogue, schedules
from jaxgan.errors import InputError
from jaxgan.schedules import Schedule


def adam(learning_rate: float | Schedule = 2e-4, b1: float | Schedule = 0.5, b2: float | Schedule = 0.999,
         eps: float = 1e-8):
    """Adam (Kingma and Ba, 2015), without weight decay; the GAN literature's β₁ of 0.5 is the default."""
    return optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)


def adamw(learning_rate: float | Schedule = 2e-4, b1: float | Schedule = 0.5, b2: float | Schedule = 0.999,
          eps: float = 1e-8, weight_decay: float = 1e-4):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""
    return optax.adamw(learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay)


def rmsprop(learning_rate: float | Schedule = 5e-5, decay: float = 0.99, eps: float = 1e-8):
    """RMSProp as the WGAN paper trains with (5e-5; the decay is the usual 0.99), eps outside the root as in PyTorch."""
    return optax.rmsprop(learning_rate, decay=decay, eps=eps, eps_in_sqrt=False)


def sgd(learning_rate: float | Schedule = 1e-2, momentum: float = 0.0):
    """Gradient descent, with momentum if it is above 0."""
    return optax.sgd(learning_rate, momentum=momentum or None)


OPTIMIZERS = {"adam": adam, "adamw": adamw, "rmsprop": rmsprop, "sgd": sgd}


def build(spec: str | Mapping[str, Any], key: str, lazy_every: Sequence[int] = (),
          images: float = 1.0, total_kimg: float = math.nan) -> optax.GradientTransformation:
    """The optimizer of one player, corrected for its lazy phases.

    Two arguments are understood by all: `freeze` names parts of the network that keep their weights, as `freeze` has
    it, and `clip` is the norm that the gradient of the whole network is scaled down to where it is longer.
    For schedules: images, the real images a turn stands for, and total_kimg, the length of the run.

    StyleGAN2 (Karras et al. 2020, appendix B): a phase every k steps adds a turn to the optimizer, k+1 where there
    were k, so the learning rate is scaled by c = k/(k+1) and each β raised to c. For several lazy phases
    c = 1/(1 + Σ 1/kᵢ), which is the same for one.
    """
    name, arguments = catalogue.split_spec(spec, key)
    if (frozen := arguments.pop("freeze", ())):
        trained = build({"name": name} | arguments, key, lazy_every, images, total_kimg)
        return freeze(trained, frozen, f"config.{key}.freeze")
    if "clip" in arguments:
        clip = checked_norm(arguments.pop("clip"), f"config.{key}.clip")
        return optax.chain(clip, build({"name": name} | arguments, key, lazy_every, images, total_kimg))
    factory = catalogue.find(OPTIMIZERS, name, key)
    arguments = schedules.resolve(arguments, key, total_kimg)
    if lazy_every:
        c = 1 / (1 + sum(1 / every for every in lazy_every))
        defaults = {argument: parameter.default for argument, parameter in catalogue.accepted(factory).items()
                    if parameter.default is not parameter.empty}
        arguments = corrected(defaults | arguments, c)
        images *= c
    if not any(map(callable, arguments.values())):
        return catalogue.call(factory, arguments, key)
    catalogue.call(factory, {name: 0.5 if callable(value) else value for name, value in arguments.items()}, key)
    scheduled = {name: schedules.per_update(value, images) for name, value in arguments.items() if callable(value)}
    fixed = tuple(catalogue.accepted(factory).keys() - scheduled)
    return optax.inject_hyperparams(factory, static_args=fixed)(**(arguments | scheduled))


def checked_norm(norm: Any, key: str) -> optax.GradientTransformation:
    """Clipping to a global norm, the config's option `key`."""
    if isinstance(norm, bool) or not isinstance(norm, int | float) or not 0 < norm < math.inf:
        raise InputError(f"{key} must be a number above 0, the longest a gradient may be; got {norm!r}.")
    return optax.clip_by_global_norm(norm)


def freeze(trained: optax.GradientTransformation, names: str | Sequence[str],
           key: str) -> optax.GradientTransformation:
    """`trained`, but for the parameters under a module of one of these names ("block1", or "block1/conv1"), which stay
    as they are: FreezeD (Mo et al. 2020) where they are the discriminator's first. Their optimizer state is not kept.
    names: a list, or one text with commas.

    Raises InputError, when the optimizer meets the parameters, for a name that none of them has.
    """
    names = names.split(",") if isinstance(names, str) else names
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{key} must be names of modules, such as block1,block2; got {names!r}.")

    def labels(params):
        flat = {path: f"/{'/'.join(path)}/" for path in flatten_dict(params)}
        for name in names:
            if not any(f"/{name}/" in path for path in flat.values()):
                tops = {part for path in flat for part in path[:-1]}
                raise InputError(f"{key}: the network has no part {name!r}. {catalogue.suggest(name, tops, 'Parts')}")
        return unflatten_dict({path: "frozen" if any(f"/{name}/" in text for name in names) else "trained"
                               for path, text in flat.items()})
    return optax.multi_transform({"trained": trained, "frozen": optax.set_to_zero()}, labels)


def corrected(arguments: Mapping[str, Any], c: float) -> dict[str, Any]:
    """Learning rate times c, decay rates to the power c; numbers and schedules alike."""
    rules = {"learning_rate": lambda value: value * c} | dict.fromkeys(("b1", "b2", "decay", "momentum"),
                                                                       lambda value: value**c)
    return {name: schedules.transform(rules[name], value) if name in rules else value
            for name, value in arguments.items()}
