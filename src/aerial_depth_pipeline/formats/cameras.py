"""Cameras in files: `camera.yaml` (COLMAP's model name and parameters, readable by people) and how
a table names their attitudes."""

from pathlib import Path

import yaml

from aerial_depth_pipeline.geometry.cameras import Camera

# The upward direction in a camera's axes, in tables of frames and of triplets.
UP_COLUMNS = ["up_x", "up_y", "up_z"]
DEVIATION_COLUMN = "position_deviation"  # metres, of each axis, where the receiver states it


def camera_to_yaml(camera: Camera) -> str:
    """The text of a `camera.yaml`."""
    params = ", ".join(repr(p) for p in camera.params)
    return (
        "# COLMAP's convention: the first pixel's centre is (0.5, 0.5)\nmodel:"
        f" {camera.model}\nwidth: {camera.width}\nheight: {camera.height}\nparams: [{params}]\n"
    )


def read_camera(path: Path) -> Camera:
    """Read a `camera.yaml`.

    Raises:
        ValueError: with the file's name and what is wrong with it.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return Camera(
            str(content["model"]),
            int(content["width"]),
            int(content["height"]),
            tuple(content["params"]),
        )
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(
            f"{path} is not a camera: {error}. It needs the keys model, width, height and params,"
            " with COLMAP's model names."
        ) from error
