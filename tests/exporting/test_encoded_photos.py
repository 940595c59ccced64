"""TensorFlow's decoding inside a SavedModel gives the scores of `predict`, within stated limits."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageCms

import nima_pretrain
from nima_pretrain.data.photos import load_fitted, load_photo
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.exporting.encoded_photos import fitted_photos
from nima_pretrain.exporting.signature import read_signature
from nima_pretrain.weights.finding import find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard
from nima_pretrain.weights.store import load_model, save_weights

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def upright(tmp_path_factory, photo):
    """Upright sRGB files of the kinds that JPEG and PNG know."""
    folder = tmp_path_factory.mktemp("upright")
    image = Image.fromarray(photo)
    large = image.resize((3001, 2003), Image.Resampling.BICUBIC)
    faded = image.convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(image.size))
    for name, made, options in (
        ("plain.jpg", image, {}),
        ("plain.png", image, {}),
        ("progressive.jpg", image, {"progressive": True}),
        ("coarse.jpg", image, {"quality": 20}),
        ("all the colours.jpg", image, {"subsampling": 0, "quality": 95}),
        ("large.jpg", large, {}),
        ("large.png", large, {"compress_level": 1}),
        ("gray.jpg", image.convert("L"), {}),
        ("gray.png", image.convert("L"), {}),
        ("palette.png", image.quantize(64), {}),
        ("transparent.png", faded, {}),
        ("CMYK.jpg", image.convert("CMYK"), {}),
        ("portrait.jpg", image.transpose(Image.Transpose.ROTATE_90), {}),
        ("strip.png", image.resize((900, 40)), {}),
        ("longer strip.png", image.resize((900, 9)), {}),
        ("small.jpg", image.resize((20, 17)), {}),
        ("one.png", image.resize((1, 1)), {}),
    ):
        made.save(folder / name, **options)
    return [*sorted(folder.iterdir()), *(path for path in embedded_photos() if is_srgb(path))]


def is_srgb(path):
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
    if profile is None:
        return True
    return ImageCms.getProfileDescription(io.BytesIO(profile)).startswith("sRGB")


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundled") / "export"
    nima_pretrain.export(None, folder, to="savedmodel")
    return folder


def means_of(folder, paths):
    model = tf.saved_model.load(folder)
    files = tf.constant([path.read_bytes() for path in paths])
    return model.signatures["serving_default"](photo_bytes=files)["mean"].numpy()


@pytest.mark.parametrize("fit", ["letterbox", "squash"])
def test_pixels_differ_by_at_most_two_and_hardly_ever(fit, weights, upright):
    network = read_network(weights).model_copy(update={"fit": fit})
    files = tf.constant([path.read_bytes() for path in upright])
    for path, fitted in zip(upright, fitted_photos(files, network).numpy(), strict=True):
        difference = np.abs(fitted.astype(int) - load_fitted(path, 32, fit))
        assert difference.max() <= 2, path.name
        assert difference.mean() < 0.2, path.name


def read_network(weights):
    return nima_pretrain.load_scorer(weights).side_car.network


def test_files_score_as_predict_to_a_hundredth_of_a_point(bundled, upright):
    expected = [score.mean for score in nima_pretrain.load_scorer("bundled").score(upright)]
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(means_of(bundled, upright), expected, atol=0.01)


def test_a_letterboxed_photo_does_too(tmp_path, upright):
    trained = find_scorer("bundled")
    card = read_side_car(trained, NimaCard)
    network = card.network.model_copy(update={"fit": "letterbox"})
    weights = tmp_path / "nima.h5"
    save_weights(load_model(trained), weights, card.model_copy(update={"network": network}))
    nima_pretrain.export(weights, tmp_path / "export", to="savedmodel")
    expected = [score.mean for score in nima_pretrain.load_scorer(weights).score(upright)]
    np.testing.assert_allclose(means_of(tmp_path / "export", upright), expected, atol=0.01)


def test_the_stated_limits_are_limits(bundled, tmp_path, photo):
    """A turned photo, and one with a colour profile, have to be prepared before they are sent."""
    limits = read_signature(bundled).other_signatures[0].limits
    assert all(word in " ".join(limits) for word in ("EXIF orientation", "profiles", "PNG only"))
    scorer = nima_pretrain.load_scorer("bundled")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = tmp_path / "turned.jpg"
    Image.fromarray(np.rot90(photo)).save(turned, exif=exif, quality=95)
    profiled = next(path for path in embedded_photos() if not is_srgb(path))
    for path in (turned, profiled):
        (mean,) = means_of(bundled, [path])
        assert abs(mean - scorer(path).mean) > 0.02, path.name
        prepared = tmp_path / f"{path.stem}.png"
        Image.fromarray(load_photo(path)).save(prepared)
        assert means_of(bundled, [prepared])[0] == pytest.approx(scorer(path).mean, abs=0.01)
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(tf.errors.InvalidArgumentError):
        means_of(bundled, [turned, tmp_path / "text.jpg"])
