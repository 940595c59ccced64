"""The study: its tables against plain loops, its files at toy size."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.config import NetworkConfig
from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation import study_tables as tables
from nima_pretrain.evaluation.study import study
from nima_pretrain.evaluation.study_photos import photos_to_study
from nima_pretrain.evaluation.view_outputs import ViewOutputs
from nima_pretrain.networks import build_backbone, build_nima, build_pretext_model, load_model
from nima_pretrain.pretext.targets import class_terms, ranked_pairs
from nima_pretrain.weights.bundled import bundled_backbone, bundled_of
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, PretextCard, ScaleConfig
from nima_pretrain.weights.store import copy_weights, save_weights

PAPER, REPAIRED = get_bank("paper"), get_bank("repaired")
NETWORK = NetworkConfig(width=0.35, input_size=32)


def random_outputs(bank=PAPER, photos=4):
    rng = np.random.default_rng(0)
    return ViewOutputs(
        bank,
        rng.uniform(0, 1, (photos, len(ranked_pairs(bank).better))),
        rng.random((photos, bank.num_views)),
        {a: rng.normal(size=(photos, bank.num_views, len(bank.of_aspect(a)))) for a in Aspect},
        rng.normal(size=(photos, bank.num_views, len(bank))),
    )


def perfect_outputs(bank=PAPER, photos=3):
    """Outputs of a model that is always right."""
    scores = np.ones((photos, bank.num_views))
    logits = {a: np.zeros((photos, bank.num_views, len(bank.of_aspect(a)))) for a in Aspect}
    levels = np.zeros((photos, bank.num_views, len(bank)))
    for series in bank.series:
        aspect = series.distortion.aspect
        for k, view in enumerate(series.views, start=1):
            scores[:, view] = 1 - k / 10
            logits[aspect][:, view, bank.of_aspect(aspect).index(series.distortion)] = 1
            levels[:, view, list(bank).index(series.distortion)] = (
                series.sign * k / len(series.views)
            )
    return ViewOutputs(
        bank, np.ones((photos, len(ranked_pairs(bank).better))), scores, logits, levels
    )


@pytest.mark.parametrize("bank", [PAPER, REPAIRED], ids=lambda bank: bank.name)
def test_shares_of_pairs_equal_plain_loops(bank):
    outputs = random_outputs(bank)
    table = tables.ordered_pairs(outputs).set_index(["name", "kind"])
    counts = {}
    pairs = list(zip(*ranked_pairs(bank)[:2], strict=True))
    for photo in range(len(outputs)):
        for series in bank.series:
            order = [series.reference, *series.views]
            for i, better in enumerate(order):
                for worse in order[i + 1 :]:
                    apart = outputs.differences[photo, pairs.index((better, worse))]
                    if bank.drops_void_terms and apart < 0.5:
                        continue
                    hit = outputs.scores[photo, better] > outputs.scores[photo, worse]
                    kind = "inner" if i else "reference"
                    for name in ("all", series.distortion.aspect.value, series.distortion.name):
                        counts.setdefault((name, kind), []).append(hit)
                        counts.setdefault((name, "all"), []).append(hit)
    assert set(counts) == set(table.index)
    for key, hits in counts.items():
        row = table.loc[key]
        assert row["share"] == pytest.approx(np.mean(hits))
        assert row["low"] <= row["share"] <= row["high"]


def test_a_model_that_knows_everything_is_found_to():
    outputs = perfect_outputs()
    assert (tables.ordered_pairs(outputs)["share"] == 1).all()
    assert (tables.classification_accuracy(outputs)["accuracy"] == 1).all()
    for aspect in Aspect:
        counts = tables.confusion(outputs, aspect)
        assert counts.to_numpy().sum() == 3 * len(class_terms(PAPER)[aspect].views)
        assert (counts.to_numpy() == np.diag(np.diag(counts))).all()
    agreement = tables.level_agreement(outputs)
    np.testing.assert_allclose(agreement["lcc"], 1)
    np.testing.assert_allclose(agreement["mae"], 0, atol=1e-12)
    curves = tables.score_curves(outputs)
    assert (curves["change"][curves["level"] != 0] < 0).all()
    assert (curves["outscores"] == 0).all()
    levels = tables.predicted_levels(outputs)
    np.testing.assert_allclose(levels["mean"], levels["target"], atol=1e-12)


def test_accuracy_and_confusion_equal_plain_loops():
    outputs = random_outputs()
    for row in tables.classification_accuracy(outputs).to_dict("records"):
        aspect = Aspect(row["aspect"])
        names = [distortion.name for distortion in PAPER.of_aspect(aspect)]
        counts = np.zeros((len(names), len(names)))
        for series in PAPER.series:
            if series.distortion.aspect is aspect:
                for view in series.views:
                    for photo in range(len(outputs)):
                        named = int(outputs.logits[aspect][photo, view].argmax())
                        counts[names.index(series.distortion.name), named] += 1
        np.testing.assert_array_equal(tables.confusion(outputs, aspect), counts)
        assert row["accuracy"] == pytest.approx(np.trace(counts) / counts.sum())
        assert row["guessing"] == pytest.approx(1 / len(names))


def test_a_spoilt_copy_that_outscores_its_original_comes_first():
    outputs = perfect_outputs()
    darkest = PAPER.view_names.index("brightness_-1")
    outputs.scores[:2, darkest] = 2
    ends = tables.strongest_levels(tables.score_curves(outputs))
    first = ends.iloc[0]
    assert (first["distortion"], first["level"]) == ("brightness", -5)
    assert first["outscores"] == pytest.approx(2 / 3)
    assert first["change"] == pytest.approx((1 + 1 + 0.5 - 1) / 3)
    assert set(ends["distortion"]) == {distortion.name for distortion in PAPER}


def test_intervals_narrow_with_the_number_of_photos():
    few, many = (tables.ordered_pairs(random_outputs(photos=n)).iloc[0] for n in (4, 64))
    assert many["high"] - many["low"] < few["high"] - few["low"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run with a pretext model and a NIMA model, and no training list."""
    folder = tmp_path_factory.mktemp("runs") / "a run <b>"
    backbone = build_backbone(input_size=32, width=0.35)
    tasks = ("ranking", "classification")
    pretext = PretextCard(network=NETWORK, bank="paper", view_names=PAPER.view_names, tasks=tasks)
    save_weights(build_pretext_model(backbone, PAPER, tasks), folder / "pretext.h5", pretext)
    scale = ScaleConfig(bins=7, low=1, high=7)
    nima = NimaCard(network=NETWORK, scale=scale)
    save_weights(build_nima(backbone, 7), folder / "nima.h5", nima)
    save_weights(backbone, folder / "backbone.h5", BackboneCard(network=NETWORK))
    return folder


@pytest.mark.slow
def test_the_command_writes_tables_figures_and_a_report(run_folder, photo_folder):
    (photo_folder / "broken.png").write_bytes(b"broken")
    program = Path(sys.executable).with_name("nima-pretrain")
    done = subprocess.run(
        [program, "study", run_folder, "--photos", photo_folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 unreadable" in done.stderr
    for name, expected in (
        ("pretext", {"pairs", "scores", "classification", "confusion_style"}),
        ("nima", {"pairs", "scores"}),
    ):
        folder = run_folder / "study" / name
        files = {path.stem for path in folder.glob("*.csv")}
        assert expected <= files
        for picture in folder.glob("*.png"):
            with Image.open(picture) as image:
                assert image.size[0] > 800
    assert not (run_folder / "study" / "nima" / "classification.csv").exists()
    page = (run_folder / "report.html").read_text()
    assert page.count("<section") == 2
    assert "a run &lt;b&gt;" in page
    assert "src=" in page
    assert page.count("src=") == page.count('src="data:image/png;base64,')


@pytest.mark.slow
def test_scores_of_a_nima_model_are_those_that_predict_gives(run_folder, photo_folder):
    (results,) = study(run_folder / "nima.h5", photo_folder, num_workers=0)
    curves = pd.read_csv(results.folder / "scores.csv")
    model = load_model(run_folder / "nima.h5")
    changes = []
    for path in sorted(photo_folder.rglob("*.*")):
        photo = np.asarray(Image.open(path).convert("RGB"))
        views = PAPER.render(photo, 32)
        scores = model.predict(views, verbose=0) @ np.arange(1, 8)
        names = PAPER.view_names
        changes.append(scores[names.index("exposure_-3")] - scores[names.index("original")])
    row = curves[curves["view"] == "exposure_-3"].iloc[0]
    assert results.photos == len(changes) == 6
    assert row["change"] == pytest.approx(np.mean(changes), abs=1e-5)


@pytest.mark.slow
def test_a_study_of_bundled_weights_is_written_to_a_run_of_their_name(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "photo.png")
    name = bundled_of("pretext").stem
    (results,) = study(name, "photos", num_workers=0)
    assert results.folder == Path("runs", name, "study", name)
    assert (tmp_path / results.folder / "pairs.csv").is_file()
    assert (tmp_path / results.report).is_file()
    with pytest.raises(InputError, match="published weights or a file, received 'nonsense'"):
        study("nonsense", "photos")


@pytest.mark.parametrize(
    ("lists", "column"),
    [
        ("photos.csv", "photo"),
        ("ratings.csv", "name"),
        ("pretrain/photos.csv", "photo"),  # of a run of `train`
        ("finetune/ratings.csv", "name"),
    ],
)
def test_photos_of_the_training_are_left_out(photo_folder, tmp_path, lists, column):
    paths = sorted(photo_folder.rglob("*.*"))
    parts = ["training", "training", "training", "validation", "test", "test"]
    rows = [
        (path.name, part, hashlib.sha256(path.read_bytes()).hexdigest())
        for path, part in zip(paths, parts, strict=True)
    ]
    table = pd.DataFrame(rows, columns=[column, "part", "sha256"])
    file = tmp_path / "run" / lists
    file.parent.mkdir(parents=True)
    table.to_csv(file, index=False)

    def names(part="held-out"):
        found, are_held_out = photos_to_study(tmp_path / "run", photo_folder, part)
        assert are_held_out
        return found

    held_out = [str(path.relative_to(photo_folder)) for path in paths[3:]]
    assert sorted(names()) == sorted(held_out)
    assert names("validation") == held_out[:1]
    copied = table.iloc[[0, 3]].assign(part="test")  # copies of a training and a validation photo
    pd.concat([table, copied]).to_csv(file, index=False)
    assert sorted(names()) == sorted(held_out)
    assert names("validation") == held_out[:1]
    for path, part in zip(paths, parts, strict=True):
        if part != "training":
            path.unlink()
    with pytest.raises(InputError, match="None of the 3 photos .* is left"):
        names()


def test_photos_of_the_pretraining_are_left_out_or_nothing_is_claimed(photo_folder, tmp_path):
    paths = sorted(photo_folder.rglob("*.*"))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    run, pretraining = tmp_path / "run", tmp_path / "earlier"
    for folder, column, rows in ((run, "name", slice(0, 2)), (pretraining, "photo", slice(2, 4))):
        folder.mkdir()
        table = pd.DataFrame({column: [path.name for path in paths[rows]], "part": "training"})
        file = folder / ("ratings.csv" if folder == run else "photos.csv")
        table.assign(sha256=digests[rows]).to_csv(file, index=False)
    (run / "results.json").write_text(
        json.dumps({"stage": "finetune", "backbone_weights": str(pretraining / "backbone.h5")})
    )
    names, are_held_out = photos_to_study(run, photo_folder, "held-out")
    assert sorted(names) == sorted(str(path.relative_to(photo_folder)) for path in paths[4:])
    assert are_held_out
    of_train = pretraining / "pretrain"  # a run of `train` has its backbone.h5 beside it
    of_train.mkdir()
    (pretraining / "photos.csv").rename(of_train / "photos.csv")
    assert photos_to_study(run, photo_folder, "held-out") == (names, True)
    (of_train / "photos.csv").unlink()
    names, are_held_out = photos_to_study(run, photo_folder, "held-out")
    assert (len(names), are_held_out) == (4, False)


@pytest.mark.parametrize("start", ["imagenet", "none", "keras.h5", "imagenet backbone.h5"])
def test_a_start_that_saw_no_photos_of_ours_needs_no_list(photo_folder, tmp_path, start):
    if start == "keras.h5":
        (tmp_path / start).write_bytes(b"weights of Keras, without a side-car")
    elif start.endswith(".h5"):
        copy_weights(bundled_backbone(NETWORK, "imagenet"), tmp_path / start)
    weights = str(tmp_path / start) if start.endswith(".h5") else start
    (tmp_path / "results.json").write_text(json.dumps({"backbone_weights": weights}))
    (tmp_path / "ratings.csv").write_text("name,part,sha256\na.jpg,training,0\n")
    assert photos_to_study(tmp_path, photo_folder, "held-out")[1]


def test_without_lists_nobody_knows_what_was_trained_on(photo_folder, tmp_path):
    names, are_held_out = photos_to_study(tmp_path, photo_folder, "held-out")
    assert (len(names), are_held_out) == (6, False)


def test_other_ratings_beside_a_model_say_nothing_of_its_training(photo_folder, tmp_path):
    (tmp_path / "ratings.csv").write_text("image_id,mean\nastronaut,5\n")
    names, are_held_out = photos_to_study(tmp_path, photo_folder, "held-out")
    assert (len(names), are_held_out) == (6, False)


def test_with_mirror_images_mirroring_moves_no_score(
    run_folder, photo_folder, lively_nima, tmp_path
):
    card = NimaCard(network=NETWORK, scale=ScaleConfig(bins=5, low=1, high=5))
    save_weights(lively_nima, tmp_path / "nima.h5", card)
    (plain,) = study(tmp_path / "nima.h5", photo_folder, num_workers=0)
    (both,) = study(tmp_path / "nima.h5", photo_folder, with_mirrored=True, num_workers=0)
    assert plain.moves["mirrored"] > 100 * both.moves["mirrored"]
    assert (plain.folder.name, both.folder.name) == ("nima", "nima-mirrored")
    changes = [pd.read_csv(found.folder / "scores.csv")["change"] for found in (plain, both)]
    assert not np.allclose(*changes)
    with pytest.raises(InputError, match="Expected a nima.h5 for scores with mirror"):
        study(run_folder, photo_folder, with_mirrored=True)


def test_what_cannot_be_studied_is_refused(run_folder, photo_folder):
    with pytest.raises(InputError, match="is a backbone alone"):
        study(run_folder / "backbone.h5", photo_folder)
    with pytest.raises(InputError, match="which photos are for test; neither"):
        study(run_folder / "nima.h5", photo_folder, part="test")
    with pytest.raises(InputError, match="Expected a run, a weights file or a name, but .*gone is"):
        study(run_folder / "gone", photo_folder)
