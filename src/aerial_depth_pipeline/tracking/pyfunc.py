"""A saved depth model as MLflow serves it: images in, depth out. MLflow finds `_load_pyfunc` by
its name; nothing is pickled."""

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow.models import ModelSignature
from mlflow.types import DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from aerial_depth_pipeline.capture.motion.attitude import up_of_gimbal
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.geometry.cameras import Camera
from aerial_depth_pipeline.geometry.ground import ground_slope
from aerial_depth_pipeline.networks.depth_model import DepthModel


def make_servable(folder: Path) -> None:
    """Add what makes a folder that `DepthModel.save` wrote an MLflow model too: `MLmodel`,
    signature, input example, requirements.

    It takes RGB images of one size [B, H, W, 3], uint8, and gives depth [B, H, W], float32, in
    the unit that `model.json` names. How the camera was held is optional: parameters `pitch` (0 at
    the horizon, -90 straight down), `roll` and `field_of_view` (horizontal), degrees, of all images
    of a request.
    """
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1, -1))]),
        params=ParamSchema(
            [ParamSpec(name, DataType.double, default) for name, default in _ATTITUDE.items()]
        ),
    )
    rows, columns = np.mgrid[0:28, 0:48]
    example_HW3 = np.stack([5 * columns, 9 * rows, 3 * (rows + columns)], -1).astype(np.uint8)
    with tempfile.TemporaryDirectory() as scratch:
        description = Path(scratch) / "description"
        mlflow.pyfunc.save_model(
            description,
            loader_module=__name__,
            signature=signature,
            input_example=example_HW3[None],
            pip_requirements=["aerial_depth_pipeline"],
        )
        for path in description.iterdir():
            shutil.move(path, Path(folder) / path.name)


_ATTITUDE = {"pitch": math.nan, "roll": 0.0, "field_of_view": math.nan}


class _Served:
    def __init__(self, model: DepthModel) -> None:
        self._model = model

    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Depth [B, H, W], float32, of images [B, H, W, 3].

        Raises:
            ValueError: for a pitch without a field of view, or a field of view that cannot be.
        """
        images = np.ascontiguousarray(images, np.uint8)
        given = _ATTITUDE | (params or {})
        if math.isnan(given["pitch"]):
            return self._model.predict(images)
        slope_2 = _slope(*images.shape[1:3], **given)
        return self._model.predict(images, np.tile(slope_2, (len(images), 1)))


def _slope(height: int, width: int, pitch: float, roll: float, field_of_view: float) -> np.ndarray:
    if not 1 <= field_of_view <= 170:
        raise ValueError(
            f"pitch needs a field_of_view between 1 and 170 degrees, not {field_of_view:g}"
        )
    focal = width / 2 / math.tan(math.radians(field_of_view / 2))
    camera = Camera.pinhole(width, height, focal, focal, width / 2, height / 2)
    up = torch.tensor(up_of_gimbal(pitch, roll)).reshape(1, 3)
    return ground_slope(up, torch.tensor(camera.K)[None], height, width)[0].numpy()


def _load_pyfunc(path: str) -> _Served:
    try:
        return _Served(DepthModel.load(Path(path)))
    except UserError as error:  # MLflow shows what went wrong to whoever serves
        raise RuntimeError(str(error)) from error
