"""What the command line shows: log lines and progress on stderr, tables on standard output.

rich is imported where it is used, so that `--help` answers at once.
"""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

# The metric of each kind of pretraining, and what people call it.
_ACCURACIES = {
    "ordered_pairs": "pairs in order",
    "rotation_accuracy": "rotations named",
    "partner_accuracy": "partners found",
}


@cache
def console() -> Any:
    """One console on stderr: progress bars and log lines have to know of each other."""
    from rich.console import Console

    return Console(stderr=True)


def say(text: str) -> None:
    """Prints a line on stderr, beside a progress bar, whole: a pipe gets no line breaks."""
    console().print(text, soft_wrap=True, markup=False, highlight=False)


class _ToConsole(logging.Handler):
    """Prints log lines."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


def start_logging() -> None:
    """Lets the package's INFO lines and progress bars reach the user."""
    from nima_pretrain.progress import show_on

    show_on(console())
    logger = logging.getLogger("nima_pretrain")
    logger.handlers = [_ToConsole()]
    logger.setLevel(logging.INFO)


def print_pretraining(results: dict[str, Any]) -> None:
    """Prints what `training.pretrain` returned."""
    columns = {"validation": "val_", "test": ""}
    metrics = {"validation": results["metrics"], "test": results.get("test", {})}
    accuracy = next(name for name in _ACCURACIES if f"val_{name}" in results["metrics"])
    rows = [
        [
            part,
            str(results["photos"][part]),
            _number(metrics[part].get(f"{prefix}loss")),
            _number(metrics[part].get(prefix + accuracy)),
        ]
        for part, prefix in columns.items()
    ]
    print_table(
        f"Pretraining, epoch {results['best_epoch']} of {results['epochs']}",
        ["photos", "number", "loss", _ACCURACIES[accuracy]],
        rows,
    )


def print_finetuning(results: dict[str, Any], run: Path) -> None:
    """Prints what fine-tuning or distillation returned, and where it lies."""
    columns = ["epochs", "of these head alone", "best epoch", "validation EMD"]
    counts = [str(results[key]) for key in ("epochs", "head_epochs", "best_epoch")]
    print_table("Fine-tuning", columns, [[*counts, _number(results["metrics"]["val_loss"])]])
    for name in ("results.json", "log.csv", "nima.h5"):
        print(run / name)


def print_evaluation(results: dict[str, Any], ratings: str) -> None:
    """Prints what `evaluation.evaluate` returned, a row for each metric."""
    from nima_pretrain.evaluation.comparison import LABELS

    labels = {"model": "model", "mapped": "mapped to the scale", "constant": "always the mean"}
    shown = {key: label for key, label in labels.items() if key in results}
    columns = [""]
    rows = [[label] for label in LABELS.values()]
    for key, label in shown.items():
        columns += [label, "95 %"]
        intervals = results.get("intervals", {}).get(key, {})
        for row, name in zip(rows, LABELS, strict=True):
            row += [_number(results[key][name]), _interval(intervals.get(name))]
    title = f"Evaluation on {results['images']} images, {ratings}"
    print_table(title, columns, rows)
    if results.get("categories"):
        shown_here = ("lcc", "srcc", "mae", "emd")
        rows = [
            [category, str(found["photos"]), *(_number(found[name]) for name in shown_here)]
            for category, found in results["categories"].items()
        ]
        heads = ["category", "photos", *(LABELS[name] for name in shown_here)]
        print_table("By category", heads, rows)


def print_check(check: Any) -> None:
    """Prints what `checking.check_data` returned."""
    rows = [list(map(str, row)) for row in check.counts.itertuples(index=False)]
    print_table(f"Ratings of {check.scale}", ["part", "entries", "usable", "readable images"], rows)
    most = max(check.histogram["photos"].max(), 1)
    rows = [
        [
            f"{row.low:.3g} to {row.high:.3g}",
            str(row.photos),
            "\u2588" * round(40 * row.photos / most),
        ]
        for row in check.histogram.itertuples()
    ]
    print_table("Mean scores", ["score", "photos", ""], rows, left=("score", ""))
    constant = check.constant
    figures = [constant.accuracy, constant.balanced_accuracy, constant.mae]
    emd = _number(constant.emd) if check.of_votes else "- (means alone)"
    columns = ["", f"accuracy (above {check.threshold:g})", "balanced accuracy", "MAE", "EMD"]
    print_table("A constant would do", columns, [["the mean", *map(_number, figures), emd]])
    if check.problems.empty:
        print("No problems found.")
        return
    counts = check.problems["problem"].value_counts()
    examples = check.problems.drop_duplicates("problem").set_index("problem")
    rows = [
        [name, str(number), " ".join(filter(None, examples.loc[name, ["place", "image_id"]]))]
        for name, number in counts.items()
    ]
    print_table("Problems", ["problem", "number", "for example"], rows)


def print_results(results: dict[str, Any], baseline: str) -> None:
    """Prints what `reproduction.write_results` or the comparison of runs returned."""
    from nima_pretrain.evaluation.comparison import LABELS

    shown = {name: LABELS[name] for name in ("lcc", "srcc", "accuracy", "mae", "emd")}
    rows = [[row["name"], *(_number(row[name]) for name in shown)] for row in results["metrics"]]
    print_table(f"{results['photos']} photos", ["", *shown.values()], rows)
    rows = [
        [
            row["name"],
            *(
                f"{row[name]:+.3f} {_interval((row[f'{name}_low'], row[f'{name}_high']))}"
                if row[name] is not None
                else "-"
                for name in ("srcc", "mae")
            ),
            "-" if row["p_corrected"] is None else f"{row['p_corrected']:.2g}",
        ]
        for row in results["differences"]
    ]
    columns = ["", "SRCC", "MAE", "p (smaller errors)"]
    print_table(f"Difference to {baseline}, 95 % intervals", columns, rows)


def print_study(results: dict[str, Any], weights: str) -> None:
    """Prints what `study.study` returned."""
    kinds = ("all", "reference", "inner")
    rows = [
        [name, *(_number(results["pairs"][f"{name}, {kind}"]) for kind in kinds)]
        for name in ("all", "technical", "style", "composition")
    ]
    title = f"Pairs in order by {weights}, {results['photos']} photos"
    print_table(title, ["", "all pairs", "with the original", "of two levels"], rows)


def print_installation(lines: Sequence[tuple[str, str]]) -> None:
    """Prints what `doctor.describe_installation` returned."""
    print_table("This installation", ["", ""], [list(line) for line in lines], left=("",))


def print_reference_scores(comparisons: Sequence[Any], weights: str) -> None:
    """Prints what `reference_scores.compare_reference_scores` returned."""
    if not comparisons:
        print(f"The side-car of {weights} records no scores to compare with.")
        return
    verdicts = {True: "the same", False: "NOT the same", None: "another photograph here"}
    rows = [
        [
            comparison.name,
            f"{comparison.expected:.4f}",
            "-" if comparison.received is None else f"{comparison.received:.4f}",
            verdicts[comparison.agrees],
        ]
        for comparison in comparisons
    ]
    columns = ["photograph", "recorded", "here", "verdict"]
    print_table(f"Scores by {weights}", columns, rows, left=("verdict",))


def print_table(
    title: str, columns: list[str], rows: list[list[str]], left: Sequence[str] = ()
) -> None:
    """Prints a table, the first column and those in `left` to the left, the others to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        is_left = not number or column in left
        table.add_column(column, justify="left" if is_left else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _interval(interval: Sequence[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
