"""The cross-validation that decides whether a person's model is better than the general one."""

import numpy as np
import pytest

from nima_pretrain.library.taste_check import (
    FOLDS,
    cross_validate,
    folds_of,
    near_duplicates,
)
from nima_pretrain.library.taste_head import Design, design_of, tilted_means

STARS = np.linspace(1, 5, 7)


def people(count: int, seed: int) -> tuple[Design, np.ndarray, np.random.Generator]:
    """Photos with features whose spectrum falls, as that of a network, and a general model."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 60)) / np.sqrt(np.arange(1, 61))
    tilts = 0.5 * features[:, 0]
    logits = -((STARS - 3) ** 2) / 3 + tilts[:, None] * STARS
    return design_of(features, logits, STARS), features, rng


def drawn(design: Design, tilts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stars of a person who tilts the general model."""
    exponents = design.logits + tilts[:, None] * STARS
    shares = np.exp(exponents) / np.exp(exponents).sum(axis=1, keepdims=True)
    return np.rint([rng.choice(STARS, p=row) for row in shares])


def test_a_planted_taste_is_found():
    design, features, rng = people(80, 0)
    stars = drawn(design, -1.5 * features[:, 1] * np.sqrt(2), rng)
    check = cross_validate(design, stars, np.arange(80))
    assert check.is_better
    assert check.pairs.low < check.pairs.gain < check.pairs.high
    assert check.pairs.gain == pytest.approx(check.pairs.personal - check.pairs.general)
    assert check.errors.gain == pytest.approx(check.errors.general - check.errors.personal)
    assert check.errors.personal == pytest.approx(np.abs(check.means - stars).mean(), abs=0.1)


def test_people_without_a_taste_are_refused_about_as_often_as_stated():
    accepted = 0
    for seed in range(60):
        design, _, rng = people(40, seed)
        stars = drawn(design, np.zeros(40), rng)
        accepted += cross_validate(design, stars, np.arange(40)).is_better
    # One in twenty is stated; of 60, more than eight would be by chance in one case of 100.
    assert accepted <= 8


def test_random_stars_are_refused_about_as_often_as_stated():
    accepted = 0
    for seed in range(60):
        design, _, rng = people(40, seed)
        stars = rng.integers(1, 6, 40).astype(float)
        accepted += cross_validate(design, stars, np.arange(40)).is_better
    assert accepted <= 8


def test_shares_of_pairs_are_those_of_a_loop_over_the_pairs_of_held_out_folds():
    design, features, rng = people(400, 1)
    stars = drawn(design, features[:, 1], rng)
    groups = np.arange(400)
    check = cross_validate(design, stars, groups)
    folds = folds_of(groups, np.random.default_rng(0))  # 400 photos: one repeat
    shares = []
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        shares += [
            (check.means[i] > check.means[j]) == (stars[i] > stars[j])
            for i in rows
            for j in rows
            if i < j and stars[i] != stars[j]
        ]
    assert check.pairs.personal == pytest.approx(np.mean(shares), abs=1e-12)


def test_copies_of_photos_show_a_taste_only_if_they_are_on_both_sides():
    # Ten photos, eight times each, with stars that no feature explains.
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(10, 40)), 8, axis=0) + rng.normal(0, 0.05, (80, 40))
    logits = np.tile(-((STARS - 3) ** 2) / 3, (80, 1))
    stars = np.repeat(rng.permutation([1.0, 1, 2, 2, 3, 3, 4, 4, 5, 5]), 8)
    design = design_of(features, logits, STARS)
    leaking = cross_validate(design, stars, np.arange(80))
    grouped = cross_validate(design, stars, near_duplicates(features))
    assert leaking.pairs.personal > 0.9
    assert not grouped.is_better


def test_near_duplicates_share_a_group_and_a_fold():
    rng = np.random.default_rng(0)
    motifs = rng.normal(size=(20, 50))
    motif = rng.integers(0, 20, 100)
    features = 3 + motifs[motif] + rng.normal(0, 0.1, (100, 50))
    groups = near_duplicates(features)
    assert len(np.unique(groups)) == len(np.unique(motif))
    folds = folds_of(groups, rng)
    for of_group in range(groups.max() + 1):
        assert len(np.unique(folds[groups == of_group])) == 1
    assert np.bincount(folds, minlength=FOLDS).min() >= 15


def test_the_same_stars_give_the_same_decision():
    design, features, rng = people(50, 3)
    stars = drawn(design, features[:, 2], rng)
    first, second = (cross_validate(design, stars, np.arange(50)) for _ in range(2))
    assert first.pairs == second.pairs
    np.testing.assert_array_equal(first.means, second.means)


def test_means_are_those_of_fits_that_have_not_seen_the_photo():
    design, features, rng = people(40, 4)
    stars = drawn(design, features[:, 1], rng)
    before = cross_validate(design, stars, np.arange(40)).means
    changed = stars.copy()
    changed[7] = 6 - stars[7] if stars[7] != 3 else 5
    after = cross_validate(design, changed, np.arange(40)).means
    assert after[7] == pytest.approx(before[7], abs=1e-12)
    assert np.abs(after - before)[np.arange(40) != 7].min() > 0
    assert tilted_means(design.logits, np.zeros(40), STARS)[7] != before[7]
