"""Stars of a session are a person's, and are undone to the sidecars of before, byte for byte."""

import pytest

from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.session import StarSession
from nima_pretrain.library.sidecars import set_stars, stars_of


@pytest.fixture
def photo(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"a photo")
    return photo


def files(photo):
    return {path.name: path.read_bytes() for path in photo.parent.iterdir()}


def test_stars_of_a_model_are_a_models_again(photo):
    set_stars(photo, 4, by_person=False, naming=Naming.BOTH)
    before = files(photo)
    session = StarSession()
    session.give(photo, 5)
    session.give(photo, 2)
    assert (stars_of(photo).stars, stars_of(photo).by_model) == (2, False)
    session.undo(photo, 4)
    assert files(photo) == before
    assert stars_of(photo).by_model


@pytest.mark.parametrize("naming", Naming)
def test_a_photo_without_stars_has_no_sidecar_again(photo, naming):
    session = StarSession(naming)
    session.give(photo, 3)
    session.undo(photo, 0)
    assert list(files(photo)) == ["a.jpg"]
    session.give(photo, 1)
    session.undo(photo, 0)
    assert list(files(photo)) == ["a.jpg"]


def test_another_programs_change_is_kept(photo):
    session = StarSession()
    session.give(photo, 3)
    sidecar = photo.with_name("a.jpg.xmp")
    changed = sidecar.read_bytes() + b"<!-- edited -->\n"
    sidecar.write_bytes(changed)
    session.undo(photo, 0)
    assert sidecar.read_bytes() == changed.replace(b'Rating="3"', b'Rating="0"')


def test_another_programs_change_between_two_stars_is_kept(photo):
    session = StarSession()
    session.give(photo, 3)
    sidecar = photo.with_name("a.jpg.xmp")
    sidecar.write_bytes(sidecar.read_bytes() + b"<!-- edited -->\n")
    session.give(photo, 5)
    session.undo(photo, 0)
    assert b"edited" in sidecar.read_bytes()
    assert stars_of(photo).stars == 0


def test_another_programs_change_while_stars_are_written_is_kept(photo, monkeypatch):
    def give_and_edit(*arguments, **options):
        set_stars(*arguments, **options)
        with photo.with_name("a.jpg.xmp").open("ab") as sidecar:
            sidecar.write(b"<!-- edited -->\n")

    session = StarSession()
    monkeypatch.setattr("nima_pretrain.library.session.set_stars", give_and_edit)
    session.give(photo, 3)
    monkeypatch.undo()
    session.undo(photo, 0)
    assert b"edited" in photo.with_name("a.jpg.xmp").read_bytes()
    assert stars_of(photo).stars == 0


def test_nothing_is_written_if_the_stars_to_undo_never_arrived(photo):
    set_stars(photo, 4, by_person=False)
    before = files(photo)
    StarSession().undo(photo, 4)
    assert files(photo) == before


def test_a_page_that_was_loaded_anew_undoes_to_the_stars_that_it_showed(photo):
    set_stars(photo, 4, by_person=False)
    session = StarSession()
    session.give(photo, 3)
    session.give(photo, 4)
    session.begin()
    session.give(photo, 1)
    session.undo(photo, 4)
    assert (stars_of(photo).stars, stars_of(photo).by_model) == (4, False)


def test_a_damaged_sidecar_is_refused_and_left(photo):
    photo.with_name("a.jpg.xmp").write_bytes(b"no XMP")
    session = StarSession()
    before = files(photo)
    for act in (session.give, session.undo):
        with pytest.raises(InputError, match="is no XMP"):
            act(photo, 4)
    assert files(photo) == before


def test_a_file_that_joins_its_pair_meanwhile_gets_the_stars_too(photo):
    session = StarSession(photos=[photo])
    assert session.begin() == {photo: 0}
    raw = photo.with_name("a.CR3")
    raw.write_bytes(b"a raw photo")
    session.give(photo, 4)
    assert stars_of(raw).path == photo.with_name("a.CR3.xmp")
    assert session.begin() == {photo: 4}


def test_both_files_of_a_pair_on_one_page_have_stars_of_their_own(photo):
    raw = photo.with_name("a.CR3")
    raw.write_bytes(b"a raw photo")
    before = files(photo)
    session = StarSession(photos=[photo, raw])
    session.give(photo, 5)
    session.give(raw, -1)
    assert (session.stars_of(photo), session.stars_of(raw)) == (5, -1)
    session.undo(raw, 0)
    assert (session.stars_of(photo), session.stars_of(raw)) == (5, 0)
    session.undo(photo, 0)
    assert files(photo) == before
