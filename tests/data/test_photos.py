"""Finding and decoding: every kind of file that people have, upright and in sRGB."""

import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from nima_pretrain.data import photos
from nima_pretrain.data.photos import _has_heif, load_fitted, load_photo, read_photo
from nima_pretrain.distortions.geometry import fit_photo
from nima_pretrain.errors import PhotoError
from tests.data.dng import UNDO

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def save(image: Image.Image, path: Path, **options: Any) -> Path:
    """Saves in the format of the extension, HEIC through its plugin."""
    pillow_heif.register_heif_opener()
    if path.suffix in (".jpg", ".jpeg", ".mpo", ".avif", ".heic", ".heif"):
        options["quality"] = 95
    if path.suffix == ".mpo":
        options.update(format="MPO", save_all=True, append_images=[image.resize((8, 8))])
    image.save(path, **options)
    return path


def quadrants() -> Image.Image:
    """Four colours, so that every turn and mirror image can be told."""
    image = Image.new("RGB", (40, 20))
    for index, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        image.paste(colour, (20 * (index % 2), 10 * (index // 2), 20 * (index % 2) + 20, 20))
    return image


# HEIC is turned by its own container; its EXIF orientation does not count.
ORIENTED = ["jpg", "png", "webp", "tif", "mpo", "avif"]


@pytest.mark.parametrize("suffix", ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(tmp_path, orientation, suffix):
    upright = quadrants().resize((80, 40), Image.Resampling.NEAREST)
    stored = upright.transpose(UNDO[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(stored, tmp_path / f"photo.{suffix}", exif=exif)
    pixels = load_photo(path)
    assert pixels.shape == (40, 80, 3)
    for row, column in ((10, 20), (10, 60), (30, 20), (30, 60)):  # the middle of each colour
        expected = np.asarray(upright)[row, column].astype(int)
        assert np.abs(pixels[row, column] - expected).max() <= 12


@pytest.mark.parametrize("suffix", [*ORIENTED, "bmp", "gif", "jpeg", "tiff", "heic", "heif"])
def test_every_format_is_told_by_its_content_and_decoded(tmp_path, suffix, photo):
    path = save(Image.fromarray(photo), tmp_path / f"photo.{suffix}")
    image, notes, *_ = read_photo(path)
    pixels = np.asarray(image)
    assert pixels.shape == photo.shape
    assert not notes
    assert np.abs(pixels.astype(int) - photo).mean() < 8
    disguised = path.rename(tmp_path / "photo.bin")
    np.testing.assert_array_equal(load_photo(disguised), pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_zero_may_be_white_in_a_tiff(tmp_path, bits):
    values = np.linspace(0, 2**bits - 1, 64).astype(f"uint{bits}")[None].repeat(8, axis=0)
    # libtiff's writer sets no such tag: the file is of one strip, written by hand.
    tags = [(256, 64), (257, 8), (258, bits), (259, 1), (262, 0), (273, 200), (278, 8)]
    tags += [(277, 1), (279, values.nbytes)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    (tmp_path / "scan.tif").write_bytes(head.ljust(200, b"\0") + values.tobytes())
    pixels = load_photo(tmp_path / "scan.tif")
    assert np.abs(pixels[0, :, 1] - np.linspace(255, 0, 64)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    if mode == "I;16":
        ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(8, axis=0)
        image = Image.fromarray(ramp)
    else:
        ramp = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(8, axis=0)
        image = Image.fromarray(ramp).convert("RGB")
        image = image.quantize(64) if mode == "P" else image.convert(mode)
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "YCbCr") else "photo.png")
    image.save(path)
    pixels = load_photo(path)
    assert pixels.shape == (8, 64, 3)
    assert pixels.dtype == np.uint8
    expected = np.linspace(0, 255, 64)
    if mode != "1":
        assert np.abs(pixels[0, :, 1] - expected).max() <= 3


def test_transparent_parts_lie_on_white(tmp_path):
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 255))
    image.putpixel((0, 0), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    image.save(tmp_path / "cut_out.png")
    pixels = load_photo(tmp_path / "cut_out.png")
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == [127, 127, 127]
    assert pixels[2, 2].tolist() == [255, 0, 0]


def test_embedded_profiles_are_converted_to_srgb(tmp_path):
    # sRGB with the primaries red and blue exchanged, under another name.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1)
    profile = profile.replace(b"????", b"bXYZ", 1).replace(
        "sRGB".encode("utf-16-be"), b"\0x\0R\0G\0B"
    )
    quadrants().save(tmp_path / "photo.png", icc_profile=profile)
    error = load_photo(tmp_path / "photo.png").astype(int) - np.asarray(quadrants())[..., ::-1]
    assert np.abs(error).max() <= 2


def test_a_broken_profile_is_ignored_and_said(tmp_path):
    quadrants().save(tmp_path / "photo.png", icc_profile=b"not a profile")
    image, notes, *_ = read_photo(tmp_path / "photo.png")
    pixels = np.asarray(image)
    np.testing.assert_array_equal(pixels, np.asarray(quadrants()))
    assert "colour profile is ignored" in notes[0]


def test_of_moving_pictures_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, GREEN, BLUE)]
    for suffix in ("gif", "webp", "png"):
        path = tmp_path / f"photo.{suffix}"
        options = {"lossless": True} if suffix == "webp" else {}
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        image, notes, *_ = read_photo(path)
        pixels = np.asarray(image)
        assert (pixels == RED).all()
        assert notes == ("the first frame of several",)


def test_transparency_is_said_only_where_something_is_transparent(tmp_path):
    Image.new("RGBA", (8, 8), (9, 9, 9, 255)).save(tmp_path / "opaque.png")
    Image.new("RGBA", (8, 8), (9, 9, 9, 254)).save(tmp_path / "clear.png")
    assert read_photo(tmp_path / "opaque.png").notes == ()
    assert read_photo(tmp_path / "clear.png").notes == ("transparent parts laid on white",)


def test_broken_exif_data_cost_no_photo(tmp_path):
    quadrants().save(tmp_path / "photo.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff" + b"\xff" * 40)
    assert load_photo(tmp_path / "photo.jpg").shape == (20, 40, 3)


def test_what_claims_too_many_pixels_is_not_decoded(tmp_path):
    path = save(Image.new("1", (20_000, 13_000)), tmp_path / "bomb.png")
    with pytest.raises(PhotoError, match="20000 x 13000 pixels are more than the 250,000,000"):
        load_photo(path)
    small = save(quadrants(), tmp_path / "small.png")
    with pytest.raises(PhotoError, match="40 x 20 pixels are more than the 799 allowed"):
        read_photo(small, max_pixels=799)
    assert read_photo(small, max_pixels=800).pixels.shape == (20, 40, 3)


def test_heic_without_its_package_names_the_package(tmp_path, monkeypatch):
    path = save(quadrants(), tmp_path / "photo.heic")
    _has_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match=r"pip install 'nima-pretrain\[heic\]'"):
        load_photo(path)
    _has_heif.cache_clear()


@pytest.mark.parametrize(
    ("size", "mode", "suffix"),
    [((4000, 3000), "RGB", "jpg"), ((3000, 4000), "L", "jpg"), ((2100, 2000), "RGBA", "png")],
)
def test_large_photos_are_decoded_smaller_and_look_the_same(tmp_path, photo, size, mode, suffix):
    large = Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC).convert(mode)
    path = save(large, tmp_path / f"photo.{suffix}")
    small = read_photo(path, size=64)
    assert 6 * 64 <= min(small.pixels.shape[:2]) < 12 * 64
    for fit in ("letterbox", "squash"):
        exact = fit_photo(load_photo(path), 64, fit).astype(int)
        assert np.abs(load_fitted(path, 64, fit) - exact).mean() < 0.1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_half_a_pixel_at_the_edge_counts_as_half_however_the_photo_is_turned(
    tmp_path, photo, orientation
):
    # 771 x 1005 at half the scale are 386 x 503, whose last column and row are half outside.
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = Image.fromarray(photo).resize((771, 1005), Image.Resampling.BICUBIC)
    path = save(large, tmp_path / "photo.jpg", exif=exif)
    reduced = read_photo(path, size=64)
    assert sorted(reduced.pixels.shape[:2]) == [386, 503]
    exact = fit_photo(load_photo(path), 64, "squash").astype(int)
    difference = np.abs(reduced.fitted(64, "squash") - exact).mean()
    assert difference < 0.15
    assert difference < 0.7 * np.abs(fit_photo(reduced.pixels, 64, "squash") - exact).mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 900)])
def test_strips_and_single_pixels_fit(tmp_path, shape):
    path = save(Image.new("RGB", shape, RED), tmp_path / "strip.png")
    for fit in ("letterbox", "squash"):
        fitted = load_fitted(path, 32, fit)
        assert fitted.shape == (32, 32, 3)
        assert fitted[..., 0].max() > 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take somebody else's place")
def test_what_nobody_may_read_is_an_error(tmp_path):
    path = save(quadrants(), tmp_path / "secret.png")
    path.chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(PhotoError, match="Permission denied"):
            load_photo(path)
    finally:
        os.seteuid(0)


def test_a_pipe_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", tmp_path):
        with pytest.raises(PhotoError, match="not a regular file"):
            load_photo(path)


def test_a_vanished_file_is_a_photo_error(tmp_path):
    with pytest.raises(PhotoError, match="No such file"):
        load_photo(tmp_path / "vanished.jpg")


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "photo.tif")
    with pytest.raises(PhotoError, match="floating-point"):
        load_photo(tmp_path / "photo.tif")


def test_a_file_that_vanishes_before_it_is_identified_is_an_error_of_that_file(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.jpg"
    path.write_text("no photo")
    really_open = photos._open

    def open_and_remove(*arguments):
        path.unlink()
        return really_open(*arguments)

    monkeypatch.setattr(photos, "_open", open_and_remove, raising=True)
    with pytest.raises(PhotoError, match="cannot identify image file"):
        read_photo(path)
