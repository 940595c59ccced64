"""The pretext model: one backbone on all views, one head and loss for each task."""

from collections.abc import Sequence

import keras

from nima_pretrain.distortions import DistortionBank
from nima_pretrain.layers import BackboneOnViews, Fingerprints
from nima_pretrain.tasks import TASKS


def build_pretext_model(
    backbone: keras.Model,
    bank: DistortionBank,
    tasks: Sequence[str] = ("ranking", "regression"),
    dropout: float = 0.2,
    temperature: float = 50.0,
    margin: float = 0.2,
) -> keras.Model:
    """Returns a model from views (B, V, S, S, 3) uint8 to a dict of predictions by task.

    Its losses are inside: compile it with an optimiser alone and fit it on views alone.

    Args:
        backbone: from `build_backbone`; it is trained in place.
        bank: says what the V views are.
        tasks: names from `tasks.TASKS`.
        dropout: rate before each head.
        temperature: T of the balance between tasks.
        margin: m of the ranking loss.

    Raises:
        ValueError: a task is not known.
    """
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise ValueError(f"Unknown tasks {unknown}. Known tasks: {', '.join(TASKS)}.")
    size = backbone.input_shape[1]
    views = keras.Input((bank.num_views, size, size, 3), dtype="uint8", name="views")
    features = BackboneOnViews(backbone, name="backbone_on_views")(views)
    fingerprints = Fingerprints(name="fingerprints")(views) if bank.drops_void_terms else None
    predictions = {
        name: TASKS[name](bank, dropout, temperature, margin).attach(features, fingerprints)
        for name in tasks
    }
    return keras.Model(views, predictions, name="pretext")
