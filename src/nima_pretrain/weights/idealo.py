"""Support of the weights of idealo's Image Quality Assessment.

Its `.hdf5` files have no description, and MobileNet is the network of all published ones. They are
recognized by their layers: those of MobileNet, and one dense layer.
"""

import re
from pathlib import Path

import h5py

from nima_pretrain.config import NetworkConfig
from nima_pretrain.weights.h5_layers import open_layers
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig, sha256_of

_FIRST_KERNELS = 32  # of MobileNet at width 1


def side_car_of(path: Path) -> NimaCard | None:
    """Returns a side-car for a weights file of idealo's structure; None for other files.

    idealo squashes photos to 224 x 224 pixels; its scores are 1, 2, .. n.
    """
    try:
        with open_layers(path) as layers:
            head = _head(layers)
            if head is None:
                return None
            bins = layers[head][1].size
            width = layers["conv1"][0].shape[-1] / _FIRST_KERNELS
        network = NetworkConfig(backbone="MobileNet", width=width, input_size=224, fit="squash")
        scale = ScaleConfig(bins=bins, low=1, high=bins)
    except (ValueError, OSError, IndexError):  # among them a width or a number of bins of no model
        return None
    return NimaCard(
        network=network,
        scale=scale,
        sha256=sha256_of(path),
        training_data={"source": "idealo's structure; the file does not say more"},
    )


def layer_names(path: Path) -> dict[str, str]:
    """Returns this package's layer names by those of idealo, where they differ."""
    with open_layers(path) as layers:
        head = _head(layers)
    return {head: "head"} if head else {}


def _head(layers: dict[str, list[h5py.Dataset]]) -> str | None:
    """Returns the name of the dense layer; None if the other layers are not MobileNet's."""
    dense = [name for name in layers if re.fullmatch(r"dense(_\d+)?", name)]
    is_mobilenet = {"conv1", "conv_dw_1", "conv_pw_13"} <= layers.keys()
    return dense[0] if is_mobilenet and len(dense) == 1 else None
