"""Comparisons of models on the same photos."""

import numpy as np
import pytest

from nima_pretrain.evaluation.comparison import Contender, compare, compare_by_category, readable
from nima_pretrain.metrics import ScoredPhotos

RNG = np.random.default_rng(0)
TRUE = RNG.uniform(1, 7, 150)


def photos(noise, seed=0):
    predicted = TRUE + np.random.default_rng(seed).normal(0, noise, 150)
    return ScoredPhotos(TRUE, predicted, np.full(150, noise), np.full(150, np.nan))


ENTRIES = [
    Contender("base", (photos(1.0, 1),)),
    Contender("better", (photos(0.4, 2),)),
    Contender("same", (photos(1.0, 1),)),
]


def test_tables_hold_metrics_intervals_differences_and_tests():
    metrics, differences = compare(ENTRIES, "base", threshold=4, resamples=200)
    assert metrics["name"].tolist() == ["base", "better", "same"]
    for row, entry in enumerate(ENTRIES):
        expected = entry.runs[0].agreement(4)
        assert metrics["srcc"][row] == pytest.approx(expected.srcc)
        assert metrics["srcc_low"][row] < expected.srcc < metrics["srcc_high"][row]
    assert differences["name"].tolist() == ["better", "same"]
    better, same = differences.to_dict(orient="records")
    gain = metrics["srcc"][1] - metrics["srcc"][0]
    assert better["srcc"] == pytest.approx(gain)
    assert 0 < better["srcc_low"] < gain < better["srcc_high"]
    assert better["mae_high"] < 0
    assert better["is_significant"]
    assert better["p_corrected"] == pytest.approx(2 * better["p"])
    assert (same["mae"], same["mae_low"], same["mae_high"]) == (0, 0, 0)
    assert not same["is_significant"]
    assert np.isnan(better["emd_r1"])


def test_seeds_are_averaged():
    two = Contender("two", (photos(0.3, 1), photos(0.9, 2)))
    one, other = (Contender("", (run,)) for run in two.runs)
    np.testing.assert_allclose(two.errors, (one.errors + other.errors) / 2)
    np.testing.assert_allclose(two.metrics(4), (one.metrics(4) + other.metrics(4)) / 2)


def test_intervals_are_over_photos_and_seeds_together():
    steady = Contender("steady", tuple(photos(0.5, seed) for seed in range(3)))
    noises = (0.2, 0.9, 2.0)  # seeds that differ far more than samples of photos
    varied = Contender("varied", tuple(photos(noise, 7) for noise in noises))
    metrics, _ = compare([steady, varied], "steady", threshold=4, resamples=300)
    width = metrics["srcc_high"] - metrics["srcc_low"]
    assert width[1] > 4 * width[0]
    best, worst = (Contender("", (varied.runs[seed],)).metrics(4)[1] for seed in (0, 2))
    assert metrics["srcc_low"][1] < worst + 0.05
    assert metrics["srcc_high"][1] > best - 0.05


def test_tables_are_shown_with_intervals_and_labels():
    metrics, differences = compare(ENTRIES, "base", threshold=4, resamples=50)
    shown = readable(metrics)
    assert list(shown.columns)[:3] == ["", "LCC", "SRCC"]
    assert shown["EMD (r = 1)"].tolist() == ["-"] * 3
    assert shown["SRCC"][0].startswith(f"{metrics['srcc'][0]:.3f} [")
    assert readable(differences)["is_significant"].tolist() == ["yes", "no"]


def test_what_stands_beside_is_shown_but_not_tested():
    _, alone = compare(ENTRIES[:2], "base", 4, resamples=50)
    metrics, differences = compare(ENTRIES[:2], "base", 4, [ENTRIES[2]], resamples=50)
    assert metrics["name"].tolist() == ["base", "better", "same"]
    assert differences["p_corrected"][0] == alone["p_corrected"][0]
    assert np.isnan(differences["p"][1])
    assert differences["mae"][1] == 0
    assert not differences["is_significant"][1]


def test_each_category_is_compared_as_if_its_photos_were_all_there_are():
    rows_of = {"sea": np.arange(0, 100), "city": np.arange(100, 150)}
    table = compare_by_category(ENTRIES, "base", 4, rows_of, resamples=50)
    assert table["category"].tolist() == ["sea"] * 3 + ["city"] * 3
    assert table["photos"].tolist() == [100] * 3 + [50] * 3
    city = [Contender(entry.name, (entry.runs[0].rows(rows_of["city"]),)) for entry in ENTRIES]
    metrics, differences = compare(city, "base", 4, resamples=50)
    shown = table[table["category"] == "city"].reset_index(drop=True)
    for end in ("", "_low", "_high"):
        np.testing.assert_array_equal(shown[f"srcc{end}"], metrics[f"srcc{end}"])
        np.testing.assert_array_equal(shown[f"mae_gain{end}"][1:], differences[f"mae{end}"])
        assert np.isnan(shown[f"mae_gain{end}"][0])
    assert "MAE gain" in readable(table.drop(columns=["category", "photos"]))
