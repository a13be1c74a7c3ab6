"""Nodes, and a slice of a pipeline on an in-memory catalog."""

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from aerial_depth_pipeline.datasets.folders import FoldersDataset, write_manifest
from aerial_depth_pipeline.pipelines import domains
from aerial_depth_pipeline.pipelines.triplets import create_pipeline
from aerial_depth_pipeline.pipelines.triplets.nodes import split_domain


@pytest.fixture
def triplets(tmp_path):
    """Two scenes of forty triplets each, as the step leaves them."""
    data = FoldersDataset(str(tmp_path / "triplets"))
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        for frame in range(2, 42):
            (folder / f"{frame:06d}.jpg").touch()
        poses = pd.DataFrame(
            {"frame": np.arange(2, 42), "source_frame": np.arange(40), "origin": "two_view"}
        )
        poses.to_parquet(folder / "poses.parquet")
        write_manifest(folder, f"fingerprint of {name}", {"span": 4})
        data.save({name: folder})
    return data.load()


def test_blocks_of_time_keep_a_gap(triplets) -> None:
    lists = split_domain("rural", triplets, {"split": {"by": "time", "val": 0.2, "test": 0.2}})
    frames = {
        split: {frame for scene, frame in pairs if scene == "a"}
        for split, pairs in lists.splits.items()
    }
    assert all(frames.values())
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert min(abs(a - b) for a in frames[one] for b in frames[other]) > 4
    assert set(lists.poses.scene) == {"a", "b"}
    assert lists.scene_fingerprints == {"a": "fingerprint of a", "b": "fingerprint of b"}


def test_scenes_are_named_per_domain(triplets) -> None:
    split = {"by": "scene", "val": 0.0, "test": 0.0}
    split |= {"val_scenes": ["urban/x"], "test_scenes": ["rural/b"]}
    lists = split_domain("rural", triplets, {"split": split})
    assert {scene for scene, _ in lists.splits["train"]} == {"a"}
    assert {scene for scene, _ in lists.splits["test"]} == {"b"}
    assert lists.splits["val"] == []


def test_a_domain_may_be_for_testing_alone(triplets) -> None:
    lists = split_domain("rural", triplets, {"split": {"test_domains": ["rural"]}})
    assert {scene for scene, _ in lists.splits["test"]} == {"a", "b"}
    assert lists.splits["train"] == lists.splits["val"] == []


def test_a_slice_of_the_pipeline_runs_on_an_in_memory_catalog(triplets, monkeypatch) -> None:
    monkeypatch.setattr(domains, "configured_domains", lambda: ["rural", "urban"])
    content = {
        "rural.domain": "rural",
        "rural.triplets": triplets,
        "params:triplets": {"split": {"by": "time", "val": 0.2, "test": 0.2}},
    }
    catalog = DataCatalog({name: MemoryDataset(data) for name, data in content.items()})
    of_rural = create_pipeline().filter(node_namespaces=["rural"])
    results = SequentialRunner().run(of_rural.only_nodes("rural.split_triplets"), catalog)
    assert list(results) == ["rural.triplet_lists"]
    lists = results["rural.triplet_lists"].load()
    assert {scene for scene, _ in lists.splits["train"]} == {"a", "b"}
    assert lists.scene_fingerprints == {"a": "fingerprint of a", "b": "fingerprint of b"}
