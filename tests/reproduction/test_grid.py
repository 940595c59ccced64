"""The grid: its cells, runs that are kept or trained, and its results."""

import json
import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from nima_pretrain.config import ReproduceConfig, load_config
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import evaluate
from nima_pretrain.evaluation.evaluation_files import read_predictions
from nima_pretrain.reproduction.finished import Grid
from nima_pretrain.reproduction.grid import (
    cells_of,
    folds_of,
    load,
    pretrainings_of,
    weights_of,
)
from nima_pretrain.reproduction.reproduce import reproduce
from nima_pretrain.reproduction.runs import compare as compare_runs
from nima_pretrain.reproduction.tasks import run_grid
from tests.small_networks import SMALL


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve photos in three folds; bright ones are liked."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    ratings, folds = [], ["image_id,fold"]
    for number in range(12):
        pixels = np.clip(rng.normal(30 + 18 * number, 30, (32, 32, 3)), 0, 255)
        Image.fromarray(np.uint8(pixels)).save(folder / "images" / f"{number}.png")
        theme = "sea" if number < 8 else "city"
        label = (10 * np.exp(-((np.arange(4) - number / 4) ** 2))).round(3)
        ratings.append({"image_id": str(number), "label": label.tolist(), "category": theme})
        folds.append(f"{number},{'abc'[number % 3]}")
    (folder / "ratings.json").write_text(json.dumps(ratings))
    (folder / "folds.csv").write_text("\n".join(folds))
    return folder


@pytest.fixture
def content(data, photo_folder):
    return {
        "data": {"ratings": str(data / "ratings.json"), "images": str(data / "images")},
        "folds": str(data / "folds.csv"),
        "starts": {"scratch": {"weights": "none"}},
        "baseline": "scratch",
        "photos": str(photo_folder),
        "base_weights": "none",
        "pretrain": {**SMALL, "epochs": 1, "photos_per_batch": 2, "num_workers": 0},
        "finetune": {**SMALL, "epochs": 1, "head_epochs": 1, "batch_size": 4},
    }


def test_every_photo_is_tested_once_by_a_model_that_has_not_seen_it(content):
    config = ReproduceConfig.model_validate(content)
    ratings = load(config.data)
    folds = folds_of(config, ratings)
    assert [fold.name for fold in folds] == ["fold-a", "fold-b", "fold-c"]
    tested = [name for fold in folds for name in fold.test.names]
    assert sorted(tested) == sorted(ratings.names)
    for fold in folds:
        parts = [set(part.names) for part in fold[1:]]
        assert [len(part) for part in parts] == [4, 4, 4]
        assert len(set.union(*parts)) == 12


def test_cells_are_starts_by_shares_by_seeds_by_folds_the_whole_share_first(content):
    content["starts"]["scratch"]["shares"] = [0.5, 1.0]
    content["starts"]["ranking"] = {"tasks": "ranking"}
    content["seeds"] = [3, 4]
    config = ReproduceConfig.model_validate(content)
    cells = cells_of(config, folds_of(config, load(config.data)))
    assert len(cells) == 3 * 2 * 3  # folds, seeds; two shares of one start, one of the other
    assert [cell.share for cell in cells] == [1.0] * 12 + [0.5] * 6
    folder = cells[-1].folder(Path("run"))
    assert folder == Path("run/cells/scratch/share-50/seed-4/fold-c")


def test_a_split_or_lists_take_the_place_of_folds(content, data, tmp_path):
    content["folds"] = None
    config = ReproduceConfig.model_validate(content)
    with pytest.raises(InputError, match="received 0 for training, 0 for validation, 0 for test"):
        folds_of(config, load(config.data))
    lists = []
    for name, ids in (("training", "0 1 2 3"), ("validation", "4"), ("test", "5 6 gone")):
        lists.append(tmp_path / f"{name}.txt")
        lists[-1].write_text(ids.replace(" ", "\n"))
    config = ReproduceConfig.model_validate({**content, "lists": lists})
    (fold,) = folds_of(config, load(config.data))
    assert [len(part) for part in fold[1:]] == [4, 1, 2]


def test_seeds_share_a_pretraining_unless_each_has_its_own(content, tmp_path):
    content["starts"] = {"ranking": {"tasks": "ranking"}, "scratch": {"weights": "none"}}
    content["seeds"] = [1, 2]
    expected = {False: ["ranking", "ranking"], True: ["ranking/seed-1", "ranking/seed-2"]}
    for per_seed, folders in expected.items():
        config = ReproduceConfig.model_validate({**content, "pretrain_per_seed": per_seed})
        weights = [weights_of(tmp_path, config, "ranking", seed) for seed in config.seeds]
        starts = tmp_path / "starts"
        assert weights == [str(starts / folder / "backbone.h5") for folder in folders]
        assert weights_of(tmp_path, config, "scratch", 1) == "none"
        pretrainings = pretrainings_of(tmp_path, config)
        assert list(pretrainings) == list(dict.fromkeys(starts / folder for folder in folders))
        assert [stage.seed for stage in pretrainings.values()] == ([1, 2] if per_seed else [0])


def test_stages_are_tasks_that_another_process_can_run(content, tmp_path):
    content["starts"]["ranking"] = {"tasks": "ranking"}
    config = ReproduceConfig.model_validate(content)
    folds = folds_of(config, load(config.data))
    stages = []
    run = tmp_path / "grid"
    run_grid(run, config, folds, stages.append)
    pretrainings, cells = ([task.name for task in stage] for stage in stages)
    assert pretrainings == ["starts/ranking"]
    assert cells == [str(cell.folder(Path())) for cell in cells_of(config, folds)]
    for task in (task for stage in stages for task in stage):
        _, function, arguments = pickle.loads(pickle.dumps(task))
        assert function is task.function
        assert arguments[:2] == task.arguments[:2]
    assert not run.exists()


def test_a_grid_on_a_cluster_needs_ray_before_anything_is_written(content, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    config = ReproduceConfig.model_validate(content)
    with pytest.raises(InputError, match=r"Expected an installation of Ray, .*contrib/ray/README"):
        reproduce(config, tmp_path / "grid", ray="auto")
    assert not (tmp_path / "grid").exists()


WRONG = {
    "a missing fold": ({"folds": "short.csv"}, "10 rated photos have no fold in"),
    "an empty fold": ({"folds": "empty.csv"}, "1 rated photos have no fold in .* e.g. '3'"),
    "two folds": ({"folds": "two.csv"}, "at least three folds .* received 2"),
    "no folds": ({"folds": "none.csv"}, "Expected CSV with image_id,fold"),
}


@pytest.mark.parametrize("changes, message", WRONG.values(), ids=WRONG)
def test_folds_that_cannot_be_used_are_refused(content, tmp_path, changes, message):
    (tmp_path / "short.csv").write_text("image_id,fold\n0,a\n1,b\n")
    lines = [f"{number},{number % 3 if number != 3 else ''}" for number in range(12)]
    (tmp_path / "empty.csv").write_text("\n".join(["image_id,fold", *lines]))
    lines = [f"{number},{number % 2}" for number in range(12)]
    (tmp_path / "two.csv").write_text("\n".join(["image_id,fold", *lines]))
    changes = {key: tmp_path / value for key, value in changes.items()}
    config = ReproduceConfig.model_validate({**content, **changes})
    with pytest.raises(InputError, match=message):
        folds_of(config, load(config.data))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["baseline=other"], "expected the baseline to be one of scratch, received other"),
        (
            ['starts={"a": {"tasks": "ranking", "weights": "none"}}'],
            "needs one of tasks, method and weights",
        ),
        (['starts={"a/b": {"weights": "none"}}'], "should match pattern"),
        (
            ['starts={"scratch": {"weights": "none", "shares": [0.5]}, "a": {"weights": "none"}}'],
            "the largest share of all, 1",
        ),
        (['transfer={"test": {"ratings": "r", "images": "i"}}'], "is the name of the test part"),
        (
            ['starts={"scratch": {"weights": "none", "unlabelled": "photos"}}'],
            "unlabelled photos are for distillation",
        ),
        (["shares=[0]"], "greater than 0"),
        (["seeds=[-1]"], "greater than or equal to 0"),
        (["seeds=[0, 0]"], r"different seeds, received \[0, 0\]"),
        (["photos=null", 'starts={"scratch": {"tasks": "ranking"}}'], "need photos"),
        (
            ["finetune.width=0.5", 'starts={"scratch": {"tasks": "ranking", "weights": null}}'],
            "all stages need the same network",
        ),
        (
            ["rotnet.width=0.5", 'starts={"scratch": {"task": "rotnet", "weights": null}}'],
            "all stages need the same network",
        ),
    ],
)
def test_configs_that_do_not_fit_together_are_refused(content, tmp_path, changes, message):
    file = tmp_path / "config.json"
    if any("starts" in change for change in changes):
        content["starts"] = {}
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_config(ReproduceConfig, file, changes)


def test_models_of_a_fold_that_were_tested_on_other_photos_are_refused(content, tmp_path):
    content["starts"]["other"] = {"weights": "none"}
    config = ReproduceConfig.model_validate(content)
    ratings = load(config.data)
    folds = folds_of(config, ratings)
    for cell in cells_of(config, folds):
        folder = cell.folder(tmp_path) / "evaluation" / "test"
        folder.mkdir(parents=True)
        (folder / "results.json").write_text("{}")
        tested = next(fold.test.names for fold in folds if fold.name == cell.fold)
        table = pd.DataFrame({"name": tested, "status": ["error", "ok", "ok", "ok"]})
        table.to_csv(folder / "predictions.csv", index=False)
    Grid(tmp_path, config, ratings, folds)
    table.assign(status=["error", "ok", "error", "ok"]).to_csv(
        folder / "predictions.csv", index=False
    )
    with pytest.raises(InputError, match=r"other/.*fold-c/evaluation/test has no score for"):
        Grid(tmp_path, config, ratings, folds)


@pytest.mark.slow
def test_a_grid_runs_grows_and_shows_what_its_models_predict(content, data, tmp_path):
    run = tmp_path / "grid"

    def reproduced(content):
        return reproduce(ReproduceConfig.model_validate(content), run)

    results = reproduced(content)
    weights = sorted((run / "cells").rglob("nima.h5"))
    assert len(weights) == 3
    files = run.glob("cells/scratch/share-100/seed-0/*/evaluation/test/predictions.csv")
    pooled = pd.concat([pd.read_csv(file) for file in files])
    assert sorted(pooled["name"]) == list(range(12))
    expected = stats.spearmanr(pooled["true_mean"], pooled["mean"]).statistic
    (scratch,) = (row for row in results["metrics"] if row["name"] == "scratch")
    assert scratch["srcc"] == pytest.approx(expected)
    assert not (run / "results" / "shares.csv").exists()

    changed = [(path, path.stat().st_mtime_ns) for path in weights]
    # Another start on half of the ratings; and others, in the form and on the scale of TID2013.
    content["starts"]["ranking"] = {"tasks": "ranking", "shares": [0.5]}
    mos = tmp_path / "mos.txt"
    mos.write_text("".join(f"{0.7 * number:.3f} {number}.PNG\n" for number in range(12)))
    content["transfer"] = {"MOS": {"ratings": str(mos), "images": str(data / "images")}}
    results = reproduced(content)
    transferred = pd.read_csv(run / "results" / "transfer-MOS.csv")
    assert transferred["name"].tolist() == ["scratch"]
    assert transferred["mae"].between(0, 9).all()
    assert transferred["emd"].isna().all()  # four bins against ten
    assert all(path.stat().st_mtime_ns == before for path, before in changed)
    names = [row["name"] for row in results["metrics"]]
    assert names == ["scratch", "ridge probe, scratch", "mean of the training ratings"]
    shares = pd.read_csv(run / "results" / "shares.csv")
    assert shares[["start", "share"]].values.tolist() == [["scratch", 1.0], ["ranking", 0.5]]
    assert (run / "starts" / "ranking" / "backbone.h5").is_file()
    by_category = pd.read_csv(run / "results" / "categories.csv")
    assert by_category[["category", "photos", "name"]].values.tolist() == [
        ["sea", 8, "scratch"],
        ["city", 4, "scratch"],
    ]
    of_sea = pooled[pooled["name"] < 8]
    expected = (of_sea["true_mean"] - of_sea["mean"]).abs().mean()
    assert by_category["mae"][0] == pytest.approx(expected)
    page, markdown = (run / "report.html").read_text(), (run / "results.md").read_text()
    for name in ("metrics", "differences", "probes", "shares"):
        assert (run / "results" / f"{name}.csv").is_file()
    for name in ("shares", "epochs", "learning_curves", "predictions"):
        assert (run / "results" / f"{name}.png").stat().st_size > 1000
        assert f"results/{name}.png" in markdown
    assert page.count("data:image/png") == 4
    assert "| scratch | 1 |" in markdown
    assert "| sea, scratch | 8 |" in markdown

    cells = run / "cells"
    runs = {
        "scratch": cells / "scratch" / "share-100" / "seed-0" / "fold-a",
        "ranking": cells / "ranking" / "share-50" / "seed-0" / "fold-a",
    }
    # The same cells once more, under another name.
    shutil.copytree(run, tmp_path / "twice")
    shutil.copytree(cells / "scratch", tmp_path / "twice" / "cells" / "again")
    starts = content["starts"] | {"again": content["starts"]["scratch"]}
    twice = ReproduceConfig.model_validate(content | {"starts": starts, "probe": False})
    reproduce(twice, tmp_path / "twice")
    shares = pd.read_csv(tmp_path / "twice" / "results" / "shares.csv").set_index("start")
    assert shares.index.tolist() == ["scratch", "ranking", "again"]
    gains = shares[["srcc_gain", "mae_gain_low", "mae_gain_high"]]
    assert gains.loc["again"].tolist() == [0, 0, 0]
    assert gains.loc[["scratch", "ranking"]].isna().all(axis=None)  # the baseline; not on half

    with pytest.raises(InputError, match=r"found 2 \(MOS, test\). Name it with --evaluation"):
        compare_runs(runs, tmp_path / "compared")
    compared = compare_runs(runs, tmp_path / "compared", evaluation="test")
    probes = ["ridge probe, scratch", "ridge probe, ranking"]
    assert [row["name"] for row in compared["metrics"]] == ["scratch", "ranking", *probes]
    assert (tmp_path / "compared" / "results" / "differences.png").stat().st_size > 1000
    by_category = pd.read_csv(tmp_path / "compared" / "results" / "categories.csv")
    assert by_category["name"].tolist() == ["scratch", "ranking"]  # three of fold a's four: sea
    mixed = {"a": runs["scratch"], "b": runs["ranking"].with_name("fold-b")}
    with pytest.raises(InputError, match="'test' are on different ratings"):
        compare_runs(mixed, tmp_path / "mixed", evaluation="test")

    # On ratings of ten times the range, errors are ten times as large, those of the probes too.
    rated = load_ratings(data / "ratings.json", data / "images")
    tested = rated.called(read_predictions(runs["scratch"] / "evaluation" / "test").index)
    for folder in runs.values():
        wide = replace(tested, scale=ScoreScale(4, 0, 30))
        evaluate(folder / "nima.h5", wide, name="wide", resamples=0)
    on_wide = compare_runs(runs, tmp_path / "compared", evaluation="wide")
    for row, other in zip(compared["metrics"], on_wide["metrics"], strict=True):
        assert other["mae"] == pytest.approx(10 * row["mae"], rel=1e-4), row["name"]
    for folder in runs.values():
        shutil.rmtree(folder / "evaluation" / "wide")
    shutil.copytree(runs["scratch"] / "evaluation", tmp_path / "train" / "evaluation")
    with pytest.raises(InputError, match="has no ratings.csv. That of `train` is in its folder"):
        compare_runs({"train": tmp_path / "train"}, tmp_path / "mixed", evaluation="test")

    evaluated = runs["scratch"] / "evaluation" / "test" / "results.json"
    results = json.loads(evaluated.read_text())
    evaluated.write_text(json.dumps(results | {"with_mirrored": True}))
    with pytest.raises(InputError, match="with mirror images for some runs"):
        compare_runs(runs, tmp_path / "mixed", evaluation="test")
    evaluated.write_text(json.dumps(results | {"weights_sha256": "0" * 64}))
    with pytest.raises(InputError, match="other weights than .*nima.h5 has now"):
        compare_runs(runs, tmp_path / "mixed", evaluation="test")
    evaluated.unlink()  # as of a process that was killed while it evaluated
    reproduced(content)
    assert json.loads(evaluated.read_text()) == results

    content["finetune"]["dropout"] = 0.5
    with pytest.raises(InputError, match=r"was begun with dropout=0.75 \(received 0.5\)"):
        reproduced(content)
    content["finetune"].pop("dropout")
    backbone = run / "starts" / "ranking" / "backbone.h5"
    for changed, message in (
        ({"weights": str(backbone)}, "was trained from none, not from what .*backbone.h5 is now"),
        ({"weights": "none", "order_photos": str(data)}, "was trained without order_photos"),
    ):
        starts = content["starts"] | {"scratch": changed}
        with pytest.raises(InputError, match=message):
            reproduced(content | {"starts": starts})
    with pytest.raises(InputError, match="starts/ranking was trained from none, not from"):
        reproduced(content | {"base_weights": str(backbone)})
    before = backbone.read_bytes()
    backbone.write_bytes(b"of another pretraining")
    with pytest.raises(InputError, match="seed-0/fold-a was trained from .*backbone.h5, not from"):
        reproduced(content | {"probe": False})
    backbone.write_bytes(before)
    # The first cell is trained on fold c, with photo 2, and tested on fold a, with photo 0.
    content["data"]["ratings"] = str(tmp_path / "other.json")
    for photo, message in ((2, "was trained on other ratings"), (0, "is an evaluation on other")):
        other = json.loads((data / "ratings.json").read_text())
        other[photo]["label"] = other[photo]["label"][::-1]
        (tmp_path / "other.json").write_text(json.dumps(other))
        with pytest.raises(InputError, match=message):
            reproduced(content)
