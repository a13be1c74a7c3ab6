"""The scene report, triplet lists and files of Kedro's types."""

import pandas as pd
import pytest
from kedro.io import DatasetError

from aerial_depth_pipeline.datasets.atomic import AtomicDataset
from aerial_depth_pipeline.datasets.scene_report import SceneReport, SceneReportDataset
from aerial_depth_pipeline.datasets.triplet_lists import TripletLists, TripletListsDataset
from aerial_depth_pipeline.formats.split_record import SplitRecord


def test_each_step_writes_its_own_rows(tmp_path) -> None:
    path = str(tmp_path / "scene_report.csv")
    frames = SceneReportDataset(path, "rural", "frame_extraction")
    depth = SceneReportDataset(path, "rural", "ground_truth")
    assert not frames.exists()
    frames.save(SceneReport({"a": "", "b": "video.mp4 is empty, copy it again"}, complete=True))
    depth.save(SceneReport({"a": ""}, complete=True))
    table = pd.read_csv(path, keep_default_na=False)
    assert list(table.columns) == ["domain", "scene", "step", "status", "reason"]
    assert table.query("scene == 'b'").iloc[0].tolist() == [
        "rural",
        "b",
        "frame_extraction",
        "left out",
        "video.mp4 is empty, copy it again",
    ]
    assert table.query("scene == 'a'").status.tolist() == ["ok", "ok"]
    frames.save(SceneReport())  # the step starts again
    assert not frames.exists() and depth.exists()
    frames.save(SceneReport({"a": ""}, complete=True))
    assert frames.load().reasons == {"a": ""}


RECORD = SplitRecord("ground", 0.02, ["positions"], 12, [["a", "b"]])


def lists(fingerprint: str) -> TripletLists:
    poses = pd.DataFrame({"scene": ["a"], "frame": [3]})
    return TripletLists(
        {"train": [("a", 3), ("b", 14)], "val": [], "test": [("a", 9)]},
        poses,
        pd.DataFrame({"scene": ["a"], "frame": [3], "place": [0.5]}),
        RECORD,
        {"a": fingerprint, "b": "y"},
    )


@pytest.mark.parametrize("root", ["local", "memory://triplets"])
def test_triplet_lists(root, tmp_path) -> None:
    data = TripletListsDataset(
        str(tmp_path / "t") if root == "local" else root, "rural", cache=str(tmp_path / "cache")
    )
    assert not data.exists()
    assert data.load().splits == {"train": [], "val": [], "test": []}
    assert data.load().record is None
    data.save(lists("x"))
    loaded = data.load()
    assert loaded.splits == lists("x").splits
    assert (loaded.folder / "train.txt").read_text() == "a 000003\nb 000014\n"
    assert pd.read_parquet(loaded.folder / "poses.parquet").frame.tolist() == [3]
    assert loaded.record == RECORD and loaded.footprints.place.tolist() == [0.5]
    data.save(lists("z"))
    assert data.load().fingerprint != loaded.fingerprint


@pytest.mark.parametrize("root", ["local", "memory:///reports"])
def test_a_file_of_a_type_of_kedro_appears_whole_or_not_at_all(root, tmp_path) -> None:
    folder = str(tmp_path / "out") if root == "local" else root
    data = AtomicDataset(f"{folder}/table.csv", "pandas.CSVDataset")
    assert not data.exists()
    data.save(pd.DataFrame({"a": [1], "b": [2]}))
    assert data.exists() and data.load().b.tolist() == [2]
    with pytest.raises(DatasetError):
        data.save("no table")
    assert data.load().b.tolist() == [2]
    if root == "local":
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["table.csv"]
