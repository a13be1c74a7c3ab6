"""Did a refactoring change a result? Run a short chain on two sides and compare everything it wrote, to the bit.

    python benchmarks/same_results.py afa2594            # that commit against the working tree
    python benchmarks/same_results.py afa2594 HEAD       # two commits
    python benchmarks/same_results.py afa2594 --keep /tmp/same_results   # run a commit only once

Nothing of the program is imported: both sides run through its command line in folders of their own.
"""

import argparse
import fnmatch
import hashlib
import itertools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
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

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = "same_results"

GLOBALS = "domains: [town, countryside, bare]\n"
PARAMETERS = """
simulate:
  town:
    town_a: &flight
      {world_seed: 1, seed: 1, path: free, frames: 24, width: 192, height: 112, depth_every: 2}
    town_b: {<<: *flight, world_seed: 2, seed: 2, path: strip, moving_vehicles: 3}
  countryside:
    fields_a: {<<: *flight, world: countryside, path: orbit}
    fields_b: {<<: *flight, world: countryside, world_seed: 2}
frame_extraction: {stride: 1}
ground_truth:
  sfm: {max_views: 12, max_features: 2048, register_all: true, threads: 2}
  dense: {max_depth_maps: 4, sources: 3}
  compare: [sgbm]
triplets:
  width: 96
  height: 64
  split:
    {by: scene, val: 0, test: 0, val_scenes: [town/town_b], test_scenes: [countryside/fields_b]}
train:
  {threads: 2, precision: "32", batch_size: 4, steps: 12, learning_rate: 1.0e-3, ema: 0.8,
   validate_every: 6, checkpoint_every: 5, log_every: 1, images_every: 6,
   pose: {refine: true}, augmentation: {zoom: 1.2, turn: 5},
   loss: {guide: 0.1, guide_until: 0.8, consistency: 0.1, sparse: 0.05, robust: 3}}
evaluation:
  {bootstrap_samples: 50, conventional_frames: 3, sweep_planes: [8, 16], caps: [100],
   mirrored: true, workers: 2,
   contestants: [{name: exported, path: data/06_models/onnx/depth_model.torchscript,
                  mean: [0, 0, 0], std: [1, 1, 1], width: 96, height: 64}]}
export: {check_frames: 4, calibration_frames: 8}
predict:
  {source: data/01_raw/countryside/fields_b/video.mp4, png_every: 5, points_every: 10}
"""
CHAIN = (
    ["--pipelines=simulate"],
    ["--pipelines=frame_extraction,ground_truth,triplets,train,export"],
    ["--pipelines=evaluation"],
    ["--pipelines=predict"],
    ["--pipelines=predict", "--params=predict.source=data/02_intermediate/town/town_a/frames"],
)
# A video without camera, telemetry and depth: what came of the left one is copied to the right one after simulating.
BARE = ("data/01_raw/town/town_a/video.mp4", "data/01_raw/bare/scene/video.mp4")

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
    ("*/MLmodel", r"(model_uuid: |utc_time_created: ).*"),  # identity and time
    # The last column of the table of plane sweeps: seconds.
    ("*/evaluation.html", r"((?:points|prediction)</td>\n(?:<td>.*</td>\n){5}<td>)[\d.]+(?=</td>)"),
)

FAMILIES = {
    "data/01_raw": "simulate",
    "data/02_intermediate": "frame_extraction",
    "data/03_primary": "ground_truth",
    "data/05_model_input": "triplets",
    "data/06_models/checkpoints": "train, curve",
    "data/06_models/depth_model": "train, model",
    "data/06_models/onnx": "export",
    "data/07_model_output": "predict",
    "data/08_reporting": "reports",
    "mlflow": "MLflow",
}
SHOWN = 6  # differing files of a family that are described


class Side:
    """A tree of the program in a folder of its own, and what the chain made there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made_in = (folder / "finished").read_text()

    def files(self) -> dict[str, Path]:
        """Every file that the chain left, by a name that is the same on both sides."""
        data = (path for path in (self.folder / "data").rglob("*") if path.is_file())
        found = {str(path.relative_to(self.folder)): path for path in data}
        found["mlflow/mlflow.db"] = self.folder / "mlflow.db"
        for number, run in enumerate(runs_of(self.folder / "mlflow.db")):
            artifacts = self.folder / "mlartifacts" / run / "artifacts"
            files = (path for path in artifacts.rglob("*") if path.is_file())
            found |= {f"mlflow/run_{number}/{path.relative_to(artifacts)}": path for path in files}
        return found

    def text(self, path: Path) -> str:
        """A file's text without what varies; the side's folder is `.` in it."""
        said = path.read_text(encoding="utf-8").replace(self.made_in, ".")
        for files, expression in IGNORED_TEXT:
            if fnmatch.fnmatchcase(str(path), files):
                said = re.sub(expression, r"\1", said)
        return said


def make_side(commit: str | None, parent: Path) -> Side:
    """Check out a commit, or copy the working tree, and run the chain there unless that was done before."""
    digest = hashlib.sha256(repr((GLOBALS, PARAMETERS, CHAIN, BARE)).encode()).hexdigest()[:8]
    folder = parent / f"{commit or 'working-tree'}-{digest}"
    if (folder / "finished").is_file():
        print(f"{folder.name}: done before", flush=True)
        return Side(folder)
    parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=parent))
    try:
        copy_tree(commit, unfinished)
        configuration = unfinished / "conf" / ENVIRONMENT
        configuration.mkdir()
        (configuration / "globals.yml").write_text(GLOBALS)
        (configuration / "parameters.yml").write_text(PARAMETERS)
        started = time.perf_counter()
        run_chain(unfinished)
        print(f"{folder.name}: {time.perf_counter() - started:.0f} s", flush=True)
        for large in unfinished.glob("data/06_models/checkpoints/*.pt"):
            large.unlink()
        (unfinished / "finished").write_text(str(unfinished))
        if not folder.exists():
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Side(folder)


def git(*arguments: str) -> bytes:
    """What git prints in the repository."""
    return subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True
    ).stdout


def copy_tree(commit: str | None, folder: Path) -> None:
    """The files of a commit; without one those of the working tree that git does not ignore."""
    if commit:
        subprocess.run(["tar", "x", "-C", folder], input=git("archive", commit), check=True)
        return
    for name in git("ls-files", "-co", "--exclude-standard", "-z").decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)


def run_chain(folder: Path) -> None:
    """Run the pipelines with two threads, on the CPU; end the program where one fails."""
    threads = {name: "2" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    own = {
        "PYTHONPATH": f"{folder}/src",
        "MLFLOW_TRACKING_URI": "",
        "KEDRO_ENV": "",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment = {**os.environ, **threads, **own, "OMP_WAIT_POLICY": "PASSIVE"}
    for arguments in CHAIN:
        command = [sys.executable, "-m", "kedro", "run", f"--env={ENVIRONMENT}", *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command[1:])} failed:\n{(done.stdout + done.stderr)[-5000:]}")
        if not (folder / BARE[1]).exists():
            (folder / BARE[1]).parent.mkdir(parents=True)
            shutil.copy(folder / BARE[0], folder / BARE[1])


# What a file says, as named values: arrays, or anything that can be compared.
Content = dict[str, Any]


def table(side: Side, path: Path) -> Content:
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    found = {"columns": [(name, str(kind)) for name, kind in frame.dtypes.items()]}
    for name, column in frame.items():
        plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufM"
        found[name] = (
            column.to_numpy() if plain else np.array([repr(cell) for cell in column.tolist()])
        )
    return found


def picture(side: Side, path: Path) -> Content:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f"{path} is no picture")
    return {"pixels": pixels}


def video(side: Side, path: Path) -> Content:
    with av.open(str(path)) as container:
        return {
            f"frame {i}": frame.to_ndarray(format="rgb24")
            for i, frame in enumerate(container.decode(video=0))
        }


def points(side: Side, path: Path) -> Content:
    cloud = trimesh.load(path, process=False)
    return {"points": np.asarray(cloud.vertices), "colours": np.asarray(cloud.colors)}


def text(side: Side, path: Path) -> Content:
    return {f"line {number}": line for number, line in enumerate(side.text(path).splitlines(), 1)}


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


def document(side: Side, path: Path) -> Content:
    read = yaml.safe_load if path.suffix in (".yaml", ".yml") else json.loads
    return dict(leaves(read(side.text(path))))


def curve(side: Side, path: Path) -> Content:
    found = defaultdict(list)
    for line in path.read_text().splitlines():
        step = json.loads(line)
        for name, value in step["metrics"].items():
            found[name].append((step["step"], value))
    return {name: np.array(values) for name, values in found.items()}


def weights(side: Side, path: Path) -> Content:
    return load_file(path)


def colmap_model(side: Side, path: Path) -> Content:
    model = pycolmap.Reconstruction(str(path.parent))
    found = {f"camera {key}": camera.params for key, camera in model.cameras.items()}
    for image in sorted(model.images.values(), key=lambda image: image.name):
        found[f"pose of {image.name}"] = image.cam_from_world().matrix()
        found[f"pixels of {image.name}"] = np.array([point.xy for point in image.points2D])
    return {
        **found,
        "points": np.array([model.points3D[key].xyz for key in sorted(model.points3D)]),
    }


def onnx_output(side: Side, path: Path) -> Content:
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


def torchscript_output(side: Side, path: Path) -> Content:
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.jit")
    with torch.inference_mode():
        images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 60, 90), dtype=np.float32))
        return {"output": torch.jit.load(path)(images).numpy()}


def runs_of(database: Path) -> list[str]:
    """Ids of the MLflow runs in the order in which they were started."""
    with sqlite3.connect(database) as store:
        return [run for (run,) in store.execute("select run_uuid from runs order by start_time")]


def metrics(side: Side, path: Path) -> Content:
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


READERS: dict[str, tuple[str, Callable[[Side, Path], Content]]] = {
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


def reader_of(name: str) -> tuple[str, Callable[[Side, Path], Content]]:
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
        said += f", largest difference {np.nanmax(np.abs(a.astype(float) - b.astype(float))):.3g}"
    return said


def reason_to_ignore(file: str, value: str) -> str:
    """Why a value may differ; empty if it may not."""
    matches = fnmatch.fnmatchcase
    return next(
        (why for files, values, why in IGNORED if matches(file, files) and matches(value, values)),
        "",
    )


def differences(name: str, sides: list[Side], paths: list[Path], ignored: Counter) -> list[str]:
    """What is different in a file that both sides have."""
    _, read = reader_of(name)
    a, b = (read(side, path) for side, path in zip(sides, paths, strict=True))
    found = []
    for key in dict.fromkeys([*a, *b]):
        if key in a and key in b:
            said = difference(a[key], b[key])
        else:
            said = f"only on side {1 if key in a else 2}"
        if said and reason_to_ignore(name, key):
            ignored[reason_to_ignore(name, key)] += 1
        elif said:
            found.append(f"{key}: {said}")
    return found


def compare(sides: list[Side]) -> bool:
    """Print what is equal and what is not, family by family."""
    files = [side.files() for side in sides]
    rows: dict[tuple[str, str], Counter] = defaultdict(Counter)
    described: dict[tuple[str, str], list[str]] = defaultdict(list)
    ignored: Counter = Counter()
    for name in sorted(files[0] | files[1]):
        if reason_to_ignore(name, ""):
            continue
        step = next((step for folder, step in FAMILIES.items() if name.startswith(folder)), "other")
        family = (step, reader_of(name)[0])
        paths = [found[name] for found in files if name in found]
        if len(paths) == 1:
            found = [f"only on side {1 if name in files[0] else 2}"]
        elif paths[0].read_bytes() == paths[1].read_bytes():
            found = []
        else:
            found = differences(name, sides, paths, ignored)
            rows[family]["other bytes"] += not found
        rows[family]["equal"] += not found
        rows[family]["differing"] += bool(found)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            described[family].append(f"{name}: {found[0]}{more}")
    print(
        f"\n{'step':18}{'what':18}{'files':>6}{'equal':>7}{'differing':>11}   equal, in other bytes"
    )
    for (step, kind), row in rows.items():
        count = row["equal"] + row["differing"]
        print(
            f"{step:18}{kind:18}{count:6}{row['equal']:7}{row['differing']:11}   {row['other bytes'] or ''}"
        )
    for family, lines in described.items():
        print(f"\n{', '.join(family)}:")
        print("\n".join(f"  {line}" for line in lines[:SHOWN]))
        print(f"  … and {len(lines) - SHOWN} more files\n" * (len(lines) > SHOWN), end="")
    for reason, count in ignored.items():
        print(f"not looked at: {reason} ({count} differ)")
    return not described


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", nargs="+", help="one against the working tree, or two")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="where commits' results are kept and found again",
    )
    arguments = parser.parse_args()
    if len(arguments.commit) > 2:
        parser.error("one commit or two")
    commits = [
        git("rev-parse", "--short=12", f"{commit}^{{commit}}").decode().strip()
        for commit in arguments.commit
    ]
    with tempfile.TemporaryDirectory(prefix="same_results-") as temporary:
        passing = Path(temporary)
        kept = arguments.keep.resolve() if arguments.keep else passing
        sides = [make_side(commits[0], kept)]
        if len(commits) == 1:
            sides.append(make_side(None, passing))
        else:
            # The same commit twice asks whether the chain is reproducible.
            again = commits[0] == commits[1]
            sides.append(make_side(commits[1], passing / "again" if again else kept))
        same = compare(sides)
    print(f"equal: {'yes' if same else 'no'}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
