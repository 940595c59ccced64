"""A shoot of bursts made from photographs, of which it is known which frames are good.

Every photograph becomes a burst of eight frames, a third of a second apart by their EXIF times, two
minutes after the last one. Each frame has other framing (up to 6 % of the sides) and exposure (up
to a third of a stop). Three frames of each burst, at random places, are spoilt: one is shaken, one
out of focus, and one two stops too dark.

The script scores and groups the frames by `predict` with the bundled weights, and prints how many
bursts were found, and how often the best photo of a group is a good frame.

    python benchmarks/shoot.py PHOTOS SHOOT

SHOOT is a new folder for the frames; `docs/photographers.md` goes on with it.
"""

import argparse
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter
from scipy import ndimage

from nima_pretrain import predict
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_photo

_LONG_SIDE = 1024
_FRAMES = 8
_INTERVAL = timedelta(seconds=1 / 3)
_PAUSE = timedelta(minutes=2)
_FRAMING = 0.06
_STOPS = 1 / 3
_DAMAGE = 0.006  # of the long side: the radius of blur, and half of the way of a shaken frame
_DARK_STOPS = -2.0
_GAMMA = 2.2
_DATE_TIME_ORIGINAL, _SUBSECONDS_ORIGINAL, _EXIF_FOLDER = 0x9003, 0x9291, 0x8769


def shaken(photo: Image.Image) -> Image.Image:
    """Returns the mean over a straight way of the camera, at 30 degrees."""
    reach = _DAMAGE * max(photo.size)
    way = np.linspace(-reach, reach, 2 * round(reach) + 1)
    pixels = np.asarray(photo, np.float32)
    shifts = [(step * np.sin(np.pi / 6), step * np.cos(np.pi / 6), 0) for step in way]
    moved = [ndimage.shift(pixels, shift, order=1, mode="nearest") for shift in shifts]
    return Image.fromarray(np.mean(moved, axis=0).round().astype(np.uint8))


def out_of_focus(photo: Image.Image) -> Image.Image:
    """Returns the photo blurred."""
    return photo.filter(ImageFilter.GaussianBlur(_DAMAGE * max(photo.size)))


def exposed(photo: Image.Image, stops: float) -> Image.Image:
    """Returns the photo with another exposure, which clips what becomes too bright."""
    levels = np.arange(256) / 255
    table = np.clip(255 * (levels**_GAMMA * 2**stops) ** (1 / _GAMMA), 0, 255).round()
    return photo.point(table.astype(int).tolist() * 3)


def too_dark(photo: Image.Image) -> Image.Image:
    """Returns the photo two stops darker."""
    return exposed(photo, _DARK_STOPS)


_SPOILT: tuple[Callable[[Image.Image], Image.Image], ...] = (shaken, out_of_focus, too_dark)


def make_shoot(photos: list[Path], folder: Path) -> pd.DataFrame:
    """Writes the frames, and returns their path, burst and whether they are good."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    time = datetime(2026, 5, 1, 9, 0)
    rows: list[tuple[str, int, bool]] = []
    for burst, path in enumerate(photos):
        photo = Image.fromarray(load_photo(path))
        photo.thumbnail((_LONG_SIDE, _LONG_SIDE))
        damage = dict(zip(rng.permutation(_FRAMES)[: len(_SPOILT)], _SPOILT, strict=True))
        for number in range(_FRAMES):
            frame = _framed(exposed(photo, rng.uniform(-_STOPS, _STOPS)), rng)
            if number in damage:
                frame = damage[number](frame)
            name = folder / f"IMG_{len(rows) + 1:04}.jpg"
            _save(frame, name, time + number * _INTERVAL)
            rows.append((str(name), burst, number not in damage))
        time += _PAUSE
    return pd.DataFrame(rows, columns=["path", "burst", "is_good"])


def _framed(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = photo.size
    left, top, right, bottom = rng.uniform(0, _FRAMING / 2, 4)
    box = (left * width, top * height, width - right * width, height - bottom * height)
    return photo.crop(tuple(map(round, box)))


def _save(frame: Image.Image, path: Path, time: datetime) -> None:
    exif = Image.Exif()
    times = exif.get_ifd(_EXIF_FOLDER)
    times[_DATE_TIME_ORIGINAL] = time.strftime("%Y:%m:%d %H:%M:%S")
    times[_SUBSECONDS_ORIGINAL] = f"{time.microsecond // 1000:03}"
    frame.save(path, quality=92, exif=exif)


def count(frames: pd.DataFrame, scores: pd.DataFrame) -> str:
    """Returns what was found of the bursts, in sentences."""
    found = frames.merge(scores, on="path", validate="one_to_one")
    # A photo alone has no group.
    found["group"] = found["group"].fillna(found["path"])
    bursts = found.groupby("burst")["group"].nunique()
    mixed = found.groupby("group")["burst"].nunique()
    groups = found.groupby("group")
    best = found.loc[groups["mean"].idxmax(), "is_good"]
    share = groups["is_good"].mean()
    return (
        f"{len(frames)} frames of {len(bursts)} bursts in {len(mixed)} groups: {sum(bursts == 1)} "
        f"bursts are one group, {sum(mixed > 1)} groups have frames of several bursts.\n"
        f"Of {sum(share > 0)} groups with a good frame, {sum(best)} have one as their best; by "
        f"chance {share.sum():.0f} would."
    )


def main() -> None:
    """Makes the shoot, scores it, and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photographs, one for each burst")
    parser.add_argument("shoot", type=Path, help="new folder for the frames")
    arguments = parser.parse_args()
    output = arguments.shoot.with_name(f"{arguments.shoot.name}.csv")
    if output.exists():
        parser.error(f"{output} exists. Move it, or name another shoot")
    frames = make_shoot(find_photos(arguments.photos), arguments.shoot)
    predict([arguments.shoot], output=output, group=True)
    print(count(frames, pd.read_csv(output)))


if __name__ == "__main__":
    main()
