"""One's own taste: a scorer that has learned from the stars that a person gave to photos."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from nima_pretrain.data.finding import find_photos
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.library.sidecars import SidecarNames, persons_stars
from nima_pretrain.library.taste_check import TasteCheck, cross_validate, near_duplicates
from nima_pretrain.library.taste_head import Head, design_of, fit_tilt, tilted_head
from nima_pretrain.locks import locked
from nima_pretrain.metrics import quantiles_of
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.reference_scores import reference_scores
from nima_pretrain.prediction.scoring import outputs_of_photos
from nima_pretrain.progress import counting
from nima_pretrain.weights.finding import find_scorer
from nima_pretrain.weights.litert_writing import try_litert
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig, sha256_of
from nima_pretrain.weights.store import load_model, save_weights

logger = logging.getLogger(__name__)

# With 20 ratings of real people the check accepts hardly more often than by chance, see
# docs/photographers/taste.md. Photos that look alike count as one.
FEWEST_PHOTOS = 40
# With other stars than the most frequent ones, or there is nothing to order.
_FEWEST_OTHERS = 5
# More are not read: their number squared is kept in memory.
_MOST_PHOTOS = 2000
_LOWEST, _HIGHEST = 1, 5
_TASTE = "taste"  # the key in the side-car that marks a person's model


class TasteResults(NamedTuple):
    """The result of learning a taste.

    Attributes:
        photos: number of photos with stars that were used.
        distinct: number of these that do not look alike.
        check: the comparison with the general model.
        weights: the written `nima.h5`; None if the person's model is not better.
    """

    photos: int
    distinct: int
    check: TasteCheck
    weights: Path | None


class _Rated(NamedTuple):
    """Photos with stars: their stars (N,) float64, features (N, F) float32, and sha256."""

    stars: np.ndarray
    features: np.ndarray
    digests: tuple[str, ...]


def taste(
    photos: Path | str,
    *,
    run: Path | str,
    weights: Path | str | None = None,
    overwrite: bool = False,
) -> TasteResults:
    """Learns a person's taste from stars, and writes a scorer if it is better than the general one.

    Stars are read from `photo.jpg.xmp`, `photo.xmp` and from the photos, for a RAW+JPEG pair from
    either; those that nima-pretrain gave do not count. Rejected photos count as one star. Only the
    last layer of the general model is changed, see `taste_head`. The scorer predicts stars, 1 to
    5. Its percentiles are places among the rated photos.

    Args:
        photos: folder of photos, searched recursively.
        run: folder of `nima.h5`, its side-car and `nima.tflite`.
        weights: the general model, see `load_scorer`.
        overwrite: whether an existing `nima.h5` in that folder is replaced.

    Raises:
        InputError: too few photos have stars, or hardly different ones; photos or weights are
            missing; the weights are a person's; or the output exists or cannot be written.

    Example:
        >>> results = taste("my_photos", run="runs/taste")
        >>> results.check.pairs.gain, results.weights
    """
    file = Path(run) / "nima.h5"
    _check_output(file, overwrite)
    general = find_scorer(weights)
    card = read_side_car(general, NimaCard)
    if _TASTE in card.training_data:
        raise InputError(
            f"Expected a general model, but {general} has learned a person's stars, and would be "
            "compared on photos that it has seen. Name another one with --weights."
        )
    paths, stars = _rated_photos(find_photos(Path(photos)))
    _check_stars(stars)
    model = load_model(general)
    layer = model.get_layer("head")
    body = PhotoModel(keras.Model(model.input, layer.input), card.network)
    rated = _with_features(paths, stars, body)
    _check_stars(rated.stars)
    groups = near_duplicates(rated.features)
    distinct = int(groups.max()) + 1
    _check_stars(rated.stars, distinct)
    kernel, bias = (values.astype(np.float64) for values in layer.get_weights())
    head = Head(kernel, bias, np.linspace(_LOWEST, _HIGHEST, len(bias)))
    design = design_of(rated.features, head.logits(rated.features), head.stars)
    logger.info("comparing with the general model by cross-validation")
    check = cross_validate(design, rated.stars, groups)
    results = TasteResults(len(rated.stars), distinct, check, None)
    if not check.is_better:
        return results
    kernel, bias, _ = tilted_head(head, design, fit_tilt(design, rated.stars))
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    with locked(Path(run), "--run"):
        _check_output(file, overwrite)  # it may be new by now
        save_weights(model, file, _card_of(model, card, rated, results))
        try_litert(file)
    return results._replace(weights=file)


def _check_output(file: Path, overwrite: bool) -> None:
    if os.path.lexists(file) and not overwrite:
        raise InputError(
            f"{file} exists. Choose another --run, or pass --overwrite to replace it if the new "
            "one is better than the general model."
        )


def _rated_photos(photos: Sequence[Path]) -> tuple[list[Path], list[int]]:
    """Returns the photos to which a person has given stars, and the stars, -1 to 5."""
    rated, given = [], []
    names = SidecarNames()
    with counting("reading stars", len(photos)) as show:
        for count, photo in enumerate(photos, start=1):
            try:
                found = persons_stars(photo, names)
            except InputError as error:
                logger.warning("left out: %s", error)
                found = None
            if found:
                rated.append(photo)
                given.append(found.stars)
            show(count)
    counts = Counter(given)
    shown = ", ".join(f"{counts[stars]} with {stars}" for stars in sorted(counts, reverse=True))
    logger.info("%d of %d photos have a person's stars: %s", len(rated), len(photos), shown or "-")
    if len(rated) > _MOST_PHOTOS:
        logger.info("%d of these, drawn at random, are used", _MOST_PHOTOS)
        drawn = np.random.default_rng(0).permutation(len(rated))[:_MOST_PHOTOS]
        rated, given = [rated[row] for row in drawn], [given[row] for row in drawn]
    return rated, given


def _check_stars(stars: Sequence[int] | np.ndarray, distinct: int | None = None) -> None:
    """Checks that there are enough stars to learn from.

    Raises:
        InputError: there are not.
    """
    count = len(stars) if distinct is None else distinct
    if count < FEWEST_PHOTOS:
        what = "" if distinct is None else f" that do not look alike among {len(stars)} with stars"
        raise InputError(
            f"Expected at least {FEWEST_PHOTOS} photos with stars that a person gave, received "
            f"{count}{what}. Fewer do not show whether a taste was learned. Rate more photos, best "
            "ones that you like and ones that you do not."
        )
    others = len(stars) - max(Counter(np.asarray(stars).tolist()).values())
    if others < _FEWEST_OTHERS:
        raise InputError(
            f"Expected different stars: at least {_FEWEST_OTHERS} photos with others than most "
            f"have, received {others} of {len(stars)}. Rate photos that you like less, or more."
        )


def _with_features(paths: Sequence[Path], stars: Sequence[int], body: PhotoModel) -> _Rated:
    """Returns the readable photos with stars, 1 to 5, and the features of the network."""
    kept: list[int] = []
    features: list[np.ndarray] = []
    digests: list[str] = []
    with counting("features of rated photos", len(paths)) as show:
        outputs_by_photo = zip(outputs_of_photos([body], paths), stars, strict=True)
        for count, ((path, outputs), of_photo) in enumerate(outputs_by_photo, start=1):
            show(count)
            if isinstance(outputs, PhotoError):
                logger.warning("left out: %s", outputs)
                continue
            try:
                digests.append(sha256_of(path))
            except OSError as error:  # it is gone by now
                logger.warning("left out: %s: %s", path, error.strerror)
                continue
            kept.append(max(of_photo, _LOWEST))
            features += outputs.by_model
    shape = (len(features), body.model.output_shape[-1])
    return _Rated(
        np.array(kept, np.float64), np.reshape(features, shape).astype(np.float32), tuple(digests)
    )


def _card_of(
    model: keras.Model, general: NimaCard, rated: _Rated, results: TasteResults
) -> NimaCard:
    """Returns the side-car of a person's model; it names no files."""
    scale = ScaleConfig(bins=general.scale.bins, low=_LOWEST, high=_HIGHEST)
    pairs = zip(rated.digests, rated.stars, strict=True)
    lines = sorted(f"{digest} {stars:g}" for digest, stars in pairs)
    check = results.check
    card = NimaCard(
        network=general.network,
        head=general.head,
        scale=scale,
        training_data={
            _TASTE: "the stars of one person",
            "photos": results.photos,
            "distinct_photos": results.distinct,
            "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
            "general_weights": general.sha256,
        },
        # Of scores of photos that the model had not seen: stars are too few values for percentiles.
        training_scores=tuple(quantiles_of(check.means).round(6).tolist()),
        metrics={
            **{f"pairs_in_order_{name}": value for name, value in check.pairs._asdict().items()},
            **{f"error_in_stars_{name}": value for name, value in check.errors._asdict().items()},
        },
    )
    scores = reference_scores(PhotoModel(model, card.network), card.score_scale)
    return card.model_copy(update={"reference_scores": scores})
