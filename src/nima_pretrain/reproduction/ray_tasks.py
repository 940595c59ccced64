"""Tasks of a grid on a Ray cluster. Ray is not among our dependencies: `--ray` alone imports it."""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nima_pretrain.errors import InputError

if TYPE_CHECKING:
    from nima_pretrain.reproduction.tasks import Executor, Task

logger = logging.getLogger(__name__)

# A task that kills its worker must not do so for ever.
_MOST_RETRIES = 10
# Ray itself tries for minutes to reach an address.
_SECONDS_TO_CONNECT = 10


@contextmanager
def ray_cluster(address: str) -> Iterator["Executor"]:
    """Yields an executor that runs tasks on a Ray cluster, and leaves the cluster at the end.

    A task takes a GPU where the cluster has any, or else as many cores as its smallest machine has:
    a training uses all cores of a machine. A task whose worker dies is run again.

    Args:
        address: see `connect`.

    Raises:
        InputError: see `connect`; or workers die again and again, or a task raises InputError.
    """
    ray = connect(address)

    def execute(tasks: "Sequence[Task]") -> None:
        remote = ray.remote(**_resources(ray), max_retries=_MOST_RETRIES)(_run_in_folder)
        placed: dict[int, Any] = {}
        pending = {}
        for task in tasks:
            # Ratings are shared by tasks: each object travels once.
            for argument in task.arguments:
                if id(argument) not in placed:
                    placed[id(argument)] = ray.put(argument)
            arguments = [placed[id(argument)] for argument in task.arguments]
            pending[remote.remote(Path.cwd(), task.function, *arguments)] = task
        while pending:
            (finished, *_), _ = ray.wait(list(pending))
            task = pending.pop(finished)
            ray.get(finished)
            logger.info("finished %d of %d: %s", len(tasks) - len(pending), len(tasks), task.name)

    try:
        yield execute
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from None
        raise
    except ray.exceptions.RayError as error:
        raise InputError(
            f"The Ray cluster failed: {str(error).strip().splitlines()[-1]} Run the same command "
            "again: finished cells are kept."
        ) from error
    finally:
        ray.shutdown()


def connect(address: str | None) -> Any:
    """Returns the module `ray`, connected to a cluster.

    Args:
        address: of the cluster, as Ray names them: HOST:PORT, "auto" for the one that this machine
            is part of, "local" for a new one of this machine alone; None for the environment
            variable RAY_ADDRESS, or else as "local".

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError(
            f"Expected an installation of Ray, which cannot be imported ({error}). Install it as "
            "contrib/ray/README.md describes, or leave out the address of a cluster."
        ) from None
    try:
        if address and ":" in address:
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ImportError, RuntimeError, ValueError) as error:
        raise InputError(
            f"Expected the address of a Ray cluster, received {address!r}, which cannot be reached "
            f"({str(error).strip().rstrip('.')}). Pass HOST:PORT of a running one, auto for the "
            "one of this machine after `ray start`, or local for a new one."
        ) from None
    return ray


def _resources(ray: Any) -> dict[str, float]:
    """Returns the resources of a task."""
    if ray.cluster_resources().get("GPU"):
        return {"num_gpus": 1}
    cores = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return {"num_cpus": min((count for count in cores if count), default=1)}


def _run_in_folder(folder: Path, function: Callable[..., None], *arguments: Any) -> None:
    """Calls a function in the folder of the driver, to which paths may be relative."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise InputError(
            f"Cannot enter {folder} on {socket.gethostname()}: {error.strerror}. Start the command "
            "in a folder that all machines of the cluster share."
        ) from None
    function(*arguments)
