"""Writes leave the old file or the new one."""

import pytest

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json


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
