"""The networks that are trained, applied and saved; all are built by code.

`build_pretext_model` and `load_model` are defined in other packages and imported on first use.
"""

from importlib import import_module
from typing import Any

from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.nima import build_nima

_ELSEWHERE = {
    "build_pretext_model": "nima_pretrain.pretext.ranking",
    "load_model": "nima_pretrain.weights.store",
}

__all__ = ["build_backbone", "build_nima", "build_pretext_model", "load_model"]


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE[name]), name)
