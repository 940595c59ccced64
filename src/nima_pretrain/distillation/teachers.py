"""Teachers: frozen object classifiers, features of all their stages, and a head.

A reconstruction from the abstract of Hou, Ding, Lin, Liu and Fang (2022), *Distilling Knowledge
from Object Classification to Aesthetics Assessment*. Their networks, layers and width of the head
are not known.
"""

import keras
import numpy as np

from nima_pretrain.config import DistillConfig, TeacherConfig
from nima_pretrain.distillation.objective import TeacherOutputs
from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.emd import earth_movers_distance
from nima_pretrain.networks.nima import FEATURE_LAYER, attach_head
from nima_pretrain.networks.optimizers import adam
from nima_pretrain.training.callbacks import KeepBest
from nima_pretrain.weights.store import load_base_weights


def load_teacher(config: TeacherConfig) -> keras.Model:
    """Returns a frozen classifier: photos (B, S, S, 3) uint8 RGB -> features of its stages (B, F).

    Raises:
        InputError: the weights are missing, cannot be downloaded or do not fit.
    """
    keras.utils.set_random_seed(0)  # makes a teacher without weights reproducible
    backbone = build_backbone(config.backbone, config.input_size, config.width)
    load_base_weights(backbone, config.weights, config)
    backbone.trainable = False
    return stage_features(backbone)


def stage_features(backbone: keras.Model) -> keras.Model:
    """Returns a model from photos to the pooled features of every stage, (B, F) float32.

    A stage comprises the layers of one resolution. Its features are the outputs of its last layer,
    averaged over the image. The features of all stages are concatenated, from fine to coarse.
    """
    coarsest = backbone.get_layer("features").input.shape[1]
    stages = {}
    for layer in backbone.layers:
        shape = layer.output.shape
        is_padding = isinstance(layer, keras.layers.ZeroPadding2D)
        # The photo itself has three channels; layers that squeeze channels to 1 x 1 are no stage.
        if len(shape) == 4 and shape[-1] > 3 and shape[1] >= coarsest and not is_padding:
            stages[shape[1]] = layer.output
    pooled = [
        keras.layers.GlobalAveragePooling2D(dtype="float32", name=f"stage_{size}")(output)
        for size, output in stages.items()
    ]
    features = keras.layers.Concatenate(dtype="float32", name="stages")(pooled)
    return keras.Model(backbone.input, features, name="teacher")


def build_teacher_head(
    num_features: int, num_bins: int, dropout: float, seed: int = 0
) -> keras.Model:
    """Returns a model from features of all teachers (B, F) to (p_T (B, n), f_T (B, 1024))."""
    features = keras.Input((num_features,), name="features")
    distribution = attach_head(features, num_bins, dropout, seed, "mlp")
    whole = keras.Model(features, distribution)
    return keras.Model(features, [distribution, whole.get_layer(FEATURE_LAYER).output])


def teach_head(
    features: np.ndarray,
    distributions: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    others: np.ndarray,
    config: DistillConfig,
) -> tuple[TeacherOutputs, dict[str, float]]:
    """Trains a teacher's head, and returns its outputs with the number of epochs and the loss.

    The weights of the epoch with the lowest validation loss are used.

    Args:
        features: (N, F) float32 of the training photos.
        distributions: (N, n) floats, their ratings; rows sum to 1.
        validation: features and distributions that choose the best epoch.
        others: (M, F) float32 of photos without ratings; M may be 0.
        config: settings of the training.

    Returns:
        The outputs for the N training photos, then for the M others; and `epochs` and `val_loss`.

    Raises:
        InputError: training diverged.
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
    )
    best: list[np.ndarray] = []

    def keep_weights(_: dict[str, float]) -> None:
        best[:] = trained.get_weights()

    # Keras 2 restores the best weights by itself only where patience runs out.
    keep = KeepBest(keep_weights)
    history = trained.fit(
        features,
        distributions.astype(np.float32),
        batch_size=config.teacher_batch_size,
        epochs=config.teacher_epochs,
        validation_data=(validation[0], validation[1].astype(np.float32)),
        callbacks=[stop, keep],
        verbose=0,
    ).history
    keep.check()
    trained.set_weights(best)
    outputs = head.predict(np.concatenate([features, others]), verbose=0)
    about = {"epochs": len(history["val_loss"]), "val_loss": keep.logs["val_loss"]}
    return TeacherOutputs(*outputs), about
