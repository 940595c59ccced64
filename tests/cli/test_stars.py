"""`nima-pretrain stars` and `predict --xmp`: the summary, the exit code, and undo."""

import json
import re
import sys
from pathlib import Path

import pytest

from nima_pretrain.cli import main
from nima_pretrain.data.finding import find_photos
from nima_pretrain.library.sidecars import set_stars, stars_of
from tests.conftest import ROOT


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command; returns its exit code and what it printed on stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["nima-pretrain", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        return code, capsys.readouterr().err

    return run


def test_predict_writes_stars_and_stars_undoes_them(run, photo_folder, tmp_path):
    (photo_folder / "bad.jpg").write_bytes(b"no photo")
    before = sorted(photo_folder.rglob("*"))
    output = tmp_path / "scores.csv"
    code, said = run(
        *("predict", photo_folder, "--output", output, "--xmp", "--rank"),
        *("--top", 2),
    )
    assert code == 0
    # Also those that --top removes from the file.
    summary = r"6 photos got stars \((\d stars?: \d, )+1 star: 1\), 1 have no score"
    assert re.search(summary, said), said
    photos = [photo for photo in find_photos(photo_folder) if photo.name != "bad.jpg"]
    # The middles of sixths: percentiles 8, 25, 42, 58, 75 and 92.
    assert sorted(stars_of(photo).stars for photo in photos) == [1, 2, 2, 3, 3, 4]
    assert run("stars", photo_folder, "--undo") == (0, "0 sidecars restored, 6 removed\n")
    assert sorted(photo_folder.rglob("*")) == before
    code, said = run("stars", photo_folder, "--undo")
    assert code == 2
    assert "there is nothing to undo" in said


def test_stars_of_resumed_rows_are_written_too(run, photo_folder, tmp_path):
    output = tmp_path / "scores.jsonl"
    common = ("predict", photo_folder, "--output", output)
    assert run(*common)[0] == 0
    code, said = run(*common, "--resume", "--xmp", "--sidecar", "both", "--quiet")
    assert (code, said) == (0, "")
    assert len(list(photo_folder.rglob("*.xmp"))) == 12
    code, said = run("stars", output)
    assert (code, said) == (0, "0 photos got stars, 6 had them already\n")


def test_photos_that_only_the_resumed_file_names_get_no_stars(run, photo_folder, tmp_path):
    output = tmp_path / "scores.csv"
    assert run("predict", photo_folder, "--output", output)[0] == 0
    day = photo_folder / "Summer 2021"
    code, said = run("predict", day, "--output", output, "--resume", "--xmp", "--rank")
    assert (code, len(output.read_text().splitlines())) == (0, 7)
    assert said.splitlines()[-1].startswith("2 photos got stars (3 stars: 1, 2 stars: 1)")
    sidecars = {sidecar.parent for sidecar in photo_folder.rglob("*.xmp")}
    assert sidecars == {day}


def test_rows_on_standard_output_get_stars_too(run, photo_folder):
    code, _ = run("predict", photo_folder, "--xmp")
    assert code == 0
    assert len(list(photo_folder.rglob("*.xmp"))) == 6


def test_failures_are_told_and_end_with_exit_code_1(run, photo_folder, tmp_path):
    output = tmp_path / "scores.csv"
    for photo in find_photos(photo_folder)[:2]:
        Path(f"{photo}.xmp").write_bytes(b"no XMP")
    kept = find_photos(photo_folder)[-1]
    set_stars(kept, 5, by_person=True)
    common = ("predict", photo_folder, "--output", output)
    code, said = run(*common, "--xmp", "--quiet")
    assert code == 0
    assert "3 photos got stars" in said
    assert "1 keep those of a person, 2 failed:\n" in said
    assert said.count("is no XMP") == 2
    assert run(*common, "--resume", "--xmp", "--strict")[0] == 1
    code, said = run("stars", output, "--overwrite-stars", "--reject", "--stars", "96,97,98,99,100")
    assert code == 1
    assert "2 failed:" in said
    assert stars_of(kept).by_model


def test_undo_tells_what_it_leaves(run, photo_folder, tmp_path):
    output = tmp_path / "scores.csv"
    run("predict", photo_folder, "--output", output, "--xmp")
    changed = find_photos(photo_folder)[0]
    set_stars(changed, 5, by_person=True)
    code, said = run("stars", output, "--undo")
    assert code == 1
    assert said.startswith("0 sidecars restored, 5 removed, 1 failed:\n")
    assert f"{changed}.xmp was changed after its stars were written" in said


@pytest.mark.parametrize(
    "options, message",
    [
        (["--rank"], "Expected --xmp beside --stars, --rank"),
        (["--xmp", "--stars", "1,2"], "five numbers from 0 to 100 that do not fall"),
        (["--xmp", "--sidecar", "adobe"], "one of full, stem, both, received 'adobe'"),
        (["--xmp", "--format", "idealo"], "too little for --resume, --report"),
    ],
)
def test_wrong_options_are_refused_before_scoring(run, photo_folder, options, message):
    code, said = run("predict", photo_folder, *options)
    assert code == 2
    assert message in said
    assert not list(photo_folder.rglob("*.xmp"))


def test_undo_takes_no_rules(run, photo_folder, tmp_path):
    code, said = run("stars", tmp_path, "--undo", "--sidecar", "stem")
    assert code == 2
    assert "Expected --undo without --stars, --rank" in said


def test_weights_without_percentiles_need_ranks(run, photo_folder, tmp_path):
    for path in (ROOT / "models" / "MobileNetV2").glob("nima_MobileNetV2_0.35_224-*"):
        (tmp_path / f"nima{path.suffix}").write_bytes(path.read_bytes())
    side_car = json.loads((tmp_path / "nima.json").read_text())
    del side_car["training_scores"]
    (tmp_path / "nima.json").write_text(json.dumps(side_car))
    arguments = ("predict", photo_folder, "--weights", tmp_path / "nima.h5", "--xmp")
    code, said = run(*arguments)
    assert code == 2
    assert "Expected weights with the percentiles of their training ratings" in said
    assert run(*arguments, "--rank")[0] == 0
