"""Other people's models: folders of predictions, ONNX files, TorchScript files."""

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.methods.method import Frame, Method, PredictionError
from aerial_depth_pipeline.evaluation.settings import MethodSettings
from aerial_depth_pipeline.formats.file_names import numbered

log = logging.getLogger(__name__)

_SUFFIXES = (".tiff", ".tif", ".png", ".npy", ".pfm")
_TORCHSCRIPT = (".pt", ".pth", ".ts", ".torchscript")
_MULTIPLE = 32


def external_methods(settings: Sequence[MethodSettings], domain: str) -> list[Method]:
    """The methods that take part in a domain.

    Raises:
        UserError: if a path does not exist, a network cannot be loaded or a package for it is
            missing.
    """
    return [_method(one, domain) for one in settings if not one.domains or domain in one.domains]


def _method(settings: MethodSettings, domain: str) -> Method:
    path = Path(settings.path)
    if not path.exists():
        raise UserError(
            f"Method '{settings.name}': {path} does not exist; correct its 'path' in"
            " conf/*/parameters_evaluation.yml."
        )
    kind, metric = settings.kind, settings.output == "depth"
    if kind == "auto":
        suffix = path.suffix.lower()
        kind = "onnx" if suffix == ".onnx" else "folder"
        if suffix in _TORCHSCRIPT and path.is_file():
            kind = "torchscript"
    if kind == "folder":
        if not path.is_dir():
            raise UserError(
                f"Method '{settings.name}': {path} is neither a folder nor an ONNX or"
                " TorchScript file; say 'kind'."
            )
        predict = _from_folder(settings, path, domain)
        stretched = settings.stretched
        return Method(settings.name, predict, settings.output, stretched, metric=metric)
    run, size = (_onnx if kind == "onnx" else _torchscript)(settings, path)
    predict = _from_network(settings, run, size)
    return Method(settings.name, predict, settings.output, True, alone=True, metric=metric)


def _from_folder(
    settings: MethodSettings, path: Path, domain: str
) -> Callable[[Frame], np.ndarray]:
    def predict(frame: Frame) -> np.ndarray:
        for folder in (path / domain / frame.scene, path / frame.scene):
            for suffix in _SUFFIXES:
                file = folder / numbered(frame.reference.frame, suffix)
                if file.is_file():
                    return read_prediction(file) * np.float32(settings.scale)
        name = f"{frame.scene}/{numbered(frame.reference.frame)}"
        raise PredictionError("missing", f"there is no {name} ({', '.join(_SUFFIXES)}) in {path}")

    return predict


def read_prediction(path: Path) -> np.ndarray:
    """A predicted map [H, W] float32 from TIFF, 16-bit PNG, NPY or PFM, as it is stored.

    Raises:
        PredictionError: if the file is damaged, of more than one channel, or an 8-bit image.
    """
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        elif path.suffix.lower() == ".pfm":
            values = _read_pfm(path.read_bytes())
        else:
            content = np.fromfile(path, np.uint8)
            values = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    except (OSError, ValueError, EOFError, cv2.error) as error:
        raise PredictionError("damaged", f"{path} cannot be read ({error})") from error
    if values is None:
        raise PredictionError("damaged", f"{path} is not an image")
    if values.dtype == np.uint8:
        raise PredictionError(
            "damaged", f"{path} has 8 bits, which is an image for looking at and no measurement"
        )
    if values.dtype.kind not in "fiu":
        raise PredictionError("damaged", f"{path} holds {values.dtype} and no numbers")
    values = values.squeeze() if values.ndim > 2 else values
    if values.ndim != 2:
        raise PredictionError("damaged", f"{path} has shape {values.shape}; one channel is needed")
    return values.astype(np.float32)


def _read_pfm(content: bytes) -> np.ndarray:
    """Portable float map: `Pf`, width and height, scale whose sign tells the byte order, rows from
    the bottom up."""
    fields: list[bytes] = []
    position = 0
    while len(fields) < 4:
        end = position
        while end < len(content) and not content[end : end + 1].isspace():
            end += 1
        if end >= len(content):
            raise ValueError("the header of the PFM is cut off")
        if end > position:
            fields.append(content[position:end])
        position = end + 1
    kind, width, height, scale = fields[0], int(fields[1]), int(fields[2]), float(fields[3])
    if kind != b"Pf":
        raise ValueError("a PFM with one channel begins with 'Pf'")
    if len(content) - position < 4 * width * height or width <= 0 or height <= 0:
        raise ValueError("the PFM is cut off")
    values = np.frombuffer(content, "<f4" if scale < 0 else ">f4", width * height, position)
    return values.reshape(height, width)[::-1].astype(np.float32)


def _from_network(
    settings: MethodSettings, run: Callable[[np.ndarray], np.ndarray], size: tuple[int, int] | None
) -> Callable[[Frame], np.ndarray]:
    mean, std = np.array(settings.mean, np.float32), np.array(settings.std, np.float32)

    def predict(frame: Frame) -> np.ndarray:
        height, width = frame.image.shape[:2]
        wanted = (settings.width, settings.height) if settings.width else size
        if wanted is None:
            wanted = tuple(
                max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE) for side in (width, height)
            )
        smaller = wanted[0] <= width and wanted[1] <= height
        image = cv2.resize(
            frame.image, wanted, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )
        batch = ((image.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None]
        try:
            values = run(np.ascontiguousarray(batch))
        except Exception as error:  # whatever a foreign network throws
            raise PredictionError(
                "damaged",
                f"{settings.path} fails on an image of {wanted[0]}×{wanted[1]} pixels ({error})",
            ) from error
        values = np.asarray(values, np.float32).squeeze()
        if values.ndim != 2:
            raise PredictionError(
                "damaged",
                f"{settings.path} gives an array of shape {values.shape} instead of one map",
            )
        return values * np.float32(settings.scale)

    return predict


def _onnx(
    settings: MethodSettings, path: Path
) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[int, int] | None]:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"Method '{settings.name}' is an ONNX file; `pip install onnxruntime` to measure it."
        ) from error
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise UserError(
            f"Method '{settings.name}': {path} is not a usable ONNX file ({error})."
        ) from error
    entry = session.get_inputs()[0]
    if len(entry.shape) != 4:
        raise UserError(
            f"Method '{settings.name}': the input of {path} has shape {entry.shape}; [1, 3, H,"
            " W] is needed."
        )
    height, width = entry.shape[2:]
    size = (width, height) if isinstance(height, int) and isinstance(width, int) else None
    return lambda batch: session.run(None, {entry.name: batch})[0], size


def _torchscript(
    settings: MethodSettings, path: Path
) -> tuple[Callable[[np.ndarray], np.ndarray], None]:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # torch advises authors of such files; whoever measures one cannot follow
            module = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"Method '{settings.name}': {path} is not a usable TorchScript file ({error})."
        ) from error

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            result = module(torch.from_numpy(batch))
        while isinstance(result, list | tuple | dict):
            result = next(iter(result.values())) if isinstance(result, dict) else result[0]
        return result.float().numpy()

    return run, None
