"""The losses against the authors' own outputs, plain NumPy twins, and their properties."""

import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nima_pretrain import losses
from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.pretext.targets import ranked_pairs

PAPER = get_bank("paper")
BANKS = [PAPER, get_bank("repaired")]
GOLDEN_ASPECTS = {"technical": "technical", "style": "styles", "composition": "composition"}


@pytest.fixture(scope="module")
def golden(shared):
    """The authors' random head outputs, put into the order of our bank, and their losses."""
    with np.load(shared / "goldens" / "pretext_losses.npz") as file:
        arrays = dict(file)
    keys = [str(key).split(";") for key in arrays["keys"]]
    names = [key[0] if len(key) == 1 else f"{key[0]}_{float(key[1]):g}" for key in keys]
    order = [names.index(name) for name in PAPER.view_names]
    outputs = {"scores": arrays["scores"][:, order]}
    for aspect in Aspect:
        theirs = GOLDEN_ASPECTS[aspect.value]
        classes = [str(name) for name in arrays[f"{theirs}_names"]]
        columns = [classes.index(distortion.name) for distortion in PAPER.of_aspect(aspect)]
        for kind in ("logits", "regression"):
            outputs[f"{aspect.value}_{kind}"] = arrays[f"{theirs}_{kind}"][:, order][:, :, columns]
    return outputs, json.loads(str(arrays["raw"])), json.loads(str(arrays["expected"]))


@pytest.mark.shared
def test_losses_equal_those_of_the_published_code(golden):
    outputs, raw, balanced = golden
    logits = {aspect.value: outputs[f"{aspect.value}_logits"] for aspect in Aspect}
    levels = np.concatenate([outputs[f"{aspect.value}_regression"] for aspect in Aspect], axis=-1)
    ours = {
        ("ranking", "ranking_loss"): losses.ranking(outputs["scores"], PAPER),
        ("ranking_classification", "change_class_loss"): losses.classification(logits, PAPER),
        ("ranking_regression", "change_regress_loss"): losses.regression(levels, PAPER),
    }
    for (setting, name), loss in ours.items():
        assert float(loss) == pytest.approx(raw[setting][name], rel=1e-5)
        assert float(losses.balanced(loss)) == pytest.approx(balanced[setting][name], rel=1e-5)


def random_outputs(bank, seed, photos=3):
    rng = np.random.default_rng(seed)
    scores = rng.random((photos, bank.num_views)).astype(np.float32)
    logits = {
        aspect.value: rng.normal(size=(photos, bank.num_views, len(bank.of_aspect(aspect))))
        for aspect in Aspect
    }
    levels = rng.normal(size=(photos, bank.num_views, len(bank)))
    differences = rng.uniform(0, 1, (photos, len(ranked_pairs(bank).better))).astype(np.float32)
    return scores, logits, levels, differences


def ranking_twin(scores, bank, margin, same):
    total = 0.0
    for photo, photo_scores in enumerate(scores):
        for series in bank.series:
            order = [series.reference, *series.views]
            for i, better in enumerate(order):
                for worse in order[i + 1 :]:
                    if not same(photo, better, worse):
                        total += max(0.0, photo_scores[worse] - photo_scores[better] + margin)
    return total / len(scores)


def classification_twin(logits, bank, same):
    total = 0.0
    photos = len(logits["style"])
    for photo in range(photos):
        for series in bank.series:
            aspect = series.distortion.aspect
            label = bank.of_aspect(aspect).index(series.distortion)
            for view in series.views:
                if not same(photo, series.reference, view):
                    z = logits[aspect.value][photo, view]
                    total += np.log(np.exp(z).sum()) - z[label]
    return total / photos


def regression_twin(levels, bank, same):
    total = 0.0
    for photo, photo_levels in enumerate(levels):
        for output, distortion in enumerate(bank):
            sides = [series for series in bank.series if series.distortion is distortion]
            total += photo_levels[sides[0].reference, output] ** 2
            for series in sides:
                for k, view in enumerate(series.views, start=1):
                    if not same(photo, series.reference, view):
                        target = series.sign * k / len(series.views)
                        total += (photo_levels[view, output] - target) ** 2
    return total / len(levels)


@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: bank.name)
@pytest.mark.parametrize("void", [False, True], ids=["all pairs", "without void pairs"])
def test_losses_equal_plain_loops(bank, void):
    scores, logits, levels, differences = random_outputs(bank, seed=1)
    given = differences if void else None
    pairs = list(zip(*ranked_pairs(bank)[:2], strict=True))

    def same(photo, better, worse):
        return void and differences[photo, pairs.index((better, worse))] < 0.5

    ranking = losses.ranking(scores, bank, 0.3, given)
    assert float(ranking) == pytest.approx(ranking_twin(scores, bank, 0.3, same), rel=1e-5)
    classification = losses.classification(logits, bank, given)
    assert float(classification) == pytest.approx(classification_twin(logits, bank, same), rel=1e-5)
    regression = losses.regression(levels, bank, given)
    assert float(regression) == pytest.approx(regression_twin(levels, bank, same), rel=1e-5)


def test_losses_have_the_documented_values_before_anything_is_learned():
    scores, logits, levels, _ = random_outputs(PAPER, seed=0)
    assert float(losses.ranking(np.ones_like(scores), PAPER)) == pytest.approx(100)
    uniform = {name: np.zeros_like(values) for name, values in logits.items()}
    assert float(losses.classification(uniform, PAPER)) == pytest.approx(339, abs=0.5)
    assert float(losses.regression(np.zeros_like(levels), PAPER)) == pytest.approx(76, abs=0.5)


def test_ranking_loss_is_zero_when_scores_are_a_margin_apart():
    strengths = np.zeros(PAPER.num_views)
    for series in PAPER.series:
        strengths[list(series.views)] = np.arange(1, len(series.views) + 1)
    scores = 1 - 0.2 * strengths[None]
    assert float(losses.ranking(scores, PAPER, margin=0.19)) == 0
    assert float(losses.ranking(-scores, PAPER, margin=0.19)) > 100


def test_batches_are_averaged_over_photos():
    scores, _, _, _ = random_outputs(PAPER, seed=3, photos=4)
    one_by_one = [float(losses.ranking(photo[None], PAPER)) for photo in scores]
    assert float(losses.ranking(scores, PAPER)) == pytest.approx(np.mean(one_by_one), rel=1e-6)


def test_balance_gives_the_harder_task_the_larger_gradient():
    raw = tf.Variable([20.0, 80.0])
    with tf.GradientTape() as tape:
        total = losses.balanced(raw[0]) + losses.balanced(raw[1])
    easy, hard = tape.gradient(total, raw).numpy()
    assert (easy, hard) == pytest.approx((np.exp(0.4) / 50, np.exp(1.6) / 50))


distributions = st.integers(0, 2**31).map(
    lambda seed: np.random.default_rng(seed).dirichlet(np.ones(10), size=4)
)


@settings(max_examples=25)
@given(true=distributions, predicted=distributions, r=st.sampled_from([1.0, 2.0]))
def test_emd_equals_its_definition(true, predicted, r):
    expected = np.mean(
        [
            np.mean([abs(t[: k + 1].sum() - p[: k + 1].sum()) ** r for k in range(10)]) ** (1 / r)
            for t, p in zip(true, predicted, strict=True)
        ]
    )
    assert float(losses.earth_movers_distance(true, predicted, r)) == pytest.approx(
        expected, abs=1e-5
    )


def test_emd_between_the_ends_of_the_scale_is_the_largest():
    low, high = np.eye(10)[:1], np.eye(10)[9:]
    assert float(losses.earth_movers_distance(low, high)) == pytest.approx(np.sqrt(0.9))
    assert float(losses.earth_movers_distance(low, low)) == pytest.approx(0, abs=1e-5)


def test_emd_of_a_perfect_prediction_has_a_finite_gradient():
    logits = tf.Variable(np.zeros((1, 10), np.float32))
    with tf.GradientTape() as tape:
        loss = losses.earth_movers_distance(
            np.full((1, 10), 0.1, np.float32), tf.nn.softmax(logits)
        )
    assert np.isfinite(tape.gradient(loss, logits).numpy()).all()
