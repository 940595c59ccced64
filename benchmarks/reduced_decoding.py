"""The change of a score when a JPEG is decoded at a smaller scale.

Scores photos twice, decoded in full and as `predict` decodes them, and prints by how much the
scores differ, on a scale of ten. Each photo is taken as it is, enlarged, and as a mosaic of
photos in their own resolution, which has the fine detail that an enlarged photo lacks. The last
columns are what other margins than that of `data/photos.py` would have done. The last rows are the
photos as they are, with some of the values that the network sees one grey level off, at random: no
decoding but the very same can be expected to move scores by less.

    python benchmarks/reduced_decoding.py PHOTOS --weights nima.h5
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.data import photos
from nima_pretrain.data.finding import find_photos

_MOSAIC = (3840, 2880)
_BATCH = 32
_OFF_BY_ONE = (0.02, 0.05)


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


def off_by_one(pixels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Returns uint8 pixels with a share of the values one level higher or lower."""
    change = rng.choice([-1, 0, 1], pixels.shape, p=[share / 2, 1 - share, share / 2])
    return np.clip(pixels + change, 0, 255).astype(np.uint8)


def row(name: str, moved: np.ndarray) -> str:
    """Returns the first columns: the changes of the scores."""
    quantile = np.quantile(moved, 0.99)
    return f"{name:32}{len(moved):6}{moved.mean():18.4f}{quantile:7.4f}{moved.max():7.4f}"


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
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import NimaCard
    from nima_pretrain.weights.store import load_model

    side_car = read_side_car(arguments.weights, NimaCard)
    network, scale = side_car.network, side_car.score_scale
    model = load_model(arguments.weights)
    to_ten = 9 / (scale.scores[-1] - scale.scores[0])

    def scores(images: list[np.ndarray]) -> np.ndarray:
        batches = [np.stack(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)]
        distributions = np.concatenate([model.predict_on_batch(batch) for batch in batches])
        return to_ten * mean_score(distributions, scale.scores)

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
    print(f"{'photos':32}number  difference: mean    p99    max | max with margin 1, 2, 4")
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
        of = {margin: scores(batch) for margin, batch in by_margin.items()}
        moved = {margin: np.abs(values - of[None]) for margin, values in of.items() if margin}
        others = "  ".join(f"{moved[margin].max():.3f}" for margin in (1, 2, 4))
        print(f"{row(name, moved[photos.REDUCED_TO])} | {others}", flush=True)
    exact = [photos.load_photo(file) for file in files]
    exact = [fit_photo(photo, network.input_size, network.fit) for photo in exact]
    rng = np.random.default_rng(0)
    for share in _OFF_BY_ONE:
        moved_by = np.abs(scores([off_by_one(x, share, rng) for x in exact]) - scores(exact))
        print(row(f"as they are, {share:.0%} one level off", moved_by), flush=True)


if __name__ == "__main__":
    main()
