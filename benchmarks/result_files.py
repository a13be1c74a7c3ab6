"""What the files of a run say, how two of them differ and what of it may: for `same_results.py`."""

import fnmatch
import itertools
import json
import re
import sqlite3
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnxruntime
import pandas as pd
import pycolmap
import torch
import trimesh
import yaml
from safetensors.numpy import load_file

# What differs without a result being different: file, value in it, reason.
IGNORED = (
    ("data/README.md", "*", "not made by the chain"),
    ("data/.work/*", "*", "unfinished work"),
    ("data/*.lock", "*", "lock files"),
    ("data/06_models/checkpoints/*.pt", "*", "checkpoints; their weights are in the model"),
    ("mlflow/*/configuration/*", "*", "parameters, whose names may change"),
    ("*/model.json", "metadata.settings.*", "parameters, whose names may change"),
    ("*", "*fingerprint*", "fingerprints, which the names of parameters are part of"),
    ("*/.lists.json", "scenes.*", "fingerprints, which the names of parameters are part of"),
    ("*", "*seconds*", "durations"),
)
# The same in texts, where the regular expression's first group stays.
IGNORED_TEXT = (
    ("*/model_card.md", r"(\| fingerprint of the data \|).*"),
    ("*/MLmodel", r"(model_uuid: |utc_time_created: ).*"),  # identity and time
    # The last column of the table of plane sweeps: seconds.
    ("*/evaluation.html", r"((?:points|prediction)</td>\n(?:<td>.*</td>\n){5}<td>)[\d.]+(?=</td>)"),
)

# A file's named values: arrays, or anything that can be compared.
Content = dict[str, Any]


def steady_text(path: Path, home: str) -> str:
    """A file's text without what varies; the folder `home`, in which it was made, is `.` in it."""
    said = path.read_text(encoding="utf-8").replace(home, ".")
    for files, expression in IGNORED_TEXT:
        if fnmatch.fnmatchcase(str(path), files):
            said = re.sub(expression, r"\1", said)
    return said


def table(path: Path, home: str) -> Content:
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    found = {"columns": [(name, str(kind)) for name, kind in frame.dtypes.items()]}
    for name, column in frame.items():
        plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufM"
        found[name] = (
            column.to_numpy() if plain else np.array([repr(cell) for cell in column.tolist()])
        )
    return found


def picture(path: Path, home: str) -> Content:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f"{path} is no picture")
    return {"pixels": pixels}


def video(path: Path, home: str) -> Content:
    with av.open(str(path)) as container:
        return {
            f"frame {i}": frame.to_ndarray(format="rgb24")
            for i, frame in enumerate(container.decode(video=0))
        }


def points(path: Path, home: str) -> Content:
    cloud = trimesh.load(path, process=False)
    return {"points": np.asarray(cloud.vertices), "colours": np.asarray(cloud.colors)}


def text(path: Path, home: str) -> Content:
    return {
        f"line {number}": line
        for number, line in enumerate(steady_text(path, home).splitlines(), 1)
    }


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    if not children:
        yield name, value
    for key, child in children:
        yield from leaves(child, f"{name}.{key}".lstrip("."))


def document(path: Path, home: str) -> Content:
    read = yaml.safe_load if path.suffix in (".yaml", ".yml") else json.loads
    return dict(leaves(read(steady_text(path, home))))


def curve(path: Path, home: str) -> Content:
    found = defaultdict(list)
    for line in path.read_text().splitlines():
        step = json.loads(line)
        for name, value in step["metrics"].items():
            found[name].append((step["step"], value))
    return {name: np.array(values) for name, values in found.items()}


def weights(path: Path, home: str) -> Content:
    return load_file(path)


def colmap_model(path: Path, home: str) -> Content:
    model = pycolmap.Reconstruction(str(path.parent))
    found = {f"camera {key}": camera.params for key, camera in model.cameras.items()}
    for image in sorted(model.images.values(), key=lambda image: image.name):
        found[f"pose of {image.name}"] = image.cam_from_world().matrix()
        found[f"pixels of {image.name}"] = np.array([point.xy for point in image.points2D])
    return {
        **found,
        "points": np.array([model.points3D[key].xyz for key in sorted(model.points3D)]),
    }


def onnx_output(path: Path, home: str) -> Content:
    rng = np.random.default_rng(0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {}
    for wanted in session.get_inputs():
        shape = [
            size if isinstance(size, int) else free
            for size, free in zip(wanted.shape, (2, 60, 90, 3), strict=False)
        ]
        kind = np.uint8 if "uint8" in wanted.type else np.float32
        inputs[wanted.name] = (rng.random(shape) * 255).astype(kind)
    names = [output.name for output in session.get_outputs()]
    return {"inputs": sorted(inputs), **dict(zip(names, session.run(None, inputs), strict=True))}


def torchscript_output(path: Path, home: str) -> Content:
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.jit")
    with torch.inference_mode():
        images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 60, 90), dtype=np.float32))
        return {"output": torch.jit.load(path)(images).numpy()}


def runs_of(database: Path) -> list[str]:
    """Ids of the MLflow runs in the order in which they were started."""
    with sqlite3.connect(database) as store:
        return [run for (run,) in store.execute("select run_uuid from runs order by start_time")]


def metrics(path: Path, home: str) -> Content:
    found = {}
    with sqlite3.connect(path) as store:
        for number, run in enumerate(runs_of(path)):
            rows = store.execute(
                "select key, step, value from metrics where run_uuid = ? order by key, step, value",
                [run],
            )
            for key, values in itertools.groupby(rows, lambda row: row[0]):
                found[f"run {number} {key}"] = np.array([value[1:] for value in values], float)
            tags = store.execute(
                "select key, value from tags where run_uuid = ? and key like 'data.%'", [run]
            )
            found |= {f"run {number} tag {key}": value for key, value in tags}
    return found


READERS: dict[str, tuple[str, Callable[[Path, str], Content]]] = {
    ".parquet .csv": ("tables", table),
    ".jpg .png .tiff": ("pictures, depth", picture),
    ".mp4": ("videos", video),
    ".ply": ("point clouds", points),
    ".json .yaml .yml": ("documents", document),
    ".jsonl": ("loss curve", curve),
    ".db": ("metrics", metrics),
    ".safetensors": ("weights", weights),
    ".bin": ("COLMAP models", colmap_model),
    ".onnx": ("output", onnx_output),
    ".torchscript": ("output", torchscript_output),
}


def reader_of(name: str) -> tuple[str, Callable[[Path, str], Content]]:
    """The kind of a file and how it is read; texts where nothing else is known."""
    suffix = Path(name).suffix
    return next(
        (found for suffixes, found in READERS.items() if suffix and suffix in suffixes.split()),
        ("texts", text),
    )


def difference(a: Any, b: Any) -> str:
    """How two values differ; empty if they are equal to the bit."""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return "" if repr(a) == repr(b) else f"{a!r} and {b!r}"[:300]
    if a.dtype.kind != b.dtype.kind or a.shape != b.shape:
        return f"{a.dtype} {a.shape} and {b.dtype} {b.shape}"
    if a.dtype == b.dtype and a.tobytes() == b.tobytes():
        return ""
    differ = np.argwhere((a != b) & ~(pd.isna(a) & pd.isna(b)))
    if not len(differ):
        return "" if a.dtype.kind == "U" else f"{a.dtype} and {b.dtype}, or signs of 0 or NaN"
    first = tuple(int(i) for i in differ[0])
    said = f"{len(differ)} of {a.size} values, first {list(first)}: {a[first]} and {b[first]}"
    if a.dtype.kind in "biuf":
        gaps = np.abs(a.astype(float) - b.astype(float))
        said += f", largest difference {np.max(gaps, initial=0, where=np.isfinite(gaps)):.3g}"
    return said


def reason_to_ignore(file: str, value: str) -> str:
    """Why a value may differ; empty if it may not."""
    matches = fnmatch.fnmatchcase
    return next(
        (why for files, values, why in IGNORED if matches(file, files) and matches(value, values)),
        "",
    )


def differences(name: str, paths: list[Path], homes: list[str]) -> tuple[list[str], list[str]]:
    """Compare a file of two sides.

    Args:
        name: of the file, the same on both sides.
        paths: where the sides have it.
        homes: the folders in which the sides were made.

    Returns:
        Sentences about what differs, and for each difference that does not count its reason.
    """
    read = reader_of(name)[1]
    a, b = (read(path, home) for path, home in zip(paths, homes, strict=True))
    found, ignored = [], []
    for key in dict.fromkeys([*a, *b]):
        if key in a and key in b:
            said = difference(a[key], b[key])
        else:
            said = f"only on side {1 if key in a else 2}"
        if said and (reason := reason_to_ignore(name, key)):
            ignored.append(reason)
        elif said:
            found.append(f"{key}: {said}")
    return found, ignored
