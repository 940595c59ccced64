"""Shared fixtures: real photographs from installed packages, and the folder of outside data."""

import logging
import os
import shutil
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.data import finding, raw
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.progress import show_on

import_tensorflow()

import keras  # noqa: E402 - after TensorFlow's noise was dealt with

from nima_pretrain.networks import build_backbone, build_nima  # noqa: E402

ROOT = Path(__file__).parents[1]

# Programs that tests start run in the environment of the tests, as if it were activated.
os.environ["VIRTUAL_ENV"] = sys.prefix

# Examples are not timed: other jobs of the machine would decide the tests.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no worker is left alone with them at the end."""
    num_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -num_slow[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Every test begins with the same random numbers and a quiet log, whichever ran before it."""
    keras.utils.set_random_seed(0)
    show_on(None)
    logger = logging.getLogger("nima_pretrain")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Logged names that are not UTF-8 are escaped: pytest's workers end at a report with one."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


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


@pytest.fixture(scope="session")
def lively_nima(photo: np.ndarray) -> keras.Model:
    """A NIMA model, 32 px, five bins, random and yet telling photographs apart, always the same."""
    keras.utils.set_random_seed(0)
    backbone = build_backbone(input_size=32, width=0.35)
    model = build_nima(backbone, 5)
    rng = np.random.default_rng(0)
    cuts = [photo[top : top + 32, left : left + 32] for top, left in rng.integers(0, 260, (64, 2))]
    features = backbone.predict(np.stack(cuts), verbose=0)
    kernel = rng.normal(size=(features.shape[1], 5)) / (features.std(axis=0)[:, None] + 1e-9)
    kernel /= (features @ kernel).std()
    model.get_layer("head").set_weights([kernel, -features.mean(axis=0) @ kernel])
    return model


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium without a window; Debian's packages chromium and chromium-driver."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs the packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("browser")
    for argument in ("--headless=new", "--no-sandbox", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, Service(driver))
    yield browser
    browser.quit()


@pytest.fixture
def without_rawpy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without the extra `raw`."""

    def forget() -> None:
        raw.has_rawpy.cache_clear()
        finding._warn_of_skipped_raws.cache_clear()

    monkeypatch.setitem(sys.modules, "rawpy", None)
    forget()
    yield
    forget()


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """A folder of its own with six small photographs."""
    return write_photos(tmp_path / "photos")


def write_photos(folder: Path) -> Path:
    """Writes six small photographs, cut from real ones, under names that people give."""
    (folder / "Summer 2021").mkdir(parents=True)
    names = ("a.JPG", "b.png", "c.d.jpeg", "Summer 2021/e.webp", "Summer 2021/f.bmp", "g.TIFF")
    for name, path in zip(names, embedded_photos(), strict=False):
        image = Image.open(path).convert("RGB")
        image.thumbnail((120, 120))
        image.save(folder / name)
    return folder
