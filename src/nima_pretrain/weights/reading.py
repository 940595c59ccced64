"""The side-car of a weights file, or what the layers of idealo's files tell."""

from pathlib import Path

from nima_pretrain.errors import InputError
from nima_pretrain.weights.side_car import AnyCard, Card, read_beside, side_car_path


def read_side_car(path: Path, kind: type[AnyCard]) -> AnyCard:
    """Returns the side-car of a weights file, checked against the file.

    idealo's files have none; theirs is derived from the layers, see `idealo`.

    Args:
        path: the weights file.
        kind: the expected class; `Card` for any.

    Raises:
        InputError: the path is of a .json file; the weights are of another kind; or see
            `side_car.read_beside`.
    """
    if path.suffix == ".json":
        raise InputError(f"Expected a weights file such as nima.h5, received the JSON file {path}.")
    found: Card | None = None
    if path.is_file() and not side_car_path(path).is_file():
        from nima_pretrain.weights import idealo  # which imports h5py

        found = idealo.side_car_of(path)
    return expect_kind(found or read_beside(path), kind, path)


def expect_kind(side_car: Card, kind: type[AnyCard], path: Path) -> AnyCard:
    """Returns a side-car after checking its kind.

    Args:
        side_car: the side-car.
        kind: the expected class.
        path: the weights file, for the error.

    Raises:
        InputError: it is of another kind.
    """
    if not isinstance(side_car, kind):
        expected, received = (card.model_fields["kind"].default for card in (kind, type(side_car)))
        raise InputError(
            f"Expected weights of a {expected} model, but {path} holds those of a {received} "
            "model, as its side-car says."
        )
    return side_car
