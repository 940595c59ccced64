"""`nima-pretrain cull`: wrong input is refused before anything is scored or served."""

import sys

import pytest

from nima_pretrain.cli import main


def refused(monkeypatch, capsys, *arguments) -> str:
    """The message with which a command refuses its arguments."""
    monkeypatch.setattr(sys, "argv", ["nima-pretrain", "cull", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_an_unknown_naming_of_sidecars_is_refused(photo_folder, tmp_path, monkeypatch, capsys):
    scores = tmp_path / "scores.csv"
    said = refused(
        monkeypatch, capsys, photo_folder, "--scores", scores, "--sidecar", "adobe", "--no-browser"
    )
    assert "Expected --sidecar to be one of full, stem, both, received 'adobe'" in said
    assert not scores.exists()


@pytest.mark.parametrize("naming", ["stem", "both"])
def test_photos_that_would_share_a_sidecar_are_refused(
    photo_folder, tmp_path, monkeypatch, capsys, naming
):
    (photo_folder / "b.jpg").write_bytes((photo_folder / "a.JPG").read_bytes())
    scores = tmp_path / "scores.csv"
    said = refused(
        monkeypatch, capsys, photo_folder, "--scores", scores, "--sidecar", naming, "--no-browser"
    )
    one, other, sidecar = (photo_folder / name for name in ("b.jpg", "b.png", "b.xmp"))
    assert f"{other} gets no stars: {sidecar} has those of {one}" in said
    assert "--sidecar full" in said
    assert not scores.exists()
