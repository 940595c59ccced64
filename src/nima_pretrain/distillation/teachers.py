"""Frozen object classifiers as teachers: features of all their stages, and a head that rates.

A reconstruction after the abstract of Hou, Ding, Lin, Liu and Fang (2022), *Distilling Knowledge
from Object Classification to Aesthetics Assessment*: which networks, which layers and how wide the
head is are not known.
"""

import keras

from nima_pretrain.config import TeacherConfig
from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.nima import FEATURE_LAYER, attach_head
from nima_pretrain.weights.store import load_base_weights


def load_teacher(config: TeacherConfig) -> keras.Model:
    """Returns a frozen classifier: photos (B, S, S, 3) uint8 -> features of its stages (B, F).

    Raises:
        InputError: the weights cannot be had or do not fit.
    """
    keras.utils.set_random_seed(0)  # so that one without weights is the same every time
    backbone = build_backbone(config.backbone, config.input_size, config.width)
    load_base_weights(backbone, config.weights, config)
    backbone.trainable = False
    return stage_features(backbone)


def stage_features(backbone: keras.Model) -> keras.Model:
    """Returns a model from photos to the pooled features of every stage, (B, F) float32.

    A stage is all that is computed at one resolution, and its features are what its last layer
    says, averaged over the picture; those of stages side by side, from fine to coarse.
    """
    coarsest = backbone.get_layer("features").input.shape[1]
    stages = {}
    for layer in backbone.layers:
        shape = layer.output.shape
        is_padding = isinstance(layer, keras.layers.ZeroPadding2D)
        # The photo itself has three channels; what squeezes channels to single numbers is no stage.
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
