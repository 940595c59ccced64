"""Targets: the index arrays that follow from a bank's series."""

import numpy as np
import pytest

from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.pretext.targets import (
    class_terms,
    distorted_views,
    level_terms,
    pair_differences,
    ranked_pairs,
)

PAPER = get_bank("paper")


def test_paper_bank_has_the_counts_of_the_paper():
    assert [len(class_terms(PAPER)[aspect].views) for aspect in Aspect] == [30, 81, 60]
    assert len(ranked_pairs(PAPER).better) == 500
    assert len(level_terms(PAPER).views) == 192
    assert len(distorted_views(PAPER).views) == 171


def test_pairs_rank_the_weaker_distortion_higher():
    pairs = {
        (PAPER.view_names[b], PAPER.view_names[w])
        for b, w in zip(*ranked_pairs(PAPER)[:2], strict=True)
    }
    assert ("original", "jpeg_compression_5") in pairs
    assert ("jpeg_compression_1", "jpeg_compression_5") in pairs
    assert ("jpeg_compression_5", "jpeg_compression_1") not in pairs
    assert ("shadows_40", "shadows_-100") in pairs


def test_regression_targets_are_levels_over_the_number_of_levels():
    targets = {
        (PAPER.view_names[view], PAPER.distortions[output].name): target
        for view, output, target, *_ in zip(*level_terms(PAPER), strict=True)
    }
    assert targets["exposure_-3", "exposure"] == -1
    assert targets["exposure_0.6", "exposure"] == pytest.approx(0.2)
    assert targets["shadows_60", "shadows"] == pytest.approx(1 / 3)
    assert targets["original", "ratio"] == 0
    assert targets["crop_original", "hcrop"] == 0
    assert sum(target == 0 for target in targets.values()) == 21


@pytest.mark.parametrize("name", ["paper", "repaired"])
def test_every_distorted_view_is_paired_with_the_reference_of_its_series(name):
    bank = get_bank(name)
    pairs = list(zip(*ranked_pairs(bank)[:2], strict=True))
    reference_of = {view: series.reference for series in bank.series for view in series.views}
    found = [(t.views, t.pairs) for t in (distorted_views(bank), *class_terms(bank).values())]
    for views, indices in found:
        for view, pair in zip(views, indices, strict=True):
            assert pairs[pair] == (reference_of[view], view)
    assert sorted(distorted_views(bank).views) == sorted(reference_of)
    for view, _, target, pair, _ in zip(*level_terms(bank), strict=True):
        if pair == -1:
            assert target == 0 and view not in reference_of
        else:
            assert pairs[pair] == (reference_of[view], view)


def test_differences_are_mean_grey_levels_between_the_views_of_a_pair():
    views = np.random.default_rng(0).integers(0, 256, (PAPER.num_views, 9, 9, 3), np.uint8)
    pairs = ranked_pairs(PAPER)
    wide = views.astype(int)
    expected = [np.abs(wide[b] - wide[w]).mean() for b, w in zip(*pairs[:2], strict=True)]
    np.testing.assert_allclose(pair_differences(views, pairs), expected)
