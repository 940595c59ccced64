"""Results of the training stages, the content of `results.json` of a run."""

from typing import Literal

from nima_pretrain.evaluation.results import EvaluationResults, Results


class PretrainResults(Results):
    """Results of pretraining.

    Attributes:
        method: name of the pretext method; None in results of version 0.1.
        base_weights: initialization of the backbone; None in earlier results.
        base_weights_sha256: hash of its file; None for "imagenet", "none", and in earlier results.
        photos: numbers of photos by part: training, validation, test, unreadable.
        best_epoch: the epoch whose weights are saved, from 1.
        epochs: number of trained epochs.
        metrics: metrics of the best epoch, those of validation with the prefix `val_`.
        test: metrics of the saved weights on the test photos; None without any.
        seconds: training time, summed over all parts of a resumed run.
    """

    stage: Literal["pretrain"] = "pretrain"
    method: str | None = None
    base_weights: str | None = None
    base_weights_sha256: str | None = None
    photos: dict[str, int]
    best_epoch: int
    epochs: int
    metrics: dict[str, float]
    test: dict[str, float] | None = None
    seconds: float


class FinetuneResults(Results):
    """Results of fine-tuning or distillation.

    Attributes:
        photos: numbers of photos by part: training, validation, unreadable.
        head_epochs: number of epochs with a frozen backbone.
        epochs: number of all trained epochs.
        best_epoch: the epoch whose weights are saved, from 1.
        metrics: metrics of the best epoch; `val_loss` is the EMD on the validation photos.
        ordered: metrics of the ordering stage, see `order_stage.Ordered`; None without one.
        backbone_weights: initialization of the backbone.
        backbone_sha256: hash of its file; None for "imagenet", "none", and in earlier results.
        ratings_sha256: hash of the training ratings.
        teacher: epochs and validation loss of the teacher's head (distillation).
        unlabelled: number of photos without ratings (distillation).
        seconds: training time, summed over all parts of a resumed run.
    """

    stage: Literal["finetune"] = "finetune"
    photos: dict[str, int]
    head_epochs: int
    epochs: int
    best_epoch: int
    metrics: dict[str, float]
    ordered: dict[str, float] | None = None
    backbone_weights: str
    backbone_sha256: str | None = None
    ratings_sha256: str
    teacher: dict[str, int | float] | None = None
    unlabelled: int | None = None
    seconds: float


class TrainResults(Results):
    """Results of the full pipeline.

    Attributes:
        pretrain: results of pretraining.
        finetune: results of fine-tuning.
        evaluation: results on the test ratings.
        photos_scored: number of photos in `predictions.csv` that have a score.
        seconds: duration of this call.
    """

    pretrain: PretrainResults
    finetune: FinetuneResults
    evaluation: EvaluationResults
    photos_scored: int
    seconds: float
