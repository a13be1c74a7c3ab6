"""The nodes that put a model to use."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from aerial_depth_pipeline.datasets.folders import FoldersDataset, PathDataset, write_manifest
from aerial_depth_pipeline.datasets.triplet_lists import TripletLists, TripletListsDataset
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.formats.images import write_jpeg
from aerial_depth_pipeline.formats.split_record import SplitRecord
from aerial_depth_pipeline.networks.depth_model import DepthModel
from aerial_depth_pipeline.networks.joint_model import DepthNetwork
from aerial_depth_pipeline.networks.settings import NetworkSettings
from aerial_depth_pipeline.pipelines.domain_data import domains_of
from aerial_depth_pipeline.pipelines.export.nodes import export_depth_model, read_frames
from aerial_depth_pipeline.pipelines.predict.nodes import folder_name, predict_depth


def small_model():
    torch.manual_seed(0)
    settings = NetworkSettings(encoder="resnet10t", decoder_channels=[4, 4, 8, 8, 8])
    return DepthModel(DepthNetwork(settings), settings, 64, 32)


def a_domain(tmp_path, name, brightness, splits):
    """Triplet lists, frames and ground truth of a domain whose frames have the brightness
    `brightness` + frame number."""
    frames = FoldersDataset(str(tmp_path / name / "frames"))
    for scene in {scene for pairs in splits.values() for scene, _ in pairs}:
        folder = tmp_path / "made"
        (folder / "frames").mkdir(parents=True)
        for number in range(10):
            write_jpeg(
                folder / "frames" / f"{number:06d}.jpg",
                np.full((40, 72, 3), brightness + number, np.uint8),
                95,
            )
        write_manifest(folder, "fingerprint", {})
        frames.save({scene: folder})
    lists = TripletListsDataset(str(tmp_path / name / "triplets"), name)
    lists.save(
        TripletLists(
            {split: splits.get(split, []) for split in ("train", "val", "test")},
            pd.DataFrame({"scene": []}),
            pd.DataFrame({"scene": []}),
            SplitRecord("scene"),
            {},
        )
    )
    return (
        lists.load(),
        frames.load(),
        FoldersDataset(str(tmp_path / name / "truth")).load(),
    )


def test_frames_come_from_all_domains_in_equal_steps(tmp_path):
    inputs = (
        *a_domain(
            tmp_path, "rural", 100, {"test": [("a", n) for n in range(8)], "train": [("b", 1)]}
        ),
        *a_domain(tmp_path, "urban", 200, {"test": [("c", n) for n in range(8)]}),
    )
    domains = domains_of(inputs)
    brightness = [int(image.mean()) for image in read_frames(domains, "test", 4)]
    assert brightness == [100, 104, 200, 204]
    assert len(read_frames(domains, "test", 50)) == 16
    assert [image.shape for image in read_frames(domains, "train", 5)] == [(40, 72, 3)]
    (domains[1].frames["c"].path / "frames" / "000003.jpg").unlink()
    with pytest.raises(UserError, match=r"000003\.jpg is gone"):
        read_frames(domains, "test", 50)


def test_an_export_without_frames_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="--pipelines=prepare"):
        export_depth_model(small_model(), {}, str(tmp_path), *a_domain(tmp_path, "rural", 100, {}))


@pytest.mark.slow
def test_the_export_is_checked_on_test_frames_and_calibrated_on_training_frames(tmp_path):
    splits = {"test": [("a", n) for n in range(3)], "train": [("b", n) for n in range(5)]}
    folder = export_depth_model(
        small_model(),
        {"any_size": False, "torchscript": False, "calibration_frames": 4},
        str(tmp_path / "work"),
        *a_domain(tmp_path, "rural", 100, splits),
    )
    report = json.loads((folder / "export.json").read_text())
    assert folder.name == "onnx" and report["check_frames"] == 3
    assert report["graphs"]["depth_model.onnx"]["max_relative_difference"] < 1e-3
    assert report["graphs"]["depth_model_int8.onnx"]["calibration_frames"] == 4
    assert "depth_model_any_size.onnx" not in report["graphs"]


def test_a_prediction_is_named_after_its_source(tmp_path, monkeypatch):
    (tmp_path / "some photos").mkdir()
    for number in range(2):
        write_jpeg(
            tmp_path / "some photos" / f"{number}.jpg",
            np.full((40, 72, 3), 100 * number, np.uint8),
            95,
        )
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # what a killed run left is removed
        parameters = {"source": "some photos", "tiff_every": 2}
        folders = predict_depth(small_model(), parameters, str(tmp_path / "work"), {})
        assert list(folders) == ["some_photos"]
        folder = folders["some_photos"]
        assert sorted(p.name for p in folder.iterdir()) == [
            "depth",
            "prediction.json",
            "side_by_side",
        ]
    with pytest.raises(UserError, match="predict.source=flight.mp4"):
        predict_depth(small_model(), {}, str(tmp_path / "work"), {})
    with pytest.raises(UserError, match="Did you mean 'predict.stride'"):
        predict_depth(small_model(), {"strid": 2}, str(tmp_path / "work"), {})


def test_films_of_one_name_keep_their_predictions(tmp_path):
    predictions = FoldersDataset(
        str(tmp_path / "out"), {"type": PathDataset, "manifest": "prediction.json"}
    )

    def predict(source):
        parameters = {"source": str(tmp_path / source), "side_by_side": False}
        made = predict_depth(small_model(), parameters, str(tmp_path / "w"), predictions.load())
        predictions.save(made)
        return list(made)

    for place in ("may", "june/may", "may/may"):
        (tmp_path / place / "DJI_1").mkdir(parents=True)
        image = np.full((40, 72, 3), 90, np.uint8)
        write_jpeg(tmp_path / place / "DJI_1" / "0.jpg", image, 95)
    assert predict("may/DJI_1") == ["DJI_1"]
    assert predict("june/may/DJI_1") == ["may_DJI_1"]
    assert predict("may/may/DJI_1") == ["may_may_DJI_1"]
    assert predict("may/DJI_1") == ["DJI_1"]  # once more: its own folder
    assert len(predictions.load()) == 3


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("flight.mp4", "flight"),
        ("My flight (2).MP4", "My_flight_(2)"),
        ("rural/scene_1/video.mp4", "scene_1"),
        ("photos.of.may", "photos.of.may"),
        ("..hidden.mp4", "hidden"),
        ("é…è.mp4", "é_è"),
        ("___.mp4", "prediction"),
    ],
)
def test_folder_names_can_be_folders(source, name, tmp_path):
    path = tmp_path / source
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch() if path.suffix.lower() == ".mp4" else path.mkdir()
    assert folder_name(path) == name
