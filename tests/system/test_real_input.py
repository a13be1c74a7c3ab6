"""The same chain on input that the program did not make: flights over surveyed terrain, and
photographs."""

import json

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


def metric(table: pd.DataFrame, method: str, name: str) -> float:
    rows = table.query(
        "contestant == @method and metric == @name and alignment == 'median_per_image' and"
        " scene == 'all' and cap == 'none'"
    )
    return float(rows.value.iloc[0])


def test_flights_over_surveyed_terrain(new_project, shared_data) -> None:
    """Raw scenes by configuration alone; trained on one flight, measured on the other against its
    exact depth."""
    project = new_project()
    parameters = {
        "ground_truth": {"sfm": {"max_views": 24}, "dense": {"max_depth_maps": 6}},
        "triplets": {
            "width": 192,
            "height": 112,
            "split": {"by": "scene", "test_scenes": ["autzen_stadium"], "val": 0.0, "test": 0.0},
        },
        "train": {
            "batch_size": 8,
            "steps": 150,
            "learning_rate": 8e-4,
            "validate_every": 150,
            "checkpoint_every": 50,
            "pose": {"refine": False},
            "network": {"scales": 2},
        },
        "evaluation": {"bootstrap_samples": 200},
    }
    project.configure("flights", ["flights"], parameters, raw=str(shared_data))
    output = project.kedro("run", "--env=flights")
    reporting = project.folder / "data" / "08_reporting"
    report = pd.read_csv(reporting / "scene_report.csv", keep_default_na=False)
    assert set(report.scene) == {"autzen_woods", "autzen_stadium"} and set(report.status) == {"ok"}
    for scene in ("autzen_woods", "autzen_stadium"):
        truth = json.loads(
            (
                project.folder / "data" / "03_primary" / "flights" / scene / "ground_truth.json"
            ).read_text()
        )
        assert truth["metric"] is True and truth["registered"] >= 0.95 * truth["frames"]
    table = pd.read_csv(reporting / "evaluation.csv")
    print(output[-3500:])  # noqa: T201 - the note quotes it
    assert metric(table, "model", "abs_rel") < 0.6 * metric(table, "constant", "abs_rel")
    assert metric(table, "model", "delta_1.25") > 0.85
    assert not list(shared_data.glob("flights/*/.manifest.json"))


def test_photographs(new_project, shared_data) -> None:
    """Eighteen photographs with EXIF become frames and metric ground truth."""
    project = new_project()
    raw = project.folder / "footage" / "photos"
    raw.mkdir(parents=True)
    (raw / "brighton_beach").symlink_to(shared_data / "photos" / "brighton_beach")
    project.configure(
        "photos",
        ["photos"],
        {"ground_truth": {"dense": {"max_depth_maps": 4}}},
        raw=str(raw.parent),
    )
    project.kedro("run", "--env=photos", "--pipelines=frame_extraction,ground_truth")
    frames = project.folder / "data" / "02_intermediate" / "photos" / "brighton_beach"
    assert len(list((frames / "frames").glob("*.jpg"))) == 18
    truth = json.loads(
        (
            project.folder
            / "data"
            / "03_primary"
            / "photos"
            / "brighton_beach"
            / "ground_truth.json"
        ).read_text()
    )
    print(
        json.dumps(
            {key: value for key, value in truth.items() if not isinstance(value, list | dict)},
            indent=2,
        )
    )  # noqa: T201
    assert truth["registered"] == 18 and truth["metric"] is True
