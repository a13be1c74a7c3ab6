"""Blocks of flights that share no ground, measured on the views that are truly cast."""

import logging
import time

import numpy as np
import pytest
from tests.worlds.flown_ground import (
    WIDTH,
    Flight,
    lawnmower,
    straight,
    tables_of,
    truly_seen,
    write_flight,
)

from aerial_depth_pipeline.triplets.ground import ground_of, groups_of
from aerial_depth_pipeline.triplets.settings import SplitSettings
from aerial_depth_pipeline.triplets.splits import split_triplets


def split_of(tmp_path, flights: dict[str, Flight], positions=True, recorded=None, **settings):
    folders = {s: write_flight(f, tmp_path / s, positions) for s, f in flights.items()}
    targets = {scene: flight.targets for scene, flight in flights.items()}
    ground = ground_of(*tables_of(folders, positions), targets)
    spans = dict.fromkeys(flights, 2)
    return split_triplets(targets, spans, SplitSettings(**settings), ground, recorded), ground


@pytest.mark.parametrize("pitch", [-90.0, -50.0])
@pytest.mark.parametrize(
    "flight",
    [lambda pitch: straight(1500.0, 6.0, pitch=pitch), lambda p: lawnmower(10, 1500, 8, 0.7, p)],
    ids=["straight", "lawnmower"],
)
def test_training_sees_at_most_a_twentieth_of_the_tested_ground(tmp_path, flight, pitch):
    flights = {"a": flight(pitch)}
    split, _ = split_of(tmp_path, flights)
    train, val, test = (split.parts[part] for part in ("train", "val", "test"))
    count = len(flights["a"].targets)
    assert len(test) == len(val) == round(0.1 * count) and len(train) > 0.3 * count
    assert truly_seen(flights, test, train) <= 0.05 and truly_seen(flights, val, train) <= 0.05
    assert truly_seen(flights, test, val) <= 0.05
    record = split.record
    assert record.by == "ground" and record.ground_seen == 0 and record.basis == ["positions"]
    assert record.left_out == count - len(train) - len(val) - len(test) > 0


def test_what_is_measured_of_a_cut_by_time_is_what_was_truly_seen(tmp_path):
    flights = {"a": lawnmower(10, 1500.0, 8.0, 0.7)}
    _, ground = split_of(tmp_path, flights)
    by_time = split_triplets({"a": flights["a"].targets}, {"a": 2}, SplitSettings()).parts
    truth = truly_seen(flights, by_time["test"], by_time["train"])
    assert truth > 0.9
    assert ground.seen(by_time["test"], by_time["train"]) == pytest.approx(truth, abs=0.05)


def test_without_positions_blocks_lie_an_image_apart_along_the_flight(tmp_path):
    flights = {"a": straight(15 * WIDTH, WIDTH / 12)}
    split, _ = split_of(tmp_path, flights, positions=False)
    blocks = [np.array([t for _, t in split.parts[part]]) for part in ("train", "val", "test")]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(blocks[one][:, None] - blocks[other]).min() > 12
    assert truly_seen(flights, split.parts["test"], split.parts["train"]) == 0
    assert split.record.basis == ["motion"] and "comes back" in split.record.sentence


def test_a_hovering_flight_is_cut_by_time_and_says_so(tmp_path, caplog):
    angle = np.linspace(0, 4 * np.pi, 120)
    hovering = Flight(8 * np.column_stack([np.cos(angle), np.sin(angle)]), 0 * angle)
    split, _ = split_of(tmp_path, {"a": hovering})
    assert split.record.by == "time" and split.record.ground_seen > 0.9 and split.parts["test"]
    assert "too short" in caplog.text and "training saw 100 % of the tested ground" in caplog.text


def test_flights_over_the_same_ground_stay_together(tmp_path, caplog):
    places = {"a": 0.0, "b": 3000.0, "c": 6000.0, "d": 9000.0}
    flights = {s: straight(400.0, 6.0, start=(x, 0.0)) for s, x in places.items()}
    flights["again"] = straight(400.0, 6.0, start=(3200.0, 10.0))
    for seed in range(6):
        split, _ = split_of(tmp_path / str(seed), flights, seed=seed, by="scene")
        assert split.record.together == [["again", "b"]]
        part_of = {scene: part for part, rows in split.parts.items() for scene, _ in rows}
        assert part_of["again"] == part_of["b"] and set(part_of) == set(flights)
        assert split.record.ground_seen == 0


def test_two_flights_over_the_same_ground_are_cut_as_one(tmp_path):
    flights = {"a": straight(1500.0, 6.0), "b": straight(1500.0, 6.0, start=(3.0, 5.0))}
    split, _ = split_of(tmp_path, flights)
    assert split.record.by == "ground" and split.record.together == [["a", "b"]]
    assert truly_seen(flights, split.parts["test"], split.parts["train"]) <= 0.05


def test_a_named_scene_is_honoured_with_a_warning_that_names_the_pair(tmp_path, caplog):
    flights = {"a": straight(400.0, 6.0), "b": straight(400.0, 6.0, start=(100.0, 0.0))}
    split, _ = split_of(tmp_path, flights, test_scenes=["a"])
    assert {scene for scene, _ in split.parts["test"]} == {"a"}
    assert {scene for scene, _ in split.parts["train"]} == {"b"}
    assert "'a' is for test and shares ground" in caplog.text and "b (7" in caplog.text
    truth = truly_seen(flights, split.parts["test"], split.parts["train"])
    assert split.record.ground_seen == pytest.approx(truth, abs=0.05)


def test_pieces_of_one_recording_stay_together(tmp_path, caplog):
    flights = {s: straight(400.0, 6.0) for s in ("DJI_0001", "DJI_0002", "x", "y", "z")}
    recorded = {"DJI_0001": (1e9, 1e9 + 66), "DJI_0002": (1e9 + 67, 1e9 + 99), "x": (2e9, 2e9 + 9)}
    recorded |= {"y": (3e9, 3e9 + 9), "z": None}
    with caplog.at_level(logging.INFO):
        split, _ = split_of(tmp_path, flights, False, recorded, by="scene")
    assert split.record.together == [["DJI_0001", "DJI_0002"]]
    assert "DJI_0001, DJI_0002 share ground or a recording" in caplog.text
    assert split.record.ground_seen is None and "not known" in split.record.sentence


def test_pieces_without_positions_are_cut_each(tmp_path):
    flights = {s: straight(15 * WIDTH, WIDTH / 12) for s in ("DJI_0001", "DJI_0002")}
    recorded = {"DJI_0001": (1e9, 1e9 + 66), "DJI_0002": (1e9 + 66, 1e9 + 99)}
    split, _ = split_of(tmp_path, flights, False, recorded)
    assert split.record.by == "ground" and split.record.ground_seen == 0
    assert {scene for scene, _ in split.parts["test"]} == set(flights)


def test_groups_are_those_that_pairs_join():
    assert groups_of(list("dcba"), [("a", "c"), ("c", "d")]) == [["a", "c", "d"], ["b"]]
    assert groups_of(["a"], [("a", "nowhere")]) == [["a"]]


@pytest.mark.slow
def test_an_hour_of_flight_takes_seconds(tmp_path):
    flight = lawnmower(40, 1500.0, 6.0, 0.7)
    folders = {"a": write_flight(flight, tmp_path)}
    targets = {"a": flight.targets}
    start = time.process_time()
    ground = ground_of(*tables_of(folders), targets)
    split = split_triplets(targets, {"a": 2}, SplitSettings(), ground)
    assert len(flight.targets) > 9900 and split.record.ground_seen == 0
    assert time.process_time() - start < 20
