"""DICOM and NIfTI files as grey images: values of any depth, through a window, to 8 bits.

Of a header only what describes the pixels is read. Who the patient is, is neither looked at nor kept, and what the
libraries say about a file, which may quote it, is not passed on.
"""

import contextlib
import dataclasses
import functools
import gzip
import logging
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxgan.data.npz import BOMB_BYTES, BOMB_RATIO
from jaxgan.data.source import MEMORY_LIMIT, check_choice
from jaxgan.data.transforms import BadImageError, Transform, convert, fit
from jaxgan.errors import InputError

DICOM, NIFTI = (".dcm", ".dicom", ".ima"), (".nii", ".nii.gz")
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
TAGS = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
        "PixelPaddingValue", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
        "VOILUTFunction", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
GZIP_RATIO = 1032  # the most that deflate can do
LARGEST_HEADER = 1 << 20  # bytes before the voxels of a NIfTI file: its header and what programs have added to it


@dataclasses.dataclass(frozen=True)
class Viewing:
    """window: (centre, width) in the units of the file, for every file; None takes the file's own, and without one
    its range. plane: that of a volume's slices."""

    window: Sequence[float] | None
    plane: str
    max_megapixels: float

    def __post_init__(self):
        window = self.window
        if window is not None and not (isinstance(window, list | tuple) and len(window) == 2 and all(
                type(number) in (int, float) and math.isfinite(number) for number in window) and window[1] > 0):
            raise InputError("config.data.window must be a pair (centre, width) of numbers, the width above 0, such as "
                             f"(40, 400); got {window!r}.")
        check_choice(self.plane, tuple(PLANES), "plane")

    @property
    def chosen(self) -> bool:
        """Whether it says anything that only medical files have."""
        return self.window is not None or self.plane != "axial"

    def check(self, height: int, width: int) -> None:
        if not (height > 0 and width > 0):
            raise BadImageError("declares an image without pixels")
        if height * width > self.max_megapixels * 1e6:
            raise BadImageError(f"declares {width}x{height} pixels, more than max_megapixels={self.max_megapixels:g}")


@dataclasses.dataclass(frozen=True)
class Window:
    """Which values are black and which white, and what lies between: a line, or with `sigmoid` an S."""

    low: float
    high: float
    sigmoid: bool = False

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """float64 of any shape, NaN as black -> uint8."""
        width = self.high - self.low
        if not width:
            return np.where(values > self.low, np.uint8(255), np.uint8(0))
        shares = (np.nan_to_num(values, nan=self.low) - self.low) / width
        shares = 1 / (1 + np.exp(np.clip(2 - 4 * shares, -50, 50))) if self.sigmoid else np.clip(shares, 0, 1)
        return np.round(255 * shares).astype(np.uint8)

    @classmethod
    def of(cls, centre: float, width: float, function: str = "LINEAR_EXACT") -> "Window":
        """By the functions of DICOM's part 3, C.11.2.1."""
        if function == "LINEAR":
            centre, width = centre - 0.5, width - 1
        if not (width >= 0 and math.isfinite(centre + width)):
            raise BadImageError("has a window of no width: set config.data.window")
        return cls(centre - width / 2, centre + width / 2, function == "SIGMOID")


def is_medical(name: str) -> bool:
    """Whether a file's name says that this module reads it."""
    return name.lower().endswith(DICOM + NIFTI)


def opened(path: Path, viewing: Viewing) -> "Volume":
    """What a file's header declares, held to what the file can hold. Raises BadImageError, and InputError where the
    library that reads such files is missing."""
    kind = Nifti if path.name.lower().endswith(NIFTI) else Dicom
    with _trouble(path, kind.name):
        return kind(path, viewing)


class Volume:
    """One file's images. shape: (H, W, C) of each; count: how many."""

    name = ""
    shape: tuple[int, int, int]
    count: int

    def __init__(self, path: Path, viewing: Viewing):
        self.path, self.viewing = path, viewing

    def decode(self, indices: Sequence[int], transform: Transform) -> list[np.ndarray]:
        """Images `indices`, uint8 `transform.shape` each. Raises BadImageError."""
        with _trouble(self.path, self.name):
            return [fit(convert(Image.fromarray(picture), transform.channels), transform)
                    for picture in self._pictures(indices)]

    def _pictures(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """uint8 [H, W] or [H, W, 3]."""
        raise NotImplementedError

    def _limits(self) -> Iterator[tuple[float, float]]:
        """Lowest and highest values of the parts of the file that have any."""
        raise NotImplementedError

    @functools.cached_property
    def _range(self) -> Window:
        limits = list(self._limits())
        if not limits:
            raise BadImageError("holds no finite value")
        return Window(min(low for low, _ in limits), max(high for _, high in limits))


class Dicom(Volume):
    """Frames as they are stored, whichever plane they lie in."""

    name = "DICOM"

    def __init__(self, path: Path, viewing: Viewing):
        super().__init__(path, viewing)
        pydicom = _pydicom(path)
        syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
        if syntax.is_deflated:  # reading it would unpack all of it first, however much that is
            raise BadImageError("is deflated as a whole, which is not read: store it uncompressed")
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
        if "Rows" not in header or "Columns" not in header:
            raise BadImageError("holds no image")
        self._colour = header.PhotometricInterpretation in COLOURS
        grey = header.PhotometricInterpretation in ("MONOCHROME1", "MONOCHROME2")
        if not grey and not (self._colour and header.BitsAllocated == 8):
            raise BadImageError("has pixels of a kind that is not read: grey is, and RGB and YBR of 8 bits")
        if "ModalityLUTSequence" in header:
            raise BadImageError("maps its values by a table (ModalityLUTSequence), which is not read")
        self.shape = (int(header.Rows), int(header.Columns), 3 if self._colour else 1)
        self.count = 1 if header.get("NumberOfFrames") is None else int(header.NumberOfFrames)
        viewing.check(*self.shape[:2])
        least = 8 * self.count if syntax.is_encapsulated else pydicom.pixels.utils.get_expected_length(header)
        if self.count < 1 or least > os.path.getsize(path):
            raise BadImageError(f"declares {self.count} images of {self.shape[1]}x{self.shape[0]} pixels, but is cut "
                                "off or does not hold them")
        self._inverted = header.PhotometricInterpretation == "MONOCHROME1"
        self._padding = header.get("PixelPaddingValue")
        frames = len(header.get("PerFrameFunctionalGroupsSequence") or "1")
        if frames not in (1, self.count):
            raise BadImageError(f"declares {self.count} images and describes {frames}")
        facts = tuple(_frame_facts(header, frame) for frame in range(frames)) if grey else ()
        self._facts = facts[:1] if len(set(facts)) == 1 else facts

    def _frames(self, indices: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        try:
            for index, frame in zip(indices, _pydicom(self.path).pixels.iter_pixels(self.path, indices=list(indices))):
                if frame.shape[:2] != self.shape[:2]:
                    raise BadImageError("holds images of another size than it declares")
                yield index, frame
        except NotImplementedError as error:
            raise _compressed() from error
        except RuntimeError as error:
            raise (_compressed() if "plugins" in str(error) else error) from error

    def _values(self, index: int, frame: np.ndarray) -> tuple[np.ndarray, Window | None]:
        slope, intercept, window = self._facts[index % len(self._facts)]
        return frame * slope + intercept, window

    def _pictures(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        for index, frame in self._frames(indices):
            if self._colour:
                yield frame.astype(np.uint8, copy=False)
                continue
            values, own = self._values(index, frame)
            window = Window.of(*self.viewing.window) if self.viewing.window else own or self._range
            yield 255 - window(values) if self._inverted else window(values)

    def _limits(self) -> Iterator[tuple[float, float]]:
        for index, frame in self._frames(range(self.count)):
            values, _ = self._values(index, frame)
            values = values[(frame != self._padding) & np.isfinite(values)]
            if values.size:
                yield values.min(), values.max()


class Nifti(Volume):
    """Slices of a volume in one of the three planes, as radiologists look at them: the patient's left on the right,
    the front above or to the left, the head above; from the right, the front or the feet on, one time after another."""

    name = "NIfTI"

    def __init__(self, path: Path, viewing: Viewing):
        super().__init__(path, viewing)
        nibabel = _nibabel(path)
        self._packed = path.name.lower().endswith(".gz")
        with self._file() as file:
            block = file.read(540)
        single = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
        sizes = {int.from_bytes(block[:4], order) for order in ("little", "big")}
        found = next((single[size] for size in sizes if size in single), None)
        if found is None or not (block[344:347] == b"n+1" or block[4:7] == b"n+2"):
            raise BadImageError("is not a NIfTI file with its voxels in it")
        header = found(block[:found.sizeof_hdr])  # without the extensions behind it, which may name the patient
        self._dtype, self._offset = header.get_data_dtype(), int(header.get_data_offset())
        sides = tuple(int(side) for side in header.get_data_shape())
        while len(sides) > 4 and sides[-1] == 1:
            sides = sides[:-1]
        if not 2 <= len(sides) <= 4 or min(sides) < 1 or self._dtype.kind not in "iuf":
            raise BadImageError("must hold two to four dimensions of whole numbers or floats")
        self._sides = (*sides, 1, 1)[:4]
        self._check_size()
        slope, intercept = header.get_slope_inter()
        self._slope, self._intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
        self._axes = _orientation(nibabel, header)
        low, high = float(header["cal_min"]), float(header["cal_max"])
        self._own = Window(low, high) if low < high and math.isfinite(high - low) else None
        placed = [self._sides[axis] for axis, _ in self._axes]
        across = PLANES[viewing.plane]
        self.count = placed[across] * self._sides[3]
        columns, rows = (placed[axis] for axis in range(3) if axis != across)
        self.shape = (rows, columns, 1)
        viewing.check(rows, columns)

    def _check_size(self) -> None:
        declared = math.prod(self._sides) * self._dtype.itemsize
        size, shape = os.path.getsize(self.path), "x".join(map(str, self._sides))
        held = size * (GZIP_RATIO if self._packed else 1)
        if not 0 <= self._offset <= LARGEST_HEADER or declared + self._offset > held:
            raise BadImageError(f"declares {shape} voxels, but is cut off or does not hold them")
        if self._packed and declared > (MEMORY_LIMIT if declared <= BOMB_RATIO * size else BOMB_BYTES):
            raise BadImageError(f"would unpack {declared / 2**20:,.0f} MiB from {size / 2**20:,.1f}, which is too much "
                                "at once: store it as .nii")

    def _file(self) -> Any:
        return gzip.open(self.path) if self._packed else self.path.open("rb")

    def _voxels(self) -> np.ndarray:
        """[x, y, z, t] as stored but for their order: x to the patient's left, y to the back, z to the head."""
        if self._packed:
            with self._file() as file:
                file.seek(self._offset)
                data = file.read(math.prod(self._sides) * self._dtype.itemsize)
            voxels = np.frombuffer(data, self._dtype).reshape(self._sides, order="F")
        else:
            voxels = np.memmap(self.path, self._dtype, "r", self._offset, self._sides, order="F")
        placed = voxels.transpose([axis for axis, _ in self._axes] + [3])
        return placed[tuple(slice(None, None, direction) for _, direction in self._axes)]

    def _pictures(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        across = PLANES[self.viewing.plane]
        window = Window.of(*self.viewing.window) if self.viewing.window else self._own or self._range
        volume = np.moveaxis(self._voxels(), across, 2)  # [columns, rows, slices, times]
        for index in indices:
            time, place = divmod(index, volume.shape[2])
            picture = volume[:, :, place, time].T
            upright = picture if self.viewing.plane == "axial" else picture[::-1]
            yield window(upright * self._slope + self._intercept)

    def _limits(self) -> Iterator[tuple[float, float]]:
        voxels = self._voxels()
        for time, place in np.ndindex(voxels.shape[3], voxels.shape[2]):
            values = voxels[:, :, place, time] * self._slope + self._intercept
            values = values[np.isfinite(values)]
            if values.size:
                yield values.min(), values.max()


def _frame_facts(header: Any, frame: int) -> tuple[float, float, Window | None]:
    """Slope, intercept and own window of a frame: those of its groups, of all frames' groups, or of the header."""
    groups = [header]
    shared, single = (header.get(f"{name}FunctionalGroupsSequence") for name in ("Shared", "PerFrame"))
    for group in (*(shared or ())[:1], *(single or ())[frame:frame + 1]):
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            groups += (group.get(name) or ())[:1]

    def fact(name: str, otherwise: Any) -> Any:
        found = [group[name].value for group in groups if name in group and group[name].value not in (None, "")]
        return found[-1] if found else otherwise

    slope, intercept = (float(fact(f"Rescale{name}", value)) for name, value in (("Slope", 1), ("Intercept", 0)))
    centre, width = (fact(f"Window{name}", None) for name in ("Center", "Width"))
    if not math.isfinite(slope + intercept):
        raise BadImageError("rescales its values by no finite number")
    if centre is None or width is None:
        return slope, intercept, None
    first = [float(value if isinstance(value, int | float) else value[0]) for value in (centre, width)]
    return slope, intercept, Window.of(*first, function=fact("VOILUTFunction", "LINEAR"))


def _orientation(nibabel: Any, header: Any) -> list[tuple[int, int]]:
    """For left, back and head: which axis of the file it is, and 1, or -1 where that runs the other way."""
    axes = nibabel.orientations.io_orientation(header.get_best_affine())
    if not np.isfinite(axes).all():
        raise BadImageError("does not say how its volume lies in space")
    signs = (-1, -1, 1)  # the affine points to the right, the front and the head
    order = np.argsort(axes[:, 0])
    return [(int(axis), int(axes[axis, 1]) * sign) for axis, sign in zip(order, signs)]


@contextlib.contextmanager
def _trouble(path: Path, kind: str) -> Iterator[None]:
    """Whatever goes wrong inside the block becomes BadImageError, in words that quote nothing."""
    try:
        with np.errstate(all="ignore"):
            yield
    except (BadImageError, InputError):
        raise
    except Exception as error:  # a damaged file can raise almost anything from inside a reader
        raise BadImageError(f"cannot be read as {kind} ({type(error).__name__})") from error


def _compressed() -> BadImageError:
    return BadImageError("is compressed in a way that no installed package undoes: store it uncompressed, or install "
                         "what pydicom names for that")


def _pydicom(path: Path) -> Any:
    try:
        import pydicom
        import pydicom.pixels
    except ImportError as error:
        raise _missing(path, "pydicom", "DICOM") from error
    warnings.filterwarnings("ignore", module=r"pydicom\.")  # of what is odd about a file, and read all the same
    return pydicom


def _nibabel(path: Path) -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise _missing(path, "nibabel", "NIfTI") from error
    nibabel.imageglobals.logger.setLevel(logging.CRITICAL)  # likewise
    return nibabel


def _missing(path: Path, library: str, kind: str) -> InputError:
    return InputError(f"{path} is a {kind} file, which {library} reads: pip install 'jaxgan[medical]'.")
