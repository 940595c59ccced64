"""One frozen configuration per kind of run, read from JSON; a misspelt key is an error.

The defaults are the paper's values (Pfister, Kobs and Hotho, 2021) where it gives them.
The methods to compare with have theirs in `config.pretext`.
"""

from nima_pretrain.config.base import BackboneName, Config, HeadName, NetworkConfig
from nima_pretrain.config.distill import DistillConfig, TeacherConfig, TeachingConfig
from nima_pretrain.config.finetune import FinetuneConfig
from nima_pretrain.config.loading import AnyConfig, load_config, load_stage, method_named_in
from nima_pretrain.config.order import OrderConfig
from nima_pretrain.config.pretext import METHOD_CONFIGS, PretextConfig, PretrainConfig
from nima_pretrain.config.whole import RatingsConfig, ReproduceConfig, StartConfig, TrainConfig

__all__ = [
    "METHOD_CONFIGS",
    "AnyConfig",
    "BackboneName",
    "Config",
    "DistillConfig",
    "FinetuneConfig",
    "HeadName",
    "NetworkConfig",
    "OrderConfig",
    "PretextConfig",
    "PretrainConfig",
    "RatingsConfig",
    "ReproduceConfig",
    "StartConfig",
    "TeacherConfig",
    "TeachingConfig",
    "TrainConfig",
    "load_config",
    "load_stage",
    "method_named_in",
]
