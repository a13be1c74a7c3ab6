"""Depth models as ONNX and TorchScript graphs that give z-depth, each compared with the model it
comes from.

The encoder's normalisation and the model's `depth_scale` are inside every graph. The ONNX graphs
take pictures as they are and have one input `image` and one output `depth` [B, H, W], float32; the
TorchScript graph gives [B, 1, H, W].

| file | input | for |
|---|---|---|
| `depth_model.onnx` | float32 [B, height, width, 3], RGB 0..255, at the network's size | programs that resize pictures themselves |
| `depth_model_any_size.onnx` | uint8 [B, H, W, 3], RGB, any size | everyone else: resizing is in the graph |
| `depth_model_int8.onnx` | as `depth_model.onnx` | processors with 8-bit instructions |
| `depth_model.torchscript` | float32 [B, 3, H, W], RGB 0..1, any size | C++ programs with libtorch, and other people's evaluations |
"""

import copy
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import write_json
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.inference.onnx_model import (
    INPUT,
    OUTPUT,
    OnnxDepthModel,
    resize,
)
from aerial_depth_pipeline.networks.inference.settings import ExportSettings

logger = logging.getLogger(__name__)

FIXED, ANY_SIZE, INT8 = "depth_model.onnx", "depth_model_any_size.onnx", "depth_model_int8.onnx"
TORCHSCRIPT, REPORT = "depth_model.torchscript", "export.json"
_OPSET = 20


def export_model(
    model: DepthModel,
    folder: Path,
    check: Sequence[np.ndarray],
    calibration: Sequence[np.ndarray],
    settings: ExportSettings,
) -> dict[str, Any]:
    """Write the model as graphs into `folder`, with `export.json`, which says what they take and
    how closely they agree.

    Args:
        model: the model.
        folder: an empty local folder.
        check: real pictures [H, W, 3], uint8 RGB, of any sizes, on which the graphs are compared
            with the model.
        calibration: other such pictures, which the ranges of the 8-bit activations are taken from;
            where there are none, from `check`.
        settings: see `ExportSettings`.

    Returns:
        The content of `export.json`.

    Raises:
        UserError: without frames, for an encoder that cannot be exported, and where a float32 graph
            differs from the model by more than the settings allow.
    """
    if not len(check):
        raise UserError(
            "An export is checked on real frames, and there are none. Make some with 'kedro run"
            " --pipelines=prepare'."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    expected = [model(frame) for frame in check]
    report: dict[str, Any] = {
        "format": 1,
        "width": model.width,
        "height": model.height,
        "unit": model.metadata.get("unit"),
        "opset": _OPSET,
        "output": f"{OUTPUT}: float32 [B, H, W], z-depth in the unit above",
        "versions": {
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "check_frames": len(check),
        "graphs": {},
    }
    for name in (FIXED, ANY_SIZE) if settings.any_size else (FIXED,):
        _write_graph(model, folder / name, any_size=name == ANY_SIZE)
        report["graphs"][name] = _checked(
            name, OnnxDepthModel.load(folder / name), model, check, expected, settings
        )
    if settings.torchscript:
        report["graphs"][TORCHSCRIPT] = _checked(
            TORCHSCRIPT,
            _write_torchscript(model, folder / TORCHSCRIPT),
            model,
            check,
            expected,
            settings,
        )
    if settings.int8:
        if not len(calibration):
            logger.warning(
                "export: there are too few frames to calibrate on others than are checked; the same"
                " serve for both."
            )
        _quantise(folder / FIXED, folder / INT8, calibration if len(calibration) else check, model)
        agreement = _compare(OnnxDepthModel.load(folder / INT8), check, expected)
        report["graphs"][INT8] = {
            "input": _input_of(INT8, model),
            "calibration_frames": len(calibration) or len(check),
            "calibrated_on_the_check_frames": not len(calibration),
            **agreement,
        }
    write_json(folder / REPORT, report)
    return report


def _checked(
    name: str,
    exported: Callable[[np.ndarray], np.ndarray],
    model: DepthModel,
    check: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    settings: ExportSettings,
) -> dict[str, Any]:
    agreement = _compare(exported, check, expected)
    if not agreement["max_relative_difference"] <= settings.max_relative_difference:
        raise UserError(
            f"The exported graph {name} differs from the model by up to"
            f" {agreement['max_relative_difference']:.2g} of the depth, more than"
            f" export.max_relative_difference = {settings.max_relative_difference:g}. Encoder"
            f" '{model.settings.encoder}' does not survive the export; use the torch model, or"
            " another encoder."
        )
    return {"input": _input_of(name, model), **agreement}


def _input_of(name: str, model: DepthModel) -> str:
    if name == TORCHSCRIPT:
        return "float32 [B, 3, H, W], RGB 0..1, any size; gives [B, 1, H, W]"
    if name == ANY_SIZE:
        return f"{INPUT}: uint8 [B, H, W, 3], RGB, any size"
    return f"{INPUT}: float32 [B, {model.height}, {model.width}, 3], RGB 0..255"


class _Graph(nn.Module):
    """What the exported ONNX graph computes: DepthModel.predict in torch's operations alone."""

    def __init__(self, model: DepthModel, any_size: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(model.network).cpu().float().eval()
        self.size = (model.height, model.width)
        self.depth_scale = float(model.metadata.get("depth_scale", 1.0))
        self.any_size = any_size

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.depth(image.permute(0, 3, 1, 2).float() / 255)[:, 0]

    def depth(self, x_B3HW: torch.Tensor) -> torch.Tensor:
        """Depth [B, 1, H, W] of RGB pictures in 0..1."""
        size = x_B3HW.shape[2:]
        if self.any_size:
            x_B3HW = F.interpolate(
                x_B3HW, self.size, mode="bilinear", antialias=True, align_corners=False
            )
        inverse = self.network(x_B3HW)
        if self.any_size:
            inverse = F.interpolate(inverse, size, mode="bilinear", align_corners=False)
        return self.depth_scale / inverse


class _TorchScriptGraph(_Graph):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.depth(image)


def _write_torchscript(model: DepthModel, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Write the TorchScript graph; returns what computes depth [H, W] of a picture [H, W, 3],
    uint8, with the file that was written."""
    graph = _TorchScriptGraph(model, any_size=True).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter(
            "ignore"
        )  # torch advises against TorchScript, which libtorch still reads best
        example = torch.zeros(2, 3, model.height + 32, model.width + 64)
        torch.jit.freeze(torch.jit.trace(graph, example, check_trace=False)).save(str(path))
        written = torch.jit.load(str(path), map_location="cpu")

    @torch.inference_mode()
    def run(image_HW3: np.ndarray) -> np.ndarray:
        return written(torch.from_numpy(image_HW3).permute(2, 0, 1)[None].float() / 255)[
            0, 0
        ].numpy()

    return run


def _write_graph(model: DepthModel, path: Path, any_size: bool) -> None:
    graph = _Graph(model, any_size).eval()
    # Sizes of one are taken for constants by the tracer, and the network's own size could be taken
    # for a rule.
    shape = (
        (2, model.height + 32, model.width + 64, 3)
        if any_size
        else (2, model.height, model.width, 3)
    )
    example = torch.zeros(shape, dtype=torch.uint8 if any_size else torch.float32)
    dynamic = {0: torch.export.Dim("batch", min=1)}
    if any_size:
        dynamic |= {1: torch.export.Dim("height", min=2), 2: torch.export.Dim("width", min=2)}
    try:
        with (
            torch.no_grad(),
            warnings.catch_warnings(),
            _quiet("torch.onnx", "onnxscript", "onnx_ir"),
        ):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                (example,),
                str(path),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(dynamic,),
                opset_version=_OPSET,
                external_data=False,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise UserError(
            f"Encoder '{model.settings.encoder}' cannot be exported to ONNX ({reason}); use another"
            " one."
        ) from error
    _describe(path, model, any_size)


def _describe(path: Path, model: DepthModel, any_size: bool) -> None:
    graph = onnx.load(path)
    description = {
        "width": model.width,
        "height": model.height,
        "any_size": any_size,
        "metadata": model.metadata,
    }
    onnx.helper.set_model_props(graph, {"depth_model": json.dumps(description, default=str)})
    onnx.save(graph, path)


class _quiet:
    """Loggers that report every internal step are silent for a while."""

    def __init__(self, *names: str) -> None:
        self._loggers = [logging.getLogger(name) for name in names]

    def __enter__(self) -> None:
        self._levels = [log.level for log in self._loggers]
        for log in self._loggers:
            log.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for log, level in zip(self._loggers, self._levels, strict=True):
            log.setLevel(level)


def _compare(
    exported: Callable[[np.ndarray], np.ndarray],
    frames: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
) -> dict[str, float]:
    """How far depth is from the model's: the largest, the mean and the 95th percentile of the
    relative difference over all pixels."""
    differences = [
        np.abs(exported(frame) - depth) / depth
        for frame, depth in zip(frames, expected, strict=True)
    ]
    values = np.concatenate([difference.ravel() for difference in differences])
    return {
        "max_relative_difference": float(values.max()),
        "mean_relative_difference": float(values.mean(dtype=np.float64)),
        "relative_difference_95": float(np.percentile(values, 95)),
    }


class _Frames(CalibrationDataReader):
    def __init__(self, frames: Sequence[np.ndarray], model: DepthModel) -> None:
        self._frames = iter(frames)
        self._size = (model.height, model.width)

    def get_next(self) -> dict[str, np.ndarray] | None:
        frame = next(self._frames, None)
        return (
            None
            if frame is None
            else {INPUT: resize(frame[None].astype(np.float32), *self._size, antialias=True)}
        )


def _quantise(source: Path, path: Path, frames: Sequence[np.ndarray], model: DepthModel) -> None:
    """Convolutions with 8-bit weights (a scale per channel) and activations; the last one, whose
    output is inverse depth, stays float."""
    with tempfile.TemporaryDirectory() as scratch, _quiet("root"):
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        convolutions = [
            node.name
            for node in onnx.load(prepared, load_external_data=False).graph.node
            if node.op_type == "Conv"
        ]
        quantize_static(
            str(prepared),
            str(path),
            _Frames(frames, model),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MaxPool", "Concat", "Resize"],
            nodes_to_exclude=convolutions[-1:],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    _describe(path, model, any_size=False)
