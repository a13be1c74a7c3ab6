"""How well the sources match a view when warped over each plane of a sweep (Collins, CVPR 1996;
ground-parallel directions as in Gallup et al., CVPR 2007).

On the CPU OpenCV's warps and box filters do the work, several times faster there than torch's; on a
GPU torch does.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.warping import pixel_centers, sample_grid
from aerial_depth_pipeline.mvs.planes import PlaneFamily, image_corners, to_opencv

# Grey values squared, in windows: variances below this are sensor noise and compression, not
# texture.
_NOISE_VARIANCE = 4.0
_UNKNOWN = -1.0


def plane_homographies(
    K_33: np.ndarray, T_source_from_target: np.ndarray, coefficients_D3: np.ndarray
) -> np.ndarray:
    """Homographies [D, 3, 3] from pixels of the target to pixels of the source, one per plane."""
    rotation = K_33 @ T_source_from_target[:3, :3] @ np.linalg.inv(K_33)
    epipole = K_33 @ T_source_from_target[:3, 3]
    return rotation[None] + epipole[None, :, None] * coefficients_D3[:, None, :]


def matching_scores(
    target_HW: np.ndarray,
    sources: list[np.ndarray],
    K_33: np.ndarray,
    relative_poses: list[np.ndarray],
    family: PlaneFamily,
    windows: tuple[int, ...],
    best: int,
    device: str = "cpu",
) -> torch.Tensor:
    """Mean ZNCC over the best sources for each pixel and plane.

    Args:
        target_HW: the view, grey uint8.
        sources: source views, grey uint8, of the same size and camera.
        K_33: calibration.
        relative_poses: `T_source_from_target` of each source.
        family: the planes.
        windows: sides of the ZNCC windows.
        best: the mean is over so many best sources.
        device: where to compute.

    Returns:
        Scores [D, H, W] in −1 … 1, float32; −1 where no source sees the pixel.
    """
    homographies = [plane_homographies(K_33, T, family.coefficients_D3) for T in relative_poses]
    if device == "cpu":
        return torch.from_numpy(_scores_cpu(target_HW, sources, homographies, windows, best))
    return _scores_torch(target_HW, sources, homographies, windows, best, device)


def _scores_cpu(
    target: np.ndarray,
    sources: list[np.ndarray],
    homographies: list[np.ndarray],
    windows: tuple[int, ...],
    best: int,
) -> np.ndarray:
    height, width = target.shape
    statistics = window_statistics(target, windows)
    corners = image_corners(height, width)
    bright = [np.maximum(source, 1) for source in sources]  # 0 is left to mean: outside
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    scores = np.empty((len(homographies[0]), height, width), np.float32)
    for k, H_of_sources in enumerate(zip(*map(to_opencv, homographies), strict=True)):
        ranked = BestOf(best)
        for source, H_33 in zip(bright, H_of_sources, strict=True):
            if (H_33[2] @ corners).min() <= 0:
                continue  # part of the plane lies behind that camera
            warped = cv2.warpPerspective(source, H_33, (width, height), flags=flags)
            ranked.add(zncc(statistics, warped))
        scores[k] = ranked.mean(height, width)
    return scores


class BestOf:
    """The mean of the best of several score maps, one after the other."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ranked: list[np.ndarray] = []

    def add(self, score_HW: np.ndarray) -> None:
        """Take another map."""
        for rank, held in enumerate(self.ranked):
            self.ranked[rank], score_HW = np.maximum(held, score_HW), np.minimum(held, score_HW)
        if len(self.ranked) < self.count:
            self.ranked.append(score_HW)

    def mean(self, height: int, width: int) -> np.ndarray:
        """The mean of the best, −1 where there was nothing."""
        if not self.ranked:
            return np.full((height, width), _UNKNOWN, np.float32)
        return sum(self.ranked[1:], self.ranked[0]) / len(self.ranked)


class _Window:
    """The target's side of the ZNCC, the same for all planes and sources."""

    def __init__(self, image_HW: np.ndarray, side: int) -> None:
        self.side = side
        self.image = image_HW
        self.mean = cv2.blur(image_HW, (side, side))
        variance = cv2.blur(image_HW * image_HW, (side, side)) - self.mean * self.mean
        self.variance = np.maximum(variance, 0) + _NOISE_VARIANCE


def window_statistics(image_HW: np.ndarray, windows: tuple[int, ...]) -> list[_Window]:
    """What `zncc` needs to know of the target."""
    return [_Window(image_HW.astype(np.float32), side) for side in windows]


def zncc(statistics: list[_Window], warped_HW: np.ndarray) -> np.ndarray:
    """Zero-mean normalised cross-correlation of the target with a warped uint8 source, −1 where the
    source is 0 (outside)."""
    source = warped_HW.astype(np.float32)
    squared = cv2.multiply(source, source)
    product = cv2.multiply(source, statistics[0].image)
    scores = []
    for window in statistics:
        side = (window.side, window.side)
        mean: np.ndarray = cv2.blur(source, side)
        variance: np.ndarray = cv2.blur(squared, side)
        variance -= cv2.multiply(mean, mean)
        np.maximum(variance, 0, out=variance)
        variance += _NOISE_VARIANCE
        variance *= window.variance
        score: np.ndarray = cv2.blur(product, side)
        score -= cv2.multiply(mean, window.mean)
        score /= cv2.sqrt(variance)
        scores.append(score)
    total: np.ndarray = sum(scores[1:], scores[0])
    if len(scores) > 1:
        total /= len(scores)
    total[warped_HW == 0] = _UNKNOWN
    return total


def _scores_torch(
    target: np.ndarray,
    sources: list[np.ndarray],
    homographies: list[np.ndarray],
    windows: tuple[int, ...],
    best: int,
    device: str,
) -> torch.Tensor:
    height, width = target.shape
    image = torch.as_tensor(target, device=device, dtype=torch.float32)[None, None]
    pixels_3N = pixel_centers(height, width, device)
    statistics = [(side, *_moments(image, side)) for side in windows]
    ranked: list[torch.Tensor] = []
    size = torch.tensor([width, height], device=device, dtype=torch.float32)[:, None]
    for source, H_D33 in zip(sources, homographies, strict=True):
        source_image = torch.as_tensor(source, device=device, dtype=torch.float32)[None, None]
        chunks = []
        for H_33 in torch.as_tensor(H_D33, device=device, dtype=torch.float32).split(16):
            moved = H_33 @ pixels_3N
            z = moved[:, 2:]
            uv = moved[:, :2] / z.clamp_min(1e-6)
            seen = (z[:, 0] > 1e-6) & (uv > 0).all(1) & (uv < size).all(1)
            grid = (uv * (2 / size) - 1).reshape(-1, 2, height, width).permute(0, 2, 3, 1)
            warped = sample_grid(source_image.expand(len(grid), -1, -1, -1), grid)
            total = torch.zeros((), device=device)
            for side, mean, variance in statistics:
                m, own = _moments(warped, side)
                total = total + (_box(warped * image, side) - m * mean) / (own * variance).sqrt()
            seen = seen.reshape(-1, 1, height, width)
            chunks.append(torch.where(seen, total / len(statistics), _UNKNOWN)[:, 0])
        score = torch.cat(chunks)
        for rank, held in enumerate(ranked):
            ranked[rank], score = torch.maximum(held, score), torch.minimum(held, score)
        if len(ranked) < best:
            ranked.append(score)
    return sum(ranked[1:], ranked[0]) / len(ranked)


def _moments(x: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of windows, the variance with that of noise."""
    mean = _box(x, side)
    return mean, (_box(x * x, side) - mean * mean).clamp_min(0) + _NOISE_VARIANCE


def _box(x: torch.Tensor, side: int) -> torch.Tensor:
    """Window means; the border is mirrored as OpenCV does."""
    r = side // 2
    x = F.pad(x, (r, r, r, r), mode="reflect")
    return F.avg_pool2d(F.avg_pool2d(x, (1, side), 1), (side, 1), 1)
