"""Pose errors: absolute and relative, after alignment by a similarity, with a plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aerial_depth_pipeline.geometry.poses import (
    angle_between,
    camera_center,
    fit_similarity,
    invert,
    relative_pose,
    rotation_angle,
)
from aerial_depth_pipeline.reporting.figures import new_figure, png

Poses = Mapping[int, np.ndarray]
"""frame → `cam_from_world` [4, 4]"""

COLUMNS = ["estimate", "domain", "scene", "against", "frames", "of_frames", "scale"]
COLUMNS += ["ate_rmse", "ate_median", "ate_share_of_path", "ate_rotation_deg", "rpe_step"]
COLUMNS += ["rpe_translation", "rpe_translation_share", "rpe_rotation_deg"]
COLUMNS += ["pairs", "pairs_reversed", "pair_rotation_deg", "pair_direction_deg"]
_PATH_COLOURS = ("#7e03a8", "#f89540", "#2a788e")


@dataclass(frozen=True)
class TrajectoryError:
    """How far an estimated trajectory is from the true one (Sturm et al., IROS 2012).

    Attributes:
        frames: frames that both have.
        scale: factor from the estimate's unit to the truth's.
        ate_rmse: root mean square distance of the aligned positions, in the truth's unit.
        ate_median: median distance.
        ate_share_of_path: ate_rmse over the length of the true path.
        ate_rotation_deg: median angle between estimated and true attitude, after the rotation
            between the worlds that fits the attitudes best: positions along a nearly straight
            flight say little about the rotation about it.
        rpe_step: how many common frames apart relative poses are taken.
        rpe_translation: root mean square error of relative translation over that step, in the
            truth's unit.
        rpe_translation_share: the same over the root mean square length of the step.
        rpe_rotation_deg: root mean square error of relative rotation.
        numbers: the frames' numbers.
        centers_N3: true positions.
        aligned_N3: aligned estimated positions.
    """

    frames: int
    scale: float
    ate_rmse: float
    ate_median: float
    ate_share_of_path: float
    ate_rotation_deg: float
    rpe_step: int
    rpe_translation: float
    rpe_translation_share: float
    rpe_rotation_deg: float
    numbers: list[int]
    centers_N3: np.ndarray
    aligned_N3: np.ndarray


def trajectory_error(estimate: Poses, truth: Poses, step: int = 1) -> TrajectoryError:
    """Errors of an estimated trajectory after the best similarity between positions (Umeyama, PAMI
    1991).

    Positions on one line leave the rotation about it open; there the attitudes decide it, and scale
    and translation follow.

    Args:
        estimate: frame → `cam_from_world`, in any unit and any world.
        truth: the same, in the unit of the errors.
        step: distance of relative poses in common frames.

    Raises:
        ValueError: with fewer than three common frames, or none that moves.
    """
    common = sorted(set(estimate) & set(truth))
    if len(common) < 3:
        raise ValueError(
            f"only {len(common)} frames have both an estimated and a true pose; three are needed"
        )
    estimated_N44 = np.stack([estimate[frame] for frame in common])
    true_N44 = np.stack([truth[frame] for frame in common])
    guess_N3, center_N3 = camera_center(estimated_N44), camera_center(true_N44)
    scale, rotation, translation = _similarity(guess_N3, center_N3, estimated_N44, true_N44)
    aligned_N3 = scale * guess_N3 @ rotation.T + translation
    distance = np.linalg.norm(aligned_N3 - center_N3, axis=1)
    path = float(np.linalg.norm(np.diff(center_N3, axis=0), axis=1).sum())
    between_33 = _mean_rotation(estimated_N44, true_N44)
    attitude = rotation_angle(
        estimated_N44[:, :3, :3] @ between_33.T @ np.swapaxes(true_N44[:, :3, :3], 1, 2)
    )
    translations, lengths, angles = [], [], []
    for first in range(len(common) - step):
        true_step = relative_pose(true_N44[first + step], true_N44[first])
        step_44 = relative_pose(estimated_N44[first + step], estimated_N44[first])
        step_44[:3, 3] *= scale
        difference = invert(true_step) @ step_44
        translations.append(float(np.linalg.norm(difference[:3, 3])))
        angles.append(float(rotation_angle(difference[:3, :3])))
        lengths.append(float(np.linalg.norm(true_step[:3, 3])))
    nan = float("nan")
    rpe, length = (_rms(translations), _rms(lengths)) if translations else (nan, nan)
    return TrajectoryError(
        frames=len(common),
        scale=scale,
        ate_rmse=_rms(distance),
        ate_median=float(np.median(distance)),
        ate_share_of_path=_rms(distance) / path if path > 0 else nan,
        ate_rotation_deg=float(np.degrees(np.median(attitude))),
        rpe_step=step,
        rpe_translation=rpe,
        rpe_translation_share=rpe / length if length > 0 else nan,
        rpe_rotation_deg=float(np.degrees(_rms(angles))) if angles else nan,
        numbers=common,
        centers_N3=center_N3,
        aligned_N3=aligned_N3,
    )


def chain(relative: Sequence[tuple[int, int, np.ndarray]]) -> dict[int, np.ndarray]:
    """A trajectory from relative poses: the first target's camera is the world; frames that cannot
    be reached are left out.

    Args:
        relative: (source frame, target frame, `T_source_from_target` [4, 4]).
    """
    steps: dict[int, list[tuple[int, np.ndarray]]] = {}
    for source, target, T in relative:
        steps.setdefault(target, []).append((source, T))
        steps.setdefault(source, []).append((target, invert(np.asarray(T, float))))
    if not steps:
        return {}
    start = relative[0][1]
    poses, waiting = {start: np.eye(4)}, [start]
    while waiting:
        frame = waiting.pop(0)
        for neighbour, T in steps[frame]:
            if neighbour not in poses:
                poses[neighbour] = T @ poses[frame]
                waiting.append(neighbour)
    return poses


def relative_pose_errors(
    relative: Sequence[tuple[int, int, np.ndarray]], truth: Poses
) -> dict[str, float]:
    """Errors of single relative poses, whose translation has no length, such as two-view geometry
    gives.

    Args:
        relative: (source frame, target frame, `T_source_from_target` [4, 4]).
        truth: frame → `cam_from_world`.

    Returns:
        `pairs`; `pairs_reversed`, those whose direction of travel is off by more than 90°;
        `pair_rotation_deg` and `pair_direction_deg`, medians. Pairs without truth, or whose true
        cameras do not move, do not count for the direction.
    """
    rotations, directions = [], []
    for source, target, T in relative:
        if source not in truth or target not in truth:
            continue
        true_T = relative_pose(truth[source], truth[target])
        rotations.append(np.degrees(rotation_angle(T[:3, :3] @ true_T[:3, :3].T)))
        if np.linalg.norm(true_T[:3, 3]) > 1e-6 and np.linalg.norm(T[:3, 3]) > 0:
            directions.append(np.degrees(angle_between(T[:3, 3], true_T[:3, 3])))
    return {
        "pairs": len(rotations),
        "pairs_reversed": int(np.sum(np.array(directions) > 90)),
        "pair_rotation_deg": float(np.median(rotations)) if rotations else float("nan"),
        "pair_direction_deg": float(np.median(directions)) if directions else float("nan"),
    }


def draw_trajectories(
    scenes: Mapping[str, Mapping[str, TrajectoryError]], unit: str = "m"
) -> bytes:
    """An image (PNG), a row for every scene: true and aligned paths from above, and the distance
    between them along the flight.

    Args:
        scenes: scene → estimate (`sfm`, `two_view`) → its error.
        unit: of the truth.

    Raises:
        ValueError: without any.
    """
    if not scenes:
        raise ValueError("an image needs at least one trajectory")
    figure = new_figure(11, 3.6 * len(scenes), dpi=100)
    grid = figure.subplots(len(scenes), 2, squeeze=False)
    for (map_axes, curve), (scene, estimates) in zip(grid, scenes.items(), strict=True):
        longest = max(estimates.values(), key=lambda error: error.frames)
        map_axes.plot(
            *longest.centers_N3[:, :2].T, color="#2a2a33", linewidth=4, alpha=0.25, label="true"
        )
        for (name, error), colour in zip(
            estimates.items(), _PATH_COLOURS * len(estimates), strict=False
        ):
            map_axes.plot(
                *error.aligned_N3[:, :2].T,
                color=colour,
                linewidth=1.2,
                marker=".",
                markersize=3,
                label=f"{name}, aligned",
            )
            label = (
                f"{name}: ATE {error.ate_rmse:.3g} {unit}, {100 * error.ate_share_of_path:.2f} % of"
                " the path"
            )
            curve.plot(
                error.numbers,
                np.linalg.norm(error.aligned_N3 - error.centers_N3, axis=1),
                color=colour,
                label=label,
            )
        map_axes.set_aspect("equal", adjustable="datalim")
        map_axes.set_xlabel(f"east ({unit})", fontsize=9)
        map_axes.set_ylabel(f"north ({unit})", fontsize=9)
        map_axes.set_title(scene, fontsize=10, loc="left")
        curve.set_ylim(bottom=0)
        curve.set_xlabel("frame", fontsize=9)
        curve.set_ylabel(f"distance from the true position ({unit})", fontsize=9)
        for axes in (map_axes, curve):
            axes.legend(fontsize=8, frameon=False)
            axes.tick_params(labelsize=8)
            axes.grid(True, color="#eee")
    return png(figure)


def _similarity(
    guess_N3: np.ndarray, center_N3: np.ndarray, estimated_N44: np.ndarray, true_N44: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    spread = np.linalg.norm(guess_N3 - guess_N3.mean(0), axis=1)
    if not spread.max() > 0:
        raise ValueError(
            "the estimated cameras all stand in one place; no similarity can be fitted"
        )
    singular = np.linalg.svd(center_N3 - center_N3.mean(0), compute_uv=False)
    if singular[1] > 0.01 * singular[0]:
        return fit_similarity(guess_N3, center_N3)
    rotation = _mean_rotation(estimated_N44, true_N44)
    turned, centred = (guess_N3 - guess_N3.mean(0)) @ rotation.T, center_N3 - center_N3.mean(0)
    scale = float((turned * centred).sum() / (turned**2).sum())
    if not scale > 0:
        raise ValueError(
            "the estimated path runs against the true one; no similarity can be fitted"
        )
    return scale, rotation, center_N3.mean(0) - scale * rotation @ guess_N3.mean(0)


def _mean_rotation(estimated_N44: np.ndarray, true_N44: np.ndarray) -> np.ndarray:
    """The rotation [3, 3] from the estimate's world to the true one that fits the attitudes best
    (Moakher, SIAM 2002)."""
    u, _, vt = np.linalg.svd(
        (np.swapaxes(true_N44[:, :3, :3], 1, 2) @ estimated_N44[:, :3, :3]).sum(0)
    )
    return u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
