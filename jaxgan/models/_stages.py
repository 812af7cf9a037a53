"""How many blocks a ResNet GAN has at an image size, how wide they are, and where attention goes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from jaxgan import catalogue
from jaxgan.errors import InputError

# Widths over the base width from the generator's first feature map to its last, by the number of doublings: those of
# BigGAN (Brock et al. 2019, appendix B) for 128, 256 and 512 pixels, SNGAN's pattern for 64. The discriminator
# climbs the same numbers. For smaller images all widths are equal, as SNGAN has them for CIFAR-10.
MULTIPLIERS = {4: (16, 8, 4, 2, 1), 5: (16, 16, 8, 4, 2, 1), 6: (16, 16, 8, 8, 4, 2, 1), 7: (16, 16, 8, 8, 4, 2, 1, 1)}
SMALL_GENERATOR, SMALL_DISCRIMINATOR = 4, 2
LARGEST_AUTOMATIC_ATTENTION = 64


class GeneratorStages(NamedTuple):
    """bottom: (height, width) of the first map, `first_width` wide; then one stage for each of widths and heights."""

    bottom: tuple[int, int]
    first_width: int
    widths: list[int]
    heights: list[int]


class DiscriminatorStages(NamedTuple):
    """Output channels, whether it halves, and output height of each stage."""

    widths: list[int]
    downs: list[bool]
    heights: list[int]


def generator_stages(image_shape: tuple[int, int, int], width: int, multipliers: Sequence[int] | None,
                     num_up: int | None) -> GeneratorStages:
    """One doubling a stage: `num_up`, or as many as divide both sides and leave 4 pixels of each."""
    count = _count(image_shape, num_up, 4, "generator.num_up")
    if multipliers is None:
        multipliers = _pattern(count) or (SMALL_GENERATOR,) * (count + 1)
    if len(multipliers) != count + 1:
        raise InputError(f"config.generator.multipliers needs {count + 1} numbers for {count} doublings: the first "
                         f"feature map's and one after each; got {len(multipliers)}.")
    height, breadth = (side >> count for side in image_shape[:2])
    first, *widths = (width * multiplier for multiplier in multipliers)
    return GeneratorStages((height, breadth), first, widths, [height << i for i in range(1, count + 1)])


def discriminator_stages(image_shape: tuple[int, int, int], width: int, multipliers: Sequence[int] | None,
                         num_down: int | None) -> DiscriminatorStages:
    """`num_down` halvings, one a stage, then stages that keep the size: one, or two for small images.

    num_down None: to 4 pixels, where that takes 4 halvings or more; else to 7 or 8, but one halving at least.
    """
    count = _count(image_shape, num_down, 4, "discriminator.num_down")
    small = _pattern(count) is None
    if small and num_down is None:
        count = max(1, _halvings(image_shape[:2], 7))
    if multipliers is None:
        multipliers = (SMALL_DISCRIMINATOR,) * (count + 2) if small else _pattern(count)[::-1]
    if len(multipliers) < count:
        raise InputError(f"config.discriminator.multipliers needs a number for each of {count} halvings, and one for "
                         f"each block after them; got {len(multipliers)}.")
    halved = [min(number, count) for number in range(1, len(multipliers) + 1)]
    return DiscriminatorStages([width * multiplier for multiplier in multipliers],
                               [number <= count for number in range(1, len(multipliers) + 1)],
                               [image_shape[0] >> times for times in halved])


def attention_stages(attention: int | Collection[int] | None, blocks: Collection[int], heights: Sequence[int],
                     full: int, player: str) -> set[int]:
    """Numbers, from 1, of the stages that self-attention follows.

    attention: heights of feature maps, 0 or () for none; it follows the first stage whose output has that height.
    None: the largest that is below the image's, `full`, and at most 64: half the image for 128 pixels or fewer, as in
    the papers. blocks: further numbers, as they are.
    """
    if attention is None:
        attention = sorted(height for height in heights if height <= min(LARGEST_AUTOMATIC_ATTENTION, full - 1))[-1:]
    if isinstance(attention, int):
        attention = (attention,) if attention else ()
    for height in attention:
        if height not in heights:
            raise InputError(f"config.{player}.attention: no feature map is {height} pixels high; "
                             f"there are {', '.join(map(str, sorted(set(heights))))}.")
    for number in blocks:
        if not 1 <= number <= len(heights):
            raise InputError(f"config.{player}.attention_blocks: there is no block {number}, only 1 to {len(heights)}.")
    return {heights.index(height) + 1 for height in attention} | set(blocks)


def choose(options: Mapping[str, Any] | Collection[str], name: str, key: str) -> Any:
    """`name` where it is one of `options`, or what a mapping has under it."""
    if name not in options:
        raise InputError(f"config.{key}: there is no {name!r}. {catalogue.suggest(name, options)}")
    return options[name] if isinstance(options, Mapping) else name


def _pattern(count: int) -> tuple[int, ...] | None:
    if count < min(MULTIPLIERS):
        return None
    most = max(MULTIPLIERS)
    return MULTIPLIERS[min(count, most)] + (1,) * (count - most)


def _count(image_shape: tuple[int, int, int], asked: int | None, least: int, key: str) -> int:
    height, width, _ = image_shape
    if asked is not None:
        if asked < 1 or height % 2**asked or width % 2**asked:
            raise InputError(f"config.{key}={asked}: {height}x{width} images cannot be halved {asked} times; "
                             f"use fewer, or a config.data.resolution divisible by {2 ** max(asked, 1)}.")
        return asked
    count = _halvings((height, width), least)
    if not count:
        raise InputError(f"This network halves images, and {height}x{width} cannot be: both sides must be even and 8 "
                         "or more. Set config.data.resolution, or use the model dcgan.")
    return count


def _halvings(size: tuple[int, int], least: int) -> int:
    """How often both sides can be halved exactly without falling below `least`."""
    count = 0
    while all(side % 2 ** (count + 1) == 0 and side >> (count + 1) >= least for side in size):
        count += 1
    return count
