import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageSequence
from sklearn.datasets import load_digits

from jaxgan.errors import InputError
from jaxgan.images import (
    HEAD_HEIGHT,
    TITLE_HEIGHT,
    captioned,
    check_animation,
    from_uint8,
    grid,
    load_png,
    replacing,
    save_animation,
    save_gif,
    save_png,
    scatter,
    sheet,
    side_by_side,
    titled,
    to_uint8,
)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_every_level_survives_the_round_trip():
    import jax

    levels = np.arange(256, dtype=np.uint8)
    image = from_uint8(levels)
    assert image.dtype == np.float32
    assert (image[0], image[-1]) == (-1, 1)
    np.testing.assert_array_equal(to_uint8(image), levels)
    for convert in (from_uint8, jax.jit(from_uint8)):
        on_device = convert(jax.numpy.asarray(levels))
        assert isinstance(on_device, jax.Array)
        np.testing.assert_array_equal(to_uint8(on_device), levels)
        np.testing.assert_allclose(on_device, image, atol=1e-6)


def test_to_uint8_rounds_to_nearest_with_ties_up_and_clips():
    values = np.array([-7.0, -1.0, -1 + 0.9 / 255, -1 + 1.1 / 255, 0.0, 1.0, 1.01, 3e38])
    assert to_uint8(values).tolist() == [0, 0, 0, 1, 128, 255, 255, 255]


def test_to_uint8_takes_low_precision():
    import jax.numpy as jnp

    assert to_uint8(jnp.array([-1.0, 0.0, 1.0], jnp.bfloat16)).tolist() == [0, 128, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_to_uint8_refuses_what_is_not_finite(value):
    with pytest.raises(FloatingPointError, match="1 of 4 pixel values"):
        to_uint8(np.array([0, 0.5, value, 1], np.float32))


def test_to_uint8_refuses_integers():
    with pytest.raises(TypeError, match="uint8"):
        to_uint8(np.zeros((2, 2), np.uint8))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grid_puts_every_pixel_in_its_place(channels):
    images = noise(5, 4, 6, channels)
    picture = grid(images, columns=2, pad=3, scale=2)
    expected = np.full((3 + 3 * (8 + 3), 3 + 2 * (12 + 3), channels), 255, np.uint8)
    for index in range(5):
        for y in range(8):
            for x in range(12):
                expected[3 + index // 2 * 11 + y, 3 + index % 2 * 15 + x] = images[index, y // 2, x // 2]
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(("shape", "scale", "expected"), [
    ((64, 28, 28, 1), None, (8 * 84 + 18, 8 * 84 + 18, 1)),  # 8x8, three times as large
    ((64, 28, 28, 1), 1, (242, 242, 1)),
    ((64, 256, 256, 3), None, (2066, 2066, 3)),  # never made smaller
    ((10, 16, 16, 3), 1, (3 * 18 + 2, 4 * 18 + 2, 3)),
    ((12, 16, 48, 3), 1, (6 * 18 + 2, 2 * 50 + 2, 3)),  # wide images: fewer columns
    ((1, 4, 4, 1), None, (36, 36, 1)),
])
def test_grid_chooses_a_comfortable_layout(shape, scale, expected):
    assert grid(np.zeros(shape, np.uint8), scale=scale).shape == expected


def test_stages_side_by_side_have_one_size_and_are_in_colour_where_any_is():
    grey, colour = np.full((2, 4, 4, 1), 7, np.uint8), np.full((2, 8, 8, 3), 9, np.uint8)
    picture = side_by_side([grey, colour], "given, made")
    tiles = grid(np.stack([np.full((8, 8, 3), 7, np.uint8), colour[0]] * 2), columns=4, title="given, made")
    np.testing.assert_array_equal(picture, tiles)
    turned = side_by_side([colour, np.full((2, 8, 8, 1), 7, np.uint8)], "given, made")
    assert turned.shape == picture.shape
    holes = np.concatenate([grey, grey], axis=3)  # the second channel is left out
    assert side_by_side([holes, grey], "given, made").shape[-1] == 1


def test_grid_takes_floats():
    images = noise(4, 8, 8, 3)
    np.testing.assert_array_equal(grid(from_uint8(images)), grid(images))


@pytest.mark.parametrize("shape", [(0, 4, 4, 1), (4, 4, 1), (2, 4, 4, 2)])
def test_grid_refuses_what_is_no_stack_of_images(shape):
    with pytest.raises(ValueError, match="N, H, W, C"):
        grid(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_title_stands_on_a_strip_above_the_untouched_picture(channels):
    picture = noise(50, 300, channels)
    result = titled(picture, "step 4,000 · 256 thousand images")
    np.testing.assert_array_equal(result[TITLE_HEIGHT:], picture)
    strip = result[:TITLE_HEIGHT]
    assert strip[..., 0].min() < 100  # ink
    assert (strip[:, -4:] == 255).all()
    if channels == 4:
        assert (strip[..., 3] == 255).all()


@pytest.mark.parametrize("title", ["", "word " * 100, "two\nlines", "naïve – 32×32"])
@pytest.mark.parametrize("width", [1, 20, 400])
def test_title_never_changes_the_size_of_the_strip(title, width):
    assert titled(np.zeros((5, width, 3), np.uint8), title).shape == (TITLE_HEIGHT + 5, width, 3)


def test_title_too_long_is_cut_within_the_margin():
    strip = titled(np.zeros((5, 200, 1), np.uint8), "unbearably " * 30)[:TITLE_HEIGHT]
    assert (strip[:, -6:] == 255).all()
    assert strip.min() < 100


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 3), (7, 5, 4)])
def test_png_keeps_pixels_and_bytes(tmp_path, shape):
    picture = noise(*shape)
    one, two = save_png(picture, tmp_path / "new" / "one.png"), save_png(picture.copy(), tmp_path / "two.png")
    assert one.read_bytes() == two.read_bytes()
    np.testing.assert_array_equal(load_png(one), picture.reshape(7, 5, -1))
    assert [path.name for path in one.parent.iterdir()] == ["one.png"]


def test_png_refuses_floats(tmp_path):
    with pytest.raises(ValueError, match="float64"):
        save_png(np.zeros((4, 4, 3)), tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail():
        with replacing(path) as file:
            file.write(b"half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_who_reads_a_file_while_it_is_replaced_reads_the_old_one_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with open(path, "rb") as reader:
        with replacing(path) as file:
            file.write(b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_gif_has_every_frame_for_its_time(tmp_path):
    digits = (load_digits().images[:12, :, :, None] * 15).astype(np.uint8)
    frames = [grid(digits[i:i + 4], scale=2, title=f"step {i}") for i in range(8)]
    path = save_gif(frames, tmp_path / "a.gif", seconds_per_frame=0.25, last_seconds=2)
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        read = [(frame.info["duration"], np.asarray(frame.convert("L"))) for frame in ImageSequence.Iterator(gif)]
    assert [duration for duration, _ in read] == [250] * 7 + [2000]
    for (_, pixels), frame in zip(read, frames):
        np.testing.assert_array_equal(pixels, frame[:, :, 0])
    assert path.read_bytes() == save_gif(frames, tmp_path / "b.gif", 0.25, 2).read_bytes()


@pytest.mark.parametrize("channels", [3, 4])
def test_gif_in_colour_chooses_the_colours_of_each_frame(tmp_path, channels):
    frames = [np.full((8, 8, channels), 255, np.uint8) for _ in range(3)]
    for index, frame in enumerate(frames):
        frame[:, :4, :3] = (200, 30 * index, 77)
    path = save_gif(frames, tmp_path / "a.gif")
    with Image.open(path) as gif:
        read = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)]
    assert len(read) == 3
    for pixels, frame in zip(read, frames):
        np.testing.assert_allclose(pixels.astype(int), frame[..., :3], atol=2)


def test_gif_lays_transparent_pixels_on_white(tmp_path):
    frames = [np.zeros((4, 4, 4), np.uint8), np.full((4, 4, 4), 255, np.uint8)]
    frames[1][0] = (0, 0, 255, 255)
    path = save_gif(frames, tmp_path / "a.gif")
    with Image.open(path) as gif:
        assert gif.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_gif_refuses_frames_of_two_shapes_and_none(tmp_path):
    for frames in ([], [noise(4, 4, 3), noise(4, 5, 3)]):
        with pytest.raises(ValueError, match="one shape"):
            save_gif(frames, tmp_path / "a.gif")


def test_scatter_shows_generated_over_real_at_fixed_limits():
    before = dict(matplotlib.rcParams)
    real, fake = np.full((50, 2), -0.5), np.full((50, 2), 0.5)
    alone, both = scatter(fake, title="step 10"), scatter(fake, real, title="step 10")
    assert alone.shape == both.shape == (640 + TITLE_HEIGHT, 640, 3)
    assert alone.dtype == np.uint8
    assert dict(matplotlib.rcParams) == before
    right = np.s_[TITLE_HEIGHT + 160:TITLE_HEIGHT + 220, 420:480]
    left = np.s_[TITLE_HEIGHT + 390:TITLE_HEIGHT + 450, 190:260]
    blue = both[right].astype(int)
    assert ((blue[..., 2] - blue[..., 0]) > 80).any()
    assert both[left].min() < 220 < alone[left].min()  # grey dots against nothing but paper
    np.testing.assert_array_equal(both, scatter(fake, real, title="step 10"))


def test_scatter_tells_of_points_outside():
    inside = np.zeros((10, 2))
    foot = np.s_[-70:-40, 330:]
    quiet = scatter(inside)[foot]
    for bad in ([[9, 0]], [[np.nan, 0]]):
        assert (scatter(np.concatenate([inside, bad]))[foot] != quiet).any()


@pytest.mark.parametrize("channels", [1, 4])
def test_a_sheet_names_its_rows_and_columns(channels):
    images = noise(2, 3, 16, 20, channels)
    picture = sheet(images, ["short", "a longer name"], ["one", "two", "a name that is much too long"], "title")
    table = grid(images.reshape(6, 16, 20, channels), columns=3, pad=4, scale=3)
    left = picture.shape[1] - table.shape[1]
    np.testing.assert_array_equal(picture[TITLE_HEIGHT + HEAD_HEIGHT:, left:], table)
    margin = picture[TITLE_HEIGHT + HEAD_HEIGHT:, :left, 0]
    inked = [(part < 128).any(axis=0).nonzero()[0].max() for part in np.split(margin[2:-2], 2)]
    assert inked[0] < inked[1] < left - 4
    assert picture[TITLE_HEIGHT:TITLE_HEIGHT + HEAD_HEIGHT, left:, 0].min() < 100
    if channels == 4:
        assert (picture[:TITLE_HEIGHT + HEAD_HEIGHT, :, 3] == 255).all()


def test_a_webp_has_every_frame_for_its_time(tmp_path):
    pictures = captioned(np.stack([np.full((8, 8, 3), 40 * index, np.uint8) for index in range(5)]), list("abcde"))
    assert pictures[0].shape == (256 + 4 + TITLE_HEIGHT, 260, 3)
    path = save_animation(pictures, tmp_path / "a.webp", seconds_per_frame=0.1)
    with Image.open(path) as webp:
        assert (webp.n_frames, webp.info["loop"]) == (5, 0)
        for index, frame in enumerate(ImageSequence.Iterator(webp)):
            assert np.asarray(frame.convert("RGB"))[100:200, 100:200].mean() == pytest.approx(40 * index, abs=2)
            assert frame.info["duration"] == 100
    loop = save_animation(pictures, tmp_path / "a.gif", seconds_per_frame=0.1)
    with Image.open(loop) as gif:
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(gif)] == [100] * 5


def test_mp4_is_written_or_refused_with_what_it_needs(tmp_path):
    try:
        import imageio_ffmpeg
    except ImportError:
        with pytest.raises(InputError, match=r"pip install 'jaxgan\[video\]'"):
            check_animation("a.mp4")
        return
    check_animation("a.mp4")
    path = save_animation([np.full((37, 51, 1), 9 * index, np.uint8) for index in range(20)], tmp_path / "a.mp4")
    reader = imageio_ffmpeg.read_frames(str(path))
    facts, *read = reader
    assert (facts["size"], facts["fps"]) == ((52, 38), 25)
    levels = [np.median(np.frombuffer(frame, np.uint8)) for frame in read]
    np.testing.assert_allclose(levels, 9 * np.arange(20), atol=3)
