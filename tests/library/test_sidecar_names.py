"""Photos that share a name: RAW+JPEG pairs have the same stars, and other photos their own."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecar_names import SidecarNames
from nima_pretrain.library.sidecars import Outcome, persons_stars, set_stars, stars_of
from nima_pretrain.library.star_rules import StarRules
from nima_pretrain.library.stars import give_stars
from nima_pretrain.library.undo import undo_stars
from nima_pretrain.library.xmp import Rating, rating_of, with_rating
from nima_pretrain.prediction.score_row import ScoreRow


def write_files(folder: Path, *names: str) -> list[Path]:
    """Writes photos; RAW files need no content here."""
    for name in names:
        if name.endswith(("jpg", "JPG", "png", "tif")):
            Image.new("RGB", (8, 8)).save(folder / name)
        else:
            (folder / name).write_bytes(b"RAW")
    return [folder / name for name in names]


def write(path: Path, stars: int, *, by_model: bool = False) -> bytes:
    content = with_rating(None, stars, by_model=by_model, name="new")
    path.write_bytes(content)
    return content


def ratings_in(folder: Path) -> dict[str, tuple[int, bool]]:
    """Returns stars, and whether they are a model's, by name of the sidecar."""
    found = {path.name: rating_of(path.read_bytes(), path.name) for path in folder.glob("*.xmp")}
    return {name: (rating.stars, rating.by_model) for name, rating in found.items() if rating}


@pytest.mark.parametrize("names", [("a.jpg", "a.CR3"), ("IMG_1.JPG", "img_1.dng")])
def test_a_model_gives_its_stars_to_both_files_of_a_pair(tmp_path, names):
    for photo in write_files(tmp_path, *names):
        assert set_stars(photo, 4, by_person=False) == Outcome.WRITTEN
        assert ratings_in(tmp_path) == {f"{name}.xmp": (4, True) for name in names}
        assert undo_stars(tmp_path) == (0, 2, ())
        assert set(tmp_path.iterdir()) == {tmp_path / name for name in names}


def test_the_stems_sidecar_of_a_pair_is_one(tmp_path):
    photo, _ = write_files(tmp_path, "a.jpg", "a.CR3")
    set_stars(photo, 4, by_person=False, naming=Naming.STEM)
    assert ratings_in(tmp_path) == {"a.xmp": (4, True)}
    set_stars(photo, 4, by_person=False, naming=Naming.BOTH)
    assert ratings_in(tmp_path).keys() == {"a.xmp", "a.jpg.xmp", "a.CR3.xmp"}


@pytest.mark.parametrize("rated", ["a.jpg.xmp", "a.CR3.xmp", "a.xmp"])
@pytest.mark.parametrize("name", ["a.jpg", "a.CR3"])
@pytest.mark.parametrize("naming", Naming)
def test_a_persons_stars_on_either_file_of_a_pair_are_kept(tmp_path, rated, name, naming):
    write_files(tmp_path, "a.jpg", "a.CR3")
    before = write(tmp_path / rated, 2)
    photo = tmp_path / name
    assert persons_stars(photo) == stars_of(photo) == (2, False, tmp_path / rated)
    assert set_stars(photo, 5, by_person=False, naming=naming) == Outcome.KEPT
    assert (tmp_path / rated).read_bytes() == before
    assert list(tmp_path.glob("*.xmp")) == [tmp_path / rated]


def test_a_persons_new_stars_reach_both_files_of_a_pair(tmp_path):
    photo, raw = write_files(tmp_path, "a.jpg", "a.CR3")
    write(tmp_path / "a.xmp", 2)
    for stars in (3, 0):
        set_stars(photo, stars, by_person=True)
        assert set(ratings_in(tmp_path).values()) == {(stars, False)}
        assert len(ratings_in(tmp_path)) == 3
        assert stars_of(photo).stars == stars_of(raw).stars == stars


def test_files_of_a_pair_that_were_both_scored_have_stars_of_their_own(tmp_path):
    photo, raw = write_files(tmp_path, "a.jpg", "a.CR3")
    rows = [ScoreRow(str(photo), mean=5, percentile=99), ScoreRow(str(raw), mean=2, percentile=1)]
    assert give_stars(rows, StarRules()).written == Counter({5: 1, 1: 1})
    assert ratings_in(tmp_path) == {"a.jpg.xmp": (5, True), "a.CR3.xmp": (1, True)}
    assert give_stars(rows, StarRules()).unchanged == 2


def test_undo_by_a_score_file_restores_both_files_of_a_pair(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo, _ = write_files(tmp_path, "a.jpg", "a.CR3")
    Path("scores.csv").write_text("path,mean,percentile,status,error\na.jpg,5,50,ok,\n")
    set_stars(photo, 4, by_person=False)
    assert undo_stars("scores.csv") == (0, 2, ())


@pytest.mark.parametrize("other", ["a.NEF", "a.png", "a.jpg"])
@pytest.mark.parametrize("stars", [1, 0])
def test_a_persons_stars_leave_the_stems_sidecar_of_another_photo(tmp_path, other, stars):
    photo, _ = write_files(tmp_path, "a.tif", other)
    before = write(tmp_path / "a.xmp", 3)
    assert set_stars(photo, stars, by_person=True) == Outcome.WRITTEN
    assert (tmp_path / "a.xmp").read_bytes() == before
    assert stars_of(photo) == (stars, False, tmp_path / "a.tif.xmp")


@pytest.mark.parametrize("others", [(), ("a.txt", "a.tif.txt", "b.png"), ("A.png",)])
def test_a_persons_stars_replace_the_stems_sidecar_that_is_the_photos_alone(tmp_path, others):
    photo, *_ = write_files(tmp_path, "a.tif", *others)
    write(tmp_path / "a.xmp", 3)
    set_stars(photo, 1, by_person=True)
    assert ratings_in(tmp_path) == {"a.xmp": (1, False), "a.tif.xmp": (1, False)}


def test_a_persons_stars_leave_the_sidecar_of_a_photo_whose_whole_name_is_the_stem(tmp_path):
    photo, raw = write_files(tmp_path, "a.CR3.jpg", "a.CR3")
    before = write(tmp_path / "a.CR3.xmp", 3)
    set_stars(photo, 1, by_person=True)
    assert (tmp_path / "a.CR3.xmp").read_bytes() == before
    assert (stars_of(photo).stars, stars_of(raw).stars) == (1, 3)


@pytest.mark.parametrize("by_person", [True, False])
def test_of_photos_that_share_a_sidecar_the_first_has_it(tmp_path, by_person):
    first, second, third = write_files(tmp_path, "a.jpg", "a.png", "a.jpg.tif")
    names = SidecarNames([first, second, third])
    set_stars(first, 4, by_person=by_person, naming=Naming.BOTH, names=names)
    for photo, path in ((second, "a.xmp"), (third, "a.jpg.xmp")):
        with pytest.raises(InputError, match=f"{photo} gets no stars: .*{path} has those of .*jpg"):
            set_stars(
                photo, 2, by_person=by_person, naming=Naming.BOTH, names=names, overwrite=True
            )
        assert set_stars(photo, 2, by_person=True, names=names) == Outcome.WRITTEN
    assert Rating(4, not by_person) == stars_of(first)[:2]


def test_photos_in_places_that_no_file_can_be_at_have_names_of_sidecars():
    names = SidecarNames([Path("a\0/b.jpg"), Path("x" * 300, "a.jpg"), Path(), Path("a.xmp")])
    assert names.to_write(Path("a\0/b.jpg"), Naming.STEM) == [Path("a\0/b.xmp")]
    for photo in (Path(), Path("a.xmp")):
        with pytest.raises(InputError, match="Expected a photo"):
            names.to_write(photo, Naming.FULL)
