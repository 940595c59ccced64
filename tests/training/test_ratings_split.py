"""The ratings of a run: a finished one was trained on those that are given again."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.training.ratings_split import (
    check_trained_on,
    readable_split,
    training_digest,
)


def test_a_finished_run_is_not_taken_for_one_on_other_ratings():
    paths = tuple(Path(f"{number}.jpg") for number in range(8))
    ratings = Ratings(paths, np.random.default_rng(0).dirichlet(np.ones(5), 8), ScoreScale(5))
    config = FinetuneConfig(share=0.5)
    digest = training_digest(ratings, config)
    check_trained_on(Path("run"), digest, ratings, config)
    others = replace(ratings, distributions=ratings.distributions[:, ::-1])
    with pytest.raises(InputError, match="run was trained on other ratings"):
        check_trained_on(Path("run"), digest, others, config)
    with pytest.raises(InputError, match="run was trained on other ratings"):
        check_trained_on(Path("run"), digest, ratings, FinetuneConfig(share=1))


def test_photos_for_training_and_validation_at_once_are_counted(photo_folder, tmp_path, caplog):
    paths = tuple(sorted(path for path in photo_folder.rglob("*.*") if path.is_file()))
    ratings = Ratings(paths, np.full((6, 5), 0.2), ScoreScale(5))
    readable_split(ratings.rows(range(4)), ratings.rows(range(4, 6)), tmp_path)
    assert not caplog.records
    shutil.copy(paths[0], photo_folder / "copy")  # the same photo under another name
    copied = replace(ratings, paths=(photo_folder / "copy", *paths[1:]))
    readable_split(ratings.rows(range(4)), copied.rows([0, 3, 5]), tmp_path)
    assert "photos both for training and for validation: 2;" in caplog.text
