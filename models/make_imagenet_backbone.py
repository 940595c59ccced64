"""Publishes Keras' ImageNet weights of MobileNetV2 as a bundled backbone, beside this file.

python models/make_imagenet_backbone.py 0.35 [weights_no_top.h5]
"""

import sys
import tempfile
from pathlib import Path

from nima_pretrain.config import NetworkConfig
from nima_pretrain.evaluation.publish import publish
from nima_pretrain.networks import build_backbone
from nima_pretrain.weights.side_car import BackboneCard
from nima_pretrain.weights.store import load_base_weights, save_weights

FOLDER = Path(__file__).parent / "MobileNetV2"


def main(width: float, weights: str = "imagenet") -> None:
    """Publishes the backbone of one width, from a downloaded file or by a download of Keras."""
    network = NetworkConfig(width=width)
    backbone = build_backbone(network.backbone, network.input_size, network.width)
    load_base_weights(backbone, weights, network)
    source = {
        "photos": "ImageNet ILSVRC 2012, 1.28 million, 1000 classes",
        "from": Path(weights).name,
    }
    card = BackboneCard(network=network, origin="imagenet", training_data=source)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(backbone, Path(folder) / "backbone.h5", card)
        for entry in publish(Path(folder), FOLDER):
            print(FOLDER / f"{entry.name}.h5")


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
