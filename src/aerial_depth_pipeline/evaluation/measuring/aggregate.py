"""From records per image to the contract's table: means, intervals, scale drift, skill over the
plane, counts of problems."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aerial_depth_pipeline.evaluation.measuring.metrics import metric_names
from aerial_depth_pipeline.evaluation.measuring.statistics import (
    Bootstrap,
    mean_of_numbers,
    scale_drift,
)
from aerial_depth_pipeline.evaluation.method_table import METHOD
from aerial_depth_pipeline.evaluation.settings import NO_CAP, EvaluationSettings

KEYS = [METHOD, "domain", "scene", "alignment", "cap"]
COLUMNS = [*KEYS, "metric", "value", "low", "high", "images", "coverage"]
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
            low, high = bootstrap.interval(bootstrap.means(values_NM))
            value, images = mean_of_numbers(values_NM), np.isfinite(values_NM).sum(0)
            for i in np.flatnonzero(images):
                rows.append((*key, names[i], value[i], low[i], high[i], int(images[i]), coverage))
            if method == "tilted_plane":
                continue
            if alignment == "median_per_image":
                drift = _drift(group, bootstrap)
                rows.append((*key, "scale_drift", *drift, len(group), coverage))
            # The plane's error on the very pixels that the method answers: sparse methods answer
            # where it is easy.
            pairs = group[["abs_rel", "plane_abs_rel"]].dropna().to_numpy(float)
            if group["plane_abs_rel"].notna().any():
                rows.append((*key, "skill_over_plane", *_skill(pairs, bootstrap), coverage))
    rows += _counts(per_image, problems, domain, frames)
    return pd.DataFrame(rows, columns=COLUMNS).astype(
        {"value": float, "low": float, "high": float, "images": int, "coverage": float}
    )


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
    """Scale drift, the mean over scenes, with its interval from resampling the images of each
    scene."""
    values, samples = [], []
    for _, ratios in group.groupby("scene")["scale"]:
        value = scale_drift(ratios)
        if np.isfinite(value):
            log_N = np.log(ratios[ratios > 0].to_numpy())
            log_N = log_N - log_N.mean()
            first, second = bootstrap.means(np.stack([log_N, log_N**2], 1)).T
            values.append(value)
            samples.append(np.sqrt(np.maximum(second - first**2, 0)))
    if not values:
        return float("nan"), float("nan"), float("nan")
    low, high = bootstrap.interval(np.mean(samples, 0)[:, None])
    return float(np.mean(values)), float(low[0]), float(high[0])


def _skill(pairs_N2: np.ndarray, bootstrap: Bootstrap) -> tuple[float, float, float, int]:
    """One minus the ratio of mean abs_rel to the plane's, with the interval from resampling images,
    and their number."""
    means_B2 = np.vstack([pairs_N2.mean(0), bootstrap.means(pairs_N2)])
    with np.errstate(divide="ignore", invalid="ignore"):
        skill_B = 1 - means_B2[:, :1] / means_B2[:, 1:]
    low, high = bootstrap.interval(skill_B[1:])
    return (
        float(skill_B[0, 0]) if np.isfinite(skill_B[0, 0]) else float("nan"),
        float(low[0]),
        float(high[0]),
        len(pairs_N2),
    )


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
