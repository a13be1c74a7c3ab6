"""Settings of the export to ONNX and TorchScript. Nothing heavy is imported here: configuration
checks read this file."""

from pydantic import Field

from aerial_depth_pipeline.configuration import Settings


class ExportSettings(Settings):
    """What is exported, and how closely it has to agree with the model it comes from."""

    any_size: bool = True
    """Also export a graph that takes images of any size and resizes them itself."""
    int8: bool = True
    """Also export a graph with 8-bit weights and activations."""
    torchscript: bool = True
    """Also export a TorchScript graph that takes images of any size."""
    check_frames: int = Field(20, ge=1)
    """Frames on which the exported graphs are compared with the model."""
    calibration_frames: int = Field(40, ge=1)
    """Further frames, for the ranges of the 8-bit activations."""
    max_relative_difference: float = Field(1e-3, gt=0)
    """Largest relative difference of depth on any pixel that float32 graphs may show."""
    max_mean_difference_int8: float = Field(0.03, gt=0)
    """Largest mean relative difference of depth of the 8-bit graph, which is left out beyond it."""
