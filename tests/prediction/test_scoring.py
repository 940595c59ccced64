"""Scores: order, bad files, the table."""

import numpy as np
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import predictions_table, score_photos

NETWORK = NetworkConfig(width=0.35, input_size=32)
SCALE = ScoreScale(5)


@pytest.fixture(scope="module")
def model(lively_nima):
    return PhotoModel(lively_nima, NETWORK)


def test_every_file_gets_its_row_in_order_whatever_the_batch(model, photo_folder):
    (photo_folder / "broken.jpg").write_bytes(b"broken")
    (photo_folder / "zero.png").write_bytes(b"")
    paths = find_photos(photo_folder)
    by_batch = [list(score_photos(model, SCALE, paths, batch_size=size)) for size in (1, 3, 64)]
    for scores in by_batch:
        assert [score.path for score in scores] == paths
        failed = {score.path.name for score in scores if score.distribution is None}
        assert failed == {"broken.jpg", "zero.png"}
    for score in by_batch[0]:
        if score.distribution is not None:
            photo = load_fitted(score.path, 32, "letterbox")
            np.testing.assert_allclose(score.distribution, model(photo[None])[0], atol=1e-5)
    table = predictions_table(by_batch[1], SCALE)
    bins = [f"p{bin}" for bin in range(1, 6)]
    assert list(table.columns) == ["path", "mean", "std", *bins, "status", "error"]
    good = table[table["status"] == "ok"]
    np.testing.assert_allclose(good[bins].to_numpy() @ [1, 2, 3, 4, 5], good["mean"], rtol=1e-9)
    bad = table[table["status"] == "error"]
    assert bad[["mean", "std", *bins]].isna().all(axis=None)
    assert bad["error"].str.contains("cannot identify").all()


def test_a_batch_of_bad_files_alone_is_no_problem(model, tmp_path):
    paths = [tmp_path / "gone.jpg", tmp_path / "away.jpg"]
    scores = list(score_photos(model, SCALE, paths, batch_size=2))
    assert all("No such file" in score.error for score in scores)
