"""Files as Keras itself writes them: the layout of Keras 2, which most published weights have."""

from pathlib import Path

import h5py
import keras

IS_KERAS_3 = keras.__version__.startswith("3.")


def save_weights_as_keras_2(model: keras.Model, path: Path) -> None:
    """Writes a file of weights alone."""
    if not IS_KERAS_3:
        model.save_weights(path)
        return
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)


def save_model_as_keras_2(model: keras.Model, path: Path) -> None:
    """Writes a file of a whole model, with its configuration."""
    if IS_KERAS_3:
        from keras.src.legacy.saving.legacy_h5_format import save_model_to_hdf5
    else:
        from keras.src.saving.legacy.hdf5_format import save_model_to_hdf5
    save_model_to_hdf5(model, str(path))
