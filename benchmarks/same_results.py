"""Did a refactoring change a result? A short chain on two sides, all it wrote compared to the bit.

    python benchmarks/same_results.py afa2594            # that commit against the working tree
    python benchmarks/same_results.py afa2594 HEAD       # two commits
    python benchmarks/same_results.py afa2594 --keep /tmp/same_results   # run a commit only once

Nothing of the program is imported: both sides run through its command line in folders of their own.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from result_files import differences, reader_of, reason_to_ignore, runs_of

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
  sfm: {max_views: 12, max_features: 2048, register_all: true, threads: 1}
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
    ["--pipelines=frame_extraction,ground_truth"],
    ["--pipelines=triplets,train,export"],
    ["--pipelines=evaluation"],
    ["--pipelines=predict"],
    ["--pipelines=predict", "--params=predict.source=data/02_intermediate/town/town_a/frames"],
)
# COLMAP's self-calibration takes a thread for each CPU, and with two it now and then gives another
# camera; its threads are no parameter.
ON_ONE_CPU = CHAIN[1]
# Once the left one is there it is copied: a video without camera, telemetry and depth.
BARE = ("data/01_raw/town/town_a/video.mp4", "data/01_raw/bare/scene/video.mp4")

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


def make_side(commit: str | None, parent: Path) -> Side:
    """Run the chain on a commit, or on a copy of the working tree, unless that was done before."""
    digest = hashlib.sha256(
        repr((GLOBALS, PARAMETERS, CHAIN, ON_ONE_CPU, BARE)).encode()
    ).hexdigest()[:8]
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
        if arguments == ON_ONE_CPU:
            cpu = random.choice(sorted(os.sched_getaffinity(0)))
            command = ["taskset", "--cpu-list", str(cpu), *command]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-5000:]}")
        if not (folder / BARE[1]).exists():
            (folder / BARE[1]).parent.mkdir(parents=True)
            shutil.copy(folder / BARE[0], folder / BARE[1])


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
            found, reasons = differences(name, paths, [side.made_in for side in sides])
            ignored.update(reasons)
            rows[family]["in other bytes"] += not found
        rows[family]["files"] += 1
        rows[family]["equal"] += not found
        rows[family]["differing"] += bool(found)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            described[family].append(f"{name}: {found[0]}{more}")
    titles = ("files", "equal", "in other bytes", "differing")
    print(f"\n{'step':18}{'what':18}" + "".join(f"{title:>16}" for title in titles))
    for (step, kind), row in rows.items():
        print(f"{step:18}{kind:18}" + "".join(f"{row[title]:16}" for title in titles))
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
        "--keep", type=Path, metavar="FOLDER", help="keep commits' results here, find them"
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
