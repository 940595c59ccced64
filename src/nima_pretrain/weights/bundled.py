"""The weights that come with the package, which need no network: `models/MobileNetV2`."""

from pathlib import Path

from nima_pretrain.config import NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.weights.manifest import Published, bundled_folder, read_manifest
from nima_pretrain.weights.side_car import Kind, Origin, origin_of


def bundled() -> dict[str, Path]:
    """Returns the bundled weights, by name.

    The wheel leaves out backbones that a pretext model contains.

    Raises:
        InputError: the installation lacks their manifest.
    """
    return {entry.name: _file(entry) for entry in _entries()}


def bundled_of(kind: Kind) -> Path:
    """Returns the first bundled weights of a kind.

    Raises:
        InputError: there are none.
    """
    for entry in _entries():
        if entry.side_car.kind == kind:
            return _file(entry)
    raise InputError(f"No {kind} weights come with this version. Name a file of your own.")


def bundled_backbone(network: NetworkConfig, preferred: Origin) -> Path:
    """Returns the bundled backbone, or pretext model with a backbone, of a network.

    Args:
        network: its backbone and width count, as far as they are set; the input is free.
        preferred: origin to take where there are several.

    Raises:
        InputError: there is none for this network; the message lists those that there are.
    """
    entries = [entry for entry in _entries() if entry.side_car.kind != "nima"]
    wanted = {"backbone", "width"} & network.model_fields_set
    fitting = [entry for entry in entries if _agree(entry.side_car.network, network, wanted)]
    if not fitting:
        known = ", ".join(sorted({_described(entry.side_car.network) for entry in entries}))
        raise InputError(
            f"No backbone of {_described(network)} comes with this version. Bundled: "
            f"{known or 'none'}. Choose one of them with --set, or name other weights."
        )
    kinds = ("backbone", "pretext")
    fitting.sort(
        key=lambda entry: (
            origin_of(entry.side_car) != preferred,
            kinds.index(entry.side_car.kind),
        )
    )
    return _file(fitting[0])


def _entries() -> list[Published]:
    entries = read_manifest(bundled_folder()).weights
    return [entry for entry in entries if _file(entry).is_file()]


def _file(entry: Published) -> Path:
    return bundled_folder() / entry.address


def _agree(first: NetworkConfig, second: NetworkConfig, keys: set[str]) -> bool:
    return first.model_dump(include=keys) == second.model_dump(include=keys)


def _described(network: NetworkConfig) -> str:
    return f"{network.backbone} of width={network.width:g}"
