"""Settings of the ordering stage of fine-tuning."""

from typing import Literal

from pydantic import Field

from nima_pretrain.config.base import Config


class OrderConfig(Config):
    """Settings of the stage that teaches a NIMA model to score distorted views lower.

    A step takes a few series of distorted views, rated photos in two nearly identical copies, and
    pictures without content. Lengths on the score scale are fractions of its range.
    """

    bank: Literal["paper", "repaired"] = "paper"
    steps: int = Field(1500, ge=1)
    series_per_step: int = Field(4, ge=1, description="series of distorted views, each of a photo")
    rated_per_step: int = Field(8, ge=1, description="rated photos, each in two copies")
    blank_per_step: int = Field(2, ge=0, description="pictures without content")
    rated_share: float = Field(
        0.4, ge=0, le=1, description="of the series, those of rated photos instead of others"
    )
    smallest_window: float = Field(
        0.65, gt=0, le=1, description="sides of the window of a photo that is distorted"
    )
    technical_shift: float = Field(
        0.25, ge=0, description="how much lower the strongest level scores, as is every other shift"
    )
    style_shift: float = Field(0.25, ge=0)
    composition_shift: float = Field(0.08, ge=0)
    taught_weight: float = Field(1.5, ge=0, description="of the EMD to shifted distributions")
    order_weight: float = Field(1.5, ge=0, description="of the margin loss on pairs of a series")
    same_weight: float = Field(1.0, ge=0, description="of the difference between two copies")
    blank_weight: float = Field(0.5, ge=0, description="of the EMD of pictures without content")
    backbone_learning_rate: float = Field(1e-4, gt=0)
    head_learning_rate: float = Field(5e-4, gt=0)
    warmup_steps: int = Field(100, ge=0)
    clip_norm: float = Field(5.0, gt=0, description="largest norm of a gradient")
    anchor: float = Field(
        20.0, ge=0, description="rate at which weights return to those before the stage"
    )
    kept: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of the stage's change of the weights that is kept: less keeps more of "
        "the agreement with people, more puts more pairs in order",
    )
    num_workers: int | None = Field(None, ge=0, description="None: half the cores; 0: none")
