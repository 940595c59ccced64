"""RAW files in folders: a pair with a JPEG is one photo; without rawpy they are skipped."""

import logging
from pathlib import Path

import pytest

from nima_pretrain.data.finding import Listing, find_photos, listing_of
from nima_pretrain.data.rating_files import find_images
from nima_pretrain.data.raw_pairs import raws_beside, without_paired_raws


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names_in(photos):
    return [photo.name for photo in photos]


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["IMG_1.CR3", "IMG_1.JPG"], ["IMG_1.JPG"]),
        (["img_1.jpeg", "IMG_1.Nef"], ["img_1.jpeg"]),
        (["IMG_1.DNG", "IMG_1.HEIC"], ["IMG_1.HEIC"]),
        (["IMG_1.DNG", "IMG_1.CR2", "IMG_1.JPG", "IMG_1.HEIF"], ["IMG_1.JPG", "IMG_1.HEIF"]),
        (["IMG_1.CR3", "IMG_2.JPG"], ["IMG_1.CR3", "IMG_2.JPG"]),
        (["IMG_1.CR3", "IMG_1.CR3.JPG"], ["IMG_1.CR3", "IMG_1.CR3.JPG"]),
        # An edited version is another photo.
        (["IMG_1.CR3", "IMG_1.tif", "IMG_1.png"], ["IMG_1.CR3", "IMG_1.tif", "IMG_1.png"]),
        (["a/1.RAF", "b/1.jpg"], ["a/1.RAF", "b/1.jpg"]),
        (["STRASSE.RW2", "straße.jpg"], ["straße.jpg"]),
        (["no_extension", ".jpg", ".cr2"], ["no_extension", ".jpg"]),
    ],
)
def test_the_jpeg_of_a_pair_is_kept(names, kept):
    assert without_paired_raws(names) == kept


def test_folders_list_pairs_once_and_other_raw_files_too(tmp_path):
    touch(tmp_path, "1.CR3", "1.jpg", "2.ORF", "sub/1.pef", "sub/2.jpg", "x.raw", "3.jpg/3.cr2")
    assert names_in(find_photos(tmp_path)) == ["1.jpg", "2.ORF", "3.cr2", "1.pef", "2.jpg"]
    listing = listing_of([str(tmp_path)])
    raws = [listing.raws_of(photo) for photo in listing]
    assert raws == [("1.CR3",), (), (), (), ()]


def test_named_files_count_as_they_are(tmp_path):
    touch(tmp_path, "1.CR3", "1.JPG")
    listing = listing_of([str(tmp_path / "1.CR3"), str(tmp_path / "1.JPG")])
    assert names_in(listing) == ["1.CR3", "1.JPG"]
    assert [listing.raws_of(photo) for photo in listing] == [(), ()]
    assert names_in(listing_of([f"{tmp_path}/*"])) == ["1.CR3", "1.JPG"]
    listing = Listing((tmp_path / "1.CR3", tmp_path))
    assert names_in(listing) == ["1.CR3", "1.JPG"]
    assert [listing.raws_of(photo) for photo in listing] == [(), ()]


def test_raw_files_that_come_or_go_are_seen(tmp_path):
    touch(tmp_path, "1.jpg")
    assert raws_beside(tmp_path / "1.jpg") == ()
    touch(tmp_path, "1.CR3", "1.dng")
    assert raws_beside(tmp_path / "1.jpg") == ("1.CR3", "1.dng")
    (tmp_path / "1.dng").unlink()
    assert raws_beside(tmp_path / "1.jpg") == ("1.CR3",)
    assert raws_beside(tmp_path / "1.CR3") == raws_beside(tmp_path / "no folder/1.jpg") == ()


def test_without_rawpy_raw_files_are_skipped_and_that_is_said_once(tmp_path, without_rawpy, caplog):
    touch(tmp_path, "1.CR3", "1.jpg")
    with caplog.at_level(logging.WARNING):
        assert names_in(find_photos(tmp_path)) == ["1.jpg"]
        assert not caplog.messages
        touch(tmp_path, "2.CR3", "sub/3.NEF")
        for _ in range(2):
            assert names_in(find_photos(tmp_path)) == ["1.jpg"]
    (message,) = caplog.messages
    assert message.startswith("RAW files are skipped")
    assert "pip install 'nima-pretrain[raw]'" in message
    # A named file is an error of its own.
    assert names_in(listing_of([str(tmp_path / "2.CR3")])) == ["2.CR3"]


def test_ratings_of_a_pair_are_those_of_the_jpeg(tmp_path):
    touch(tmp_path, "1.CR3", "1.JPG", "2.NEF")
    found = find_images(["1", "1.JPG", "1.CR3", "2"], tmp_path)
    assert names_in(found) == ["1.JPG", "1.JPG", "1.CR3", "2.NEF"]
