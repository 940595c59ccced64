"""Self-supervised pretraining, fine-tuning and scoring for image aesthetics.

The public functions, one for most commands, are imported on first use. So importing the package is
fast, and TensorFlow is imported only by functions that need it.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

__version__ = "0.2.0"

_FUNCTIONS = {
    "benchmark": "prediction.benchmark.benchmark",
    "check_data": "evaluation.check_data.check_data",
    "compare": "reproduction.runs.compare",
    "cull": "library.cull.cull",
    "distill": "distillation.distill.distill",
    "evaluate": "evaluation.evaluate.evaluate",
    "find_groups": "prediction.grouping.find_groups",
    "export": "exporting.export.export",
    "finetune": "training.finetune.finetune",
    "get_bank": "distortions.paper.get_bank",
    "load_scorer": "prediction.scorer.load_scorer",
    "merge": "prediction.merging.merge",
    "predict": "prediction.predict.predict",
    "pretrain": "training.pretrain.pretrain",
    "reproduce": "reproduction.reproduce.reproduce",
    "stars": "library.stars.stars",
    "study": "evaluation.study.study",
    "taste": "library.taste.taste",
    "train": "training.pipeline.train",
    "undo_stars": "library.undo.undo_stars",
}


def __getattr__(name: str) -> _Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, function = _FUNCTIONS[name].rpartition(".")
    return getattr(_import_module(f"{__name__}.{module}"), function)


def __dir__() -> list[str]:
    return ["__version__", *_FUNCTIONS]
