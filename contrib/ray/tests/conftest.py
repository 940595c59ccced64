"""A cluster of two nodes on this machine, and photos to score."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import skimage.data
from PIL import Image
from ray.cluster_utils import Cluster

# Programs are started in other folders, where a relative path means nothing.
os.environ["PYTHONPATH"] = str(Path(__file__).parents[3] / "src")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of two nodes with one core each, whose workers find nima-pretrain."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    yield nodes
    nodes.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 398 names of photographs, one of them not UTF-8, and two other files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = Image.open(Path(skimage.data.__file__).with_name("chelsea.png"))  # 451 x 300
    for number in range(6):
        photo.crop((20 * number, 0, 20 * number + 300, 250)).save(folder / f"{number}.jpg")
    for number in range(6, 397):
        os.link(folder / f"{number % 6}.jpg", folder / f"{number}.jpg")
    os.link(folder / "0.jpg", os.fsencode(folder) + b"/caf\xe9.jpg")
    (folder / "broken, or not.jpg").write_bytes(b"no photo")
    (folder / "empty.png").touch()
    return folder
