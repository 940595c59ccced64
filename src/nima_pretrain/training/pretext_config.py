"""The config of a pretraining, from what is asked for and what a resumed run was begun with."""

from pathlib import Path

from nima_pretrain.config import PretextConfig, load_config, method_named_in
from nima_pretrain.errors import InputError
from nima_pretrain.pretext.methods import METHODS
from nima_pretrain.pretext.ranking import DistortionMethod
from nima_pretrain.training.run_directory import CONFIG


def config_of(
    method: str | None, config: PretextConfig | None, run: Path, resume: bool
) -> PretextConfig:
    """Returns the config of a new or resumed run.

    Args:
        method: name of the method; None for that of the config or the run.
        config: the config asked for; None for that of the run, or the defaults of the method.
        run: the run directory.
        resume: whether an existing run is resumed.

    Raises:
        InputError: the method is unknown, or is not that of the config.
    """
    if config is None and resume:
        method = method or method_named_in(run / CONFIG)
    if method not in (None, *METHODS):
        raise InputError(
            f"Expected a method of {', '.join(METHODS)}, received {method!r}. A method of your own "
            "is known once the module that registers it is imported."
        )
    if config is None and resume:
        config = load_config(METHODS[str(method)].config_class, run / CONFIG)
    if config is None:
        config = METHODS[method or DistortionMethod.name].config_class.model_validate({})
    if config.method not in METHODS:
        raise InputError(
            f"The config is for the method {config.method!r}, which is not registered. Import the "
            "module that adds it to `pretext.methods.METHODS`."
        )
    if method not in (None, config.method):
        raise InputError(f"The config is for the method {config.method}, received {method!r}.")
    return config
