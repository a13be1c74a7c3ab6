"""Cameras in files: `camera.yaml` (COLMAP's model name and parameters, readable by people) and how
a table names their attitudes."""

from pathlib import Path

import yaml

from aerial_depth_pipeline.geometry.cameras import Camera

_LARGEST_SIDE = 100_000  # pixels
_FOCAL_SHARES = 0.1, 50.0  # of the longer side, from a fisheye to the longest telephoto

# The upward direction in a camera's axes, in tables of frames and of triplets.
UP_COLUMNS = ["up_x", "up_y", "up_z"]
HEIGHT_COLUMN = "above_start"  # metres above the place of departure, where it is stated
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
        if not isinstance(content, dict):
            raise TypeError("it holds no keys")
        size, params = (content["width"], content["height"]), content["params"]
        if not all(isinstance(side, int) and 0 < side <= _LARGEST_SIDE for side in size):
            raise TypeError("width and height must be whole numbers of pixels")
        if not isinstance(params, list) or any(isinstance(p, bool | str) for p in params):
            raise TypeError("params must be a list of numbers")
        camera = Camera(str(content["model"]), *size, tuple(params))
    except (
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
        yaml.YAMLError,
    ) as error:
        raise ValueError(
            f"{path} is not a camera: {error}. It needs the keys model, width, height and params,"
            " with COLMAP's model names."
        ) from error
    (fx, _, cx), (_, fy, cy), _ = camera.K
    low, high = (share * max(size) for share in _FOCAL_SHARES)
    if not (low <= fx <= high and low <= fy <= high and 0.25 < fx / fy < 4):
        raise ValueError(
            f"{path} is for no camera: a focal length of {fx:g} and {fy:g} px cannot be that of an"
            f" image of {size[0]}x{size[1]}."
        )
    if not (0 <= cx <= size[0] and 0 <= cy <= size[1]):
        raise ValueError(
            f"{path} is for no camera: its principal point ({cx:g}, {cy:g}) lies outside the image"
            f" of {size[0]}x{size[1]}."
        )
    return camera
