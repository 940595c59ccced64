"""The teacher's head: it learns the ratings from features of frozen classifiers."""

import keras
import numpy as np

from nima_pretrain.config import DistillConfig
from nima_pretrain.distillation.objective import Lessons
from nima_pretrain.distillation.teachers import build_teacher_head
from nima_pretrain.losses import earth_movers_distance
from nima_pretrain.networks.optimizers import adam


def teach(
    features: np.ndarray,
    distributions: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    others: np.ndarray,
    config: DistillConfig,
) -> tuple[Lessons, dict[str, float]]:
    """Trains a head, and returns what it says of all photos to learn from, and how good it is.

    The epoch with the lowest validation loss counts.

    Args:
        features: (N, F) float32 of the training photos.
        distributions: (N, n) of their ratings.
        validation: features and distributions that choose the epoch.
        others: (M, F) float32 of photos without ratings; M may be 0.
        config: how to train it.

    Returns:
        The lessons of the N photos, then of the M others; epochs and validation loss.
    """
    keras.utils.set_random_seed(config.seed)
    num_features, num_bins = features.shape[1], distributions.shape[1]
    head = build_teacher_head(num_features, num_bins, config.teacher_dropout, config.seed)
    trained = keras.Model(head.input, head.outputs[0])
    trained.compile(
        adam(config.teacher_learning_rate, config.weight_decay), loss=earth_movers_distance
    )
    stop = keras.callbacks.EarlyStopping(
        "val_loss",
        min_delta=config.min_delta,
        patience=config.teacher_patience,
        restore_best_weights=True,
    )
    history = trained.fit(
        features,
        distributions.astype(np.float32),
        batch_size=config.teacher_batch_size,
        epochs=config.teacher_epochs,
        validation_data=(validation[0], validation[1].astype(np.float32)),
        callbacks=[stop],
        verbose=0,
    ).history
    said = head.predict(np.concatenate([features, others]), verbose=0)
    about = {"epochs": len(history["val_loss"]), "val_loss": float(min(history["val_loss"]))}
    return Lessons(*said), about
