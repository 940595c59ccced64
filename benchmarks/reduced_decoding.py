"""How far does a score move when a JPEG is decoded at a smaller scale?

Scores photos twice, decoded in full and as `predict` decodes them, and prints by how much the
scores differ, on a scale of ten. Each photo is taken as it is, enlarged, and as a mosaic of
photos in their own resolution, which has the fine detail that an enlarged photo lacks. The last
columns are what other margins than that of `data/photos.py` would have done.

    python benchmarks/reduced_decoding.py PHOTOS --weights nima.h5
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from nima_pretrain.data import photos
from nima_pretrain.data.finding import find_photos
from nima_pretrain.startup import import_tensorflow

_MOSAIC = (3840, 2880)
_BATCH = 32


def enlarged(files: Sequence[Path], megapixels: float) -> Iterator[Image.Image]:
    """Yields photos at so many megapixels, or as they are where that is more already."""
    for file in files:
        image = Image.fromarray(photos.load_photo(file))
        factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        if factor > 1:
            size = (round(image.width * factor), round(image.height * factor))
            image = image.resize(size, Image.Resampling.LANCZOS)
        yield image


def mosaics(files: Sequence[Path]) -> Iterator[Image.Image]:
    """Yields pictures of 11 megapixels, each of dozens of photos side by side."""
    rest = list(files)
    while rest:
        mosaic = Image.new("RGB", _MOSAIC)
        for top in range(0, _MOSAIC[1], 480):
            for left in range(0, _MOSAIC[0], 480):
                tile = Image.fromarray(photos.load_photo(rest[(top + left) // 480 % len(rest)]))
                mosaic.paste(tile.crop((0, 0, 480, 480)), (left, top))
        yield mosaic
        rest = rest[8:]


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take every n-th photo")
    arguments = parser.parse_args()
    import_tensorflow()
    from nima_pretrain.distortions.geometry import fit_photo
    from nima_pretrain.metrics import mean_score
    from nima_pretrain.networks.weights import load_model, read_side_car

    side_car = read_side_car(arguments.weights, "nima")
    network, scale = side_car.network, side_car.score_scale
    model = load_model(arguments.weights)
    to_ten = 9 / (scale.scores[-1] - scale.scores[0])

    def scores(batch: list[np.ndarray]) -> np.ndarray:
        return to_ten * mean_score(model.predict_on_batch(np.stack(batch)), scale)

    def decoded(file: io.BytesIO, margin: int | None) -> np.ndarray:
        with Image.open(file) as image:
            drafted = None
            if margin:
                smallest = margin * network.input_size
                drafted = image.draft(image.mode, (smallest, smallest))
            box = drafted[1] if drafted else None
            return fit_photo(np.asarray(image), network.input_size, network.fit, box)

    files = find_photos(arguments.photos)[:: arguments.every]
    few = files[::4]
    print(f"{network.backbone} {network.width:g}, {network.input_size} px, {network.fit}, {scale}")
    print("photos                number  difference: mean    p99    max | max with margin 1, 2, 4")
    for name, images in (
        ("as they are", enlarged(files, 0)),
        ("enlarged to 3 MP", enlarged(few, 3)),
        ("enlarged to 12 MP", enlarged(few, 12)),
        ("enlarged to 24 MP", enlarged(few[::4], 24)),
        ("mosaics of 11 MP", mosaics(files)),
    ):
        margins = (None, photos.REDUCED_TO, 1, 2, 4)
        by_margin: dict[int | None, list[np.ndarray]] = {margin: [] for margin in margins}
        for image in images:
            file = io.BytesIO()
            image.save(file, "JPEG", quality=90)
            for margin, batch in by_margin.items():
                file.seek(0)
                batch.append(decoded(file, margin))
        of = {
            margin: np.concatenate(
                [scores(batch[i : i + _BATCH]) for i in range(0, len(batch), _BATCH)]
            )
            for margin, batch in by_margin.items()
        }
        moved = {margin: np.abs(values - of[None]) for margin, values in of.items() if margin}
        ours = moved[photos.REDUCED_TO]
        others = "  ".join(f"{moved[margin].max():.3f}" for margin in (1, 2, 4))
        print(
            f"{name:22}{len(ours):6}{ours.mean():18.4f}{np.quantile(ours, 0.99):7.4f}"
            f"{ours.max():7.4f} | {others}",
            flush=True,
        )


if __name__ == "__main__":
    main()
