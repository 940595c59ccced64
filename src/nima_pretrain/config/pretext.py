"""Settings of the pretext methods, one class each, with the defaults of their papers."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from nima_pretrain.config.base import NetworkConfig, Seed, Share


def _known_tasks(tasks: str) -> str:
    if not re.fullmatch(_TASKS, tasks):
        raise ValueError(
            "expected ranking, then +classification or +regression or neither, then "
            "+cross_photo_ranking and +level_consistency or not"
        )
    return tasks


_TASKS = r"ranking(\+classification|\+regression)?(\+cross_photo_ranking)?(\+level_consistency)?"
Tasks = Annotated[str, AfterValidator(_known_tasks)]


def method_for_task(content: Any) -> Any:
    """Returns a config's content with version 0.1's key `task` renamed to `method`."""
    if not isinstance(content, dict) or "task" not in content:
        return content
    others = {key: value for key, value in content.items() if key != "task"}
    return {**others, "method": content["task"]}


class PretextConfig(NetworkConfig):
    """Settings shared by all methods."""

    method: str = Field(description="name of the method; each has a class of its own")
    photos_per_batch: int = Field(8, ge=1, description="photos of a batch, each in all its views")
    chunk_size: int | None = Field(
        12,
        ge=2,
        description="images in memory at once, and that batch-norm sees together; None: all",
    )
    batch_norm: Literal["train", "frozen"] = Field(
        "train", description="chunk statistics, or the fixed ones of the base weights"
    )
    epochs: int = Field(20, ge=1)
    kept_epoch: Literal["best", "last"] = Field(
        "best", description="weights to save: of the lowest validation loss, or of the end"
    )
    weight_decay: float = Field(4e-5, ge=0)
    freeze_backbone_steps: int = Field(0, ge=0, description="steps that train the heads alone")
    split: tuple[PositiveFloat, PositiveFloat, NonNegativeFloat] = Field(
        (100.0, 15.0, 15.0), description="proportions of training, validation and test photos"
    )
    seed: Seed = 0
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32", description="of the backbone; heads and losses are float32"
    )
    xla: bool = Field(False, description="whether XLA compiles the backbone")
    mirrored: bool = Field(False, description="whether all visible GPUs share each batch")
    num_workers: int | None = Field(None, ge=0, description="None: half the cores; 0: none")
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="time between checkpoints within an epoch; 0: every step"
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_task(cls, content: Any) -> Any:
        """Reads configs of version 0.1, which called the method `task`."""
        return method_for_task(content)


class PretrainConfig(PretextConfig):
    """Ranking distorted views, and classifying or regressing the distortion."""

    method: Literal["distortions"] = "distortions"
    bank: Literal["paper", "repaired"] = "paper"
    tasks: Tasks = "ranking+regression"
    series_per_photo: int | None = Field(
        None, ge=1, description="random series per photo and step; None: all"
    )
    smallest_window: float = Field(
        1.0,
        gt=0,
        le=1,
        description="sides of the random window of a photo that is distorted, as a fraction; "
        "1: the whole photo, as for validation",
    )
    mirror: bool = Field(False, description="whether half of the photos are mirrored first")
    margin: float = Field(0.2, ge=0, description="m of the ranking losses")
    temperature: float = Field(50.0, gt=0, description="T of the task balance")
    balance: Literal["exponential", "linear"] = Field(
        "exponential", description="loss of a task: exp(L / T), or L / T"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="before each head")
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    learning_rate: float = Field(1e-4, gt=0)
    schedule: Literal["exponential", "cosine"] = Field(
        "exponential", description="of the learning rate: a factor per epoch, or a cosine to 0"
    )
    learning_rate_decay: float = Field(
        0.98, gt=0, le=1, description="factor per epoch of the exponential schedule"
    )
    warmup_epochs: float = Field(
        0.0, ge=0, description="epochs in which the rate of the cosine schedule rises from 0"
    )
    clip_norm: float | None = Field(
        None, gt=0, description="largest norm of a step's gradient; None: any"
    )
    rho: float = Field(0.9, ge=0, lt=1, description="RMSProp's decay of squared gradients")
    momentum: float = Field(0.9, ge=0, lt=1, description="RMSProp's")

    @model_validator(mode="after")
    def _samples_known_series(self) -> "PretrainConfig":
        if self.series_per_photo and self.balance == "exponential":
            raise ValueError(
                "series_per_photo gives noisy losses, whose exponential is not that of all series "
                "on average: set balance to linear"
            )
        if self.warmup_epochs and self.schedule != "cosine":
            raise ValueError("warmup_epochs belong to the cosine schedule: set schedule to cosine")
        return self


class RotNetConfig(PretextConfig):
    """Rotation prediction (Gidaris, Singh and Komodakis, 2018), as in the authors' code."""

    method: Literal["rotnet"] = "rotnet"
    photos_per_batch: int = Field(
        192, ge=1, description="photos of a batch, each in four rotations"
    )
    chunk_size: int | None = Field(32, ge=2, description="images in memory at once; None: all")
    epochs: int = Field(50, ge=1)
    learning_rate: float | None = Field(
        None, gt=0, description="None: 0.1 for 192 photos a batch, in proportion for others"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov's")
    weight_decay: float = Field(5e-4, ge=0)
    drop_at: tuple[Share, ...] = Field(
        (0.3, 0.6, 0.9), description="fractions of the epochs after which the rate drops"
    )
    drop_factor: float = Field(0.2, gt=0, le=1)


class SimCLRConfig(PretextConfig):
    """Contrastive learning (Chen et al., 2020), with the defaults of its PyTorch version."""

    method: Literal["simclr"] = "simclr"
    photos_per_batch: int = Field(256, ge=2, description="photos of a batch, each in two views")
    chunk_size: int | None = Field(32, ge=2, description="images in memory at once; None: all")
    epochs: int = Field(200, ge=1)
    temperature: float = Field(0.5, gt=0, description="of the contrastive loss")
    smallest_crop: float = Field(0.08, gt=0, le=1, description="area, as a fraction of the photo")
    jitter_strength: float = Field(1.0, ge=0, le=2.5, description="of the color jitter")
    learning_rate: float | None = Field(
        None, gt=0, description="None: 3e-4 for 256 photos a batch, in proportion for others"
    )
    weight_decay: float = Field(1e-4, ge=0)


METHOD_CONFIGS: dict[str, type[PretextConfig]] = {
    "distortions": PretrainConfig,
    "rotnet": RotNetConfig,
    "simclr": SimCLRConfig,
}
