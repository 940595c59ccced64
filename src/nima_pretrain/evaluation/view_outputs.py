"""What a model says of every view of every photo."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import keras
import numpy as np

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions import Aspect, DistortionBank
from nima_pretrain.metrics import mean_score
from nima_pretrain.pretext.model import PretextModel

_IMAGES_AT_ONCE = 32


@dataclass(frozen=True)
class Outputs:
    """A model's outputs on N photos in all their V views; None where it has no such output.

    Attributes:
        bank: says what the views are.
        differences: (N, P) mean absolute difference of the views of every pair, in grey levels.
        scores: (N, V), higher for better photos.
        logits: by aspect (N, V, classes).
        levels: (N, V, distortions), -1 to 1 on each distortion's own scale.
    """

    bank: DistortionBank
    differences: np.ndarray
    scores: np.ndarray
    logits: dict[Aspect, np.ndarray] | None = None
    levels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)


def outputs_of_pretext(
    model: PretextModel, bank: DistortionBank, photos: Iterable[np.ndarray]
) -> Outputs:
    """Returns the outputs of a pretext model.

    Args:
        model: from `networks.load_model`.
        bank: its own.
        photos: views of one photo at a time, (V, S, S, 3) uint8.
    """
    differences, scores, levels = [], [], []
    logits: dict[Aspect, list[np.ndarray]] = {aspect: [] for aspect in Aspect}
    for views in photos:
        features = model.backbone.predict(views, batch_size=_IMAGES_AT_ONCE, verbose=0)
        predicted = model.predict_from_features(features[None])
        differences.append(bank.differences(views))
        scores.append(predicted["ranking"][0])
        if "classification" in predicted:
            for aspect in Aspect:
                logits[aspect].append(predicted["classification"][aspect.value][0])
        if "regression" in predicted:
            levels.append(predicted["regression"][0])
    return Outputs(
        bank,
        np.stack(differences),
        np.stack(scores),
        {a: np.stack(rows) for a, rows in logits.items()} if logits[Aspect.STYLE] else None,
        np.stack(levels) if levels else None,
    )


def outputs_of_scorer(
    model: keras.Model, scale: ScoreScale, bank: DistortionBank, photos: Iterable[np.ndarray]
) -> Outputs:
    """Returns the mean scores of a model that predicts score distributions.

    Args:
        model: a NIMA model.
        scale: its scores.
        bank: which views to ask it about.
        photos: as in `outputs_of_pretext`.
    """

    def of_photo() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for views in photos:
            distributions = model.predict(views, batch_size=_IMAGES_AT_ONCE, verbose=0)
            yield bank.differences(views), mean_score(distributions, scale.scores)

    differences, scores = zip(*of_photo(), strict=True)
    return Outputs(bank, np.stack(differences), np.stack(scores))
