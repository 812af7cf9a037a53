"""Every reader of files that jaxgan has, with good files to begin from and the ways to spoil them."""

import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mutations
import numpy as np
from mutations import Mutate
from PIL import Image

from jaxgan import command, conversion, data, evaluate, sample
from jaxgan import config as config_lib
from jaxgan.data.source import Info
from jaxgan.experiment import Experiment
from jaxgan.interop import safetensors
from jaxgan.metrics.backbones import weights
from jaxgan.metrics.cache import DIGEST, Cache
from jaxgan.runs import RunFolder
from jaxgan.training.logging import read_metrics
from jaxgan.training.posthoc import Store

ROOT = Path(__file__).resolve().parents[2]
INFO = Info("digits", (8, 8, 1), 10, tuple("0123456789"), {"train": 5}, label_kind="class",
            label_frequencies=(0.1,) * 10, hasher=lambda: "00")


class Reader(NamedTuple):
    """file: what the input is called in a folder of its own. seeds() -> good files. read(path): what a command does
    with it; InputError is a fine answer. mutate: ways to spoil one. beside: other files of the folder."""

    file: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[Path], Any]
    mutate: Sequence[Mutate]
    beside: Callable[[], dict[str, bytes]] = dict


def torch_files():
    """What writes PyTorch's files for the tests."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        import torch_files
    finally:
        sys.path.remove(str(ROOT / "tests"))
    return torch_files


def saved(save: Callable, *arguments: Any, **options: Any) -> bytes:
    """What `save(file, …)` writes."""
    file = io.BytesIO()
    save(file, *arguments, **options)
    return file.getvalue()


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def npz_files() -> list[bytes]:
    pixels = rng().integers(0, 256, (6, 8, 8, 3), np.uint8)
    labels = np.arange(6)[:, None] % 3
    medmnist = {f"{split}_{what}": each for split in ("train", "val", "test")
                for what, each in (("images", pixels[..., 0]), ("labels", labels))}
    return [saved(np.savez_compressed, **medmnist),
            saved(np.savez, images=pixels.astype(np.float32) / 255, labels=labels.astype(np.float32)),
            saved(np.savez, images=pixels.astype(np.uint16), labels=np.eye(6)), saved(np.savez, images=pixels[0])]


def image_files() -> list[bytes]:
    pixels = rng().integers(0, 256, (9, 7, 4), np.uint8)
    picture = Image.fromarray(pixels)
    grey = picture.convert("L")
    palette = picture.convert("RGB").quantize(9)
    exif = Image.Exif()
    exif[274] = 6
    return [saved(picture.save, "PNG"), saved(palette.save, "PNG", transparency=3), saved(grey.save, "PNG"),
            saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save, "PNG"),
            saved(picture.convert("RGB").save, "JPEG", exif=exif), saved(picture.convert("CMYK").save, "JPEG"),
            saved(grey.save, "JPEG", progressive=True),
            saved(palette.save, "GIF", save_all=True, append_images=[palette.rotate(90), palette]),
            saved(picture.save, "WEBP", lossless=True), saved(picture.convert("RGB").save, "WEBP"),
            saved(picture.convert("RGB").save, "BMP"), saved(palette.save, "BMP"),
            *(saved(picture.save, "TIFF", compression=kind) for kind in (None, "tiff_lzw", "tiff_adobe_deflate")),
            saved(grey.convert("F").point(lambda x: x / 255).save, "TIFF"), saved(grey.save, "PPM"),
            saved(picture.convert("RGB").save, "PPM"), saved(picture.save, "TGA", compression="tga_rle"),
            saved(picture.save, "AVIF")]


def open_folder(path: Path) -> None:
    for on_bad in ("error", "skip"):
        source = data.open({"name": "folder", "path": str(path.parent), "resolution": 8, "on_bad": on_bad})
        _ = [source[index] for index in range(len(source))]


def dicom_files() -> list[bytes]:
    """Grey with a window, several frames, colour, and packed."""
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset
    found = []
    for shape, kind, packed in (((9, 7), np.int16, False), ((3, 9, 7), np.uint16, False), ((9, 7, 3), np.uint8, False),
                                ((9, 7), np.uint16, True)):
        dataset, colour = Dataset(), shape[-1] == 3
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        dataset.set_pixel_data(rng().integers(0, 200, shape).astype(kind), "RGB" if colour else "MONOCHROME1",
                               8 * np.dtype(kind).itemsize, generate_instance_uid=False)
        if not colour:
            dataset.WindowCenter, dataset.WindowWidth, dataset.RescaleSlope, dataset.RescaleIntercept = 90, 120, 2, -5
        if packed:
            dataset.compress(uid.RLELossless, generate_instance_uid=False)
        found.append(saved(dataset.save_as, enforce_file_format=True))
    return found


def nifti_files() -> list[bytes]:
    import nibabel
    return [nibabel.Nifti1Image(rng().integers(0, 200, (7, 9, 2)).astype(kind), np.diag([-2, -1, 3, 1])).to_bytes()
            for kind in (np.int16, np.uint8, np.float32)]


def tables() -> list[bytes]:
    return [b"file,label\na.png,cat\nb.png,dog\n", b"file,x,y\na.png,0.5,-1\nb.png,1e3,2\n",
            "\ufefffile,label\r\n\"a.png\",\"ä, b\"\r\nb.png,3\r\n".encode()]


def two_pictures() -> dict[str, bytes]:
    return {name: saved(Image.new("L", (4, 4)).save, "PNG") for name in ("a.png", "b.png")}


def networks() -> dict[str, np.ndarray]:
    return {"module.linear.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.full((), 3, np.int64),
            "state_dict.bn.running_mean": np.float64([1, 2])}


def torch_zips() -> list[bytes]:
    file = io.BytesIO()
    torch_files().zip_file({"state_dict": networks(), "epoch": 3, "names": ["a", 1.5, None]}, file)
    return [file.getvalue()]


def torch_pickles() -> list[bytes]:
    write = torch_files()
    storages = [write.Storage(np.ascontiguousarray(each).ravel(), str(i)) for i, each in enumerate(networks().values())]
    content = {name: write.rebuilt(array, storage) for (name, array), storage in zip(networks().items(), storages)}
    return [write.legacy_file(content, storages)]


def snapshots() -> list[bytes]:
    write = torch_files()
    tensors = {"mapping.fc0.weight": np.ones((2, 3), np.float32), "mapping.w_avg": np.float32([1, 2]),
               "strength": np.float32(3)}
    made = write.module(tensors, "raise SystemExit", "Generator", ["w_avg"], _init_kwargs={"c_dim": 0})
    plain = write.module(tensors, buffers=["w_avg"])
    return [write.dumps({"G_ema": made, "D": plain}, protocol) for protocol in (2, 4)]


def tensors_file() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        safetensors.write(Path(folder, "x.safetensors"), networks(), {"source": "0" * 64})
        return [Path(folder, "x.safetensors").read_bytes()]


KIND = weights.Weights(None, lambda tensors, where: dict(tensors))  # of any tensors


def prepared_weights() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        safetensors.write(Path(folder, "x.safetensors"), {"a/b": np.ones((2, 3), np.float32)}, {})
        return [weights.prepare("fuzz", KIND, Path(folder, "x.safetensors")).read_bytes()]


def read_weights(path: Path) -> None:
    weights.folder().mkdir(parents=True, exist_ok=True)
    shutil.copy(path, weights.folder() / path.name)
    weights.load(path.stem, KIND)
    weights.prepare("fuzz", KIND, path)


def run_config() -> bytes:
    config = config_lib.default()
    config.generator, config.discriminator = ({"name": "mlp", "width": 8, "depth": 1} for _ in range(2))
    config.regularizers = {"r1": {"name": "r1", "gamma": {"name": "cosine", "start": 1.0, "end": 0.1}}}
    config.augmentation = {"da": {"name": "diffaugment"}}
    config.metrics = ("fd_pixels", {"name": "fd", "backbone": "classifier"})
    return config_lib.to_json(config).encode()


def run_environment() -> bytes:
    return json.dumps({"jaxgan": "0.1.0", "packages": {}, "data": INFO.to_dict()}, indent=2).encode()


def open_run(path: Path) -> None:
    folder = RunFolder(path.parent)
    Experiment(folder.config(), folder.info())


def logs() -> list[bytes]:
    records = [{"step": step, "d/loss": 0.5 / (1 + step), "eval/fd": None, "images/s": 10} for step in range(0, 60, 20)]
    return [b"".join(json.dumps(record).encode() + b"\n" for record in records)]


def results() -> list[bytes]:
    record = {"data": "digits", "split": "train", "sha256": "ab" * 32}
    protocol = {"metric": "fd", "arguments": {"k": 3}, "n_real": 50, "n_fake": 40, "n_held_out": None, "real": record,
                "fake": [record | {"sha256": "cd" * 32}], "held_out": None, "copies": 0, "quantisation": "uint8",
                "backbone": {"name": "classifier", "resizer": "none", "weights_sha256": "ef" * 32}, "seed": 0,
                "jaxgan": "0.1.0"}
    result = {"name": "fd40_classifier", "short": "fd", "value": 3.5, "low": 3.0, "high": 4.0, "details": {"a": 1.0},
              "interval": {"kind": "jackknife", "repeats": 10, "level": 0.95}, "protocol": protocol}
    return [json.dumps({"jaxgan": "0.1.0", "results": [result]}).encode()]


def compare(path: Path) -> None:
    evaluate.compared([path, path.with_name("good.json")], force=True)


def cached() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder, Cache(Path(folder)) as cache:
        with cache.write("x", (3, 4), "<f4") as entry:
            entry[...] = 1
        return [Path(folder, "x.npy").read_bytes()]


def read_cache(path: Path) -> None:
    with Cache(path.parent) as cache:
        found = cache.read(path.stem)
        if found is not None:
            assert found.nbytes + DIGEST <= path.stat().st_size
            found.sum() if found.dtype.kind in "biuf" else None


def stored_averages() -> list[bytes]:
    return [saved(np.savez, **{f"{name}/params/dense/kernel": np.ones((2, 2), np.float32) for name in ("a", "b")})]


def reconstruct(path: Path) -> None:
    Store(path.parent, {"a": 0.05, "b": 0.1}, 10).reconstruct(0.07, 10)


def texts() -> list[bytes]:
    return [b"0-63", b"1,5,8-12", b"3"]


def read_numbers(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    command.numbers(text, "--seeds", sample.MAX_SEED)
    command.numbers(text, "--labels", 9)


def overrides() -> list[bytes]:
    return [b"batch_size=32", b"loss.name=hinge", b"optimizers.generator.learning_rate=1e-3", b"metrics=('fd_pixels',)",
            b"regularizers.r1={'name': 'r1', 'gamma': 10.}"]


def read_override(path: Path) -> None:
    config = config_lib.default()
    config_lib.override(config, path.read_bytes().decode("utf-8", "surrogateescape"))
    config_lib.validate(config)
    config_lib.to_json(config)


READERS: dict[str, Reader] = {
    "npz": Reader("images.npz", npz_files, lambda path: data.open({"name": "npz", "path": str(path)}),
                  (mutations.raw, mutations.zipped(), mutations.zipped(mutations.npy))),
    "image": Reader("image.png", image_files, open_folder, (mutations.raw, mutations.png)),
    "dicom": Reader("image.dcm", dicom_files, open_folder, (mutations.raw,)),
    "nifti": Reader("image.nii", nifti_files, open_folder, (mutations.raw,)),
    "labels": Reader("labels.csv", tables,
                     lambda path: data.open({"name": "folder", "path": str(path.parent)}),
                     (mutations.raw, mutations.lines(mutations.raw)), two_pictures),
    "torch": Reader("weights.pth", torch_zips, lambda path: conversion.collect({"": path}),
                    (mutations.raw, mutations.zipped())),
    "torch_old": Reader("weights.pth", torch_pickles, lambda path: conversion.collect({"": path}), (mutations.raw,)),
    "snapshot": Reader("network.pkl", snapshots, lambda path: conversion.collect({"": path}), (mutations.raw,)),
    "safetensors": Reader("weights.safetensors", tensors_file, lambda path: conversion.collect({"": path}),
                          (mutations.raw, mutations.safetensors)),
    "weights": Reader("prepared.safetensors", prepared_weights, read_weights, (mutations.raw, mutations.safetensors)),
    "config": Reader("config.json", lambda: [run_config()], open_run, (mutations.raw, mutations.document),
                     lambda: {"environment.json": run_environment()}),
    "environment": Reader("environment.json", lambda: [run_environment()], open_run,
                          (mutations.raw, mutations.document), lambda: {"config.json": run_config()}),
    "metrics": Reader("metrics.jsonl", logs, read_metrics, (mutations.raw, mutations.lines())),
    "results": Reader("results.json", results, compare, (mutations.raw, mutations.document, mutations.document),
                      lambda: {"good.json": results()[0]}),
    "cache": Reader("x.npy", cached, read_cache, (mutations.raw, mutations.signed())),
    "averages": Reader("step00000010.npz", stored_averages, reconstruct,
                       (mutations.raw, mutations.zipped(), mutations.zipped(mutations.npy))),
    "numbers": Reader("seeds.txt", texts, read_numbers, (mutations.raw,)),
    "overrides": Reader("override.txt", overrides, read_override, (mutations.raw,)),
}
