"""Models, built by code, and their weights."""

from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.nima import build_nima
from nima_pretrain.networks.pretext import build_pretext_model
from nima_pretrain.networks.weights import load_model

__all__ = ["build_backbone", "build_nima", "build_pretext_model", "load_model"]
