"""A person's head: the general model, tilted by the stars that a person gave."""

import numpy as np
import pytest
from scipy.optimize import minimize

from nima_pretrain.library.taste_head import (
    TASTE_DEVIATION,
    Head,
    design_of,
    fit_tilt,
    tilted_head,
    tilted_means,
)

STARS = np.linspace(1, 5, 7)


def general(num_features: int = 30, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    return Head(rng.normal(0, 0.1, (num_features, 7)), rng.normal(0, 0.3, 7), STARS)


def photos(count: int, num_features: int = 30, seed: int = 1) -> np.ndarray:
    """Features with a mean that is not 0, (N, F) float32."""
    rng = np.random.default_rng(seed)
    return rng.gamma(1.0, 1.0, (count, num_features)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    head, features = general(), photos(50)
    given = np.random.default_rng(2).integers(1, 6, 50).astype(float)
    design = design_of(features, head.logits(features), STARS)
    return head, features, given, design, fit_tilt(design, given)


def test_newton_finds_the_maximum_that_an_optimizer_without_derivatives_of_ours_finds(fitted):
    head, features, given, _, parameters = fitted
    # Another parametrization of the same model: a weight for every feature.
    centred = features - features.mean(axis=0, dtype=float)
    size = np.sqrt((centred**2).sum() / len(features))
    slopes = head.logits(features) @ (STARS - 3) / ((STARS - 3) ** 2).sum()

    def minus_log_posterior(values):
        tilts = values[0] + values[1] * slopes + centred @ values[2:] / size
        exponents = head.logits(features) + tilts[:, None] * STARS
        likelihood = np.sum(given * tilts - np.log(np.exp(exponents).sum(axis=1)))
        prior = (values[0] / 3) ** 2 + (values[1] / 0.5) ** 2
        return (prior + np.sum((values[2:] / TASTE_DEVIATION) ** 2)) / 2 - likelihood

    found = minimize(minus_log_posterior, np.zeros(32), options={"gtol": 1e-7})
    np.testing.assert_allclose(found.x[:2], parameters[:2], atol=1e-4)
    tilts = found.x[0] + found.x[1] * slopes + centred @ found.x[2:] / size
    ours = fitted[3].columns @ parameters
    np.testing.assert_allclose(tilts, ours, atol=1e-4)


def test_the_persons_head_is_a_dense_layer_that_scores_like_the_tilt(fitted):
    head, features, _, design, parameters = fitted
    own = tilted_head(head, design, parameters)
    np.testing.assert_allclose(own.means(features), design.means(parameters), atol=1e-10)
    others = photos(20, seed=3)
    expected = design.means_of(others, head.logits(others), parameters)
    np.testing.assert_allclose(own.means(others), expected, atol=1e-10)


def test_several_fits_at_once_are_those_on_their_photos_alone(fitted):
    _, _, given, design, _ = fitted
    is_used = np.random.default_rng(0).random((3, 50)) < 0.7
    together = fit_tilt(design, given, is_used=is_used)
    for used, parameters in zip(is_used, together, strict=True):
        part = design._replace(logits=design.logits[used], columns=design.columns[used])
        np.testing.assert_allclose(fit_tilt(part, given[used]), parameters, atol=1e-7)


def test_stars_that_the_general_model_expects_change_nothing():
    head, features = general(), photos(50)
    design = design_of(features, head.logits(features), STARS)
    parameters = fit_tilt(design, head.means(features))
    np.testing.assert_allclose(parameters, 0, atol=1e-9)
    own = tilted_head(head, design, parameters)
    np.testing.assert_allclose(own.kernel, head.kernel, atol=1e-9)


def test_without_taste_photos_keep_the_general_models_order_on_the_persons_scale():
    direction = np.random.default_rng(0).normal(0, 0.2, 30)
    head = Head(np.outer(direction, STARS - 3), -((STARS - 3) ** 2) / 3, STARS)
    features = photos(50)
    design = design_of(features, head.logits(features), STARS)
    generous = np.clip(np.rint(head.means(features) + 1), 1, 5)
    parameters = fit_tilt(design, generous, deviation=0)
    assert not parameters[2:].any()
    own = design.means(parameters)
    assert own.mean() == pytest.approx(generous.mean(), abs=0.1)
    np.testing.assert_array_equal(np.argsort(own), np.argsort(head.means(features)))


@pytest.mark.parametrize("stars", [1.0, 5.0])
def test_extreme_stars_and_a_general_model_that_is_sure_of_the_contrary_converge(stars):
    head, features = general(), photos(40)
    sure = head._replace(bias=-6.0 * np.sign(stars - 3) * np.arange(7.0))
    design = design_of(features, sure.logits(features), STARS)
    given = np.full(40, stars)
    given[:5] = 3
    own = design.means(fit_tilt(design, given))
    assert np.isfinite(own).all()
    assert abs(own[5:].mean() - stars) < 0.5


def test_more_photos_than_components_are_fitted_in_few_of_them():
    head, features = general(300), photos(400, 300)
    design = design_of(features, head.logits(features), STARS)
    assert design.columns.shape == (400, 2 + 128)
    np.testing.assert_allclose((design.columns[:, 2:] ** 2).sum(axis=1).mean(), 1)
    means = tilted_means(design.logits, np.zeros(400), STARS)
    np.testing.assert_allclose(means, head.means(features))
