"""The command line: `nima-pretrain <command>`. Thin: it reads arguments and prints results.

TensorFlow is imported inside the commands that need it, so that `--help` answers at once.
"""

import gc
import re
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from nima_pretrain import __version__
from nima_pretrain.cli import applying, distilling, judging, learning, weights
from nima_pretrain.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Teaches a network what makes a photograph pleasing, and scores photographs with it.",
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "train": learning.train,
    "pretrain": learning.pretrain,
    "finetune": learning.finetune,
    "distill": distilling.distill,
    "reproduce": learning.reproduce,
    "check-data": judging.check_data,
    "evaluate": judging.evaluate,
    "compare": judging.compare,
    "study": judging.study,
    "predict": applying.predict,
    "render": applying.render,
    "doctor": judging.doctor,
}
for _name, _command in _COMMANDS.items():
    app.command(name=_name)(_command)
app.add_typer(weights.app, name="weights")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"nima-pretrain {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line; wrong input ends with one message on stderr and exit code 2."""
    # What Pillow cannot read of a file's metadata is no news; what it cannot decode is an error.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # As the first process of a container we would not hear it without an answer of our own.
    signal.signal(signal.SIGTERM, _end)
    try:
        app(args=_spread_overrides(sys.argv[1:]), prog_name="nima-pretrain")
    except InputError as error:
        print(f"nima-pretrain: {error}", file=sys.stderr)
        sys.exit(2)
    finally:
        # A dataset that outlives Python makes TensorFlow complain.
        gc.collect()


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def _spread_overrides(arguments: list[str]) -> list[str]:
    """Lets one --set take several KEY=VALUE: each gets a --set of its own."""
    spread: list[str] = []
    in_set = False
    for argument in arguments:
        if argument == "--set":
            in_set = True
        elif in_set and re.match(r"[a-z_.]+=", argument):
            spread += ["--set", argument]
        else:
            in_set = False
            spread.append(argument)
    return spread
