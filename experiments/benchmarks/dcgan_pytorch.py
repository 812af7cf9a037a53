"""jaxgan's DCGAN step in PyTorch eager: the same networks, objective, optimizer and average, written for PyTorch.

It takes what PyTorch offers for speed in eager mode on a CPU: fused Adam, foreach averages, the memory layout asked
for, no gradients for weights that a turn does not train.
"""

import copy
import itertools
import platform
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from jaxgan import config as configs
from jaxgan import data
from jaxgan.catalogue import split_spec
from jaxgan.data import pipeline
from jaxgan.errors import InputError

SMALLEST = 8  # as in jaxgan.models.dcgan


class Maps(nn.Module):
    """[B, H*W*C] -> [B, C, H, W], in memory the way the convolutions after it run."""

    def __init__(self, size: tuple[int, int], channels: int, channels_last: bool):
        super().__init__()
        self.size, self.channels, self.channels_last = size, channels, channels_last

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_last:
            return x.view(-1, *self.size, self.channels).permute(0, 3, 1, 2)
        return x.view(-1, self.channels, *self.size)


class Generator(nn.Module):
    """The fields of `jaxgan.models.dcgan.Generator` and its names of layers; `channels_last` is PyTorch's own."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, z_dim: int, channels_last: bool, *,
                 width: int = 64, max_width: int = 512, norm: str = "batch", embed_dim: int = 32,
                 init_std: float = 0.02):
        super().__init__()
        self.embed = nn.Embedding(num_classes, embed_dim) if num_classes else None
        sizes, widths = levels(image_shape, width, max_width)
        top = len(sizes) - 1
        normed = norm == "batch"
        inputs = z_dim + (embed_dim if num_classes else 0)
        layers = {"dense": nn.Linear(inputs, sizes[top][0] * sizes[top][1] * widths[top], bias=not normed),
                  "maps": Maps(sizes[top], widths[top], channels_last)}
        layers |= finish(top, widths[top], normed, nn.ReLU(inplace=True))
        for level in range(top - 1, -1, -1):
            odd = tuple(new - 2 * old for new, old in zip(sizes[level], sizes[level + 1]))
            layers[f"up{level}"] = nn.ConvTranspose2d(widths[level + 1], widths[level], 4, 2, 1, output_padding=odd,
                                                      bias=level == 0 or not normed)
            layers |= finish(level, widths[level], normed, nn.ReLU(inplace=True)) if level else {"tanh": nn.Tanh()}
        self.layers = nn.Sequential(OrderedDict(layers))
        initialize(self, init_std, embed_std=1.0)

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        return self.layers(torch.cat([z, self.embed(label)], 1) if self.embed else z)


class Discriminator(nn.Module):
    """The fields and the names of layers of `jaxgan.models.dcgan.Discriminator`."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, channels_last: bool, *, width: int = 64,
                 max_width: int = 512, norm: str = "batch", embed_dim: int = 32, init_std: float = 0.02):
        super().__init__()
        self.channels_last = channels_last
        self.embed = nn.Embedding(num_classes, embed_dim) if num_classes else None
        sizes, widths = levels(image_shape, width, max_width)
        joined = embed_dim if num_classes else 0
        first, rest = {}, {}
        for level in range(1, len(sizes)):
            normed = norm == "batch" and level > 1
            inputs = widths[level - 1] + (joined if level == 2 else 0)
            layers = first if level == 1 else rest
            layers[f"down{level}"] = nn.Conv2d(inputs, widths[level], 4, 2, 1, bias=not normed)
            layers |= finish(level, widths[level], normed, nn.LeakyReLU(0.2, inplace=True))
        self.first, self.rest = nn.Sequential(OrderedDict(first)), nn.Sequential(OrderedDict(rest))
        self.logit = nn.Linear(sizes[-1][0] * sizes[-1][1] * (widths[-1] + (0 if rest else joined)), 1)
        initialize(self, init_std, embed_std=init_std)

    def forward(self, image: Tensor, label: Tensor | None) -> Tensor:
        x = self.first(image)
        x = self.rest(self.join(x, self.embed(label)) if self.embed else x)
        x = x.permute(0, 2, 3, 1) if self.channels_last else x
        return self.logit(x.reshape(x.shape[0], -1))[:, 0]

    def join(self, x: Tensor, embedding: Tensor) -> Tensor:
        """The embedding at every position, as further channels; the memory layout stays."""
        if self.channels_last:
            maps = embedding[:, None, None, :].expand(-1, *x.shape[2:], -1)
            return torch.cat([x.permute(0, 2, 3, 1), maps], 3).permute(0, 3, 1, 2)
        return torch.cat([x, embedding[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)


def levels(image_shape: tuple[int, int, int], width: int, max_width: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Size and channels of every level, the image first."""
    height, breadth, channels = image_shape
    sizes, widths = [(height, breadth)], [channels]
    while min(sizes[-1]) >= SMALLEST:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        widths.append(min(width << (len(widths) - 1), max_width))
    return sizes, widths


def finish(level: int, channels: int, normed: bool, activation: nn.Module) -> dict[str, nn.Module]:
    """Normalization, if any, and activation."""
    norm = {f"norm{level}": nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)} if normed else {}
    return norm | {f"activation{level}": activation}


def initialize(network: nn.Module, std: float, embed_std: float) -> None:
    """Kernels N(0, std^2), biases 0; BatchNorm starts at scale 1 and bias 0 by itself."""
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=embed_std)
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Trainer:
    """One run: its networks, optimizers and average, and the step that trains them."""

    def __init__(self, config: Any, info: data.Info, channels_last: bool):
        sections = {name: split_spec(config[name], name)[1] for name in ("latent", "generator", "discriminator")}
        adams = {player: split_spec(spec, "optimizers")[1] for player, spec in config.optimizers.items()}
        self.z_dim, self.batch_size = sections["latent"]["dim"], config.batch_size
        self.half_life, self.rampup = config.average.ema.half_life_kimg * 1000, config.average.ema.rampup
        self.generator = Generator(info.shape, info.num_classes, self.z_dim, channels_last, **sections["generator"])
        self.discriminator = Discriminator(info.shape, info.num_classes, channels_last, **sections["discriminator"])
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.generator.to(memory_format=layout)
        self.discriminator.to(memory_format=layout)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.averaged, self.current = floats(self.average), floats(self.generator)
        self.g_optimizer = adam(self.generator, **adams["generator"])
        self.d_optimizer = adam(self.discriminator, **adams["discriminator"])
        self.images_seen = 0

    def step(self, real: Tensor, label: Tensor | None, g_label: Tensor | None) -> tuple[Tensor, Tensor]:
        """One turn of each player; real: float [B, C, H, W]. Returns the losses of D and G, still tensors."""
        with torch.no_grad(), frozen_statistics(self.generator):
            fake = self.generator(self.latents(), label)
        d_loss = softplus(-self.discriminator(real, label)).mean() + softplus(self.discriminator(fake, label)).mean()
        update(self.d_optimizer, d_loss)

        self.discriminator.requires_grad_(False)
        fake = self.generator(self.latents(), g_label)
        with frozen_statistics(self.discriminator):
            g_loss = softplus(-self.discriminator(fake, g_label)).mean()
        update(self.g_optimizer, g_loss)
        self.discriminator.requires_grad_(True)

        self.images_seen += self.batch_size
        half_life = min(self.half_life, self.images_seen * self.rampup) if self.rampup else self.half_life
        torch._foreach_lerp_(self.averaged, self.current, 1 - 0.5 ** (self.batch_size / half_life))
        return d_loss.detach(), g_loss.detach()

    def latents(self) -> Tensor:
        """[B, z_dim], standard normal."""
        return torch.randn(self.batch_size, self.z_dim)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Normalises by the batch but leaves the running statistics: a turn commits only its own player's."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    yield
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


def floats(network: nn.Module) -> list[Tensor]:
    """Parameters and running statistics, without gradients."""
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]


def adam(network: nn.Module, learning_rate: float = 2e-4, b1: float = 0.5, b2: float = 0.999,
         eps: float = 1e-8) -> torch.optim.Adam:
    """`jaxgan.training.optimizers.adam`."""
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(b1, b2), eps=eps, fused=True)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One optimizer step."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


class Feed:
    """The real batches of the run, gathered by index: uint8 [N, H, W, C] -> float [B, C, H, W] in [-1, 1].

    As in `jaxgan.training.feed` a step has two batches, one for each player; of the generator's only labels are read.
    """

    def __init__(self, arrays: data.Arrays, config: Any, channels_last: bool):
        images, labels = arrays
        stored = torch.from_numpy(images)
        self.images = stored if channels_last else stored.permute(0, 3, 1, 2).contiguous()
        self.labels = None if labels is None else torch.from_numpy(labels).long()
        self.channels_last = channels_last
        self.stream = (len(images), config.batch_size, config.seed)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        ours, theirs = (torch.from_numpy(pipeline.batch_indices(*self.stream, 2 * step + slot)) for slot in (0, 1))
        real = self.images[ours]
        real = (real.permute(0, 3, 1, 2) if self.channels_last else real).to(torch.float32).div_(127.5).sub_(1)
        return (real, None, None) if self.labels is None else (real, self.labels[ours], self.labels[theirs])


def prepare(location: str, overrides: list[str], channels_last: bool) -> tuple[Callable[[int], float], dict[str, Any]]:
    """What a contestant hands to the harness: `run(steps) -> last loss of D`, and facts about itself."""
    config = configs.load(location, overrides)
    source = data.open(config.data)
    refuse_what_differs(config, source.info)
    torch.manual_seed(config.seed)
    torch.set_flush_denormal(True)  # as XLA does
    trainer = Trainer(config, source.info, channels_last)
    feed = Feed(pipeline.materialise(source), config, channels_last)
    numbers = itertools.count()

    def run(steps: int) -> float:
        for number in itertools.islice(numbers, steps):
            d_loss, _ = trainer.step(*feed[number])
        return d_loss.item()

    players = (trainer.generator, trainer.discriminator)
    facts = {
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "num_params": [sum(p.numel() for p in player.parameters()) for player in players],
        "threads": torch.get_num_threads(),
    }
    return run, facts


def refuse_what_differs(config: Any, info: data.Info) -> None:
    """The twin knows the plain DCGAN only."""
    expected = {"generator": "dcgan", "discriminator": "dcgan", "latent": "normal", "loss": "non_saturating"}
    for key, name in expected.items():
        if split_spec(config[key], key)[0] != name:
            raise InputError(f"config.{key}: the PyTorch twin has only {name!r}.")
    for group in ("regularizers", "conditioning", "augmentation"):
        if len(config[group]):
            raise InputError(f"config.{group}: the PyTorch twin has none; leave {', '.join(config[group])} out.")
    for player, spec in config.optimizers.items():
        if split_spec(spec, "optimizers")[0] != "adam":
            raise InputError(f"config.optimizers.{player}: the PyTorch twin has only 'adam'.")
    if config.num_critic != 1:
        raise InputError("config.num_critic: the PyTorch twin has only 1.")
    if list(config.average) != ["ema"]:
        raise InputError("The PyTorch twin keeps one average, config.average.ema; take the others out.")
    if info.kind != "image" or info.label_kind == "vector":
        raise InputError("config.data: the PyTorch twin takes images, with one class each or without labels.")
