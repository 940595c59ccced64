"""Groups of fingerprints: time and appearance, chains, clocks, any order, many equal photos."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nima_pretrain.prediction.fingerprints import record_type
from nima_pretrain.prediction.groups import GroupRules, group_labels

NUM_FEATURES = 16


def looking(degrees):
    """Features whose cosines are those of the differences of the angles."""
    features = np.zeros(NUM_FEATURES)
    features[:2] = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return features


def records(*photos):
    """Fingerprints of photos (degrees, hash, local time, UTC), the last three optional."""
    table = np.zeros(len(photos), record_type(NUM_FEATURES))
    for number, photo in enumerate(photos):
        known = list(photo)
        degrees, hash_, local, utc = known + [0, math.nan, math.nan][len(known) - 1 :]
        table["features"][number] = looking(degrees)
        table["hash"][number], table["local"][number], table["utc"][number] = hash_, local, utc
    return table


def groups(*photos, **rules):
    return group_labels(records(*photos), rules=GroupRules(**rules)).tolist()


BITS = [sum(1 << bit for bit in range(count)) for count in range(65)]


def test_photos_within_seconds_that_look_alike_are_one_group():
    assert groups((0, 0, 100), (45, 0, 109.5), (-40, 0, 200)) == [0, 0, 2]
    # cos 47 degrees is 0.682, cos 48 degrees 0.669
    assert groups((0, 0, 100), (47, 0, 100)) == [0, 0]
    assert groups((0, 0, 100), (48, 0, 100)) == [0, 1]


def test_time_runs_from_photo_to_photo_so_a_burst_may_be_long():
    assert groups(*((40 * (i % 2), 0, 9.0 * i) for i in range(50))) == [0] * 50
    assert groups((0, 0, 0), (40, 0, 10.5)) == [0, 1]


def test_without_times_only_photos_that_look_far_more_alike_are_one_group():
    assert groups((0,), (30,)) == [0, 0]
    assert groups((0,), (33,)) == [0, 1]
    # Taken years apart, as well.
    assert groups((0, 0, 0), (30, 0, 1e8)) == [0, 0]


def test_every_bit_of_the_hash_that_differs_lowers_the_similarity():
    assert groups((0, 0), (0, BITS[19])) == [0, 0]
    assert groups((0, 0), (0, BITS[20])) == [0, 1]
    assert groups((0, 0, 0), (0, BITS[40], 0)) == [0, 0]
    assert groups((0, 0, 0), (0, BITS[41], 0)) == [0, 1]


def test_a_chain_of_small_steps_does_not_become_one_group():
    pan = [(2 * step, 0, step) for step in range(91)]  # half a turn
    labels = groups(*pan)
    assert len(set(labels)) >= 2
    for label in set(labels):
        members = [pan[i][0] for i in range(len(pan)) if labels[i] == label]
        # Each resembles the centre: 47.2 degrees on either side.
        assert max(members) - min(members) <= 2 * math.degrees(math.acos(0.68)) + 0.1
        assert members == list(range(members[0], members[-1] + 1, 2))


def test_times_of_cameras_with_time_zones_are_compared_in_utc():
    hour = 3600
    # The same moment on clocks that are six hours apart.
    assert groups((0, 0, 0, 0), (40, 0, 6 * hour, 0)) == [0, 0]
    # The same time on the clocks, six hours apart.
    assert groups((0, 0, 0, 0), (40, 0, 0, 6 * hour)) == [0, 1]
    # One that does not know its zone: the clocks are compared.
    assert groups((0, 0, 0, 6 * hour), (40, 0, 0)) == [0, 0]


def test_nothing_and_one_photo_are_no_groups():
    assert groups() == []
    assert groups((0,)) == [0]


@pytest.mark.parametrize("time", [math.nan, 1000.0])
def test_any_number_of_equal_photos_are_one_group(time):
    photos = [(0, 12345, time)] * 3000
    assert set(groups(*photos)) == {0}


def test_the_window_in_time_is_larger_than_two_bursts_side_by_side():
    two_cameras = [(0 if i % 2 else 80, 0 if i % 2 else BITS[64], i / 4) for i in range(40)]
    assert groups(*two_cameras) == [i % 2 for i in range(40)]


def test_a_copy_of_a_photo_of_a_burst_joins_the_burst():
    burst = [(0, 0, 0), (40, 0, 1), (20, 0, 2)]
    copy = (41, BITS[2])
    assert groups(*burst, copy) == [0, 0, 0, 0]


photos = st.lists(
    st.tuples(
        st.integers(0, 90),
        st.sampled_from([0, BITS[4], BITS[20], BITS[50]]),
        st.one_of(st.just(math.nan), st.integers(0, 100).map(float)),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(photos, st.randoms(use_true_random=False))
def test_where_a_photo_lies_in_the_file_does_not_matter(given_photos, random):
    table = records(*given_photos)
    shuffled = list(range(len(table)))
    random.shuffle(shuffled)
    places = np.argsort(shuffled).astype(np.intp)
    labels = group_labels(table[shuffled], places)
    np.testing.assert_array_equal(labels, group_labels(table))


@settings(max_examples=60)
@given(photos)
def test_every_group_is_a_star(given_photos):
    rules = GroupRules()
    table = records(*given_photos)
    labels = group_labels(table, rules=rules)
    features = table["features"].astype(float)
    for label in set(labels.tolist()):
        members = np.flatnonzero(labels == label)
        assert members[0] == label
        cosines = features[members] @ features[members].T
        bits = [
            [(a ^ b).bit_count() for a in _hashes(table, members)] for b in _hashes(table, members)
        ]
        similarities = cosines - np.array(bits) / 128
        # A near-duplicate may join a burst by way of a photo that it resembles still more.
        assert (similarities.min(axis=1) >= rules.burst - 2e-3).any()


def _hashes(table, members):
    return [int(value) for value in table["hash"][members]]
