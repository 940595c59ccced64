"""Networks built by code; whatever is trained, scored or saved is one of these.

`build_pretext_model` and `load_model` live in packages above this one and are looked up on use.
"""

from importlib import import_module
from typing import Any

from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.nima import build_nima

_ELSEWHERE = {
    "build_pretext_model": "nima_pretrain.pretext.model",
    "load_model": "nima_pretrain.weights.store",
}

__all__ = ["build_backbone", "build_nima", "build_pretext_model", "load_model"]


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE[name]), name)
