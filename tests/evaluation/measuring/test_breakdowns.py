import numpy as np
import pytest
from tests.worlds.evaluation_scenes import index_of, relief, write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.measuring.breakdowns import (
    BREAKDOWNS,
    depth_edges,
    height_above_ground,
    pixel_groups,
    stride_of,
    sums_of,
    textureless,
)
from aerial_depth_pipeline.evaluation.methods.method import Frame, Method
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.geometry.poses import look_at


def test_sums_by_distance_and_row_equal_what_masks_give(tmp_path):
    depth = relief(3)
    depth[5:9, 10:20] = 0
    frame = Frame("flight", write_scene(tmp_path, [depth])[0])
    prediction = depth * np.linspace(0.7, 1.4, 80, dtype=np.float32)
    prediction[depth == 0] = np.nan
    sums = sums_of(pixel_groups(frame), depth, prediction, True)
    error = np.abs(prediction - depth)
    for i in range(BREAKDOWNS["distance"].bins):
        low, high = BREAKDOWNS["distance"].bounds(i)
        inside = (depth >= low) & (depth < high)
        assert sums["distance"][i, 0] == inside.sum()
        assert sums["distance"][i, 1] == pytest.approx(
            (error[inside] / depth[inside]).sum(), rel=1e-4
        )
        assert sums["distance"][i, 2] == pytest.approx(error[inside].sum(), rel=1e-4)
    top = np.zeros_like(depth, bool)
    top[:3] = True  # a sixteenth of 48 rows
    assert sums["image_row"][0, 0] == 3 * 80
    assert sums["image_row"][0, 1] == pytest.approx((error[top] / depth[top]).sum(), rel=1e-4)
    # Every breakdown divides the same pixels.
    for name in ("distance", "relative_distance", "image_row", "surface", "log_ratio"):
        assert sums[name][:, 0].sum() == (depth > 0).sum(), name


def test_the_histogram_of_log_ratios_has_its_peak_at_the_factor(tmp_path):
    depth = relief(1)
    frame = Frame("flight", write_scene(tmp_path, [depth])[0])
    counts = sums_of(pixel_groups(frame), depth, depth * 1.35, True)["log_ratio"][:, 0]
    low, high = BREAKDOWNS["log_ratio"].bounds(int(counts.argmax()))
    assert counts.max() == depth.size and low <= np.log(1.35) < high


def test_a_steep_plane_has_no_edges_and_a_step_has():
    rows = np.arange(60)[:, None]
    plane = np.repeat(1 / (0.002 + 0.001 * (rows + 1)), 80, 1).astype(
        np.float32
    )  # depth falls from 333 to 16 over sixty rows
    assert not depth_edges(plane).any()
    plane[20:40, 30:50] *= 0.8
    edges = depth_edges(plane)
    assert edges[30, 29:31].all() and edges[19:21, 40].all()
    assert not edges[30, 40] and not edges[5, 5]
    hole = np.where(np.arange(80)[None] < 40, plane, 0)  # the border of missing depth is no edge
    assert not depth_edges(hole)[:, 36:][50:].any()


def test_textureless_is_flat_colour():
    image = np.full((60, 120, 3), 120, np.uint8)
    image[:, 60:] = np.random.default_rng(0).integers(60, 180, (60, 60, 3))
    found = textureless(image)
    assert found[:, :50].all() and not found[:, 70:].any()


def test_height_above_sloping_ground_with_a_house():
    """A camera 60 m above a slope of 10 % looks down obliquely; a house of 8 m stands on it."""
    width, height, focal = 320, 200, 260.0
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    pose = look_at(np.array([0.0, -60.0, 60.0]), np.array([0.0, 0.0, 0.0]))
    center = np.array([0.0, -60.0, 60.0])
    v, u = np.mgrid[0:height, 0:width] + 0.5
    rays = (
        np.stack([(u - K[0, 2]) / focal, (v - K[1, 2]) / focal, np.ones_like(u)], -1) @ pose[:3, :3]
    )

    def slope(x, y):
        return 0.1 * x

    def hit(raise_by):  # z = 0.1 x + raise_by
        return (center[2] - raise_by - 0.1 * center[0]) / (0.1 * rays[..., 0] - rays[..., 2])

    roof, ground = hit(8.0), hit(0.0)
    on_roof = center + rays * roof[..., None]
    house = (np.abs(on_roof[..., 0]) < 8) & (np.abs(on_roof[..., 1]) < 8)
    depth = np.where(house, roof, ground).astype(np.float32)
    above = height_above_ground(depth, K, pose)
    assert np.median(above[house]) == pytest.approx(8, abs=1.3)
    assert np.median(above[~house]) == pytest.approx(0, abs=1.3)
    depth[:50] = 0
    assert np.isnan(height_above_ground(depth, K, pose)[:50]).all()
    every_third = height_above_ground(depth[::3, ::3], K, pose, 3)
    assert np.nanmedian(np.abs(every_third - height_above_ground(depth, K, pose)[::3, ::3])) < 1.0


def test_the_table_tells_where_conventional_depth_is_missing(references, depths):
    def sweep(frame):
        depth = frame.depth.copy()
        depth[:, 40:] = 0
        return depth

    truth = [np.where(depth > 0, depth, 50) for depth in depths]
    calls = []

    def model(image):
        calls.append(image)
        prediction = truth[len(calls) - 1].copy()
        prediction[:, 40:] *= 1.3
        return prediction

    settings = EvaluationSettings(alignments=["none"], main_alignment="none", bootstrap_samples=0)
    measured = measure(
        model,
        {"flight": references},
        {},
        "town",
        settings,
        [Method("plane_sweep", sweep, dense=False)],
    )
    rows = measured.breakdowns.query(
        "contestant == 'model' and breakdown == 'matching_plane_sweep'"
    ).set_index("bin")
    assert rows.loc["plane_sweep has depth", "abs_rel"] == pytest.approx(0, abs=1e-6)
    assert rows.loc["plane_sweep has none", "abs_rel"] == pytest.approx(0.3, rel=1e-4)
    texture = measured.breakdowns.query("contestant == 'model' and breakdown == 'texture'")
    assert list(texture["bin"]) == ["textureless"]  # these frames are flat colour
    assert measured.problems.empty


def test_large_images_are_looked_at_in_steps():
    assert stride_of((48, 80)) == 1
    assert stride_of((448, 768)) == 4


def test_breakdowns_follow_the_main_alignment_also_where_it_is_the_scenes_scale(references, depths):
    factors = [1.0, 1.1, 1.2, 1.3, 1.4]
    truth = [np.where(depth > 0, depth, 50) for depth in depths]
    settings = EvaluationSettings(main_alignment="median_per_scene", bootstrap_samples=0)
    measured = measure(
        lambda image: truth[index_of(image)] / factors[index_of(image)],
        {"flight": references},
        {},
        "town",
        settings,
    )
    rows = measured.breakdowns.query("contestant == 'model' and breakdown == 'surface'")
    images = measured.per_image.query("contestant == 'model' and alignment == 'median_per_scene'")
    assert rows["pixels"].sum() == images["pixels"].sum()
    assert np.average(rows["abs_rel"], weights=rows["pixels"]) == pytest.approx(
        np.average(images["abs_rel"], weights=images["pixels"])
    )
    assert images["abs_rel"].tolist() == pytest.approx(
        [abs(1.2 / f - 1) for f in factors], abs=1e-6
    )
