"""RAW files: the preview of the camera, else a development; upright once; never the thumbnail."""

import os
import shutil
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.data.photos import load_photo, read_photo
from nima_pretrain.data.raw_files import is_raw
from nima_pretrain.errors import PhotoError
from tests.data.dng import jpeg_of, mosaic, stored, write_dng
from tests.data.test_photos import BLUE, GREEN, RED, WHITE, save

MAGENTA = (255, 0, 255)  # the thumbnails
PREVIEW, HALF = ("embedded preview",), ("developed at half size",)


@pytest.fixture(scope="module")
def quadrants():
    """Four colours, large enough to be developed at half size."""
    image = Image.new("RGB", (1200, 900))
    for index, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        left, top = 600 * (index % 2), 450 * (index // 2)
        image.paste(colour, (left, top, left + 600, top + 450))
    return image


@pytest.fixture(scope="module")
def scene(photo):
    """A photograph of 1200 x 900 pixels."""
    return Image.fromarray(photo).resize((1200, 900), Image.Resampling.BICUBIC)


def corners(pixels):
    """Returns the colours in the middle of the four quarters, row by row."""
    height, width, _ = pixels.shape
    return [pixels[y * height // 4, x * width // 4].astype(int) for y in (1, 3) for x in (1, 3)]


def is_upright(pixels):
    expected = np.array([RED, GREEN, BLUE, WHITE])
    return np.abs(np.array(corners(pixels)) - expected).max() <= 40


# Previews beside the sensor's data: none; one as most cameras write it, without
# EXIF data; one with an orientation of its own; a bitmap; one that is upright although the RAW file
# is not, as some converters write it. The last can be told where width and height are exchanged.
@pytest.mark.parametrize(
    ("kind", "orientation"),
    [(kind, turn) for kind in ("none", "bare", "exif", "bitmap") for turn in range(1, 9)]
    + [("upright", turn) for turn in range(5, 9)],
)
def test_every_orientation_is_turned_upright_once(tmp_path, quadrants, kind, orientation):
    lying = stored(quadrants, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {
        "none": {},
        "bare": {"preview": jpeg_of(lying)},
        "exif": {"preview": jpeg_of(lying, exif=exif)},
        "bitmap": {"thumbnail": lying},
        "upright": {"preview": jpeg_of(quadrants)},
    }[kind]
    path = write_dng(tmp_path / "photo.dng", mosaic(lying), orientation=orientation, **options)
    photo = read_photo(path, 224)
    assert photo.notes == (HALF if kind == "none" else PREVIEW)
    assert photo.image.size == ((600, 450) if kind == "none" else (1200, 900))
    assert is_upright(photo.pixels)


def test_a_preview_whose_own_orientation_is_stale_lies_as_the_sensor_did(tmp_path, quadrants):
    exif = Image.Exif()
    exif[0x0112] = 1
    lying = stored(quadrants, 6)
    preview = jpeg_of(lying, exif=exif)
    path = write_dng(tmp_path / "photo.dng", mosaic(lying), orientation=6, preview=preview)
    assert is_upright(load_photo(path))


def test_broken_exif_data_of_a_preview_cost_no_photo(tmp_path, quadrants):
    lying = stored(quadrants, 8)
    preview = jpeg_of(lying, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff" + b"\xff" * 40)
    path = write_dng(tmp_path / "photo.dng", mosaic(lying), orientation=8, preview=preview)
    assert is_upright(load_photo(path))


def test_a_preview_is_decoded_as_the_jpeg_that_the_camera_would_have_written(tmp_path, scene):
    jpeg = jpeg_of(scene.resize((3000, 2000)))
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    path = write_dng(tmp_path / "photo.dng", mosaic(scene), preview=jpeg)
    for size in (None, 64, 224):
        expected = read_photo(tmp_path / "photo.jpg", size)
        photo = read_photo(path, size)
        np.testing.assert_array_equal(photo.pixels, expected.pixels)
        assert photo.box == expected.box


def test_a_development_has_the_colours_of_the_scene(tmp_path, scene):
    path = write_dng(tmp_path / "photo.dng", mosaic(scene))
    photo = read_photo(path)
    assert photo.notes == HALF
    expected = np.asarray(scene.resize((600, 450), Image.Resampling.BOX), np.float32)
    for channel in range(3):  # up to a tone curve: LibRaw brightens the photo
        flat = photo.pixels[..., channel].ravel(), expected[..., channel].ravel()
        assert np.corrcoef(*flat)[0, 1] > 0.98


def test_previews_that_are_too_small_are_not_used(tmp_path, scene):
    small, enough = (jpeg_of(scene.resize(size)) for size in ((597, 447), (600, 448)))
    for preview, notes in ((small, HALF), (enough, PREVIEW)):
        path = write_dng(tmp_path / "photo.dng", mosaic(scene), preview=preview)
        assert read_photo(path, 224).notes == read_photo(path).notes == notes
    assert read_photo(path, 226).notes == ("developed",)  # half of 900 is less than 2 x 226


def test_of_several_previews_the_largest_is_used(tmp_path, scene):
    bitmap = scene.resize((800, 600))
    path = write_dng(
        tmp_path / "photo.dng", mosaic(scene), thumbnail=bitmap, preview=jpeg_of(scene)
    )
    assert read_photo(path).image.size == (1200, 900)


def test_an_unreadable_preview_is_replaced_by_a_development(tmp_path, scene):
    jpeg = jpeg_of(scene)
    path = write_dng(tmp_path / "photo.dng", mosaic(scene), preview=jpeg)
    path.write_bytes(path.read_bytes().replace(jpeg, b"\xff\xd8" + bytes(len(jpeg) - 2)))
    assert read_photo(path).notes == HALF


@pytest.mark.parametrize("channels", [1, 3])
def test_data_without_a_colour_filter_are_developed_in_full(tmp_path, scene, channels):
    linear = mosaic(scene.convert("L"))[..., None].repeat(channels, axis=2)
    photo = read_photo(write_dng(tmp_path / "photo.dng", linear), 224)
    assert photo.notes == ("developed",)
    assert photo.pixels.shape == (900, 1200, 3)


@pytest.mark.parametrize("name", ["photo.tif", "photo.jpg", "photo", "photo.DNG", "photo.nef"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("is_dng", [True, False])
def test_the_thumbnail_is_never_taken_for_the_photo(tmp_path, quadrants, name, order, is_dng):
    path = tmp_path / name
    write_dng(path, mosaic(quadrants), order=order, is_dng=is_dng)
    with Image.open(path) as image:  # the trap: Pillow reads the thumbnail
        assert image.size == (16, 12)
        assert image.getpixel((5, 5)) == MAGENTA
    photo = read_photo(path)
    assert photo.notes == HALF
    assert photo.pixels.shape == (450, 600, 3)


def test_without_rawpy_there_is_an_error_and_no_thumbnail(tmp_path, scene, without_rawpy):
    for name in ("photo.dng", "photo.tif"):
        path = write_dng(tmp_path / name, mosaic(scene), preview=jpeg_of(scene))
        with pytest.raises(PhotoError, match=r"pip install 'nima-pretrain\[raw\]'"):
            read_photo(path)


@pytest.mark.parametrize(
    "head",
    [
        b"FUJIFILMCCD-RAW 0201",
        b"\0\0\0\x18ftypcrx \0\0\0\x01",
        b"II*\0\x10\0\0\0CR\x02\0",
        b"MM\0*\0\0\0\x10MMMM",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"II\x1a\0\0\0HEAPCCDR",
    ],
)
def test_raw_files_of_other_makers_are_recognized_by_their_heads(tmp_path, head, without_rawpy):
    (tmp_path / "photo").write_bytes(head.ljust(64, b"\0"))
    with pytest.raises(PhotoError, match="RAW needs the package rawpy"):
        read_photo(tmp_path / "photo")


def test_other_tiff_files_are_no_raw_files(tmp_path, photo):
    image = Image.fromarray(photo)
    path = save(image, tmp_path / "photo.tif", save_all=True, append_images=[image] * 3)
    with path.open("rb") as file:
        assert not is_raw(file, ".tif")
    assert read_photo(path).pixels.shape == photo.shape


def test_directories_are_searched_to_the_end_of_the_file(tmp_path):
    # The second directory has the sensor's data, and ends with the file.
    second = struct.pack("<HHHII", 1, 262, 3, 1, 32803)
    for first in (b"\0\0" + struct.pack("<I", 14), struct.pack("<HHHIII", 1, 330, 4, 1, 26, 0)):
        (tmp_path / "photo.tif").write_bytes(b"II*\0\x08\0\0\0" + first + second)
        with (tmp_path / "photo.tif").open("rb") as file:
            assert is_raw(file, ".tif")
            assert file.tell() == 0


def test_directories_without_end_are_left_in_time(tmp_path):
    fields = struct.pack("<H", 65535) + struct.pack("<HHII", 330, 4, 64, 8) * 65535
    (tmp_path / "photo.tif").write_bytes(b"II*\0\x08\0\0\0" + fields * 8)
    started = time.monotonic()
    with (tmp_path / "photo.tif").open("rb") as file:
        is_raw(file, ".tif")
    assert time.monotonic() - started < 30


def test_a_jpeg_that_is_named_like_a_raw_file_is_a_jpeg(tmp_path, photo):
    path = tmp_path / "photo.nef"
    path.write_bytes(jpeg_of(Image.fromarray(photo)))
    assert read_photo(path).notes == ()


@pytest.mark.parametrize(
    "content", [b"", b"text", b"II*\0", b"II*\0\x08\0\0\0\xff\xff" + b"\1" * 99]
)
def test_what_is_no_raw_file_is_an_error(tmp_path, content):
    (tmp_path / "photo.cr2").write_bytes(content)
    with pytest.raises(PhotoError, match="cannot identify|LibRaw cannot read|truncated or damaged"):
        load_photo(tmp_path / "photo.cr2")


@pytest.mark.parametrize("share", [0.999, 0.5, 0.01])
def test_a_truncated_raw_file_is_an_error(tmp_path, scene, share):
    path = write_dng(tmp_path / "photo.dng", mosaic(scene))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PhotoError, match="the RAW file is truncated or damaged"):
        load_photo(path)


def test_more_pixels_than_allowed_are_not_developed(tmp_path, scene):
    path = write_dng(tmp_path / "photo.dng", mosaic(scene))
    with pytest.raises(PhotoError, match="1200 x 900 pixels are more than the 1,000,000 allowed"):
        read_photo(path, max_pixels=1_000_000)
    path = write_dng(path, mosaic(scene), preview=jpeg_of(scene))
    with pytest.raises(PhotoError, match="1200 x 900 pixels are more than the 1,000,000 allowed"):
        read_photo(path, max_pixels=1_000_000)


def test_a_file_that_claims_too_much_takes_no_memory(tmp_path, scene):
    for shape in ((60_000, 60_000), (15_500, 16_000)):
        write_dng(tmp_path / f"{shape[0]}.dng", mosaic(scene), shape=shape)
    program = """if True:
        import resource, sys
        from pathlib import Path
        from nima_pretrain.data.photos import load_photo
        from nima_pretrain.errors import PhotoError
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for path in Path(sys.argv[1]).iterdir():
            try:
                load_photo(path)
            except PhotoError as error:
                print(error.reason)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    command = [sys.executable, "-c", program, tmp_path]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    *reasons, kilobytes = done.stdout.splitlines()
    assert len(reasons) == 2
    assert int(kilobytes) < 700_000


def test_damaged_raw_files_crash_nothing(tmp_path, scene):
    small = scene.resize((96, 64))
    path = write_dng(tmp_path / "photo.dng", mosaic(small), preview=jpeg_of(small))
    content = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for number in range(200):
        damaged = content.copy()
        places = rng.integers(0, 900, 4)  # the directories
        damaged[places] = rng.integers(0, 256, 4)
        (tmp_path / f"{number}.dng").write_bytes(damaged.tobytes())
    path.unlink()
    program = """if True:
        import sys
        from pathlib import Path
        from nima_pretrain.data.photos import load_photo
        from nima_pretrain.errors import PhotoError
        for path in Path(sys.argv[1]).iterdir():
            try:
                load_photo(path)
                print("read")
            except PhotoError:
                print("refused")
    """
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 200
    assert {"read", "refused"} == set(done.stdout.splitlines())


def test_names_that_are_not_utf_8_are_read(tmp_path, scene):
    path = tmp_path / os.fsdecode(b"caf\xe9.dng")
    write_dng(path, mosaic(scene), preview=jpeg_of(scene))
    assert read_photo(path).notes == PREVIEW


@pytest.mark.slow
@pytest.mark.parametrize("orientation", [3, 6])
def test_darktable_turns_our_dng_as_we_do(tmp_path, quadrants, orientation):
    if not shutil.which("darktable-cli"):
        pytest.skip("needs Debian's package darktable")
    lying = mosaic(stored(quadrants, orientation))
    path = write_dng(tmp_path / "photo.dng", lying, orientation=orientation)
    command = ["darktable-cli", path, tmp_path / "photo.png", "--width", "300", "--core"]
    folders = ["--configdir", tmp_path / "config", "--cachedir", tmp_path / "cache"]
    subprocess.run([*command, *folders], check=True, capture_output=True, timeout=120)
    theirs = np.asarray(Image.open(tmp_path / "photo.png").convert("RGB")).astype(int)
    ours = np.asarray(read_photo(path).image.resize(theirs.shape[1::-1])).astype(int)
    brightest = [
        [int(colour.argmax()) for colour in corners(image)[:3]] for image in (theirs, ours)
    ]
    assert brightest == [[0, 1, 2], [0, 1, 2]]
