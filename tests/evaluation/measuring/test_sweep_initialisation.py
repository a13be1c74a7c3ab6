import numpy as np
import pytest
from tests.worlds.reconstructed_ground import WIDTH, K, view

from aerial_depth_pipeline.evaluation.measuring.sweep_initialisation import (
    COLUMNS,
    sweep_around,
    sweep_gain,
)
from aerial_depth_pipeline.geometry.poses import relative_pose


@pytest.fixture(scope="module")
def scene():
    target, depth, pose = view(0.0)
    others = [view(x) for x in (-4.0, 4.0)]
    return (
        target,
        depth,
        [image for image, _, _ in others],
        [relative_pose(other, pose) for _, _, other in others],
    )


def error(found, depth):
    known = found > 0
    assert known.mean() > 0.5
    return float(np.median(np.abs(found - depth)[known] / depth[known]))


def test_a_sweep_around_a_wrong_surface_finds_the_ground(scene):
    target, depth, sources, relative = scene
    frontal = np.full_like(depth, 1 / 50)
    found = sweep_around(target, sources, K, relative, frontal, np.linspace(0.5, 1.6, 48))
    assert error(found, depth) < 0.01


def test_a_surface_that_knows_the_shape_needs_fewer_planes(scene):
    target, depth, sources, relative = scene
    rough = 1 / (depth * (1 + 0.04 * np.sin(np.arange(WIDTH) / 20)).astype(np.float32))
    around_rough = sweep_around(target, sources, K, relative, rough, np.linspace(0.94, 1.06, 7))
    around_frontal = sweep_around(
        target, sources, K, relative, np.full_like(depth, 1 / 50), np.linspace(0.5, 1.6, 7)
    )
    assert error(around_rough, depth) < 0.01
    assert error(around_rough, depth) < 0.5 * error(around_frontal, depth)


def test_the_gain_is_measured_beside_the_plane_through_the_points(reconstructed_ground):
    _, depth, _ = view(0.0)
    rough = depth * (1 + 0.04 * np.sin(np.arange(WIDTH) / 20)).astype(np.float32)
    table = sweep_gain(
        lambda image: 5 * rough, reconstructed_ground, "town", "flight", [4, 12], frames=3
    )
    assert list(table.columns) == COLUMNS
    assert table.groupby(["around", "planes"])["frame"].apply(list).to_dict() == {
        (around, planes): [0, 20, 40] for around in ("plane", "network") for planes in (4, 12)
    }
    # The ground is flat, so the plane through its points is hard to beat; the network's range is as
    # narrow as its error.
    network = table[table["around"] == "network"]
    assert network["range"].between(0.05, 0.25).all()
    assert (
        network.loc[network["planes"] == 12, "abs_rel"].mean() < 0.02
        and (network["coverage"] > 0.5).all()
    )
    assert (table["within_1pct"] <= table["within_5pct"]).all() and (table["seconds"] > 0).all()


def test_scenes_without_structure_from_motion_have_no_gain(references):
    assert sweep_gain(
        lambda image: np.ones(image.shape[:2]), references, "town", "flight", [4], 1
    ).empty
