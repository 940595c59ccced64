"""Pretext tasks: what a head predicts from the features of the views, and what it is told.

A task turns features into predictions that end in its loss layer. Those on distorted views, which
can be combined, are listed in `TASKS`.
"""

from abc import ABC, abstractmethod
from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.distortions import Aspect, DistortionBank
from nima_pretrain.networks.layers import SeededDropout
from nima_pretrain.pretext.loss_layers import (
    ClassificationLoss,
    ContrastiveLoss,
    CrossPhotoRankingLoss,
    LevelConsistencyLoss,
    RankingLoss,
    RegressionLoss,
    RotationLoss,
)

# Of SimCLR's projections (Chen et al., 2020).
_PROJECTION = 64

Predictions = dict[str, Any]


class PretextTask(ABC):
    """One head and its loss."""

    name: str

    @abstractmethod
    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        """Returns the task's predictions from features (B, V, F), its loss added on the way.

        Args:
            features: (B, V, F) float32.
            differences: (B, P) of `layers.PairDifferences`, where void pairs are left out.
            others: what earlier tasks predict.
        """


class _OnDistortions(PretextTask):
    """A task on the views of a bank.

    Attributes:
        bank: says what the views are.
        dropout: rate before the head.
        temperature: T of the balance between tasks.
        margin: m of the ranking losses.
        seed: of the dropout.
    """

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

    def _head(self, features: tf.Tensor, units: int, name: str, activation: str | None = None):  # type: ignore[no-untyped-def]
        dropped = SeededDropout(self.dropout, self.seed, name=f"{name}_dropout")(features)
        return keras.layers.Dense(units, activation, dtype="float32", name=name)(dropped)


class Ranking(_OnDistortions):
    """One score in (0, 1) a view: less distorted views are to score higher; (B, V)."""

    name = "ranking"

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        scores = self._head(features, 1, "score", "sigmoid")  # (B, V, 1)
        scores = keras.layers.Reshape((self.bank.num_views,), name="scores")(scores)  # (B, V)
        loss = RankingLoss(self.bank, self.temperature, self.margin, name=self.name)
        return {self.name: loss(scores, differences=differences)}


class Classification(_OnDistortions):
    """Which distortion it was, among those of its aspect: a dict of (B, V, classes) logits."""

    name = "classification"

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        logits = {
            aspect.value: self._head(
                features, len(self.bank.of_aspect(aspect)), f"{aspect.value}_logits"
            )
            for aspect in Aspect
        }
        loss = ClassificationLoss(self.bank, self.temperature, name=self.name)
        return {self.name: loss(logits, differences=differences)}


class Regression(_OnDistortions):
    """How strong each distortion is, -1 to 1 on its own scale: (B, V, D)."""

    name = "regression"

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        levels = self._head(features, len(self.bank), "levels")
        loss = RegressionLoss(self.bank, self.temperature, name=self.name)
        return {self.name: loss(levels, differences=differences)}


class CrossPhotoRanking(_OnDistortions):
    """The ranking's scores again: more of a distortion is to score below less in any photo."""

    name = "cross_photo_ranking"

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        loss = CrossPhotoRankingLoss(self.bank, self.temperature, self.margin, name=self.name)
        return {Ranking.name: loss(others[Ranking.name], differences=differences)}


class LevelConsistency(_OnDistortions):
    """The ranking's scores again: they are to be alike at the same level, whatever the photo."""

    name = "level_consistency"

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        loss = LevelConsistencyLoss(self.bank, self.temperature, name=self.name)
        return {Ranking.name: loss(others[Ranking.name], differences=differences)}


class RotNet(PretextTask):
    """By how much a photo was turned, of four: (B, 4, 4) logits."""

    name = "rotnet"

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        num_rotations = features.shape[1]
        logits = keras.layers.Dense(num_rotations, dtype="float32", name="rotation")(features)
        return {self.name: RotationLoss(name=self.name)(logits)}


class SimCLR(PretextTask):
    """Which two views are of one photo: projections (B, 2, 64), whose directions are compared.

    Attributes:
        temperature: of the contrastive loss.
    """

    name = "simclr"

    def __init__(self, temperature: float = 0.5) -> None:
        self.temperature = temperature

    def attach(
        self, features: tf.Tensor, differences: tf.Tensor | None, others: Predictions
    ) -> Predictions:
        units = features.shape[-1]
        hidden = keras.layers.Dense(units, "relu", dtype="float32", name="hidden")(features)
        projected = keras.layers.Dense(_PROJECTION, dtype="float32", name="projection")(hidden)
        return {self.name: ContrastiveLoss(self.temperature, name=self.name)(projected)}


TASKS: dict[str, type[_OnDistortions]] = {
    task.name: task
    for task in (Ranking, Classification, Regression, CrossPhotoRanking, LevelConsistency)
}
