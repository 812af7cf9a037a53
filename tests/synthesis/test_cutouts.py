"""Objects cut out of images, laid into scenes, and annotated as COCO has it."""

import itertools

import numpy as np
import pytest

from jaxgan.data.digits import digits
from jaxgan.synthesis import coco, cutouts
from jaxgan.synthesis.cutouts import box_of, compose, cut, iou, scaled

coco_mask = pytest.importorskip("pycocotools.mask")


def ring(size=15, ground=0, ink=255):
    """A ring of ink on a ground, grey: an object with a hole."""
    y, x = np.mgrid[:size, :size] - size // 2
    distance = np.hypot(y, x)
    return np.where((distance < 6) & (distance > 2.5), ink, ground).astype(np.uint8)[..., None]


@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (255, 0), (90, 160)])
def test_luminance_finds_an_object_lighter_or_darker_than_the_edge(ground, ink):
    found = cut(ring(ground=ground, ink=ink))
    inside = ring(ground=0, ink=1)[2:13, 2:13, 0] == 1
    inside = inside[np.ix_(inside.any(1), inside.any(0))]
    np.testing.assert_array_equal(found[1:-1, 1:-1, 1] == 1, inside)
    assert found[1:-1, 1:-1, 0][inside] == pytest.approx(ink)
    assert not found[0].any()
    assert not found[:, -1].any()


def test_what_shows_nothing_is_no_object():
    assert cut(np.full((8, 8, 1), 7, np.uint8)) is None
    assert cut(ring(ground=100, ink=105)) is None
    assert cut(np.zeros((8, 8, 4), np.uint8)) is None


def test_crumbs_are_left_away():
    image = ring()
    image[0, 14] = 255
    assert cut(image).shape == cut(ring()).shape


def test_alpha_is_taken_as_it_is():
    image = np.full((6, 6, 4), 200, np.uint8)
    image[..., 3] = 0
    image[1:4, 2:5, 3] = 128
    found = cut(image)
    assert found.shape == (5, 5, 4)
    np.testing.assert_allclose(found[1:4, 1:4, 3], 128 / 255)
    np.testing.assert_allclose(found[1:4, 1:4, :3], 200 * 128 / 255, rtol=1e-6)


def test_whole_keeps_every_pixel():
    image = digits(resolution=8).arrays.images[0]
    np.testing.assert_array_equal(cut(image, "whole")[1:-1, 1:-1, 0], image[..., 0])


@pytest.mark.parametrize("feather", [0.0, 2.0])
def test_neither_size_nor_feather_leaves_a_seam(feather):
    """An object of one colour keeps it at its edge, where the ground it was cut from was black."""
    made = scaled(cut(ring(ink=200)), 40, feather)
    *_, height, width = box_of(made[..., 1] >= 0.5)
    assert max(height, width) == pytest.approx(40, abs=4 + feather)
    some = made[..., 1] > 0.01
    np.testing.assert_allclose(made[..., 0][some] / made[..., 1][some], 200, rtol=1e-3)
    ground = np.full((64, 64, 1), 200.0, np.float32)
    scene, (placed,) = compose(ground, [made], 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(scene, 200, atol=1)
    assert placed.mask.sum() == (made[..., 1] >= 0.5).sum()


@pytest.fixture(scope="module")
def scenes():
    """Crowded scenes of digits, with different overlaps allowed."""
    found = []
    for number, overlap in enumerate((0.0, 0.1, 0.3, 1.0) * 3):
        rng = np.random.default_rng(number)
        pieces = [scaled(cut(image), int(rng.integers(16, 40)), 0)
                  for image in digits(resolution=16).arrays.images[8 * number:8 * number + 8]]
        found.append((overlap, pieces, *compose(cutouts.noise((96, 96, 1), rng), pieces, overlap, rng)))
    return found


def test_overlap_is_limited_and_every_object_can_be_seen(scenes):
    shared = []
    for overlap, pieces, scene, placed in scenes:
        assert scene.dtype == np.uint8
        assert len(placed) >= 3
        for one, other in itertools.combinations(placed, 2):
            shared.append(iou(box_of(one.mask), box_of(other.mask)))
            assert shared[-1] <= overlap
            assert not (one.mask & other.mask).any()
        for each in placed:
            assert each.mask.sum() >= 0.5 * (pieces[each.index][..., -1] >= 0.5).sum()
    assert max(shared) > 0.1


def test_annotations_are_what_pycocotools_makes_of_the_masks(scenes):
    for *_, placed in scenes:
        for each in placed:
            found = coco.annotation(each.mask)
            theirs = coco_mask.encode(np.asfortranarray(each.mask.astype(np.uint8)))
            ours = coco_mask.frPyObjects(found["segmentation"], *each.mask.shape)
            assert ours["counts"] == theirs["counts"]
            assert found["area"] == coco_mask.area(theirs)
            assert found["bbox"] == coco_mask.toBbox(theirs).tolist()
            np.testing.assert_array_equal(coco.decoded(found["segmentation"]), each.mask)


def test_a_mask_that_begins_at_once():
    mask = np.zeros((3, 4), bool)
    mask[:2, 0] = mask[2, 3] = True
    assert coco.run_lengths(mask) == {"size": [3, 4], "counts": [0, 2, 9, 1]}


def test_dark_objects_get_a_light_ground():
    ground = cutouts.plain((8, 8, 3), np.random.default_rng(0))
    light, dark = (cut(ring(ground=255 - ink, ink=ink)) for ink in (250, 5))
    np.testing.assert_array_equal(cutouts.against(ground, [light]), ground)
    np.testing.assert_array_equal(cutouts.against(ground, [dark]), 255 - ground)


def test_the_preview_shows_boxes_and_names():
    """Two scenes that differ in a name alone, or a box alone, look different; magnified so that names can be read."""
    scene = np.zeros((32, 32, 1), np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[10:20, 5:15] = True
    entry = {"label": 0} | coco.annotation(mask)
    seen = coco.drawn(scene, [entry], ["cat"])
    assert seen.shape == (448, 448, 3)
    assert seen[140:280, 70:210].any(axis=2).all()
    assert not seen[300:].any()
    assert not np.array_equal(seen, coco.drawn(scene, [entry], ["dog"]))
    assert not np.array_equal(seen, coco.drawn(scene, [entry | {"label": 1}], ["cat", "cat"]))
