"""With mirror images, a score is the mean of two plain ones, and mirroring a photo moves none."""

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

import nima_pretrain
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.errors import InputError


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Three photos, and their mirror images, without loss."""
    folder = tmp_path_factory.mktemp("pairs")
    for number, path in enumerate(embedded_photos()[:3]):
        with Image.open(path) as image:
            photo = image.convert("RGB")
        photo.save(folder / f"{number}.png")
        ImageOps.mirror(photo).save(folder / f"{number}_mirrored.png")
    return folder


def scores(folder, **settings):
    found = nima_pretrain.load_scorer(**settings).score(sorted(folder.iterdir()), fingerprints=True)
    return [(score.distribution, score.fingerprint) for score in found]


@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_a_score_is_the_mean_of_the_photo_and_its_mirror_image(pairs, engine):
    plain, both = (scores(pairs, engine=engine, with_mirrored=w) for w in (False, True))
    distances = []
    for first in range(0, 6, 2):
        (left, _), (right, _) = plain[first : first + 2]
        means = [mean for mean, _ in both[first : first + 2]]
        expected = np.mean([left, right], axis=0)
        np.testing.assert_allclose(means, [expected] * 2, atol=1e-6)
        distances.append(np.abs(np.subtract(left, right)).max())
    assert min(distances) > 1e-3  # plain scores do differ
    # Similar photos are found by features of the photos as they are.
    for (_, expected), (_, found) in zip(plain, both, strict=True):
        np.testing.assert_allclose(found.features, expected.features, atol=1e-3)


@pytest.mark.parametrize("group", [False, True], ids=["plain", "grouped"])
def test_rows_of_both_kinds_are_not_mixed(pairs, tmp_path, group):
    rows = {mirrored: tmp_path / f"{mirrored}.jsonl" for mirrored in (False, True)}
    for mirrored, file in rows.items():
        nima_pretrain.predict(pairs, output=file, group=group, with_mirrored=mirrored)
    plain, both = (json.loads(file.read_text().splitlines()[0]) for file in rows.values())
    assert both["weights"] == f"{plain['weights']}+mirrored"
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for mirrored, message in (
        (False, "scores with mirror images. Give --with-mirrored"),
        (True, "scores without mirror images. Leave out --with-mirrored"),
    ):
        other = rows[not mirrored]
        for grouped in (group, True):
            with pytest.raises(InputError, match=message):
                nima_pretrain.predict(
                    pairs, output=other, resume=True, group=grouped, with_mirrored=mirrored
                )
    if not group:
        with pytest.raises(InputError, match="all or none --with-mirrored"):
            nima_pretrain.merge(list(rows.values()), output=tmp_path / "all.jsonl")
    # Neither the rows nor the fingerprints beside them have changed.
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    counts = nima_pretrain.predict(pairs, output=rows[True], resume=True, with_mirrored=True)
    assert counts.there_already == 6
