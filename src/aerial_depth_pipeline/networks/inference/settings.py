"""Settings of the export to ONNX and TorchScript. Nothing heavy is imported here: configuration
checks read this file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportSettings:
    """What is exported, and how closely it has to agree with the model it comes from.

    Attributes:
        any_size: also export a graph that takes pictures of any size and resizes them itself.
        int8: also export a graph with 8-bit weights and activations.
        torchscript: also export a TorchScript graph that takes pictures of any size.
        check_frames: number of frames on which the exported graphs are compared with the model.
        calibration_frames: number of further frames that the ranges of the 8-bit activations are
            taken from.
        max_relative_difference: largest relative difference of depth that float32 graphs may show
            on any pixel of the check frames.
    """

    any_size: bool = True
    int8: bool = True
    torchscript: bool = True
    check_frames: int = 20
    calibration_frames: int = 40
    max_relative_difference: float = 1e-3

    def __post_init__(self) -> None:
        if self.check_frames < 1:
            raise ValueError("check_frames must be at least 1")
        if self.calibration_frames < 1:
            raise ValueError("calibration_frames must be at least 1")
        if not self.max_relative_difference > 0:
            raise ValueError("max_relative_difference must be positive")
