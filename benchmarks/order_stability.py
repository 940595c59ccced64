"""The stability of a scorer by the share of the ordering stage's change that it keeps.

Takes a run with the ordering stage, and photographs that its model has not seen. For several shares
of the change of the weights it prints how far scores move, in points, when a photo is cropped by
1 %, shifted by 4 pixels or mirrored; the percentage of photos whose score the strongest noise, blur
and exposure raise; and the largest percentile of a picture without content among the photos.

    python benchmarks/order_stability.py PHOTOS RUN --shares 0.5 0.7 1
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from order_tradeoff import scorers_by_share

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_photo
from nima_pretrain.distortions import get_bank
from nima_pretrain.distortions.geometry import fit_photo
from nima_pretrain.evaluation.stability import Score, blank_percentiles, invisible_changes

_DAMAGE = ("gaussian_noise_5", "defocus_blur_5", "exposure_3", "exposure_-3")
_CHANGES = ("cropped by 1 %", "shifted by 4 px", "mirrored")


def raised_by_damage(score: Score, of_photos: np.ndarray, damaged: np.ndarray) -> pd.Series:
    """Returns by damage the percentage of photos whose score it raises.

    Args:
        score: the scorer.
        of_photos: (N,) floats, scores of the undamaged photos.
        damaged: (N, D, S, S, 3) uint8 RGB, in the order of `_DAMAGE`.
    """
    scores = score(damaged.reshape(-1, *damaged.shape[2:])).reshape(damaged.shape[:2])
    return pd.Series(100 * (scores > of_photos[:, None]).mean(axis=0), _DAMAGE)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photographs unknown to the model")
    parser.add_argument("run", type=Path, help="a run of finetune with --photos")
    parser.add_argument("--shares", type=float, nargs="+", default=(0.0, 0.3, 0.5, 0.7, 1.0))
    arguments = parser.parse_args()
    import_tensorflow()
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import NimaCard

    network = read_side_car(arguments.run / "nima.h5", NimaCard).network
    size, fit = network.input_size, network.fit
    photos = [load_photo(path) for path in find_photos(arguments.photos)]
    originals = np.stack([fit_photo(photo, size, fit) for photo in photos])
    bank = get_bank("paper")
    views = [bank.view_names.index(name) for name in _DAMAGE]
    damaged = np.stack([bank.render(photo, size, 0, fit, views) for photo in photos])
    rows = {}
    for share, score in scorers_by_share(arguments.run, tuple(arguments.shares)):
        moves = invisible_changes(score, photos, size, fit).set_index("change")["mean"]
        of_photos = score(originals)
        blanks = blank_percentiles(score, of_photos, size, fit)
        rows[share] = {
            **moves[list(_CHANGES)],
            **raised_by_damage(score, of_photos, damaged),
            "largest percentile": blanks["percentile"].max(),
        }
    print(f"{len(photos)} photographs")
    print(pd.DataFrame(rows).T.rename_axis("share").to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
