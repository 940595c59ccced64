"""Photos in tar files: the same as those of a folder, and nothing read beyond the archive."""

import io
import os
import shutil
import tarfile
from contextlib import closing

import numpy as np
import pytest

from nima_pretrain.data.archives import members, open_file
from nima_pretrain.data.file_lists import SplitFiles
from nima_pretrain.data.finding import find_photos, listing_of
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.scanning import scan_photos
from nima_pretrain.data.split import (
    find_again,
    list_photos,
    split_photos,
    write_photo_list,
)
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import get_bank
from nima_pretrain.errors import InputError, PhotoError


@pytest.fixture
def packed(photo_folder, tmp_path):
    """Two folders with the same names: `set/00000.tar/...`, once a folder and once a tar file."""
    folder = tmp_path / "plain" / "set" / "00000.tar"
    folder.parent.mkdir(parents=True)
    shutil.copytree(photo_folder, folder)
    (folder / "a.json").write_text("{}")
    (folder / "a.cr3").write_bytes(b"of the same photo as a.JPG")
    (folder / "broken.jpg").write_bytes(b"no photo")
    (folder / "empty.jpg").touch()
    archive = tmp_path / "packed" / "set" / "00000.tar"
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.rglob("*"), reverse=True):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return tmp_path / "plain", tmp_path / "packed"


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "600"}


@pytest.mark.parametrize("headers", [{"size": "-1536"}, SPARSE], ids=["negative", "sparse"])
def test_a_damaged_archive_ends_the_search_of_it_alone(photo_folder, headers, caplog):
    with tarfile.open(photo_folder / "shard.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("2.png")
        member.size, member.pax_headers = 600, headers
        tar.addfile(member, io.BytesIO(b"x" * 600))
    assert len(find_photos(photo_folder, archives=True)) == 6
    assert "shard.tar: the archive cannot be searched" in caplog.text


def test_an_archive_has_the_photos_of_a_folder_under_the_same_names(packed):
    plain, archived = map(list_photos, packed)
    assert plain.names == archived.names
    assert len(archived.names) == 8
    for name in archived.names[1:4]:
        if "broken" not in name:
            photo = load_photo(archived.root / name)
            np.testing.assert_array_equal(photo, load_photo(plain.root / name))


def test_a_scan_of_an_archive_is_that_of_the_folder(packed):
    scans = []
    for photos in map(list_photos, packed):
        scan = scan_photos([photos.root / name for name in photos.names])
        digests = {
            path.relative_to(photos.root).as_posix(): digest
            for path, digest in scan.digests.items()
        }
        errors = {error.path.name: error.reason for error in scan.unreadable}
        scans.append((digests, errors))
    assert scans[0] == scans[1]
    assert len(scans[1][0]) == 6
    assert scans[1][1]["empty.jpg"] == "cannot identify image file: the file is empty"


def test_batches_of_views_from_an_archive_are_those_of_the_folder(packed):
    batches = []
    for root in packed:
        names = [name for name in list_photos(root).names if name.endswith(("png", "webp", "bmp"))]
        views = ViewBatches(root, names, get_bank("paper"), 32, "letterbox", 3, 0, num_workers=1)
        with closing(iter(views)) as iterator:
            batches.append(next(iterator))
    np.testing.assert_array_equal(*batches)


def test_file_lists_and_resumed_runs_find_photos_in_archives(packed, tmp_path):
    root = packed[1]
    lists = SplitFiles(tmp_path / "training.txt", tmp_path / "validation.txt")
    lists.training.write_text("set/00000.tar/b.png\nset/00000.tar/a.JPG\n")
    lists.validation.write_text("set/00000.tar/Summer 2021/e.webp\n")
    split, scan = split_photos(list_photos(root, lists), tmp_path / "unreadable.csv", (1, 1, 1), 0)
    assert split.training == ("set/00000.tar/b.png", "set/00000.tar/a.JPG")
    write_photo_list(tmp_path / "photos.csv", split, scan)
    assert find_again(tmp_path / "photos.csv", root)[0] == split
    lists.validation.write_text("set/00000.tar/gone.png\n")
    with pytest.raises(InputError, match="1 of 3 listed photos are not in"):
        list_photos(root, lists)


def test_scoring_does_not_look_into_archives(packed):
    assert list(listing_of([str(packed[1])])) == []
    with pytest.raises(InputError, match="Found no photos"):
        find_photos(packed[1])


def test_names_that_leave_the_archive_and_links_are_no_members(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    archive = tmp_path / "0.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("../secret.jpg", "/secret.jpg", "a/../../secret.jpg", "./good.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "../secret.jpg"
        tar.addfile(link)
    assert list(members(archive)) == [archive / "good.jpg"]
    with open_file(archive / "good.jpg") as file:
        assert file.read() == b"abc"
    for name in ("../secret.jpg", "link.jpg", "gone.jpg"):
        with pytest.raises(PhotoError, match="No such file"):
            load_photo(archive / name)


@pytest.mark.parametrize("kept", [0, 700, -1700])
def test_a_torn_archive_is_warned_of_and_left_out(packed, caplog, kept):
    archive = packed[1] / "set" / "00000.tar"
    (packed[1] / "good").mkdir()
    shutil.copy(packed[0] / "set" / "00000.tar" / "b.png", packed[1] / "good")
    content = archive.read_bytes()
    end = len(content.rstrip(b"\0"))
    archive.write_bytes(content[: end + kept if kept < 0 else kept])
    assert list_photos(packed[1]).names == ("good/b.png",)
    assert "00000.tar: the archive cannot be searched: is not a whole tar file" in caplog.text


def test_an_archive_that_is_replaced_is_read_anew(packed):
    archive = packed[1] / "set" / "00000.tar"
    before = load_photo(archive / "b.png")
    with tarfile.open(archive, "w") as tar:
        tar.add(packed[0] / "set" / "00000.tar" / "Summer 2021" / "e.webp", "b.png")
    os.utime(archive, ns=(1, 1))
    assert not np.array_equal(load_photo(archive / "b.png"), before)
