"""Hook of mkdocs: the page settings.md, all settings of every stage with their defaults."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic.fields import FieldInfo

from nima_pretrain.config import METHOD_CONFIGS, Config, DistillConfig, FinetuneConfig, OrderConfig

INTRODUCTION = """# Settings

`--set KEY=VALUE ...` or a JSON file with `--config FILE` changes any of these; in Python they are
keywords of the config. A key that does not exist is an error. The settings of `train` and of the
grids of `reproduce` have the name of the stage before them: `pretrain.epochs=5`."""

BOUNDS = {"gt": ">", "ge": "at least", "lt": "<", "le": "at most"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    files.append(File.generated(config, "settings.md", content=settings()))
    return files


def settings() -> str:
    """Returns the page."""
    stages: dict[str, type[Config]] = {
        **{f"pretrain --method {name}": kind for name, kind in METHOD_CONFIGS.items()},
        "finetune": FinetuneConfig,
        "finetune --photos (order.KEY)": OrderConfig,
        "distill": DistillConfig,
    }
    own = [f"## {title}\n\n{table(kind)}" for title, kind in stages.items()]
    return "\n\n".join([INTRODUCTION, *own])


def table(kind: type[Config]) -> str:
    """Returns the settings of a config as a table."""
    lines = [f"{kind.__doc__}\n", "| setting | values | default | |", "|---|---|---|---|"]
    for name, field in kind.model_fields.items():
        if not isinstance(field.default, Config):
            cells = (f"`{name}`", values(field), default(field), field.description or "")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def values(field: FieldInfo) -> str:
    """Returns the values of a setting in words."""
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        # A tuple of any length ends in an ellipsis.
        parts = [name_of(part) for part in get_args(kind) if part is not Ellipsis]
        return f"list of {parts[0]}" if Ellipsis in get_args(kind) else ", ".join(parts)
    names = [name_of(part) for part in get_args(kind) or (kind,)]
    return ", ".join([" or ".join(names), *bounds(field)])


def name_of(kind: Any) -> str:
    """Returns the name of a type, without the conditions on it."""
    if get_origin(kind) is Annotated:
        return name_of(get_args(kind)[0])
    return "None" if kind is type(None) else getattr(kind, "__name__", str(kind))


def bounds(field: FieldInfo) -> Iterator[str]:
    """Yields the bounds of a number."""
    for bound in field.metadata:
        for name, words in BOUNDS.items():
            if hasattr(bound, name):
                yield f"{words} {getattr(bound, name):g}"


def default(field: FieldInfo) -> str:
    """Returns the default of a setting."""
    return (
        "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`"
    )
