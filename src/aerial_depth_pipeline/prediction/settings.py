"""Settings of prediction. Nothing heavy is imported here: configuration checks read this file."""

from typing import Literal

from pydantic import Field

from aerial_depth_pipeline.configuration import Rules, Settings


class PredictSettings(Settings):
    """What is predicted and what is written."""

    source: str | None = None
    """Path of a video, a picture, or a folder of pictures (or a scene's folder); relative to where
    the command runs."""
    model: str | int | None = None
    """Which model predicts: `null` takes the champion of the MLflow registry, or where there is
    none the model that was trained last; `trained` the latter in any case; a number that version of
    the registry; anything else is a folder with a model."""
    stride: int = Field(1, ge=1)
    """Every n-th frame of the source is predicted."""
    max_width: int = Field(768, ge=32)
    """The output is scaled down to this width in pixels; narrower sources keep theirs."""
    side_by_side: bool = True
    """Write input and coloured depth side by side: `side_by_side.mp4` of a video,
    `side_by_side/*.jpg` of pictures."""
    tiff_every: int = Field(1, ge=0)
    """A float32 TIFF of every n-th predicted frame; 0 for none."""
    png_every: int = Field(0, ge=0)
    """A 16-bit PNG of every n-th predicted frame; 0 for none."""
    points_every: int = Field(0, ge=0)
    """A coloured point cloud (PLY) of every n-th predicted frame; 0 for none."""
    points_stride: int = Field(2, ge=1)
    """The point cloud takes every n-th row and column."""
    scale: Literal["auto", "colmap", "model", "height", "none"] = "auto"
    """Where metres come from: `colmap` (a COLMAP model of the same footage, named by `colmap`),
    `model` (it was trained in metres), `height` (the telemetry's height above the start, taken as
    height above level ground), `none`, or `auto`: the first of these that there is."""
    colmap: str | None = None
    """Folder of a COLMAP model whose pictures have the names of the source's files, or of a video
    the frame's index in six digits: a scene's folder in `03_primary/`, or any folder with
    `cameras`, `images` and `points3D`."""
    focal_35mm: float | None = Field(None, ge=5, le=500)
    """35 mm equivalent focal length in millimetres, for sources whose camera is not known; `null`
    takes 24 mm, as most drones have. Point clouds and `scale: height` depend on it."""
    attitude: Literal["auto", "telemetry", "none"] = "auto"
    """How a model that starts from level ground learns how the camera was held. `telemetry`: the
    gimbal's angles in the log beside a video or in the photographs; `auto`: these, else what the
    motion of a video tells, which is read once more for it; `none`. What stays unknown the model
    estimates from the picture."""
    pitch: float | None = Field(None, ge=-90, le=30)
    """How the camera was held, degrees (0 looks at the horizon, -90 straight down), where the
    telemetry does not say; `null` leaves it to `attitude`."""
    mirrored: bool = False
    """Average the prediction with that of the mirrored picture: mostly a little better, half as
    fast."""
    scale_frames: int = Field(12, ge=1)
    """Number of frames that the colour scale and metres are taken from before the first frame is
    written."""
    batch_size: int = Field(1, ge=1)
    """Frames that are predicted at once."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16` is faster where the processor or GPU has instructions for it, and changes depth by
    a few thousandths."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` (CUDA where there is one), `cpu` or `cuda`."""

    def _rules(self) -> Rules:
        yield (
            self.side_by_side or self.tiff_every or self.png_every or self.points_every,
            "nothing would be written: set side_by_side, tiff_every, png_every or points_every",
        )
