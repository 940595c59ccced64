"""Finding and decoding: every kind of file that people have, upright and in sRGB."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms

from nima_pretrain.data.photos import (
    PhotoError,
    find_photos,
    load_photo,
    scan_photos,
    write_unreadable,
)
from nima_pretrain.errors import InputError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quadrants() -> Image.Image:
    """Four colours, so that every turn and mirror image can be told."""
    image = Image.new("RGB", (40, 20))
    for index, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        image.paste(colour, (20 * (index % 2), 10 * (index // 2), 20 * (index % 2) + 20, 20))
    return image


def test_photos_are_found_recursively_in_either_case_and_in_order(photo_folder):
    (photo_folder / "notes.txt").write_text("not a photo")
    found = [path.relative_to(photo_folder).as_posix() for path in find_photos(photo_folder)]
    assert found == [
        "Summer 2021/e.webp",
        "Summer 2021/f.bmp",
        "a.JPG",
        "b.png",
        "c.d.jpeg",
        "g.TIFF",
    ]
    assert all(load_photo(path).shape[2] == 3 for path in find_photos(photo_folder))


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"Found no photos below .* Looked for: bmp, jpeg, jpg"):
        find_photos(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(tmp_path, orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = quadrants()
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(load_photo(tmp_path / "photo.png"), np.asarray(upright))


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


def test_a_broken_profile_is_ignored_and_said(tmp_path, caplog):
    quadrants().save(tmp_path / "photo.png", icc_profile=b"not a profile")
    np.testing.assert_array_equal(load_photo(tmp_path / "photo.png"), np.asarray(quadrants()))
    assert "colour profile is ignored" in caplog.text


def broken_files(folder):
    """Files that cannot be decoded, with a word that the reason has to contain."""
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 90).convert("RGB").save(buffer, "JPEG")
    cases = {
        "truncated.jpg": (buffer.getvalue()[:2000], "truncated"),
        "empty.png": (b"", "cannot identify"),
        "text.jpg": (b"This is not a photo.", "cannot identify"),
    }
    for name, (content, _) in cases.items():
        (folder / name).write_bytes(content)
    return {folder / name: word for name, (_, word) in cases.items()}


def test_broken_files_are_listed_with_their_reasons_and_never_replaced(photo_folder):
    broken = broken_files(photo_folder)
    scan = scan_photos(find_photos(photo_folder))
    assert len(scan.readable) == 6
    assert {error.path for error in scan.unreadable} == set(broken)
    for error in scan.unreadable:
        assert broken[error.path] in error.reason
    write_unreadable(photo_folder / "unreadable.csv", scan.unreadable)
    table = pd.read_csv(photo_folder / "unreadable.csv")
    assert list(table.columns) == ["path", "reason"]
    assert set(table["path"]) == {str(path) for path in broken}


def test_a_directory_or_vanished_file_is_a_photo_error(tmp_path):
    with pytest.raises(PhotoError, match="No such file"):
        load_photo(tmp_path / "vanished.jpg")


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "photo.tif")
    with pytest.raises(PhotoError, match="floating-point"):
        load_photo(tmp_path / "photo.tif")


def test_the_digest_depends_on_the_files_alone(photo_folder, tmp_path):
    scan = scan_photos(find_photos(photo_folder))
    again = scan_photos(find_photos(photo_folder)[::-1])
    assert scan.digest_of(scan.readable) == again.digest_of(again.readable)
    assert scan.digest_of(scan.readable) != scan.digest_of(scan.readable[1:])
