"""Writes leave the old file or the new one."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, replacing_folder, write_json
from nima_pretrain.locks import locked

HOLDER = """
import os, sys
from pathlib import Path
from nima_pretrain.locks import locked
with locked(Path(sys.argv[1]), "--output"):
    print("holds", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), 9)
"""


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("old")

    def fail():
        with replacing(file) as partial:
            partial.write_text("half")
            raise OSError("disk full")

    with pytest.raises(InputError, match=r"Cannot write .*table.csv: disk full"):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_nan_is_not_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "results.json", {"lcc": float("nan")})
    assert not list(tmp_path.iterdir())


def test_an_output_belongs_to_one_process_until_it_dies(tmp_path):
    output = tmp_path / "scores.csv"
    (tmp_path / "link").symlink_to(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(output)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as held:
        assert held.stdout.readline() == "holds\n"
        for path in (output, tmp_path / "link" / "scores.csv"):
            with pytest.raises(InputError, match="Another process is writing"):
                locked(path, "--output").__enter__()
        with locked(tmp_path / "other.csv", "--output"):
            pass
        held.stdin.write("die\n")
    with locked(output, "--output"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_lock_that_has_no_place_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"Cannot lock .*scores.csv: .* set TMPDIR to another"),
        locked(tmp_path / "scores.csv", "--output"),
    ):
        pass


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from nima_pretrain.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half'); os.kill(os.getpid(), 9)"
    )
    file = tmp_path / "checkpoint [1].json"
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    (orphan,) = tmp_path.iterdir()
    assert orphan.name.startswith(".checkpoint [1].partial-")
    of_a_living_process = tmp_path / f".checkpoint [1].partial-{os.getppid()}.json"
    of_a_living_process.touch()
    write_json(file, {})
    assert sorted(tmp_path.iterdir()) == sorted([file, of_a_living_process])


def test_a_folder_that_cannot_take_the_place_of_the_old_one_leaves_it(tmp_path, monkeypatch):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "signature.json").write_text("old")
    rename = Path.rename

    def full_disk(self, target):
        if ".partial-" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full_disk)
    with (
        pytest.raises(InputError, match="No space left"),
        replacing_folder(tmp_path / "export", "signature.json", overwrite=True) as partial,
    ):
        (partial / "signature.json").write_text("new")
    assert (tmp_path / "export" / "signature.json").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1
