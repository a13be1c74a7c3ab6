"""What the evaluation measures, as configuration. Imports nothing heavy."""

import math
from typing import Annotated, Literal, get_args

from pydantic import Field

from aerial_depth_pipeline.configuration import Mark, Rules, Settings
from aerial_depth_pipeline.evaluation.method_table import CONVENTIONAL, RESERVED_NAMES

Positive = Annotated[float, Field(gt=0)]
Alignment = Literal["none", "median_per_image", "median_per_scene", "lstsq_inverse_depth"]
Output = Literal["depth", "inverse_depth", "affine_inverse_depth"]
Conventional = Literal[CONVENTIONAL]  # type: ignore[valid-type]

NO_CAP = "none"
"""Name of the cap that is none."""


class MethodSettings(Settings):
    """Another model, or its predictions, to be measured beside ours."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name in the tables: letters, digits, `_`, `-` and `.`."""
    path: str = Field(min_length=1)
    """Folder of predictions (`[<domain>/]<scene>/NNNNNN.<ext>`: TIFF, 16-bit PNG, NPY, PFM), an
    ONNX or a TorchScript file: one image [1, 3, H, W] to one map."""
    kind: Literal["auto", "folder", "onnx", "torchscript"] = "auto"
    """Kind of `path`; `auto`: by its suffix."""
    output: Output = "depth"
    """z-depth, or inverse depth up to scale (monodepth2), or up to scale and shift (MiDaS)."""
    scale: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Factor on stored values, such as 0.01 for a 16-bit PNG in centimetres."""
    stretched: bool = False
    """Predictions of other proportions fill the frame, because the network saw it squeezed; else
    they are refused. Networks run here are always treated so."""
    width: int = Field(0, ge=0)
    """Width of the network's input in pixels; 0: the file's, else the frame's by 32."""
    height: int = Field(0, ge=0)
    """Height of the network's input, likewise."""
    mean: list[float] = Field([0.485, 0.456, 0.406], min_length=3, max_length=3)
    """Mean of the network's input (RGB in 0..1)."""
    std: list[Positive] = Field([0.229, 0.224, 0.225], min_length=3, max_length=3)
    """Standard deviation of the network's input."""
    domains: list[str] = []
    """Domains to measure in; empty for all."""

    def _rules(self) -> Rules:
        yield (
            self.name not in RESERVED_NAMES,
            f"'{self.name}' is the name of a method that is always there; choose another one",
        )
        yield (
            (self.width == 0) == (self.height == 0),
            f"method '{self.name}' needs both 'width' and 'height', or neither",
        )


class EvaluationSettings(Settings):
    """How depth is measured against references."""

    alignments: list[Alignment] = Field(list(get_args(Alignment)), min_length=1)
    """Alignments of a prediction to the reference: `none`; `median_per_image`: ratio of medians;
    `median_per_scene`: median of these; `lstsq_inverse_depth`: scale and shift per image."""
    main_alignment: Alignment = "median_per_image"
    """The alignment of figures, console table and breakdowns; one of `alignments`."""
    caps: list[float] = []
    """Depth caps in metres, for metric scenes. Metrics are given without a cap and with each:
    farther reference pixels are left out, predictions clipped."""
    methods: list[MethodSettings] = Field([], serialization_alias="contestants")
    """Others' models to measure."""
    mirrored: bool = False
    """Also measure the model averaged over mirrored images (`predict.mirrored`)."""
    conventional: list[Conventional] = list(CONVENTIONAL)
    """Photogrammetry to measure in scenes with an exact reference and structure from motion: sparse
    points, plane sweep with SGM, OpenCV's SGBM, COLMAP's PatchMatch (CUDA)."""
    conventional_frames: int = Field(12, ge=1)
    """Test frames of each scene for the dense ones, evenly chosen."""
    sweep_planes: list[Annotated[int, Field(ge=3)]] = [8, 16, 32]
    """Numbers of planes for sweeps around prediction and ground plane; empty for none."""
    sweep_frames: int = Field(2, ge=1)
    """Frames of each scene for these sweeps."""
    minimum_depth: float = Field(0.1, gt=0)
    """Nearest depth in metres: nearer reference pixels are left out, predictions clipped. In scenes
    without a scale a thousandth of the median depth."""
    maximum_depth: float = 10_000.0
    """Predictions are clipped to it where no cap applies; metres, else a thousand medians."""
    minimum_pixels: int = Field(50, ge=3)
    """Common pixels below which an image is not measured but counted."""
    thresholds: list[Positive] = [0.5, 0.1, 0.05]
    """Distances in metres for accuracy and completeness."""
    bootstrap_samples: int = Field(1000, ge=0)
    """Bootstrap samples of scenes and blocks of images for 95 % intervals; 0 for none."""
    seed: int = 0
    """Seed of the bootstrap."""
    point_clouds: bool = True
    """Write prediction and reference of each domain's median frame as point clouds (PLY)."""
    video_frames: int = Field(150, ge=0)
    """Frames of each domain's video of input and depth, at most; 0 for none."""
    video_fps: float = Field(15.0, gt=0)
    """Frames per second of the video."""
    workers: Annotated[int, Mark.NO_EFFECT] = Field(0, ge=0)
    """Threads; 0 for one per core, eight at most."""
    size: list[Annotated[int, Field(ge=2)]] = Field([384, 224], min_length=2, max_length=2)
    """Width and height of the mean depth map, pixels; references of any size are resized to it."""

    def _rules(self) -> Rules:
        once = len(set(self.alignments)) == len(self.alignments)
        yield once, "'alignments' must name each alignment once"
        yield (
            self.main_alignment in self.alignments,
            f"'main_alignment' is '{self.main_alignment}', which is not among 'alignments'"
            f" {self.alignments}",
        )
        ordered = self.minimum_depth < self.maximum_depth
        yield ordered, "'minimum_depth' must be below 'maximum_depth'"
        yield (
            all(self.minimum_depth < cap < math.inf for cap in self.caps),
            "every one of 'caps' must be finite and above 'minimum_depth'",
        )
        yield (
            len({method.name for method in self.methods}) == len(self.methods),
            "every one of 'methods' needs a name of its own",
        )
