"""Nodes, and a slice of a pipeline on an in-memory catalog."""

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.worlds.flown_ground import straight, truly_seen, write_flight

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
    lists = split_domain("rural", {}, triplets, {"split": {"by": "time", "val": 0.2, "test": 0.2}})
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
    lists = split_domain("rural", {}, triplets, {"split": split})
    assert {scene for scene, _ in lists.splits["train"]} == {"a"}
    assert {scene for scene, _ in lists.splits["test"]} == {"b"}
    assert lists.splits["val"] == []


def test_a_domain_may_be_for_testing_alone(triplets) -> None:
    lists = split_domain("rural", {}, triplets, {"split": {"test_domains": ["rural"]}})
    assert {scene for scene, _ in lists.splits["test"]} == {"a", "b"}
    assert lists.splits["train"] == lists.splits["val"] == []


def test_a_slice_of_the_pipeline_runs_on_an_in_memory_catalog(triplets, monkeypatch) -> None:
    monkeypatch.setattr(domains, "configured_domains", lambda: ["rural", "urban"])
    content = {
        "rural.domain": "rural",
        "rural.frames": {},
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


def test_lists_say_how_they_were_made_and_where_frames_lie(tmp_path) -> None:
    data = {kind: FoldersDataset(str(tmp_path / kind)) for kind in ("frames", "triplets")}
    flights = {"a": straight(1500.0, 6.0), "b": straight(1500.0, 6.0, start=(0.0, 2000.0))}
    for name, flight in flights.items():
        frames, triplets = write_flight(flight, tmp_path / name)
        for target in flight.targets:
            (triplets / f"{target:06d}.jpg").touch()
        write_manifest(frames, "frames", {"origin": {"latitude": 47.0, "longitude": 8.0}})
        write_manifest(triplets, "triplets", {"span": 2})
        data["frames"].save({name: frames})
        data["triplets"].save({name: triplets})
    lists = split_domain("rural", data["frames"].load(), data["triplets"].load(), {})
    assert lists.record.by == "ground" and lists.record.ground_seen == 0
    assert truly_seen(flights, lists.splits["test"], lists.splits["train"]) <= 0.05
    assert set(lists.footprints["scene"]) == {"a", "b"} and len(lists.footprints) == 500
