"""The network of tests that train: where any will do, one that takes half the time of the default.

Most of a short training is spent on building graphs, so that layers count, not pixels or weights:
MobileNet has 27 convolutions, MobileNetV2 has 52.
"""

from nima_pretrain.config import NetworkConfig

SMALL = {"backbone": "MobileNet", "width": 0.25, "input_size": 32}
SMALL_NETWORK = NetworkConfig(**SMALL)
SMALL_SETTINGS = tuple(f"{key}={value}" for key, value in SMALL.items())  # after --set
