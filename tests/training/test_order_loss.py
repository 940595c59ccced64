"""The loss of the ordering stage against plain loops."""

import numpy as np
import pytest

from nima_pretrain.config import OrderConfig
from nima_pretrain.data.graded_batches import NO_GROUP, Source
from nima_pretrain.metrics import earth_movers_distances
from nima_pretrain.training.order_loss import OrderedPairs, OrderLoss

SCORES = np.arange(1.0, 8.0)
CONFIG = OrderConfig(taught_weight=2.0, order_weight=3.0, same_weight=5.0, blank_weight=7.0)


def batch(seed=0):
    """Two series of three and two views, two copies, a blank picture."""
    rng = np.random.default_rng(seed)
    rows = [(Source.TAUGHT, 0, depth) for depth in (0.0, 0.5, 1.0)]
    rows += [(Source.TAUGHT, 1, depth) for depth in (0.0, 0.8)]
    rows += [(Source.RATED, 2, 0.0), (Source.RATED, 2, 0.0), (Source.BLANK, NO_GROUP, 0.0)]
    distributions = rng.dirichlet(np.ones(7), len(rows))
    predicted = rng.dirichlet(np.ones(7), len(rows)).astype(np.float32)
    return np.concatenate([distributions, np.array(rows)], axis=1).astype(np.float32), predicted


def test_the_loss_equals_plain_loops():
    targets, predicted = batch()
    distances = earth_movers_distances(targets[:, :7], predicted)
    means = predicted @ SCORES
    hinges, apart = [], []
    for i, (_, group, depth) in enumerate(targets[:, 7:]):
        for j, (_, other, other_depth) in enumerate(targets[:, 7:]):
            if group == other and group >= 0 and other_depth > depth:
                hinges.append(max(0, other_depth - depth + means[j] - means[i]))
            if group == other and group >= 0 and i < j and other_depth == depth:
                apart.append(abs(means[j] - means[i]))
    assert (len(hinges), len(apart)) == (4, 1)
    expected = distances[5:7].mean() + 2 * distances[:5].mean() + 7 * distances[7]
    expected += 3 * np.mean(hinges) + 5 * np.mean(apart)
    assert float(OrderLoss(SCORES, CONFIG)(targets, predicted)) == pytest.approx(expected, rel=1e-5)


def test_rated_photos_alone_have_the_loss_of_plain_fine_tuning():
    targets, predicted = batch()
    targets[:, 7:] = [Source.RATED, NO_GROUP, 0]
    loss = float(OrderLoss(SCORES, CONFIG)(targets, predicted))
    expected = earth_movers_distances(targets[:, :7], predicted).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_ordered_pairs_is_the_share_of_pairs_of_a_series_in_order():
    targets, _ = batch()
    means = np.array([0, 1, 2, 0, 3, 0, 0, 0])  # two of the four pairs in order
    predicted = np.eye(7, dtype=np.float32)[6 - np.array([1, 3, 2, 4, 4.0, 0, 0, 0], int)]
    assert means.shape == (8,)
    metric = OrderedPairs(SCORES)
    metric.update_state(targets, predicted)
    assert float(metric.result()) == pytest.approx(2 / 4)
