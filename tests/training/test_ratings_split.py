"""The ratings of a run: a finished one was trained on those that are given again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.training.ratings_split import check_trained_on, training_digest


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
