"""jaxgan's training step in PyTorch: the same phases, objectives, optimizers and average, written for PyTorch.

It takes what PyTorch offers for speed: fused Adam, foreach averages, the memory layout asked for, one forward pass for
loss and gradient penalty together, no gradients for weights that a turn does not train; torch.compile where asked for.
"""

import copy
import itertools
import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from jaxgan import config as configs
from jaxgan import data
from jaxgan.catalogue import split_spec
from jaxgan.data import pipeline
from jaxgan.errors import InputError

from . import dcgan, r3gan, resnet, stylegan2
from .objectives import LOSSES, around, between, gradient_penalty, path_lengths, schedule, slope_penalty

NETWORKS = {"dcgan": dcgan, "resnet": resnet, "r3gan": r3gan, "stylegan2": stylegan2}
PLAYERS = ("generator", "discriminator")
TERMS = {"r1": "discriminator", "r2": "discriminator", "gradient_penalty": "discriminator", "dragan": "discriminator",
         "path_length": "generator"}
PLACES = {"gradient_penalty": between, "dragan": around}  # where a penalty looks that is on no image of the loss
SAID = {"regularizers": {"every", "gamma", "weight", "spread"}, "optimizers": {"learning_rate", "b1", "b2", "eps"}}
PATH_DECAY, PATH_SHRINK = 0.99, 2
COPIED = ("w_mean", "weight_u", "weight_v")  # buffers that an average takes over as they are


class Draws:
    """The random numbers of a run."""

    def __init__(self, device: torch.device):
        self.device = device

    def latents(self, kind: str, count: int, dim: int) -> Tensor:
        """kind: "normal", or "uniform" on [-1, 1)."""
        z = torch.empty(count, dim, device=self.device)
        return z.uniform_(-1, 1) if kind == "uniform" else z.normal_()

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, device=self.device)

    def noise(self, *shape: int) -> Tensor:
        return torch.randn(*shape, device=self.device)

    def mixed(self, count: int, rows: int, share: float) -> Tensor:
        """Which rows of w come from another latent, bool [count, rows, 1]."""
        first = torch.randint(1, rows, (count, 1, 1), device=self.device)
        row = torch.arange(rows, device=self.device)[:, None]
        return (torch.rand(count, 1, 1, device=self.device) < share) & (row >= first)


class Memory:
    """While it is entered, `network` runs as in training, but forgets what it stored: running statistics, singular
    vectors, the mean of w. A turn commits only its own player's."""

    def __init__(self, network: nn.Module):
        self.norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        self.momenta = [norm.momentum for norm in self.norms]
        self.stored = [buffer for name, buffer in network.named_buffers()
                       if name.endswith(COPIED)]

    def __enter__(self) -> None:
        self.copies = torch._foreach_clone(self.stored) if self.stored else []
        for norm in self.norms:
            norm.momentum = 0.0

    def __exit__(self, *_: object) -> None:
        for norm, momentum in zip(self.norms, self.momenta):
            norm.momentum = momentum
        if self.stored:
            torch._foreach_copy_(self.stored, self.copies)


class Optimizer:
    """Adam with schedules, corrected for lazy terms as `jaxgan.training.optimizers.build` does."""

    def __init__(self, network: nn.Module, spec: Any, lazy: list[int], images: float, total_kimg: float):
        arguments = {"learning_rate": 2e-4, "b1": 0.5, "b2": 0.999, "eps": 1e-8} | split_spec(spec, "optimizers")[1]
        self.correction = 1 / (1 + sum(1 / every for every in lazy))
        self.scheduled = any(hasattr(value, "keys") for value in arguments.values())
        eps = arguments.pop("eps")
        self.values = {name: schedule(value, total_kimg) for name, value in arguments.items()}
        self.images, self.updates = images * self.correction, 0
        self.params = list(network.parameters())
        rate, *betas = self.now()
        self.adam = torch.optim.Adam(self.params, lr=rate, betas=betas, eps=eps, fused=True)

    def now(self) -> list[float]:
        rate, b1, b2 = (self.values[name](self.updates * self.images) for name in ("learning_rate", "b1", "b2"))
        return [rate * self.correction, b1**self.correction, b2**self.correction]

    def minimise(self, loss: Tensor) -> Tensor:
        """One step; returns the loss without its graph."""
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        for param in self.params:  # a lazy term that does not depend on a weight still counts as a step of it
            if param.grad is None:
                param.grad = torch.zeros_like(param)
        if self.scheduled:
            group = self.adam.param_groups[0]
            group["lr"], *betas = self.now()
            group["betas"] = tuple(betas)
        self.adam.step()
        self.updates += 1
        return loss.detach()


class Trainer:
    """One run: its networks, optimizers and average, and the step that trains them."""

    def __init__(self, config: Any, info: data.Info, channels_last: bool, compiled: bool, device: torch.device):
        sections = {name: split_spec(config[name], name) for name in ("latent", *PLAYERS)}
        self.config, self.batch_size = config, config.batch_size
        self.prior, self.z_dim = sections["latent"][0], sections["latent"][1]["dim"]
        self.draws, self.step_number, self.path_mean = Draws(device), 0, torch.zeros((), device=device)
        self.d_loss, self.g_loss, self.paired = LOSSES[split_spec(config.loss, "loss")[0]]
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for player in PLAYERS:
            family, fields = sections[player]
            inputs = (self.z_dim,) if player == "generator" else ()
            fields = {name: value for name, value in fields.items() if name not in ("dtype", "float32_stages")}
            network = getattr(NETWORKS[family], player.capitalize())(info.shape, info.num_classes, *inputs,
                                                                     channels_last, **fields)
            setattr(self, player, network.to(device, memory_format=layout))
        self.generator.draws = self.draws
        run = torch.compile if compiled else lambda network: network
        self.generate, self.judge = run(self.generator), run(self.discriminator)
        self.forgotten = {player: Memory(getattr(self, player)) for player in PLAYERS}
        self.terms = {name: {"every": 1} | arguments for name, arguments in
                      (split_spec(spec, key) for key, spec in config.regularizers.items())}
        self.gamma = {name: schedule(term["weight" if name == "path_length" else "gamma"], config.total_kimg)
                      for name, term in self.terms.items()}
        self.optimizers = {player: self._optimizer(player) for player in PLAYERS}
        self._start_average()

    def _optimizer(self, player: str) -> Optimizer:
        lazy = [term["every"] for name, term in self.terms.items() if TERMS[name] == player and term["every"] > 1]
        turns = self.config.num_critic if player == "discriminator" else 1
        return Optimizer(getattr(self, player), self.config.optimizers[player], lazy,
                         self.batch_size * self.config.num_critic / turns, self.config.total_kimg)

    def _start_average(self) -> None:
        self.average = None
        if not self.config.average:
            return
        spec = split_spec(self.config.average.ema, "average.ema")[1]
        self.rampup = spec.get("rampup", 0.05)
        self.half_life = schedule(spec["half_life_kimg"], self.config.total_kimg)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.averaged, self.current = floats(self.average), floats(self.generator)
        pairs = zip(self.average.named_buffers(), self.generator.buffers())
        self.copied = [(average, current) for (name, average), current in pairs if name.endswith(COPIED)]

    def step(self, batches: list[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor]:
        """One step, on a real batch for each turn of the discriminator and one for the generator: images float
        [B, C, H, W], and labels. Returns the mean loss of D and that of G without penalties, still tensors."""
        *theirs, ours = batches
        due = {name for name, term in self.terms.items() if term["every"] > 1 and not self.step_number % term["every"]}
        images = self.step_number * self.batch_size * len(theirs)
        gamma = {name: value(images) for name, value in self.gamma.items()}
        d_loss = torch.stack([self.discriminator_turn(*batch, gamma) for batch in theirs]).mean()
        for name in sorted(due & {"r1"}):
            self.penalty_turn(*theirs[0], gamma[name] * self.terms[name]["every"])
        g_loss = self.generator_turn(*ours)
        if "path_length" in due:
            self.path_turn(ours[1], gamma["path_length"] * self.terms["path_length"]["every"])
        self.step_number += 1
        self.update_average(self.step_number * self.batch_size * len(theirs), self.batch_size * len(theirs))
        return d_loss, g_loss

    def latents(self, count: int | None = None) -> Tensor:
        return self.draws.latents(self.prior, count or self.batch_size, self.z_dim)

    def discriminator_turn(self, real: Tensor, label: Tensor | None, gamma: dict[str, float]) -> Tensor:
        with torch.no_grad(), self.forgotten["generator"]:
            fake = self.generate(self.latents(), label)
        joined = [name for name in ("r1", "r2") if name in gamma and self.terms[name]["every"] == 1]
        shown = {"r1": real, "r2": fake}
        for name in joined:
            shown[name] = shown[name].detach().requires_grad_()
        # torch.compile cannot differentiate twice: a pass that is goes without it.
        judge = self.discriminator if joined else self.judge
        logits = {name: judge(image, label) for name, image in shown.items()}
        loss = self.d_loss(logits["r1"], logits["r2"]).mean()
        total = loss + sum(gamma[name] * gradient_penalty(logits[name], shown[name]) for name in joined)
        for name in gamma.keys() & PLACES:
            image = PLACES[name](real, fake, self.draws.uniform, self.terms[name].get("spread", 0.5))
            image = image.detach().requires_grad_()
            total = total + gamma[name] * slope_penalty(self.discriminator(image, label), image)
        self.optimizers["discriminator"].minimise(total)
        return loss.detach()

    def penalty_turn(self, real: Tensor, label: Tensor | None, gamma: float) -> None:
        """Lazy R1."""
        real = real.detach().requires_grad_()
        with self.forgotten["discriminator"]:
            penalty = gradient_penalty(self.discriminator(real, label), real)
        self.optimizers["discriminator"].minimise(gamma * penalty)

    def generator_turn(self, real: Tensor, label: Tensor | None) -> Tensor:
        self.discriminator.requires_grad_(False)
        fake = self.generate(self.latents(), label)
        with self.forgotten["discriminator"]:
            real_logit = self.judge(real, label) if self.paired else None
            loss = self.g_loss(self.judge(fake, label), real_logit).mean()
        self.optimizers["generator"].minimise(loss)
        self.discriminator.requires_grad_(True)
        return loss.detach()

    def path_turn(self, label: Tensor | None, weight: float) -> None:
        """Lazy path length, on a part of a batch."""
        count = self.batch_size // PATH_SHRINK
        with self.forgotten["generator"]:
            w = self.generator.mapping(self.latents(count), None if label is None else label[:count])
            lengths = path_lengths(self.generator, w, lambda shape: self.draws.noise(*shape))
        mean = torch.lerp(lengths.mean(), self.path_mean, PATH_DECAY)
        self.optimizers["generator"].minimise(weight * (lengths - mean).square().mean())
        self.path_mean = mean.detach()

    def update_average(self, images_seen: int, images: int) -> None:
        if self.average is None:
            return
        half_life = self.half_life(images_seen) * 1000
        if self.rampup:
            half_life = min(half_life, images_seen * self.rampup)
        torch._foreach_lerp_(self.averaged, self.current, 1 - 0.5 ** (images / max(half_life, 1e-8)))
        for average, current in self.copied:
            average.copy_(current)


def floats(network: nn.Module) -> list[Tensor]:
    """Parameters and running statistics, without gradients: what is averaged."""
    return [tensor for name, tensor in network.state_dict().items()
            if tensor.is_floating_point() and not name.endswith(COPIED)]


class Feed:
    """The real batches of the run, gathered by index: uint8 [N, H, W, C] -> float [B, C, H, W] in [-1, 1].

    As in `jaxgan.training.feed` a step has a batch for each turn of the discriminator, and one for the generator.
    """

    def __init__(self, arrays: data.Arrays, config: Any, channels_last: bool, device: torch.device):
        images, labels = arrays
        stored = torch.from_numpy(images).to(device)
        self.images = stored if channels_last else stored.permute(0, 3, 1, 2).contiguous()
        self.labels = None if labels is None else torch.from_numpy(labels).long().to(device)
        self.channels_last, self.device, self.slots = channels_last, device, config.num_critic + 1
        self.stream = (len(images), config.batch_size, config.seed)

    def __getitem__(self, step: int) -> list[tuple[Tensor, Tensor | None]]:
        return [self.batch(step * self.slots + slot) for slot in range(self.slots)]

    def batch(self, number: int) -> tuple[Tensor, Tensor | None]:
        indices = torch.from_numpy(pipeline.batch_indices(*self.stream, number)).to(self.device)
        real = self.images[indices]
        real = (real.permute(0, 3, 1, 2) if self.channels_last else real).to(torch.float32).div_(127.5).sub_(1)
        return real, None if self.labels is None else self.labels[indices]


class FlopCounter(TorchDispatchMode):
    """Work of matrix products and convolutions while it is entered. PyTorch's own counter also asks which module they
    belong to, and fails in the second derivative of a penalty."""

    def __init__(self):
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if (count := flop_registry.get(function._overloadpacket)) is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        return result


def begin(config: Any, source: data.Source, channels_last: bool, compiled: bool) -> tuple[Trainer, Feed]:
    """A run at its first step, and its batches; on the GPU where there is one."""
    refuse_what_differs(config, source.info)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    torch.set_flush_denormal(True)  # as XLA does
    torch.backends.cudnn.benchmark = torch.backends.cuda.matmul.allow_tf32 = True
    trainer = Trainer(config, source.info, channels_last, compiled, device)
    return trainer, Feed(pipeline.materialise(source), config, channels_last, device)


def prepare(location: str, overrides: list[str], channels_last: bool, compiled: bool,
            counted: int = 0) -> tuple[Callable[[int], float], dict[str, Any]]:
    """What a contestant hands to the harness: `run(steps) -> last loss of D`, and facts about itself.

    counted: steps to take first, the work of whose matrix products and convolutions is counted.
    """
    config = configs.load(location, overrides)
    trainer, feed = begin(config, data.open(config.data), channels_last, compiled)
    numbers = itertools.count()

    def run(steps: int) -> float:
        for number in itertools.islice(numbers, steps):
            d_loss, _ = trainer.step(feed[number])
        return d_loss.item()

    with FlopCounter() as counter:
        if counted:
            run(counted)
    facts = {
        "flops_per_step": counter.flops / counted if counted else None,
        "versions": {"python": platform.python_version(), "torch": torch.__version__}, "device": feed.device.type,
        "num_params": [sum(p.numel() for p in getattr(trainer, player).parameters()) for player in PLAYERS],
        "threads": torch.get_num_threads(),
    }
    return run, facts


def prepare_product() -> tuple[Callable[[int], float], dict[str, Any]]:
    """A contestant that multiplies large matrices, four times a turn: what the machine can do at best, about."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    side = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(2, side, side, device=device)

    def run(_: int) -> float:
        return (a @ (a @ (a @ (a @ b))))[0, 0].item()
    return run, {"flops_per_turn": 4 * 2 * side**3}


def refuse_what_differs(config: Any, info: data.Info) -> None:
    """The twins know the parts that their recipes use."""
    parts = {"generator": NETWORKS, "discriminator": NETWORKS, "latent": ["normal", "uniform"], "loss": LOSSES}
    specs = {key: config[key] for key in parts}
    specs |= {f"regularizers.{name}": spec for name, spec in config.regularizers.items()}
    specs |= {f"optimizers.{player}": spec for player, spec in config.optimizers.items()}
    for key, spec in specs.items():
        known = parts[key] if key in parts else TERMS if key.startswith("regularizers") else ["adam"]
        name, arguments = split_spec(spec, key)
        if name not in known:
            raise InputError(f"config.{key}: the PyTorch twins have {', '.join(known)}, not {name!r}.")
        group = key.partition(".")[0]
        if group in SAID and (unknown := arguments.keys() - SAID[group]):
            raise InputError(f"config.{key}: the PyTorch twins know no {', '.join(sorted(unknown))}.")
        if "dtype" in arguments and arguments["dtype"] != "float32":
            raise InputError(f"config.{key}.dtype: the PyTorch twins compute in float32; set that.")
    for group in ("conditioning", "augmentation"):
        if len(config[group]):
            raise InputError(f"config.{group}: the PyTorch twins have none; set --config.{group}={{}}.")
    if config.accumulate != 1:
        raise InputError("config.accumulate: the PyTorch twins take a batch in one part; set it to 1.")
    if list(config.average) not in ([], ["ema"]):
        raise InputError("The PyTorch twins keep one average, config.average.ema; take the others out.")
    if info.kind != "image" or info.label_kind == "vector":
        raise InputError("config.data: the PyTorch twins take images, with one class each or without labels.")
