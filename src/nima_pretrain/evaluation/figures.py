"""Matplotlib figures of evaluations and comparisons."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nima_pretrain.files import replacing

_COLOURS = ("#444444", "#2b6cb0", "#b7791f", "#2f855a", "#9b2c2c", "#6b46c1")


def save_figure(figure: Figure, png: Path) -> None:
    """Writes a figure as PNG."""
    with replacing(png) as partial:
        figure.savefig(partial, dpi=110)


def draw_predictions(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Returns a plot of predicted against true means, one panel per table.

    Args:
        tables: tables with the columns true_mean and mapped_mean, by name.
    """
    columns = min(len(tables), 3)
    lines = -(-len(tables) // columns)
    figure = Figure((4 * columns, 3.9 * lines), layout="constrained")
    fields = list(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flat)
    values = pd.concat([table[["true_mean", "mapped_mean"]] for table in tables.values()])
    low, high = float(values.min().min()), float(values.max().max())
    for field, (name, table) in zip(fields, tables.items(), strict=False):
        field.plot([low, high], [low, high], color="#aaa", linewidth=1)
        field.plot(table["true_mean"], table["mapped_mean"], ".", color=_COLOURS[1], alpha=0.5)
        field.set_title(name, fontsize="medium")
        field.set_aspect("equal")
    for field in fields[len(tables) :]:
        field.set_visible(False)
    for field in fields[max(0, len(tables) - columns) : len(tables)]:
        field.tick_params(labelbottom=True)
    figure.supxlabel("mean of the ratings")
    figure.supylabel("predicted mean")
    return figure


def draw_by_share(table: pd.DataFrame, metrics: Mapping[str, str]) -> Figure:
    """Returns a plot of metrics against the share of training ratings, one line per start.

    Args:
        table: columns start, share, and for every metric its value, NAME_low and NAME_high.
        metrics: labels by column.
    """
    figure = Figure((3.6 * len(metrics), 3.4), layout="constrained")
    fields = figure.subplots(1, len(metrics), squeeze=False).flat
    starts = list(dict.fromkeys(table["start"]))
    for field, (metric, label) in zip(fields, metrics.items(), strict=True):
        for number, (start, colour) in enumerate(zip(starts, cycle(_COLOURS), strict=False)):
            rows = table[table["start"] == start].sort_values("share")
            share = 100 * rows["share"] + number - (len(starts) - 1) / 2
            field.plot(share, rows[metric], "o-", color=colour, label=start, markersize=4)
            if f"{metric}_low" in rows:
                field.vlines(
                    share, rows[f"{metric}_low"], rows[f"{metric}_high"], colour, alpha=0.4
                )
        field.set_xlabel("training ratings (%)")
        field.set_title(label, fontsize="medium")
    figure.axes[0].legend(fontsize="small")
    return figure


def draw_learning_curves(logs: Mapping[str, list[pd.DataFrame]]) -> Figure:
    """Returns a plot of validation losses by epoch, one panel per start, one line per run.

    Args:
        logs: tables with the columns epoch, val_loss and backbone_learning_rate, by start.
    """
    figure = Figure((3.4 * len(logs), 3.2), layout="constrained")
    fields = figure.subplots(1, len(logs), squeeze=False, sharey=True, sharex=True).flat
    for field, (start, tables) in zip(fields, logs.items(), strict=True):
        for table in tables:
            frozen = table["backbone_learning_rate"] == 0
            field.plot(table["epoch"] + 1, table["val_loss"], color="#2b6cb0", linewidth=1)
            field.plot(table["epoch"][frozen] + 1, table["val_loss"][frozen], color="#b7791f")
        field.set_title(start, fontsize="medium")
        field.set_xlabel("epoch")
    figure.axes[0].set_ylabel("validation EMD")
    figure.axes[0].plot([], [], color="#b7791f", label="head alone")
    figure.axes[0].plot([], [], color="#2b6cb0", label="everything")
    figure.axes[0].legend(fontsize="small")
    return figure


def draw_differences(table: pd.DataFrame, metrics: Mapping[str, str], baseline: str) -> Figure:
    """Returns a plot of each entry's differences to the baseline, with 95 % intervals.

    Args:
        table: columns name, and for every metric NAME, NAME_low, NAME_high.
        metrics: labels by column.
        baseline: name of the baseline.
    """
    figure = Figure((2.8 * len(metrics), 0.45 * len(table) + 1.3), layout="constrained")
    fields = figure.subplots(1, len(metrics), squeeze=False, sharey=True).flat
    places = np.arange(len(table))
    for field, (metric, label) in zip(fields, metrics.items(), strict=True):
        field.axvline(0, color="#aaa", linewidth=1)
        field.hlines(places, table[f"{metric}_low"], table[f"{metric}_high"], _COLOURS[1])
        field.plot(table[metric], places, "o", color=_COLOURS[1], markersize=5)
        field.set_title(label, fontsize="medium")
        field.locator_params(axis="x", nbins=4)
    figure.axes[0].set_yticks(places, table["name"])
    figure.axes[0].invert_yaxis()
    figure.supxlabel(f"difference to {baseline}, 95 % interval", fontsize="medium")
    return figure
