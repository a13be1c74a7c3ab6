"""Poses of the test scenes, measured: structure from motion against truth, the triplets' poses
against truth or structure from motion."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.evaluation.poses.trajectories import (
    COLUMNS,
    Poses,
    TrajectoryError,
    chain,
    relative_pose_errors,
    trajectory_error,
)
from aerial_depth_pipeline.evaluation.references import Reference
from aerial_depth_pipeline.formats.scene_folder import SceneFolder

log = logging.getLogger(__name__)

OF_TRAJECTORIES = ["ate_rmse", "ate_share_of_path", "ate_rotation_deg"]
OF_TRAJECTORIES += ["rpe_translation_share", "rpe_rotation_deg"]
OF_PAIRS = ["pair_rotation_deg", "pair_direction_deg"]


@dataclass
class PoseErrors:
    """A domain's poses: rows of `trajectories.COLUMNS`, and the trajectories to draw, scene →
    estimate → error."""

    rows: list[dict] = field(default_factory=list)
    trajectories: dict[str, dict[str, TrajectoryError]] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """One row per scene and estimate."""
        return pd.DataFrame(self.rows, columns=COLUMNS)


def measure_poses(
    domain: str, scenes: Mapping[str, Sequence[Reference]], triplets: pd.DataFrame | None
) -> PoseErrors:
    """Trajectory errors of a domain's test scenes.

    Args:
        domain: its name.
        scenes: references by scene.
        triplets: the domain's `poses.parquet`: relative poses between the frames of triplets, which
            training starts from.
    """
    errors = PoseErrors()
    for scene, references in scenes.items():
        if not references:
            continue
        try:
            truth = SceneFolder(references[0].scene_folder).poses()
            sfm = _sfm_poses(references[0].ground_truth)
            if truth and sfm:
                _add(errors, domain, scene, "sfm", "truth", sfm, truth, {})
            true, against = (truth, "truth") if truth else (sfm, "sfm")
            for origin, pairs in _pairs(triplets, scene).items():
                if true and not (against == "sfm" and origin == "colmap"):
                    of_pairs = relative_pose_errors(pairs, true)
                    _add(errors, domain, scene, origin, against, chain(pairs), true, of_pairs)
        except (SceneError, ValueError) as problem:
            log.warning("Poses of %s/%s are not measured: %s.", domain, scene, problem)
    return errors


def pose_metrics(poses: pd.DataFrame) -> dict[str, float]:
    """Means over scenes by MLflow's names: `town/poses/sfm/ate_rmse`,
    `town/poses/two_view/pair_direction_deg`."""
    metrics = {}
    for (domain, estimate), rows in poses.groupby(["domain", "estimate"]):
        for name in (*OF_TRAJECTORIES, *OF_PAIRS):
            value = float(rows[name].mean())
            if np.isfinite(value):
                metrics[f"{domain}/poses/{estimate}/{name}"] = value
    return metrics


def _add(
    errors: PoseErrors,
    domain: str,
    scene: str,
    estimate: str,
    against: str,
    poses: Poses,
    true: Poses,
    of_pairs: dict[str, float],
) -> None:
    try:
        error = trajectory_error(poses, true)
    except ValueError as problem:
        log.warning(
            "The trajectory of %s/%s by %s is not measured: %s.", domain, scene, estimate, problem
        )
        return
    named: dict[str, object] = {
        "estimate": estimate,
        "domain": domain,
        "scene": scene,
        "against": against,
    }
    named |= {"of_frames": len(true), **of_pairs}
    missing = float("nan")
    row = {name: named.get(name, getattr(error, name, missing)) for name in COLUMNS}
    errors.rows.append(row)
    errors.trajectories.setdefault(scene, {})[estimate] = error


def _pairs(
    triplets: pd.DataFrame | None, scene: str
) -> dict[str, list[tuple[int, int, np.ndarray]]]:
    """Relative poses of a scene by origin: (source frame, target frame, `T_source_from_target`)."""
    if triplets is None:
        return {}
    names = [f"t{row}{column}" for row in range(4) for column in range(4)]
    found = {}
    for origin, rows in triplets[triplets["scene"] == scene].groupby("origin"):
        matrices = rows[names].to_numpy(float).reshape(-1, 4, 4)
        found[str(origin)] = list(
            zip(rows["source_frame"].astype(int), rows["frame"].astype(int), matrices, strict=True)
        )
    return found


def _sfm_poses(ground_truth: Path | None) -> Poses:
    if ground_truth is None or not SceneFolder(ground_truth).has_sfm:
        return {}
    from aerial_depth_pipeline.sfm.scene_model import read_sfm_poses

    try:
        return read_sfm_poses(ground_truth)
    except (OSError, RuntimeError) as error:
        raise SceneError(
            f"The model in {ground_truth / 'sfm'} cannot be read ({error}); run ground_truth for"
            " this scene again."
        ) from error
