"""The ordering stage of fine-tuning: a NIMA model learns to score distorted views lower.

A model that saw only undistorted photos with ratings prefers many distorted copies. Here it is
trained further, on series of distorted views beside the ratings. What it knows of content is kept
by pseudo-labels (a view is taught the model's own score of its undistorted photo, lowered by the
level of the distortion), by decoupled decay of the backbone towards its weights before the stage
(`anchor`; L2-SP, Li et al. 2018), by fixed batch-norm statistics without dropout, and by
interpolation between the weights before and after the stage (`kept`; WiSE-FT, Wortsman et al.
2022).
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.graded_batches import NO_GROUP, GradedBatches, Known, Source
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.networks.layers import InInference
from nima_pretrain.networks.nima import head_of
from nima_pretrain.networks.optimizers import learning_rates, ordering_optimizer
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.progress import counting
from nima_pretrain.training.callbacks import (
    LogLearningRates,
    Logs,
    check_finite,
    log_files,
    read_log,
)
from nima_pretrain.training.checkpoint import Stage
from nima_pretrain.training.feed import feed_graded, feed_rated
from nima_pretrain.training.objective import Examples
from nima_pretrain.training.order_loss import OrderedPairs, OrderLoss
from nima_pretrain.training.progress_bar import ShowProgress
from nima_pretrain.training.ratings_split import RatingsSplit, photos_without_ratings
from nima_pretrain.training.resumable_fit import Checkpoints, resumable_fit
from nima_pretrain.training.same_run import stored_arrays
from nima_pretrain.weights.store import copy_weights, load_weights

# Parts of the stage that are logged and validated.
_EPOCHS = 10
_TAUGHT = "taught.npz"

RATINGS_ALONE = "ratings_alone.h5"


class Ordered(NamedTuple):
    """Results of the ordering stage.

    Attributes:
        metrics: loss and ordered pairs of the last tenth of the training, before interpolation, and
            `val_loss` of the final weights: their EMD on the validation photos.
        training_data: the photos without ratings, for the side-car.
    """

    metrics: Logs
    training_data: dict[str, Any]


def learn_order(
    model: keras.Model,
    backbone: keras.Model,
    run: Path,
    photos: Path,
    config: FinetuneConfig,
    split: RatingsSplit,
    checkpoints: Checkpoints,
) -> Ordered:
    """Trains a fine-tuned model in the ordering stage.

    Args:
        model: from `build_nima`.
        backbone: its backbone.
        run: the run directory, with `nima.h5`; its copy `ratings_alone.h5` keeps the weights before
            the stage.
        photos: folder of photos without ratings.
        config: settings of fine-tuning, with those of the stage in `order`.
        split: the ratings.
        checkpoints: checkpoints of the run; those of an earlier stage enter this one.
    """
    if checkpoints.position.stage is not Stage.ORDER:
        copy_weights(run / "nima.h5", run / RATINGS_ALONE)
        checkpoints.enter(Stage.ORDER, epoch=0)
    order, scale = config.order, split.training.scale
    load_weights(model, run / RATINGS_ALONE)
    before = model.get_weights()
    digests = photos_without_ratings(photos, split, run)
    taught = _taught(run, digests, model, config)
    steps = -(-order.steps // _EPOCHS)
    position = checkpoints.position
    batches = GradedBatches(
        Known(split.training.paths, split.training.distributions),
        taught,
        scale,
        config.input_size,
        config.fit,
        order,
        config.seed,
        first=position.epoch * steps + position.step,
    )
    training = feed_graded(batches, steps)
    validation = feed_rated(*_only_rated(split.validation), config)
    # The model has been compiled for other stages, and Keras 3 would report their loss, too.
    plain = keras.Model(model.input, model.output)
    trained = keras.Model(model.input, InInference(plain)(model.input), name="ordering")
    backbone.trainable = True
    trained.compile(
        ordering_optimizer([backbone], head_of(model), order, steps * _EPOCHS),
        OrderLoss(scale.scores, order),
        metrics=[OrderedPairs(scale.scores)],
    )
    log = run / "order"
    with training, validation:
        resumable_fit(
            trained,
            training,
            checkpoints,
            epochs=_EPOCHS,
            validation=validation,
            callbacks=[
                ReturnTo(backbone.trainable_variables, order.anchor),
                LogLearningRates(["backbone_learning_rate", "head_learning_rate"]),
                ShowProgress(training, _EPOCHS, ("loss", "val_loss", "ordered_pairs")),
                *log_files(log),
            ],
        )
        after = model.get_weights()
        model.set_weights(
            [old + order.kept * (new - old) for old, new in zip(before, after, strict=True)]
        )
        final = trained.evaluate(
            validation.dataset, steps=validation.steps, verbose=0, return_dict=True
        )
    check_finite(final["loss"])
    last = read_log(log / "log.csv")[-1]
    metrics = {name: float(last[name]) for name in ("loss", "ordered_pairs")}
    return Ordered(
        metrics | {"val_loss": float(final["loss"])},
        {"bank": order.bank, "photos": len(digests), "sha256": _digest_of(digests)},
    )


class ReturnTo(keras.callbacks.Callback):
    """Moves variables back towards their present values after every step.

    By learning rate * rate of the distance, as decoupled weight decay does towards 0.

    Args:
        variables: the variables.
        rate: relative to the first learning rate of the optimizer.
    """

    def __init__(self, variables: list[tf.Variable], rate: float) -> None:
        super().__init__()
        self._rate = rate
        values = [tf.convert_to_tensor(variable) for variable in variables]

        @tf.function(autograph=False)
        def move(share: tf.Tensor) -> None:
            for variable, value in zip(variables, values, strict=True):
                variable.assign_add(share * (value - variable))

        self._move = move

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._rate:
            rate = learning_rates(self.model.optimizer)[0]
            self._move(tf.constant(rate * self._rate, tf.float32))


def _taught(
    run: Path, digests: dict[Path, str], model: keras.Model, config: FinetuneConfig
) -> Known:
    """Returns the photos without ratings with the model's distributions, computed once per run."""

    def teach() -> dict[str, np.ndarray]:
        predict = PhotoModel(model, config.network)
        rows = []
        with counting("scoring undistorted photos", len(digests)) as show:
            for done, path in enumerate(digests, start=1):
                photo = load_fitted(path, config.input_size, config.fit)
                rows.append(predict(np.stack([photo, photo[:, ::-1]])).mean(axis=0))
                show(done)
        return {"distributions": np.stack(rows).astype(np.float64)}

    stored = stored_arrays(run / _TAUGHT, list(digests.values()), teach)
    return Known(tuple(digests), stored["distributions"])


def _digest_of(digests: dict[Path, str]) -> str:
    """Returns a hash of the photos, whatever their order and names."""
    return hashlib.sha256("".join(sorted(digests.values())).encode()).hexdigest()


def _only_rated(ratings: Ratings) -> Examples:
    """Returns rated photos with targets of the form of `data.graded_batches`."""
    kinds = np.tile([float(Source.RATED), float(NO_GROUP), 0.0], (len(ratings), 1))
    return Examples(
        ratings.paths, np.concatenate([ratings.distributions, kinds], axis=1).astype(np.float32)
    )
