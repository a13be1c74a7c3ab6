"""A depth model in ONNX Runtime: the same call as DepthModel, without torch."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from scipy.sparse import csr_array

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.image_batches import image_batch

INPUT, SLOPE, OUTPUT = "image", "slope", "depth"


class OnnxDepthModel:
    """Depth from a single image, computed by ONNX Runtime.

    Attributes:
        width, height: the network's input size in pixels.
        metadata: that of the exported model. `depth_scale` is already in the graph.
    """

    def __init__(self, session: onnxruntime.InferenceSession, description: dict[str, Any]) -> None:
        self.width, self.height = int(description["width"]), int(description["height"])
        self.metadata: dict[str, Any] = dict(description["metadata"])
        self._any_size, self._session = bool(description["any_size"]), session

    @property
    def takes_slope(self) -> bool:
        """Whether it uses the slope of level ground where that is given."""
        optional = self._session.get_overridable_initializers()
        return any(each.name == SLOPE for each in optional)

    def __call__(self, image_HW3: np.ndarray, slope_2: np.ndarray | None = None) -> np.ndarray:
        """Depth [H, W], float32, of an RGB image [H, W, 3], uint8; see `predict`."""
        slope = None if slope_2 is None else np.asarray(slope_2)[None]
        return self.predict(np.asarray(image_HW3)[None], slope)[0]

    def predict(
        self, images_BHW3: np.ndarray | Sequence[np.ndarray], slope_B2: np.ndarray | None = None
    ) -> np.ndarray:
        """Depth [B, H, W], float32, of RGB images of one size [B, H, W, 3], uint8.

        Args:
            slope_B2: as in `DepthModel.predict`.

        Raises:
            ValueError: where the images are not three-channel uint8 of one size.
        """
        images, more = image_batch(images_BHW3), {}
        if slope_B2 is not None and self.takes_slope:
            more[SLOPE] = np.asarray(slope_B2, np.float32)

        def run(images: np.ndarray) -> np.ndarray:
            return self._session.run([OUTPUT], {INPUT: images} | more)[0]

        if self._any_size:
            return run(np.ascontiguousarray(images))
        height, width = images.shape[1:3]
        if (height, width) == (self.height, self.width):
            return run(images.astype(np.float32))
        depth = run(resize(images.astype(np.float32), self.height, self.width, True))
        # Inverse depth is what DepthModel interpolates: it is linear on planes.
        return 1 / resize(1 / depth[..., None], height, width, False)[..., 0]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Open an `.onnx` file that `export_model` wrote; it runs on all cores, or with CUDA.

        Raises:
            UserError: where the file is missing, damaged, or not an exported depth model.
        """
        if not path.is_file():
            raise UserError(
                f"{path} is not there. Export the model first with 'kedro run --pipelines=export'."
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        available, usual = onnxruntime.get_available_providers(), ("CUDA", "CPU")
        providers = [p for name in usual if (p := f"{name}ExecutionProvider") in available]
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # ONNX Runtime raises classes of its own that share nothing
            raise UserError(
                f"{path} cannot be opened as an ONNX graph ({str(error).strip()[:200]}); export the"
                " model again."
            ) from error
        text = session.get_modelmeta().custom_metadata_map.get("depth_model")
        if text is None:
            raise UserError(
                f"{path} is an ONNX graph, but not one that 'kedro run --pipelines=export' wrote."
            )
        return cls(session, json.loads(text))


def resize(images_BHWC: np.ndarray, height: int, width: int, antialias: bool) -> np.ndarray:
    """Bilinear interpolation of float32 images [B, H, W, C], with pixel centres at 0.5; `antialias`
    widens the kernel where they shrink."""
    batch, old_height, old_width, channels = images_BHWC.shape
    rows = _interpolation_matrix(old_height, height, antialias)
    columns = _interpolation_matrix(old_width, width, antialias)
    result = np.empty((batch, height, width, channels), np.float32)
    for image, out in zip(images_BHWC, result, strict=True):
        narrow = rows @ image.reshape(old_height, old_width * channels)
        across = narrow.reshape(height, old_width, channels).transpose(1, 0, 2)
        wide = columns @ across.reshape(old_width, height * channels)
        out[:] = wide.reshape(width, height, channels).transpose(1, 0, 2)
    return result


@lru_cache(maxsize=16)
def _interpolation_matrix(old: int, new: int, antialias: bool) -> csr_array:
    """The sparse matrix [new, old] that interpolates a line of pixels linearly; each row sums to
    one."""
    step = old / new
    reach = max(1.0, step) if antialias else 1.0
    center = (np.arange(new) + 0.5) * step
    first = np.floor(center - 0.5 - reach).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weight = np.maximum(0, 1 - np.abs(taps + 0.5 - center[:, None]) / reach)
    weight *= (taps >= 0) & (taps < old)
    weight /= weight.sum(1, keepdims=True)
    row, tap = np.nonzero(weight)
    return csr_array((weight[row, tap].astype(np.float32), (row, taps[row, tap])), shape=(new, old))
