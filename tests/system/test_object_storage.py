"""Data and MLflow's artifacts on object storage: a local server that speaks S3, and the whole chain
on it."""

import re

import boto3
import pytest
from moto.server import ThreadedMotoServer

from .conftest import SMALL

BUCKET = "aerial"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
# Where things lie is tested here, not what comes out.
LESS = {
    **SMALL,
    "checkpoints_folder": "data/.work/checkpoints",
    "ground_truth": {
        "sfm": {"max_views": 8, "max_features": 1024},
        "dense": {"max_depth_maps": 2, "sources": 2},
    },
    "train": {**SMALL["train"], "steps": 4, "validate_every": 4},
    "simulate": {
        "town": {
            name: {**flight, "frames": 16} for name, flight in SMALL["simulate"]["town"].items()
        }
    },
}


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket behind http://127.0.0.1:<a free port>, which this process and its children
    find in their environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}).items():
        monkeypatch.setenv(name, value)
    made = boto3.resource("s3").create_bucket(Bucket=BUCKET)
    yield made
    server.stop()


@pytest.mark.slow
def test_the_chain_runs_on_object_storage(bucket, new_project, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where copies are kept
    project = new_project()
    places = {
        "data": f"s3://{BUCKET}/data",
        "raw": f"s3://{BUCKET}/data/01_raw",
        "artifacts": f"s3://{BUCKET}/mlflow",
    }
    project.configure("storage", ["town"], LESS, **places)
    output = project.kedro("run", "--env=storage", "--pipelines=demo")
    assert (
        re.search(r"^model\s+\d\.\d+", output, re.M)
        and f"s3://{BUCKET}/data/08_reporting/evaluation.html" in output
    )
    keys = {entry.key for entry in bucket.objects.all()}
    for key in (
        "01_raw/town/town_a/video.mp4",
        "02_intermediate/town/town_a/frames.parquet",
        "03_primary/town/town_c/ground_truth.json",
        "05_model_input/town/train.txt",
        "06_models/depth_model/model.safetensors",
        "08_reporting/evaluation.csv",
        "08_reporting/scene_report.csv",
    ):
        assert f"data/{key}" in keys
    assert any(
        re.fullmatch(r"mlflow/[0-9a-f]{32}/artifacts/evaluation/evaluation\.csv", key)
        for key in keys
    )
    local = {
        path.parts[0]
        for path in (
            p.relative_to(project.folder / "data") for p in (project.folder / "data").rglob("*")
        )
    }
    assert local == {".work"}  # nothing but unfinished work lies here
    output = project.kedro("run", "--env=storage", "--pipelines=frame_extraction")
    assert output.count("is unchanged, kept") == 3


@pytest.mark.slow
def test_a_folder_that_must_be_local_is_named(new_project) -> None:
    project = new_project()
    project.configure("storage", ["town"], {}, data="s3://aerial/data")
    output = project.kedro("run", "--env=storage", succeed=False)
    assert (
        "Traceback" not in output
        and "checkpoints_folder" in output
        and "on this computer" in output
    )
