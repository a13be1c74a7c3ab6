"""Level ground, as a camera of known attitude sees it."""

import torch

# Where the horizon comes into the image the ground ends; nothing is taken to be farther than ten
# times the distance at the centre.
FARTHEST = 10.0
_STEEPEST = 4.0
_CENTRE_ABOVE_HORIZON = 1e-3


def ground_slope(up_B3: torch.Tensor, K_B33: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """By how much the inverse depth of level ground grows from the image's centre to its right
    and to its lower border.

    A pixel's ray r meets ground at a height h below the camera at the inverse depth -(up · r) / h,
    which is affine in the pixel: divided by its value at the centre it is 1 + a u + b v, with u and
    v from -1 to 1 across the image.

    Args:
        up_B3: the upward direction in the camera's axes, length 1; NaN where unknown.
        K_B33: calibration in pixels of an image of that size.

    Returns:
        (a, b) [B, 2]: (0, 0) for a camera that looks straight down, each at most 4 in size for one
        that looks at the horizon, in their true proportion; NaN where the upward direction is
        unknown or the image's centre sees no ground.
    """
    fx, fy, cx, cy = K_B33[:, 0, 0], K_B33[:, 1, 1], K_B33[:, 0, 2], K_B33[:, 1, 2]
    x, y, z = up_B3.unbind(-1)
    centre = -(x * (width / 2 - cx) / fx + y * (height / 2 - cy) / fy + z)
    change = torch.stack([-x * width / (2 * fx), -y * height / (2 * fy)], -1)
    slope = change / centre.clamp_min(_CENTRE_ABOVE_HORIZON)[:, None]
    slope = slope * (_STEEPEST / slope.abs().amax(1, keepdim=True)).clamp_max(1.0)
    return slope.where(centre[:, None] >= _CENTRE_ABOVE_HORIZON, torch.nan)


def relative_inverse_depth(slope_B2: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Inverse depth [B, 1, H, W] of the ground divided by that at the image's centre; see
    `ground_slope`."""
    u = (2 * torch.arange(width, device=slope_B2.device) + 1) / width - 1
    v = (2 * torch.arange(height, device=slope_B2.device) + 1) / height - 1
    a, b = slope_B2[:, :, None, None].unbind(1)
    return (1 + a * u + b * v[:, None]).clamp_min(1 / FARTHEST)[:, None]
