"""Scanning: readable files, the reasons of unreadable ones, and digests of the content."""

import io
import logging

import pandas as pd
from PIL import Image

from nima_pretrain.data import scanning
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import read_photo
from nima_pretrain.data.scanning import scan_photos, write_unreadable


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


def test_strips_are_left_out_where_views_are_made(tmp_path):
    for name, size in (("strip.png", (20, 700)), ("panorama.png", (320, 20))):
        Image.new("RGB", size).save(tmp_path / name)
    assert len(scan_photos(find_photos(tmp_path)).readable) == 2
    scan = scan_photos(find_photos(tmp_path), longest=16)
    assert [path.name for path in scan.readable] == ["panorama.png"]
    (error,) = scan.unreadable
    assert "700 by 20 pixels: longer than 16 times its short side" in str(error)


def test_the_digest_depends_on_the_files_alone(photo_folder, tmp_path):
    scan = scan_photos(find_photos(photo_folder))
    again = scan_photos(find_photos(photo_folder)[::-1])
    assert scan.digest_of(scan.readable) == again.digest_of(again.readable)
    assert scan.digest_of(scan.readable) != scan.digest_of(scan.readable[1:])


def test_what_was_done_to_a_photo_is_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO, "nima_pretrain")
    Image.new("CMYK", (8, 8)).save(tmp_path / "print.jpg")
    scan_photos([tmp_path / "print.jpg"])
    assert "print.jpg: CMYK without a colour profile" in caplog.text


def test_a_file_that_vanishes_after_it_was_decoded_is_unreadable(photo_folder, monkeypatch):
    paths = find_photos(photo_folder)
    gone = photo_folder / "b.png"

    def decoded(path):
        photo = read_photo(path)
        if path == gone:
            gone.unlink()
        return photo

    monkeypatch.setattr(scanning, "read_photo", decoded)
    scan = scan_photos(paths)
    assert [(error.path, error.reason) for error in scan.unreadable] == [
        (gone, "No such file or directory")
    ]
    assert len(scan.digests) == 5
