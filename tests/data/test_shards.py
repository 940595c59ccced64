"""Shards: each photo in exactly one, the same on every machine."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from nima_pretrain.data.finding import listing_of, listing_of_lines
from nima_pretrain.data.shards import Shard
from nima_pretrain.errors import InputError, PhotoError


def shards_of(listing, count):
    """The photos of each of `count` shards."""
    return [list(replace(listing, shard=Shard(number, count))) for number in range(1, count + 1)]


def many_photos(root, number=400):
    for index in range(number):
        photo = root / f"{index % 7}" / f"{index}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.touch()
    return root


@pytest.mark.parametrize("count", [1, 2, 8])
def test_every_photo_is_in_exactly_one_shard(tmp_path, count):
    listing = listing_of([str(many_photos(tmp_path))])
    shards = shards_of(listing, count)
    assert Counter(photo for shard in shards for photo in shard) == Counter(listing)
    # Binomial: 400 / 8 is 50 with a standard deviation of 7.
    assert all(400 / count - 35 < len(shard) < 400 / count + 35 for shard in shards)


def test_a_photo_keeps_its_shard_where_the_folder_lies_elsewhere_and_others_come(tmp_path):
    here, there = many_photos(tmp_path / "here", 100), many_photos(tmp_path / "mnt" / "x", 100)
    for index in range(50):
        (there / f"new {index}.jpg").touch()
    for one, other in zip(
        shards_of(listing_of([str(here)]), 3), shards_of(listing_of([str(there)]), 3), strict=True
    ):
        names = {photo.relative_to(here) for photo in one}
        others = {photo.relative_to(there) for photo in other}
        assert names == {name for name in others if not name.name.startswith("new")}


def test_the_shard_of_a_name_does_not_change_between_versions():
    # Machines may have different versions of the package; byte 0xe9 is not UTF-8.
    names = [Path("a.jpg"), Path("Summer 2021/e.webp"), Path("日本語.jpg"), Path("caf\udce9.jpg")]
    numbers = [[n for n in range(1, 9) if Shard(n, 8).has(name)] for name in names]
    assert numbers == [[2], [2], [8], [8]]


def test_a_photo_that_two_arguments_name_is_in_one_shard(tmp_path):
    photos = many_photos(tmp_path / "photos", 60)
    files = sorted(map(str, photos.rglob("*.jpg")))[:30]
    listing = listing_of([*files, str(photos)])
    shards = shards_of(listing, 4)
    assert sorted(photo for shard in shards for photo in shard) == sorted(listing)


def test_lists_are_divided_by_their_lines():
    lines = b"\n".join(b"%d.jpg" % index for index in range(100))
    shards = shards_of(listing_of_lines(lines), 5)
    assert sorted(photo for shard in shards for photo in shard) == sorted(listing_of_lines(lines))


def test_an_unreadable_folder_is_an_error_in_every_shard(tmp_path, monkeypatch):
    many_photos(tmp_path, 20)
    closed = tmp_path / "3"
    errors = [PhotoError(closed, "the folder cannot be searched: Permission denied")]
    monkeypatch.setattr("nima_pretrain.data.finding.walk", lambda root: iter(errors))
    for shard in shards_of(listing_of([str(tmp_path)]), 3):
        assert shard == errors


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "3/0", "-1/8", "a/b", "", "1/8/2", "٣/8"])
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match="Expected --shard K/N with K from 1 to N"):
        Shard.parse(text)


def test_a_shard_is_parsed():
    assert Shard.parse("3/8") == Shard(3, 8)
