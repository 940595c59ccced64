"""Training on several machines: the processes that TF_CONFIG names become workers of one run.

Every worker calls the same function with the same arguments. It loads its share of every batch;
the shares are put together, each worker computes some of the chunks, and features and gradients are
summed over all, see `networks.workers` and `pretext.chunks`. So the steps are those of one process,
whatever the number of workers, up to the rounding of sums.

The chief, worker 0, alone writes the run. The others run the same code in a temporary folder, which
has a copy of the run if it is resumed.
"""

import inspect
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import tensorflow as tf

from nima_pretrain.errors import InputError
from nima_pretrain.networks.workers import Workers, workers, working_with
from nima_pretrain.training.run_directory import CONFIG
from nima_pretrain.training.tf_config import TF_CONFIG, Member, member_of

logger = logging.getLogger(__name__)

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

# TensorFlow's errors when a worker has ended, or does not answer.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


def on_all_workers(function: AnyFunction) -> AnyFunction:
    """Returns a function that joins the other workers first, if TF_CONFIG names any.

    Args:
        function: has the arguments `run`, a run directory, and `resume`.

    Raises:
        InputError: TF_CONFIG is invalid, the workers cannot join, a resumed run is not in a folder
            that all of them share, or a worker has ended; raised by the returned function.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def joining(*arguments: Any, **keywords: Any) -> Any:
        member = member_of(os.environ)
        if len(member.addresses) == 1:
            return function(*arguments, **keywords)
        bound = signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        run = Path(bound.arguments["run"])
        with _own_run(member, run, bound.arguments["resume"]) as own:
            bound.arguments["run"] = own
            with working_with(_join(member, os.environ[TF_CONFIG])), _losing(run):
                results = function(*bound.args, **bound.kwargs)
                # The connection ends with the chief, which has more to write than the others.
                workers().any(False)
        return results

    return cast(AnyFunction, joining)


def refuse_several_workers(command: str) -> None:
    """Checks that a command that runs on one machine is not one of several workers.

    Raises:
        InputError: TF_CONFIG is invalid, or names several workers.
    """
    count = len(member_of(os.environ).addresses)
    if count > 1:
        raise InputError(
            f"Expected one process, since {command} runs on one machine, received {TF_CONFIG} of "
            f"{count} workers. Unset it, or use pretrain or finetune, which work on several."
        )


@contextmanager
def _own_run(member: Member, run: Path, resume: bool) -> Iterator[Path]:
    """Yields the run directory for the chief, and a temporary one for all others."""
    if member.number == 0:
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="nima-pretrain-worker-") as folder:
        own = Path(folder) / "run"
        if resume:
            if not (run / CONFIG).is_file():
                raise InputError(
                    f"Expected the run {run} on every worker, since all read it to resume it; "
                    "this one does not have it. Put --run into a folder that all workers share."
                )
            # Before the workers join, and so before the chief changes anything.
            shutil.copytree(run, own, ignore=shutil.ignore_patterns("tensorboard", ".*"))
        yield own


@cache
def _join(member: Member, tf_config: str) -> Workers:
    """Returns the workers, once all have come; one connection serves all functions of a process."""
    count = len(member.addresses)
    logger.info("worker %d of %d: waiting for the others", member.number, count)
    try:
        with _ended_by_signals():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(
            f"The workers have to join before TensorFlow is used otherwise: {error}. Call this "
            "function first in the process."
        ) from None
    except tf.errors.OpError as error:
        raise InputError(
            f"Worker {member.number} of {count} at {member.addresses[member.number]} cannot join "
            f"the others: {error.message}. Check the addresses in {TF_CONFIG}, that this one is "
            "this machine's, and that no other program uses its port."
        ) from None
    if strategy.num_replicas_in_sync != count:
        raise InputError(
            f"Expected one GPU for each of {count} workers, received "
            f"{strategy.num_replicas_in_sync} in all. Start one worker for each GPU, and let it "
            "see this one alone by CUDA_VISIBLE_DEVICES."
        )
    logger.info("worker %d of %d: all have joined", member.number, count)
    return Workers(member.number, strategy)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets signals end this process at once: TensorFlow waits in code that Python cannot leave."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}
    for kind in before:
        signal.signal(kind, signal.SIG_DFL)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler or signal.SIG_DFL)


@contextmanager
def _losing(run: Path) -> Iterator[None]:
    """Answers the end of another worker within a context."""
    try:
        yield
    except _LOST as error:
        logger.debug("TensorFlow reports: %s", error)
        raise InputError(
            f"Another worker has ended or cannot be reached, so that this one ends, too; its own "
            f"messages say why. If {run} has a checkpoint, --resume goes on from it, also with "
            "another number of workers."
        ) from None
