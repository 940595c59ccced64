"""RotNet: only the content of a view reveals its rotation, and the network learns it."""

import keras
import numpy as np
import pytest

from nima_pretrain.config.pretext import RotNetConfig
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.networks import build_backbone
from nima_pretrain.pretext.rotnet import VIEWS, RotationLoss, RotNet, rotation_loss


def test_views_are_one_square_turned(photo):
    views = VIEWS.render(photo, 48, seed=3)
    assert (views.shape, views.dtype) == ((4, 48, 48, 3), np.uint8)
    for turns in range(4):
        np.testing.assert_array_equal(views[turns], np.rot90(views[0], turns))


@pytest.mark.parametrize("fit", ["letterbox", "squash"])
@pytest.mark.parametrize("shape", [(60, 90, 3), (90, 60, 3), (200, 31, 3)])
def test_a_picture_without_content_looks_the_same_in_every_rotation(shape, fit):
    grey = np.full(shape, 180, np.uint8)
    views = VIEWS.render(grey, 32, seed=0, fit=fit)
    # A letterbox would have black bars, above and below or left and right.
    np.testing.assert_array_equal(views, 180)


def test_a_circle_stays_a_circle_whatever_the_aspect_of_the_photo():
    y, x = np.mgrid[:100, :220]
    inside = (y - 49.5) ** 2 + (x - 109.5) ** 2 < 40**2
    photo = np.uint8(255 * inside)[:, :, None].repeat(3, axis=2)
    whole = 0
    for seed in range(40):
        # A squashed photo's circle would be higher than wide, or wider than high once turned.
        for view in VIEWS.render(photo, 50, seed, "squash")[..., 0] > 127:
            if view[:, [0, -1]].any() or view[[0, -1]].any():
                continue  # cut by the border
            height, width = view.any(axis=1).sum(), view.any(axis=0).sum()
            assert abs(height - width) <= 1
            whole += 1
    assert whole >= 20


def test_the_seed_chooses_place_and_side(photo):
    views = [VIEWS.render(photo, 32, (0, epoch))[0] for epoch in range(8)]
    assert len({view.tobytes() for view in views}) > 4
    np.testing.assert_array_equal(VIEWS.render(photo, 32, (0, 3))[0], views[3])


def test_rotation_loss_equals_its_definition():
    logits = np.random.default_rng(0).normal(size=(3, 4, 4))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    expected = -np.log(probabilities[:, range(4), range(4)]).mean()
    assert float(rotation_loss(logits)) == pytest.approx(expected, rel=1e-5)
    assert float(rotation_loss(np.ones((2, 4, 4)))) == pytest.approx(np.log(4))


def test_rotations_named_are_counted():
    layer = RotationLoss()
    logits = np.zeros((1, 4, 4), np.float32)
    logits[0, range(4), [0, 1, 3, 2]] = 5.0
    np.testing.assert_array_equal(layer(logits), logits)
    assert float(layer.losses[0]) == pytest.approx(float(rotation_loss(logits)))
    assert float(layer.accuracy.result()) == 0.5


def test_the_loss_layer_survives_its_configuration():
    layer = RotationLoss(name="sixth")
    again = RotationLoss.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.slow
def test_a_handful_of_photos_is_learned_by_heart():
    keras.utils.set_random_seed(0)
    photos = [load_photo(path) for path in embedded_photos()]
    batch = np.stack([VIEWS.render(photo, 32, number) for number, photo in enumerate(photos)])
    model = RotNet(RotNetConfig(chunk_size=None)).attach_heads(
        build_backbone(input_size=32, width=0.35)
    )
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(batch, batch_size=len(batch), epochs=25, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["rotation_accuracy"][-1] > 0.8 > history["rotation_accuracy"][0]
