"""Settings of fine-tuning on human ratings."""

from typing import Literal

from pydantic import Field, model_validator

from nima_pretrain.config.base import HeadName, NetworkConfig, Seed
from nima_pretrain.config.order import OrderConfig


class FinetuneConfig(NetworkConfig):
    """Settings of NIMA training on human ratings: first the head alone, then the full network."""

    head: HeadName = Field("dense", description="one dense layer, or batch-norm and three")
    dropout: float = Field(0.75, ge=0, lt=1, description="before the last layer")
    head_start: Literal["random", "mean"] = Field(
        "mean", description="the head begins by predicting the mean of the training ratings"
    )
    batch_norm: Literal["train", "fixed"] = Field(
        "train",
        description="statistics of the batch, or always those of the start; only these are fixed",
    )
    batch_size: int = Field(96, ge=1)
    chunk_size: int | None = Field(
        None,
        ge=2,
        description="photos in memory at once, and that batch-norm sees together; None: the batch",
    )
    epochs: int = Field(200, ge=1, description="maximum; early stopping may end sooner")
    head_epochs: int | None = Field(
        None, ge=0, description="epochs of the head alone; None: until the first plateau"
    )
    head_learning_rate: float = Field(1e-3, gt=0)
    backbone_learning_rate: float = Field(1e-4, gt=0)
    free_head_learning_rate: float | None = Field(
        None, gt=0, description="of the head while everything is trained; None: unchanged"
    )
    learning_rate_decay: float = Field(
        0.0, ge=0, description="learning rates are divided by 1 + this * steps"
    )
    weight_decay: float = Field(4e-5, ge=0)
    min_delta: float = Field(
        1e-4, ge=0, description="smallest decrease of the EMD that counts as a gain"
    )
    plateau_patience: int | None = Field(
        5, ge=1, description="epochs without gain before learning rates fall; None: never"
    )
    learning_rate_factor: float = Field(
        0.5, gt=0, lt=1, description="of the learning rates on a plateau"
    )
    early_stopping_patience: int | None = Field(
        10, ge=1, description="epochs without gain before training ends; None: never"
    )
    flip: bool = Field(True, description="whether half of the photos are mirrored")
    crop_from: int | None = Field(
        None, ge=32, description="size before a random crop to input_size, pixels; None: no crop"
    )
    validation_fraction: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="fraction of the ratings held out where no validation ratings are given",
    )
    share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="fraction of the training ratings; smaller shares are subsets of larger ones",
    )
    order: OrderConfig = Field(
        OrderConfig(), description="the ordering stage, where photos without ratings are given"
    )
    seed: Seed = 0
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="time between checkpoints within an epoch; 0: every step"
    )

    @model_validator(mode="after")
    def _is_a_schedule(self) -> "FinetuneConfig":
        if self.head_epochs is None and self.plateau_patience is None:
            raise ValueError(
                "without plateau_patience nothing says when the backbone is set free: give "
                "head_epochs"
            )
        if self.learning_rate_decay and self.plateau_patience is not None:
            raise ValueError(
                "learning_rate_decay and plateau_patience both set the rates: give one of them"
            )
        if self.crop_from is not None and self.crop_from < self.input_size:
            raise ValueError(
                f"expected crop_from to be at least input_size ({self.input_size}), received "
                f"{self.crop_from}"
            )
        return self
