"""What users do with a trained model: predict, export, and three lines of Python."""

import json

import mlflow
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow


def test_a_video_is_predicted_in_metres_of_its_colmap_model(finished_project) -> None:
    parameters = {
        "predict.source": "data/01_raw/town/town_c/video.mp4",
        "predict.colmap": "data/03_primary/town/town_c",
        "predict.stride": 6,
        "predict.png_every": 2,
        "predict.points_every": 4,
    }
    given = ",".join(f"{name}={value}" for name, value in parameters.items())
    output = finished_project.kedro(
        "run", "--env=small", "--pipelines=predict", f"--params={given}"
    )
    folder = finished_project.folder / "data" / "07_model_output" / "town_c"
    report = json.loads((folder / "prediction.json").read_text())
    assert (report["frames"], report["unit"], report["scale"]["origin"]) == (4, "metres", "colmap")
    assert report["scale"]["explanation"] in " ".join(
        output.split()
    ) or "sparse points of the COLMAP model" in " ".join(output.split())
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "prediction.json",
        "side_by_side.mp4",
        *(f"depth/{frame:06d}.tiff" for frame in (0, 6, 12, 18)),
        *(f"depth_png/{frame:06d}.png" for frame in (0, 12)),
        "points/000000.ply",
    }
    predicted = np.array(Image.open(folder / "depth" / "000012.tiff"))
    exact = np.array(
        Image.open(
            finished_project.folder
            / "data"
            / "01_raw"
            / "town"
            / "town_c"
            / "depth"
            / "000012.tiff"
        )
    )
    assert predicted.shape == exact.shape
    seen = exact > 0
    assert (
        0.6 < np.median(predicted[seen] / exact[seen]) < 1.6
    )  # metres of the flight, from a model that trained for seconds


def test_an_export_is_checked_and_its_agreement_lies_in_mlflow(finished_project) -> None:
    finished_project.kedro("run", "--env=small", "--pipelines=export")
    folder = finished_project.folder / "data" / "06_models" / "onnx"
    report = json.loads((folder / "export.json").read_text())
    assert {path.name for path in folder.iterdir()} == {*report["graphs"], "export.json"}
    float32 = [graph for name, graph in report["graphs"].items() if "int8" not in name]
    assert len(float32) == 3 and max(graph["max_relative_difference"] for graph in float32) < 1e-3
    client = mlflow.MlflowClient(f"sqlite:///{finished_project.folder / 'mlflow.db'}")
    run = max(client.search_runs(["1"]), key=lambda run: run.info.start_time)
    eight_bits = (report["graphs"] | report["left_out"])["depth_model_int8.onnx"]
    stated = eight_bits["mean_relative_difference"]
    assert run.data.metrics["export.depth_model_int8.mean_relative_difference"] == pytest.approx(
        stated
    )
    assert run.info.run_name == "export (small)" and run.info.status == "FINISHED"


def test_three_lines_of_python_need_neither_kedro_nor_mlflow(finished_project) -> None:
    script = (
        "import sys\nfor name in ('kedro', 'mlflow', 'lightning', 'kedro_mlflow',"
        " 'kedro_datasets'):\n    sys.modules[name] = None  # importing it fails\nimport numpy as"
        " np\nimage = np.zeros((112, 192, 3), np.uint8)\nfrom"
        " aerial_depth_pipeline.networks.depth_model import DepthModel\nmodel ="
        " DepthModel.load('data/06_models/depth_model')\ndepth = model(image)\nprint(depth.shape,"
        " depth.dtype, bool((depth > 0).all()))\nimport aerial_depth_pipeline.prediction.predict,"
        " aerial_depth_pipeline.networks.inference.export\n"
    )
    assert finished_project.python(script).strip() == "(112, 192) float32 True"
