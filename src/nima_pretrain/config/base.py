"""The base class of all configurations, and the network settings shared by every stage."""

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
Seed = Annotated[int, Field(ge=0, lt=2**31)]
# Names are used as folder names.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$")]


class Config(BaseModel):
    """Base class of configurations: frozen; unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkConfig(Config):
    """The backbone and the format of its input: the same in every stage."""

    backbone: BackboneName = "MobileNetV2"
    width: float = Field(1.0, gt=0, le=10, description="alpha of MobileNet and MobileNetV2")
    input_size: int = Field(224, ge=32, le=2048, description="side of the square input, pixels")
    fit: Literal["letterbox", "squash"] = "letterbox"

    @property
    def network(self) -> "NetworkConfig":
        """The network settings without the others, as side-cars store them."""
        return NetworkConfig(**self.model_dump(include=set(NetworkConfig.model_fields)))
