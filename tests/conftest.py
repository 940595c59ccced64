"""What tests share: real photographs from installed packages, and the folder of outside data."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.startup import import_tensorflow

import_tensorflow()

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real photographs, ratings and outputs of other programs; they lie beside a checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder of shared data beside the checkout")
    return folder


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photograph, 451 x 300."""
    (path,) = (path for path in embedded_photos() if path.name == "chelsea.png")
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """Six small photographs, cut from real ones, under names that people give."""
    folder = tmp_path / "photos"
    (folder / "Summer 2021").mkdir(parents=True)
    names = ("a.JPG", "b.png", "c.d.jpeg", "Summer 2021/e.webp", "Summer 2021/f.bmp", "g.TIFF")
    for name, path in zip(names, embedded_photos(), strict=False):
        image = Image.open(path).convert("RGB")
        image.thumbnail((120, 120))
        image.save(folder / name)
    return folder
