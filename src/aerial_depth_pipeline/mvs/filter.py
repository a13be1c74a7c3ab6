"""Which depth other views confirm."""

import cv2
import numpy as np

from aerial_depth_pipeline.mvs.planes import inverse_of, pixel_axes
from aerial_depth_pipeline.mvs.refinement import source_maps


def check_against(
    depth_HW: np.ndarray,
    K_33: np.ndarray,
    T_source_from_target: np.ndarray,
    source_depth_HW: np.ndarray,
    max_pixels: float,
    max_relative: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Where a source's depth map agrees, and the depth that it implies.

    A pixel goes to the source with its depth, takes the source's depth there, and comes back: it
    must land where it started, at the depth it started with.

    Args:
        depth_HW: z-depth of the target, 0 = none.
        K_33: calibration of both.
        T_source_from_target: relative pose, in the depth's unit.
        source_depth_HW: z-depth of the source, 0 = none.
        max_pixels: largest distance in pixels after the round trip.
        max_relative: largest relative difference of depth.

    Returns:
        The mask of agreeing pixels, and the target's depth according to the source (meaningless
        outside the mask).
    """
    height, width = depth_HW.shape
    inverse = inverse_of(depth_HW, 1).astype(np.float32)
    x, y, z = source_maps(K_33, T_source_from_target, inverse)
    # Depth between pixels is interpolated in inverse depth, which is linear on planes; any missing
    # neighbour makes it unknown.
    have = source_depth_HW > 0
    source_inverse = inverse_of(source_depth_HW).astype(np.float32)
    sampled = cv2.remap(source_inverse, x, y, cv2.INTER_LINEAR)
    whole = cv2.remap(have.astype(np.float32), x, y, cv2.INTER_LINEAR) > 0.999
    mask = (depth_HW > 0) & whole & (sampled > 0) & (z > 1e-6)
    source_z = np.where(mask, 1 / np.where(mask, sampled, 1), 1)
    rays = [row[0] * (x + 0.5) + row[1] * (y + 0.5) + row[2] for row in np.linalg.inv(K_33)]
    back = T_source_from_target[:3, :3].T.astype(np.float32)
    offset = T_source_from_target[:3, 3].astype(np.float32)
    points = [ray * source_z - offset[i] for i, ray in enumerate(rays)]
    px, py, pz = (
        back[i, 0] * points[0] + back[i, 1] * points[1] + back[i, 2] * points[2] for i in range(3)
    )
    mask &= pz > 0
    pz = np.where(mask, pz, 1)
    u = (K_33[0, 0] * px + K_33[0, 1] * py) / pz + K_33[0, 2]
    v = K_33[1, 1] * py / pz + K_33[1, 2]
    start_u, start_v = pixel_axes(height, width)
    du, dv = u - start_u, v - start_v
    mask &= du * du + dv * dv <= max_pixels**2
    mask &= np.abs(pz - depth_HW) <= max_relative * depth_HW
    return mask, pz.astype(np.float32)


def remove_small_regions(depth_HW: np.ndarray, min_region: int, max_relative: float) -> np.ndarray:
    """Remove connected pieces of depth, cut at jumps larger than three times `max_relative`, of
    fewer than `min_region` pixels."""
    if min_region <= 1 or not (depth_HW > 0).any():
        return depth_HW
    log = np.where(depth_HW > 0, np.log(np.maximum(depth_HW, 1e-12)), 0).astype(np.float64)
    steps = np.floor(log / max(3 * max_relative, 1e-4)).astype(np.int64)
    # OpenCV's speckle filter joins neighbours whose values differ by at most a limit.
    values = np.where(depth_HW > 0, steps - steps[depth_HW > 0].min() + 1, 0)
    values = values.clip(0, 32000).astype(np.int16)
    cv2.filterSpeckles(values, 0, min_region, 1)
    return np.where(values > 0, depth_HW, 0).astype(np.float32)
