"""Matplotlib figures of the tables of a study."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nima_pretrain.distortions import Aspect
from nima_pretrain.evaluation.view_outputs import ViewOutputs

COLOURS = {"technical": "#2b6cb0", "style": "#b7791f", "composition": "#2f855a"}
_COLUMNS = 6


def draw_ordered_pairs(pairs: pd.DataFrame) -> Figure:
    """Returns a plot of the share of ordered pairs by distortion, for reference and inner pairs."""
    of_distortions = pairs[pairs["group"] == "distortion"]
    names = list(dict.fromkeys(of_distortions["name"]))
    figure = Figure((9, 0.32 * len(names) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    markers = {"reference": ("o", -0.12), "inner": ("D", 0.12)}
    for kind, (marker, shift) in markers.items():
        rows = of_distortions[of_distortions["kind"] == kind]
        for _, row in rows.iterrows():
            place = names.index(row["name"]) + shift
            colour = COLOURS[row["aspect"]]
            fill = colour if kind == "reference" else "white"
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1)
            axes.plot(row["share"], place, marker, color=colour, markerfacecolor=fill, markersize=6)
        axes.plot(
            [],
            [],
            marker,
            color="#555",
            markerfacecolor="#555" if shift < 0 else "white",
            label=f"{kind} pairs",
        )
    axes.axvline(0.5, color="#888", linestyle=":", label="guessing")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(min(0.3, float(of_distortions["low"].min())), 1.01)
    axes.set_xlabel("share of pairs in order (95 % interval over photos)")
    axes.legend(loc="lower left", fontsize="small")
    return figure


def draw_confusion(tables: dict[Aspect, pd.DataFrame]) -> Figure:
    """Returns the confusion matrices of the aspects; rows sum to 1."""
    figure = Figure((15, 5.4), layout="constrained")
    widths = [len(table) for table in tables.values()]
    for axes, (aspect, table) in zip(
        figure.subplots(1, len(tables), width_ratios=widths), tables.items(), strict=True
    ):
        shares = table.to_numpy() / table.to_numpy().sum(axis=1, keepdims=True)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.5 else "#333"
            axes.text(
                column,
                row,
                f"{share:.2f}".lstrip("0"),
                ha="center",
                va="center",
                color=colour,
                fontsize=7,
            )
        axes.set_xticks(range(len(table)), table.columns, rotation=60, ha="right", fontsize=8)
        axes.set_yticks(range(len(table)), table.index, fontsize=8)
        axes.set_title(f"{aspect.value}: true distortion (rows), named (columns)", fontsize=9)
    return figure


def draw_levels(levels: pd.DataFrame) -> Figure:
    """Returns a plot of each distortion's output against its level: median and 5 to 95 % band."""

    def draw(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
        axes.plot(rows["level"], rows["target"], color="#888", linestyle=":")
        axes.fill_between(rows["level"], rows["p5"], rows["p95"], color=colour, alpha=0.2)
        axes.plot(rows["level"], rows["median"], "o-", color=colour, markersize=3)

    return _one_panel_each(levels, draw, "level", "predicted level")


def draw_score_curves(curves: pd.DataFrame, score: str) -> Figure:
    """Returns a plot of the score's change by distortion level: mean and 95 % interval."""

    def draw(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
        axes.axhline(0, color="#888", linewidth=0.8)
        axes.fill_between(rows["level"], rows["low"], rows["high"], color=colour, alpha=0.25)
        axes.plot(rows["level"], rows["change"], "o-", color=colour, markersize=3)

    return _one_panel_each(curves, draw, "level", f"change of the {score}")


def draw_brightness(outputs: ViewOutputs) -> Figure:
    """Returns figure 4 of the paper: outputs for brightness and contrast on brightness edits."""
    assert outputs.levels is not None
    bank = outputs.bank
    series = [s for s in bank.series if s.distortion is bank["brightness"]]
    targets = {t: view for s in series for t, view in zip(s.targets, s.views, strict=True)}
    targets[0.0] = series[0].reference
    steps = sorted(targets)
    figure = Figure((10, 4), layout="constrained")
    names = [distortion.name for distortion in bank]
    for axes, name in zip(
        figure.subplots(1, 2, sharey=True), ("brightness", "contrast"), strict=True
    ):
        values = outputs.levels[:, [targets[step] for step in steps], names.index(name)]
        violins = axes.violinplot(values, positions=steps, widths=0.16, showmedians=True)
        for body in violins["bodies"]:
            body.set_facecolor(COLOURS["style"])
        if name == "brightness":
            axes.plot(steps, steps, color="#888", linestyle=":", label="true level")
        else:
            axes.axhline(0, color="#888", linestyle=":", label="no edit of contrast")
        axes.set_xlabel("true level of brightness")
        axes.set_ylabel(f"predicted level of {name}")
        axes.legend(fontsize="small")
    return figure


def _one_panel_each(
    table: pd.DataFrame,
    draw: Callable[[Axes, pd.DataFrame, str], None],
    x_label: str,
    y_label: str,
) -> Figure:
    """Returns panels with shared axes, one per distortion in the order of the table."""
    groups = list(table.groupby("distortion", sort=False))
    num_rows = -(-len(groups) // _COLUMNS)
    figure = Figure((14, 2.3 * num_rows + 0.5), layout="constrained")
    panels = figure.subplots(num_rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(groups) :]:
        axes.set_axis_off()
    for axes, (name, rows) in zip(panels.flat, groups, strict=False):
        draw(axes, rows, COLOURS[rows["aspect"].iloc[0]])
        axes.set_title(name, fontsize=9)
        axes.set_xticks(range(-5, 6, 5))
    figure.supxlabel(x_label, fontsize=10)
    figure.supylabel(y_label, fontsize=10)
    return figure
