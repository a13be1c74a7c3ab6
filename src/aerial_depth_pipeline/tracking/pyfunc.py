"""A saved depth model as MLflow serves it: images in, depth out. MLflow finds `_load_pyfunc` by
its name; nothing is pickled."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.networks.depth_model import DepthModel


def make_servable(folder: Path) -> None:
    """Add what makes a folder that `DepthModel.save` wrote an MLflow model too: `MLmodel`,
    signature, input example, requirements.

    It takes RGB images of one size [B, H, W, 3], uint8, and gives depth [B, H, W], float32, in
    the unit that `model.json` names.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1, -1))]),
    )
    with tempfile.TemporaryDirectory() as scratch:
        description = Path(scratch) / "description"
        mlflow.pyfunc.save_model(
            description,
            loader_module=__name__,
            signature=signature,
            input_example=_example(),
            pip_requirements=["aerial_depth_pipeline"],
        )
        for path in description.iterdir():
            shutil.move(path, Path(folder) / path.name)


def _example() -> np.ndarray:
    """One small image [1, 28, 48, 3] of colours that run into each other."""
    rows, columns = np.mgrid[0:28, 0:48]
    return np.stack([5 * columns, 9 * rows, 3 * (rows + columns)], -1).astype(np.uint8)[None]


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
