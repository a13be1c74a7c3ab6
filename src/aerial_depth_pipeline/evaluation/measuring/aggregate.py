"""From records per image to the contract's table: means, intervals, scale drift, skill over the
plane, counts of problems."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.measuring.metrics import metric_names, within_limits
from aerial_depth_pipeline.evaluation.measuring.statistics import (
    Bootstrap,
    mean_of_numbers,
    scale_drift,
)
from aerial_depth_pipeline.evaluation.method_table import METHOD
from aerial_depth_pipeline.evaluation.settings import NO_CAP, EvaluationSettings

KEYS = [METHOD, "domain", "scene", "alignment", "cap"]
COLUMNS = [*KEYS, "metric", "value", "low", "high", "images", "coverage"]
FEWEST_IMAGES = 10  # of an interval
_PERCENTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def summarize(
    per_image: pd.DataFrame,
    problems: pd.DataFrame,
    frames: Mapping[str, int],
    settings: EvaluationSettings,
) -> pd.DataFrame:
    """The long table from the records per image: means over images, intervals, scale drift, skill
    over the plane, counts of problems.

    Args:
        per_image: `Measurements.per_image` of one domain.
        problems: `Measurements.problems` of the same domain.
        frames: number of test frames by scene.
        settings: number and seed of the resamplings, thresholds.
    """
    names = [*metric_names(settings.thresholds), "correlation", "prediction_coverage"]
    bootstrap = Bootstrap(settings.bootstrap_samples, settings.seed)
    domain = per_image["domain"].iloc[0]
    rows: list[tuple[object, ...]] = []
    for scene in ["all", *sorted(frames)]:
        part = per_image if scene == "all" else per_image[per_image["scene"] == scene]
        for (method, alignment, cap), group in part.groupby(
            [METHOD, "alignment", "cap"], sort=False
        ):
            key = (method, domain, scene, alignment, cap)
            coverage = float(group["coverage"].mean())
            values_NM = group[names].to_numpy(float)
            of_scenes = group["scene"].tolist()
            value, images = mean_of_numbers(values_NM), np.isfinite(values_NM).sum(0)
            samples = bootstrap.means(values_NM, of_scenes)
            low, high = bootstrap.interval(value, samples, of_scenes)
            for i in np.flatnonzero(images):
                ends = within_limits(names[i], low[i], high[i])
                rows.append((*key, names[i], value[i], *ends, int(images[i]), coverage))
            if method == "tilted_plane":
                continue
            if alignment == "median_per_image":
                drift = _drift(group, bootstrap)
                rows.append((*key, "scale_drift", *drift, len(group), coverage))
            # The plane's error on the very pixels that the method answers: sparse methods answer
            # where it is easy.
            if group["plane_abs_rel"].notna().any():
                rows.append((*key, "skill_over_plane", *_skill(group, bootstrap), coverage))
    rows += _counts(per_image, problems, domain, frames)
    table = pd.DataFrame(rows, columns=COLUMNS).astype(
        {"value": float, "low": float, "high": float, "images": int, "coverage": float}
    )
    # One scene says nothing about others, and a few images next to nothing.
    one_scene = (table["scene"] == "all") & (len(frames) == 1)
    table.loc[one_scene | (table["images"] < FEWEST_IMAGES), ["low", "high"]] = np.nan
    return table


def spread_table(per_image: pd.DataFrame, thresholds: Sequence[float]) -> pd.DataFrame:
    """How much images differ: standard deviation and percentiles over images of every metric, by
    scene and for the domain (`all`)."""
    names = [*metric_names(thresholds), "correlation"]
    both = pd.concat([per_image.assign(scene="all"), per_image], ignore_index=True)
    long = both.melt(KEYS, names, "metric").dropna(subset="value")
    grouped = long.groupby([*KEYS, "metric"], sort=False)["value"]
    columns = {"std": grouped.std(ddof=0)}
    columns |= {name: grouped.quantile(share) for name, share in _PERCENTILES.items()}
    return pd.DataFrame({"mean": grouped.mean(), **columns, "images": grouped.size()}).reset_index()


def _drift(group: pd.DataFrame, bootstrap: Bootstrap) -> tuple[float, float, float]:
    """Scale drift, the mean over scenes, with its interval."""
    ratios = group.loc[np.isfinite(group["scale"]) & (group["scale"] > 0), ["scene", "scale"]]
    drifts = {scene: scale_drift(part) for scene, part in ratios.groupby("scene")["scale"]}
    known = [drift for drift in drifts.values() if np.isfinite(drift)]
    if not known:
        return float("nan"), float("nan"), float("nan")
    of_scenes = ratios["scene"].tolist()
    logs = np.log(ratios["scale"].to_numpy(float))
    centred = logs - pd.Series(logs).groupby(of_scenes).transform("mean").to_numpy()
    # The root mean square over images stands for the mean over scenes when images are drawn again.
    samples = np.sqrt(bootstrap.means(centred[:, None] ** 2, of_scenes))
    value = float(np.mean(known))
    low, high = bootstrap.interval(np.array([value]), samples, of_scenes)
    return value, *within_limits("scale_drift", float(low[0]), float(high[0]))


def _skill(group: pd.DataFrame, bootstrap: Bootstrap) -> tuple[float, float, float, int]:
    """One minus the ratio of mean abs_rel to the plane's, with its interval, and the number of
    images."""
    both = group[["scene", "abs_rel", "plane_abs_rel"]].dropna()
    pairs_N2, of_scenes = both[["abs_rel", "plane_abs_rel"]].to_numpy(float), both["scene"].tolist()
    means_B2 = np.vstack([pairs_N2.mean(0), bootstrap.means(pairs_N2, of_scenes)])
    with np.errstate(divide="ignore", invalid="ignore"):
        skill_B = 1 - means_B2[:, :1] / means_B2[:, 1:]
    value = skill_B[0, 0] if np.isfinite(skill_B[0, 0]) else np.nan
    low, high = bootstrap.interval(np.array([value]), skill_B[1:], of_scenes)
    ends = within_limits("skill_over_plane", float(low[0]), float(high[0]))
    return float(value), *ends, len(pairs_N2)


def _counts(
    per_image: pd.DataFrame, problems: pd.DataFrame, domain: str, frames: Mapping[str, int]
) -> list[tuple[object, ...]]:
    """Rows that count test frames and predictions with a problem, so that no average hides them."""
    rows: list[tuple[object, ...]] = []
    nan = float("nan")
    named = problems.loc[problems[METHOD] != "reference", METHOD]
    everyone = list(dict.fromkeys([*per_image[METHOD], *named]))
    for scene in ["all", *sorted(frames)]:
        total = sum(frames.values()) if scene == "all" else frames[scene]
        of_scene = problems if scene == "all" else problems[problems["scene"] == scene]
        for method in everyone:
            of_method = of_scene[of_scene[METHOD] == method]
            for problem, group in of_method.groupby("problem"):
                count = len(group.drop_duplicates(["scene", "frame"]))
                key = (method, domain, scene, "none", NO_CAP)
                metric = "images_" + re.sub(r"\W", "_", problem)
                rows.append((*key, metric, count, nan, nan, total, nan))
    return rows
