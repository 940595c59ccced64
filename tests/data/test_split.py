"""The split of photos into training, validation and test."""

import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nima_pretrain.data.file_lists import SplitFiles, read_file_list
from nima_pretrain.data.split import (
    find_again,
    list_photos,
    split_names,
    split_photos,
    write_photo_list,
)
from nima_pretrain.errors import InputError

NAMES = [f"photo {number}.jpg" for number in range(130)]


def test_names_that_are_not_utf_8_are_split_listed_and_found_again(photo_folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "nima_pretrain")
    odd = os.fsdecode(b"caf\xe9.jpg")
    (photo_folder / "a.JPG").rename(photo_folder / odd)
    (photo_folder / os.fsdecode(b"\xff.png")).write_bytes(b"broken")
    split, scan = split_photos(list_photos(photo_folder), tmp_path / "bad.csv", (4, 1, 1), seed=0)
    write_photo_list(tmp_path / "photos.csv", split, scan)
    assert b"caf\xe9.jpg," in (tmp_path / "photos.csv").read_bytes()
    assert b"\xff.png," in (tmp_path / "bad.csv").read_bytes()
    assert "\udcff.png" in caplog.text
    again, _ = find_again(tmp_path / "photos.csv", photo_folder)
    assert again == split
    assert odd in {*again.training, *again.validation, *again.test}


def test_the_paper_proportions():
    assert [len(group) for group in split_names(NAMES, (100, 15, 15), seed=0)] == [100, 15, 15]


@given(
    count=st.integers(3, 200),
    proportions=st.sampled_from([(100, 15, 15), (1, 99, 99), (1, 1, 200)]),
    seed=st.integers(0, 99),
)
def test_every_photo_is_in_one_group_and_no_group_is_empty(count, proportions, seed):
    groups = split_names(NAMES[:count], proportions, seed)
    assert sorted(name for group in groups for name in group) == sorted(NAMES[:count])
    assert all(groups)


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_the_files():
    first = split_names(NAMES, (100, 15, 15), seed=1)
    assert first == split_names(NAMES[::-1], (100, 15, 15), seed=1)
    assert first != split_names(NAMES, (100, 15, 15), seed=2)


def write_lists(folder, *contents):
    files = [folder / f"{number}.txt" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content)
    return SplitFiles(*files)


def test_file_lists_fix_the_split(photo_folder, tmp_path):
    lists = write_lists(tmp_path, "a.JPG\nSummer 2021/e.webp\n", "b.png\n")
    photos = list_photos(photo_folder, lists)
    split, _ = split_photos(photos, tmp_path / "unreadable.csv", (1, 1, 1), 0)
    assert split.training == ("a.JPG", "Summer 2021/e.webp")
    assert (split.validation, split.test) == (("b.png",), ())


def test_listed_names_are_those_of_the_folder_however_written(photo_folder, tmp_path):
    lines = f"./a.JPG\n{photo_folder / 'Summer 2021'}//e.webp\n"
    photos = list_photos(photo_folder, write_lists(tmp_path, lines, ".//b.png\n"))
    assert photos.names == ("a.JPG", "Summer 2021/e.webp", "b.png")
    with pytest.raises(InputError, match="1 photos stand more than once .* 'a.JPG'"):
        list_photos(photo_folder, write_lists(tmp_path, "./a.JPG\n", "a.JPG\n"))
    with pytest.raises(InputError, match="Expected photos below .*, received '/elsewhere/a.jpg'"):
        list_photos(photo_folder, write_lists(tmp_path, "/elsewhere/a.jpg\n", "a.JPG\n"))


def test_lists_longer_than_any_json_are_read(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("".join(f"train/n01440764/n01440764_{n:08}.JPEG\n" for n in range(900_000)))
    assert file.stat().st_size > 2**25
    assert len(read_file_list(file)) == 900_000


def test_lists_that_cannot_be_followed_are_refused(photo_folder, tmp_path):
    def split(*contents):
        list_photos(photo_folder, write_lists(tmp_path, *contents))

    with pytest.raises(InputError, match=r"1 of 2 listed photos are not in .*, e.g. 'gone.jpg'"):
        split("a.JPG\n", "gone.jpg\n")
    with pytest.raises(InputError, match="1 photos stand more than once .* 'a.JPG'"):
        split("a.JPG\nb.png\n", "a.JPG\n")
    with pytest.raises(InputError, match="one photo a line in .* but it is empty"):
        split("\n", "a.JPG\n")
    lists = write_lists(tmp_path, "a.JPG\n", "b.png\n")
    lists.training.write_bytes("schön.jpg".encode("latin-1"))
    with pytest.raises(InputError, match="file list .* is not text in UTF-8"):
        list_photos(photo_folder, lists)


def test_a_folder_without_a_single_readable_photo_is_refused(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(InputError, match="None of the 1 photos .*unreadable.csv says why"):
        split_photos(list_photos(tmp_path), tmp_path / "unreadable.csv", (1, 1, 1), 0)
    assert "broken.jpg" in (tmp_path / "unreadable.csv").read_text()


def test_one_photo_is_too_few(photo_folder, tmp_path):
    with pytest.raises(InputError, match="for validation, received 0 and 1 of 1"):
        split_photos(list_photos(photo_folder / "a.JPG"), tmp_path / "list.csv", (1, 1, 1), 0)


def test_the_photos_of_a_run_are_found_again_or_missed(photo_folder, tmp_path):
    split, scan = split_photos(list_photos(photo_folder), tmp_path / "u.csv", (3, 1, 1), 0)
    write_photo_list(tmp_path / "photos.csv", split, scan)
    (photo_folder / "new.png").write_bytes((photo_folder / "b.png").read_bytes())
    again, _ = find_again(tmp_path / "photos.csv", photo_folder)
    assert again == split
    (photo_folder / "b.png").unlink()
    with pytest.raises(InputError, match="1 of the 6 photos .* as they were, e.g. 'b.png'"):
        find_again(tmp_path / "photos.csv", photo_folder)


def test_lists_are_split_at_line_ends_alone_and_may_hold_names_of_no_file(photo_folder, tmp_path):
    odd = "a\u2028b\x85.png"
    (photo_folder / "b.png").rename(photo_folder / odd)
    photos = list_photos(photo_folder, write_lists(tmp_path, f"a.JPG\r{odd}\r\n", "c.d.jpeg\n"))
    assert photos.names == ("a.JPG", odd, "c.d.jpeg")
    for name in ("x" * 5000, "a\0.jpg"):
        with pytest.raises(InputError, match="1 of 3 listed photos are not in"):
            list_photos(photo_folder, write_lists(tmp_path, f"a.JPG\n{name}\n", "c.d.jpeg\n"))
