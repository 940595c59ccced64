"""How to distil knowledge from object classifiers into a NIMA model."""

from typing import Literal

from pydantic import Field, model_validator

from nima_pretrain.config.base import Config, NetworkConfig
from nima_pretrain.config.finetune import FinetuneConfig


class TeacherConfig(NetworkConfig):
    """A frozen classifier: a network of keras.applications, and where its weights come from."""

    weights: str = Field("imagenet", description="imagenet, none or the path of a .h5 file")


class TeachingConfig(Config):
    """The teacher: frozen classifiers, and a head on their features that learns the ratings."""

    teachers: tuple[TeacherConfig, ...] = ()
    feature_weight: float = Field(1.0, ge=0, description="a, of the teacher's feature")
    prediction_weight: float = Field(1.0, ge=0, description="b, of the teacher's prediction")
    teacher_epochs: int = Field(100, ge=1, description="of the teacher's head, at most")
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
    """A student: fine-tuning on labels, with what a teacher says of the same photos beside them."""

    head: Literal["mlp"] = Field("mlp", description="the same as the teacher's")

    @property
    def of_labels_alone(self) -> bool:
        """Whether no term needs a teacher."""
        return not (self.feature_weight or self.prediction_weight)
