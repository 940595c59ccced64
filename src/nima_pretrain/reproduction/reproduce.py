"""The paper's experiments on other photos and ratings: training and comparing a grid."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from nima_pretrain.config import ReproduceConfig
from nima_pretrain.reproduction.finished import Grid
from nima_pretrain.reproduction.grid import folds_of, load
from nima_pretrain.reproduction.ray_tasks import ray_cluster
from nima_pretrain.reproduction.results import write_results
from nima_pretrain.reproduction.tasks import Executor, run_grid, run_in_turn
from nima_pretrain.training.run_directory import enter_run, holding_run
from nima_pretrain.training.several_workers import refuse_several_workers


@holding_run
def reproduce(
    config: ReproduceConfig, run: Path | str, *, ray: str | None = None
) -> dict[str, Any]:
    """Trains and compares a grid of starts, shares and seeds, as in the paper's Table 2.

    Finished runs are kept: a grid can be stopped, its config extended, and run again.

    Args:
        config: data, starts, shares, seeds.
        run: the run directory, where `results.md`, `report.html` and `results.json` are written.
        ray: address of a Ray cluster that trains the grid, see `ray_cluster`; None to train in this
            process. Its machines need the run, photos, ratings and weights under the same paths.

    Returns:
        The content of `results.json`: tables of metrics and differences, row by row.

    Raises:
        InputError: data are invalid, or differ from those of a finished cell; or the cluster fails,
            see `ray_cluster`.

    Example:
        >>> from nima_pretrain.config import ReproduceConfig, load_config
        >>> reproduce(load_config(ReproduceConfig, Path("grid.json")), "runs/grid")
    """
    refuse_several_workers("reproduce")
    run = Path(run)
    ratings = load(config.data)
    folds = folds_of(config, ratings)
    with _executor_at(ray) as execute:
        enter_run(run, config)
        run_grid(run, config, folds, execute)
    return write_results(Grid(run, config, ratings, folds))


def _executor_at(ray: str | None) -> AbstractContextManager[Executor]:
    return nullcontext(run_in_turn) if ray is None else ray_cluster(ray)
