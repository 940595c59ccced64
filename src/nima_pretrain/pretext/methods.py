"""What kinds of pretraining differ in: their views, models, optimisers and schedules."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import keras
import numpy as np
from PIL import Image

from nima_pretrain.config import AnyPretextConfig, PretrainConfig, RotNetConfig, SimCLRConfig
from nima_pretrain.distortions import AugmentedPair, DistortionBank, Rotations, Views, get_bank
from nima_pretrain.distortions.contact_sheet import contact_sheet, view_rows
from nima_pretrain.networks.backbone import build_backbone, freeze_batch_norm
from nima_pretrain.networks.optimizers import adam, nesterov, rmsprop, with_loss_scale
from nima_pretrain.pretext.model import (
    PretextModel,
    build_pretext_model,
    build_rotnet,
    build_simclr,
)

PHOTOS_SHOWN = 6

OneConfig = TypeVar("OneConfig", PretrainConfig, RotNetConfig, SimCLRConfig)


class Pretext(ABC, Generic[OneConfig]):
    """One kind of pretraining.

    Attributes:
        config: what to train and how.
        views: what the network is shown of a photo.
        tasks: what the side-car calls the heads.
        accuracy: the metric that a person wants to see beside the loss.
    """

    views: Views
    tasks: tuple[str, ...]
    accuracy: str

    def __init__(self, config: OneConfig) -> None:
        self.config: OneConfig = config

    def build(self) -> PretextModel:
        """Returns the model, its weights random."""
        config = self.config
        backbone = build_backbone(
            config.backbone, config.input_size, config.width, config.precision
        )
        if config.batch_norm == "frozen":
            freeze_batch_norm(backbone)
        return self._model(backbone)

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Returns a fresh optimiser, at the rate of the first epoch."""
        return with_loss_scale(self._optimizer(self.rate_of(0)), self.config.precision)

    def draw(self, photos: Sequence[np.ndarray]) -> Image.Image:
        """Returns a picture of what the network is shown of some photos."""
        config = self.config
        rendered = [
            self.views.render(photo, config.input_size, (config.seed, number), config.fit)
            for number, photo in enumerate(photos[:PHOTOS_SHOWN])
        ]
        return view_rows(np.stack(rendered), self.views.view_names)

    def about_views(self) -> dict[str, Any]:
        """Returns what the side-car of the model says of its views."""
        return {}

    @abstractmethod
    def rate_of(self, epoch: int) -> float:
        """Returns the learning rate of an epoch, counted from 0."""

    @abstractmethod
    def _model(self, backbone: keras.Model) -> PretextModel: ...

    @abstractmethod
    def _optimizer(self, learning_rate: float) -> keras.optimizers.Optimizer: ...


class DistortionPretext(Pretext[PretrainConfig]):
    """The tasks on distorted views (Pfister, Kobs and Hotho, 2021)."""

    accuracy = "ordered_pairs"

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__(config)
        self.bank: DistortionBank = get_bank(config.bank)
        self.views = self.bank
        self.tasks = tuple(config.tasks.split("+"))

    def draw(self, photos: Sequence[np.ndarray]) -> Image.Image:
        config = self.config
        views = self.bank.render(photos[0], config.input_size, config.seed, config.fit)
        return contact_sheet(views, self.bank)

    def about_views(self) -> dict[str, Any]:
        return {"bank": self.bank.name, "view_names": self.bank.view_names}

    def rate_of(self, epoch: int) -> float:
        return self.config.learning_rate * self.config.learning_rate_decay**epoch

    def _model(self, backbone: keras.Model) -> PretextModel:
        config = self.config
        return build_pretext_model(
            backbone,
            self.bank,
            self.tasks,
            config.dropout,
            config.temperature,
            config.margin,
            config.chunk_size,
            config.seed,
            config.xla,
        )

    def _optimizer(self, learning_rate: float) -> keras.optimizers.Optimizer:
        config = self.config
        return rmsprop(learning_rate, config.rho, config.momentum, config.weight_decay)


class RotNetPretext(Pretext[RotNetConfig]):
    """Naming the rotation; rates and drops as in the code of Gidaris, Singh and Komodakis (2018).

    Theirs is 0.1 at 192 photos in four rotations a batch, and falls to a fifth three times.
    """

    views = Rotations()
    tasks = ("rotnet",)
    accuracy = "rotation_accuracy"

    def rate_of(self, epoch: int) -> float:
        config = self.config
        first = config.learning_rate or 0.1 * config.photos_per_batch / 192
        drops = sum(epoch >= round(share * config.epochs) for share in config.drop_at)
        return first * config.drop_factor**drops

    def _model(self, backbone: keras.Model) -> PretextModel:
        config = self.config
        return build_rotnet(backbone, config.chunk_size, config.seed, config.xla)

    def _optimizer(self, learning_rate: float) -> keras.optimizers.Optimizer:
        return nesterov(learning_rate, self.config.momentum, self.config.weight_decay)


class SimCLRPretext(Pretext[SimCLRConfig]):
    """Finding the other view (Chen, Kornblith, Norouzi and Hinton, 2020).

    Adam at 3e-4 for 256 photos a batch, along half a cosine, as the PyTorch version that the paper
    on distorted views compared itself with.
    """

    tasks = ("simclr",)
    accuracy = "partner_accuracy"

    def __init__(self, config: SimCLRConfig) -> None:
        super().__init__(config)
        self.views = AugmentedPair(config.smallest_crop, config.jitter_strength)

    def rate_of(self, epoch: int) -> float:
        config = self.config
        first = config.learning_rate or 3e-4 * config.photos_per_batch / 256
        return first * (1 + math.cos(math.pi * epoch / config.epochs)) / 2

    def _model(self, backbone: keras.Model) -> PretextModel:
        config = self.config
        return build_simclr(
            backbone, config.temperature, config.chunk_size, config.seed, config.xla
        )

    def _optimizer(self, learning_rate: float) -> keras.optimizers.Optimizer:
        return adam(learning_rate, self.config.weight_decay)


def pretext_of(config: AnyPretextConfig) -> Pretext[Any]:
    """Returns the kind of pretraining that a config is for."""
    if isinstance(config, RotNetConfig):
        return RotNetPretext(config)
    if isinstance(config, SimCLRConfig):
        return SimCLRPretext(config)
    return DistortionPretext(config)
