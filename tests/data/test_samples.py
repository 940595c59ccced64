"""The embedded default."""

import numpy as np

from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.data.samples import (
    embedded_photos,
    write_embedded_quarters,
    write_synthetic_ratings,
)
from nima_pretrain.distortions import Aspect, get_bank


def test_seven_colour_photographs_come_with_the_packages():
    photos = [load_photo(path) for path in embedded_photos()]
    assert len(photos) == 7
    for photo in photos:
        assert min(photo.shape[:2]) >= 300
        assert photo.std(axis=2).mean() > 1


def test_synthetic_ratings_fall_with_the_level(tmp_path):
    bank = get_bank("paper")
    file, images = tmp_path / "ratings.json", tmp_path / "images"
    photos = embedded_photos()[:1]
    write_synthetic_ratings(photos, bank, file, images, size=32, views_per_photo=bank.num_views)
    ratings = load_ratings(file, images)
    means = dict(zip((path.stem for path in ratings.paths), ratings.mean_scores, strict=True))
    assert len(means) == 174
    assert means["astronaut__original"] == max(means.values())
    for series in bank.series:
        along = [means[f"astronaut__{bank.view_names[view]}"] for view in series.views]
        assert np.all(np.diff(along) < 0)
    strongest = {aspect: [] for aspect in Aspect}
    for series in bank.series:
        view = bank.view_names[series.views[-1]]
        strongest[series.distortion.aspect].append(means[f"astronaut__{view}"])
    assert max(strongest[Aspect.TECHNICAL]) < min(strongest[Aspect.STYLE])
    assert max(strongest[Aspect.STYLE]) < min(strongest[Aspect.COMPOSITION])


def test_quarters_hold_every_pixel_once(tmp_path):
    folder = write_embedded_quarters(tmp_path / "quarters")
    assert len(list(folder.iterdir())) == 28
    for path in embedded_photos():
        top, bottom = (
            np.hstack([load_photo(folder / f"{path.stem}_{row}_{side}.png") for side in sides])
            for row, sides in (("top", ("left", "right")), ("bottom", ("left", "right")))
        )
        np.testing.assert_array_equal(np.vstack([top, bottom]), load_photo(path))
