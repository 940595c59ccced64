"""Ranking distorted views, with distortion classification or regression (Pfister et al., 2021).

The views are those of a bank; the tasks with their heads and loss layers are in `tasks`.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from PIL import Image

from nima_pretrain.config import NetworkConfig
from nima_pretrain.config.pretext import PretrainConfig
from nima_pretrain.distortions import DistortionBank, get_bank
from nima_pretrain.distortions.augmentations import Augmentation
from nima_pretrain.distortions.contact_sheet import contact_sheet
from nima_pretrain.networks.optimizers import adam, rmsprop, with_loss_scale
from nima_pretrain.pretext.loss_layers import PairDifferences, UnitSeriesWeights
from nima_pretrain.pretext.method import Method, Progress
from nima_pretrain.pretext.model import Inputs, Predictions, PretextModel, Steps, assemble
from nima_pretrain.pretext.tasks import TASKS, Task


class DistortionMethod(Method[PretrainConfig]):
    """The tasks on distorted views, with RMSProp and a learning rate that decays every epoch."""

    name = "distortions"
    config_class = PretrainConfig
    progress = Progress("ordered_pairs", "pairs in order")

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__(config)
        self.bank = get_bank(config.bank)
        self.views = self.bank
        self.tasks = tuple(config.tasks.split("+"))

    @classmethod
    def from_card(cls, network: NetworkConfig, card: dict[str, Any]) -> "DistortionMethod":
        bank = get_bank(card["bank"] or "paper")
        method = cls(PretrainConfig.model_validate({**network.model_dump(), "bank": bank.name}))
        # Not by the config: weights may have heads for tasks that it does not train together.
        method.tasks = _known_tasks(card["tasks"])
        return method

    def card_fields(self) -> dict[str, Any]:
        return {**super().card_fields(), "bank": self.bank.name, "tasks": self.tasks}

    def heads(self, inputs: Inputs) -> Predictions:
        return attach_tasks([TASKS[name](self.bank, self.config) for name in self.tasks], inputs)

    def view_layers(self) -> dict[str, keras.layers.Layer]:
        layers = layers_for_void_pairs(self.bank)
        if self.config.series_per_photo:
            layers["series_weights"] = UnitSeriesWeights(self.bank, name="series_weights")
        return layers

    @property
    def series_per_photo(self) -> int | None:
        return self.config.series_per_photo

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(self.config.smallest_window, self.config.mirror)

    def optimizer(self) -> keras.optimizers.Optimizer:
        config = self.config
        # The rate of warming up the heads; later it follows the schedule.
        rate, decay, clip = config.learning_rate, config.weight_decay, config.clip_norm
        if config.optimizer == "adam":
            plain = adam(rate, decay, clip)
        else:
            plain = rmsprop(rate, config.rho, config.momentum, decay, clip)
        return with_loss_scale(plain, config.precision)

    def learning_rate(self, epoch: float) -> float:
        config = self.config
        if config.schedule == "exponential":
            return config.learning_rate * config.learning_rate_decay ** int(epoch)
        rise = min(1.0, epoch / config.warmup_epochs) if config.warmup_epochs else 1.0
        return config.learning_rate * rise * (1 + math.cos(math.pi * epoch / config.epochs)) / 2

    def draw(self, photos: Sequence[np.ndarray]) -> Image.Image:
        config = self.config
        views = self.bank.render(photos[0], config.input_size, config.seed, config.fit)
        return contact_sheet(views, self.bank)


def build_pretext_model(
    backbone: keras.Model,
    bank: DistortionBank,
    tasks: Sequence[str] = ("ranking", "regression"),
    dropout: float = 0.2,
    temperature: float = 50.0,
    margin: float = 0.2,
    chunk_size: int | None = 12,
    seed: int = 0,
    xla: bool = False,
) -> PretextModel:
    """Returns a model from views (B, V, S, S, 3) uint8 to a dict of predictions by task.

    Args:
        backbone: from `build_backbone`; shared, not copied.
        bank: the bank that renders the V views.
        tasks: names from `tasks.TASKS`.
        dropout: rate before each head.
        temperature: T of the balance between tasks.
        margin: m of the ranking losses.
        chunk_size: see `Steps`.
        seed: seed of shuffling images over chunks, and of dropout.
        xla: see `Steps`.

    Raises:
        ValueError: a task is unknown.
    """
    config = PretrainConfig(dropout=dropout, temperature=temperature, margin=margin, seed=seed)
    chosen = [TASKS[name](bank, config) for name in _known_tasks(tasks)]
    heads = partial(attach_tasks, chosen)
    steps = Steps(chunk_size, seed, xla)
    return assemble(backbone, bank.num_views, heads, layers_for_void_pairs(bank), steps)


def attach_tasks(tasks: Sequence[Task], inputs: Inputs) -> Predictions:
    """Returns the predictions of all tasks by name, attached in order; see `Task.attach`."""
    predictions: Predictions = {}
    for task in tasks:
        predictions |= task.attach(inputs, predictions)
    return predictions


def layers_for_void_pairs(bank: DistortionBank) -> dict[str, keras.layers.Layer]:
    """Returns the layer that detects void pairs, if the bank's losses ignore them; else none."""
    return (
        {"differences": PairDifferences(bank, name="differences")} if bank.drops_void_terms else {}
    )


def _known_tasks(tasks: Sequence[str]) -> tuple[str, ...]:
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise ValueError(f"Unknown tasks {unknown}. Known tasks: {', '.join(TASKS)}.")
    if not tasks or len(set(tasks)) < len(tasks):
        raise ValueError(f"Expected one or more different tasks, received {list(tasks)}.")
    for index, task in enumerate(tasks):
        if TASKS[task].predicts not in tasks[: index + 1]:
            raise ValueError(f"Expected ranking before {task}, received {list(tasks)}.")
    return tuple(tasks)
