"""The planes of a sweep: which, how many, and over which range."""

from dataclasses import dataclass

import numpy as np

from aerial_depth_pipeline.sfm.scene_model import SceneModel


@dataclass(frozen=True)
class PlaneFamily:
    """Planes in inverse depth: plane k gives pixel (u, v) the inverse depth `coefficients[k] · (u,
    v, 1)`.

    A plane in space is linear in inverse depth, so that the family can hold planes of any
    direction. Along k the coefficients change linearly, which makes fractions of a plane
    meaningful.

    Attributes:
        coefficients_D3: one row per plane, from far to near.
        direction: `ground` or `frontal`.
    """

    coefficients_D3: np.ndarray
    direction: str

    def __len__(self) -> int:
        return len(self.coefficients_D3)

    def inverse_depth(self, index_HW: np.ndarray) -> np.ndarray:
        """Inverse depth [H, W] of a map of plane indices, fractions allowed."""
        height, width = index_HW.shape
        first, step = self.coefficients_D3[0], self.step
        u, v = pixel_axes(height, width)
        base = (first[0] * u + first[1] * v + first[2]).astype(np.float32)
        slope = (step[0] * u + step[1] * v + step[2]).astype(np.float32)
        return base + index_HW.astype(np.float32) * slope

    @property
    def step(self) -> np.ndarray:
        """Coefficients of one step."""
        return (self.coefficients_D3[-1] - self.coefficients_D3[0]) / max(len(self) - 1, 1)


def inverse_of(x: np.ndarray, missing: float = 0) -> np.ndarray:
    """1 / x where x is positive, else `missing`: depth from inverse depth, and back."""
    positive = x > 0
    return np.where(positive, 1 / np.where(positive, x, 1), missing)


def pixel_axes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """u [W] and v [H, 1] of the pixel centres, float32; the first is (0.5, 0.5)."""
    columns = np.arange(width, dtype=np.float32) + 0.5
    return columns, (np.arange(height, dtype=np.float32) + 0.5)[:, None]


def image_corners(height: int, width: int) -> np.ndarray:
    """The corners of an image, homogeneous, [3, 4]."""
    return np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1.0]]).T


def to_opencv(H_33: np.ndarray) -> np.ndarray:
    """Homographies [..., 3, 3] between pixels as OpenCV counts them, whose first centre is (0, 0)
    in place of (0.5, 0.5)."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    return np.linalg.inv(shift) @ H_33 @ shift


def visible_points(
    model: SceneModel, frame: int, others: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, 2] and inverse depth [N] of the sparse points that the view, or one of `others`,
    observed and that project into it."""
    indices = np.unique(np.concatenate([model.observations[f] for f in [frame, *others]]))
    pose, camera = model.poses[frame], model.camera
    points = model.points_N3[indices] @ pose[:3, :3].T + pose[:3, 3]
    points = points[points[:, 2] > 0]
    image = points @ camera.K.T
    pixels = image[:, :2] / image[:, 2:]
    inside = (pixels >= 0).all(1) & (pixels[:, 0] < camera.width) & (pixels[:, 1] < camera.height)
    return pixels[inside], 1 / points[inside, 2]


def fit_plane(pixels_N2: np.ndarray, inverse_depth_N: np.ndarray, rounds: int = 20) -> np.ndarray:
    """The plane [3] in inverse depth through most points: least absolute deviations by
    reweighting."""
    rows = np.column_stack([pixels_N2, np.ones(len(pixels_N2))])
    scale = rows.std(0)
    scale[2] = 1.0
    scale[scale <= 0] = 1.0
    weights = np.ones(len(rows))
    for _ in range(rounds):
        weighted = rows / scale * weights[:, None]
        solution = np.linalg.lstsq(weighted, inverse_depth_N * weights, rcond=None)[0] / scale
        error = np.abs(rows @ solution - inverse_depth_N)
        weights = 1 / np.sqrt(error + 0.1 * np.median(error) + 1e-12)
    return solution


def make_planes(
    pixels_N2: np.ndarray,
    inverse_depth_N: np.ndarray,
    direction: str,
    displacement_per_unit: float,
    size: tuple[int, int],
    plane_step: float,
    max_planes: int,
    margins: tuple[float, float],
) -> PlaneFamily:
    """Planes that cover the sparse points of a view with a margin.

    Args:
        pixels_N2, inverse_depth_N: the view's sparse points.
        direction: `ground` or `frontal`.
        displacement_per_unit: pixels that the source view with the longest baseline moves per unit
            of inverse depth.
        size: height and width of the view.
        plane_step: wanted displacement in pixels between two planes.
        max_planes: upper limit on the number of planes.
        margins: near and far margin as shares of the points' range.
    """
    height, width = size
    median = np.median(inverse_depth_N)
    base = np.array([0.0, 0.0, median])
    if direction == "ground":
        base = fit_plane(pixels_N2, inverse_depth_N)
    corners = image_corners(height, width).T @ base
    along = np.column_stack([pixels_N2, np.ones(len(pixels_N2))]) @ base
    if corners.min() > 0.1 * median:
        # Parallel planes: all coefficients are multiples of the ground's.
        places, unit, origin = inverse_depth_N / along, base, np.zeros(3)
    else:
        # The ground's horizon lies in the image, where multiples of it cover nothing: shift the
        # plane in inverse depth instead.
        places, unit, origin = inverse_depth_N - along, np.array([0.0, 0.0, 1.0]), base
    low, high = np.percentile(places, [0.5, 99.5])
    spread = max(high - low, 0.02 * median / max(abs(unit[2]), 1e-12) if origin.any() else 0.02)
    near_margin, far_margin = margins
    low, high = low - far_margin * spread, high + near_margin * spread
    if not origin.any():
        low = max(low, 0.05)
    per_place = displacement_per_unit * (np.median(along) if not origin.any() else 1.0)
    count = int(np.clip(np.ceil((high - low) * per_place / plane_step) + 1, 12, max_planes))
    return PlaneFamily(origin + np.linspace(low, high, count)[:, None] * unit, direction)


def displacement_per_unit(
    K_33: np.ndarray,
    relative_poses: list[np.ndarray],
    pixels_N2: np.ndarray,
    inverse_depth_N: np.ndarray,
) -> float:
    """Pixels of displacement per unit of inverse depth: the median over the points, the largest
    over the source views."""
    rays = np.column_stack([pixels_N2, np.ones(len(pixels_N2))]) @ np.linalg.inv(K_33).T
    small = 0.01
    largest = 0.0
    for T in relative_poses:
        places = []
        for inverse in (inverse_depth_N, inverse_depth_N * (1 + small)):
            moved = (rays @ T[:3, :3].T + np.outer(inverse, T[:3, 3])) @ K_33.T
            places.append(moved[:, :2] / moved[:, 2:])
        shift = np.linalg.norm(places[1] - places[0], axis=1) / (small * inverse_depth_N)
        largest = max(largest, float(np.median(shift)))
    return largest
