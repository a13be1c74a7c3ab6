"""Where the frames of a scene lie on the ground: corners on a plan where positions are known, else
places along the flight by the motion of its images."""

from pathlib import Path

import numpy as np
import pandas as pd

from aerial_depth_pipeline.capture.selection import THINNED
from aerial_depth_pipeline.capture.telemetry.telemetry import smooth_positions
from aerial_depth_pipeline.formats.cameras import UP_COLUMNS
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.formats.triplet_folder import TripletFolder
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.poses import invert
from aerial_depth_pipeline.triplets.pose_table import POSE_COLUMNS

CORNER_COLUMNS = [f"{axis}{corner}" for corner in range(4) for axis in ("east", "north")]
FOOTPRINT_COLUMNS = ["frame", "place", "latitude", "longitude", *CORNER_COLUMNS]

_FARTHEST = 3.0  # distances of the image's centre, beyond which ground is too small to count
_SHALLOWEST = 0.1  # sine of the angle at which a line of sight still meets the ground
# Heights by parallax came out 4 to 16 % low on four simulated flights (roofs and trees move more).
_MARGIN = 1.1
_KNOWN = 0.8  # share of the frames that must have a position
_NADIR = np.array([0.0, 0.0, -1.0])


def scene_footprints(
    frames: Path, triplets: Path, origin: tuple[float, float] | None
) -> pd.DataFrame:
    """The footprints of a scene's kept frames.

    The height above ground is the one at which level ground moves by the parallax that two-view
    geometry measured over the metres that telemetry states; the heading is that of the course,
    turned by the direction of travel in the camera's axes. Where the attitude is not known, a
    square twice as wide as the view stands for the view.

    Args:
        frames: the scene's folder below 02_intermediate.
        triplets: its folder below 05_model_input.
        origin: latitude and longitude of the scene's (0, 0) in degrees.

    Returns:
        For each kept frame `frame`; `place`, its way along the flight in image widths (NaN without
        motion, as of photographs); `latitude` and `longitude` of the origin; the corners in metres
        east and north of it (NaN without positions).
    """
    scene, made = SceneFolder(frames), TripletFolder(triplets)
    table = scene.frame_table()
    footprints = pd.DataFrame({"frame": table.loc[table["kept"], "frame"].to_numpy(np.int64)})
    footprints["place"] = _places(table)
    footprints[["latitude", "longitude"]] = (np.nan, np.nan) if origin is None else origin
    corners = None if origin is None else _corners(table[table["kept"]], scene, made)
    footprints[CORNER_COLUMNS] = np.nan if corners is None else corners.reshape(-1, 8)
    return footprints[FOOTPRINT_COLUMNS]


def _places(table: pd.DataFrame) -> np.ndarray:
    """Accumulated motion of the kept frames [N] in image widths. Where it is lost, as at a cut, the
    next frame counts as at the same place."""
    row = table[table["kept"] | (table["reason"] == THINNED)]
    if row["motion"].isna().all():
        return np.full(int(table["kept"].sum()), np.nan)
    # After thinning a kept frame's motion holds that of the frames thinned out before it.
    motion = row["motion"].where(row["kept"], 0.0).fillna(0.0)
    return motion.cumsum()[row["kept"]].to_numpy()


def _corners(kept: pd.DataFrame, scene: SceneFolder, made: TripletFolder) -> np.ndarray | None:
    """Corners [N, 4, 2] of the frames' views in metres; None where they are not known."""
    positions, frames = _positions(kept), kept["frame"].to_numpy()
    if positions is None:
        return None
    pairs = made.table("poses").merge(made.table("targets")[["frame", "parallax"]], on="frame")
    pairs = pairs[pairs["source_frame"].isin(frames) & pairs["frame"].isin(frames)]
    rows, sources = (np.searchsorted(frames, pairs[name]) for name in ("frame", "source_frame"))
    T = pairs[POSE_COLUMNS].to_numpy(float).reshape(-1, 4, 4)
    ways, steps = invert(T)[:, :3, 3], positions[sources] - positions[rows]
    lengths = np.linalg.norm(steps, axis=1)
    ways *= (lengths / np.maximum(np.linalg.norm(ways, axis=1), 1e-9))[:, None]
    up = _filled(_up(kept, made))
    attitude = np.tile(_NADIR, (len(kept), 1)) if up is None else up
    camera = scene.camera()
    # The nearest sources, whose parallax it is
    gaps = pd.Series(np.abs(rows - sources)).groupby(rows).transform("min").to_numpy()
    usable = (np.abs(rows - sources) == gaps) & (pairs["parallax"].to_numpy() > 0) & (lengths > 0)
    if not usable.any():
        return None
    flow = _flow_of_level_ground(ways[usable], attitude[rows[usable]], camera)
    measured = flow / pairs["parallax"].to_numpy()[usable]
    above = measured - positions[rows[usable], 2]
    heights = np.maximum(positions[:, 2] + np.median(above), np.median(measured) / 4) * _MARGIN
    if up is None:
        half = heights * camera.width / camera.K[0, 0]
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return positions[:, None, :2] + half[:, None, None] * square
    right, ahead = _level_axes(attitude)
    seen = _plan(ways, right[rows], ahead[rows])
    turns = np.zeros(len(kept), complex)
    np.add.at(turns, rows, seen.conj() * (steps[:, 0] + 1j * steps[:, 1]))
    heading = _filled(np.where(turns == 0, np.nan, turns / np.abs(turns).clip(1e-9))[:, None])
    if heading is None:
        return None
    rays = _rays(camera, np.array([-1.0, 1.0, 1.0, -1.0]), np.array([-1.0, -1.0, 1.0, 1.0]))
    depth = heights[:, None] / np.maximum(-attitude @ rays.T, 1e-9)
    depth = np.minimum(depth, _FARTHEST * heights[:, None] / _centre(attitude))
    points = depth[:, :, None] * rays
    turned = _plan(points, right[:, None], ahead[:, None]) * heading
    return positions[:, None, :2] + np.stack([turned.real, turned.imag], -1)


def _positions(kept: pd.DataFrame) -> np.ndarray | None:
    """Smooth positions [N, 3] in metres of all kept frames, heights 0 where none is known; None
    where too few are."""
    known = kept[["east", "north", "up"]].to_numpy(float)
    if np.isfinite(known[:, 0]).mean() < _KNOWN:
        return None
    if np.isnan(known[:, 2]).all():
        known[:, 2] = 0.0
    smooth = smooth_positions(kept["time"].to_numpy(float), known)
    index = np.arange(len(kept))
    for column in smooth.T:
        there = np.isfinite(column)
        column[:] = np.interp(index, index[there], column[there])
    return smooth


def _up(kept: pd.DataFrame, made: TripletFolder) -> np.ndarray:
    if not made.table_file("attitude").is_file():  # of triplets that somebody else made
        return np.full((len(kept), 3), np.nan)
    attitude = made.table("attitude").set_index("frame")
    return attitude.reindex(kept["frame"])[UP_COLUMNS].to_numpy(float)


def _filled(values_NC: np.ndarray) -> np.ndarray | None:
    """The values, those of the nearest row that is known where a row is not; None where none is."""
    known = np.flatnonzero(np.isfinite(values_NC).all(1))
    if not len(known):
        return None
    index = np.arange(len(values_NC))
    after = np.searchsorted(known, index).clip(0, len(known) - 1)
    before = (after - 1).clip(0)
    nearer = np.where(index - known[before] < known[after] - index, before, after)
    return values_NC[known[nearer]]


def _level_axes(up_N3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image's right and what lies ahead of it, level, in the camera's axes."""
    right = np.array([1.0, 0.0, 0.0]) - up_N3[:, :1] * up_N3
    right /= np.linalg.norm(right, axis=1, keepdims=True).clip(1e-9)
    return right, np.cross(up_N3, right)


def _plan(points: np.ndarray, right: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Points [..., 3] of the camera's axes on the plan, as complex numbers."""
    return (points * right).sum(-1) + 1j * (points * ahead).sum(-1)


def _rays(camera: Camera, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Rays [N, 3] of z = 1 through points of the image, -1 to 1 across it."""
    pixels = [(u + 1) / 2 * camera.width, (v + 1) / 2 * camera.height, np.ones_like(u)]
    return np.stack(pixels, -1) @ np.linalg.inv(camera.K).T


def _centre(up_N3: np.ndarray) -> np.ndarray:
    """Inverse depth [N, 1] of the image's centre above level ground at height 1."""
    return np.maximum(-up_N3[:, 2:], _SHALLOWEST)


def _flow_of_level_ground(ways_N3: np.ndarray, up_N3: np.ndarray, camera: Camera) -> np.ndarray:
    """Median parallax [N] over the image, as a share of its width, of level ground one metre below
    a camera that moves along `ways`."""
    u, v = np.meshgrid(np.linspace(-0.8, 0.8, 5), np.linspace(-0.8, 0.8, 5))
    rays = _rays(camera, u.ravel(), v.ravel())
    inverse = np.maximum(-up_N3 @ rays.T, _centre(up_N3) / _FARTHEST)
    moved = ways_N3[:, None, :2] - ways_N3[:, None, 2:] * rays[:, :2]
    return np.median(inverse * np.linalg.norm(moved, axis=-1), 1) * camera.K[0, 0] / camera.width
