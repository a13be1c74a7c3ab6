"""The trained product: one image in, depth out. Needs torch and timm, and neither Kedro, MLflow nor
Lightning."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from aerial_depth_pipeline.configuration import present_names, read_settings
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import atomic_path, fingerprint_of, read_json, write_json
from aerial_depth_pipeline.geometry.surface import relative_start
from aerial_depth_pipeline.networks.image_batches import image_batch
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings

_FORMAT = 1
_NEAR_POINTS = 0.5
_WEIGHTS, _DESCRIPTION = "model.safetensors", "model.json"


class DepthModel:
    """Depth from a single image.

    Attributes:
        network: encoder and depth decoder, in evaluation mode.
        settings: how the network is built.
        width, height: the network's input size in pixels; images are resized to it, depth back.
        metadata: of the training. `depth_scale` (default 1) multiplies depth, `unit` is its unit.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        settings: NetworkSettings,
        width: int,
        height: int,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.network = network.eval()
        self.settings = settings
        self.width, self.height = int(width), int(height)
        self.metadata = dict(metadata or {})

    @property
    def device(self) -> torch.device:
        """The device of the network's weights."""
        return next(self.network.parameters()).device

    @property
    def takes_slope(self) -> bool:
        """Whether it uses the slope of level ground where that is given."""
        return self.settings.from_level_ground

    @property
    def takes_start(self) -> bool:
        """Whether it starts from the surface through a frame's points where that is given."""
        return self.settings.from_points

    @property
    def fingerprint(self) -> str:
        """A hash of the weights and of how the network is built."""
        settings = fingerprint_of(self.settings.model_dump())
        digest = hashlib.blake2b(settings.encode(), digest_size=12)
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: str | torch.device) -> Self:
        """Move the network; returns the model itself."""
        self.network.to(device)
        return self

    def __call__(
        self,
        image_HW3: np.ndarray,
        slope_2: np.ndarray | None = None,
        start_2HW: np.ndarray | None = None,
    ) -> np.ndarray:
        """Depth [H, W], float32, of an RGB image [H, W, 3], uint8; see `predict`."""
        known = (None if each is None else np.asarray(each)[None] for each in (slope_2, start_2HW))
        return self.predict(np.asarray(image_HW3)[None], *known)[0]

    @torch.inference_mode()
    def predict(
        self,
        images_BHW3: np.ndarray | Sequence[np.ndarray],
        slope_B2: np.ndarray | None = None,
        start_B2HW: np.ndarray | None = None,
    ) -> np.ndarray:
        """Depth [B, H, W], float32, of RGB images of one size [B, H, W, 3], uint8.

        Args:
            slope_B2: slope of level ground (`geometry.ground.ground_slope`), NaN where unknown;
                used by a network that starts from level ground, which estimates an unknown one.
            start_B2HW: inverse depth to start from, 0 where unknown, and nearness of a point
                (`geometry.surface.start_of`), of any size; used by a network that
                starts from points. Depth has the unit of the start then.

        Raises:
            ValueError: where the images are not three-channel uint8 of one size.
        """
        images = torch.from_numpy(np.ascontiguousarray(image_batch(images_BHW3))).to(self.device)
        x, size = images.permute(0, 3, 1, 2).float() / 255, tuple(images.shape[1:3])
        resized = size != (self.height, self.width)
        if resized:
            x = F.interpolate(x, (self.height, self.width), mode="bilinear", antialias=True)
        slope = None
        if slope_B2 is not None:
            slope = torch.as_tensor(np.asarray(slope_B2), dtype=torch.float32, device=self.device)
        inverse, unit = self._inverse(x, slope, start_B2HW)
        if resized:
            inverse = F.interpolate(inverse, size, mode="bilinear")
        return (unit[:, None, None] / inverse[:, 0]).float().cpu().numpy()

    def _inverse(
        self, x_B3HW: torch.Tensor, slope: torch.Tensor | None, start_B2HW: np.ndarray | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's inverse depth [B, 1, H, W], and by what [B] its reciprocal is multiplied to
        be depth."""
        scale = float(self.metadata.get("depth_scale", 1.0))
        unit = torch.full((len(x_B3HW),), scale, device=self.device)
        if start_B2HW is None or not self.takes_start:
            return self.network(x_B3HW, slope), unit
        start = torch.as_tensor(np.asarray(start_B2HW), dtype=torch.float32, device=self.device)
        start = F.interpolate(start, x_B3HW.shape[-2:], mode="nearest")
        start, median = relative_start(start)
        initial = self.settings.initial_depth or 1.0
        unit = torch.where(median > 0, 1 / (median * initial), unit)
        inverse = self.network(x_B3HW, slope, start)
        return inverse * _scale_at_points(initial * inverse, start), unit

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `model.json` into `folder`, all or nothing."""
        description = {
            "format": _FORMAT,
            "width": self.width,
            "height": self.height,
            "network": self.settings.model_dump(),
            "metadata": self.metadata,
        }
        state = self.network.state_dict()
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        with atomic_path(Path(folder)) as partial:
            partial.mkdir()
            save_file(weights, str(partial / _WEIGHTS))
            write_json(partial / _DESCRIPTION, description)

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu") -> Self:
        """Read a model that `save` wrote.

        Raises:
            UserError: where a file is missing, damaged, or made by a newer version.
        """
        weights, description = Path(folder) / _WEIGHTS, Path(folder) / _DESCRIPTION
        for path in (weights, description):
            if not path.is_file():
                raise UserError(
                    f"{path} is missing: there is no trained model in {folder}. Run `kedro run"
                    " --pipeline=train` first."
                )
        try:
            content = read_json(description)
            if content["format"] != _FORMAT:
                raise UserError(
                    f"{description} has format {content['format']}; this version reads {_FORMAT}."
                    " Update the program."
                )
            # Models from before `start` was a parameter know nothing of it.
            values = {"start": "none"} | present_names(
                NetworkSettings, content["network"], "network", warn=False
            )
            settings = read_settings(NetworkSettings, values, "network")
            network = DepthNetwork(settings, load_weights=False)
            network.load_state_dict(load_file(str(weights), device="cpu"))
            size, metadata = (content["width"], content["height"]), content.get("metadata")
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"The model in {folder} is damaged ({error}); train it again or copy it once more."
            ) from error
        return cls(network, settings, *size, metadata).to(device)


def _scale_at_points(inverse_B1HW: torch.Tensor, start_B2HW: torch.Tensor) -> torch.Tensor:
    """The median ratio [B, 1, 1, 1] of the start to a prediction near points, 1 without any: the
    points have measured the scale, which a network changes by a few per cent without a reason."""
    start, nearness = start_B2HW.split(1, 1)
    ratio = torch.where((nearness > _NEAR_POINTS) & (start > 0), start / inverse_B1HW, torch.nan)
    return ratio.flatten(1).nanmedian(1).values.nan_to_num(1.0)[:, None, None, None]
