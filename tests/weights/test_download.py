"""Downloads against a real server that fails in every way that servers do."""

import hashlib

import numpy as np
import pytest

from nima_pretrain.errors import InputError
from nima_pretrain.weights.download import download
from tests.weights.server import serving

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "file.h5").write_bytes(CONTENT)
    with serving(folder) as server:
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "here.h5"


def fetch(server, target, **options):
    address = f"{server.address}/file.h5"
    options = {"timeout": (5, 0.5), "pause": 0.01, **options}
    download(address, target, len(CONTENT), SHA256, **options)


def left_over(target):
    return [path.name for path in target.parent.glob(".*.part")]


def test_a_good_server_is_asked_once(server, target):
    seen = []
    fetch(server, target, on_progress=seen.append)
    assert target.read_bytes() == CONTENT
    assert server.asked["/file.h5"] == 1
    assert seen[-1] == len(CONTENT)
    assert seen == sorted(seen)
    assert left_over(target) == []


@pytest.mark.parametrize("fault", ["500", "truncates", "stalls", "no length", "ignores range"])
def test_what_passes_is_waited_for(server, target, fault):
    server.fault, server.times = fault, 2
    if fault == "ignores range":
        (target.parent / ".here.h5.part").write_bytes(CONTENT[:1000])
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert left_over(target) == []
    expected = 1 if fault in ("no length", "ignores range") else 3
    assert server.asked["/file.h5"] == expected


def test_what_was_cut_off_is_gone_on_with(server, target):
    server.fault, server.times = "truncates", 2
    fetch(server, target)
    assert server.ranges[0] is None
    first, second = (int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.ranges[1:])
    # All that came but for the last piece, which was not whole.
    assert 100_001 - 2**14 < first <= 100_001
    assert first < second


@pytest.mark.parametrize("fault", ["another part", "refuses parts"])
def test_a_server_with_wrong_parts_sends_the_whole_file(server, target, fault):
    (target.parent / ".here.h5.part").write_bytes(CONTENT[:1000])
    server.fault = fault
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_server_that_never_sends_it_all_leaves_what_came_and_no_file(server, target):
    server.fault = "truncates"
    with pytest.raises(InputError, match="could not be downloaded in 6 attempts: .*bytes"):
        fetch(server, target)
    assert not target.exists()
    assert left_over(target) == [".here.h5.part"]
    server.fault = ""
    fetch(server, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("404", "the server answers 404 Not Found. Check the address"),
        ("wrong", "is not the file that was published: its sha256 differs"),
        ("longer", "is longer than the 300,000 bytes that were published"),
    ],
)
def test_what_does_not_pass_is_said_at_once(server, target, fault, message):
    server.fault = fault
    with pytest.raises(InputError, match=message):
        fetch(server, target)
    assert not target.exists()
    assert left_over(target) == []
    assert server.asked["/file.h5"] == 1


@pytest.mark.parametrize("content", [b"of another file", b"x" * 300_000, b"x" * 400_000])
def test_a_part_of_another_file_is_thrown_away(server, target, content):
    (target.parent / ".here.h5.part").write_bytes(content)
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_machine_that_nobody_listens_on_is_named(server, target):
    with pytest.raises(InputError, match=r"127.0.0.1:9/x.h5 could not be downloaded in 6"):
        download("http://127.0.0.1:9/x.h5", target, 5, SHA256, timeout=(1, 1), pause=0.01)
