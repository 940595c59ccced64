"""What this installation is made of, and what it can do."""

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version

import tensorflow as tf
from PIL import features

from nima_pretrain import __version__
from nima_pretrain.weights.cache import cache_folder, cached

_PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-addons",
    "numpy",
    "pillow",
    "imagecorruptions",
    "scikit-image",
)


def describe_installation() -> list[tuple[str, str]]:
    """Returns names and values: versions, devices, image formats, downloaded weights."""
    gpus = tf.config.list_physical_devices("GPU")
    described = [(str(gpu.name), _name_of(gpu)) for gpu in gpus] or [("GPU", "none")]
    return [
        ("nima-pretrain", __version__),
        ("Python", platform.python_version()),
        *((name, _version(name)) for name in _PACKAGES),
        ("platform", platform.platform()),
        ("processor cores", str(os.cpu_count())),
        *described,
        ("AVIF photos", "yes" if features.check("avif") else "no, Pillow was built without"),
        ("HEIC photos", _heic()),
        ("downloaded weights", _cache()),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none; Keras 3 needs none"


def _name_of(gpu: tf.config.PhysicalDevice) -> str:
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", "unknown"))


def _heic() -> str:
    if importlib.util.find_spec("pillow_heif"):
        return f"yes, pillow-heif {version('pillow-heif')}"
    return "no, pip install 'nima-pretrain[heic]'"


def _cache() -> str:
    files = list(cached().values())
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    return f"{len(files)} files, {megabytes:.0f} MB in {cache_folder()}"
