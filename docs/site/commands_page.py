"""Hook of mkdocs: the page commands.md, all commands with their arguments and options."""

from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from nima_pretrain.cli import app


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    sections = described(typer.main.get_command(app), "nima-pretrain", 1)
    files.append(File.generated(config, "commands.md", content="\n\n".join(sections)))
    return files


def described(command: Any, name: str, level: int) -> Iterator[str]:
    """Yields a section for a command, and one for each command below it."""
    title = "All commands" if level == 1 else name
    yield f"{'#' * level} {title}\n\n{command.help}"
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    yield "\n".join(map(line, parameters))
    for below in getattr(command, "commands", {}).values():
        yield from described(below, f"{name} {below.name}", level + 1)


def line(parameter: Any) -> str:
    """Returns the line of an argument or option in the list of its command."""
    is_option = parameter.param_type_name == "option"
    words = [*parameter.opts[:1], parameter.metavar] if is_option else [parameter.name.upper()]
    remarks = [(parameter.help or "").rstrip(".")]
    if parameter.required:
        remarks.append("Required")
    elif parameter.default not in (None, False, ""):
        remarks.append(f"Default: `{parameter.default}`")
    return f"* `{' '.join(filter(None, words))}`: {'. '.join(filter(None, remarks))}."
