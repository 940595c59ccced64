"""Configurations: defaults from the paper, JSON, single values, refusals."""

import json

import pytest

from nima_pretrain.config import (
    DistillConfig,
    FinetuneConfig,
    PretrainConfig,
    ReproduceConfig,
    TrainConfig,
    load_config,
)
from nima_pretrain.errors import InputError
from nima_pretrain.weights.finding import start_from
from tests.conftest import ROOT


def test_defaults_are_the_paper_values():
    pretrain = PretrainConfig()
    assert (pretrain.photos_per_batch, pretrain.epochs, pretrain.temperature) == (8, 20, 50)
    assert (pretrain.learning_rate, pretrain.learning_rate_decay) == (1e-4, 0.98)
    assert (pretrain.rho, pretrain.momentum, pretrain.weight_decay) == (0.9, 0.9, 4e-5)
    finetune = FinetuneConfig()
    assert (finetune.backbone_learning_rate, finetune.head_learning_rate) == (1e-4, 1e-3)
    assert (finetune.plateau_patience, finetune.early_stopping_patience) == (5, 10)
    assert (finetune.dropout, finetune.learning_rate_factor) == (0.75, 0.5)


@pytest.mark.parametrize(
    ("name", "kind"), [("pretrain", PretrainConfig), ("finetune", FinetuneConfig)]
)
def test_config_files_in_models_hold_the_defaults(name, kind):
    file = ROOT / "models" / "MobileNetV2" / f"config_{name}.json"
    assert load_config(kind, file) == kind()
    assert json.loads(file.read_text()).keys() == kind.model_fields.keys()


@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV2/config_finetune_few_ratings",
        "MobileNetV2/config_finetune_ordered",
        "MobileNet/config_finetune_idealo",
    ],
)
def test_other_recipes_in_models_name_every_setting_but_those_of_the_start(name):
    file = ROOT / "models" / f"{name}.json"
    recipe = load_config(FinetuneConfig, file)
    assert recipe != FinetuneConfig()
    left_out = FinetuneConfig.model_fields.keys() - recipe.model_fields_set
    assert left_out <= {"backbone", "width", "fit"}
    assert json.loads(file.read_text()) == recipe.model_dump(mode="json", exclude=left_out)


@pytest.mark.parametrize(
    ("name", "kind", "origin"),
    [
        ("finetune_few_ratings", FinetuneConfig, "pretraining"),
        ("finetune_ordered", FinetuneConfig, "pretraining"),
        ("pretrain_sampled", PretrainConfig, "imagenet"),
    ],
)
def test_recipes_start_from_bundled_weights_as_they_are(name, kind, origin):
    recipe = load_config(kind, ROOT / "models" / "MobileNetV2" / f"config_{name}.json")
    _, config = start_from("bundled", recipe, origin)
    assert (config.backbone, config.width) == ("MobileNetV2", 0.35)


def test_keywords_are_no_files_whatever_lies_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for keyword in ("imagenet", "none"):
        (tmp_path / f"{keyword}.json").write_text("{}")
        config = FinetuneConfig()
        assert start_from(keyword, config) == (keyword, config)


def test_a_warm_up_without_its_schedule_is_refused():
    with pytest.raises(InputError, match="warmup_epochs belong to the cosine schedule"):
        load_config(PretrainConfig, overrides=["warmup_epochs=2"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["plateau_patience=null"], "nothing says when the backbone is set free"),
        (["learning_rate_decay=1e-5"], "both set the rates"),
        (["crop_from=200"], r"crop_from to be at least input_size \(224\), received 200"),
        (["backbone=VGG"], "'backbone': input should be 'MobileNetV2', .* received 'VGG'"),
    ],
)
def test_recipes_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        load_config(FinetuneConfig, overrides=changes)


@pytest.mark.parametrize("config", [PretrainConfig(epochs=3), FinetuneConfig(), TrainConfig()])
def test_configs_survive_json(config, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(config.model_dump_json())
    assert load_config(type(config), file) == config


def test_single_values_win_over_the_file_and_the_file_over_defaults(tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"epochs": 3, "width": 0.5}')
    config = load_config(PretrainConfig, file, ["epochs=4", "fit=squash", "split=[8, 1, 1]"])
    assert (config.epochs, config.width, config.fit) == (4, 0.5, "squash")
    assert config.split == (8, 1, 1)
    assert config.seed == PretrainConfig().seed


def test_a_key_of_the_network_sets_both_stages():
    config = load_config(TrainConfig, None, ["width=0.35", "finetune.epochs=7"])
    assert (config.pretrain.width, config.finetune.width) == (0.35, 0.35)
    assert (config.pretrain.epochs, config.finetune.epochs) == (20, 7)


@pytest.mark.parametrize(
    ("kind", "override", "message"),
    [
        (PretrainConfig, "epoch=3", "Unknown config key 'epoch'. Did you mean 'epochs'?"),
        (TrainConfig, "finetune.flipp=1", "Did you mean 'finetune.flip'?"),
        (PretrainConfig, "epochs=many", "'epochs': input should be a valid integer, .* 'many'"),
        (PretrainConfig, "fit=crop", "'fit': input should be 'letterbox' or 'squash'"),
        (PretrainConfig, "epochs", "Expected --set KEY=VALUE, received 'epochs'"),
        (TrainConfig, "finetune.width=0.5", "both stages need the same width, received 1.0 .* 0.5"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(kind, override, message):
    with pytest.raises(InputError, match=message):
        load_config(kind, None, [override])


def test_files_that_are_no_configs_are_refused(tmp_path):
    with pytest.raises(InputError, match="Cannot read the config .*: No such file"):
        load_config(PretrainConfig, tmp_path / "none.json")
    for content, message in (("{", "is not JSON"), ("[1]", "JSON object in .* received a list")):
        file = tmp_path / "config.json"
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            load_config(PretrainConfig, file)


def test_the_ablation_of_distillation_is_a_grid():
    config = load_config(
        ReproduceConfig, ROOT / "models/MobileNetV2/config_ablation_distillation.json"
    )
    stages = {name: config.stage_of(start) for name, start in config.starts.items()}
    assert len(stages) == 10
    assert all(isinstance(stage, DistillConfig) for stage in stages.values())
    assert stages["labels"].of_labels_alone
    assert [len(stages[f"both + {n}"].teachers) for n in ("1 teacher", "2 teachers")] == [1, 2]
