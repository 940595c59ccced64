"""Finding: folders, patterns, lists, links; in order, each photo once, nothing left out."""

import os
import sys
import tracemalloc

import pytest
from PIL import Image

from nima_pretrain.data.finding import Listing, find_photos, listing_of, listing_of_lines
from nima_pretrain.data.photos import load_photo
from nima_pretrain.errors import InputError, PhotoError


def names_below(root):
    return [path.relative_to(root).as_posix() for path in find_photos(root)]


def test_photos_are_found_recursively_in_either_case_and_in_order(photo_folder):
    (photo_folder / "notes.txt").write_text("not a photo")
    assert names_below(photo_folder) == [
        "Summer 2021/e.webp",
        "Summer 2021/f.bmp",
        "a.JPG",
        "b.png",
        "c.d.jpeg",
        "g.TIFF",
    ]
    assert all(load_photo(path).shape[2] == 3 for path in find_photos(photo_folder))


def test_the_order_is_that_of_the_sorted_paths(tmp_path):
    for name in ("a/z.jpg", "a-b/y.jpg", "a.jpg", "a/b/x.jpg", "B.jpg", "a/b.jpg", "é.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names_below(tmp_path) == sorted(names_below(tmp_path))
    assert len(names_below(tmp_path)) == 7


def test_folders_may_be_nested_more_deeply_than_calls(tmp_path):
    folder = tmp_path
    for _ in range(sys.getrecursionlimit() + 200):
        folder = folder / "d"
        folder.mkdir()
    try:
        (folder / "deep.jpg").touch()
        assert list(listing_of([str(tmp_path)])) == [folder / "deep.jpg"]
        assert find_photos(tmp_path, archives=True) == [folder / "deep.jpg"]
    finally:  # what removes old folders of tests calls itself
        (folder / "deep.jpg").unlink()
        while folder != tmp_path:
            folder.rmdir()
            folder = folder.parent


def test_a_folder_of_many_photos_takes_about_the_memory_of_their_names(tmp_path):
    names = [f"{index:06}.jpg" for index in range(20_000)]
    for name in names:
        (tmp_path / name).touch()
    listing = listing_of([str(tmp_path)])
    tracemalloc.start()
    try:
        assert sum(listing.raws_of(photo) == () for photo in listing) == len(names)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.6 * sum(map(sys.getsizeof, names))


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"Found no photos below .* Looked for: arw, avif, bmp"):
        find_photos(tmp_path)


def test_links_are_followed_out_of_the_folder_but_never_in_circles(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "sub", outside / "deep"):
        folder.mkdir(parents=True)
        (folder / "photo.jpg").touch()
    (root / "sub" / "up").symlink_to(root)
    (root / "a_link_to_sub").symlink_to(root / "sub")
    (root / "out").symlink_to(outside)
    (root / "out_again").symlink_to(outside / "deep")
    (outside / "back").symlink_to(root / "sub")
    (root / "itself.jpg").symlink_to("itself.jpg")
    (root / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "other_name.jpg").symlink_to(root / "sub" / "photo.jpg")
    assert names_below(root) == [
        "gone.jpg",
        "itself.jpg",
        "other_name.jpg",
        "out/deep/photo.jpg",
        "sub/photo.jpg",
    ]


def test_a_file_that_two_arguments_name_comes_once(photo_folder):
    folder, photo = str(photo_folder), str(photo_folder / "b.png")
    found = [found.name for found in listing_of([photo, folder, f"{folder}/*.png"])]
    assert found == ["b.png", "e.webp", "f.bmp", "a.JPG", "c.d.jpeg", "g.TIFF"]


def test_a_listing_can_be_gone_through_again(photo_folder):
    listing = listing_of([str(photo_folder)])
    assert list(listing) == list(listing) != []


def test_patterns_match_at_any_depth_and_brackets_in_real_names_are_no_pattern(photo_folder):
    found = listing_of([f"{photo_folder}/**/*.[wb]*"])
    assert [found.name for found in found] == ["e.webp", "f.bmp"]
    (photo_folder / "[x].png").touch()
    (found,) = listing_of([f"{photo_folder}/[x].png"])
    assert found.name == "[x].png"


def test_a_named_file_counts_whatever_it_is_called(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo", "PNG")
    (found,) = listing_of([str(tmp_path / "photo")])
    assert load_photo(found).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("argument", "message"),
    [("nowhere.jpg", "nowhere.jpg does not exist"), ("no/*.jpg", r"no/\*.jpg matches nothing")],
)
def test_an_argument_that_names_nothing_is_refused(argument, message):
    with pytest.raises(InputError, match=message):
        listing_of([argument])


def test_lists_hold_any_name(photo_folder):
    odd = photo_folder / "two\nlines.png"
    odd.touch()
    raw = os.fsencode(photo_folder) + b"/caf\xe9.jpg"
    lines = [bytes(photo_folder / "b.png"), b"gone.jpg", raw]
    listing = listing_of_lines(b"\r\n".join(lines) + b"\n")
    assert [os.fsencode(found) for found in listing] == lines
    listing = listing_of_lines(b"\0".join([bytes(odd), *lines, b""]))
    assert [os.fsencode(found) for found in listing] == [bytes(odd), *lines]
    with pytest.raises(InputError, match="the list is empty"):
        listing_of_lines(b"\n\n")


def test_a_folder_that_cannot_be_searched_is_named(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir()
    (tmp_path / "photo.jpg").touch()
    look = os.scandir

    def scandir(folder):
        if folder == closed:
            raise PermissionError(13, "Permission denied")
        return look(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    first, second = Listing((tmp_path,))
    assert isinstance(first, PhotoError)
    assert first.path == closed
    assert first.reason == "the folder cannot be searched: Permission denied"
    assert second == tmp_path / "photo.jpg"


def test_names_that_no_file_can_have_are_photos_that_cannot_be_read():
    listing = listing_of_lines(b"x" * 5000 + b"\na.jpg\n")
    assert [len(str(path)) for path in listing] == [5000, 5]
