"""The simulated flights over real terrain: what the baselines give there is known, and heights come
out of poses."""

import shutil

import cv2
import numpy as np
import pytest
from tests.worlds.evaluation_scenes import write_depth

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.references import find_references
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings


def scene_of(flight, folder, every):
    """A frames folder with the flight's exact depth; the frames themselves are grey, which the
    baselines do not mind."""
    for path in sorted((flight / "depth").glob("*.png"))[::every]:
        centimetres = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        write_depth(folder / "depth" / f"{path.stem}.tiff", centimetres.astype(np.float32) / 100)
        (folder / "frames").mkdir(exist_ok=True)
        cv2.imwrite(
            str(folder / "frames" / f"{path.stem}.jpg"),
            np.full((*centimetres.shape, 3), 128, np.uint8),
        )
    for name in ("camera.yaml", "poses.csv"):
        shutil.copy(flight / name, folder / name)
    return find_references(folder, None)


@pytest.mark.slow
def test_baselines_on_real_terrain(shared_data, tmp_path):
    test = scene_of(shared_data / "flights" / "autzen_woods", tmp_path / "woods", 4)
    train = scene_of(shared_data / "flights" / "autzen_stadium", tmp_path / "stadium", 4)
    settings = EvaluationSettings(alignments=["median_per_image"], bootstrap_samples=0)
    measured = measure(None, {"woods": test}, {"stadium": train}, "survey", settings)
    table = measured.table.query("scene == 'all' and metric == 'abs_rel'").set_index("contestant")[
        "value"
    ]
    # Over gentle terrain from a gimbal at rest the average picture is nearly as good as the best
    # plane, and a constant is far from both.
    assert 0.04 < table["tilted_plane"] < 0.08
    assert table["tilted_plane"] < table["mean_depth_map"] < 0.12
    assert table["constant"] > 2 * table["mean_depth_map"]
    heights = measured.breakdowns.query(
        "contestant == 'tilted_plane' and breakdown == 'height_above_ground'"
    ).set_index("bin")
    share = heights["pixels"] / heights["pixels"].sum()
    assert 0.3 < share["below 1 m"] < 0.95  # meadows, with trees and houses on them
    assert (
        heights.loc["10–20 m", "abs_rel"] > 1.5 * heights.loc["below 1 m", "abs_rel"]
    )  # which a plane does not know
