"""What nodes log arrives in MLflow."""

import mlflow
import pytest

from aerial_depth_pipeline.tracking.runs import log_metrics


@pytest.fixture
def store(tmp_path):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield
    mlflow.set_tracking_uri(before)


def test_names_are_freed_of_what_mlflow_refuses(store):
    with mlflow.start_run() as run:
        log_metrics({"night/old, in metres/images": 3.0, "flight (1)/abs_rel": 0.5})
    logged = mlflow.get_run(run.info.run_id).data.metrics
    assert logged["night/old in metres/images"] == 3.0 and logged["flight 1/abs_rel"] == 0.5
