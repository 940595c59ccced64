"""What all configurations share, and the network that every stage has to agree on."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

BackboneName = Literal[
    "MobileNetV2",
    "MobileNet",
    "ResNet50",
    "VGG16",
    "DenseNet121",
    "InceptionV3",
    "InceptionResNetV2",
    "EfficientNetB0",
]

HeadName = Literal["dense", "mlp"]

Share = Annotated[float, Field(gt=0, le=1)]
# Names become folders.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$")]


class Config(BaseModel):
    """Frozen; refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkConfig(Config):
    """The backbone and the form in which a photo enters it: the same in every stage."""

    backbone: BackboneName = "MobileNetV2"
    width: float = Field(1.0, gt=0, description="alpha of MobileNet and MobileNetV2")
    input_size: int = Field(224, ge=32, description="side of the square input, pixels")
    fit: Literal["letterbox", "squash"] = "letterbox"

    @property
    def network(self) -> "NetworkConfig":
        """These fields alone, as side-cars keep them."""
        return NetworkConfig(**self.model_dump(include=set(NetworkConfig.model_fields)))
