"""The command line, `nima-pretrain <command>`: it only reads arguments and prints results.

TensorFlow is imported inside the commands that need it, so that `--help` is fast.
"""

import gc
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from nima_pretrain import __version__
from nima_pretrain.cli import (
    benchmark,
    check_data,
    compare,
    cull,
    distill,
    doctor,
    evaluate,
    export,
    finetune,
    merge,
    predict,
    pretrain,
    render,
    reproduce,
    stars,
    study,
    taste,
    train,
    weights,
)
from nima_pretrain.cli.arguments import completed
from nima_pretrain.cli.startup import open_closed_streams
from nima_pretrain.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Train networks to predict how people rate photographs, and score photographs with them.",
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "train": train.train,
    "pretrain": pretrain.pretrain,
    "finetune": finetune.finetune,
    "distill": distill.distill,
    "reproduce": reproduce.reproduce,
    "check-data": check_data.check_data,
    "evaluate": evaluate.evaluate,
    "compare": compare.compare,
    "study": study.study,
    "predict": predict.predict,
    "cull": cull.cull,
    "stars": stars.stars,
    "merge": merge.merge,
    "taste": taste.taste,
    "render": render.render,
    "export": export.export,
    "benchmark": benchmark.benchmark,
    "doctor": doctor.doctor,
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
    open_closed_streams()
    # Pillow warns of metadata that it cannot read; the pixels are usable.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # As PID 1 of a container, SIGTERM is ignored without a handler.
    signal.signal(signal.SIGTERM, _end)
    try:
        app(args=completed(sys.argv[1:]), prog_name="nima-pretrain")
    except InputError as error:
        print(f"nima-pretrain: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        # Of a path that was only looked at: a name that is too long, or a folder of other users.
        print(f"nima-pretrain: {error.filename}: {error.strerror}.", file=sys.stderr)
        sys.exit(2)
    finally:
        # TensorFlow prints errors if a dataset is destroyed during interpreter shutdown.
        gc.collect()


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)
