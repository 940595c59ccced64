"""A finished grid: what its models predict for photos that they have not seen."""

from pathlib import Path

import numpy as np
import pandas as pd

from nima_pretrain.config import ReproduceConfig
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.evaluation.comparison import Entry
from nima_pretrain.evaluation.evaluate import evaluations_of, read_predictions, scored_of
from nima_pretrain.evaluation.probe import frozen_features, probe_predictions
from nima_pretrain.metrics import ScoredPhotos, mean_score
from nima_pretrain.reproduction.grid import TEST, Cell, Fold, cells_of, results_of, weights_of


class Grid:
    """A finished grid, ready to be looked at.

    Args:
        run: its directory.
        config: its config.
        ratings: all of them.
        folds: how they were divided.
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

    def cells_of(self, start: str, share: float) -> list[Cell]:
        """The cells of a start on a share, all seeds and folds."""
        return [cell for cell in self.cells if (cell.start, cell.share) == (start, share)]

    def predictions(self, start: str, share: float, seed: int, name: str) -> pd.DataFrame:
        """The test photos of all folds with the predictions of the models that were not shown them.

        Sorted by name, so that the tables of two starts have the same rows.
        """
        cells = [cell for cell in self.cells_of(start, share) if cell.seed == seed]
        folders = [evaluations_of(cell.folder(self.run))[name] for cell in cells]
        return pd.concat([read_predictions(folder) for folder in folders]).sort_index()

    def entry(self, start: str, share: float) -> Entry:
        """The predictions of a start on a share: one set for each seed."""
        tables = [self.predictions(start, share, seed, TEST) for seed in self.config.seeds]
        return Entry(start, tuple(scored_of(table) for table in tables))

    def transferred(self, start: str, name: str) -> Entry:
        """The predictions for other ratings: one set for each model of the whole share."""
        folders = [
            evaluations_of(cell.folder(self.run))[name] for cell in self.cells_of(start, self.whole)
        ]
        tables = [read_predictions(folder).sort_index() for folder in folders]
        return Entry(start, tuple(scored_of(table) for table in tables))

    def epochs(self, start: str, share: float) -> dict[str, float]:
        """Means over the cells: epochs until early stopping, of the head alone, of the best."""
        results = [results_of(cell.folder(self.run)) for cell in self.cells_of(start, share)]
        names = ("epochs", "head_epochs", "best_epoch")
        return {name: float(np.mean([result[name] for result in results])) for name in names}

    @property
    def starts(self) -> list[str]:
        """Names of the starts that were trained on the whole share."""
        return [name for name in self.config.starts if self.cells_of(name, self.whole)]

    def probe(self, start: str) -> Entry:
        """A ridge probe on the frozen features of a start.

        It has no epoch to choose, so it is fitted on the photos for validation too: on all that
        fine-tuning has had.
        """
        paths, names = self.ratings.paths, self.ratings.names
        weights = weights_of(self.run, self.config, start)
        features = frozen_features(weights, self.config.finetune.network, paths)
        row_of = {name: row for row, name in enumerate(names)}
        predicted: dict[str, float] = {}
        for fold in self.folds:
            fitted = (*fold.training.names, *fold.validation.names)
            training = [row_of[name] for name in fitted]
            testing = [row_of[name] for name in fold.test.names]
            values = probe_predictions(features, self.ratings, training, testing)
            predicted.update(zip(fold.test.names, values, strict=True))
        return self._of_means(f"ridge probe, {start}", predicted)

    def constant(self) -> Entry:
        """Always the mean distribution of each fold's training photos."""
        scale = self.ratings.scale
        predicted: dict[str, float] = {}
        for fold in self.folds:
            mean = mean_score(fold.training.distributions.mean(axis=0)[None], scale.scores)[0]
            predicted.update(dict.fromkeys(fold.test.names, float(mean)))
        return self._of_means("mean of the training ratings", predicted)

    def _of_means(self, name: str, predicted: dict[str, float]) -> Entry:
        """An entry of means alone, for the photos that the models could read too."""
        table = self.predictions(self.starts[0], self.whole, self.config.seeds[0], TEST)
        values = np.array([predicted[photo] for photo in table.index])
        none = np.full(len(table), np.nan)
        return Entry(name, (ScoredPhotos(table["true_mean"].to_numpy(), values, none, none),))
