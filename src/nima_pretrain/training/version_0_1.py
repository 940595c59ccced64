"""Support for resuming runs of version 0.1."""

from dataclasses import asdict, replace
from pathlib import Path

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.training.callbacks import Plateau, read_log
from nima_pretrain.training.checkpoint import Checkpoint, Stage


def with_counters(checkpoint: Checkpoint, run: Path, config: FinetuneConfig) -> Checkpoint:
    """Returns a checkpoint of fine-tuning with plateau counters.

    Checkpoints of version 0.1 have none; they are computed from the losses in `log.csv`.

    Args:
        checkpoint: a checkpoint of any version.
        run: the run directory.
        config: config of the run.
    """
    if checkpoint.counters is not None:
        return checkpoint
    position = checkpoint.position
    rows = read_log(run / "log.csv")[: position.epoch]
    num_head = sum(float(row["backbone_learning_rate"]) == 0 for row in rows)
    start = 0 if position.stage is Stage.HEADS else num_head
    losses = [float(row["val_loss"]) for row in rows[start:]]
    reduce, stop = Plateau(config.min_delta), Plateau(config.min_delta)
    for loss in losses:
        reduce.add(loss)
        if reduce.epochs_without == config.plateau_patience:
            reduce.epochs_without = 0
        stop.add(loss)
    return replace(
        checkpoint,
        position=replace(position, stage_start=start),
        counters={"reduce": asdict(reduce), "stop": asdict(stop)},
    )
