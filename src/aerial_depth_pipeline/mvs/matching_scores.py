"""How well the sources match a view when warped over each plane of a sweep (Collins, CVPR 1996;
ground-parallel directions as in Gallup et al., CVPR 2007).

On the CPU OpenCV's warps and box filters do the work, several times faster there than torch's; on a
GPU torch does.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from aerial_depth_pipeline.mvs.planes import PlaneFamily

# Grey values squared, in windows: variances below this are sensor noise and compression, not
# texture.
_NOISE_VARIANCE = 4.0
_UNKNOWN = -1.0


def plane_homographies(
    K_33: np.ndarray, T_source_from_target: np.ndarray, coefficients_D3: np.ndarray
) -> np.ndarray:
    """Homographies [D, 3, 3] from pixels of the target to pixels of the source, one per plane."""
    inverse = np.linalg.inv(K_33)
    rotation = K_33 @ T_source_from_target[:3, :3] @ inverse
    return (
        rotation[None]
        + (K_33 @ T_source_from_target[:3, 3])[None, :, None] * coefficients_D3[:, None, :]
    )


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
    if device == "cpu":
        return torch.from_numpy(
            _scores_cpu(target_HW, sources, K_33, relative_poses, family, windows, best)
        )
    return _scores_torch(target_HW, sources, K_33, relative_poses, family, windows, best, device)


def _scores_cpu(target, sources, K, poses, family, windows, best) -> np.ndarray:
    height, width = target.shape
    count = len(family)
    statistics = [_Window(target.astype(np.float32), side) for side in windows]
    shift = np.array(
        [[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]]
    )  # OpenCV's first centre is (0, 0), ours (0.5, 0.5)
    unshift = np.linalg.inv(shift)
    homographies = [
        unshift @ plane_homographies(K, T, family.coefficients_D3) @ shift for T in poses
    ]
    scores = np.empty((count, height, width), np.float32)
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1.0]]).T
    bright = [np.maximum(source, 1) for source in sources]  # 0 is left to mean: outside
    for k in range(count):
        ranked = BestOf(best)
        for source, H_D33 in zip(bright, homographies, strict=True):
            if (H_D33[k, 2] @ corners).min() <= 0:
                continue  # part of the plane lies behind that camera
            warped = cv2.warpPerspective(
                source, H_D33[k], (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            )
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


def _scores_torch(target, sources, K, poses, family, windows, best, device) -> torch.Tensor:
    height, width = target.shape
    image = torch.as_tensor(target, device=device, dtype=torch.float32)[None, None]
    v, u = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32) + 0.5,
        torch.arange(width, device=device, dtype=torch.float32) + 0.5,
        indexing="ij",
    )
    pixels_3N = torch.stack(
        [u.reshape(-1), v.reshape(-1), torch.ones(height * width, device=device)]
    )
    statistics = []
    for side in windows:
        mean = _box(image, side)
        statistics.append(
            (side, mean, (_box(image * image, side) - mean * mean).clamp_min(0) + _NOISE_VARIANCE)
        )
    ranked: list[torch.Tensor] = []
    size = torch.tensor([width, height], device=device, dtype=torch.float32)
    for source, T in zip(sources, poses, strict=True):
        H_D33 = torch.as_tensor(
            plane_homographies(K, T, family.coefficients_D3), device=device, dtype=torch.float32
        )
        picture = torch.as_tensor(source, device=device, dtype=torch.float32)[None, None]
        chunks = []
        for H_33 in H_D33.split(16):
            moved = H_33 @ pixels_3N
            z = moved[:, 2:]
            place = moved[:, :2] / z.clamp_min(1e-6)
            seen = ((z[:, 0] > 1e-6) & (place > 0).all(1) & (place < size[:, None]).all(1)).reshape(
                -1, 1, height, width
            )
            grid = (
                (place * (2 / size[:, None]) - 1).reshape(-1, 2, height, width).permute(0, 2, 3, 1)
            )
            warped = F.grid_sample(
                picture.expand(len(grid), -1, -1, -1),
                grid,
                mode="bilinear",
                padding_mode="border",
                align_corners=False,
            )
            total = torch.zeros((), device=device)
            for side, mean, variance in statistics:
                m = _box(warped, side)
                own = (_box(warped * warped, side) - m * m).clamp_min(0) + _NOISE_VARIANCE
                total = total + (_box(warped * image, side) - m * mean) / (own * variance).sqrt()
            chunks.append(torch.where(seen, total / len(statistics), _UNKNOWN)[:, 0])
        score = torch.cat(chunks)
        for rank, held in enumerate(ranked):
            ranked[rank], score = torch.maximum(held, score), torch.minimum(held, score)
        if len(ranked) < best:
            ranked.append(score)
    return sum(ranked[1:], ranked[0]) / len(ranked)


def _box(x: torch.Tensor, side: int) -> torch.Tensor:
    """Window means; the border is mirrored as OpenCV does."""
    r = side // 2
    x = F.pad(x, (r, r, r, r), mode="reflect")
    return F.avg_pool2d(F.avg_pool2d(x, (1, side), 1), (side, 1), 1)
