"""Pretext tasks: what a head predicts from the features of the views, and what it is told.

A task turns features into predictions that end in its loss layer. New ones are added to `TASKS`.
"""

from abc import ABC, abstractmethod
from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.distortions import Aspect, DistortionBank
from nima_pretrain.layers import ClassificationLoss, RankingLoss, RegressionLoss, SeededDropout


class PretextTask(ABC):
    """One head and its loss.

    Attributes:
        bank: says what the views are.
        dropout: rate before the head.
        temperature: T of the balance between tasks.
        margin: m of the ranking loss.
        seed: of the dropout.
    """

    name: str

    def __init__(
        self,
        bank: DistortionBank,
        dropout: float = 0.2,
        temperature: float = 50.0,
        margin: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.bank = bank
        self.dropout = dropout
        self.temperature = temperature
        self.margin = margin
        self.seed = seed

    @abstractmethod
    def attach(self, features: tf.Tensor, differences: tf.Tensor | None = None) -> Any:
        """Returns the task's predictions from features (B, V, F), its loss added on the way."""

    def _head(self, features: tf.Tensor, units: int, name: str, activation: str | None = None):  # type: ignore[no-untyped-def]
        dropped = SeededDropout(self.dropout, self.seed, name=f"{name}_dropout")(features)
        return keras.layers.Dense(units, activation, dtype="float32", name=name)(dropped)


class Ranking(PretextTask):
    """One score in (0, 1) a view: less distorted views are to score higher; (B, V)."""

    name = "ranking"

    def attach(self, features: tf.Tensor, differences: tf.Tensor | None = None) -> tf.Tensor:
        scores = self._head(features, 1, "score", "sigmoid")  # (B, V, 1)
        scores = keras.layers.Reshape((self.bank.num_views,), name="scores")(scores)  # (B, V)
        loss = RankingLoss(self.bank, self.temperature, self.margin, name=self.name)
        return loss(scores, differences=differences)


class Classification(PretextTask):
    """Which distortion it was, among those of its aspect: a dict of (B, V, classes) logits."""

    name = "classification"

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        logits = {
            aspect.value: self._head(
                features, len(self.bank.of_aspect(aspect)), f"{aspect.value}_logits"
            )
            for aspect in Aspect
        }
        loss = ClassificationLoss(self.bank, self.temperature, name=self.name)
        return loss(logits, differences=differences)


class Regression(PretextTask):
    """How strong each distortion is, -1 to 1 on its own scale: (B, V, D)."""

    name = "regression"

    def attach(self, features: tf.Tensor, differences: tf.Tensor | None = None) -> tf.Tensor:
        levels = self._head(features, len(self.bank), "levels")
        loss = RegressionLoss(self.bank, self.temperature, name=self.name)
        return loss(levels, differences=differences)


TASKS: dict[str, type[PretextTask]] = {
    task.name: task for task in (Ranking, Classification, Regression)
}
