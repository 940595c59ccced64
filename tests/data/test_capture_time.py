"""Capture times: subseconds, time zones, and what cameras write that is no time."""

import math
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from PIL import ExifTags, Image

from nima_pretrain.data.capture_time import CaptureTime, capture_time_of
from nima_pretrain.data.photos import read_photo

TAKEN = "2024:05:01 23:59:59"
SECONDS = datetime(2024, 5, 1, 23, 59, 59, tzinfo=UTC).timestamp()


def write(path, **tags):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"  # Pillow writes nothing else into some formats without
    for name, value in tags.items():
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base[name]] = value
    Image.new("RGB", (20, 10)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_photo_knows_the_time_it_was_taken_to_the_subsecond(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", DateTimeOriginal=TAKEN, SubsecTimeOriginal="250")
    local, utc = read_photo(path).captured
    assert local == SECONDS + 0.25
    assert math.isnan(utc)
    assert read_photo(path, 8).captured.local == local


def test_subseconds_are_decimals_whatever_their_number(tmp_path):
    for text, fraction in (("5", 0.5), ("05", 0.05), ("123456", 0.123456), (" 7 ", 0.7), ("x", 0)):
        path = write(tmp_path / "a.jpg", DateTimeOriginal=TAKEN, SubsecTimeOriginal=text)
        assert read_photo(path).captured.local == pytest.approx(SECONDS + fraction, abs=1e-6)


def test_two_cameras_in_different_time_zones_agree_in_utc(tmp_path):
    first = write(tmp_path / "a.jpg", DateTimeOriginal=TAKEN, OffsetTimeOriginal="+05:30")
    second = write(
        tmp_path / "b.jpg", DateTimeOriginal="2024:05:01 11:29:59", OffsetTimeOriginal="-07:00"
    )
    assert read_photo(first).captured.utc == read_photo(second).captured.utc
    assert read_photo(first).captured.utc == SECONDS - 5.5 * 3600


@pytest.mark.parametrize(
    "text", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2024-05-01T23:59:59", "", "2024:13:01"]
)
def test_what_is_no_time_is_unknown(tmp_path, text):
    path = write(tmp_path / "a.jpg", DateTimeOriginal=text)
    assert all(map(math.isnan, read_photo(path).captured))


def test_photos_without_exif_or_with_broken_exif_have_no_time(tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    Image.new("RGB", (20, 10)).save(tmp_path / "b.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    for name in ("a.png", "b.jpg"):
        assert all(map(math.isnan, read_photo(tmp_path / name).captured))
    assert all(map(math.isnan, capture_time_of(Image.new("L", (1, 1)))))
    assert all(map(math.isnan, CaptureTime()))


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_times_that_exiftool_writes_are_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (20, 10)).save(path)
    tags = [f"-DateTimeOriginal={TAKEN}", "-SubSecTimeOriginal=42", "-OffsetTimeOriginal=+02:00"]
    subprocess.run(["exiftool", "-q", *tags, str(path)], check=True)
    local, utc = read_photo(path).captured
    assert (local, utc) == (SECONDS + 0.42, SECONDS + 0.42 - 7200)
