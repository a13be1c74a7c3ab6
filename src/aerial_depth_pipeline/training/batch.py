"""A batch of triplets: its fields, and how each follows the image through augmentation."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from aerial_depth_pipeline.geometry.cameras import flip_K, scale_K
from aerial_depth_pipeline.geometry.poses import pose_from_vectors
from aerial_depth_pipeline.geometry.warping import grid_from_pixels, reproject, sample

Batch = dict[str, torch.Tensor]
"""`images` [B, L, 3, H, W] in 0..1 (from a store: [B, L, H, W, 3] uint8), `K` [B, 3, 3], `T`
[B, S, 4, 4] (`T_source_from_target`), `usable` [B, S] (poses that may be trusted), `up` [B, 3] (the
upward direction in the target's axes, NaN where unknown), `random` [B, RANDOM_NUMBERS] (uniform in
0..1), after a rotation `valid_mask` [B, 1, H, W] (pixels of the target that are image and not
border), and what loss terms add."""

RANDOM_NUMBERS = 16


class Rotation:
    """The cameras of each sample rotated about their centres: points become R x.

    Args:
        vector_B3: axis times angle, radians.
        K_B33: calibration at the images' size.
        height, width: of the images.

    Attributes:
        pose_B44: R as a pose without translation.
    """

    def __init__(
        self, vector_B3: torch.Tensor, K_B33: torch.Tensor, height: int, width: int
    ) -> None:
        self._K_B33, self._height, self._width = K_B33, height, width
        still = torch.zeros_like(vector_B3)
        self.pose_B44 = pose_from_vectors(vector_B3, still)
        self._back_B44 = pose_from_vectors(-vector_B3, still)
        self._seen: dict[tuple[int, int], tuple[torch.Tensor, ...]] = {}

    def look_up(self, height: int, width: int) -> tuple[torch.Tensor, ...]:
        """Where each pixel of a rotated map of this size lay before: pixels, z along the old axis
        of a ray with z = 1 along the new one, and the mask of what lay inside."""
        if (height, width) not in self._seen:
            K = scale_K(self._K_B33, width / self._width, height / self._height)
            ones = torch.ones(len(K), 1, height, width, device=K.device)
            self._seen[height, width] = reproject(ones, K, self._back_B44)
        return self._seen[height, width]


@dataclass
class Crop:
    """A piece 1 / factor of the size, enlarged to the whole.

    Attributes:
        factor_B: at least 1.
        place_B2: where the piece lies, x and y in 0..1 from the left and top to the right and
            bottom end.
        height, width: of the images.
    """

    factor_B: torch.Tensor
    place_B2: torch.Tensor
    height: int
    width: int

    def resample(self, maps_BCHW: torch.Tensor, mode: str) -> torch.Tensor:
        """The piece of maps of any size, at that size."""
        # In grid_sample's coordinates (-1..1) the piece is a scaled and shifted copy of the whole.
        theta = torch.zeros(len(maps_BCHW), 2, 3, device=maps_BCHW.device)
        theta[:, 0, 0] = theta[:, 1, 1] = 1 / self.factor_B
        theta[:, :, 2] = (2 * self.place_B2 - 1) * (1 - 1 / self.factor_B[:, None])
        grid = F.affine_grid(theta, list(maps_BCHW.shape), align_corners=False)
        return F.grid_sample(maps_BCHW, grid, mode=mode, padding_mode="border", align_corners=False)


class Field:
    """How a field follows the image; by default it does not depend on it. Depth stays in a crop."""

    def flip(self, value: torch.Tensor, width: int) -> torch.Tensor:
        """The value for images `width` pixels wide that are mirrored left to right."""
        return value

    def rotate(self, value: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        """The value for rotated cameras."""
        return value

    def crop(self, value: torch.Tensor, crop: Crop) -> torch.Tensor:
        """The value for cropped and enlarged images."""
        return value


class _Map(Field):
    """A value for each pixel."""

    def flip(self, value: torch.Tensor, width: int) -> torch.Tensor:
        return value.flip(-1)


class Images(_Map):
    """Images [B, L, 3, H, W]; the border's colour where a rotated camera looks past them."""

    def rotate(self, value: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        pixels = rotation.look_up(*value.shape[-2:])[0]
        return sample(value.flatten(1, 2), pixels).unflatten(1, value.shape[1:3])

    def crop(self, value: torch.Tensor, crop: Crop) -> torch.Tensor:
        return crop.resample(value.flatten(1, 2), "bilinear").unflatten(1, value.shape[1:3])


class Calibration(Field):
    """K [B, 3, 3] in pixels."""

    def flip(self, value: torch.Tensor, width: int) -> torch.Tensor:
        return flip_K(value, width)

    def crop(self, value: torch.Tensor, crop: Crop) -> torch.Tensor:
        size = torch.tensor([crop.width, crop.height], device=value.device)
        K = value.clone()
        K[:, :2, 2] -= crop.place_B2 * size * (1 - 1 / crop.factor_B[:, None])
        K[:, :2] *= crop.factor_B[:, None, None]
        return K


class RelativePoses(Field):
    """T [B, S, 4, 4]. With x reversed T becomes M T M, M = diag(-1, 1, 1, 1); with both cameras
    rotated R T R^T."""

    def flip(self, value: torch.Tensor, width: int) -> torch.Tensor:
        mirror = torch.diag(value.new_tensor([-1.0, 1.0, 1.0, 1.0]))
        return mirror @ value @ mirror

    def rotate(self, value: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        pose = rotation.pose_B44[:, None]
        return pose @ value @ pose.transpose(-1, -2)


class Vectors(Field):
    """Directions or points [B, 3] or [B, N, 3] in the target's axes."""

    def flip(self, value: torch.Tensor, width: int) -> torch.Tensor:
        return value * value.new_tensor([-1.0, 1.0, 1.0])

    def rotate(self, value: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        R_B33 = rotation.pose_B44[:, :3, :3]
        if value.ndim == 2:
            return (R_B33 @ value[..., None])[..., 0]
        return value @ R_B33.transpose(1, 2)


class InverseDepth(_Map):
    """Inverse depth of the target [B, 1, h, w] of any size, 0 where unknown."""

    def rotate(self, value: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        pixels, z, inside = rotation.look_up(*value.shape[-2:])
        grid = grid_from_pixels(pixels, *value.shape[-2:])
        # A point's depth along the new axis is its old depth divided by z.
        return F.grid_sample(value, grid, mode="nearest", align_corners=False) * z * inside

    def crop(self, value: torch.Tensor, crop: Crop) -> torch.Tensor:
        return crop.resample(value, "nearest")


class Mask(_Map):
    """A mask [B, 1, H, W] of the target's pixels."""

    def crop(self, value: torch.Tensor, crop: Crop) -> torch.Tensor:
        return crop.resample(value.float(), "nearest") > 0


FIELDS: dict[str, Field] = {
    "images": Images(),
    "K": Calibration(),
    "T": RelativePoses(),
    "up": Vectors(),
    "valid_mask": Mask(),
}
"""How the fields of a batch follow the image, by name; loss terms add theirs. Others stay."""
_OTHER = Field()


def flip(batch: Batch, chosen_B: torch.Tensor) -> Batch:
    """The batch with the chosen samples mirrored left to right."""
    flipped = {}
    for name, value in batch.items():
        mirrored = FIELDS.get(name, _OTHER).flip(value, batch["images"].shape[-1])
        pick = chosen_B.reshape(-1, *[1] * (value.ndim - 1))
        flipped[name] = torch.where(pick, mirrored, value)
    return flipped


def rotate(batch: Batch, vector_B3: torch.Tensor) -> Batch:
    """The batch as cameras rotated by `vector_B3` (axis times angle, radians) see it, with
    `valid_mask`."""
    height, width = batch["images"].shape[-2:]
    rotation = Rotation(vector_B3, batch["K"], height, width)
    rotated = {name: FIELDS.get(name, _OTHER).rotate(v, rotation) for name, v in batch.items()}
    return rotated | {"valid_mask": rotation.look_up(height, width)[2]}


def crop(batch: Batch, factor_B: torch.Tensor, place_B2: torch.Tensor) -> Batch:
    """The batch cropped and enlarged as `Crop` says."""
    piece = Crop(factor_B, place_B2, *batch["images"].shape[-2:])
    return {name: FIELDS.get(name, _OTHER).crop(value, piece) for name, value in batch.items()}
