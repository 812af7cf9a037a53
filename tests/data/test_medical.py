import contextlib
import gzip
import json
import struct
import sys

import numpy as np
import pytest

from jaxgan import data
from jaxgan.data import source as sources
from jaxgan.errors import InputError

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")
from pydicom import uid  # noqa: E402
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.pixels import apply_modality_lut, apply_windowing, compress  # noqa: E402

RAMP = np.arange(-600, 600, dtype=np.int16).reshape(30, 40)
NAME = "Doe^Jane"


def dicom(path, pixels=RAMP, syntax=uid.ExplicitVRLittleEndian, **facts):
    """A file with `pixels` [H, W], [N, H, W] or [N, H, W, 3], and other facts by keyword; None leaves one out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    bits = 8 * pixels.dtype.itemsize
    colour = pixels.shape[-1] == 3
    height, width = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    facts = {"PatientName": NAME, "Rows": height, "Columns": width, "SamplesPerPixel": 3 if colour else 1,
             "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2", "BitsAllocated": bits,
             "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(pixels.dtype.kind == "i"),
             "NumberOfFrames": None if pixels.ndim == 2 else len(pixels), "PixelData": pixels.tobytes()} | facts
    facts |= {"PlanarConfiguration": 0} if colour else {}
    for name, value in facts.items():
        if value is not None:
            setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def nifti(path, voxels, affine=None, **fields):
    image = nibabel.Nifti1Image(voxels, np.diag([-1, -1, 1, 1]) if affine is None else affine)
    for name, value in fields.items():
        image.header[name] = value
    image.header["descrip"] = NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)


def folder(path, **arguments):
    return data.open({"name": "folder", "path": str(path), **arguments})


def images(path, **arguments):
    return sources.materialise(folder(path, **arguments)).images[..., 0]


def scaled(values, low, high):
    return np.round(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_window_of_the_file_after_its_rescaling(tmp_path, function):
    facts = {"RescaleSlope": 2, "RescaleIntercept": -24, "WindowCenter": [40, 1], "WindowWidth": [400, 1],
             "VOILUTFunction": function}
    dataset = dicom(tmp_path / "a.dcm", **facts)
    expected = apply_windowing(apply_modality_lut(RAMP, dataset), dataset)
    low, high = 2 * -32768 - 24, 2 * 32767 - 24  # pydicom scales to the range of the file's bits
    np.testing.assert_allclose(images(tmp_path)[0], 255 * (expected - low) / (high - low), atol=0.51)


def test_a_chosen_window_and_none_at_all(tmp_path):
    dicom(tmp_path / "a.dcm", RescaleSlope=2, RescaleIntercept=-24)
    np.testing.assert_array_equal(images(tmp_path, window=(100, 400))[0], scaled(2 * RAMP - 24., -100, 300))
    np.testing.assert_array_equal(images(tmp_path)[0], scaled(RAMP, -600, 599))
    padded = np.where(RAMP < -500, np.int16(-2000), RAMP)
    dicom(tmp_path / "a.dcm", padded, PixelPaddingValue=-2000)
    np.testing.assert_array_equal(images(tmp_path)[0], scaled(padded, -500, 599))


def test_more_than_eight_bits_last_until_the_window(tmp_path):
    dicom(tmp_path / "a.dcm", (np.arange(256, dtype=np.uint16) + 1000).reshape(16, 16), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(images(tmp_path)[0].ravel(), np.arange(256))


def test_monochrome1_is_inverted(tmp_path):
    dicom(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(images(tmp_path)[0], 255 - scaled(RAMP, -600, 599))


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.RLELossless])
def test_frames_are_images_of_their_files_class(tmp_path, syntax):
    frames = np.stack([RAMP, RAMP // 2, RAMP // 4]).astype(np.int16)
    dataset = dicom(tmp_path / "b" / "many.dcm", frames)
    if syntax == uid.RLELossless:
        compress(dataset, syntax)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "b" / "many.dcm", implicit_vr=syntax.is_implicit_VR, little_endian=True)
    dicom(tmp_path / "a" / "one.dcm", RAMP // 2)
    source = folder(tmp_path)
    assert [example["label"] for example in source] == [0, 1, 1, 1]
    assert source.info.splits == {"train": 4}
    assert source.info.shape == (30, 40, 1)
    expected = [scaled(RAMP // 2, -300, 299), *scaled(frames, -600, 599)]  # the range is that of the whole file
    np.testing.assert_array_equal(images(tmp_path), expected)


def test_frames_with_windows_of_their_own(tmp_path):
    def group(**facts):
        inner, outer = Dataset(), Dataset()
        for name, value in facts.items():
            setattr(inner, name, value)
        outer.FrameVOILUTSequence = [inner]
        return outer
    rescale, shared = Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept = 1, 10
    shared.PixelValueTransformationSequence = [rescale]
    single = [group(WindowCenter=centre, WindowWidth=100, VOILUTFunction="LINEAR_EXACT") for centre in (0, 50)]
    dicom(tmp_path / "a.dcm", np.stack([RAMP, RAMP]), SharedFunctionalGroupsSequence=[shared],
          PerFrameFunctionalGroupsSequence=single)
    np.testing.assert_array_equal(images(tmp_path), [scaled(RAMP + 10., -50, 50), scaled(RAMP + 10., 0, 100)])


def test_colour_stays_colour(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (1, 6, 8, 3), np.uint8)
    dicom(tmp_path / "a.dcm", colours)
    np.testing.assert_array_equal(sources.materialise(folder(tmp_path)).images, colours)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["", "psr"])
def test_slices_in_each_plane_however_the_volume_is_stored(tmp_path, ending, order):
    """`left` grows to the patient's left, `back` to the back, `head` to the head."""
    left, back, head = np.meshgrid(*map(np.arange, (3, 4, 5)), indexing="ij")
    volume = (1000 * left + 100 * back + 10 * head).astype(np.int16)
    affine = np.diag([-1.0, -1, 1, 1])
    if order:  # stored the other way round
        stored = nibabel.Nifti1Image(volume, affine)
        wanted = nibabel.orientations.axcodes2ornt(order.upper())
        turned = stored.as_reoriented(nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(affine), wanted))
        volume_stored, affine = np.asarray(turned.dataobj), turned.affine
    else:
        volume_stored = volume
    nifti(tmp_path / f"a{ending}", volume_stored, affine)
    grey = scaled(volume, 0, volume.max())
    expected = {"axial": np.einsum("xyz->zyx", grey), "coronal": np.einsum("xyz->yzx", grey)[:, ::-1],
                "sagittal": np.einsum("xyz->xzy", grey)[:, ::-1]}
    for plane, slices in expected.items():
        np.testing.assert_array_equal(images(tmp_path, plane=plane), slices)


def test_values_of_a_volume(tmp_path):
    voxels = np.linspace(-2, 2, 2 * 3 * 4 * 2, dtype=np.float32).reshape(2, 3, 4, 2)
    voxels[0, 0, 0, 0] = np.nan
    nifti(tmp_path / "a.nii", voxels)
    found = images(tmp_path, window=(0, 1))
    assert len(found) == 8  # four slices at two times
    np.testing.assert_array_equal(found[5], scaled(voxels[:, :, 1, 1].T, -0.5, 0.5))
    assert found[0, 0, 0] == 0
    assert images(tmp_path)[0, 0, 0] == 0
    nifti(tmp_path / "a.nii", np.arange(8, dtype=np.int16).reshape(2, 2, 2), cal_min=2, cal_max=6)
    np.testing.assert_array_equal(images(tmp_path)[0], scaled(np.array([[0, 4], [2, 6]]), 2, 6))


def test_a_set_that_streams_and_one_that_skips_are_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    nifti(tmp_path / "x" / "a.nii.gz", rng.integers(0, 99, (6, 5, 4), np.int16))
    dicom(tmp_path / "y" / "b.dcm", rng.integers(0, 99, (3, 5, 6), np.int16))
    whole = sources.materialise(folder(tmp_path))
    assert whole.labels.tolist() == [0] * 4 + [1] * 3
    (tmp_path / "y" / "c.dcm").write_bytes(b"nothing")
    skipping = folder(tmp_path, on_bad="skip")
    np.testing.assert_array_equal(sources.materialise(skipping).images, whole.images)
    assert skipping.info.skipped == ("y/c.dcm: cannot be read as DICOM (InvalidDicomError)",)
    (tmp_path / "y" / "c.dcm").unlink()
    monkeypatch.setattr(sources, "MEMORY_LIMIT", 0)
    streamed = folder(tmp_path)
    assert isinstance(streamed, sources.EncodedSource)
    rows = [6, 0, 5, 1, 1, 3]
    for found, wanted in zip(streamed.read(rows), whole):
        np.testing.assert_array_equal(found, wanted[rows])


def test_the_images_of_other_splits_are_counted(tmp_path):
    for split, count in (("train", 2), ("test", 3)):
        dicom(tmp_path / split / "a.dcm", np.zeros((count, 5, 6), np.int16))
    assert folder(tmp_path).info.splits == {"test": 3, "train": 2}


def test_nobody_is_named(tmp_path, capfd):
    dicom(tmp_path / "a.dcm")
    nifti(tmp_path / "b.nii", np.zeros((40, 30, 1), np.int16))
    dicom(tmp_path / "c.dcm", PixelData=bytes(10), BitsStored=16)
    patched(tmp_path / "b.nii", 252, "<h", 255)  # qform_code, which nibabel mends and mentions
    source = folder(tmp_path, on_bad="skip")
    assert len(source) == 2
    assert NAME not in json.dumps(source.info.to_dict())
    assert capfd.readouterr() == ("", "")


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def patched(path, at, form, *values):
    """Overwrites a field of a NIfTI header."""
    content = bytearray(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    struct.pack_into(form, content, at, *values)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


BAD = {
    "nothing.dcm": (lambda path: path.write_bytes(b""), "cannot be read as DICOM"),
    "text.dcm": (lambda path: path.write_text("x" * 500), "cannot be read as DICOM"),
    "no_image.dcm": (lambda path: dicom(path, Rows=None), "holds no image"),
    "cut.dcm": (lambda path: dicom(path) and cut(path), "cut off|cannot be read"),
    "frames.dcm": (lambda path: dicom(path, NumberOfFrames=2**31 - 1), "declares 2147483647 images of 40x30"),
    "none.dcm": (lambda path: dicom(path, NumberOfFrames=0), "declares 0 images"),
    "huge.dcm": (lambda path: dicom(path, Rows=65535, Columns=65535), "declares 65535x65535 pixels, more than max_meg"),
    "palette.dcm": (lambda path: dicom(path, PhotometricInterpretation="PALETTE COLOR"), "of a kind that is not read"),
    "window.dcm": (lambda path: dicom(path, WindowCenter=3, WindowWidth=0), "a window of no width"),
    "deflated.dcm": (lambda path: dicom(path, syntax=uid.DeflatedExplicitVRLittleEndian), "is deflated as a whole"),
    "ls.dcm": (lambda path: dicom(path, PixelData=pydicom.encaps.encapsulate([bytes(90)]), syntax=uid.JPEGLSLossless),
               "is compressed in a way that no installed package undoes"),
    "text.nii": (lambda path: path.write_text("x" * 500), "is not a NIfTI file"),
    "text.nii.gz": (lambda path: path.write_text("x" * 500), "cannot be read as NIfTI"),
    "cut.nii": (lambda path: nifti(path, RAMP[..., None]) or cut(path), "is cut off or does not hold them"),
    "cut.nii.gz": (lambda path: nifti(path, RAMP[..., None]) or cut(path), "cannot be read as NIfTI"),
    "many.nii": (lambda path: nifti(path, RAMP[..., None]) or patched(path, 40, "<4h", 3, 32767, 32767, 32767),
                 "declares 32767x32767x32767x1 voxels, but is cut off"),
    "many.nii.gz": (lambda path: nifti(path, RAMP[..., None]) or patched(path, 40, "<4h", 3, 32767, 32767, 32767),
                    "declares 32767x32767x32767x1 voxels"),
    "far.nii": (lambda path: nifti(path, RAMP[..., None]) or patched(path, 108, "<f", 1e30), "NIfTI|does not hold"),
    "complex.nii": (lambda path: nifti(path, RAMP[..., None].astype(np.complex64)), "whole numbers or floats"),
    "five.nii": (lambda path: nifti(path, np.zeros((2,) * 5, np.int16)), "two to four dimensions"),
    "nan.nii": (lambda path: nifti(path, np.full((2, 2, 2), np.nan, np.float32)), "holds no finite value"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_ends_in_one_message(tmp_path, name):
    write, words = BAD[name]
    write(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} .*({words}).*on_bad=skip") as refused:
        folder(tmp_path)
    assert NAME not in str(refused.value)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    nifti(tmp_path / "a.nii", np.zeros((512, 512, 8), np.uint8))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes(), 9))
    (tmp_path / "a.nii").unlink()
    assert len(folder(tmp_path)) == 8
    monkeypatch.setattr("jaxgan.data.medical.BOMB_BYTES", 1 << 20)
    with pytest.raises(InputError, match=r"a\.nii\.gz would unpack 2 MiB from 0\.0"):
        folder(tmp_path)


def test_no_damage_does_anything_else(tmp_path):
    rng = np.random.default_rng(0)
    dicom(tmp_path / "a.dcm")
    nifti(tmp_path / "b.nii", RAMP[..., None])
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for turn in range(60):
        for path, content in whole.items():
            damaged = bytearray(content)
            for place in rng.integers(0, min(len(content), 700), 1 + turn % 4):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            with contextlib.suppress(InputError):
                folder(tmp_path, resolution=8)
            path.write_bytes(content)


@pytest.mark.parametrize(("arguments", "words"), [
    ({"window": 40}, r"config.data.window must be a pair.*got 40"),
    ({"window": (40, 0)}, "config.data.window must be"),
    ({"window": (40, float("nan"))}, "config.data.window must be"),
    ({"plane": "oblique"}, "config.data.plane must be one of 'sagittal', 'coronal', 'axial'"),
])
def test_arguments_are_checked(tmp_path, arguments, words):
    dicom(tmp_path / "a.dcm")
    with pytest.raises(InputError, match=words):
        folder(tmp_path, **arguments)


def test_a_window_without_a_medical_file_is_refused(tmp_path):
    from PIL import Image
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"are for DICOM and NIfTI files, and .* has none"):
        folder(tmp_path, window=(40, 400))
    dicom(tmp_path / "b.dcm")
    assert folder(tmp_path, resolution=4, window=(40, 400)).info.shape == (4, 4, 1)


@pytest.mark.parametrize(("library", "file"), [("pydicom", "a.dcm"), ("nibabel", "a.nii")])
def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch, library, file):
    (tmp_path / file).write_bytes(b"")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"{file} is a \w+ file, which {library} reads: pip install 'jaxgan\[medical"):
        folder(tmp_path, on_bad="skip")


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    dicom(tmp_path / "secret.dcm")
    dicom(tmp_path / "set" / "a.dcm")
    (tmp_path / "set" / "b.dcm").symlink_to("../secret.dcm")
    with pytest.raises(InputError, match=r"b\.dcm leads outside the data folder"):
        folder(tmp_path / "set")
