"""Changes to a batch of triplets, made on the device that trains: flip, turn, zoom and colour. The
geometry follows the picture."""

import math

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import flip_K, scale_K
from aerial_depth_pipeline.geometry.poses import pose_from_vectors
from aerial_depth_pipeline.geometry.warping import grid_from_pixels, reproject, sample
from aerial_depth_pipeline.training.settings import AugmentationSettings

_MIRROR = torch.tensor([-1.0, 1.0, 1.0])


def flip_triplets(
    images_BL3HW: torch.Tensor, K_B33: torch.Tensor, T_BS44: torch.Tensor, chosen_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mirror the chosen samples left to right: pictures, principal point and relative poses.

    The mirrored world has x reversed in every camera, so a relative pose T becomes M T M with M =
    diag(-1, 1, 1, 1).
    """
    pick = chosen_B.reshape(-1, 1, 1, 1, 1)
    mirror = torch.diag(
        torch.tensor([-1.0, 1.0, 1.0, 1.0], device=T_BS44.device, dtype=T_BS44.dtype)
    )
    return (
        torch.where(pick, images_BL3HW.flip(-1), images_BL3HW),
        torch.where(chosen_B.reshape(-1, 1, 1), flip_K(K_B33, images_BL3HW.shape[-1]), K_B33),
        torch.where(chosen_B.reshape(-1, 1, 1, 1), mirror @ T_BS44 @ mirror, T_BS44),
    )


def turn_triplets(
    images_BL3HW: torch.Tensor, K_B33: torch.Tensor, T_BS44: torch.Tensor, turn_B3: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the same camera would have seen, held another way: every frame of a sample turned by the
    same rotation about its centre.

    A turned camera has points R x instead of x, so a relative pose T becomes R T R^T.

    Args:
        turn_B3: axis times angle, radians.

    Returns:
        The pictures, with the border's colour where nothing was seen; the relative poses; and the
        mask [B, 1, H, W] of what was seen.
    """
    length, _, height, width = images_BL3HW.shape[1:]
    pixels, _, seen = _before_the_turn(turn_B3, K_B33, height, width)
    rotation = pose_from_vectors(turn_B3, torch.zeros_like(turn_B3))[:, None]
    images = sample(images_BL3HW.flatten(1, 2), pixels).unflatten(1, (length, 3))
    return images, rotation @ T_BS44 @ rotation.transpose(-1, -2), seen


def _turned_guide(
    guide_B1HW: torch.Tensor, K_B33: torch.Tensor, turn_B3: torch.Tensor, size_of_K: torch.Size
) -> torch.Tensor:
    height, width = guide_B1HW.shape[-2:]
    K = scale_K(K_B33, width / size_of_K[1], height / size_of_K[0])
    pixels, z, inside = _before_the_turn(turn_B3, K, height, width)
    grid = grid_from_pixels(pixels, height, width)
    turned = F.grid_sample(
        guide_B1HW, grid, mode="nearest", padding_mode="zeros", align_corners=False
    )
    # A ray of length one along the new axis has z along the old one; the new depth of a point is
    # its old one divided by that.
    return turned * z * inside


def _before_the_turn(turn_B3, K_B33, height, width):
    back = pose_from_vectors(-turn_B3, torch.zeros_like(turn_B3))
    return reproject(torch.ones(len(turn_B3), 1, height, width, device=turn_B3.device), K_B33, back)


def zoom_triplets(
    images_BL3HW: torch.Tensor, K_B33: torch.Tensor, factor_B: torch.Tensor, place_B2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a piece 1 / factor of the size out of each sample and enlarge it to the whole; the depth
    of what is seen stays.

    Args:
        factor_B: enlargement, at least 1.
        place_B2: where the piece lies, x and y in 0..1 from the left and top to the right and
            bottom end.
    """
    length, _, height, width = images_BL3HW.shape[1:]
    size = torch.tensor([width, height], device=factor_B.device)
    corner = place_B2 * size * (1 - 1 / factor_B[:, None])
    K = K_B33.clone()
    K[:, :2, 2] -= (
        corner  # cut, then enlarge: see crop_K and scale_K, here with a value for each sample
    )
    K[:, :2] *= factor_B[:, None, None]
    return _zoomed(images_BL3HW.flatten(1, 2), factor_B, place_B2, "bilinear").unflatten(
        1, (length, 3)
    ), K


def _zoomed(
    maps_BCHW: torch.Tensor, factor_B: torch.Tensor, place_B2: torch.Tensor, mode: str
) -> torch.Tensor:
    # In grid_sample's coordinates (-1..1 over the image) the piece is a scaled and shifted copy of
    # the whole.
    theta = torch.zeros(len(maps_BCHW), 2, 3, device=maps_BCHW.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / factor_B
    theta[:, :, 2] = (2 * place_B2 - 1) * (1 - 1 / factor_B[:, None])
    grid = F.affine_grid(theta, list(maps_BCHW.shape), align_corners=False)
    return F.grid_sample(maps_BCHW, grid, mode=mode, padding_mode="border", align_corners=False)


def jitter_colour(images_BL3HW: torch.Tensor, change_B6: torch.Tensor) -> torch.Tensor:
    """Brightness, contrast, saturation and a tint for each sample, the same for its frames; clamped
    to 0..1.

    Args:
        change_B6: factors around 1 for brightness, contrast, saturation, and for red, green and
            blue.
    """
    brightness, contrast, saturation = change_B6[:, :3].reshape(-1, 3, 1, 1, 1, 1).unbind(1)
    tint = change_B6[:, 3:].reshape(-1, 1, 3, 1, 1)
    x = images_BL3HW * brightness * tint
    grey = x.mean(2, keepdim=True)
    x = grey + (x - grey) * saturation
    middle = grey.mean((1, 3, 4), keepdim=True)
    return (middle + (x - middle) * contrast).clamp(0, 1)


def augment(
    batch: dict[str, torch.Tensor], settings: AugmentationSettings, shown: list[int] | None = None
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Apply all changes to a batch.

    Args:
        batch: `images` [B, L, 3, H, W] in 0..1, `K` [B, 3, 3], `T` [B, S, 4, 4], optionally `guide`
            [B, 1, h, w], `up` [B, 3] (the upward direction in the target's axes, NaN where it is
            not known) and `points` [B, N, 3] (in the target's axes), and `random` [B, 16], uniform
            numbers in 0..1 that decide everything.
        shown: the frames that the network gets to see; None for all.

    Returns:
        The changed batch, for the loss, and the shown pictures for the network, whose colours are
        changed as well. Where samples were turned, the batch says in `seen` [B, 1, H, W] which
        pixels of the target are pictures and not filled border.
    """
    # Mixed precision is for the network: a pose rounded to bfloat16 is off by tenths of a pixel.
    with torch.autocast(batch["images"].device.type, enabled=False):
        changed = _augment(dict(batch), settings)
        seen = changed["images"] if shown is None else changed["images"][:, shown]
        if settings.colour > 0:
            strength = (
                torch.tensor([1, 1, 1, 0.25, 0.25, 0.25], device=seen.device) * settings.colour
            )
            seen = jitter_colour(seen, 1 + strength * (2 * changed["random"][:, 4:10] - 1))
        return changed, seen


def _augment(
    batch: dict[str, torch.Tensor], settings: AugmentationSettings
) -> dict[str, torch.Tensor]:
    random = batch["random"]
    if settings.flip > 0:
        chosen = random[:, 0] < settings.flip
        batch["images"], batch["K"], batch["T"] = flip_triplets(
            batch["images"], batch["K"], batch["T"], chosen
        )
        if "up" in batch:
            batch["up"] = torch.where(
                chosen[:, None], batch["up"] * _MIRROR.to(batch["up"]), batch["up"]
            )
        if "points" in batch:
            batch["points"] = torch.where(
                chosen[:, None, None],
                batch["points"] * _MIRROR.to(batch["points"]),
                batch["points"],
            )
        if "guide" in batch:
            batch["guide"] = torch.where(
                chosen.reshape(-1, 1, 1, 1), batch["guide"].flip(-1), batch["guide"]
            )
    if settings.turn > 0:
        turn = math.radians(settings.turn) * (2 * random[:, 10:13] - 1)
        if "guide" in batch:
            batch["guide"] = _turned_guide(
                batch["guide"], batch["K"], turn, batch["images"].shape[-2:]
            )
        rotation = pose_from_vectors(turn, torch.zeros_like(turn))[:, :3, :3]
        if "up" in batch:
            batch["up"] = (rotation @ batch["up"][..., None])[..., 0]
        if "points" in batch:
            batch["points"] = batch["points"] @ rotation.transpose(1, 2)
        batch["images"], batch["T"], batch["seen"] = turn_triplets(
            batch["images"], batch["K"], batch["T"], turn
        )
    if settings.zoom > 1:
        factor, place = 1 + (settings.zoom - 1) * random[:, 1], random[:, 2:4]
        batch["images"], batch["K"] = zoom_triplets(batch["images"], batch["K"], factor, place)
        if "guide" in batch:
            batch["guide"] = _zoomed(batch["guide"], factor, place, "nearest")
        if "seen" in batch:
            batch["seen"] = _zoomed(batch["seen"].float(), factor, place, "nearest") > 0
    return batch
