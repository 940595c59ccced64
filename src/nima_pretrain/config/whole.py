"""More than one stage: the whole road, and a grid of them."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from nima_pretrain.config.base import Config, Name, NetworkConfig, Share
from nima_pretrain.config.distill import DistillConfig, TeachingConfig
from nima_pretrain.config.finetune import FinetuneConfig
from nima_pretrain.config.pretext import (
    AnyPretextConfig,
    PretrainConfig,
    RotNetConfig,
    SimCLRConfig,
    Tasks,
)


class TrainConfig(Config):
    """The whole road: both stages, on one network."""

    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="after")
    def _one_network(self) -> "TrainConfig":
        for key in NetworkConfig.model_fields:
            first, second = getattr(self.pretrain, key), getattr(self.finetune, key)
            if first != second:
                raise ValueError(
                    f"both stages need the same {key}, received {first!r} for pretrain and "
                    f"{second!r} for finetune; --set {key}=VALUE sets both"
                )
        return self


class RatingsConfig(Config):
    """Ratings and their images; paths are relative to the working directory."""

    ratings: Path
    images: Path
    scale: str | None = Field(None, description="LOW:HIGH or LOW:HIGH:BINS, where needed")


class StartConfig(Config):
    """What fine-tuning starts from: pretraining, or weights as they are."""

    tasks: Tasks | None = Field(None, description="pretrain from base_weights with these tasks")
    task: Literal["rotnet", "simclr"] | None = Field(None, description="or with this one")
    weights: str | None = Field(None, description="imagenet, none or the path of a .h5 file")
    distill: TeachingConfig | None = Field(None, description="not fine-tuned, but taught")
    unlabelled: Path | None = Field(None, description="photos without ratings, to be taught with")
    shares: tuple[Share, ...] | None = Field(None, description="None: those of the grid")

    @model_validator(mode="after")
    def _one_of_both(self) -> "StartConfig":
        if [self.tasks, self.task, self.weights].count(None) != 2:
            raise ValueError("a start needs one of tasks, task and weights")
        return self


class ReproduceConfig(Config):
    """A grid of starts, shares of the ratings and seeds: the paper's Table 2, figures 3 and 5."""

    data: RatingsConfig
    folds: Path | None = Field(
        None, description="CSV image_id,fold; each is tested once, the next one chooses the epoch"
    )
    lists: tuple[Path, Path, Path] | None = Field(
        None, description="file lists of training, validation and test, where no column says it"
    )
    transfer: dict[Name, RatingsConfig] = Field(
        {}, description="other ratings to evaluate every model on, such as TID2013"
    )
    photos: Path | None = Field(None, description="to pretrain on")
    photo_lists: tuple[Path, Path, Path] | None = Field(
        None, description="file lists of training, validation and test photos"
    )
    base_weights: str = Field("imagenet", description="what pretraining starts from")
    starts: dict[Name, StartConfig] = Field(
        {
            "ImageNet": StartConfig(weights="imagenet"),
            "ranking": StartConfig(tasks="ranking"),
            "ranking+classification": StartConfig(tasks="ranking+classification"),
            "ranking+regression": StartConfig(tasks="ranking+regression"),
        }
    )
    baseline: str = "ImageNet"
    shares: tuple[Share, ...] = Field((1.0,), min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="of fine-tuning")
    probe: bool = Field(True, description="whether a ridge probe is part of the comparison")
    pretrain: PretrainConfig = PretrainConfig()
    rotnet: RotNetConfig = RotNetConfig()
    simclr: SimCLRConfig = SimCLRConfig()
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> "ReproduceConfig":
        if self.folds and self.lists:
            raise ValueError("folds and lists both split the ratings: give one of them")
        if self.baseline not in self.starts:
            raise ValueError(
                f"expected the baseline to be one of {', '.join(self.starts)}, received "
                f"{self.baseline}"
            )
        if self.photos is None and any(start.weights is None for start in self.starts.values()):
            raise ValueError("starts that are pretrained need photos to pretrain on")
        used = {name: self.pretext_of(start) for name, start in self.starts.items()}
        if any(pretext and pretext.network != self.finetune.network for pretext in used.values()):
            raise ValueError("all stages need the same network; --set width=0.35 sets all")
        return self

    def stage_of(self, start: StartConfig) -> FinetuneConfig:
        """Returns how a model of human ratings is made from a start."""
        if start.distill is None:
            return self.finetune
        teaching = start.distill.model_dump()
        return DistillConfig(**{**self.finetune.model_dump(), "head": "mlp", **teaching})

    def pretext_of(self, start: StartConfig) -> AnyPretextConfig | None:
        """Returns how a start is pretrained; None if it is not."""
        if start.tasks:
            return PretrainConfig(**{**self.pretrain.model_dump(), "tasks": start.tasks})
        if start.task == "rotnet":
            return self.rotnet
        return self.simclr if start.task else None
