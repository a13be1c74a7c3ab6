import re
from html.parser import HTMLParser

import av
import numpy as np
import pandas as pd
import pycolmap
import pytest
import trimesh
from PIL.Image import Image
from tests.worlds.evaluation_scenes import HEIGHT, WIDTH, index_of, relief, write_scene

from aerial_depth_pipeline.evaluation.evaluate import measure
from aerial_depth_pipeline.evaluation.measuring.aggregate import COLUMNS
from aerial_depth_pipeline.evaluation.poses.pose_errors import PoseErrors
from aerial_depth_pipeline.evaluation.references import find_references
from aerial_depth_pipeline.evaluation.report.domain_report import DomainReport
from aerial_depth_pipeline.evaluation.report.evaluation_report import evaluation_report
from aerial_depth_pipeline.evaluation.report.sections import answers
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.formats.split_record import SplitRecord
from aerial_depth_pipeline.geometry.poses import look_at, relative_pose

SETTINGS = EvaluationSettings(
    conventional=["colmap_sparse"],
    sweep_planes=[],
    bootstrap_samples=20,
    size=[40, 24],
    caps=[60.0],
)
FOCAL = 60.0


LEAKY = SplitRecord("time", 0.96, ["positions"])


def model(image):
    return relief(index_of(image), seed=9)


class Addresses(HTMLParser):
    """Collects whatever a browser would load, and whether tags are balanced."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [
            value
            for name, value in attrs
            if name in ("src", "href", "srcset", "data", "action", "poster")
        ]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def write_poses(folder, poses):
    names = [f"cam_from_world_{row}{column}" for row in range(3) for column in range(4)]
    rows = [[frame, *T[:3].ravel()] for frame, T in poses.items()]
    pd.DataFrame(rows, columns=["frame", *names]).to_csv(folder / "poses.csv", index=False)
    (folder / "camera.yaml").write_text(
        f"model: PINHOLE\nwidth: {WIDTH}\nheight: {HEIGHT}\nparams: [{FOCAL}, {FOCAL}, {WIDTH / 2},"
        f" {HEIGHT / 2}]\n"
    )


def write_sfm(folder, poses, depths):
    """A COLMAP model of the true poses with the depth of every sixth pixel as points, at half of
    the true size."""
    model = pycolmap.Reconstruction()
    camera = pycolmap.Camera(
        model="PINHOLE",
        width=WIDTH,
        height=HEIGHT,
        params=[FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2],
        camera_id=1,
    )
    model.add_camera_with_trivial_rig(camera)
    for number, ((frame, T), depth) in enumerate(zip(poses.items(), depths, strict=True), start=1):
        v, u = (grid.ravel() for grid in np.mgrid[4:HEIGHT:6, 4:WIDTH:6])
        pixels = np.stack([u, v], 1) + 0.5
        image = pycolmap.Image(
            name=f"{frame:06d}.jpg", keypoints=pixels, camera_id=1, image_id=number
        )
        half = T.copy()
        half[:3, 3] /= 2
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(half[:3]))
        z = depth[v, u] / 2
        points = np.stack(
            [(pixels[:, 0] - WIDTH / 2) / FOCAL * z, (pixels[:, 1] - HEIGHT / 2) / FOCAL * z, z], 1
        )
        for i, point in enumerate((points - half[:3, 3]) @ half[:3, :3]):
            track = pycolmap.Track()
            track.add_element(number, i)
            model.add_point3D(point, track, np.zeros(3, np.uint8))
    (folder / "sfm").mkdir(parents=True)
    model.write(folder / "sfm")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A domain with truth, poses and structure from motion, and one without a unit whose scene has
    a name that could break the page."""
    root = tmp_path_factory.mktemp("evaluation")
    folder = root / "report"
    folder.mkdir()
    depths = [relief(i) for i in range(4)]
    write_scene(root / "a", depths)
    poses = {
        10 * i: look_at(np.array([10.0 * i, 2.0 * i**2, 50.0]), np.array([10.0 * i, 50.0, 0.0]))
        for i in range(4)
    }
    write_poses(root / "a", poses)
    write_sfm(root / "truth", poses, depths)
    test = {
        "town": {"a": find_references(root / "a", root / "truth")},
        "land": {
            "<b> & co": write_scene(
                root / "b", [relief(i, 5) for i in range(2)], "plane_sweep", metric=False
            )
        },
    }
    train = {"town": {"c": write_scene(root / "c", [relief(7)])}}
    pairs = [(10 * i, 10 * j) for i in (1, 2) for j in (i - 1, i + 1)]
    triplets = [
        ["a", target, source, *relative_pose(poses[source], poses[target]).ravel(), "two_view"]
        for target, source in pairs
    ]
    names = [f"t{row}{column}" for row in range(4) for column in range(4)]
    triplet_poses = {
        "town": pd.DataFrame(triplets, columns=["scene", "frame", "source_frame", *names, "origin"])
    }
    made = evaluation_report(
        model,
        test,
        train,
        SETTINGS,
        folder,
        triplet_poses=triplet_poses,
        split_records={"town": LEAKY},
    )
    assert LEAKY.sentence in " ".join(made.results)  # of the model card
    for name, item in made.files.items():
        match item:
            case pd.DataFrame():
                item.to_csv(folder / name, index=False)
            case str():
                (folder / name).write_text(item, encoding="utf-8")
            case Image():
                item.save(folder / name)
    return folder, made.metrics


def test_the_report_holds_tables_pictures_and_metrics(report):
    folder, metrics = report
    table = pd.read_csv(folder / "evaluation.csv")
    assert list(table.columns) == COLUMNS
    assert set(table["domain"]) == {"town", "land"}
    assert set(table["alignment"]) == set(SETTINGS.alignments) and set(table["cap"]) == {
        "none",
        "60",
    }  # not read as missing values
    row = table[
        (table["contestant"] == "model")
        & (table["domain"] == "land")
        & (table["scene"] == "all")
        & (table["cap"] == "none")
    ]
    row = row[(row["metric"] == "abs_rel") & (row["alignment"] == "median_per_image")]
    assert metrics["land/median_per_image/abs_rel"] == pytest.approx(row["value"].item())
    assert "mean_depth_map" in set(table[table["domain"] == "town"]["contestant"])
    for name in (
        "evaluation_panels.png",
        "evaluation.md",
        "evaluation.tex",
        "evaluation_per_image.csv",
        "evaluation_breakdowns.csv",
    ):
        assert (folder / name).stat().st_size > 100


def test_sparse_depth_of_colmap_takes_part(report):
    folder, _ = report
    table = pd.read_csv(folder / "evaluation.csv")
    sparse = table[
        (table["contestant"] == "colmap_sparse")
        & (table["scene"] == "all")
        & (table["metric"] == "abs_rel")
        & (table["cap"] == "none")
    ]
    values = sparse.set_index("alignment")["value"]
    # The model was written at half of its size, and nobody says that it is metric.
    assert "none" not in values
    assert values["median_per_scene"] == pytest.approx(0, abs=1e-3)
    assert sparse["coverage"].iloc[0] == pytest.approx(8 * 13 / (HEIGHT * WIDTH), rel=0.02)


def test_poses_of_structure_from_motion_and_of_triplets_are_measured(report):
    folder, metrics = report
    poses = pd.read_csv(folder / "evaluation_poses.csv")
    assert poses[
        ["estimate", "domain", "scene", "against", "frames", "of_frames"]
    ].values.tolist() == [
        ["sfm", "town", "a", "truth", 4, 4],
        ["two_view", "town", "a", "truth", 4, 4],
    ]
    assert poses["scale"].tolist() == pytest.approx([2, 1])
    assert metrics["town/poses/sfm/ate_rmse"] == pytest.approx(0, abs=1e-6)
    assert metrics["town/poses/two_view/pair_direction_deg"] == pytest.approx(0, abs=1e-4)
    assert poses["pairs"].tolist()[1] == 4 and poses["pairs_reversed"].tolist()[1] == 0


def test_point_clouds_stand_in_the_world_and_the_video_is_there(report):
    folder, _ = report
    cloud = trimesh.load(folder / "evaluation_points_town_reference.ply")
    assert len(cloud.vertices) > 2000 and np.median(cloud.vertices[:, 2]) < 50  # below the camera
    assert (folder / "evaluation_points_town_prediction.ply").is_file()
    assert not (
        folder / "evaluation_points_land_reference.ply"
    ).exists()  # no camera is known there
    assert (folder / "evaluation_points_town.mp4").stat().st_size > 1000
    with av.open(str(folder / "evaluation_video_town.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_the_page_loads_nothing_from_outside_and_escapes_names(report):
    folder, _ = report
    html = (folder / "evaluation.html").read_text(encoding="utf-8")
    addresses = Addresses()
    addresses.feed(html)
    assert addresses.open == []
    assert addresses.found and all(
        address.startswith(("data:image/", "data:video/mp4", "#")) for address in addresses.found
    )
    assert not re.search(r"@import|url\(|<script", html)
    assert "<b> & co" not in html and "&lt;b&gt; &amp; co" in html
    assert (
        html.count("<table") >= len(SETTINGS.alignments) * 3
    )  # two domains, one of them with a cap
    assert html.index("All domains, median per image") < html.index(">town</h2>")
    assert html.count("data:video/mp4") == 3  # one domain has points to fly around
    assert html.count("data:image/") == 5  # panels and charts of both, trajectories of one


def test_the_page_begins_with_the_answer(report):
    folder, metrics = report
    html = (folder / "evaluation.html").read_text(encoding="utf-8")
    assert LEAKY.sentence in html
    assert f"town: {LEAKY.sentence}" in (folder / "evaluation.txt").read_text(encoding="utf-8")
    answer = f"depth is off by {100 * metrics['town/median_per_image/abs_rel']:.1f} % on average"
    assert html.index(answer) < html.index("<table", html.index(">town</h2>"))
    assert (
        "The best tilted plane" in html
        and "colmap_sparse" in html[: html.index("<table", html.index(answer))]
    )


def answers_of(tmp_path, predict):
    depths = [relief(i) for i in range(4)]
    measured = measure(
        lambda image: predict(depths[index_of(image)]),
        {"a": write_scene(tmp_path / "a", depths)},
        {},
        "town",
        SETTINGS,
    )
    return " ".join(
        answers(
            DomainReport("town", measured, [], PoseErrors(), pd.DataFrame()), "median_per_image"
        )
    )


def test_the_answer_compares_with_the_plane_and_says_where_the_model_fails(tmp_path):
    good = answers_of(tmp_path / "good", lambda depth: np.where(depth > 64, 1.3 * depth, depth))
    assert (
        "the model is better (skill 0." in good
        and "The model is worst at a distance of 64–91 m (30.0 %)" in good
    )
    bad = answers_of(tmp_path / "bad", lambda depth: np.full_like(depth, 40))
    assert "the model is worse (skill −" in bad and "Conventional" not in bad
    silent = answers_of(tmp_path / "silent", np.zeros_like)
    assert silent.startswith("town: the model gave nothing that could be measured.")
