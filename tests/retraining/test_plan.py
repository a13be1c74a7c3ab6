"""What is new tonight, what is held out, and what is replayed."""

import json

import pytest
from tests.worlds.flown_ground import lawnmower, straight, tables_of, truly_seen, write_flight

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.retraining.plan import (
    SceneRecord,
    plan_night,
    record_from_json,
    record_to_json,
    replayed,
    scenes_of_domain,
    write_lists,
)
from aerial_depth_pipeline.retraining.settings import NightlySettings
from aerial_depth_pipeline.triplets.ground import ground_of

A, B = SceneRecord("a1", [1, 2, 3], [], [5, 6]), SceneRecord("b1", [1, 2], [], [4])
HELD = SceneRecord("c1", [], [], [1, 2, 3])


def test_a_block_is_cut_from_scenes_that_are_for_training_alone() -> None:
    splits = {
        "train": [("a", n) for n in range(40)] + [("b", 1), ("b", 2)],
        "val": [("v", 1)],
        "test": [("b", 9), ("c", 3)],
    }
    spans = {"a": 4, "b": 4, "c": 4, "v": 4}
    record = scenes_of_domain(
        "town", splits, {"a": "fa", "b": "fb", "c": "fc", "v": "fv"}, spans, 0.25
    )
    a = record["town/a"]
    assert (
        len(a.test) == 10
        and a.test == list(range(a.test[0], a.test[0] + 10))
        and a.fingerprint == "fa"
    )
    assert (
        all(abs(train - test) > 4 for train in a.train for test in a.test)
        and a.train[0] == 0
        and a.train[-1] == 39
    )
    assert record["town/b"] == SceneRecord("fb", [1, 2], [], [9])
    assert record["town/c"] == SceneRecord("fc", [], [], [3]) and record["town/v"].val == [1]
    assert record_from_json(json.loads(json.dumps(record_to_json(record)))) == record


def ground_of_flights(tmp_path, flights):
    folders = {scene: write_flight(flight, tmp_path / scene) for scene, flight in flights.items()}
    targets = {scene: flight.targets for scene, flight in flights.items()}
    return ground_of(*tables_of(folders), targets)


@pytest.mark.parametrize("again", [False, True])
def test_a_block_shares_no_ground_with_what_is_learned(tmp_path, again) -> None:
    flights = {"a": lawnmower(10, 1000.0, 8.0, 0.7)}
    if again:
        flights["b"] = straight(1000.0, 8.0, start=(30.0, 90.0))
    splits = {"train": [(s, t) for s, f in flights.items() for t in f.targets]}
    splits |= {"val": [], "test": []}
    names, spans = dict.fromkeys(flights, "f"), dict.fromkeys(flights, 2)
    ground = ground_of_flights(tmp_path, flights)
    record = scenes_of_domain("town", splits, names, spans, 0.15, ground)
    held, learned = (
        [(s, t) for s in flights for t in getattr(record[f"town/{s}"], part)]
        for part in ("test", "train")
    )
    assert truly_seen(flights, held, learned) <= 0.05
    assert all(record[f"town/{scene}"].test for scene in flights)
    assert len(record["town/a"].train) > 300


def test_a_night_knows_what_share_of_a_new_block_was_learned_before(tmp_path) -> None:
    flights = {"old": straight(1000.0, 8.0), "new": straight(1000.0, 8.0, start=(0.0, 5.0))}
    ground = ground_of_flights(tmp_path, flights)
    old = SceneRecord("1", [*flights["old"].targets, 999])  # one that is in no list now
    new = SceneRecord("2", flights["new"].targets[:60], [], flights["new"].targets[80:])
    learned = {"town/old": old}
    plan = plan_night("night", {"town/old": old, "town/new": new}, "3", learned, {})
    assert 0.8 < plan.ground_learned_before("town", ground) < 1
    assert plan.ground_learned_before("countryside", ground) is None


def test_the_first_night_learns_everything() -> None:
    plan = plan_night("night", {"town/a": A, "town/c": HELD}, None, {}, {})
    assert plan.new == {"town/a": A} and plan.held_out == {"town/c": HELD} and not plan.old
    assert plan.record == {"town/a": A, "town/c": HELD}


def test_only_new_and_changed_scenes_are_learned_and_the_old_stay_as_they_were() -> None:
    changed = SceneRecord("a2", [7], [], [9])
    moved = SceneRecord("c1", [1, 2, 3], [], [])  # other lists, the same footage: still held out
    plan = plan_night(
        "night",
        {"town/a": changed, "town/b": B, "town/c": moved},
        "3",
        {"town/a": A, "town/c": HELD},
        {},
    )
    assert plan.new == {"town/a": changed, "town/b": B}
    assert plan.old == {"town/c": HELD}
    assert plan.record == {"town/a": changed, "town/b": B, "town/c": HELD}
    assert plan.targets(plan.old, "test") == {"town": {"c": {1, 2, 3}}}


def test_nothing_new() -> None:
    plan = plan_night("night", {"town/a": A}, "3", {"town/a": A, "town/gone": B}, {})
    assert not plan.new and not plan.waiting and plan.old == {"town/a": A}
    assert plan.record["town/gone"] == B  # footage that comes back is not learned twice


def test_refused_scenes_wait_until_they_change_or_are_asked_for() -> None:
    now, refused = {"town/a": A, "town/b": B}, {("town/b", "b1"): "7"}
    plan = plan_night("night", now, "3", {"town/a": A}, refused)
    assert not plan.new and "version 7" in plan.waiting["town/b"]
    assert set(plan_night("night", now, "3", {"town/a": A}, refused, retry_refused=True).new) == {
        "town/b"
    }
    mended = {"town/a": A, "town/b": SceneRecord("b2", [1], [], [4])}
    assert set(plan_night("night", mended, "3", {"town/a": A}, refused).new) == {"town/b"}


def test_a_first_night_that_was_refused_is_repeated_only_with_something_new() -> None:
    refused = {("town/a", "a1"): "1"}
    assert not plan_night("night", {"town/a": A}, None, {}, refused).new
    assert set(plan_night("night", {"town/a": A, "town/b": B}, None, {}, refused).new) == {
        "town/a",
        "town/b",
    }


def test_a_scene_that_was_learned_is_never_kept_for_measuring() -> None:
    plan = plan_night("night", {"town/a": SceneRecord("a2", [], [], [1])}, "3", {"town/a": A}, {})
    assert not plan.new and not plan.held_out


def test_replay_is_the_set_share_and_repeats() -> None:
    old = [("town/a", n) for n in range(100)]
    assert len(replayed(old, 30, NightlySettings(replay=0.25))) == 10
    assert len(replayed(old, 300, NightlySettings(replay=0.5))) == 100
    assert replayed(old, 30, NightlySettings(replay=0.0)) == []
    assert replayed(old, 30, NightlySettings()) == replayed(old[::-1], 30, NightlySettings())
    assert replayed(old, 30, NightlySettings()) != replayed(old, 30, NightlySettings(seed=1))


def test_lists_stand_beside_links_to_the_scenes(tmp_path) -> None:
    folders = {}
    for domain, scenes in {"town": ["a", "b"], "rural": ["r"]}.items():
        folders[domain] = tmp_path / "data" / domain
        for scene in scenes:
            (folders[domain] / scene).mkdir(parents=True)
            (folders[domain] / scene / "000001.jpg").write_bytes(b"x")
        (folders[domain] / "poses.parquet").write_bytes(b"poses")
    rural = SceneRecord("r1", [1], [2], [3])
    plan = plan_night(
        "night",
        {"town/a": A, "town/b": B, "rural/r": rural},
        "3",
        {"town/a": A, "rural/r": rural},
        {},
    )
    written = write_lists(plan, folders, tmp_path / "lists", NightlySettings(replay=0.5))
    lines = (written["town"] / "train.txt").read_text().splitlines()
    assert {"b 000001", "b 000002"} <= set(lines) and not {"a 000005", "b 000004"} & set(lines)
    total = sum(len((folder / "train.txt").read_text().splitlines()) for folder in written.values())
    assert total == 4  # two new triplets and as many old ones
    assert (written["town"] / "b" / "000001.jpg").read_bytes() == b"x"
    assert (written["town"] / "poses.parquet").read_bytes() == b"poses"
    again = write_lists(plan, folders, tmp_path / "lists", NightlySettings(replay=0.5))
    assert (again["town"] / "train.txt").read_text().splitlines() == lines
    with pytest.raises(UserError, match="'town' is not among"):
        write_lists(plan, {}, tmp_path / "none", NightlySettings())
