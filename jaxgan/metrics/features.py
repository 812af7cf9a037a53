"""What a backbone says of any number of images: streamed, on all devices, straight into the cache."""

import functools
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, NoReturn

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import jaxgan
from jaxgan import compilation, processes
from jaxgan.errors import InputError
from jaxgan.metrics import cache as cache_lib
from jaxgan.metrics.backbones.base import Backbone
from jaxgan.metrics.base import Moments, moments
from jaxgan.metrics.cache import Cache

BATCH = 32  # images a device looks at at a time
THREADS = 4  # that prepare images on the host
KINDS = ("pool", "logits", "spatial")

Report = Callable[[int, int], None]  # (images done, images in all)


class Extractor:
    """Runs a backbone. Features of an image are the same bits alone, among others, and on any number of devices.

    Every device always runs the same program on the same number of images, padded where there are fewer; a batch size
    chosen by need would let XLA choose other summation orders. Among several processes, each prepares its share of
    every chunk, and all are given all of the outputs.
    """

    def __init__(self, backbone: Backbone, devices: Sequence[jax.Device] | None = None):
        self.backbone = backbone
        mesh = Mesh(np.asarray(jax.devices() if devices is None else devices), ("data",))
        self.chunk = BATCH * mesh.size
        self._widths: dict[tuple[int, ...], dict[str, int]] = {}
        members = sorted({device.process_index for device in mesh.devices.flat})
        self._share, self._part = self.chunk // len(members), members.index(jax.process_index())
        self._sharding = NamedSharding(mesh, PartitionSpec("data"))
        self._weights = jax.device_put(backbone.weights, NamedSharding(mesh, PartitionSpec()))
        self._run = compilation.jit(jax.shard_map(
            backbone.apply, mesh=mesh, in_specs=(PartitionSpec(), PartitionSpec("data")),
            out_specs=PartitionSpec("data"), check_vma=False))

    def widths(self, image_u8: np.ndarray) -> dict[str, int]:
        """Length of each output for images [N, H, W, C] such as these."""
        prepared = self.backbone.prepare(image_u8[:1])
        if prepared.shape not in self._widths:  # jax would keep something of every trace
            outputs = jax.eval_shape(self.backbone.apply, self.backbone.weights, prepared)
            self._widths[prepared.shape] = {kind: outputs[kind].shape[1] for kind in KINDS if kind in outputs}
        return self._widths[prepared.shape]

    def input_shape(self, shape: tuple[int, int, int]) -> tuple[int, ...]:
        """What images [H, W, C] are when they reach the network."""
        return self.backbone.prepare(np.zeros((1, *shape), np.uint8)).shape[1:]

    def stream(self, read: Callable[[int, int], np.ndarray], num: int) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        """Outputs of images 0 to `num`, a chunk at a time; read(start, stop) -> uint8 [stop - start, H, W, C].

        Raises InputError where an output is not finite.
        """
        running: deque[tuple[slice, dict[str, jax.Array]]] = deque()
        for rows, prepared in self._prepared(read, num):
            running.append((rows, self._run(self._weights, self._place(prepared))))
            if len(running) > 1:  # the device works on one chunk while the host takes in the one before
                yield self._arrived(*running.popleft())
        for waiting in running:
            yield self._arrived(*waiting)

    def _prepared(self, read: Callable, num: int) -> Iterator[tuple[slice, np.ndarray]]:
        waiting: deque = deque()
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, num, self.chunk):
                rows = slice(start, min(start + self.chunk, num))
                waiting.append((rows, pool.submit(self._prepare, read(rows.start, rows.stop))))
                if len(waiting) > THREADS:
                    rows, prepared = waiting.popleft()
                    yield rows, prepared.result()
            for rows, prepared in waiting:
                yield rows, prepared.result()

    def _prepare(self, image_u8: np.ndarray) -> np.ndarray:
        """This process's share of a chunk, or the last image where nothing is left for it."""
        mine = image_u8[self._part * self._share:(self._part + 1) * self._share]
        return self.backbone.prepare(mine if len(mine) else image_u8[-1:])

    def _place(self, prepared: np.ndarray) -> jax.Array:
        padding = np.repeat(prepared[-1:], self._share - len(prepared), axis=0)
        return processes.join_parts(np.concatenate([prepared, padding]), self._sharding)

    def _arrived(self, rows: slice, outputs: Mapping[str, jax.Array]) -> tuple[slice, dict[str, np.ndarray]]:
        arrived = {kind: processes.fetch(outputs[kind])[:rows.stop - rows.start] for kind in KINDS if kind in outputs}
        for values in arrived.values():
            bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if len(bad):
                raise InputError(f"The backbone {self.backbone.name} gives NaN or infinity for image "
                                 f"{rows.start + bad[0]}: its weights are damaged, or not for such images.")
        return rows, arrived


class Images(NamedTuple):
    """Images that can be read again and again.

    read(start, stop) -> uint8 [stop - start, H, W, C], or float32 for points. whole() -> all of them, an array or a
    memory map. labels() -> [N, ...] or None. digest() -> sha256 over all of it.
    """

    num: int
    read: Callable[[int, int], np.ndarray]
    whole: Callable[[], np.ndarray]
    labels: Callable[[], np.ndarray | None]
    digest: Callable[[], str]


class CachedSample:
    """A `Sample` whose features are memory maps in the cache, computed when first read.

    extractor: None where no backbone is at hand. kinds: the outputs that will be read; one pass over the images
    computes all of them. report: told of the progress of that pass.
    """

    def __init__(self, images: Images, extractor: Extractor | None, kinds: Sequence[str], cache: Cache,
                 report: Report | None = None):
        self._images, self._extractor, self._cache = images, extractor, cache
        self._kinds, self._report = kinds, report

    @property
    def num(self) -> int:
        return self._images.num

    @functools.cached_property
    def images(self) -> np.ndarray:
        return self._images.whole()

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        return self._images.labels()

    @property
    def pool(self) -> np.ndarray:
        return self._output("pool")

    @property
    def logits(self) -> np.ndarray:
        return self._output("logits")

    @property
    def spatial(self) -> np.ndarray:
        return self._output("spatial")

    @functools.cached_property
    def moments(self) -> Moments:
        stacked = self._cache.array(self._key("moments"), self._moments)
        return Moments(self.num, np.asarray(stacked[0]), np.asarray(stacked[1:]))

    def _moments(self) -> np.ndarray:
        found = moments(self.pool)
        return np.concatenate([found.mean[None], found.covariance])

    @functools.cached_property
    def _outputs(self) -> dict[str, np.ndarray]:
        if self._extractor is None:
            self._refuse("features")
        read, num = self._images.read, self.num
        widths = {kind: width for kind, width in self._extractor.widths(read(0, 1)).items() if kind in self._kinds}
        found = {kind: self._cache.read(self._key(kind)) for kind in widths}
        # All processes go through the images together, though some may have a cache that others have not.
        missing = [kind for kind in widths if not processes.all_agree(found[kind] is not None)]
        if missing:
            with ExitStack() as stack:
                maps = {kind: stack.enter_context(self._cache.write(self._key(kind), (num, widths[kind]), "float32"))
                        for kind in missing}
                for rows, outputs in self._extractor.stream(read, num):
                    for kind, entry in maps.items():
                        entry[rows] = outputs[kind]
                    if self._report:
                        self._report(rows.stop, num)
            found |= {kind: self._cache.read(self._key(kind)) for kind in missing}
        return found

    def _output(self, kind: str) -> np.ndarray:
        if kind not in self._outputs:
            self._refuse(kind)
        return self._outputs[kind]

    def _refuse(self, kind: str) -> NoReturn:
        which = f"The backbone {self._extractor.backbone.name}" if self._extractor else "This metric's backbone"
        raise InputError(f"{which} gives no {kind}: choose another --backbone.")

    def _key(self, kind: str) -> str:
        backbone = self._extractor.backbone
        return cache_lib.key(images=self._images.digest(), backbone=backbone.name, resizer=backbone.resizer,
                             weights=backbone.weights_sha256, kind=kind, code=code_version())


@functools.cache
def code_version() -> str:
    """sha256 (hex) of what turns images into features: the code of backbones and layers, jax, the kind of device."""
    digest = hashlib.sha256(f"{jax.__version__} {jax.devices()[0].device_kind}".encode())
    package = Path(jaxgan.__file__).parent
    places = [package / "metrics" / "backbones", package / "layers"]
    files = [Path(__file__), *(package / "metrics" / name for name in ("base.py", "classifier.py", "pixels.py",
                                                                       "resize.py", "kmeans.py"))]
    for path in sorted(files + [path for place in places for path in place.glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
