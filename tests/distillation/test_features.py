"""Features on disk: computed once, under any name of a photo, and never half written."""

import numpy as np
import pytest

from nima_pretrain.config import TeacherConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.scanning import scan_photos
from nima_pretrain.distillation.features import FeatureCache, key_of
from nima_pretrain.distillation.teachers import load_teacher

TEACHER = TeacherConfig(width=0.35, input_size=32, weights="none")


@pytest.fixture
def digests(photo_folder):
    return scan_photos(list(find_photos(photo_folder))).digests


def test_features_are_those_of_the_teacher_in_the_order_of_the_photos(tmp_path, digests):
    features = FeatureCache(tmp_path).features(TEACHER, digests)
    photos = np.stack([load_fitted(path, 32, "letterbox") for path in digests])
    np.testing.assert_allclose(features, load_teacher(TEACHER)(photos), rtol=1e-4, atol=1e-5)


def test_what_is_there_is_not_computed_again_and_what_is_missing_is(tmp_path, digests):
    cache = FeatureCache(tmp_path)
    first = cache.features(TEACHER, digests)
    files = sorted(tmp_path.rglob("*.npy"))
    assert len(files) == len(digests)
    files[0].unlink()
    stamps = {file: file.stat().st_mtime_ns for file in files[1:]}
    counts = []
    again = FeatureCache(tmp_path).features(TEACHER, digests, counts.append)
    np.testing.assert_allclose(again, first, rtol=1e-5, atol=1e-6)
    assert counts == [len(files)]
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == stamps
    # The photos may be gone, or called something else.
    moved = {}
    for path, digest in digests.items():
        moved[path.rename(path.with_suffix(".moved"))] = digest
    np.testing.assert_array_equal(FeatureCache(tmp_path).features(TEACHER, moved), again)


@pytest.mark.parametrize(
    "change", [{"width": 0.5}, {"input_size": 64}, {"fit": "squash"}, {"backbone": "MobileNet"}]
)
def test_another_network_has_other_features(change):
    assert key_of(TEACHER.model_copy(update=change)) != key_of(TEACHER)


def test_other_weights_have_other_features_and_their_name_does_not_matter(tmp_path):
    keys = []
    for name, content in (("a.h5", b"one"), ("b.h5", b"two"), ("c.h5", b"one")):
        (tmp_path / name).write_bytes(content)
        weights = str(tmp_path / name)
        keys.append(key_of(TEACHER.model_copy(update={"weights": weights})))
    assert keys[0] == keys[2] != keys[1]
