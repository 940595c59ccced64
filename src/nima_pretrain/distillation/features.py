"""A disk cache of frozen networks' features, one small file per photo."""

import hashlib
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from nima_pretrain.config import TeacherConfig
from nima_pretrain.distillation.teachers import load_teacher
from nima_pretrain.errors import PhotoError
from nima_pretrain.files import replacing
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import outputs_of_photos
from nima_pretrain.weights.side_car import PREPROCESSING, sha256_of


class FeatureCache:
    """A cache of features by network and by content of the photo, independent of its name.

    Files are written atomically, so a stopped computation can be resumed, and several processes
    may share a folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def features(
        self,
        teacher: TeacherConfig,
        digests: Mapping[Path, str],
        on_progress: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Returns the features of photos, (N, F) float32, in the order of the photos.

        Args:
            teacher: the network.
            digests: sha256 of every readable photo.
            on_progress: called with the number of photos done so far.

        Raises:
            InputError: the network's weights are missing, cannot be downloaded or do not fit.
            PhotoError: a photo cannot be read any more.
        """
        folder = self._folder / key_of(teacher)
        files = {path: folder / digest[:2] / f"{digest}.npy" for path, digest in digests.items()}
        missing = [path for path, file in files.items() if not file.is_file()]
        done = len(files) - len(missing)
        if missing:
            model = PhotoModel(load_teacher(teacher), teacher)
            for path, outputs in outputs_of_photos([model], missing):
                if isinstance(outputs, PhotoError):
                    raise outputs
                # Cells on several machines may write the same file at the same time.
                like = files[path].with_stem(f"{files[path].stem}-{socket.gethostname()}")
                with replacing(files[path], like) as partial, partial.open("wb") as file:
                    np.save(file, outputs.by_model[0])
                done += 1
                if on_progress:
                    on_progress(done)
            keras.backend.clear_session()
        return np.stack([np.load(file) for file in files.values()])


def key_of(teacher: TeacherConfig) -> str:
    """Returns a key of a network: its name and a hash of all settings that affect its features."""
    content = teacher.network.model_dump(mode="json") | {"preparation": PREPROCESSING}
    weights = Path(teacher.weights)
    content["weights"] = sha256_of(weights) if weights.is_file() else teacher.weights
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{teacher.backbone}-{digest[:16]}"
