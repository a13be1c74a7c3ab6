"""Depth models as ONNX and TorchScript graphs that give z-depth, each compared with the model it
comes from.

The encoder's normalisation and the model's `depth_scale` are inside every graph. The ONNX graphs
take `image` (`_INPUTS`) and give `depth` [B, H, W], float32; the TorchScript graph, for libtorch
and other evaluations, gives [B, 1, H, W]. Graphs of a model that starts from level ground also take
`slope` [B, 2] and do without it where it is not given.
"""

import copy
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

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
    SLOPE,
    OnnxDepthModel,
    resize,
)
from aerial_depth_pipeline.networks.inference.settings import ExportSettings
from aerial_depth_pipeline.progress import quiet

logger = logging.getLogger(__name__)

FIXED, ANY_SIZE, INT8 = "depth_model.onnx", "depth_model_any_size.onnx", "depth_model_int8.onnx"
TORCHSCRIPT, REPORT = "depth_model.torchscript", "export.json"
_INPUTS = {
    FIXED: f"{INPUT}: float32 [B, {{height}}, {{width}}, 3], RGB 0..255",
    ANY_SIZE: f"{INPUT}: uint8 [B, H, W, 3], RGB, any size",
    INT8: f"{INPUT}: float32 [B, {{height}}, {{width}}, 3], RGB 0..255",
    TORCHSCRIPT: "float32 [B, 3, H, W], RGB 0..1, any size; gives [B, 1, H, W]",
}
_OPSET = 20
_EXPORTERS = ("torch.onnx", "onnxscript", "onnx_ir")  # loggers of every internal step
Predict = Callable[..., np.ndarray]
Images = Sequence[np.ndarray]
_OWN_POINTS = "only DepthModel takes them; the graphs start from level ground"
_ATTITUDE = (
    f"{SLOPE}: float32 [B, 2], optional; by how much the inverse depth of level ground grows from"
    " the image's centre to its right and to its lower border, relative to the centre: (0, height /"
    " (2 fy tan(p))) for a camera p below the horizon without roll; NaN where it is not known, and"
    " then the graph estimates it from the image"
)
_CHECKED_SLOPES = np.array([[np.nan, np.nan], [0.1, 0.6]], np.float32)  # by turns


def export_model(
    model: DepthModel, folder: Path, check: Images, calibration: Images, settings: ExportSettings
) -> dict[str, Any]:
    """Write the model as graphs into `folder`, with `export.json`: what they take and how closely
    they agree.

    Args:
        folder: an empty local folder.
        check: real images [H, W, 3], uint8 RGB, of any sizes, on which the graphs are compared with
            the model.
        calibration: other such images, for the ranges of the 8-bit activations; `check` where there
            are none.

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
    folder.mkdir(parents=True, exist_ok=True)
    slopes = np.resize(_CHECKED_SLOPES, (len(check), 2)) if model.takes_slope else None
    expected = [model(*each) for each in _with_slopes(check, slopes)]
    size = {"width": model.width, "height": model.height}
    graphs: dict[str, dict[str, Any]] = {}
    left_out: dict[str, dict[str, Any]] = {}

    def add(name: str, graph: Predict, **more: Any) -> None:
        taken = {"input": _INPUTS[name].format(**size)}
        compared = _compare(graph, _with_slopes(check, slopes), expected)
        graphs[name] = taken | more | compared
        difference, most = graphs[name]["max_relative_difference"], settings.max_relative_difference
        if name != INT8 and not difference <= most:
            raise UserError(
                f"The exported graph {name} differs from the model by up to {difference:.2g} of the"
                f" depth, more than export.max_relative_difference = {most:g}. Encoder"
                f" '{model.settings.encoder}' does not survive the export; use the torch model, or"
                " another encoder."
            )

    for name in (FIXED, ANY_SIZE) if settings.any_size else (FIXED,):
        _write_graph(model, folder / name, any_size=name == ANY_SIZE)
        add(name, OnnxDepthModel.load(folder / name))
    if settings.torchscript:
        add(TORCHSCRIPT, _write_torchscript(model, folder / TORCHSCRIPT))
    if settings.int8:
        same = not len(calibration)
        if same:
            logger.warning("export: too few frames; those of the check calibrate 8 bits as well.")
        frames = check if same else calibration
        _quantise(folder / FIXED, folder / INT8, frames, model)
        counts = {"calibration_frames": len(frames), "calibrated_on_the_check_frames": same}
        add(INT8, OnnxDepthModel.load(folder / INT8), **counts)
        most = settings.max_mean_difference_int8
        if not (difference := graphs[INT8]["mean_relative_difference"]) <= most:
            left_out[INT8] = graphs.pop(INT8)
            (folder / INT8).unlink()
            logger.warning(
                "export: %s differs from the model by %.1f %% on average, more than"
                " export.max_mean_difference_int8 = %.1f %%, and is left out.",
                *(INT8, 100 * difference, 100 * most),
            )
    versions = {module.__name__: module.__version__ for module in (torch, onnx, onnxruntime)}
    report = {
        "format": 1,
        **size,
        "unit": model.metadata.get("unit"),
        "opset": _OPSET,
        "output": f"{OUTPUT}: float32 [B, H, W], z-depth in the unit above",
        "attitude": _ATTITUDE if model.takes_slope else "the model does not take it",
        "own_points": _OWN_POINTS if model.takes_start else "the model does not take them",
        "versions": versions,
        "check_frames": len(check),
        "graphs": graphs,
        "left_out": left_out,
    }
    write_json(folder / REPORT, report)
    return report


class _Graph(nn.Module):
    """DepthModel.predict in torch's operations alone: the exported ONNX graph."""

    def __init__(self, model: DepthModel, any_size: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(model.network).cpu().float().eval()
        self.size = (model.height, model.width)
        self.depth_scale = float(model.metadata.get("depth_scale", 1.0))
        self.any_size = any_size

    def forward(self, image: torch.Tensor, slope: torch.Tensor | None = None) -> torch.Tensor:
        return self.depth(image.permute(0, 3, 1, 2).float() / 255, slope)[:, 0]

    def depth(self, x_B3HW: torch.Tensor, slope_B2: torch.Tensor | None) -> torch.Tensor:
        """Depth [B, 1, H, W] of RGB images in 0..1."""
        if not self.any_size:
            return self.depth_scale / self.network(x_B3HW, slope_B2)
        size = x_B3HW.shape[2:]
        x_B3HW = F.interpolate(x_B3HW, self.size, mode="bilinear", antialias=True)
        inverse = self.network(x_B3HW, slope_B2)
        return self.depth_scale / F.interpolate(inverse, size, mode="bilinear")


class _TorchScriptGraph(_Graph):
    def forward(self, image: torch.Tensor, slope: torch.Tensor | None = None) -> torch.Tensor:
        return self.depth(image, slope)


class _OptionalSlope(nn.Module):
    """A traced graph, scripted so that its second input may be left out."""

    def __init__(self, traced: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.traced = traced

    def forward(self, image: torch.Tensor, slope: Optional[torch.Tensor] = None) -> torch.Tensor:  # noqa: UP045 (TorchScript)
        if slope is None:
            slope = torch.full((image.shape[0], 2), float("nan"))
        return self.traced(image, slope)


def _write_torchscript(model: DepthModel, path: Path) -> Predict:
    """Write the TorchScript graph; returns the depth [H, W] of an image [H, W, 3], uint8, by the
    written file."""
    graph = _TorchScriptGraph(model, any_size=True).eval()
    example = torch.zeros(2, 3, model.height + 32, model.width + 64)
    with warnings.catch_warnings(), torch.no_grad():
        # torch advises against TorchScript, which libtorch still reads best.
        warnings.simplefilter("ignore")
        slope = (torch.from_numpy(_CHECKED_SLOPES),) if model.takes_slope else ()
        traced = torch.jit.trace(graph, (example, *slope), check_trace=False)
        script = torch.jit.script(_OptionalSlope(traced).eval()) if slope else traced
        torch.jit.freeze(script).save(str(path))
        written = torch.jit.load(str(path), map_location="cpu")

    @torch.inference_mode()
    def depth(image_HW3: np.ndarray, *slope_2: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(image_HW3).permute(2, 0, 1)[None].float() / 255
        return written(x, *(torch.from_numpy(each)[None] for each in slope_2))[0, 0].numpy()

    return depth


def _write_graph(model: DepthModel, path: Path, any_size: bool) -> None:
    # The tracer takes sizes of one for constants, and could take the network's own for a rule.
    height, width = model.height + 32 * any_size, model.width + 64 * any_size
    dtype = torch.uint8 if any_size else torch.float32
    dynamic = {0: torch.export.Dim("batch", min=1)}
    if any_size:
        dynamic |= {1: torch.export.Dim("height", min=2), 2: torch.export.Dim("width", min=2)}
    inputs: tuple[torch.Tensor, ...] = (torch.zeros((2, height, width, 3), dtype=dtype),)
    shapes: tuple[dict, ...] = (dynamic,)
    if model.takes_slope:
        inputs, shapes = (*inputs, torch.zeros(2, 2)), (dynamic, {0: dynamic[0]})
    try:
        with torch.no_grad(), warnings.catch_warnings(), quiet(*_EXPORTERS):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Graph(model, any_size).eval(),
                inputs,
                str(path),
                dynamo=True,
                input_names=[INPUT, SLOPE][: len(inputs)],
                output_names=[OUTPUT],
                dynamic_shapes=shapes,
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
    if model.takes_slope:
        # A graph's input that is an initialiser as well has it for its default.
        unknown = np.full((1, 2), np.nan, np.float32)
        graph.graph.initializer.append(onnx.numpy_helper.from_array(unknown, SLOPE))
        given = next(each for each in graph.graph.input if each.name == SLOPE)
        given.type.tensor_type.shape.dim[0].dim_param = "one or batch"
    description = {"width": model.width, "height": model.height, "any_size": any_size}
    text = json.dumps(description | {"metadata": model.metadata}, default=str)
    onnx.helper.set_model_props(graph, {"depth_model": text})
    onnx.save(graph, path)


def _with_slopes(frames: Images, slopes_N2: np.ndarray | None) -> list[tuple[np.ndarray, ...]]:
    return list(zip(frames, *(() if slopes_N2 is None else (slopes_N2,)), strict=True))


def _compare(
    graph: Predict, inputs: Sequence[tuple[np.ndarray, ...]], expected: Images
) -> dict[str, float]:
    """Relative difference from the model's depth over all pixels: the largest, the mean and the
    95th percentile."""
    pairs = zip(inputs, expected, strict=True)
    values = np.concatenate([(np.abs(graph(*x) - depth) / depth).ravel() for x, depth in pairs])
    return {
        "max_relative_difference": float(values.max()),
        "mean_relative_difference": float(values.mean(dtype=np.float64)),
        "relative_difference_95": float(np.percentile(values, 95)),
    }


class _Frames(CalibrationDataReader):
    def __init__(self, frames: Images, model: DepthModel) -> None:
        size = (model.height, model.width)
        unknown = np.full((1, 2), np.nan, np.float32)
        slope = {SLOPE: unknown} if model.takes_slope else {}
        self._inputs = (
            {INPUT: resize(f[None].astype(np.float32), *size, True)} | slope for f in frames
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._inputs, None)


def _quantise(source: Path, path: Path, frames: Images, model: DepthModel) -> None:
    """Convolutions with 8-bit weights (a scale per channel) and activations; the last one, whose
    output is inverse depth, stays float."""
    with tempfile.TemporaryDirectory() as scratch, quiet("root"):
        prepared, required = Path(scratch) / "prepared.onnx", Path(scratch) / "required.onnx"
        graph = onnx.load(source)
        for default in [each for each in graph.graph.initializer if each.name == SLOPE]:
            graph.graph.initializer.remove(default)  # or it would be folded into the graph
        onnx.save(graph, required)
        quant_pre_process(str(required), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(prepared, load_external_data=False).graph.node
        convolutions = [node.name for node in nodes if node.op_type == "Conv"]
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
