"""The inputs of the demo: photos of installed packages, synthetic ratings, a config of minutes."""

from pathlib import Path
from typing import Any

from nima_pretrain.config import FinetuneConfig, PretrainConfig, TrainConfig
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.data.samples import (
    embedded_photos,
    write_embedded_quarters,
    write_synthetic_ratings,
)
from nima_pretrain.data.split import list_photos, split_photos
from nima_pretrain.distortions import get_bank
from nima_pretrain.prediction.predict import predict
from nima_pretrain.weights import BUNDLED

# Less than five minutes on two cores. Pretraining is models/MobileNetV2's
# config_pretrain_sampled.json for few photos; the backbone is unfrozen after one epoch on ratings.
_NETWORK: dict[str, Any] = {"width": 0.35, "input_size": 96, "fit": "squash"}
DEMO_CONFIG = TrainConfig(
    pretrain=PretrainConfig(
        **_NETWORK,
        series_per_photo=1,
        smallest_window=0.65,
        mirror=True,
        balance="linear",
        photos_per_batch=4,
        chunk_size=None,
        epochs=2,
        kept_epoch="last",
        optimizer="adam",
        learning_rate=5e-4,
        schedule="cosine",
        warmup_epochs=0.1,
        clip_norm=5.0,
        weight_decay=0.0,
    ),
    finetune=FinetuneConfig(**_NETWORK, batch_size=32, epochs=8, head_epochs=1, dropout=0.2),
)


def score_sample_photos(run: Path) -> None:
    """Scores the embedded photos with the bundled weights: `scores.csv` and `scores.html`."""
    predict(
        embedded_photos(),
        weights=BUNDLED,
        explain=BUNDLED,
        output=run / "scores.csv",
        report=run / "scores.html",
        sort=True,
        overwrite=True,
    )


def demo_inputs(run: Path, config: TrainConfig) -> tuple[Path, Ratings, Ratings, Ratings]:
    """Writes quarters of the embedded photos and synthetic ratings to the run; returns them.

    The ratings are those for training, validation and test.
    """
    photos = write_embedded_quarters(run / "photos")
    pretraining = config.pretrain
    split, _ = split_photos(
        list_photos(photos), run / "unreadable.csv", pretraining.split, pretraining.seed
    )
    folder = run / "synthetic_ratings"
    ratings = []
    for part in ("training", "validation", "test"):
        file, images = folder / f"{part}.json", folder / "images"
        write_synthetic_ratings(
            [split.root / name for name in getattr(split, part)],
            get_bank(pretraining.bank),
            file,
            images,
            size=config.finetune.input_size,
            seed=pretraining.seed,
        )
        ratings.append(load_ratings(file, images))
    training, validation, test = ratings
    return photos, training, validation, test
