"""A ridge regression on frozen features: what fine-tuning has to beat.

    python benchmarks/ridge_probe.py --weights BACKBONE.h5 --width 0.35 --input-size 128 \
        --fit letterbox --train TRAIN.json --test TEST.json --images DIR

Features are standardised on the training photos; the target is the mean score.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.distortions.geometry import Fit
from nima_pretrain.metrics import lcc, mean_absolute_error, srcc
from nima_pretrain.startup import import_tensorflow


def ridge(features: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Returns weights (F,) and intercept of a ridge regression on centred features (N, F)."""
    intercept = targets.mean()
    kernel = features @ features.T + penalty * np.eye(len(features))
    return features.T @ np.linalg.solve(kernel, targets - intercept), float(intercept)


def main(
    weights: Annotated[str, typer.Option(help="What pretraining or fine-tuning would start from.")],
    train: Annotated[Path, typer.Option(help="Ratings to fit on.")],
    test: Annotated[Path, typer.Option(help="Ratings to predict.")],
    images: Annotated[Path, typer.Option(help="Folder of the rated images.")],
    width: float = 1.0,
    input_size: int = 224,
    fit: str = "letterbox",
    penalty: float = 3000.0,
) -> None:
    """Prints how well a ridge probe on frozen features predicts mean scores."""
    import_tensorflow()
    from nima_pretrain.networks import build_backbone
    from nima_pretrain.networks.weights import load_base_weights

    network = NetworkConfig.model_validate({"width": width, "input_size": input_size, "fit": fit})
    backbone = build_backbone(network.backbone, network.input_size, network.width)
    load_base_weights(backbone, weights, network)

    def features_of(ratings: Ratings, fit: Fit) -> np.ndarray:
        photos = np.stack([load_fitted(path, input_size, fit) for path in ratings.paths])
        return np.asarray(backbone.predict(photos, verbose=0), np.float64)

    training, testing = load_ratings(train, images), load_ratings(test, images)
    x, x_test = features_of(training, network.fit), features_of(testing, network.fit)
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    coefficients, intercept = ridge((x - centre) / scale, training.mean_scores, penalty)
    predicted = (x_test - centre) / scale @ coefficients + intercept
    true = testing.mean_scores
    print(
        f"ridge probe on {len(training)}, tested on {len(testing)}: "
        f"SRCC {srcc(true, predicted):.3f}, LCC {lcc(true, predicted):.3f}, "
        f"MAE {mean_absolute_error(true, predicted):.3f}"
    )


if __name__ == "__main__":
    typer.run(main)
