"""Semi-global matching (Hirschmüller, Stereo Processing by Semiglobal Matching and Mutual
Information, PAMI 2008) in torch, on integers.

One step of a path handles a whole row or column of pixels at once, so that it runs well on a CPU
and on a GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# One unit of cost, i.e. of 1 − ZNCC, in integers: eight paths of costs up to 2 and penalties stay
# far below 32767.
UNIT = 256
_FAR = 16000


def to_cost(scores_DHW: torch.Tensor) -> torch.Tensor:
    """Integer costs [H, W, D] from ZNCC scores [D, H, W]."""
    return ((1 - scores_DHW) * UNIT).round_().to(torch.int16).permute(1, 2, 0).contiguous()


def aggregate(
    cost_HWD: torch.Tensor,
    small_penalty: float,
    large_penalty: float,
    image_HW: torch.Tensor,
    paths: int = 8,
) -> torch.Tensor:
    """Sum of the path costs [H, W, D].

    Args:
        cost_HWD: int16 costs.
        small_penalty: for a change by one plane along a path, in units of ZNCC.
        large_penalty: for a larger change; lowered where the image has an edge.
        image_HW: the grey image.
        paths: 4 or 8.
    """
    small = round(small_penalty * UNIT)
    total = torch.zeros_like(cost_HWD)
    directions = [(0, 1), (0, -1), (1, 0), (-1, 0)]
    if paths == 8:
        directions += [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    with _one_thread(cost_HWD.device):
        for dy, dx in directions:
            large = _large_penalties(image_HW, dy, dx, large_penalty, small)
            if dy == 0:
                _scan(cost_HWD.transpose(0, 1), total.transpose(0, 1), large.T, dx, 0, small)
            else:
                _scan(cost_HWD, total, large, dy, dx, small)
    return total


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """A path takes thousands of tiny steps; handing each to several threads was measured to take
    ten times as long as doing it."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _large_penalties(
    image: torch.Tensor, dy: int, dx: int, penalty: float, small: int
) -> torch.Tensor:
    """The penalty [H, W] int16 of a large change between a pixel and the one before it on the
    path."""
    change = (image - torch.roll(image, (dy, dx), (0, 1))).abs()
    lowered = penalty * UNIT / (1 + change / 16)
    return lowered.clamp_min(small + 1).round().to(torch.int16)


def _scan(
    cost_LND: torch.Tensor,
    total_LND: torch.Tensor,
    large_LN: torch.Tensor,
    direction: int,
    shift: int,
    small: int,
) -> None:
    """Go over L lines; the pixel before (l, n) on the path is (l − direction, n − shift). Adds to
    `total_LND`."""
    lines, count, planes = cost_LND.shape
    order = range(lines) if direction > 0 else range(lines - 1, -1, -1)
    # A margin on all sides: beyond the first and last plane nothing is taken, beyond the border a
    # path starts afresh from zero.
    before = torch.zeros((count + 2, planes + 2), dtype=torch.int16, device=cost_LND.device)
    before[:, 0] = before[:, -1] = _FAR
    inner = before[1:-1, 1:-1]
    shifted = before[1 - shift : count + 1 - shift]
    lowest = torch.zeros((count, 1), dtype=torch.int16, device=cost_LND.device)
    best = torch.empty((count, planes), dtype=torch.int16, device=cost_LND.device)
    for line in order:
        if line == order[0]:
            inner.copy_(cost_LND[line])
        else:
            torch.minimum(shifted[:, :-2], shifted[:, 2:], out=best)
            best += small
            torch.minimum(best, shifted[:, 1:-1], out=best)
            torch.amin(shifted[:, 1:-1], 1, keepdim=True, out=lowest)
            torch.minimum(best, lowest + large_LN[line][:, None], out=best)
            best -= lowest
            torch.add(best, cost_LND[line], out=inner)
        total_LND[line] += inner


def best_plane(total_HWD: torch.Tensor) -> torch.Tensor:
    """The cheapest plane of each pixel, refined to fractions by a parabola through the costs beside
    it, float32 [H, W]."""
    planes = total_HWD.shape[-1]
    index = total_HWD.argmin(-1, keepdim=True)
    middle = index.clamp(1, planes - 2)
    a, b, c = (total_HWD.gather(-1, middle + k)[..., 0].float() for k in (-1, 0, 1))
    bend = a - 2 * b + c
    offset = torch.where(bend > 0, 0.5 * (a - c) / bend.clamp_min(1e-6), 0.0).clamp(-0.5, 0.5)
    index, middle = index[..., 0], middle[..., 0]
    return torch.where(index != middle, index.float(), middle.float() + offset)
