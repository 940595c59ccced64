"""The registry of pretext methods. A new method needs a file with its class, and a line here."""

from typing import Any

from nima_pretrain.config import NetworkConfig
from nima_pretrain.config.pretext import PretextConfig
from nima_pretrain.pretext.method import Method
from nima_pretrain.pretext.ranking import DistortionMethod
from nima_pretrain.pretext.rotnet import RotNet
from nima_pretrain.pretext.simclr import SimCLR

METHODS: dict[str, type[Method[Any]]] = {
    method.name: method for method in (DistortionMethod, RotNet, SimCLR)
}


def method_of(config: PretextConfig) -> Method[Any]:
    """Returns the method of a config."""
    return METHODS[config.method](config)


def method_of_card(network: NetworkConfig, card: dict[str, Any]) -> Method[Any]:
    """Returns the method of a pretext model's side-car.

    Args:
        network: network settings of the side-car.
        card: from `Method.card_fields`; `card["method"]` is the name.

    Raises:
        ValueError: there is no such method.
    """
    if card["method"] not in METHODS:
        known = ", ".join(METHODS)
        raise ValueError(f"there is no method {card['method']!r}; known methods: {known}")
    return METHODS[card["method"]].from_card(network, card)
