"""How to fine-tune on human ratings."""

from typing import Literal

from pydantic import Field, model_validator

from nima_pretrain.config.base import HeadName, NetworkConfig


class FinetuneConfig(NetworkConfig):
    """NIMA training on human ratings: the head alone first, then everything."""

    head: HeadName = Field("dense", description="one layer, or a normalised one of three")
    dropout: float = Field(0.75, ge=0, lt=1, description="before the last layer")
    head_start: Literal["random", "mean"] = Field(
        "mean", description="the head begins by predicting the mean of the training ratings"
    )
    batch_size: int = Field(96, ge=1)
    epochs: int = Field(200, ge=1, description="at most; early stopping ends sooner")
    head_epochs: int | None = Field(
        None, ge=0, description="epochs of the head alone; None: until the first plateau"
    )
    head_learning_rate: float = Field(1e-3, gt=0)
    backbone_learning_rate: float = Field(1e-4, gt=0)
    free_head_learning_rate: float | None = Field(
        None, gt=0, description="of the head once the backbone is free; None: as before"
    )
    learning_rate_decay: float = Field(
        0.0, ge=0, description="rates are divided by 1 + this * steps; Keras 2 called it decay"
    )
    weight_decay: float = Field(4e-5, ge=0)
    min_delta: float = Field(1e-4, ge=0, description="least gain in EMD that counts")
    plateau_patience: int | None = Field(
        5, ge=1, description="epochs without gain before rates fall; None: they never do"
    )
    learning_rate_factor: float = Field(0.5, gt=0, lt=1, description="on a plateau")
    early_stopping_patience: int | None = Field(
        10, ge=1, description="epochs without gain before training ends; None: it never does"
    )
    flip: bool = Field(True, description="whether half of the photos are mirrored")
    crop_from: int | None = Field(
        None, ge=32, description="size that random windows are cut from, pixels; None: no crop"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="of the ratings, where no others are given for validation"
    )
    share: float = Field(
        1.0, gt=0, le=1, description="of the training ratings; smaller shares lie in larger ones"
    )
    seed: int = Field(0, ge=0, lt=2**31)
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="at most so much work is lost when a run is killed; 0: every step"
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
