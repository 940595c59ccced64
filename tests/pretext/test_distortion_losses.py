"""The losses across photos against plain loops, and their scale."""

import numpy as np
import pytest

from nima_pretrain.distortions import get_bank
from nima_pretrain.pretext import distortion_losses as losses
from nima_pretrain.pretext.targets import distorted_views, ranked_pairs

PAPER = get_bank("paper")
BANKS = [PAPER, get_bank("repaired")]
PAIRS, DISTORTED = ranked_pairs(PAPER), distorted_views(PAPER)


def cross_photo_twins(scores, bank, margin, apart):
    """Cross-photo ranking and level consistency by plain loops over photos, pairs and views."""
    ranking = consistency = 0.0
    pairs = list(zip(*ranked_pairs(bank)[:2], strict=True))
    counts = [
        [apart is None or apart[photo][pair] >= 0.5 for pair in range(len(pairs))]
        for photo in range(len(scores))
    ]
    photos = [(a, b) for a in range(len(scores)) for b in range(len(scores)) if a != b]
    for a, b in photos:
        for pair, (better, worse) in enumerate(pairs):
            if counts[a][pair] and counts[b][pair]:
                ranking += max(0.0, scores[b][worse] - scores[a][better] + margin)
        for series in bank.series:
            for view in series.views:
                pair = pairs.index((series.reference, view))
                if counts[a][pair] and counts[b][pair]:
                    consistency += (scores[a][view] - scores[b][view]) ** 2
    return ranking / len(photos), consistency / len(photos)


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: bank.name)
def test_cross_photo_losses_equal_plain_loops(bank, void):
    rng = np.random.default_rng(0)
    scores, pairs = rng.random((3, bank.num_views)), ranked_pairs(bank)
    apart = rng.random((3, len(pairs.better))) if void else None
    ranking, consistency = cross_photo_twins(scores, bank, 0.3, apart)
    ours = float(losses.cross_photo_ranking(scores, pairs, 0.3, apart))
    assert ours == pytest.approx(ranking, rel=1e-5)
    ours = float(losses.level_consistency(scores, distorted_views(bank), apart))
    assert ours == pytest.approx(consistency)


def test_cross_photo_losses_are_on_the_scale_of_the_ranking():
    alike = np.full((4, 174), 0.3)
    assert float(losses.cross_photo_ranking(alike, PAIRS)) == pytest.approx(100, rel=1e-5)
    assert float(losses.level_consistency(alike, DISTORTED)) == 0
    halves = np.repeat([[0.0], [1.0]], 174, axis=1)
    assert float(losses.level_consistency(halves, DISTORTED)) == pytest.approx(171)


def test_one_photo_alone_has_no_others_to_be_compared_with():
    scores = np.random.default_rng(0).random((1, 174))
    assert float(losses.cross_photo_ranking(scores, PAIRS)) == 0
    assert float(losses.level_consistency(scores, DISTORTED)) == 0
