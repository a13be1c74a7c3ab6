"""The chain from video to report, on flights that the program renders, and what it leaves
behind."""

import json
import re
import shutil

import mlflow
import pandas as pd
import pytest

from .conftest import SMALL

pytestmark = pytest.mark.slow


def store(project) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")


def test_it_ends_with_a_table_a_picture_and_where_to_look(finished_project) -> None:
    output = finished_project.output
    for method in ("model", "constant", "mean_depth_map", "tilted_plane"):
        assert re.search(rf"^{method}\s+\d\.\d+", output, re.M), output[-3000:]
    assert "median per image" in output and "kedro mlflow ui" in output and "kedro viz" in output
    picture = re.search(r"(/\S+evaluation_panels\.png)", output)[1]
    assert open(picture, "rb").read(4) == b"\x89PNG"


def test_tables_keep_their_contract(finished_project) -> None:
    reporting = finished_project.folder / "data" / "08_reporting"
    table = pd.read_csv(reporting / "evaluation.csv")
    assert (
        list(table.columns)
        == "contestant domain scene alignment cap metric value low high images coverage".split()
    )
    assert {"model", "mean_depth_map", "constant", "tilted_plane"} <= set(table.contestant)
    assert set(table.alignment) >= {
        "none",
        "median_per_image",
        "median_per_scene",
        "lstsq_inverse_depth",
    }
    report = pd.read_csv(reporting / "scene_report.csv", keep_default_na=False)
    assert list(report.columns) == ["domain", "scene", "step", "status", "reason"]
    assert set(report.status) == {"ok"} and set(report.scene) == {"town_a", "town_b", "town_c"}
    assert set(report.step) == {"simulate", "frame_extraction", "ground_truth", "triplets"}


def test_folders_keep_their_contract(finished_project) -> None:
    data = finished_project.folder / "data"
    assert {p.name for p in (data / "02_intermediate" / "town" / "town_a").iterdir()} >= {
        "frames",
        "frames.parquet",
        "camera.yaml",
    }
    assert {p.name for p in (data / "03_primary" / "town" / "town_a").iterdir()} >= {
        "sfm",
        "depth",
        "ground_truth.json",
    }
    triplets = data / "05_model_input" / "town"
    assert {p.name for p in triplets.iterdir()} >= {
        "town_a",
        "train.txt",
        "val.txt",
        "test.txt",
        "poses.parquet",
        "footprints.parquet",
        "split.json",
    }
    scene, target = (triplets / "train.txt").read_text().split("\n")[0].split()
    assert len((triplets / scene / f"{target}_cam.txt").read_text().split(",")) == 9
    assert {p.name for p in (data / "06_models" / "depth_model").iterdir()} >= {
        "model.safetensors",
        "model.json",
    }
    splits = {
        s: {line.split()[0] for line in (triplets / f"{s}.txt").read_text().splitlines()}
        for s in ("train", "val", "test")
    }
    assert splits == {"train": {"town_a"}, "val": {"town_b"}, "test": {"town_c"}}


def test_one_finished_mlflow_run_holds_everything(finished_project) -> None:
    client = store(finished_project)
    run = min(client.search_runs(["1"]), key=lambda run: run.info.start_time)
    assert run.info.status == "FINISHED" and run.info.run_name == "demo (small)"
    assert (
        run.data.params["train.batch_size"] == "4"
        and run.data.params["train.pose.source"] == "two_view"
    )
    assert "data.fingerprint" in run.data.tags
    assert "town/median_per_image/abs_rel" in run.data.metrics
    curves = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    assert max(len(points) for points in curves.values()) >= 25  # loss terms per step
    assert any(name.startswith("val") and len(points) >= 3 for name, points in curves.items()), (
        sorted(curves)
    )
    artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "evaluation")}
    assert {"evaluation/evaluation.csv", "evaluation/evaluation_panels.png"} <= artifacts
    saved = {a.path for a in client.list_artifacts(run.info.run_id, "depth_model")}
    assert saved >= {
        "depth_model/model.safetensors",
        "depth_model/MLmodel",
        "depth_model/input_example.json",
    }  # mlflow models serve
    assert {a.path for a in client.list_artifacts(run.info.run_id, "configuration")} == {
        "configuration/parameters.yml"
    }


def test_each_pipeline_works_alone_on_what_is_on_disk(finished_project) -> None:
    table = finished_project.folder / "data" / "08_reporting" / "evaluation.csv"
    before = table.read_bytes()
    output = finished_project.kedro("run", "--env=small", "--pipeline=evaluation")
    assert table.read_bytes() == before and "median per image" in output
    output = finished_project.kedro("run", "--env=small", "--pipeline=prepare", "--namespaces=town")
    assert output.count("is unchanged, kept") == 9


def test_only_missing_outputs_does_only_what_is_missing(finished_project) -> None:
    table = finished_project.folder / "data" / "08_reporting" / "evaluation.csv"
    before = table.read_bytes()
    table.unlink()
    output = finished_project.kedro("run", "--env=small", "--only-missing-outputs")
    assert table.read_bytes() == before
    assert "Running 1 out of" in output


def test_viz_shows_a_lane_per_domain(finished_project, tmp_path) -> None:
    script = (
        "from pathlib import Path\n"
        "from kedro_viz.server import load_and_populate_data\n"
        "from kedro_viz.api.rest.responses.pipelines import get_pipeline_response\n"
        "from kedro.framework.startup import bootstrap_project\n"
        f"bootstrap_project(Path({str(finished_project.folder)!r}))\n"
        f"load_and_populate_data(Path({str(finished_project.folder)!r}), env='small')\n"
        "print(get_pipeline_response('__default__').model_dump_json())\n"
    )
    graph = json.loads(finished_project.python(script).strip().splitlines()[-1])
    assert "town" in {
        pipeline["id"] for pipeline in graph["modular_pipelines"].values() if "id" in pipeline
    } | set(graph["modular_pipelines"])


def test_a_video_and_nothing_else(finished_project, new_project) -> None:
    """No camera, no telemetry, no labels: the video of one scene, and the domain in the list."""
    project = new_project()
    scene = project.folder / "data" / "01_raw" / "mine" / "monday"
    scene.mkdir(parents=True)
    shutil.copy(
        finished_project.folder / "data" / "01_raw" / "town" / "town_c" / "video.mp4", scene
    )
    dense = {"max_depth_maps": 0, "sources": 3}
    parameters = {
        **SMALL,
        "simulate": {},
        "ground_truth": {"sfm": {"max_views": 12}, "dense": dense},
        "triplets": {"width": 96, "height": 64, "split": {"by": "time", "val": 0.15, "test": 0.25}},
    }
    project.configure("own", ["mine"], parameters)
    output = project.kedro("run", "--env=own")
    summary = json.loads(
        (
            project.folder / "data" / "02_intermediate" / "mine" / "monday" / "summary.json"
        ).read_text()
    )
    assert summary["camera_source"].startswith("self") and not summary["metric"]
    assert (
        re.search(r"^model\s+\d\.\d+", output, re.M)
        and "exact" not in output.split("median per image")[0][-200:]
    )
    assert "mine: Split: blocks of" in output and "% of the tested ground" in output
    assert set(pd.read_csv(project.folder / "data" / "08_reporting" / "evaluation.csv").scene) == {
        "all",
        "monday",
    }
