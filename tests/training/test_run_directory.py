"""The run directory."""

import json

import pytest

from nima_pretrain.config import FinetuneConfig, PretrainConfig, TrainConfig
from nima_pretrain.config.order import OrderConfig
from nima_pretrain.errors import InputError
from nima_pretrain.locks import locked
from nima_pretrain.training.run_directory import create_run, holding_run
from nima_pretrain.training.same_run import check_same_run


def test_a_run_begins_with_its_config_and_environment(tmp_path):
    run = create_run(tmp_path / "runs" / "first", PretrainConfig(epochs=3))
    assert json.loads((run / "config.json").read_text())["epochs"] == 3
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["tensorflow"].startswith("2.")


def test_an_earlier_run_is_deleted_only_when_asked(tmp_path):
    run = create_run(tmp_path / "run", PretrainConfig())
    (run / "backbone.h5").write_bytes(b"precious")
    with pytest.raises(InputError, match="run exists. Choose another --run, or pass --overwrite"):
        create_run(run, PretrainConfig())
    (run / "checkpoint.npz").write_bytes(b"precious too")
    with pytest.raises(InputError, match="pass --resume to go on with it, or pass --overwrite"):
        create_run(run, PretrainConfig())
    assert (run / "backbone.h5").exists()
    create_run(run, PretrainConfig(), overwrite=True)
    assert not (run / "backbone.h5").exists()


def test_a_folder_that_is_no_run_is_never_deleted(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(InputError, match="exists and is not a run"):
        create_run(tmp_path, PretrainConfig(), overwrite=True)
    assert (tmp_path / "holiday.jpg").exists()


def test_a_run_that_never_began_does_not_stand_in_the_way(tmp_path):
    run = create_run(tmp_path / "run", PretrainConfig())
    create_run(run, PretrainConfig(epochs=3))
    assert json.loads((run / "config.json").read_text())["epochs"] == 3


def test_a_run_goes_on_with_its_own_config_only(tmp_path):
    config = PretrainConfig(epochs=3)
    check_same_run(tmp_path, config, PretrainConfig(epochs=3, num_workers=0, checkpoint_seconds=1))
    with pytest.raises(InputError, match=r"begun with epochs=3 \(received 4\), seed=0 .received 1"):
        check_same_run(tmp_path, config, PretrainConfig(epochs=4, seed=1))


def test_settings_that_change_no_result_are_free_in_every_stage(tmp_path):
    config = FinetuneConfig(order=OrderConfig(steps=9))
    fewer = OrderConfig(steps=9, num_workers=1)
    check_same_run(tmp_path, config, FinetuneConfig(order=fewer))
    whole = TrainConfig(finetune=config)
    changed = FinetuneConfig(order=fewer, checkpoint_seconds=1)
    check_same_run(tmp_path, whole, TrainConfig(finetune=changed))
    with pytest.raises(InputError, match=r"begun with order\.steps=9 \(received 10\)\. Resume"):
        check_same_run(tmp_path, config, FinetuneConfig(order=OrderConfig(steps=10)))


def test_a_link_to_a_run_is_not_followed_to_delete_it(tmp_path):
    run = create_run(tmp_path / "run", PretrainConfig())
    (run / "backbone.h5").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(InputError, match="Cannot delete the run .*link: Cannot call rmtree on a"):
        create_run(tmp_path / "link", PretrainConfig(), overwrite=True)
    assert (run / "backbone.h5").exists()


def test_a_run_that_another_process_works_on_is_not_touched(tmp_path):
    @holding_run
    def work(photos, run, *, epochs=1):
        (tmp_path / "run").mkdir()
        with pytest.raises(InputError, match=r"Another process is writing .*run\. .* --run"):
            work(photos, run)
        return epochs

    with locked(tmp_path / "run", "--run"), pytest.raises(InputError, match="Another process"):
        work("photos", run=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    assert work("photos", tmp_path / "run", epochs=3) == 3


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Cannot create the run .*file/run: Not a directory"):
        create_run(tmp_path / "file" / "run", PretrainConfig())
