"""One's own taste, from stars on real photographs to a scorer that other commands take."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecars import persons_stars, set_stars
from nima_pretrain.library.taste import FEWEST_PHOTOS, taste
from nima_pretrain.library.xmp import with_rating
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.reference_scores import compare_reference_scores
from nima_pretrain.prediction.scorer import load_scorer
from nima_pretrain.prediction.scoring import Outputs, outputs_of_photos
from nima_pretrain.weights.bundled import bundled
from nima_pretrain.weights.side_car import NimaCard, read_beside
from nima_pretrain.weights.store import load_model

PROGRAM = Path(sys.executable).with_name("nima-pretrain")
(GENERAL,) = (path for name, path in bundled().items() if name.startswith("nima_MobileNetV2_0.35"))


@pytest.fixture(scope="module")
def album(tmp_path_factory) -> Path:
    """84 cuts of seven real photographs, without stars."""
    folder = tmp_path_factory.mktemp("album")
    rng = np.random.default_rng(0)
    for path in embedded_photos():
        pixels = np.asarray(Image.open(path).convert("RGB"))
        for number in range(12):
            side = int(rng.integers(60, 160))
            top, left = (int(rng.integers(0, length - side)) for length in pixels.shape[:2])
            cut = Image.fromarray(pixels[top : top + side, left : left + side])
            cut.save(folder / f"{path.stem} {number}.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def features(album) -> dict[Path, np.ndarray]:
    model = load_model(GENERAL)
    network = NetworkConfig(width=0.35, input_size=224, fit="squash")
    body = PhotoModel(keras.Model(model.input, model.get_layer("head").input), network)
    found = outputs_of_photos([body], sorted(album.iterdir()))
    return {path: outputs.by_model[0] for path, outputs in found if isinstance(outputs, Outputs)}


def planted(features: dict[Path, np.ndarray]) -> dict[Path, int]:
    """Stars by the place along the third principal component of the features."""
    values = np.stack(list(features.values()))
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    places = np.argsort(np.argsort(centred @ directions[2]))
    return dict(zip(features, (1 + places * 5 // len(places)).tolist(), strict=True))


def embed(photo: Path, stars: int) -> None:
    """Writes a rating into a JPEG."""
    xmp = with_rating(None, stars, by_model=False, name="xmp")
    with Image.open(photo) as image:
        image.save(photo, quality="keep", xmp=xmp)


@pytest.fixture(scope="module")
def rated(album, features, tmp_path_factory) -> Path:
    """The album with planted stars: in both kinds of sidecars, and in the photos."""
    folder = tmp_path_factory.mktemp("rated") / "album"
    shutil.copytree(album, folder)
    for number, (path, stars) in enumerate(planted(features).items()):
        photo = folder / path.name
        if number % 3 == 0:
            embed(photo, stars)
        else:
            naming = Naming.FULL if number % 3 == 1 else Naming.STEM
            set_stars(photo, stars, by_person=True, naming=naming)
    return folder


@pytest.fixture(scope="module")
def learned(rated, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    return taste(rated, run=run, weights=GENERAL)


def test_a_planted_taste_is_written_as_an_ordinary_scorer(learned, rated, features):
    assert learned.photos == 84
    assert FEWEST_PHOTOS < learned.distinct <= 84
    assert learned.check.is_better
    assert learned.check.pairs.gain > 0.1
    stars = np.array(list(planted(features).values()))
    photos = [rated / path.name for path in features]
    general, own = (
        np.array([score.mean for score in load_scorer(weights).score(photos)])
        for weights in (GENERAL, learned.weights)
    )
    assert np.corrcoef(own, stars)[0, 1] > 0.8
    assert np.corrcoef(general, stars)[0, 1] < 0.5
    assert own.mean() == pytest.approx(stars.mean(), abs=0.2)


def test_both_engines_score_as_the_fitted_head(learned, rated):
    photos = sorted(rated.glob("*.jpg"))[:20]
    by_engine = [
        np.array([s.mean for s in load_scorer(learned.weights, engine=engine).score(photos)])
        for engine in ("tensorflow", "litert")
    ]
    np.testing.assert_allclose(*by_engine, atol=1e-4)
    layer = load_model(learned.weights).get_layer("head")
    kernel, bias = layer.get_weights()
    model = load_model(GENERAL)
    body = keras.Model(model.input, model.get_layer("head").input)
    found = outputs_of_photos([PhotoModel(body, read_beside(GENERAL).network)], photos)
    values = [outputs.by_model[0] for _, outputs in found if isinstance(outputs, Outputs)]
    logits = np.stack(values).astype(float) @ kernel + bias
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(by_engine[0], shares @ np.linspace(1, 5, 7), atol=1e-4)


def test_only_the_last_layer_differs_from_the_general_model(learned):
    own, general = load_model(learned.weights), load_model(GENERAL)
    for mine, theirs in zip(own.layers, general.layers, strict=True):
        for one, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
            assert np.array_equal(one, other) == (mine.name != "head")


def test_the_side_car_tells_the_origin_and_names_no_photo(learned, rated):
    card = read_beside(learned.weights)
    assert isinstance(card, NimaCard)
    assert (card.scale.bins, card.scale.low, card.scale.high) == (7, 1, 5)
    assert card.training_data["photos"] == 84
    assert card.training_data["general_weights"] == read_beside(GENERAL).sha256
    assert card.metrics["pairs_in_order_gain"] == learned.check.pairs.gain
    text = learned.weights.with_suffix(".json").read_text()
    for photo in rated.glob("*.jpg"):
        assert photo.stem not in text
    scorer = load_scorer(learned.weights)
    assert all(check.agrees for check in compare_reference_scores(scorer.model, card))
    percentiles = [score.percentile for score in scorer.score(sorted(rated.glob("*.jpg")))]
    assert np.percentile(percentiles, 10) < 20
    assert np.percentile(percentiles, 90) > 80


def test_stars_that_we_gave_ourselves_do_not_count(album, features, tmp_path):
    folder = tmp_path / "album"
    shutil.copytree(album, folder)
    for path, stars in planted(features).items():
        set_stars(folder / path.name, stars, by_person=False)
    with pytest.raises(InputError, match="Expected at least 40 photos with stars .* received 0"):
        taste(folder, run=tmp_path / "run", weights=GENERAL)
    assert not (tmp_path / "run").exists()


def test_few_photos_are_refused_and_so_are_copies_of_few(rated, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for photo in sorted(rated.glob("*.jpg"))[: FEWEST_PHOTOS - 1]:
        shutil.copy(photo, few)
        set_stars(few / photo.name, persons_stars(photo).stars, by_person=True)
    with pytest.raises(InputError, match="received 39. Fewer do not show"):
        taste(few, run=tmp_path / "run", weights=GENERAL)
    for photo in list(few.glob("*.jpg")):
        for path in (photo, photo.with_name(f"{photo.name}.xmp")):
            shutil.copy(path, few / f"copy of {path.name}")
    with pytest.raises(InputError, match="that do not look alike among 78 with stars"):
        taste(few, run=tmp_path / "run", weights=GENERAL)


def test_equal_stars_are_refused(album, tmp_path):
    folder = tmp_path / "album"
    shutil.copytree(album, folder)
    for number, photo in enumerate(sorted(folder.glob("*.jpg"))):
        set_stars(photo, 4 if number else 3, by_person=True)
    with pytest.raises(InputError, match="Expected different stars: .* received 1 of 84"):
        taste(folder, run=tmp_path / "run", weights=GENERAL)


def test_a_bad_sidecar_and_a_bad_photo_are_left_out_and_named(rated, tmp_path, caplog):
    folder = tmp_path / "album"
    shutil.copytree(rated, folder)
    photos = sorted(folder.glob("*.jpg"))
    first, second, third = photos[:3]
    fourth = next(path for path in photos[3:] if Path(f"{path}.xmp").exists())
    first.with_name(f"{first.name}.xmp").write_bytes(b"no XMP")
    second.write_bytes(b"no photo")
    set_stars(second, 5, by_person=True)
    set_stars(third, -1, by_person=True)  # a rejected photo counts
    sidecar = fourth.with_name(f"{fourth.name}.xmp")
    sidecar.rename(fourth.with_suffix(".CR2.xmp"))  # and stars of the RAW file of a pair
    fourth.with_suffix(".CR2").write_bytes(b"raw")
    with caplog.at_level(logging.WARNING):
        results = taste(folder, run=tmp_path / "run", weights=GENERAL)
    assert results.photos == 82
    assert [name for name in (first.name, second.name) if name in caplog.text] == [
        first.name,
        second.name,
    ]


def test_an_existing_scorer_is_replaced_only_when_asked_and_the_same_stars_give_the_same(
    learned, rated
):
    run = learned.weights.parent
    before = learned.weights.read_bytes()
    with pytest.raises(InputError, match="exists. Choose another --run, or pass --overwrite"):
        taste(rated, run=run, weights=GENERAL)
    learned.weights.write_bytes(b"old")
    again = taste(rated, run=run, weights=GENERAL, overwrite=True)
    assert again.weights == learned.weights
    assert again.check.pairs == learned.check.pairs
    assert learned.weights.read_bytes() == before


def test_a_persons_model_is_no_general_model(learned, rated, tmp_path):
    with pytest.raises(InputError, match="Expected a general model, but .* a person's stars"):
        taste(rated, run=tmp_path, weights=learned.weights)


def test_photos_that_cannot_be_read_do_not_count(tmp_path, caplog):
    for number in range(FEWEST_PHOTOS):
        photo = tmp_path / f"{number}.jpg"
        photo.write_bytes(b"no photo")
        set_stars(photo, 1 + number % 5, by_person=True)
    with pytest.raises(InputError, match="received 0"):
        taste(tmp_path, run=tmp_path / "run", weights=GENERAL)
    assert "left out: " in caplog.text


def nima_pretrain(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_command_writes_what_predict_and_publish_take(rated, tmp_path):
    run = tmp_path / "taste"
    done = nima_pretrain("taste", rated, "--run", run, "--weights", GENERAL)
    assert done.returncode == 0, done.stderr
    assert "84 of 84 photos have a person's stars" in done.stderr
    assert "pairs in your order" in done.stdout
    assert done.stdout.splitlines()[-1] == str(run / "nima.h5")
    assert {path.name for path in run.iterdir()} == {"nima.h5", "nima.json", "nima.tflite"}
    scores = tmp_path / "scores.jsonl"
    done = nima_pretrain("predict", rated, "--weights", run / "nima.h5", "--output", scores)
    assert done.returncode == 0, done.stderr
    means = [json.loads(line)["mean"] for line in scores.read_text().splitlines()]
    assert 1 < min(means) < max(means) < 5
    done = nima_pretrain("weights", "publish", run, "--to", tmp_path / "public")
    assert done.returncode == 0, done.stderr
    (card,) = (tmp_path / "public").glob("*.md")
    assert "taste: the stars of one person" in card.read_text()


@pytest.mark.slow
def test_the_command_refuses_random_stars_with_exit_code_1_and_writes_nothing(album, tmp_path):
    folder = tmp_path / "album"
    shutil.copytree(album, folder)
    rng = np.random.default_rng(1)
    for photo in sorted(folder.glob("*.jpg")):
        set_stars(photo, int(rng.integers(1, 6)), by_person=True)
    done = nima_pretrain("taste", folder, "--run", tmp_path / "run", "--weights", GENERAL)
    assert done.returncode == 1, done.stderr
    assert "Your model is not written" in done.stderr
    assert "pairs in your order" in done.stdout
    assert not (tmp_path / "run").exists()
