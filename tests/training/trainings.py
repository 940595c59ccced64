"""Small trainings in one process: alone, or one of several workers. For test_several_workers.py.

Run with a folder of inputs and one for the runs. One process for all of them saves starts.

In a single step only the sums of gradients are rounded otherwise by workers than by one process:
3e-7 of the largest number of each. The next step starts from weights that differ by one rounding.
Batch-norm of such small photos magnifies it to 4e-5 of the features; a unit of ReLU6 may then turn
over, and change single gradients by a hundredth. So pretraining by ranking has one step here.

RMSProp and Adam divide a gradient by its size. Where it vanishes they step in the direction of its
rounding. So pretraining steps by SGD, in which a wrong gradient would still be a wrong step.
"""

import sys
from pathlib import Path
from typing import Any

from nima_pretrain.cli.console import start_logging
from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.config import FinetuneConfig, PretrainConfig
from nima_pretrain.config.pretext import SimCLRConfig

# From trained weights: with random ones features of small photos hardly differ, gradients vanish,
# and the optimizers scale up their rounding.
SMALL = {"width": 0.35, "input_size": 32, "fit": "squash", "seed": 1}
WEIGHTS = "bundled"
# The shares of three photos are one and two. Ranking makes one step, SimCLR two.
PRETEXT = {
    **SMALL,
    "num_workers": 0,
    "photos_per_batch": 3,
    "epochs": 1,
    "split": (3, 3, 0),
    "learning_rate": 1e-3,
}
SAMPLED = PretrainConfig(
    **PRETEXT | {"photos_per_batch": 6},
    chunk_size=48,
    series_per_photo=18,
    balance="linear",
    mirror=True,
    smallest_window=0.8,
)
CONTRASTIVE = SimCLRConfig(**PRETEXT | {"epochs": 2}, chunk_size=4)
# Nothing gains 9 points: two epochs of the head, then one of everything, with a new optimizer.
# Twenty photos end in a batch of one chunk, so that one worker has none. A chunk of one or two
# photos would have no variance, and Adam would scale the rounding of its vanishing gradients.
RATED = FinetuneConfig(
    **SMALL,
    batch_size=8,
    chunk_size=4,
    dropout=0.5,
    min_delta=9.0,
    plateau_patience=1,
    epochs=3,
)


def main(inputs: Path, runs: Path) -> None:
    """Runs all trainings."""
    start_logging()
    import_tensorflow()
    from nima_pretrain.networks.optimizers import nesterov
    from nima_pretrain.pretext.method import Method
    from nima_pretrain.pretext.methods import METHODS
    from nima_pretrain.training.finetune import finetune
    from nima_pretrain.training.pretrain import pretrain

    def by_sgd(self: Method[Any]) -> Any:
        return nesterov(self.config.learning_rate, momentum=0.9, weight_decay=0.0)

    photos, rated = inputs / "photos", inputs / "rated"
    configs = {"sampled": SAMPLED, "contrastive": CONTRASTIVE}
    for name, config in configs.items():
        METHODS[config.method].optimizer = by_sgd  # type: ignore[method-assign]
        pretrain(photos, runs / name, config=config, base_weights=WEIGHTS)
    ratings = rated / "ratings.csv"
    finetune(ratings, runs / "rated", images=rated, config=RATED, backbone=WEIGHTS)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
