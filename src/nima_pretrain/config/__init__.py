"""One frozen configuration per kind of run, read from JSON; a misspelt key is an error.

The defaults are the paper's values (Pfister, Kobs and Hotho, 2021) where it gives them.
"""

from nima_pretrain.config.base import BackboneName, Config, HeadName, NetworkConfig
from nima_pretrain.config.distill import DistillConfig, TeacherConfig, TeachingConfig
from nima_pretrain.config.finetune import FinetuneConfig
from nima_pretrain.config.loading import AnyConfig, load_config, load_stage
from nima_pretrain.config.pretext import (
    PRETEXT_CONFIGS,
    AnyPretextConfig,
    PretrainConfig,
    RotNetConfig,
    SimCLRConfig,
)
from nima_pretrain.config.whole import RatingsConfig, ReproduceConfig, StartConfig, TrainConfig

__all__ = [
    "PRETEXT_CONFIGS",
    "AnyConfig",
    "AnyPretextConfig",
    "BackboneName",
    "Config",
    "DistillConfig",
    "FinetuneConfig",
    "HeadName",
    "NetworkConfig",
    "PretrainConfig",
    "RatingsConfig",
    "ReproduceConfig",
    "RotNetConfig",
    "SimCLRConfig",
    "StartConfig",
    "TeacherConfig",
    "TeachingConfig",
    "TrainConfig",
    "load_config",
    "load_stage",
]
