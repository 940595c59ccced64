"""The journal of stars: everything is as before after undo, whenever a process was killed."""

import base64
import gzip
import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

import nima_pretrain
from nima_pretrain.errors import InputError
from nima_pretrain.library.journal import NAME, Entry, read_journal, sha256
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecar_files import TEMPORARY
from nima_pretrain.library.sidecar_names import sidecars_of
from nima_pretrain.library.sidecars import set_stars, stars_of
from nima_pretrain.library.undo import undo_stars
from nima_pretrain.library.xmp import rating_of, with_rating
from tests.library.packets import PACKETS
from tests.processes import program, wait_until

PRIOR = [PACKETS["darktable"], PACKETS["UTF-16"], PACKETS["exiftool"], None]
# Its 17 MB are compressed to 22 kB.
BOMB = base64.b64encode(gzip.compress(bytes(17 * 2**20))).decode()


def write_photos(folder: Path, number: int) -> list[Path]:
    """Writes photos, three of four with a sidecar of another program."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = [folder / f"{index:03}.jpg" for index in range(number)]
    for index, photo in enumerate(photos):
        Image.new("RGB", (8, 8), (index % 256, 0, 0)).save(photo)
        prior = PRIOR[index % len(PRIOR)]
        if prior:
            photo.with_name(f"{photo.name}.xmp").write_bytes(prior)
    return photos


def contents_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_undo_restores_every_byte(tmp_path):
    photos = write_photos(tmp_path / "a", 4) + write_photos(tmp_path / "a" / "b", 4)
    before = contents_of(tmp_path)
    for stars in (3, 3, 5):
        for photo in photos:
            set_stars(photo, stars, by_person=False, naming=Naming.BOTH)
    assert len(contents_of(tmp_path)) == len(before) + 8 + 2 + 2
    assert undo_stars(tmp_path) == (6, 10, ())
    assert contents_of(tmp_path) == before
    with pytest.raises(InputError, match=r"Found no .nima-pretrain-stars.jsonl for .* nothing to"):
        undo_stars(tmp_path)


def test_undo_leaves_what_was_changed_since(tmp_path):
    by_program, by_person, removed, other = write_photos(tmp_path, 4)
    for photo in (by_program, by_person, removed, other):
        set_stars(photo, 3, by_person=False)
    sidecars = [Path(f"{photo}.xmp") for photo in (by_program, by_person, removed)]
    sidecars[0].write_bytes(sidecars[0].read_bytes().replace(b"Z\xc3\xbcrich", b"Bern"))
    set_stars(by_person, 5, by_person=True)
    sidecars[2].unlink()
    changed = contents_of(tmp_path)
    undone = undo_stars(tmp_path)
    assert undone[:2] == (0, 1)
    assert [problem.split(" was changed ")[0] for problem in undone.problems] == [
        str(path) for path in sidecars
    ]
    assert "by a person or another program; it is left as it is." in undone.problems[0]
    del changed["003.jpg.xmp"], changed[NAME]
    after = contents_of(tmp_path)
    # The journal keeps what was there before in case that it is wanted.
    assert after.pop(NAME)
    assert after == changed
    kept = {entry.sidecar: entry.content_before() for entry in read_journal(tmp_path)}
    assert kept == {f"{index:03}.jpg.xmp": PRIOR[index] for index in range(3)}


def test_undo_goes_back_to_a_change_between_two_runs_and_no_further(tmp_path):
    photo, *_ = write_photos(tmp_path, 1)
    sidecar = Path(f"{photo}.xmp")
    set_stars(photo, 3, by_person=False)
    between = sidecar.read_bytes() + b"\n"
    sidecar.write_bytes(between)
    for stars in (5, 4):
        set_stars(photo, stars, by_person=False)
    undone = undo_stars(tmp_path)
    assert undone[:2] == (1, 0)
    (problem,) = undone.problems
    assert problem == (
        f"{sidecar} was changed by a person or another program between two runs; it is as it was "
        "before the later one."
    )
    assert sidecar.read_bytes() == between
    # Of the first run, what was there before is kept in case that it is wanted.
    (entry,) = read_journal(tmp_path)
    assert entry.content_before() == PRIOR[0]
    again = undo_stars(tmp_path)
    assert again[:2] == (0, 0)
    assert "was changed after its stars were written" in again.problems[0]
    assert sidecar.read_bytes() == between


def test_undo_finds_folders_at_any_depth_but_none_behind_links(tmp_path):
    top, behind = tmp_path / "top", tmp_path / "behind"
    deepest = top.joinpath(*["a"] * 1200)
    folder = tmp_path
    for name in deepest.relative_to(tmp_path).parts:
        folder /= name
        folder.mkdir()
    for photo in write_photos(deepest, 1) + write_photos(behind, 1):
        set_stars(photo, 3, by_person=False)
    (top / "link").symlink_to(behind)
    try:
        assert undo_stars(top) == (1, 0, ())
        assert stars_of(behind / "000.jpg").stars == 3
    finally:  # here, since pytest's own way to remove folders is recursive
        for path in deepest.iterdir():
            path.unlink()
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def test_undo_takes_a_score_file(tmp_path, monkeypatch):
    photos = write_photos(tmp_path, 4)
    before = contents_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{photo.name},5,50,ok,\n" for photo in photos[:3])
    Path("scores.csv").write_text(f"path,mean,percentile,status,error\n{rows}")
    for photo in photos:
        set_stars(photo, 3, by_person=False)
    last = Path(f"{photos[3]}.xmp")
    assert nima_pretrain.undo_stars("scores.csv") == (3, 0, ())
    assert last.exists()
    assert undo_stars(tmp_path) == (0, 1, ())
    Path("scores.csv").unlink()
    assert contents_of(tmp_path) == before


def test_undo_by_a_score_file_passes_over_files_that_could_not_be_scored(tmp_path, monkeypatch):
    photo, *_ = write_photos(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    set_stars(photo, 3, by_person=False)
    rows = f"{photo.name},5,50,ok,\n{photo.name}.xmp,,,error,no photo\n"
    Path("scores.csv").write_text(f"path,mean,percentile,status,error\n{rows}")
    assert undo_stars("scores.csv") == (1, 0, ())


def test_undo_by_a_score_file_passes_over_folders_that_no_file_can_be_in(tmp_path, monkeypatch):
    photo, *_ = write_photos(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    set_stars(photo, 3, by_person=False)
    rows = f"{'x' * 300}/a.jpg,5,50,ok,\n{photo.name},5,50,ok,\n"
    Path("scores.csv").write_text(f"path,mean,percentile,status,error\n{rows}")
    assert undo_stars("scores.csv") == (1, 0, ())


def write_journal(folder: Path, *entries: Entry) -> Path:
    path = folder / NAME
    path.write_text("".join(f"{json.dumps(entry._asdict())}\n" for entry in entries))
    return path


@pytest.mark.parametrize("place", ["../home/.bashrc", "other.txt", "../home/a.xmp"])
def test_undo_writes_through_no_link_that_leads_elsewhere(tmp_path, place):
    folder = tmp_path / "photos"
    (tmp_path / "home").mkdir()
    folder.mkdir()
    target = folder / place
    target.write_text("# mine")
    link = folder / "b.jpg.xmp"
    link.symlink_to(place)
    before = base64.b64encode(gzip.compress(b"run this")).decode()
    write_journal(folder, Entry(link.name, "", before, sha256(target.read_bytes())))
    undone = undo_stars(folder)
    assert undone[:2] == (0, 0)
    assert "b.jpg.xmp to be a sidecar, but it is a link to " in undone.problems[0]
    assert target.read_text() == "# mine"
    assert link.is_symlink()


def test_undo_writes_through_no_link_with_the_name_of_its_temporary_file(tmp_path):
    photo, *_ = write_photos(tmp_path, 1)
    set_stars(photo, 3, by_person=False)
    target = tmp_path / "target"
    target.write_text("mine")
    for name in (TEMPORARY, NAME):
        temporary = Path(name)
        orphan = f".{temporary.stem}.partial-{os.getpid()}{temporary.suffix}"
        (tmp_path / orphan).symlink_to(target)
    assert undo_stars(tmp_path) == (1, 0, ())
    assert target.read_text() == "mine"


@pytest.mark.parametrize("content", ["a key", "a key\n", "one\ntwo", '{"keys": []}\n', ""])
def test_a_journal_that_is_a_link_is_neither_written_nor_read(tmp_path, content):
    folder = tmp_path / "photos"
    photo, *_ = write_photos(folder, 1)
    before = Path(f"{photo}.xmp").read_bytes()
    keys = tmp_path / "keys"
    keys.write_text(content)
    (folder / NAME).symlink_to("../keys")
    with pytest.raises(InputError, match=r"stars.jsonl to be a journal of stars, but it is a link"):
        set_stars(photo, 3, by_person=False)
    with pytest.raises(InputError, match=r"stars.jsonl to be a journal of stars, but it is a link"):
        undo_stars(folder)
    assert keys.read_text() == content
    assert Path(f"{photo}.xmp").read_bytes() == before


@pytest.mark.parametrize("content", ["a key", "a key\n", "one\ntwo", '{"keys": []}\n', "\0" * 99])
def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path, content):
    photo, *_ = write_photos(tmp_path, 1)
    (tmp_path / NAME).write_text(content)
    before = contents_of(tmp_path)
    with pytest.raises(InputError, match=r"journal of stars, but it has other content. Move it"):
        set_stars(photo, 3, by_person=False)
    assert contents_of(tmp_path) == before


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_pipes_and_folders_are_no_journals(tmp_path, make):
    photo, *_ = write_photos(tmp_path, 1)
    make(tmp_path / NAME)
    for call in (lambda: set_stars(photo, 3, by_person=False), lambda: undo_stars(tmp_path)):
        with pytest.raises(InputError, match="no regular file|Is a directory"):
            call()
    assert stars_of(photo).stars == 0


def test_a_journal_without_line_breaks_is_not_read_to_its_end(tmp_path):
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="line 1 is no entry"):
        read_journal(tmp_path)


def test_a_torn_entry_is_no_entry(tmp_path):
    first, second, *_ = write_photos(tmp_path, 4)
    before = contents_of(tmp_path)
    set_stars(first, 3, by_person=False)
    journal = tmp_path / NAME
    whole = journal.read_bytes()
    for torn in (b'{"sid', b'{"sidecar": "001.jpg', b'{"sidecar": "' + b"x" * 200_000):
        journal.write_bytes(whole + torn)
        assert len(read_journal(tmp_path)) == 1
        set_stars(second, 3, by_person=False)
        assert len(read_journal(tmp_path)) == 2
        assert journal.read_bytes().startswith(whole + b'{"sidecar": "001.jpg.xmp"')
        undo_stars(tmp_path)
        assert contents_of(tmp_path) == before
        set_stars(first, 3, by_person=False)
        whole = journal.read_bytes()
    journal.write_bytes(torn)
    set_stars(second, 3, by_person=False)
    assert len(read_journal(tmp_path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"[]",
        b"3",
        b'{"sidecar": "a.xmp"}',
        b'{"sidecar": "a.xmp", "time": "", "before": 3, "after_sha256": "0"}',
        b'{"sidecar": ["a.xmp"], "time": "", "before": null, "after_sha256": "0"}',
        b'{"sidecar": "../a.xmp", "time": "", "before": null, "after_sha256": "0"}',
        b'{"sidecar": "a.py", "time": "", "before": null, "after_sha256": "0"}',
        rb'{"sidecar": "\ud800.xmp", "time": "", "before": null, "after_sha256": "0"}',
        rb'{"sidecar": "a\u0000.xmp", "time": "", "before": null, "after_sha256": "0"}',
        b'{"sidecar": "a.xmp", "time": "", "before": 0, "after_sha256": "0"}',
        b'{"sidecar": "a.xmp", "time": "", "before": false, "after_sha256": "0"}',
        pytest.param(b"[" * 100_000, id="nested"),
    ],
)
def test_a_damaged_journal_is_refused(tmp_path, line):
    (photo,) = write_photos(tmp_path, 1)
    set_stars(photo, 3, by_person=False)
    with (tmp_path / NAME).open("ab") as file:
        file.write(line + b"\n")
    before = contents_of(tmp_path)
    with pytest.raises(InputError, match=r"stars.jsonl to be a journal of stars, but line 2 is no"):
        undo_stars(tmp_path)
    assert contents_of(tmp_path) == before


@pytest.mark.parametrize("packed", ["!!", "AAAA", BOMB, BOMB[:100]], ids=len)
def test_a_damaged_content_is_reported_and_the_other_sidecars_are_restored(tmp_path, packed):
    photos = write_photos(tmp_path, 2)
    for photo in photos:
        set_stars(photo, 3, by_person=False)
    journal = tmp_path / NAME
    first, second = map(json.loads, journal.read_bytes().splitlines())
    first["before"] = packed
    journal.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    undone = undo_stars(tmp_path)
    assert undone[:2] == (1, 0)
    (problem,) = undone.problems
    assert problem.startswith("000.jpg.xmp cannot be restored: its earlier content in the journal")
    assert stars_of(photos[0]).stars == 3


@pytest.mark.slow
def test_killed_at_any_time_nothing_is_lost_and_undo_works(tmp_path):
    folder = tmp_path / "photos"
    photos = write_photos(folder, 120)
    before = contents_of(folder)
    scores = tmp_path / "scores.csv"
    rows = "".join(f"{photo},5,{index % 100},ok,\n" for index, photo in enumerate(photos))
    scores.write_text(f"path,mean,percentile,status,error\n{rows}")

    def kill(arguments: list[object], reached: Callable[[], bool]) -> None:
        process = subprocess.Popen(program(*arguments), stderr=subprocess.PIPE)
        wait_until(process, reached)
        process.kill()
        process.communicate()

    def has_entries(number: int) -> bool:
        journal = folder / NAME
        return journal.exists() and journal.read_bytes().count(b"\n") >= number

    for number in (1, 100):
        kill(["stars", scores, "--sidecar", "both"], partial(has_entries, number))
        # Each sidecar is complete: as it was, or with the stars.
        for sidecar in {path for photo in photos for path in sidecars_of(photo) if path.exists()}:
            content, prior = sidecar.read_bytes(), before.get(sidecar.name)
            stars = rating_of(content, sidecar.name)
            assert content in (prior, with_rating(prior, stars.stars, by_model=True, name="x"))
    first = folder / "000.jpg.xmp"
    assert first.read_bytes() != before[first.name]
    kill(["stars", folder, "--undo"], lambda: first.read_bytes() == before[first.name])
    if (folder / NAME).exists():  # unless it came to its end
        assert undo_stars(folder).problems == ()
    assert contents_of(folder) == before
