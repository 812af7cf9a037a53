"""A trained generator as files for other programs, and such files opened again.

An export is a folder: README.md, the model card; config.json, what the generator is; samples.png; and by format
model.safetensors, the weights; generator.stablehlo, z [, label] [, psi] -> images, with latent.stablehlo, seeds -> z;
generator.onnx, the same as the former.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax import export

import jaxgan
from jaxgan import catalogue, images
from jaxgan import config as config_lib
from jaxgan.data import Info
from jaxgan.errors import InputError
from jaxgan.experiment import build_network
from jaxgan.interop import names, onnx, safetensors, stablehlo
from jaxgan.latents import PRIORS
from jaxgan.latents.sampling import Sampler, variables_of
from jaxgan.typing import Array, PyTree

CARD, CONFIG, WEIGHTS, PICTURE = "README.md", "config.json", "model.safetensors", "samples.png"
STABLEHLO, LATENT, ONNX = "generator.stablehlo", "latent.stablehlo", "generator.onnx"
READ_BACK = (CONFIG, WEIGHTS)  # what `read` needs
FORMATS = ("safetensors", "stablehlo", "onnx")
KIND = "jaxgan-export"  # marks the config.json of one
PRIVATE = ("data", "init_from")  # sections of a config that name places on the machine it was trained on
SECRET = ("seed",)  # of a run with config.privacy, whose noise it gives away
TOLERANCE = 1e-4  # of ONNX against JAX
TRIED = 5  # images that they are compared on


class Exported(NamedTuple):
    """What `read` finds. config: without what is PRIVATE."""

    config: Mapping[str, Any]
    info: Info
    sampler: Sampler
    weights: PyTree


def write(folder: Path, formats: tuple[str, ...], sampler: Sampler, weights: PyTree, config: Mapping[str, Any],
          info: Info, facts: Mapping[str, Any]) -> list[str]:
    """Writes an export without its card; returns lines that say what was written. facts: go into config.json.

    Raises InputError where the folder holds something else, or a format cannot have this generator.
    """
    check_place(folder)
    weights = jax.tree.map(np.asarray, jax.device_get(weights))
    said = []
    made: dict[str, bytes] = {}
    if "stablehlo" in formats:
        function, inputs = generator_function(sampler, weights, info)
        made |= {STABLEHLO: stablehlo.convert(function, inputs),
                 LATENT: stablehlo.convert(lambda seeds: jax.vmap(sampler.latent)(seeds),
                                           {"seeds": jax.ShapeDtypeStruct(inputs["z"].shape[:1], jnp.uint32)})}
        said.append(f"{STABLEHLO}({', '.join(inputs)}), {LATENT}(seeds): for " + ", ".join(stablehlo.PLATFORMS))
    if "onnx" in formats:
        made[ONNX], difference = to_onnx(sampler, weights, info, facts)
        said.append(f"{ONNX}: at most {difference:.1e} from JAX, on {TRIED} images")
    folder.mkdir(parents=True, exist_ok=True)
    if "safetensors" in formats:
        arrays = flatten_dict(variables_of(weights), sep="/")
        safetensors.write(folder / WEIGHTS, arrays, {"format": KIND})
        said.insert(0, f"{WEIGHTS}: {sum(array.size for array in arrays.values()):,} numbers")
    data, hidden = described(info), PRIVATE
    if config["privacy"]:
        data, hidden = data | {"content_hash": ""}, PRIVATE + SECRET
    record = {"kind": KIND, "jaxgan": jaxgan.__version__, **facts, "data": data,
              "config": {key: value for key, value in json.loads(config_lib.to_json(config)).items()
                         if key not in hidden}}
    made[CONFIG] = (json.dumps(record, indent=2, sort_keys=True) + "\n").encode()
    for name, content in made.items():
        with images.replacing(folder / name) as file:
            file.write(content)
    return said


def check_place(folder: Path) -> None:
    """Refuses a folder that holds anything but an export."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output={folder} is a file: give a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not is_export(folder):
        raise InputError(f"--output={folder} holds other files: give a new folder, or one with an export.")


def is_export(folder: Path) -> bool:
    """Whether a folder holds what `write` wrote."""
    try:
        return config_lib.parse_json((folder / CONFIG).read_bytes())["kind"] == KIND
    except (OSError, ValueError, LookupError, TypeError):
        return False


def described(info: Info) -> dict[str, Any]:
    """What the data were, without the names of files that were left out of them."""
    return info.to_dict() | {"skipped": []}


def generator_function(sampler: Sampler, weights: PyTree, info: Info) -> tuple[
        Callable[..., Array], dict[str, jax.ShapeDtypeStruct]]:
    """(z [, label] [, psi]) -> float32 images [B, H, W, C] in about [-1, 1], and what each of its arguments is.

    label: int32 [B], or float32 [B, num_classes] where the data have vectors. psi: truncation, one number, for
    generators with a w; 1 for none. The batch is a symbol.
    """
    (batch,) = export.symbolic_shape("batch")
    inputs = {"z": jax.ShapeDtypeStruct((batch, sampler.prior.dim), jnp.float32)}
    if info.labelled:
        one = info.blank_labels(1)
        inputs["label"] = jax.ShapeDtypeStruct((batch, *one.shape[1:]), one.dtype)
    if sampler.has_w:
        inputs["psi"] = jax.ShapeDtypeStruct((), jnp.float32)

    def function(*arguments: Array) -> Array:
        given: dict[str, Any] = {"label": None, **dict(zip(inputs, arguments, strict=True))}
        truncation = {"psi": given["psi"]} if "psi" in given else {}
        codes = sampler.code(weights, given["z"], given["label"], **truncation)
        return sampler.image(weights, codes, given["label"])
    return function, inputs


def to_onnx(sampler: Sampler, weights: PyTree, info: Info, facts: Mapping[str, Any]) -> tuple[bytes, float]:
    """The ONNX file, which computes in float32, and its largest difference from JAX on a few images."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"--format=onnx needs a package that is not installed ({error}): "
                         "pip install 'jaxgan[onnx]'.") from error
    if hasattr(sampler.generator, "dtype"):
        sampler = Sampler(sampler.generator.clone(dtype="float32"), sampler.prior, sampler.mesh)
    function, inputs = generator_function(sampler, weights, info)
    content = onnx.convert(function, inputs, "image", {name: str(value) for name, value in facts.items()})
    rng = np.random.default_rng(0)
    given = {"z": rng.standard_normal((TRIED, sampler.prior.dim), np.float32), "psi": np.array(0.7, np.float32)}
    given["label"] = (rng.integers(info.num_classes, size=TRIED, dtype=np.int32) if info.label_kind == "class" else
                      rng.random((TRIED, *(info.label_shape or (info.num_classes,))), np.float32))
    given = {name: given[name] for name in inputs}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, given)
    difference = float(np.abs(made - np.asarray(jax.jit(function)(*given.values()))).max())
    if not difference <= TOLERANCE:
        raise InputError(f"--format=onnx: what onnxruntime {onnxruntime.__version__} makes of this generator is "
                         f"{difference:.1e} from JAX, over the {TOLERANCE:g} that is allowed. Leave onnx out of "
                         "--format.")
    return content, difference


def read(folder: Path, mesh: jax.sharding.Mesh, trust: bool = False) -> Exported:
    """An export opened again, from its weights and config.json alone.

    trust: it may name code from outside jaxgan, which is then imported. Raises InputError where files are damaged or do
    not belong together.
    """
    place = folder / CONFIG
    try:
        record = config_lib.parse_json(place.read_bytes())
        config, info = dict(record["config"]), Info.from_dict(record["data"])
        latent, generator = ({key: config[key]} for key in ("latent", "generator"))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{place} is damaged, or no export of jaxgan.export.") from error
    outside = config_lib.outside({"data": "", **latent, **generator})
    if outside and not trust:
        raise InputError(f"{place} names code from outside jaxgan, which opening it would execute: "
                         f"{', '.join(outside)[:300]}. If you trust whoever made it, say trust=True.")
    prior = catalogue.build(PRIORS, latent["latent"], "latent")
    sampler = Sampler(build_network(generator, "generator", info, info.num_classes), prior, mesh)
    arrays, _ = safetensors.read(folder / WEIGHTS)
    names.check(arrays, wanted_shapes(sampler, info), str(folder / WEIGHTS), "")
    variables = names.nest(arrays)
    return Exported(config, info, sampler, {"params": variables.pop("params"), "variables": variables})


def wanted_shapes(sampler: Sampler, info: Info) -> dict[str, tuple[int, ...]]:
    """Name -> shape of all that the generator's weights consist of."""
    label = None
    label = info.blank_labels(1)
    z = jnp.zeros((1, sampler.prior.dim))
    keys = {name: jax.random.key(0) for name in ("params", "dropout", "noise")}
    variables = jax.eval_shape(lambda: sampler.generator.init(keys, z, label, train=True))
    return {name: leaf.shape for name, leaf in flatten_dict(variables, sep="/").items()}
