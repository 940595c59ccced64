"""Configurations from JSON and single values, with errors that name the key."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from nima_pretrain.config.base import Config, NetworkConfig
from nima_pretrain.config.distill import DistillConfig
from nima_pretrain.config.finetune import FinetuneConfig
from nima_pretrain.config.pretext import METHOD_CONFIGS, method_for_task
from nima_pretrain.config.whole import ReproduceConfig, TrainConfig
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json

AnyConfig = TypeVar("AnyConfig", bound=Config)


def load_config(
    kind: type[AnyConfig],
    file: Path | None = None,
    overrides: Sequence[str] = (),
    base: AnyConfig | None = None,
) -> AnyConfig:
    """Returns a configuration: defaults, then a JSON file, then single values.

    Args:
        kind: the class to build.
        file: JSON object with any of the keys, or None.
        overrides: "key=value" or, in a config of both stages, "stage.key=value". In such a
            config a network key without a stage sets both. Values are JSON, or plain strings.
        base: replaces the defaults.

    Raises:
        InputError: the file cannot be read, a key is unknown or a value does not fit.
    """
    content: dict[str, Any] = base.model_dump(exclude_unset=True) if base else {}
    if file:
        _merge(content, _read_json_object(file))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise InputError(f"Expected --set KEY=VALUE, received {override!r}.")
        for path in _paths_of(kind, key):
            _merge(content, _nested(path, _value_of(text)))
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(_explain(error, kind)) from None


def load_stage(file: Path) -> FinetuneConfig:
    """Returns the config of a fine-tuning or distillation run.

    Raises:
        InputError: the file cannot be read, or belongs to another kind of run.
    """
    is_distilled = "teachers" in _read_json_object(file)
    return load_config(DistillConfig if is_distilled else FinetuneConfig, file)


def method_named_in(file: Path) -> str:
    """Returns the pretext method of a pretraining run.

    Raises:
        InputError: the file cannot be read.
    """
    return str(method_for_task(_read_json_object(file)).get("method", "distortions"))


def _read_json_object(file: Path) -> dict[str, Any]:
    content = read_json(file, "config")
    if not isinstance(content, dict):
        raise InputError(f"Expected a JSON object in {file}, received a {type(content).__name__}.")
    return content


def _paths_of(kind: type[Config], key: str) -> list[list[str]]:
    if key in NetworkConfig.model_fields and kind in (TrainConfig, ReproduceConfig):
        stages = kind.model_fields.keys() & {"pretrain", "finetune", *METHOD_CONFIGS}
        return [[stage, key] for stage in sorted(stages)]
    return [key.split(".")]


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


def _merge(content: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(content.get(key, {}), dict):
            _merge(content.setdefault(key, {}), value)
        else:
            content[key] = value


def _explain(error: ValidationError, kind: type[Config]) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _keys_of(kind)
            nearest = difflib.get_close_matches(place, known, n=1, cutoff=0)
            lines.append(f"Unknown config key {place!r}. Did you mean {nearest[0]!r}?")
        elif place:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            lines.append(f"Config key {place!r}: {message}, received {problem['input']!r}.")
        else:
            lines.append(f"Config: {problem['msg'].removeprefix('Value error, ')}.")
    return "\n".join(lines)


def _keys_of(kind: type[Config], prefix: str = "") -> list[str]:
    keys = []
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
            keys += _keys_of(field.annotation, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys
