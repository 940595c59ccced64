"""The report of a study: files of tables and figures, and a section of the HTML page."""

from pathlib import Path
from typing import Any

import pandas as pd

from nima_pretrain.distortions import Aspect
from nima_pretrain.evaluation import study_figures as figures
from nima_pretrain.evaluation import study_tables as tables
from nima_pretrain.evaluation.figures import save_figure
from nima_pretrain.evaluation.results import Results
from nima_pretrain.evaluation.stability import Stability
from nima_pretrain.evaluation.view_outputs import ViewOutputs
from nima_pretrain.files import write_table
from nima_pretrain.prediction.variation import warning_of_scores
from nima_pretrain.report import Figure, Table, write_section


class StudyResults(Results):
    """Results of a study of one model.

    Attributes:
        weights: the weights file.
        photos: number of photos.
        pairs: share of pairs in order, by group and kind of pairs, e.g. "style, all".
        accuracy: accuracy of classifying the distortion, by aspect (classification).
        level_lcc: Pearson correlation of predicted and true levels, by distortion (regression).
        outscores: share of photos that score above the original at a distortion's strongest
            levels, averaged over the distortions.
        moves: mean change of the score under imperceptible changes, by change.
        blanks: percentiles of pictures without content among the photos, by picture.
        warning: that the model may be constant; None if its scores differ.
        folder: folder of tables and figures.
        report: the HTML page.
    """

    weights: Path
    photos: int
    pairs: dict[str, float]
    accuracy: dict[str, float] | None = None
    level_lcc: dict[str, float] | None = None
    outscores: float
    moves: dict[str, float]
    blanks: dict[str, float]
    warning: str | None = None
    folder: Path
    report: Path


def write_study(
    outputs: ViewOutputs,
    weights: Path,
    run: Path,
    score: str,
    stability: Stability,
    *,
    with_mirrored: bool = False,
    are_held_out: bool = False,
) -> StudyResults:
    """Writes all tables and figures of a study, and returns the main results.

    Args:
        outputs: outputs of a model.
        weights: its weights file.
        run: folder for `study/<name>/` and `report.html`.
        score: name of its score in captions.
        stability: tables of its stability.
        with_mirrored: whether its scores are means over an image and its mirror image.
        are_held_out: whether lists in the run say that it was not trained on these photos.
    """
    name = f"{weights.stem}-mirrored" if with_mirrored else weights.stem
    target = run / "study" / name
    write = _Writer(target)
    pairs = tables.ordered_pairs(outputs)
    write.table("pairs", pairs)
    overall = pairs[(pairs["group"] != "distortion")].drop(columns=["group", "aspect"])
    write.section(Table(overall, "Share of pairs in order, with 95 % intervals over photos."))
    write.figure(
        "pairs",
        figures.draw_ordered_pairs(pairs),
        "Share of pairs that the score puts in order: of the undistorted photo with a distorted "
        "one (filled), and of two levels of one distortion (hollow).",
    )
    results: dict[str, Any] = {"photos": len(outputs), "pairs": _named(overall, "share")}
    if outputs.logits is not None:
        accuracy = tables.classification_accuracy(outputs)
        write.table("classification", accuracy)
        write.section(Table(accuracy, "Accuracy of classifying the distortion."))
        confusions = {aspect: tables.confusion(outputs, aspect) for aspect in Aspect}
        for aspect, table in confusions.items():
            write.table(f"confusion_{aspect.value}", table.reset_index())
        write.figure("confusion", figures.draw_confusion(confusions), "Confusion matrices.")
        results["accuracy"] = dict(zip(accuracy["aspect"], accuracy["accuracy"], strict=True))
    if outputs.levels is not None:
        levels, agreement = tables.predicted_levels(outputs), tables.level_agreement(outputs)
        write.table("levels", levels)
        write.table("level_agreement", agreement)
        write.figure(
            "levels",
            figures.draw_levels(levels),
            "Each distortion's own output by its true level: median, and 5 to 95 % of the photos; "
            "dotted: the targets of the training.",
        )
        write.section(Table(agreement, "Agreement of each output with its level."))
        write.figure(
            "brightness",
            figures.draw_brightness(outputs),
            "Brightness edits, as the outputs for brightness and for contrast see them (figure 4 "
            "of Pfister, Kobs and Hotho).",
        )
        results["level_lcc"] = dict(zip(agreement["distortion"], agreement["lcc"], strict=True))
    curves = tables.score_curves(outputs)
    ends = tables.strongest_levels(curves)
    write.table("scores", curves)
    write.figure(
        "scores",
        figures.draw_score_curves(curves, score),
        f"Change of the {score} as each distortion grows, with its 95 % interval over photos. "
        "It should fall to both sides of 0.",
    )
    write.section(
        Table(ends, f"Both ends of every distortion, and how often they raise the {score}.")
    )
    results["outscores"] = float(ends["outscores"].mean())
    moves, blanks = stability
    write.table("moves", moves)
    write.section(Table(moves, f"Change of the {score} under imperceptible changes."))
    write.table("blanks", blanks)
    write.section(Table(blanks, "Pictures without content: their percentile among the photos."))
    results["moves"] = dict(zip(moves["change"], moves["mean"], strict=True))
    results["blanks"] = dict(zip(blanks["picture"], blanks["percentile"], strict=True))
    text = f"{len(outputs)} photos{' that it was not trained on' if are_held_out else ''}, in "
    text += f"{outputs.bank.num_views} views each ({outputs.bank.name} bank)."
    results["warning"] = warning_of_scores(outputs.scores.ravel(), None)
    text += f" {results['warning']}" if results["warning"] else ""
    title = f"Scores of distorted photos by {weights.name}"
    title += ", with mirror images" if with_mirrored else ""
    page = write_section(run, f"study-{name}", title, text, write.parts)
    return StudyResults(weights=weights, folder=target, report=page, **results)


class _Writer:
    """A writer of files that collects the parts of the report's section."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.parts: list[Figure | Table] = []

    def table(self, name: str, table: pd.DataFrame) -> None:
        write_table(self._folder / f"{name}.csv", table)

    def figure(self, name: str, figure: Any, caption: str) -> None:
        png = self._folder / f"{name}.png"
        save_figure(figure, png)
        self.parts.append(Figure(png, caption))

    def section(self, table: Table) -> None:
        self.parts.append(table)


def _named(overall: pd.DataFrame, column: str) -> dict[str, float]:
    return {f"{row['name']}, {row['kind']}": float(row[column]) for _, row in overall.iterrows()}
