"""A finished grid: predictions of its models for held-out photos, and baselines."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from nima_pretrain.config import ReproduceConfig
from nima_pretrain.config.whole import TEST
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.comparison import Contender
from nima_pretrain.evaluation.evaluation_files import evaluations_of, read_predictions, scored_of
from nima_pretrain.evaluation.probe import frozen_features, probe_predictions
from nima_pretrain.metrics import ScoredPhotos, mean_score
from nima_pretrain.reproduction.grid import Cell, Fold, cells_of, weights_of
from nima_pretrain.training.results import FinetuneResults


class Grid:
    """A finished grid.

    Args:
        run: its directory.
        config: its config.
        ratings: all ratings.
        folds: the splits of the ratings.

    Raises:
        InputError: a photo could be read in some evaluations only.
    """

    def __init__(
        self, run: Path, config: ReproduceConfig, ratings: Ratings, folds: list[Fold]
    ) -> None:
        self.run = run
        self.config = config
        self.ratings = ratings
        self.folds = folds
        self.cells = cells_of(config, folds)
        self.threshold = ratings.scale.threshold
        self.whole = max(cell.share for cell in self.cells)
        self._check_photos()

    def _check_photos(self) -> None:
        """Checks that all models of a fold were tested on the same photos."""
        for name in (TEST, *self.config.transfer):
            folders = [evaluations_of(cell.folder(self.run))[name] for cell in self.cells]
            photos = [set(read_predictions(folder).index) for folder in folders]
            keys = [cell.fold if name == TEST else "" for cell in self.cells]
            of_any: dict[str, set[str]] = defaultdict(set)
            for key, read in zip(keys, photos, strict=True):
                of_any[key] |= read
            for key, folder, read in zip(keys, folders, photos, strict=True):
                missing = sorted(of_any[key] - read)
                if missing:
                    raise InputError(
                        f"{folder} has no score for {missing[0]!r}, which other evaluations could "
                        "read. Put the photo back, delete this folder, and run the command again."
                    )

    def cells_of(self, start: str, share: float) -> list[Cell]:
        """Returns the cells of a start on a share, for all seeds and folds."""
        return [cell for cell in self.cells if (cell.start, cell.share) == (start, share)]

    def predictions(self, start: str, share: float, seed: int, name: str) -> pd.DataFrame:
        """Returns the predictions for the test photos of all folds, by the model of each fold.

        Rows are sorted by name, so that the tables of two starts have the same rows.
        """
        cells = [cell for cell in self.cells_of(start, share) if cell.seed == seed]
        folders = [evaluations_of(cell.folder(self.run))[name] for cell in cells]
        return pd.concat([read_predictions(folder) for folder in folders]).sort_index()

    def contender(self, start: str, share: float) -> Contender:
        """Returns the predictions of a start on a share, one set per seed."""
        tables = [self.predictions(start, share, seed, TEST) for seed in self.config.seeds]
        return Contender(start, tuple(scored_of(table) for table in tables))

    def transferred(self, start: str, name: str) -> Contender:
        """Returns the predictions for transfer ratings, one set per model of the largest share."""
        folders = [
            evaluations_of(cell.folder(self.run))[name] for cell in self.cells_of(start, self.whole)
        ]
        tables = [read_predictions(folder).sort_index() for folder in folders]
        return Contender(start, tuple(scored_of(table) for table in tables))

    def epochs(self, start: str, share: float) -> dict[str, float]:
        """Returns means over the cells: epochs in all, epochs of the head alone, best epoch."""
        cells = self.cells_of(start, share)
        results = [FinetuneResults.read(cell.folder(self.run)) for cell in cells]
        names = ("epochs", "head_epochs", "best_epoch")
        return {
            name: float(np.mean([getattr(result, name) for result in results])) for name in names
        }

    @property
    def starts(self) -> list[str]:
        """Names of the starts that were trained on the largest share."""
        return [name for name in self.config.starts if self.cells_of(name, self.whole)]

    def probe(self, start: str) -> Contender:
        """Returns a ridge probe on the frozen features of a start.

        It is fitted on the training and validation photos, since it has no epoch to choose: the
        same photos that fine-tuning uses on the largest share. There is one probe per pretraining.
        """
        name, config = f"ridge probe, {start}", self.config
        is_one = config.starts[start].weights or not config.pretrain_per_seed
        seeds = config.seeds[:1] if is_one else config.seeds
        probes = (self._probed(weights_of(self.run, config, start, seed)) for seed in seeds)
        return Contender(name, tuple(self._of_means(predicted) for predicted in probes))

    def _probed(self, weights: str) -> dict[str, float]:
        """Returns the predictions of a ridge probe on features by weights, by photo."""
        paths, names = self.ratings.paths, self.ratings.names
        features = frozen_features(weights, self.config.finetune.network, paths)
        row_of = {name: row for row, name in enumerate(names)}
        predicted: dict[str, float] = {}
        for fold in self.folds:
            fitted = (*self._trained_on(fold).names, *fold.validation.names)
            training = [row_of[name] for name in fitted]
            testing = [row_of[name] for name in fold.test.names]
            values = probe_predictions(features, self.ratings, training, testing)
            predicted.update(zip(fold.test.names, values, strict=True))
        return predicted

    def constant(self) -> Contender:
        """Returns a constant baseline: the mean of each fold's training ratings.

        They are those of the largest share.
        """
        scale = self.ratings.scale
        predicted: dict[str, float] = {}
        for fold in self.folds:
            mean_distribution = self._trained_on(fold).distributions.mean(axis=0)
            mean = mean_score(mean_distribution[None], scale.scores)[0]
            predicted.update(dict.fromkeys(fold.test.names, float(mean)))
        return Contender("mean of the training ratings", (self._of_means(predicted),))

    def _trained_on(self, fold: Fold) -> Ratings:
        """Returns the training ratings of the largest share, for the first seed."""
        if self.whole == 1:
            return fold.training
        return fold.training.share(self.whole, self.config.seeds[0])

    def _of_means(self, predicted: dict[str, float]) -> ScoredPhotos:
        """Returns mean scores for the readable photos, without distributions."""
        table = self.predictions(self.starts[0], self.whole, self.config.seeds[0], TEST)
        values = np.array([predicted[photo] for photo in table.index])
        none = np.full(len(table), np.nan)
        return ScoredPhotos(table["true_mean"].to_numpy(), values, none, none)
