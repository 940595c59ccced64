"""The Lua script: in darktable itself on a virtual screen, and its errors in Lua alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from nima_pretrain import load_scorer
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.library.sidecars import Stars, stars_of
from nima_pretrain.library.xmp import with_rating

FOLDER = Path(__file__).parents[1]
LUA = FOLDER / "tests" / "lua"
THRESHOLDS = (5, 20, 50, 80, 95)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Photos under names that people give, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("shoot")
    names = ("a given.jpg", "b it's.jpg", 'c "quoted", $HOME.jpg', "d.jpg", "e & f.jpg")
    for name, path in zip(names, embedded_photos()[2:], strict=True):
        Image.fromarray(load_photo(path)).save(folder / name, quality=95)
    return folder


def environment(**more: object) -> dict[str, str]:
    """Returns variables with which Lua finds the script, and the script the program."""
    return {
        **os.environ,
        "LUA_PATH": f"{FOLDER}/?.lua;{LUA}/?.lua;;",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **{name: str(value) for name, value in more.items()},
    }


def expected_stars(path: Path) -> int:
    """Returns the stars of a photo, by its percentile."""
    percentile = load_scorer()(path).percentile
    assert percentile is not None
    return max(1, sum(percentile >= threshold for threshold in THRESHOLDS))


def test_darktable_sets_the_stars_of_images(photos, tmp_path):
    for program in ("darktable", "xvfb-run"):
        if not shutil.which(program):
            pytest.skip(f"needs Debian's {program}")
    results = tmp_path / "results"
    config = tmp_path / "config"
    config.mkdir()
    script = (LUA / "in_darktable.lua").read_text()
    (config / "luarc").write_text(script)
    command = ["xvfb-run", "-a", "darktable", "--configdir", config, "--library", ":memory:"]
    variables = environment(NIMA_TEST_PHOTOS=photos, NIMA_TEST_RESULTS=results)
    with (tmp_path / "log").open("wb") as log:
        darktable = subprocess.Popen(
            [*command, "--cachedir", tmp_path / "cache", "-d", "lua"],
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 150
            while not results.exists() and time.monotonic() < deadline:
                assert darktable.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.3)
        finally:
            os.killpg(darktable.pid, signal.SIGTERM)
            darktable.wait(30)
    assert results.exists(), (tmp_path / "log").read_text()
    first, *rows, last = results.read_text().splitlines()
    assert (first, last) == ("rated 4 failed 0", "restarted")
    stars = {name: int(number) for name, number in (row.split("\t") for row in rows)}
    given, *others = sorted(photos.glob("*.jpg"))
    assert stars.pop(given.name) == 3
    expected = {path.name: expected_stars(path) for path in others}
    assert stars == expected
    # nima-pretrain knows the script's stars in darktable's sidecars, and those of people.
    assert stars_of(given) == Stars(3, by_model=False, path=sidecar(given))
    first, again, other, by_person = others
    for path in (first, other):
        assert stars_of(path) == Stars(expected[path.name], by_model=True, path=sidecar(path))
    assert stars_of(again) == Stars(5, by_model=True, path=sidecar(again))
    changed = expected[by_person.name] % 5 + 1
    assert stars_of(by_person) == Stars(changed, by_model=False, path=sidecar(by_person))
    assert not list(photos.glob("*.nima"))


def sidecar(path: Path) -> Path:
    """Returns the path of darktable's sidecar of a photo."""
    return path.with_name(f"{path.name}.xmp")


def press(*images: str, **variables: object) -> tuple[list[int], str]:
    """Returns the stars of images after the button was pressed, and what the user is told."""
    if not shutil.which("lua5.3"):
        pytest.skip("needs Debian's lua5.3")
    done = subprocess.run(
        ["lua5.3", LUA / "alone.lua", *images],
        env=environment(**variables),
        capture_output=True,
        check=True,
        text=True,
    )
    *stars, told = done.stdout.splitlines()
    return [int(number) for number in stars], told


def test_stars_of_people_stay_unless_the_preference_says_otherwise(photos):
    path = photos / "d.jpg"
    stars = expected_stars(path)
    images = [f"{given} {path}" for given in (-1, 0, 1, 2, 5)]
    assert press(*images) == (
        [-1, stars, stars, 2, 5],
        "2 of 5 images got stars, 0 could not be scored",
    )
    assert press(*images, NIMA_TEST_REPLACE="yes")[0] == [stars] * 5


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_sidecar_with_other_stars_is_left(photos, tmp_path, is_marked):
    path = tmp_path / "d.jpg"
    path.write_bytes((photos / "d.jpg").read_bytes())
    others = expected_stars(path) % 5 + 1
    content = with_rating(None, others, by_model=is_marked, name="new")
    sidecar(path).write_bytes(content)
    press(f"0 {path}")
    assert sidecar(path).read_bytes() == content


def test_names_of_all_kinds_get_their_own_stars(photos, tmp_path):
    odd = tmp_path / 'two\nlines "percentile": 99, .jpg'
    odd.write_bytes((photos / "d.jpg").read_bytes())
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    paths = [*sorted(photos.glob("*.jpg")), broken, odd, tmp_path / "gone.jpg"]
    stars, told = press(*(f"0 {path}" for path in paths))
    assert told == "6 of 8 images got stars, 2 could not be scored"
    assert stars == [*map(expected_stars, paths[:5]), 0, expected_stars(odd), 0]


def test_thresholds_are_those_of_the_preference(photos):
    path = photos / "d.jpg"
    for thresholds, stars in (("0,0,0,0,0", 5), ("0,0,0,100,100", 3), ("100,100,100,100,100", 1)):
        assert press(f"0 {path}", NIMA_TEST_THRESHOLDS=thresholds)[0] == [stars]


@pytest.mark.parametrize("thresholds", ["", "5,20,50,80", "5,20,50,80,many", "5,50,20,80,95"])
def test_wrong_thresholds_are_said(photos, thresholds):
    stars, told = press(f"0 {photos / 'd.jpg'}", NIMA_TEST_THRESHOLDS=thresholds)
    assert stars == [0]
    assert told.startswith("the thresholds have to be five rising numbers")


def test_a_missing_or_failing_program_is_said(photos, tmp_path):
    image = f"0 {photos / 'd.jpg'}"
    _, told = press(image, NIMA_TEST_EXECUTABLE=tmp_path / "nowhere")
    assert told.startswith("nima-pretrain is not found")
    program = tmp_path / "it's a program"
    program.write_text("#!/bin/sh\necho first >&2\necho 'the reason' >&2\nexit 2\n")
    program.chmod(0o755)
    stars, told = press(image, NIMA_TEST_EXECUTABLE=program)
    assert (stars, told) == ([0], "the reason")
