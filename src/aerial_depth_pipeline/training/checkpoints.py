"""Checkpoints that are whole or not there, and that hold nothing but tensors and numbers."""

import pickle
from pathlib import Path
from typing import Any

import torch

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import atomic_path

LAST = "last.pt"
BEST = "best.pt"


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers and text atomically."""
    with atomic_path(Path(path)) as partial:
        torch.save(content, partial)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without executing anything that it might hold.

    Raises:
        UserError: where the file is damaged or holds more than tensors and numbers.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise UserError(
            f"Checkpoint {path} cannot be read ({str(error).splitlines()[0][:150]}). Delete it, or"
            " set train.resume: false."
        ) from error
