"""Settings of knowledge distillation from object classifiers into a NIMA model."""

from typing import Literal

from pydantic import Field, model_validator

from nima_pretrain.config.base import Config, NetworkConfig
from nima_pretrain.config.finetune import FinetuneConfig


class TeacherConfig(NetworkConfig):
    """A frozen classifier: a network of keras.applications and the source of its weights."""

    weights: str = Field("imagenet", description="imagenet, none or the path of a .h5 file")


class TeachingConfig(Config):
    """The teacher: frozen classifiers, and a head trained on their features."""

    teachers: tuple[TeacherConfig, ...] = ()
    feature_weight: float = Field(1.0, ge=0, description="weight a of the feature term")
    prediction_weight: float = Field(1.0, ge=0, description="weight b of the prediction term")
    teacher_epochs: int = Field(100, ge=1, description="maximum for the teacher's head")
    teacher_batch_size: int = Field(32, ge=1)
    teacher_learning_rate: float = Field(1e-4, gt=0)
    teacher_dropout: float = Field(0.5, ge=0, lt=1)
    teacher_patience: int = Field(10, ge=1, description="epochs without gain before it ends")

    @model_validator(mode="after")
    def _has_teachers(self) -> "TeachingConfig":
        if not self.teachers and (self.feature_weight or self.prediction_weight):
            raise ValueError(
                "expected teachers, or feature_weight=0 and prediction_weight=0 to learn from "
                "labels alone"
            )
        return self


class DistillConfig(FinetuneConfig, TeachingConfig):
    """The student: fine-tuning on labels, features and predictions of a teacher."""

    head: Literal["mlp"] = Field("mlp", description="form of the head, the same as the teacher's")

    @property
    def of_labels_alone(self) -> bool:
        """True if both weights of the teacher are 0, so that none is needed."""
        return not (self.feature_weight or self.prediction_weight)
