"""What commands that train do with configs and run directories."""

from collections.abc import Sequence
from pathlib import Path

from nima_pretrain.config import AnyConfig, load_config
from nima_pretrain.errors import InputError


def check_not_both(resume: bool, overwrite: bool) -> None:
    """Makes sure that a run is gone on with or replaced, not both."""
    if resume and overwrite:
        raise InputError("Expected --resume or --overwrite, received both.")


def configs_of(
    kind: type[AnyConfig],
    run: Path,
    resume: bool,
    file: Path | None,
    overrides: Sequence[str],
    base: AnyConfig | None = None,
) -> tuple[AnyConfig | None, AnyConfig]:
    """Returns the config that a resumed run was begun with, and the one that is asked for now."""
    before = load_config(kind, run / "config.json") if resume else None
    return before, load_config(kind, file, overrides, before or base)


def open_run(run: Path, before: AnyConfig | None, asked: AnyConfig, overwrite: bool) -> None:
    """Makes sure that a resumed run is the one asked for, or creates a new one."""
    from nima_pretrain.training.run_directory import check_same_run, create_run

    if before:
        check_same_run(run, before, asked)
    else:
        create_run(run, asked, overwrite)
