"""The card of an exported generator, as the Hugging Face Hub shows it: what is known of it, and what is not."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jaxgan
from jaxgan import privacy
from jaxgan.data import Info
from jaxgan.reporting import scores

TILES = 64  # images of the sample picture
UNKNOWN = "unknown"
TERMS = ("regularizers", "conditioning", "augmentation")
TASK = {"type": "unconditional-image-generation", "name": "Image generation"}


class Facts(NamedTuple):
    """What a card tells of.

    config, record: the run's config.json and environment.json. num_weights: numbers in the generator. inputs: what its
    programs take, name -> type and shape. scores: file -> results of jaxgan.evaluate. trained: the last scores during
    training, with their step. licence, use: what was said of the weights; None where nothing was. address: where the
    export is to lie, or None. files: the names of those beside the card.
    """

    name: str
    config: Mapping[str, Any]
    info: Info
    record: Mapping[str, Any]
    step: int
    weights: str
    num_weights: int
    inputs: Mapping[str, str]
    scores: Mapping[str, Sequence[Mapping[str, Any]]]
    trained: Mapping[str, float]
    licence: str | None
    use: str | None
    address: str | None
    files: Sequence[str]


def write(facts: Facts) -> str:
    """The card: YAML between two lines of dashes, then Markdown."""
    sections = {"Use it": loading(facts), "What it is": identity(facts), "Training data": training_data(facts),
                "Training": training(facts), "Differential privacy": [private(facts)],
                "Evaluation": evaluation(facts), "Intended use": [intended(facts)],
                "Limits": limits(facts), "Licence": [licence(facts)]}
    body = [f"# {facts.name}", f"![{TILES} samples, seeds 0 to {TILES - 1}](samples.png)"]
    for title, paragraphs in sections.items():
        body += [f"## {title}", *paragraphs]
    return f"---\n{front_matter(facts)}---\n\n" + "\n\n".join(body) + "\n"


def front_matter(facts: Facts) -> str:
    """Keys of the Hub's metadata; every value is JSON, which YAML holds as it is."""
    shown = {"library_name": "jaxgan", "pipeline_tag": "unconditional-image-generation",
             "tags": ["gan", "jax", "image-generation", part(facts.config["generator"])]}
    if facts.licence:
        shown["license"] = facts.licence
    results = [model_index(facts.info.name, result) for each in facts.scores.values() for result in each]
    if results:
        shown["model-index"] = [{"name": facts.name, "results": results}]
        shown["metrics"] = sorted({result["metrics"][0]["type"] for result in results})
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in shown.items())


def model_index(data: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """One result in the Hub's form, its protocol in words."""
    return {"task": TASK, "dataset": {"type": result["protocol"]["real"]["data"] or data,
                                      "name": result["protocol"]["real"]["data"] or data,
                                      "split": result["protocol"]["real"]["split"]},
            "metrics": [{"type": result["short"], "name": result["name"], "value": result["value"],
                         "args": {key: value for key, value in result["protocol"].items() if key != "fake"}}]}


def loading(facts: Facts) -> list[str]:
    """Code that makes images of each file."""
    found = []
    if "model.safetensors" in facts.files:
        found += ["With jaxgan" + ", `pip install 'jaxgan[hub]'`:" * bool(facts.address) + ":" * (not facts.address),
                  block("python", "import jaxgan", "",
                        f'images = jaxgan.load("{facts.address or "."}").generate(range(16))  # uint8, by seed')]
    about = "; ".join(f"`{name}`: {what}" for name, what in facts.inputs.items())
    info = facts.info
    given = {"class": f"np.arange(16, dtype=np.int32) % {info.num_classes}"}.get(
        info.label_kind, f"np.ones({(16, *(info.label_shape or (info.num_classes,)))}, np.float32)")
    examples = {"z": "z", "psi": "np.float32(0.7)", "label": given}
    if "generator.stablehlo" in facts.files:
        found += [f"With jax alone, on CPU, CUDA or TPU ({about}):", block(
            "python", "from pathlib import Path", "import numpy as np", "from jax import export", "",
            'latent, generator = (export.deserialize(Path(name).read_bytes())',
            '                     for name in ("latent.stablehlo", "generator.stablehlo"))',
            "z = latent.call(np.arange(16, dtype=np.uint32))  # by seed",
            f"images = generator.call({', '.join(examples[name] for name in facts.inputs)})  # clip to [-1, 1]")]
    if "generator.onnx" in facts.files:
        found.append(f"`generator.onnx` takes the same `{', '.join(facts.inputs)}` in any ONNX runtime ({about}) "
                     "and gives `image`, float32 [B, H, W, C], -1 to 1: clip it. It draws no `z` of its own.")
    return found


def identity(facts: Facts) -> list[str]:
    """The network, and which weights of it."""
    height, width, channels = facts.info.shape
    weights = "the weights of the last step" if facts.weights == "raw" else "averaged weights"
    return [f"The generator of a GAN trained with jaxgan {jaxgan.__version__}: "
            f"`{part(facts.config['generator'])}`, {facts.num_weights:,} numbers, images of {height}×{width} pixels in "
            f"{channels} channel{'s' * (channels > 1)}, {weights} at step {facts.step:,}."]


def training_data(facts: Facts) -> list[str]:
    """What the images were that it has seen."""
    info = facts.info
    if "converted" in facts.record:
        files = {each["file"]: each["sha256"] for each in facts.record["converted"].values() if each}
        return ["Not known: the weights were converted from published ones, "
                + ", ".join(f"`{name}` (sha256 {digest[:12]}…)" for name, digest in files.items()) + "."]
    count = info.splits.get(option(facts.config["data"], "split", "train"))
    classes = f", {info.num_classes} classes" if info.label_kind == "class" else (
        f", vectors of {info.num_classes} labels" if info.num_classes else ", no labels")
    digest = "" if facts.config["privacy"] else f"; content sha256 `{info.content_hash}`"
    lines = [f"`{info.name}`: {f'{count:,}' if count else 'an unknown number of'} images{classes}{digest}.",
             f"Licence of the data: {info.licence if info.licence != UNKNOWN else 'not known'}."]
    if info.label_kind == "class" and info.class_names:
        lines.insert(1, "Classes: " + ", ".join(info.class_names[:50]) + " …" * (len(info.class_names) > 50) + ".")
    return lines


def training(facts: Facts) -> list[str]:
    """How it was trained."""
    if "converted" in facts.record:
        return ["Not known: see above."]
    config, record = facts.config, facts.record
    images = facts.step * config["batch_size"] * config["num_critic"]
    parts = {"loss": part(config["loss"])} | {key: ", ".join(part(each) for each in config[key].values())
                                              for key in TERMS if config[key]}
    rows = [("discriminator", part(config["discriminator"])), *parts.items(),
            ("optimizers", ", ".join(f"{player}: {part(each)}" for player, each in config["optimizers"].items())),
            ("steps, batch", f"{facts.step:,}, {config['batch_size']}"), ("real images shown", f"{images:,}"),
            ("seed", "kept secret: it gives the noise away" if config["privacy"] else str(config["seed"])),
            ("devices", ", ".join(sorted(set(record["devices"])))),
            ("versions", ", ".join(f"{name} {version}" for name, version in record["packages"].items()))]
    return ["\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])]


def private(facts: Facts) -> str:
    """What bounds, if anything does, what the weights can tell of a training image."""
    if "converted" in facts.record:
        return "Not known: see above."
    return privacy.in_words(privacy.statement(facts.config, facts.info, facts.step))


def evaluation(facts: Facts) -> list[str]:
    """Every number with its protocol, or that there is none."""
    found = [f"By `jaxgan.evaluate`:\n\n```text\n{scores.table(results)}\n```" for results in facts.scores.values()]
    if facts.trained:
        step, values = facts.trained["step"], {key: value for key, value in facts.trained.items() if key != "step"}
        found.append(f"During training, at step {step:,}, on the training data, without an interval: " + ", ".join(
            f"{name.removeprefix('eval/')} {value:.4g}" for name, value in values.items()) + ".")
    return found or ["Not known: it has not been evaluated."]


def intended(facts: Facts) -> str:
    return facts.use or "Not stated by whoever exported it."


def limits(facts: Facts) -> list[str]:
    """What follows from how it came about, and what nobody has looked at."""
    looked = {result["short"] for results in facts.scores.values() for result in results}
    lines = ["It imitates its training data, with their gaps and their skew, and knows nothing else."]
    if not looked & {"nn_ratio", "authpct", "ct", "fld"}:
        lines.append("Whether its images repeat single training images has not been measured here.")
    if not looked & {"recall", "coverage"}:
        lines.append("How much of the variety of its data it covers has not been measured here.")
    return [" ".join(lines)]


def licence(facts: Facts) -> str:
    stated = f"`{facts.licence}`, as stated by whoever exported it." if facts.licence else (
        "Of the weights: not stated by whoever exported them.")
    return f"{stated} The data have their own, see above."


def part(spec: Any) -> str:
    """The name of a part of a config."""
    return spec if isinstance(spec, str) else spec["name"]


def option(spec: Any, key: str, otherwise: Any) -> Any:
    """An argument of a part of a config, where it is given."""
    return otherwise if isinstance(spec, str) or key not in spec else spec[key]


def block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])
