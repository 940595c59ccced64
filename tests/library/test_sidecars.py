"""Stars of photos: where they are read, what is written, and who may change what."""

import os
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from nima_pretrain.errors import InputError
from nima_pretrain.library import sidecars
from nima_pretrain.library.journal import NAME
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecar_names import sidecars_of
from nima_pretrain.library.sidecars import Outcome, Stars, persons_stars, set_stars, stars_of
from nima_pretrain.library.xml_text import MAX_BYTES
from nima_pretrain.library.xmp import with_rating
from tests.library.packets import DARKTABLE
from tests.prediction.hostile import NAMES


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos" / "a.b.jpg")


def write_photo(path: Path, rating: int | None = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    exif = Image.Exif()
    if rating is not None:
        exif[0x4746] = rating
    Image.new("RGB", (8, 8)).save(path, "JPEG", exif=exif)
    return path


def write(path: Path, stars: int, *, by_model: bool = False) -> Path:
    path.write_bytes(with_rating(None, stars, by_model=by_model, name="new"))
    return path


def full(photo: Path) -> Path:
    return photo.with_name(photo.name + ".xmp")


def stem(photo: Path) -> Path:
    return photo.with_suffix(".xmp")


def test_both_names_of_sidecars_are_known():
    assert sidecars_of(Path("a/b.c.JPG")) == [Path("a/b.c.JPG.xmp"), Path("a/b.c.xmp")]
    assert sidecars_of(Path("x.nef"), Naming.FULL) == [Path("x.nef.xmp")]
    assert sidecars_of(Path("x.nef"), Naming.STEM) == [Path("x.xmp")]
    for name in ("x.xmp", "X.XMP", ""):
        with pytest.raises(InputError, match="Expected a photo, received"):
            sidecars_of(Path(name))


# The ratings in the sidecar of the full name, in that of the stem and in the photo, by whom, and
# the place whose rating is that of the photo.
PLACES = {
    "none": (None, None, None, None),
    "the photo": (None, None, 3, "photo"),
    "stem before photo": (None, (4, False), 3, "stem"),
    "full before stem": ((2, False), (4, False), 3, "full"),
    "0 in a sidecar before the photo": ((0, False), None, 3, "full"),
    "stars before 0": ((0, False), (4, False), None, "stem"),
    "a person's before a model's": ((5, True), (1, False), None, "stem"),
    "a model's stars before 0": ((0, False), (4, True), None, "stem"),
    "a rejection is a rating": ((-1, False), (4, True), None, "full"),
}


@pytest.mark.parametrize("in_full, in_stem, in_photo, expected", PLACES.values(), ids=PLACES)
def test_a_photo_has_the_stars_of(tmp_path, in_full, in_stem, in_photo, expected):
    photo = write_photo(tmp_path / "photo.jpg", in_photo)
    for path, rating in ((full(photo), in_full), (stem(photo), in_stem)):
        if rating:
            write(path, rating[0], by_model=rating[1])
    found = stars_of(photo)
    places = {"photo": photo, "full": full(photo), "stem": stem(photo), None: None}
    assert (found and found.path) == places[expected]
    if found and expected != "photo":
        assert (found.stars, found.by_model) == (in_full if expected == "full" else in_stem)


def test_a_model_writes_its_stars_and_changes_them(photo):
    assert set_stars(photo, 4, by_person=False) == Outcome.WRITTEN
    assert stars_of(photo) == Stars(4, by_model=True, path=full(photo))
    assert set_stars(photo, 4, by_person=False) == Outcome.UNCHANGED
    assert set_stars(photo, 2, by_person=False, naming=Naming.BOTH) == Outcome.WRITTEN
    assert full(photo).read_bytes() == stem(photo).read_bytes()
    assert persons_stars(photo) is None
    names = {path.name for path in photo.parent.iterdir()}
    assert names == {photo.name, full(photo).name, stem(photo).name, NAME}


@pytest.mark.parametrize("place", [full, stem, None], ids=["full", "stem", "the photo"])
@pytest.mark.parametrize("rating", [3, 1])
@pytest.mark.parametrize("naming", Naming)
def test_a_model_keeps_the_stars_of_a_person_wherever_they_are(tmp_path, place, rating, naming):
    photo = write_photo(tmp_path / "photo.jpg", None if place else rating)
    if place:
        write(place(photo), rating)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert set_stars(photo, 5, by_person=False, naming=naming) == Outcome.KEPT
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    outcome = set_stars(photo, 5, by_person=False, naming=naming, overwrite=True)
    assert outcome == Outcome.WRITTEN
    assert sidecars_of(photo, naming)[0].exists()
    assert stars_of(photo)[:2] == (5, True)


def test_a_models_new_stars_replace_those_that_it_wrote_under_the_other_name(photo):
    set_stars(photo, 5, by_person=False, naming=Naming.FULL)
    set_stars(photo, 2, by_person=False, naming=Naming.STEM)
    assert full(photo).read_bytes() == stem(photo).read_bytes()
    assert stars_of(photo)[:2] == (2, True)


def test_no_stars_are_no_persons_stars(photo):
    write(full(photo), 0)
    assert set_stars(photo, 5, by_person=False) == Outcome.WRITTEN


def test_stars_that_a_person_took_back_do_not_return_from_the_photo(tmp_path):
    photo = write_photo(tmp_path / "photo.jpg", 4)
    assert persons_stars(photo).stars == 4
    set_stars(photo, 0, by_person=True)
    assert persons_stars(photo) is None
    assert set_stars(photo, 2, by_person=False) == Outcome.WRITTEN


def test_a_persons_stars_replace_all_others(photo):
    set_stars(photo, 4, by_person=False, naming=Naming.BOTH)
    for stars in (4, 2, -1, 0):
        assert set_stars(photo, stars, by_person=True) == Outcome.WRITTEN
        assert stars_of(photo) == Stars(stars, by_model=False, path=full(photo))
        assert stem(photo).read_bytes() == full(photo).read_bytes()
    assert set_stars(photo, 0, by_person=True) == Outcome.UNCHANGED


def test_a_persons_stars_need_no_journal(photo):
    set_stars(photo, 4, by_person=True)
    assert not (photo.parent / NAME).exists()
    assert set_stars(photo, 2, by_person=False) == Outcome.KEPT


def test_the_mode_and_the_target_of_a_link_stay(photo):
    target = write(photo.with_name("target.xmp"), 0)
    target.chmod(0o640)
    full(photo).symlink_to(target)
    set_stars(photo, 4, by_person=False)
    assert full(photo).is_symlink()
    assert target.read_bytes() == full(photo).read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert stars_of(photo).stars == 4


@pytest.mark.parametrize("place", ["../target.xmp", "../new.xmp", "folder/target.xmp", "target"])
@pytest.mark.parametrize("by_person", [True, False])
def test_no_stars_are_written_through_a_link_to_another_place(photo, place, by_person):
    (photo.parent / "folder").mkdir()
    target = photo.parent / place
    if target.stem == "target":
        write(target, 0)
    full(photo).symlink_to(place)
    before = target.exists() and target.read_bytes()
    with pytest.raises(InputError, match=r"a.b.jpg.xmp to be a sidecar, but it is a link"):
        set_stars(photo, 4, by_person=by_person)
    assert (target.exists() and target.read_bytes()) == before


def change_meanwhile(monkeypatch, change):
    """Calls a function between the reading and the writing of a sidecar, once."""
    pending = [change]

    def with_rating_and_change(*arguments, **keywords):
        merged = with_rating(*arguments, **keywords)
        while pending:
            pending.pop()()
        return merged

    monkeypatch.setattr(sidecars, "with_rating", with_rating_and_change)


@pytest.mark.parametrize("was_there", [True, False])
def test_a_change_between_reading_and_writing_is_merged_with(photo, monkeypatch, was_there):
    if was_there:
        write(full(photo), 0)
    change_meanwhile(monkeypatch, lambda: full(photo).write_text(DARKTABLE))
    assert set_stars(photo, 4, by_person=False) == Outcome.WRITTEN
    assert stars_of(photo).stars == 4
    assert "darktable:history" in full(photo).read_text()


def test_stars_that_a_person_gives_between_reading_and_writing_are_kept(photo, monkeypatch):
    change_meanwhile(monkeypatch, lambda: write(full(photo), 2))
    assert set_stars(photo, 4, by_person=False) == Outcome.KEPT
    assert stars_of(photo) == Stars(2, by_model=False, path=full(photo))


def test_a_sidecar_that_keeps_changing_is_left(photo, monkeypatch):
    def with_rating_and_change(content, *arguments, **keywords):
        full(photo).write_bytes((content or DARKTABLE.encode()) + b"\n")
        return with_rating(content, *arguments, **keywords)

    monkeypatch.setattr(sidecars, "with_rating", with_rating_and_change)
    with pytest.raises(InputError, match=r"keeps changing the sidecars of .*a.b.jpg. Close it"):
        set_stars(photo, 4, by_person=False)
    assert stars_of(photo).stars == 0


def test_processes_and_threads_that_write_at_once_lose_nothing(tmp_path):
    photos = [write_photo(tmp_path / f"{number}.jpg") for number in range(20)]
    code = (
        "import sys; from pathlib import Path;"
        "from nima_pretrain.library.sidecars import set_stars\n"
        "for round in range(3):\n"
        "    for photo in sorted(Path(sys.argv[1]).glob('*.jpg')):\n"
        "        set_stars(photo, int(sys.argv[2]), by_person=False)"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, str(stars)]) for stars in (2, 3)
    ]
    with ThreadPoolExecutor(4) as threads:
        jobs = [
            threads.submit(set_stars, photo, stars, by_person=False)
            for photo in photos
            for stars in (4, 5)
        ]
        assert {job.result() for job in jobs} <= {Outcome.WRITTEN, Outcome.UNCHANGED}
    assert [other.wait() for other in others] == [0, 0]
    for photo in photos:
        assert stars_of(photo).stars in (2, 3, 4, 5)
    assert len(list(tmp_path.iterdir())) == 41


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("naming", Naming)
def test_names_may_have_any_bytes(tmp_path, name, naming):
    photo = write_photo(tmp_path / name)
    assert set_stars(photo, 3, by_person=False, naming=naming) == Outcome.WRITTEN
    assert stars_of(photo).stars == 3
    assert len(list(tmp_path.iterdir())) == (4 if naming is Naming.BOTH else 3)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"This is a note.", "is no XMP: Start tag expected"),
        (b"", "is no XMP"),
        (b"\x89PNG\r\n\x1a\n", "neither UTF-8 nor UTF-16"),
        (DARKTABLE.encode()[:900], "is no XMP"),
        (DARKTABLE.replace('Rating="0"', 'Rating="good"').encode(), "received 'good'"),
        (b" " * (MAX_BYTES + 1), "at most 16 MB, but .* has 16 MB"),
    ],
    ids=["text", "empty", "binary", "torn", "no number", "large"],
)
@pytest.mark.parametrize("place", [full, stem])
@pytest.mark.parametrize("by_person", [True, False])
def test_a_sidecar_that_is_none_is_reported_and_left(photo, content, reason, place, by_person):
    place(photo).write_bytes(content)
    with pytest.raises(InputError, match=reason) as raised:
        set_stars(photo, 3, by_person=by_person, naming=Naming.BOTH)
    assert str(place(photo)) in str(raised.value)
    with pytest.raises(InputError, match=reason):
        stars_of(photo)
    assert place(photo).read_bytes() == content
    assert {path.name for path in photo.parent.iterdir()} == {photo.name, place(photo).name}


def test_a_sidecar_of_100_megabytes_is_not_read(photo):
    with full(photo).open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(InputError, match="at most 16 MB, but .* has 100 MB. Remove it, or restore"):
        set_stars(photo, 3, by_person=False)


def test_pipes_and_folders_are_no_sidecars(photo):
    os.mkfifo(full(photo))
    with pytest.raises(InputError, match="not a regular file"):
        set_stars(photo, 3, by_person=False)
    full(photo).unlink()
    full(photo).mkdir()
    with pytest.raises(InputError, match="not a regular file"):
        set_stars(photo, 3, by_person=True)


def test_a_photo_that_vanished_gets_no_stars(tmp_path):
    for name in ("gone.jpg", "gone/gone.jpg", "x" * 300 + ".jpg", "a\0.jpg"):
        reason = "Cannot give stars to .*: (No such|File name|embedded null)"
        with pytest.raises(InputError, match=reason):
            set_stars(tmp_path / name, 3, by_person=False)
    assert list(tmp_path.iterdir()) == []


READ_ONLY = """
import os, sys
from pathlib import Path
from nima_pretrain.errors import InputError
from nima_pretrain.library.sidecars import set_stars, stars_of

readable, photo = map(Path, sys.argv[1:])
stars_of(readable)  # Pillow imports its formats on first use.
if os.geteuid() == 0:  # who may write anywhere
    os.seteuid(65534)
print(stars_of(photo))
try:
    set_stars(photo, 3, by_person=False)
except InputError as error:
    print(error)
"""


def test_a_folder_that_is_read_only_is_reported(photo):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there = write_photo(folder / "photo.jpg", rating=0)
        folder.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, photo, there],
            capture_output=True,
            text=True,
            check=True,
        )
        names = [path.name for path in folder.iterdir()]
        folder.chmod(0o755)
    stars, message = done.stdout.splitlines()
    assert stars == str(Stars(0, by_model=False, path=there))
    assert message == (
        f"Cannot write {there}.xmp: Permission denied. Make room, or choose another place."
    )
    assert names == ["photo.jpg"]
