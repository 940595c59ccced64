"""Tasks on distorted views: a head on the features of the views, and its loss layer.

They can be combined; `TASKS` lists them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from nima_pretrain.config.pretext import PretrainConfig
from nima_pretrain.distortions import Aspect, DistortionBank
from nima_pretrain.networks.layers import SeededDropout
from nima_pretrain.pretext.loss_layers import (
    ClassificationLoss,
    CrossPhotoRankingLoss,
    DistortionLoss,
    LevelConsistencyLoss,
    RankingLoss,
    RegressionLoss,
)
from nima_pretrain.pretext.model import Inputs, Predictions


@dataclass(frozen=True)
class Task(ABC):
    """One head and its loss on the views of a bank.

    Attributes:
        bank: the bank that renders the views.
        config: provides dropout and its seed, temperature, balance and margin.
        name: its name in configs, logs and side-cars.
        predicts: name of its predictions; that of another task if it has no head of its own.
    """

    name: ClassVar[str]
    predicts: ClassVar[str]

    bank: DistortionBank
    config: PretrainConfig

    def attach(self, inputs: Inputs, others: Predictions) -> Predictions:
        """Returns the task's predictions by name, and adds its loss to the model.

        Args:
            inputs: "features" (B, V, F) float32; "differences" (B, P) of
                `loss_layers.PairDifferences` if void pairs are ignored; "series_weights" (B, S) if
                series are sampled.
            others: predictions of earlier tasks.
        """
        predictions = self._predictions(inputs["features"], others)
        weights = {name: inputs.get(name) for name in ("differences", "series_weights")}
        return {self.predicts: self._loss()(predictions, **weights)}

    @abstractmethod
    def _predictions(self, features: tf.Tensor, others: Predictions) -> Any: ...

    @abstractmethod
    def _loss(self) -> DistortionLoss: ...

    @property
    def _balancing(self) -> dict[str, Any]:
        config = self.config
        return {"temperature": config.temperature, "balance": config.balance, "name": self.name}

    def _head(
        self, features: tf.Tensor, units: int, name: str, activation: str | None = None
    ) -> tf.Tensor:
        dropout, seed = self.config.dropout, self.config.seed
        dropped = SeededDropout(dropout, seed, name=f"{name}_dropout")(features)
        return keras.layers.Dense(units, activation, dtype="float32", name=name)(dropped)


class Ranking(Task):
    """One score per view, (B, V) in (0, 1): less distorted views should score higher."""

    name = predicts = "ranking"

    def _predictions(self, features: tf.Tensor, others: Predictions) -> tf.Tensor:
        scores = self._head(features, 1, "score", "sigmoid")  # (B, V, 1)
        return keras.layers.Reshape((self.bank.num_views,), name="scores")(scores)  # (B, V)

    def _loss(self) -> DistortionLoss:
        return RankingLoss(self.bank, margin=self.config.margin, **self._balancing)


class Classification(Task):
    """The distortion among those of its aspect: logits (B, V, classes) by aspect."""

    name = predicts = "classification"

    def _predictions(self, features: tf.Tensor, others: Predictions) -> dict[str, tf.Tensor]:
        classes = {aspect.value: len(self.bank.of_aspect(aspect)) for aspect in Aspect}
        return {
            aspect: self._head(features, count, f"{aspect}_logits")
            for aspect, count in classes.items()
        }

    def _loss(self) -> DistortionLoss:
        return ClassificationLoss(self.bank, **self._balancing)


class Regression(Task):
    """The level of every distortion, (B, V, D), -1 to 1 over its strongest levels."""

    name = predicts = "regression"

    def _predictions(self, features: tf.Tensor, others: Predictions) -> tf.Tensor:
        return self._head(features, len(self.bank), "levels")

    def _loss(self) -> DistortionLoss:
        return RegressionLoss(self.bank, **self._balancing)


class _OnScores(Task):
    """A task on the scores of the ranking, without a head of its own."""

    predicts = Ranking.name

    def _predictions(self, features: tf.Tensor, others: Predictions) -> tf.Tensor:
        return others[Ranking.name]


class CrossPhotoRanking(_OnScores):
    """A stronger distortion should score below a weaker one of any photo."""

    name = "cross_photo_ranking"

    def _loss(self) -> DistortionLoss:
        return CrossPhotoRankingLoss(self.bank, margin=self.config.margin, **self._balancing)


class LevelConsistency(_OnScores):
    """Scores of different photos should be similar at the same level."""

    name = "level_consistency"

    def _loss(self) -> DistortionLoss:
        return LevelConsistencyLoss(self.bank, **self._balancing)


TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (Ranking, Classification, Regression, CrossPhotoRanking, LevelConsistency)
}
