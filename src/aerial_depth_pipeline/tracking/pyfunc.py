"""A saved depth model as MLflow serves it: images in, depth out. MLflow finds `_load_pyfunc` by
its name; nothing is pickled."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.depth_model import DepthModel


def make_servable(folder: Path) -> None:
    """Add what makes a folder that `DepthModel.save` wrote an MLflow model too: `MLmodel`,
    signature, input example, requirements.

    It takes RGB images of one size [B, H, W, 3], uint8, and gives depth [B, H, W], float32, in
    the unit that `model.json` names.
    """
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1, -1))]),
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


class _Served:
    def __init__(self, model: DepthModel) -> None:
        self._model = model

    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Depth [B, H, W], float32, of images [B, H, W, 3]."""
        return self._model.predict(np.ascontiguousarray(images, np.uint8))


def _load_pyfunc(path: str) -> _Served:
    try:
        return _Served(DepthModel.load(Path(path)))
    except UserError as error:  # MLflow shows what went wrong to whoever serves
        raise RuntimeError(str(error)) from error
