"""The backend for CUDA: COLMAP's PatchMatch stereo, in a process of its own: without a usable GPU
it aborts, which cannot be caught."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.formats.file_names import numbered
from aerial_depth_pipeline.formats.scene_folder import SceneFolder
from aerial_depth_pipeline.mvs.backends.backend import Backend, DenseScene
from aerial_depth_pipeline.mvs.backends.raw_depth import RawDepth
from aerial_depth_pipeline.sfm.scene_model import SceneModel, frame_of_name

_MODULE = "aerial_depth_pipeline.mvs.backends.patch_match"


def patch_match_available() -> bool:
    """Whether this COLMAP was built for CUDA and finds a device."""
    from aerial_depth_pipeline.sfm.colmap import pycolmap

    # The second name is missing in the CPU wheel.
    return bool(pycolmap.has_cuda and getattr(pycolmap, "get_num_cuda_devices", lambda: 0)() > 0)


class PatchMatch(Backend):
    """COLMAP's PatchMatch, for all views of a scene together."""

    name = "patch_match"

    def why_not_here(self) -> str:
        if patch_match_available():
            return ""
        return (
            "this COLMAP finds no CUDA device. Use auto or plane_sweep, or install the extra `cuda`"
            " on a machine with an NVIDIA GPU."
        )

    def depths(self, scene: DenseScene, views: Sequence[int]) -> dict[int, RawDepth]:
        sources = {view: scene.sources[view] for view in sorted(views)}
        return patch_match(scene.model, scene.frames, scene.sfm, sources, scene.work)


def patch_match(
    model: SceneModel,
    frames: Path,
    sfm: Path,
    sources: dict[int, list[int]],
    work: Path,
    command: list[str] | None = None,
) -> dict[int, RawDepth]:
    """Depth of all views by COLMAP's PatchMatch (Schönberger et al., Pixelwise View Selection for
    Unstructured MVS, ECCV 2016).

    Args:
        model: the reconstructed scene.
        frames: the scene's frames.
        sfm: folder of the COLMAP model.
        sources: view → its source views; the keys are the views whose depth is wanted.
        work: folder for COLMAP's workspace.
        command: the program to run instead of this module, for tests.

    Raises:
        SceneError: if the process ends without depth, with the last line that it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="patch_match", dir=work) as folder:
        workspace = Path(folder)
        low, high = _depth_range(model)
        job = {
            "sfm": str(sfm),
            "images": str(SceneFolder(frames).images),
            "workspace": str(workspace),
            "depth_min": low,
            "depth_max": high,
        }
        job["sources"] = {
            numbered(view, ".jpg"): [numbered(s, ".jpg") for s in others]
            for view, others in sources.items()
            if others
        }
        path = workspace / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        command = [*(command or [sys.executable, "-m", _MODULE]), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # A view's geometric map, which other views confirm, takes the place of its photometric one.
        maps = {
            frame_of_name(p.name.split(".")[0]): p
            for kind in ("photometric", "geometric")
            for p in (workspace / "stereo" / "depth_maps").glob(f"*.{kind}.bin")
        }
        if done.returncode != 0 or not maps:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise SceneError(
                f"COLMAP's PatchMatch ended with status {done.returncode}: {last}. "
                "Set ground_truth.dense.backend to plane_sweep, which needs no GPU."
            )
        size = (model.camera.height, model.camera.width)
        raw = {view: _to_raw(read_colmap_map(path), size) for view, path in maps.items()}
        return {view: raw.get(view, RawDepth.empty(*size)) for view in sources}


def _depth_range(model: SceneModel) -> tuple[float, float]:
    rows = {frame: pose[2] for frame, pose in model.poses.items()}
    depths = np.concatenate(
        [model.points_N3[seen] @ rows[f][:3] + rows[f][3] for f, seen in model.observations.items()]
    )
    depths = depths[depths > 0]
    return 0.5 * float(np.percentile(depths, 0.5)), 1.6 * float(np.percentile(depths, 99.5))


def read_colmap_map(path: Path) -> np.ndarray:
    """A depth map in COLMAP's own format: `width&height&channels&`, then float32 in columns of
    rows."""
    content = Path(path).read_bytes()
    width, height, channels, data = content.split(b"&", 3)
    array = np.frombuffer(data, np.float32).reshape((int(channels), int(height), int(width)))
    return array[0] if int(channels) == 1 else np.moveaxis(array, 0, -1)


def _to_raw(depth: np.ndarray, size: tuple[int, int]) -> RawDepth:
    whole = np.zeros(size, np.float32)
    height, width = min(size[0], depth.shape[0]), min(size[1], depth.shape[1])
    whole[:height, :width] = np.where(np.isfinite(depth) & (depth > 0), depth, 0)[:height, :width]
    return RawDepth(whole, np.where(whole > 0, 1, -1).astype(np.float32))


def _run(job_path: str) -> None:
    """What happens in the other process."""
    from aerial_depth_pipeline.sfm.colmap import pycolmap

    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    workspace = Path(job["workspace"])
    pycolmap.undistort_images(workspace, job["sfm"], job["images"])
    lines = "".join(f"{view}\n{', '.join(others)}\n" for view, others in job["sources"].items())
    (workspace / "stereo" / "patch-match.cfg").write_text(lines, encoding="utf-8")
    options = pycolmap.PatchMatchOptions()
    options.depth_min, options.depth_max = job["depth_min"], job["depth_max"]
    options.geom_consistency = True
    options.filter = True
    pycolmap.patch_match_stereo(workspace, options=options)


if __name__ == "__main__":
    _run(sys.argv[1])
