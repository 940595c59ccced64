"""The base class of pretext methods, which train a network on photos without labels.

Each method is one file: its views, heads, loss layers, optimizer, learning rates and progress
metric. Its config is in `config.pretext`, and `methods.METHODS` lists it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import keras
import numpy as np
from PIL import Image

from nima_pretrain.config import NetworkConfig
from nima_pretrain.config.pretext import PretextConfig
from nima_pretrain.distortions import Views
from nima_pretrain.distortions.augmentations import NO_AUGMENTATION, Augmentation
from nima_pretrain.distortions.contact_sheet import view_rows
from nima_pretrain.networks.backbone import build_backbone, freeze_batch_norm
from nima_pretrain.pretext.model import Inputs, Predictions, PretextModel, Steps, assemble

# Number of photos in a picture of the views.
PHOTOS_SHOWN = 6

AnyConfig = TypeVar("AnyConfig", bound=PretextConfig)


class Progress(NamedTuple):
    """The progress metric that is shown beside the loss.

    Attributes:
        metric: its name in the log; a loss layer reports it.
        label: its name for readers.
    """

    metric: str
    label: str


class Method(ABC, Generic[AnyConfig]):
    """Base class of pretext methods.

    Attributes:
        name: its name in configs, side-cars and `--method`.
        config_class: class of its settings; `config.method` is the name.
        progress: the metric that is shown beside the loss.
        config: its settings.
        views: the views of a photo that the network takes.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[PretextConfig]]
    progress: ClassVar[Progress]

    views: Views

    def __init__(self, config: AnyConfig) -> None:
        self.config: AnyConfig = config

    @classmethod
    def from_card(cls, network: NetworkConfig, card: dict[str, Any]) -> "Method[AnyConfig]":
        """Returns the method described by a side-car.

        Args:
            network: network settings of the side-car.
            card: the fields of `card_fields`, as stored.
        """
        return cls(cls.config_class(**network.model_dump()))  # type: ignore[arg-type]

    @property
    def series_per_photo(self) -> int | None:
        """Number of random series of a bank per photo and training step; None for all views."""
        return None

    @property
    def augmentation(self) -> Augmentation:
        """Random change of a training photo before its views are rendered."""
        return NO_AUGMENTATION

    def card_fields(self) -> dict[str, Any]:
        """Returns the side-car's fields, besides the network, for rebuilding the model."""
        return {"method": self.name, "view_names": self.views.view_names}

    def build(self) -> PretextModel:
        """Returns the model with random weights."""
        config = self.config
        backbone = build_backbone(
            config.backbone, config.input_size, config.width, config.precision
        )
        if config.batch_norm == "frozen":
            freeze_batch_norm(backbone)
        return self.attach_heads(backbone)

    def draw(self, photos: Sequence[np.ndarray]) -> Image.Image:
        """Returns a picture of the views of the first photos, (H, W, 3) uint8 RGB each."""
        config = self.config
        rendered = [
            self.views.render(photo, config.input_size, (config.seed, number), config.fit)
            for number, photo in enumerate(photos[:PHOTOS_SHOWN])
        ]
        return view_rows(np.stack(rendered), self.views.view_names)

    def attach_heads(self, backbone: keras.Model) -> PretextModel:
        """Returns the model of a backbone and the method's heads; see `model.assemble`."""
        config = self.config
        steps = Steps(config.chunk_size, config.seed, config.xla)
        return assemble(backbone, self.views.num_views, self.heads, self.view_layers(), steps)

    def view_layers(self) -> dict[str, keras.layers.Layer]:
        """Returns layers that compute further inputs of the heads from the views, by name."""
        return {}

    @abstractmethod
    def heads(self, inputs: Inputs) -> Predictions:
        """Returns predictions by name, with their losses added by loss layers.

        Args:
            inputs: "features" (B, V, F) float32, and the outputs of `view_layers`.
        """

    @abstractmethod
    def optimizer(self) -> keras.optimizers.Optimizer:
        """Returns a new optimizer with the learning rate of the first epoch."""

    @abstractmethod
    def learning_rate(self, epoch: float) -> float:
        """Returns the learning rate after a number of epochs, fractions included."""
