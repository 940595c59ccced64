"""Distillation: the terms of the loss, and a student that is an ordinary NIMA model."""

import json
import random
import re
import signal
import subprocess

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.config import DistillConfig, TeachingConfig, load_config
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.data.scanning import Scan
from nima_pretrain.distillation.objective import (
    DistillationObjective,
    TeacherBatch,
    TeacherOutputs,
    distillation_loss,
)
from nima_pretrain.distillation.teachers import teach_head
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import agreement_with
from nima_pretrain.evaluation.publish import publish
from nima_pretrain.networks import build_backbone, build_nima, load_model
from nima_pretrain.networks.emd import earth_movers_distance
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import score_photos
from nima_pretrain.training.ratings_split import RatingsSplit
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard
from tests.processes import finish, program, wait_until
from tests.small_networks import SMALL_SETTINGS
from tests.training.test_finetune_resume import steps_done

RNG = np.random.default_rng(0)
SETTINGS = [
    *(*SMALL_SETTINGS, "batch_size=8", "dropout=0.5", "teacher_epochs=3"),
    *("min_delta=9", "plateau_patience=1", "early_stopping_patience=2"),
]


def shares(*shape):
    rows = RNG.random(shape) + 0.1
    return rows / rows.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """26 rated photos, of which 20 train, and 8 without ratings, one of them a copy."""
    folder = tmp_path_factory.mktemp("rated")
    (folder / "others").mkdir()
    lines = ["path,p1,p2,p3,split"]
    for number in range(33):
        image = Image.fromarray(RNG.integers(0, 256, (40, 50, 3), np.uint8))
        if number < 26:
            image.save(folder / f"{number}.png")
            part = "train" if number < 20 else "validation"
            lines.append(f"{number}.png,{number % 3},1,{number % 5},{part}")
        else:
            image.save(folder / "others" / f"{number}.png")
    (folder / "others" / "copy.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "ratings.csv").write_text("\n".join(lines))
    return folder


def command(data, run, *options):
    files = ("--ratings", data / "ratings.csv", "--images", data, "--run", run)
    return program("distill", *files, *options)


def begin(data, run):
    teachers = "MobileNetV2:0.35@32=none,MobileNet:0.25@32=none"
    others = ("--unlabelled", data / "others", "--backbone", "none")
    return command(data, run, *others, "--teachers", teachers, "--set", *SETTINGS)


def unit(rows):
    return rows / np.sqrt(np.maximum((rows**2).sum(axis=1, keepdims=True), 1e-12))


def emd(first, second):
    return np.sqrt(((np.cumsum(first, axis=1) - np.cumsum(second, axis=1)) ** 2).mean(axis=1))


def test_the_loss_averages_each_term_over_the_photos_that_have_it():
    y, p, taught = shares(5, 4), shares(5, 4), shares(5, 4)
    f, g = RNG.normal(size=(5, 6)), RNG.normal(size=(5, 6))
    weights = np.array([[1, 2, 3], [1, 0, 0], [0, 2, 3], [0, 2, 3], [1, 2, 0]], float)
    labels = emd(y, p)[[0, 1, 4]].mean()
    feature = 2 * ((unit(f) - unit(g)) ** 2).mean(axis=1)[[0, 2, 3, 4]].mean()
    prediction = 3 * emd(taught, p)[[0, 2, 3]].mean()
    loss = distillation_loss(y, p, f, TeacherBatch(taught, g, weights))
    assert float(loss) == pytest.approx(labels + feature + prediction, rel=1e-5)
    alone = distillation_loss(y, p, f, TeacherBatch(taught, g, weights * [1, 0, 0]))
    assert float(alone) == pytest.approx(labels, rel=1e-5)


@pytest.fixture
def split(data):
    ratings = load_ratings(data / "ratings.csv", data)
    training, validation = (ratings.part(part) for part in ("training", "validation"))
    return RatingsSplit(training, validation, Scan({}, []))


def test_the_objective_packs_what_the_loss_takes(split, data):
    others = tuple(sorted((data / "others").glob("?*.png")))
    count = len(split.training) + len(others)
    teacher = TeacherOutputs(shares(count, 3), RNG.normal(size=(count, 1024)))
    objective = DistillationObjective(split, teacher, others, 0.5, 2.0, {})
    assert objective.training.paths == (*split.training.paths, *others)
    nima = build_nima(build_backbone(input_size=32, width=0.35), 3, head="mlp")
    student = objective.model_of(nima)
    photos = RNG.integers(0, 256, (count, 32, 32, 3), np.uint8)
    outputs = student(photos).numpy()
    np.testing.assert_allclose(outputs[:, :3], nima(photos), rtol=1e-5)
    p, f = outputs[:, :3], outputs[:, 3:]
    expected = (
        emd(split.training.distributions, p[: len(split.training)]).mean()
        + 0.5 * ((unit(f) - unit(teacher.features)) ** 2).mean()
        + 2.0 * emd(teacher.predictions, p).mean()
    )
    ours = float(objective.loss(objective.training.targets, outputs))
    assert ours == pytest.approx(expected, rel=1e-4)
    known = split.validation.distributions
    of_labels = earth_movers_distance(known, p[: len(known)])
    validation = objective.loss(objective.validation.targets, outputs[: len(known)])
    assert float(validation) == pytest.approx(float(of_labels), rel=1e-5)


def test_the_teacher_learns_the_ratings_and_teaches_photos_without(tmp_path):
    quality = RNG.random(120)
    features = np.float32(np.outer(quality, RNG.normal(size=30)) + RNG.normal(0, 0.1, (120, 30)))
    distributions = np.stack([1 - quality, quality], axis=1)
    config = DistillConfig(
        teachers=({"weights": "none"},), teacher_epochs=30, teacher_learning_rate=1e-3
    )
    halves = (features[60:90], distributions[60:90])
    teacher, about = teach_head(features[:60], distributions[:60], halves, features[90:], config)
    assert teacher.features.shape == (90, 1024)
    assert 0 < about["epochs"] <= 30
    outputs = teacher.predictions[60:, 1]
    assert np.corrcoef(outputs, quality[90:])[0, 1] > 0.9
    constant = np.tile(distributions[:60].mean(axis=0), (30, 1))
    of_constant = emd(constant, distributions[90:]).mean()
    assert emd(teacher.predictions[60:], distributions[90:]).mean() < 0.7 * of_constant


@pytest.mark.slow
def test_a_killed_distillation_resumes_and_ends_in_an_ordinary_model(data, tmp_path):
    whole, killed = tmp_path / "a" / "whole", tmp_path / "b" / "killed"
    done = finish(begin(data, whole))
    assert done.returncode == 0, done.stderr
    assert "photos without ratings: 7, 0 unreadable, 1 rated" in done.stderr
    results = json.loads((whole / "results.json").read_text())
    assert results["unlabelled"] == 7
    assert 1 <= results["teacher"]["epochs"] <= 3
    target = random.randrange(1, 14)
    print(f"killed after {target} steps")
    arguments = [*begin(data, killed), "checkpoint_seconds=0"]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        wait_until(process, lambda: steps_done(killed) >= target)
        process.send_signal(signal.SIGKILL)
    other = finish(command(data, killed, "--resume"))
    assert other.returncode == 2
    assert "The photos are not those" in other.stderr
    again = ("--resume", "--unlabelled", data / "others", "--set", "checkpoint_seconds=60")
    done = finish(command(data, killed, *again))
    assert done.returncode == 0, done.stderr
    first, second = (load_model(run / "nima.h5").get_weights() for run in (whole, killed))
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)
    logs = [pd.read_csv(run / "log.csv") for run in (whole, killed)]
    np.testing.assert_allclose(logs[1]["loss"], logs[0]["loss"], rtol=1e-4)
    side_car = read_side_car(whole / "nima.h5", NimaCard)
    model = PhotoModel(load_model(whole / "nima.h5"), side_car.network)
    assert side_car.head == "mlp"
    ratings = load_ratings(data / "ratings.csv", data).part("validation")
    results, table = agreement_with(model, side_car, ratings, resamples=0)
    assert results.images == 6
    scores = score_photos(model, ratings.scale, ratings.paths)
    rows = np.array([score.distribution for score in scores])
    np.testing.assert_allclose(table["mean"], rows @ ratings.scale.scores, rtol=1e-5)
    assert [entry.side_car.kind for entry in publish(whole, tmp_path / "public")] == ["nima"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected teachers, or feature_weight=0 and prediction_weight=0"),
        (("--teachers", "MobileNetV2:wide"), r"Expected a teacher as NAME\[:WIDTH\]"),
        (("--teachers", "AlexNet"), "teachers.0.backbone"),
        (("--teachers", "MobileNetV2:."), "teachers.0.width"),
        (("--teachers", "MobileNetV2=gone.h5"), "gone.h5 does not exist"),
    ],
)
def test_teachers_that_do_not_fit_are_refused(data, tmp_path, options, message):
    done = finish(command(data, tmp_path / "run", "--backbone", "none", *options))
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_labels_alone_need_no_teacher():
    changes = ["feature_weight=0", "prediction_weight=0"]
    assert load_config(DistillConfig, overrides=changes).of_labels_alone
    with pytest.raises(InputError, match="expected teachers"):
        load_config(DistillConfig, overrides=changes[:1])
    assert TeachingConfig(feature_weight=0, prediction_weight=0).teachers == ()
