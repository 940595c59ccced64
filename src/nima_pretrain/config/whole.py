"""Configurations of several stages: the full pipeline, and a grid of runs."""

from pathlib import Path
from typing import Any

from pydantic import Field, create_model, model_validator

from nima_pretrain.config.base import Config, Name, NetworkConfig, Seed, Share
from nima_pretrain.config.distill import DistillConfig, TeachingConfig
from nima_pretrain.config.finetune import FinetuneConfig
from nima_pretrain.config.pretext import (
    METHOD_CONFIGS,
    PretextConfig,
    PretrainConfig,
    Tasks,
    method_for_task,
)

# The name of the evaluation of a grid's models on the test part.
TEST = "test"


class TrainConfig(Config):
    """The full pipeline: pretraining and fine-tuning of one network."""

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


_OTHER_METHODS = {name: kind for name, kind in METHOD_CONFIGS.items() if kind is not PretrainConfig}

# One field per method, named after it.
_Methods: Any = create_model(
    "_Methods",
    __base__=Config,
    **{name: (kind, kind(method=name)) for name, kind in _OTHER_METHODS.items()},  # type: ignore[call-overload]
)


class StartConfig(Config):
    """A start of the grid: an initialization of fine-tuning or distillation.

    It is a pretext task or method, or given weights.
    """

    tasks: Tasks | None = Field(None, description="pretrain from base_weights with these tasks")
    method: str | None = Field(None, description="pretrain by this other method")
    weights: str | None = Field(None, description="imagenet, none or the path of a .h5 file")
    distill: TeachingConfig | None = Field(None, description="distil instead of fine-tuning")
    unlabelled: Path | None = Field(None, description="photos without ratings for distillation")
    order_photos: Path | None = Field(
        None, description="photos without ratings for the ordering stage of fine-tuning"
    )
    shares: tuple[Share, ...] | None = Field(None, description="None: those of the grid")

    @model_validator(mode="after")
    def _one_of_both(self) -> "StartConfig":
        if [self.tasks, self.method, self.weights].count(None) != 2:
            raise ValueError("a start needs one of tasks, method and weights")
        if self.unlabelled and not self.distill:
            raise ValueError("unlabelled photos are for distillation: give distill, too")
        if self.distill and self.order_photos:
            raise ValueError("distillation has no ordering stage: give distill or order_photos")
        if self.method not in (None, *_OTHER_METHODS):
            known = ", ".join(_OTHER_METHODS)
            raise ValueError(f"expected a method of {known}, received {self.method!r}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _accept_task(cls, content: Any) -> Any:
        """Reads grids of version 0.1, which called the method `task`."""
        return method_for_task(content)


class ReproduceConfig(_Methods):
    """A grid of initializations, rating shares and seeds: the paper's Table 2, figures 3 and 5.

    The settings of every other pretext method have a field of the method's name.
    """

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
    photos: Path | None = Field(None, description="folder of photos for pretraining")
    photo_lists: tuple[Path, Path, Path] | None = Field(
        None, description="file lists of training, validation and test photos"
    )
    base_weights: str = Field("imagenet", description="initial weights of pretraining")
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
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="of fine-tuning")
    pretrain_per_seed: bool = Field(
        False, description="whether every seed has a pretraining of its own, with that seed"
    )
    probe: bool = Field(True, description="whether a ridge probe is part of the comparison")
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> "ReproduceConfig":
        if self.folds and self.lists:
            raise ValueError("folds and lists both split the ratings: give one of them")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"expected different seeds, received {list(self.seeds)}")
        if self.baseline not in self.starts:
            raise ValueError(
                f"expected the baseline to be one of {', '.join(self.starts)}, received "
                f"{self.baseline}"
            )
        largest = max(max(start.shares or self.shares) for start in self.starts.values())
        if largest not in (self.starts[self.baseline].shares or self.shares):
            raise ValueError(
                f"expected the baseline {self.baseline} to have the largest share of all, "
                f"{largest:g}: it is what the others are compared with"
            )
        if TEST in self.transfer:
            raise ValueError(f"{TEST!r} is the name of the test part: rename the transfer ratings")
        if self.photos is None and any(start.weights is None for start in self.starts.values()):
            raise ValueError("starts that are pretrained need photos to pretrain on")
        used = {name: self.pretext_of(start) for name, start in self.starts.items()}
        if any(pretext and pretext.network != self.finetune.network for pretext in used.values()):
            raise ValueError("all stages need the same network; --set width=0.35 sets all")
        return self

    def stage_of(self, start: StartConfig) -> FinetuneConfig:
        """Returns the fine-tuning or distillation settings of a start."""
        if start.distill is None:
            return self.finetune
        teaching = start.distill.model_dump()
        return DistillConfig(**{**self.finetune.model_dump(), "head": "mlp", **teaching})

    def pretext_of(self, start: StartConfig) -> PretextConfig | None:
        """Returns the pretraining settings of a start; None if it is not pretrained."""
        if start.tasks:
            return PretrainConfig(**{**self.pretrain.model_dump(), "tasks": start.tasks})
        return getattr(self, start.method) if start.method else None
