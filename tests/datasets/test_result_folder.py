"""Folders of results are published whole."""

import json

import pytest

from aerial_depth_pipeline.datasets.result_folder import ResultFolderDataset


def made(folder, **content):
    folder.mkdir(parents=True)
    (folder / "graph.onnx").write_bytes(b"...")
    (folder / "export.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_one_folder_replaces_the_earlier_one(scheme, tmp_path):
    dataset = ResultFolderDataset(f"{scheme}{tmp_path}/06_models", "export.json", name="onnx")
    assert not dataset.exists()
    old = made(tmp_path / "work" / "anything", opset=1)
    (old / "left_over").touch()
    dataset.save(old)
    dataset.save(made(tmp_path / "work" / "anything", opset=2))
    assert dataset.exists() and dataset.load() == {"opset": 2}
    assert not (tmp_path / "work" / "anything").exists()
    if not scheme:
        assert sorted(p.name for p in (tmp_path / "06_models" / "onnx").iterdir()) == [
            "export.json",
            "graph.onnx",
        ]


def test_folders_of_several_sources_lie_beside_each_other(tmp_path):
    dataset = ResultFolderDataset(str(tmp_path / "out"), "export.json")
    for name in ("flight_1", "flight_2"):
        dataset.save(made(tmp_path / "work" / name, source=name))
    assert dataset.load() == {
        "flight_1": {"source": "flight_1"},
        "flight_2": {"source": "flight_2"},
    }
    assert not dataset.exists()  # none of them stands for the next source
    with pytest.raises(Exception, match="cannot be used"):
        dataset.save(made(tmp_path / "work" / "..bad"))
