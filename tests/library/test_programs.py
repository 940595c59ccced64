"""Programs that others wrote read the stars, keep them, and find merged sidecars valid."""

import re
import sqlite3

import pytest
from PIL import Image

from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecars import Stars, set_stars, stars_of
from nima_pretrain.library.xmp import with_rating
from tests.conftest import ROOT
from tests.library.packets import PACKETS
from tests.library.programs import (
    exiftool_rating,
    exiftool_tags,
    exiv2_properties,
    output_of,
    run,
)

# exiv2 reads nothing from these, with or without a rating: it does not take them for XMP sidecars,
# or for valid ones.
NOT_FOR_EXIV2 = {
    "taken prefixes",
    "two ratings",
    "rdf:RDF alone",
    "a typed node",
    "UTF-16",
    "UTF-16, big-endian",
}


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.effect_noise((60, 40), 60).convert("RGB").save(path)
    return path


@pytest.mark.parametrize("name", PACKETS)
def test_exiv2_and_exiftool_find_nothing_else_changed(name, tmp_path):
    before, after = tmp_path / "before.xmp", tmp_path / "after.xmp"
    before.write_bytes(PACKETS[name])
    after.write_bytes(with_rating(PACKETS[name], 4, by_model=True, name=name))
    if name not in NOT_FOR_EXIV2:
        rating = {"Xmp.xmp.Rating": "4", "Xmp.nima.Rating": "4"}
        assert exiv2_properties(after) == {**exiv2_properties(before), **rating}
    old, new = (
        [line for line in exiftool_tags(path) if "] " not in line or " Rating " not in line]
        for path in (before, after)
    )
    assert new == old
    # It reads no attributes of an element with a greater-than sign.
    assert exiftool_rating(after) in ("4", "4\n4") or name == "a greater-than sign"


@pytest.mark.parametrize("naming", [Naming.FULL, Naming.STEM])
@pytest.mark.parametrize("stars", [-1, 1, 5])
def test_exiv2_and_exiftool_read_new_sidecars(photo, naming, stars):
    set_stars(photo, stars, by_person=False, naming=naming)
    (sidecar,) = photo.parent.glob("*.xmp")
    assert exiv2_properties(sidecar)["Xmp.xmp.Rating"] == str(stars)
    assert exiftool_rating(sidecar) == str(stars)


@pytest.mark.parametrize(
    "change",
    [
        ("exiv2", "-Mset Xmp.xmp.Rating XmpText 2"),
        ("exiftool", "-q", "-overwrite_original", "-XMP-xmp:Rating=2"),
    ],
    ids=["exiv2", "exiftool"],
)
def test_stars_that_other_programs_change_are_a_persons(photo, change):
    set_stars(photo, 4, by_person=False)
    sidecar = photo.with_name("photo.jpg.xmp")
    output_of(*change, sidecar)
    assert stars_of(photo) == Stars(2, by_model=False, path=sidecar)


@pytest.mark.parametrize(
    "change",
    [
        ("exiv2", "-Mset Xmp.dc.title LangAlt Sea"),
        ("exiftool", "-q", "-overwrite_original", "-XMP-dc:Title=Sea"),
    ],
    ids=["exiv2", "exiftool"],
)
def test_other_changes_leave_a_models_stars_the_models(photo, change):
    set_stars(photo, 4, by_person=False)
    sidecar = photo.with_name("photo.jpg.xmp")
    output_of(*change, sidecar)
    assert stars_of(photo) == Stars(4, by_model=True, path=sidecar)
    set_stars(photo, 3, by_person=False)
    assert exiftool_rating(sidecar) == "3"
    assert "Title" in "".join(exiftool_tags(sidecar))


def test_a_merged_sidecar_is_not_larger_after_many_changes(photo):
    set_stars(photo, 4, by_person=False)
    sidecar = photo.with_name("photo.jpg.xmp")
    size = sidecar.stat().st_size
    for stars in (1, 2, 3, 4):
        set_stars(photo, stars, by_person=False)
    assert sidecar.stat().st_size == size


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("program", ["exiv2", "exiftool"])
def test_ratings_within_photos_are_read(tmp_path, suffix, program):
    path = tmp_path / f"photo.{suffix}"
    Image.effect_noise((60, 40), 60).convert("RGB").save(path)
    assert stars_of(path) is None
    if program == "exiv2":
        output_of("exiv2", "-Mset Xmp.xmp.Rating XmpText 3", path)
    else:
        output_of("exiftool", "-q", "-overwrite_original", "-XMP-xmp:Rating=3", path)
    assert stars_of(path) == Stars(3, by_model=False, path=path)


@pytest.mark.parametrize(
    "tags, stars",
    [
        (["-EXIF:Rating=2"], 2),
        (["-EXIF:RatingPercent=75"], 4),
        (["-EXIF:Rating=2", "-XMP-xmp:Rating=5"], 5),
        (["-EXIF:Rating=9"], None),
        (["-XMP-xmp:Rating=9"], None),
    ],
)
def test_exif_ratings_are_read_where_there_is_no_xmp(photo, tags, stars):
    output_of("exiftool", "-q", "-overwrite_original", *tags, photo)
    found = stars_of(photo)
    assert (found and found.stars) == stars


def test_exiftool_copies_stars_into_photos_as_the_documentation_says(photo):
    set_stars(photo, 4, by_person=False)
    page = (ROOT / "docs" / "photographers" / "stars.md").read_text()
    (command,) = re.findall("`(exiftool -tagsFromFile .*) my_photos`", page)
    run(*command.split(), photo.parent)
    assert exiftool_rating(photo) == "4"
    photo.with_name("photo.jpg.xmp").unlink()
    assert stars_of(photo) == Stars(4, by_model=False, path=photo)


def in_darktable(folder, tmp_path) -> dict[str, tuple[int, bool]]:
    """Returns the stars of the photos that darktable imports from a folder, and if rejected."""
    done = run(
        *("darktable-cli", "--import", folder, tmp_path / "exported", "--out-ext", "jpg"),
        *("--width", "20", "--core", "--library", tmp_path / "library.db"),
        *("--configdir", tmp_path / "config", "--cachedir", tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "library.db") as library:
        rows = library.execute("SELECT filename, flags FROM images").fetchall()
    library.close()
    return {name: (flags & 7, bool(flags & 8)) for name, flags in rows}


@pytest.mark.slow
def test_darktable_imports_the_stars(photo, tmp_path):
    folder = tmp_path / "imported"
    folder.mkdir()
    expected = {}
    # It reads photo.xmp as Lightroom's, and there neither 1 star nor rejections.
    for naming, given in ((Naming.FULL, (-1, 1, 2, 3, 4, 5)), (Naming.STEM, (2, 3, 4, 5))):
        for stars in given:
            path = folder / f"{naming} {stars}.jpg"
            path.write_bytes(photo.read_bytes())
            set_stars(path, stars, by_person=False, naming=naming)
            expected[path.name] = (max(stars, 0), stars == -1)
    # A sidecar of darktable's own, with edits, into which stars were merged.
    edited = folder / "edited.jpg"
    edited.write_bytes(photo.read_bytes())
    edited.with_name("edited.jpg.xmp").write_bytes(PACKETS["darktable"])
    set_stars(edited, 4, by_person=False)
    expected[edited.name] = (4, False)
    # Its default for photos without a rating.
    (folder / "unrated.jpg").write_bytes(photo.read_bytes())
    expected["unrated.jpg"] = (1, False)
    assert in_darktable(folder, tmp_path) == expected


@pytest.mark.slow
def test_darktable_exports_the_stars_as_the_models(photo, tmp_path):
    set_stars(photo, 4, by_person=False)
    in_darktable(photo.parent, tmp_path / "darktable")
    (exported,) = (tmp_path / "darktable").glob("exported*.jpg")
    assert exiv2_properties(exported)["Xmp.xmp.Rating"] == "4"
    assert stars_of(exported) == Stars(4, by_model=True, path=exported)
