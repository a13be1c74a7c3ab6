"""Settings of prediction. Nothing heavy is imported here: configuration checks read this file."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class PredictSettings(Settings):
    """What is predicted and what is written."""

    source: str | None = None
    """Path of a video, an image, a folder of images or a scene's folder."""
    model: str | int | None = None
    """`null`: the registry's champion, else the last trained; `trained`: the last trained; a
    number: a registry version; else a folder."""
    stride: int = Field(1, ge=1)
    """Every n-th frame of the source is predicted."""
    max_width: int = Field(768, ge=32)
    """Largest width of the output in pixels."""
    side_by_side: bool = True
    """Write input and coloured depth side by side: a video, JPEG for images."""
    tiff_every: int = Field(1, ge=0)
    """A float32 TIFF of every n-th predicted frame; 0 for none."""
    uncertainty_every: int = Field(0, ge=0)
    """A float32 TIFF of the expected relative error of every n-th predicted frame of footage with
    points of its own; 0 for none."""
    png_every: int = Field(0, ge=0)
    """A 16-bit PNG of every n-th predicted frame; 0 for none."""
    points_every: int = Field(0, ge=0)
    """A coloured point cloud (PLY) of every n-th predicted frame; 0 for none."""
    points_stride: int = Field(2, ge=1)
    """Every n-th row and column of a point cloud."""
    scale: Literal["auto", "colmap", "model", "height", "none"] = "auto"
    """Source of metres: a COLMAP model (`colmap`), the `height` above the start from telemetry, the
    `model`'s training, `none`; `auto`: the first available."""
    colmap: str | None = None
    """COLMAP model of the same footage: a scene's folder in `03_primary/`, or one with `cameras`,
    `images`, `points3D` whose images are named like the source's (video: six digits)."""
    focal_35mm: float | None = Field(None, ge=5, le=500)
    """35 mm equivalent focal length in mm where the camera is unknown; `null`: a video's own
    calibration, else 24."""
    attitude: Literal["auto", "telemetry", "none"] = "auto"
    """Source of the up vector. `telemetry`: gimbal angles of log or EXIF; `auto`: these, else the
    video's own motion; `none`: the model estimates it."""
    own_points: bool = True
    """A model that can start from the flight's own points does; the footage is read once more."""
    pitch: float | None = Field(None, ge=-90, le=30)
    """Pitch where telemetry is silent, degrees (0 horizon, -90 nadir); `null`: see `attitude`."""
    mirrored: bool = False
    """Average with the mirrored image's prediction: a little better, half as fast."""
    scale_frames: int = Field(12, ge=1)
    """Frames that set the colour range and the scale before the first is written."""
    batch_size: int = Field(1, ge=1)
    """Frames predicted at once."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`bfloat16` is twice as fast on suitable hardware, which `auto` looks for; it changes depth by
    0.03 % where the flight's own points are the start, by 0.4 % from one picture."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Torch device."""

    def _rules(self) -> Rules:
        yield (
            self.side_by_side or self.tiff_every or self.png_every or self.points_every,
            "nothing would be written: set side_by_side, tiff_every, png_every or points_every",
        )
