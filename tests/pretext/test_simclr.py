"""SimCLR: two random views of a photo, each of which is to find the other."""

import keras
import numpy as np
import pytest

from nima_pretrain.config.pretext import SimCLRConfig
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.distortions.augmentations import augmented_pair
from nima_pretrain.networks import build_backbone
from nima_pretrain.pretext.simclr import ContrastiveLoss, SimCLR, nt_xent


def test_a_pair_is_two_different_views_that_repeat_with_the_seed(photo):
    pair = SimCLR(SimCLRConfig()).views
    views = pair.render(photo, 48, (5, 1))
    assert (views.shape, views.dtype) == ((2, 48, 48, 3), np.uint8)
    assert (views[0] != views[1]).any()
    np.testing.assert_array_equal(pair.render(photo, 48, (5, 1)), views)
    assert (pair.render(photo, 48, (5, 2)) != views).any()


def test_views_are_cropped_and_recoloured_as_the_config_says(photo):
    views = SimCLR(SimCLRConfig(smallest_crop=1.0, jitter_strength=0.3)).views
    rng = np.random.default_rng((5, 1))
    expected = augmented_pair(photo, 48, rng, smallest_crop=1.0, strength=0.3)
    np.testing.assert_array_equal(views.render(photo, 48, (5, 1)), expected)
    assert (SimCLR(SimCLRConfig()).views.render(photo, 48, (5, 1)) != expected).any()


def nt_xent_twin(projections, temperature):
    """Equation 1 of Chen et al. (2020), one view after the other."""
    views = [view / np.linalg.norm(view) for photo in projections for view in photo]
    terms = []
    for i, view in enumerate(views):
        partner = i + 1 if i % 2 == 0 else i - 1
        others = [np.exp(view @ x / temperature) for k, x in enumerate(views) if k != i]
        terms.append(-np.log(np.exp(view @ views[partner] / temperature) / sum(others)))
    return np.mean(terms)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_contrastive_loss_equals_plain_loops_and_is_symmetric_in_the_views(temperature):
    projections = np.random.default_rng(0).normal(size=(5, 2, 7))
    ours = float(nt_xent(projections, temperature))
    assert ours == pytest.approx(nt_xent_twin(projections, temperature), rel=1e-5)
    swapped = projections[:, ::-1]
    assert float(nt_xent(swapped, temperature)) == pytest.approx(ours, rel=1e-6)
    longer = projections * np.random.default_rng(1).uniform(1, 9, (5, 2, 1))
    assert float(nt_xent(longer, temperature)) == pytest.approx(ours, rel=1e-5)


def test_partners_found_are_counted():
    layer = ContrastiveLoss(temperature=0.2)
    # The third photo's views are nearer to the first's than to each other.
    angles = np.radians([[0, 10], [180, 181], [40, -60]])
    projections = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    np.testing.assert_array_equal(layer(projections), projections)
    assert float(layer.losses[0]) == pytest.approx(float(nt_xent(projections, 0.2)))
    assert float(layer.accuracy.result()) == pytest.approx(4 / 6)


def test_the_loss_layer_survives_its_configuration():
    layer = ContrastiveLoss(0.1, name="seventh")
    again = ContrastiveLoss.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.slow
def test_a_handful_of_photos_is_learned_by_heart():
    keras.utils.set_random_seed(0)
    method = SimCLR(SimCLRConfig(chunk_size=None))
    photos = [load_photo(path) for path in embedded_photos()]
    batch = np.stack(
        [method.views.render(photo, 32, number) for number, photo in enumerate(photos)]
    )
    model = method.attach_heads(build_backbone(input_size=32, width=0.35))
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(batch, batch_size=len(batch), epochs=25, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["partner_accuracy"][-1] > 0.8 > history["partner_accuracy"][0]
