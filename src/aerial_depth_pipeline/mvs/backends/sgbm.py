"""The fast backend: OpenCV's semi-global block matching on rectified pairs."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from aerial_depth_pipeline.geometry.poses import camera_center, relative_pose
from aerial_depth_pipeline.mvs.backends.backend import Backend, DenseScene
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.mvs.planes import image_corners, inverse_of, to_opencv, visible_points
from aerial_depth_pipeline.mvs.settings import DenseSettings
from aerial_depth_pipeline.sfm.scene_model import SceneModel

_BLOCK = 5
_FRACTIONS = 16  # OpenCV's disparities are in sixteenths of a pixel
_MOST_DISPARITIES = 512
_LEAST_POINTS = 8
# Times the image; forward flight with an oblique camera stretches the side towards the epipole
_LARGEST = 12


@dataclass(frozen=True)
class Rectification:
    """Two views rotated so that corresponding points lie in one row, the view on the left of its
    source.

    Attributes:
        rotation: from the view's camera to the common direction [3, 3].
        K_view, K_source: calibration after rectification; only the principal points' x may differ.
        H_view, H_source: homographies from original to rectified pixels.
        baseline: distance of the cameras.
        size: height and width of the rectified images.
    """

    rotation: np.ndarray
    K_view: np.ndarray
    K_source: np.ndarray
    H_view: np.ndarray
    H_source: np.ndarray
    baseline: float
    size: tuple[int, int]


def rectify(
    K_33: np.ndarray, T_source_from_view: np.ndarray, size: tuple[int, int]
) -> Rectification | None:
    """Rectify a pair whose calibration is the same; None where the source lies so far ahead or
    behind that it cannot be done.

    Args:
        K_33: calibration of both.
        T_source_from_view: relative pose.
        size: height and width of the images.
    """
    height, width = size
    to_source = camera_center(T_source_from_view)  # in the view's frame
    baseline = float(np.linalg.norm(to_source))
    x = to_source / max(baseline, 1e-12)
    # Both optical axes, in the view's frame.
    forward = np.array([0.0, 0.0, 1.0]) + T_source_from_view[2, :3]
    forward = forward - (forward @ x) * x
    if np.linalg.norm(forward) < 0.5:
        return None
    z = forward / np.linalg.norm(forward)
    rotation = np.stack([x, np.cross(z, x), z])
    inverse = np.linalg.inv(K_33)
    rotations = [rotation, rotation @ T_source_from_view[:3, :3].T]
    focal = np.diag([K_33[0, 0], K_33[1, 1], 1.0])
    focal[0, 0] = focal[1, 1] = (K_33[0, 0] + K_33[1, 1]) / 2
    moved = [focal @ R @ inverse @ image_corners(height, width) for R in rotations]
    if any((m[2] <= 0.1).any() for m in moved):
        return None
    corners = np.stack([m[:2] / m[2] for m in moved])
    low, high = corners.min(2), corners.max(2)
    top, bottom, wide = low[:, 1].min(), high[:, 1].max(), (high - low)[:, 0].max()
    rectified_size = (int(np.ceil(bottom - top)), int(np.ceil(wide)))
    if rectified_size[0] * rectified_size[1] > _LARGEST * height * width:
        return None
    Ks = [focal.copy(), focal.copy()]
    for K, left in zip(Ks, low[:, 0], strict=True):
        K[:2, 2] = -left, -top
    H_view, H_source = (K @ R @ inverse for K, R in zip(Ks, rotations, strict=True))
    return Rectification(rotation, Ks[0], Ks[1], H_view, H_source, baseline, rectified_size)


def match_pair(
    view_HW: np.ndarray,
    source_HW: np.ndarray,
    K_33: np.ndarray,
    T_source_from_view: np.ndarray,
    nearest: float,
    farthest: float,
) -> np.ndarray:
    """Depth of a view from one source, [H, W], 0 = none.

    Args:
        view_HW, source_HW: grey uint8.
        K_33: calibration of both.
        T_source_from_view: relative pose.
        nearest, farthest: range of depth to search.
    """
    size = view_HW.shape
    pair = rectify(K_33, T_source_from_view, size)
    if pair is None:
        return np.zeros(size, np.float32)
    images = [
        cv2.warpPerspective(image, to_opencv(H), pair.size[::-1], flags=cv2.INTER_LINEAR)
        for image, H in ((view_HW, pair.H_view), (source_HW, pair.H_source))
    ]
    focal = pair.K_view[0, 0]
    offset = pair.K_view[0, 2] - pair.K_source[0, 2]
    first = int(np.floor(focal * pair.baseline / farthest + offset)) - 1
    count = int(np.ceil((focal * pair.baseline / nearest + offset - first + 2) / 16)) * 16
    if count <= 0 or count > _MOST_DISPARITIES:
        return np.zeros(size, np.float32)
    matcher = cv2.StereoSGBM.create(
        minDisparity=first,
        numDisparities=count,
        blockSize=_BLOCK,
        P1=8 * _BLOCK**2,
        P2=32 * _BLOCK**2,
        disp12MaxDiff=1,
        uniquenessRatio=5,
        speckleWindowSize=60,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    disparity = matcher.compute(*images).astype(np.float32) / _FRACTIONS
    matched = (disparity >= first) & (disparity - offset > 1e-3)
    z = np.where(matched, focal * pair.baseline / np.where(matched, disparity - offset, 1), 0)

    # Back to the view's own pixels: where each lies in the rectified image, and its depth along the
    # view's own axis.
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    H = to_opencv(pair.H_view)
    back = cv2.warpPerspective(z.astype(np.float32), H, size[::-1], flags=flags)
    u, v = np.arange(size[1]) + 0.5, (np.arange(size[0]) + 0.5)[:, None]
    # A pixel's ray has z = 1 in the view; `along` is its z in the rectified frame.
    row = pair.rotation[2] @ np.linalg.inv(K_33)
    along = row[0] * u + row[1] * v + row[2]
    depth = np.where((back > 0) & (along > 1e-3), back / np.maximum(along, 1e-3), 0)
    return depth.astype(np.float32)


class Sgbm(Backend):
    """OpenCV's semi-global block matching: faster than the plane sweep, less complete."""

    name = "sgbm"

    def depth_of_view(self, scene: DenseScene, view: int) -> RawDepth:
        return sgbm_view(scene.model, scene.images, view, scene.sources[view], scene.settings)


def sgbm_view(
    model: SceneModel,
    images: Mapping[int, np.ndarray],
    frame: int,
    sources: list[int],
    settings: DenseSettings,
) -> RawDepth:
    """Depth of one view as the median over its best sources.

    Args:
        model: the reconstructed scene.
        images: frame → grey uint8 image.
        frame: the view.
        sources: its source views, best first; at most three are used.
        settings: settings of dense depth.
    """
    camera = model.camera
    empty = RawDepth.empty(camera.height, camera.width)
    _, inverse = visible_points(model, frame, sources)
    if len(inverse) < _LEAST_POINTS:
        return empty
    low, high = np.percentile(inverse, [0.5, 99.5])
    spread = max(high - low, 0.02 * high)
    nearest = 1 / (high + settings.near_margin * spread)
    farthest = 1 / max(low - settings.far_margin * spread, 0.3 * low)
    inverses = []
    for source in sources[:3]:
        T = relative_pose(model.poses[source], model.poses[frame])
        depth = match_pair(images[frame], images[source], camera.K, T, nearest, farthest)
        inverses.append(inverse_of(depth, np.nan))
    if not inverses:
        return empty
    stack = np.stack(inverses)
    count = np.isfinite(stack).sum(0)
    ordered = np.sort(stack, axis=0)  # missing values last
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, 0)[0]
    depth = np.where(count > 0, 1 / np.where(count > 0, middle, 1), 0).astype(np.float32)
    return RawDepth(depth, np.where(count > 0, count / len(stack), -1).astype(np.float32))
