import cv2
import numpy as np
import pycolmap
import pytest
from evaluation_scenes import write_depth

from aerial_depth_pipeline.evaluation.references import find_references
from aerial_depth_pipeline.evaluation.sweep_initialisation import COLUMNS, sweep_around, sweep_gain
from aerial_depth_pipeline.geometry.poses import look_at, relative_pose

HEIGHT, WIDTH, FOCAL = 96, 144, 130.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def view(x):
    """Grey picture, depth and pose of a camera 40 m above patterned level ground that looks obliquely."""
    center = np.array([x, -30.0, 40.0])
    pose = look_at(center, np.array([x, 10.0, 0.0]))
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    rays = np.stack([(u - K[0, 2]) / FOCAL, (v - K[1, 2]) / FOCAL, np.ones_like(u)], -1) @ pose[:3, :3]
    depth = -center[2] / rays[..., 2]
    ground = center + rays * depth[..., None]
    random = np.random.default_rng(5)
    grey = np.zeros(depth.shape)
    for _ in range(14):
        direction, phase = random.normal(0, 0.9, 2), random.uniform(0, 6)
        grey += np.sin(ground[..., :2] @ direction + phase)
    return np.clip(127 + 18 * grey, 1, 255).astype(np.uint8), depth.astype(np.float32), pose


@pytest.fixture(scope="module")
def scene():
    target, depth, pose = view(0.0)
    others = [view(x) for x in (-4.0, 4.0)]
    return target, depth, [image for image, _, _ in others], [relative_pose(other, pose) for _, _, other in others]


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
    around_frontal = sweep_around(target, sources, K, relative, np.full_like(depth, 1 / 50), np.linspace(0.5, 1.6, 7))
    assert error(around_rough, depth) < 0.01
    assert error(around_rough, depth) < 0.5 * error(around_frontal, depth)


@pytest.fixture(scope="module")
def scene_on_disk(tmp_path_factory):
    """Five views with exact depth and a COLMAP model in which every view sees the same grid of ground points."""
    root = tmp_path_factory.mktemp("sweep")
    model = pycolmap.Reconstruction()
    params = [FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2]
    model.add_camera_with_trivial_rig(pycolmap.Camera(model="PINHOLE", width=WIDTH, height=HEIGHT, params=params, camera_id=1))
    points = np.array([[x, y, 0.3 * np.sin(x)] for x in range(-12, 13, 4) for y in range(-8, 40, 5)], float)
    for number, x in enumerate((-8.0, -4.0, 0.0, 4.0, 8.0), start=1):
        image, depth, pose = view(x)
        frame = 10 * (number - 1)
        (root / "flight" / "frames").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "flight" / "frames" / f"{frame:06d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 98])
        write_depth(root / "flight" / "depth" / f"{frame:06d}.tiff", depth)
        seen = (points @ pose[:3, :3].T + pose[:3, 3]) @ K.T
        entry = pycolmap.Image(name=f"{frame:06d}.jpg", keypoints=seen[:, :2] / seen[:, 2:], camera_id=1, image_id=number)
        model.add_image_with_trivial_frame(entry, pycolmap.Rigid3d(pose[:3]))
    for i, point in enumerate(points):
        track = pycolmap.Track()
        for number in range(1, 6):
            track.add_element(number, i)
        model.add_point3D(point, track, np.zeros(3, np.uint8))
    (root / "truth" / "sfm").mkdir(parents=True)
    model.write(root / "truth" / "sfm")
    return find_references(root / "flight", root / "truth")


def test_the_gain_is_measured_beside_the_plane_through_the_points(scene_on_disk):
    _, depth, _ = view(0.0)
    rough = depth * (1 + 0.04 * np.sin(np.arange(WIDTH) / 20)).astype(np.float32)
    table = sweep_gain(lambda image: 5 * rough, scene_on_disk, "town", "flight", [4, 12], frames=3)
    assert list(table.columns) == COLUMNS
    assert table.groupby(["around", "planes"])["frame"].apply(list).to_dict() == {
        (around, planes): [0, 20, 40] for around in ("plane", "network") for planes in (4, 12)
    }
    # The ground is flat, so the plane through its points is hard to beat; the network's range is as narrow as its error.
    network = table[table["around"] == "network"]
    assert network["range"].between(0.05, 0.25).all()
    assert network.loc[network["planes"] == 12, "abs_rel"].mean() < 0.02 and (network["coverage"] > 0.5).all()
    assert (table["within_1pct"] <= table["within_5pct"]).all() and (table["seconds"] > 0).all()


def test_scenes_without_structure_from_motion_have_no_gain(references):
    assert sweep_gain(lambda image: np.ones(image.shape[:2]), references, "town", "flight", [4], 1).empty
