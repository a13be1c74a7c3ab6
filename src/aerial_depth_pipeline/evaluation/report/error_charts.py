"""Charts of a domain's errors: by distance, row, height, surface, texture; histogram; along the
flights."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aerial_depth_pipeline.evaluation.method_table import BASELINES, METHOD, METHODS
from aerial_depth_pipeline.reporting.figures import finish, new_figure, png

_COLOURS = {row.name: row.colour for row in METHODS if row.colour}
_OTHERS = ("#d62728", "#1f4fd8", "#e377c2", "#17becf", "#bcbd22", "#3a3a44")
_LEAST_SHARE = 0.002
_TITLES = {
    "distance": "distance (m)",
    "relative_distance": "distance (× median of the image)",
    "image_row": "image row (0 = top)",
    "height_above_ground": "height above ground",
}


def colours_of(methods: Sequence[str]) -> dict[str, str]:
    """A colour for each method, the same in every chart of a page."""
    others = cycle(_OTHERS)
    return {name: _COLOURS.get(name) or next(others) for name in methods}


def error_charts(breakdowns: pd.DataFrame, per_image: pd.DataFrame, alignment: str) -> bytes:
    """An image (PNG) of a domain's errors under one alignment, without a cap.

    Args:
        breakdowns: `Measurements.breakdowns`.
        per_image: `Measurements.per_image`.
        alignment: the alignment of `breakdowns`.
    """
    colours = colours_of(list(dict.fromkeys(per_image[METHOD])))
    present = set(breakdowns["breakdown"])
    figure = new_figure(12, 10.2)
    axes = figure.subplots(3, 2)
    curves = ["distance" if "distance" in present else "relative_distance", "image_row"]
    for place, name in zip(axes[0], curves, strict=True):
        _curve(place, breakdowns, name, colours)
    if "height_above_ground" in present:
        _bars(axes[1][0], breakdowns, ["height_above_ground"], colours, "height above ground")
    else:
        _curve(axes[1][0], breakdowns, "relative_distance", colours)
    kinds = [name for name in ("surface", "texture") if name in present]
    _bars(axes[1][1], breakdowns, kinds, colours, "kind of pixel")
    _histogram(axes[2][0], breakdowns, colours)
    _along(axes[2][1], per_image, alignment, colours)
    handles, labels = axes[0][0].get_legend_handles_labels()
    columns, look = min(len(labels), 8), {"frameon": False, "fontsize": 9}
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, **look)
    return png(figure)


def _curve(axes: Axes, breakdowns: pd.DataFrame, name: str, colours: dict[str, str]) -> None:
    """Mean relative error over the middle of each bin; bins with hardly any pixels are left out."""
    part = breakdowns[breakdowns["breakdown"] == name]
    for method in colours:
        rows = part[part[METHOD] == method]
        rows = rows[rows["pixels"] >= _LEAST_SHARE * rows["pixels"].sum()]
        if rows.empty:
            continue
        start, end = rows["start"], rows["end"]
        middle = (start + end) / 2 if name == "image_row" else np.sqrt(start * end)
        axes.plot(middle, rows["abs_rel"], marker="o", markersize=3, **_style(method, colours))
    if name != "image_row":
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
        positions = [np.asarray(line.get_xdata(), float) for line in axes.lines] or [np.ones(1)]
        ticks = np.unique(np.round(np.log2(np.concatenate(positions))))
        axes.set_xticks([2**tick for tick in ticks], [f"{2**tick:.3g}" for tick in ticks])
    finish(axes, _TITLES[name])


def _bars(
    axes: Axes, breakdowns: pd.DataFrame, names: Sequence[str], colours: dict[str, str], title: str
) -> None:
    part = breakdowns[breakdowns["breakdown"].isin(names)]
    bins = list(dict.fromkeys(part.sort_values(["breakdown", "start"], kind="stable")["bin"]))
    pixels = part.groupby("bin")["pixels"].max()
    width = 0.8 / max(len(colours), 1)
    for i, method in enumerate(colours):
        rows = part[part[METHOD] == method].set_index("bin")["abs_rel"].reindex(bins)
        x = np.arange(len(bins)) + (i - (len(colours) - 1) / 2) * width
        axes.bar(x, rows, width, color=colours[method], label=method)
    whole = {
        name: part[part["breakdown"] == name].groupby(METHOD)["pixels"].sum().max()
        for name in names
    }
    share = {
        name: pixels[name] / whole[part.loc[part["bin"] == name, "breakdown"].iloc[0]]
        for name in bins
    }
    unit = "% of pixels" if len(bins) <= 4 else "%"
    labels = [f"{name}\n{100 * share[name]:.1f} {unit}" for name in bins]
    axes.set_xticks(np.arange(len(bins)), labels, fontsize=8)
    finish(axes, title)


def _histogram(axes: Axes, breakdowns: pd.DataFrame, colours: dict[str, str]) -> None:
    part = breakdowns[breakdowns["breakdown"] == "log_ratio"]
    for method in colours:
        rows = part[part[METHOD] == method]
        if len(rows):
            share = rows["pixels"] / rows["pixels"].sum() / (rows["end"] - rows["start"])
            axes.step(rows["start"], share, where="post", **_style(method, colours))
    highest = (
        part.assign(share=part["pixels"] / part.groupby(METHOD)["pixels"].transform("sum"))
        .groupby(METHOD)["share"]
        .max()
    )
    own = highest.get("model", highest.max())
    # Matching is so much sharper that the others would lie on the ground.
    axes.set_ylim(top=1.05 * min(highest.max(), 4 * own) / (part["end"] - part["start"]).iloc[0])
    for limit in (-np.log(1.25), np.log(1.25)):
        axes.axvline(limit, color="#bbb", linewidth=0.8, linestyle=":")
    finish(axes, "ln(predicted / true); dotted: δ = 1.25", "share of pixels per unit")


def _along(axes: Axes, per_image: pd.DataFrame, alignment: str, colours: dict[str, str]) -> None:
    """The model's and the plane's error frame by frame, scene after scene."""
    part = per_image[(per_image["alignment"] == alignment) & (per_image["cap"] == "none")]
    places = part.drop_duplicates(["scene", "frame"]).reset_index(drop=True)
    place = {key: i for i, key in enumerate(zip(places["scene"], places["frame"], strict=True))}
    for method in dict.fromkeys(part[METHOD]):
        if method in BASELINES and method != "tilted_plane":
            continue
        for scene, rows in part[part[METHOD] == method].groupby("scene", sort=False):
            x = [place[scene, frame] for frame in rows["frame"]]
            axes.plot(x, rows["abs_rel"], marker=".", markersize=4, **_style(method, colours))
    starts = places.drop_duplicates("scene").index
    for start in starts[1:]:
        axes.axvline(start - 0.5, color="#bbb", linewidth=0.8)
    if len(starts) <= 6:
        axes.set_xticks(list(starts), list(places["scene"][starts]), fontsize=8, ha="left")
    finish(axes, "test frames in the order of each flight")


def _style(method: str, colours: dict[str, str]) -> dict:
    width, order = (2.2, 3) if method == "model" else (1.3, 2)
    return {"color": colours[method], "label": method, "linewidth": width, "zorder": order}
