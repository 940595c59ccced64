"""Outputs of a model for all views of all photos."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import keras
import numpy as np

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions import Aspect, DistortionBank
from nima_pretrain.metrics import mean_score
from nima_pretrain.prediction.mirrored import mirrored
from nima_pretrain.pretext.model import PretextModel
from nima_pretrain.pretext.targets import pair_differences, ranked_pairs

_IMAGES_AT_ONCE = 32


@dataclass(frozen=True)
class ViewOutputs:
    """A model's outputs for all V views of N photos; None for an output that it does not have.

    Attributes:
        bank: the bank that rendered the views.
        differences: (N, P) mean absolute difference of the views of every pair, in grey levels.
        scores: (N, V), higher for better photos.
        logits: (N, V, classes) by aspect.
        levels: (N, V, distortions), trained to -1 to 1 over each distortion's strongest levels.
    """

    bank: DistortionBank
    differences: np.ndarray
    scores: np.ndarray
    logits: dict[Aspect, np.ndarray] | None = None
    levels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)


def pretext_score(model: PretextModel) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the ranking score as a function of images (N, S, S, 3) uint8 -> (N,)."""
    num_views = model.input_shape[1]

    def score(images: np.ndarray) -> np.ndarray:
        features = model.backbone.predict(images, batch_size=_IMAGES_AT_ONCE, verbose=0)
        # The heads take the features of all views of a photo.
        rows = -(-len(features) // num_views)
        filled = np.zeros((rows * num_views, features.shape[1]), np.float32)
        filled[: len(features)] = features
        predicted = model.predict_from_features(filled.reshape(rows, num_views, -1))
        return predicted["ranking"].ravel()[: len(features)]

    return score


def nima_score(
    model: keras.Model, scale: ScoreScale, *, with_mirrored: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the mean score as a function of images (N, S, S, 3) uint8 -> (N,).

    Args:
        model: a NIMA model.
        scale: its score scale.
        with_mirrored: whether scores are means over an image and its mirror image.
    """

    def score(images: np.ndarray) -> np.ndarray:
        distributions = model.predict(images, batch_size=_IMAGES_AT_ONCE, verbose=0)
        return mean_score(distributions, scale.scores)

    def mean_of_both(images: np.ndarray) -> np.ndarray:
        return (score(images) + score(mirrored(images))) / 2

    return mean_of_both if with_mirrored else score


def outputs_of_pretext(
    model: PretextModel, bank: DistortionBank, photos: Iterable[np.ndarray]
) -> ViewOutputs:
    """Returns the outputs of a pretext model.

    Args:
        model: from `networks.load_model`.
        bank: the model's bank.
        photos: views of one photo at a time, (V, S, S, 3) uint8 RGB.
    """
    pairs = ranked_pairs(bank)
    differences, scores, levels = [], [], []
    logits: dict[Aspect, list[np.ndarray]] = {aspect: [] for aspect in Aspect}
    for views in photos:
        features = model.backbone.predict(views, batch_size=_IMAGES_AT_ONCE, verbose=0)
        predicted = model.predict_from_features(features[None])
        differences.append(pair_differences(views, pairs))
        scores.append(predicted["ranking"][0])
        if "classification" in predicted:
            for aspect in Aspect:
                logits[aspect].append(predicted["classification"][aspect.value][0])
        if "regression" in predicted:
            levels.append(predicted["regression"][0])
    return ViewOutputs(
        bank,
        np.stack(differences),
        np.stack(scores),
        {a: np.stack(rows) for a, rows in logits.items()} if logits[Aspect.STYLE] else None,
        np.stack(levels) if levels else None,
    )


def outputs_of_scorer(
    score: Callable[[np.ndarray], np.ndarray], bank: DistortionBank, photos: Iterable[np.ndarray]
) -> ViewOutputs:
    """Returns the mean scores of a NIMA model.

    Args:
        score: from `nima_score`.
        bank: the bank that rendered the views.
        photos: see `outputs_of_pretext`.
    """
    pairs = ranked_pairs(bank)

    def of_photo() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for views in photos:
            yield pair_differences(views, pairs), score(views)

    differences, scores = zip(*of_photo(), strict=True)
    return ViewOutputs(bank, np.stack(differences), np.stack(scores))
