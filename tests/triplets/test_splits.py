"""Splits that do not leak."""

import pytest

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.triplets.settings import SplitSettings
from aerial_depth_pipeline.triplets.splits import check_named_scenes, split_triplets


def test_one_scene_is_cut_into_blocks_of_time_that_share_no_frame():
    frames = list(range(10, 310, 3))
    parts = split_triplets({"a": frames}, {"a": 24}, SplitSettings()).parts
    train, val, test = ([frame for _, frame in parts[part]] for part in ("train", "val", "test"))
    assert len(val) == len(test) == 10
    before, after = [f for f in train if f < val[0]], [f for f in train if f > test[-1]]
    for one, other in ((before, val), (val, test), (test, after)):
        assert (
            24 < other[0] - one[-1] <= 24 + 3
        )  # the last source of one lies before the first of the other, and no target is wasted
    assert before == frames[: len(before)] and after == frames[-len(after) :]
    assert abs(len(before) - len(after)) < 12  # what is measured lies in the middle


def test_blocks_share_no_frame_whatever_the_steps():
    frames = [0, 1, 2, 3, 50, 51, 52, 60, 61, 90, 91, 92, 93, 94, 120, 180, 181, 182, 300, 301]
    parts = split_triplets(
        {"a": frames}, {"a": 30}, SplitSettings(by="time", val=0.2, test=0.2)
    ).parts
    members = {
        part: {f + k for _, f in rows for k in range(-15, 16)} for part, rows in parts.items()
    }
    assert all(parts.values())
    assert (
        not members["train"] & members["val"]
        and not members["val"] & members["test"]
        and not members["train"] & members["test"]
    )


def test_many_scenes_are_split_whole_and_the_same_way_every_time():
    targets = {f"flight_{i}": list(range(50)) for i in range(10)}
    spans = dict.fromkeys(targets, 8)
    parts = split_triplets(targets, spans, SplitSettings()).parts
    scenes = {part: {scene for scene, _ in rows} for part, rows in parts.items()}
    assert len(scenes["train"]) == 8 and len(scenes["val"]) == len(scenes["test"]) == 1
    assert sum(map(len, parts.values())) == 500
    backwards = dict(reversed(targets.items()))
    assert parts == split_triplets(backwards, spans, SplitSettings()).parts


def test_named_scenes_go_where_they_are_named():
    targets = {"a": [1, 2], "b": [3], "c": [4]}
    parts = split_triplets(
        targets, dict.fromkeys(targets, 2), SplitSettings(val_scenes=["b"], test_scenes=["a"])
    ).parts
    assert parts == {"train": [("c", 4)], "val": [("b", 3)], "test": [("a", 1), ("a", 2)]}


def test_no_shares_means_everything_is_for_training():
    parts = split_triplets(
        {"a": [1, 2], "b": [3], "c": [5]}, dict.fromkeys("abc", 2), SplitSettings(val=0, test=0)
    ).parts
    assert len(parts["train"]) == 4 and not parts["val"] and not parts["test"]


def test_a_scene_too_short_for_blocks_is_for_training():
    parts = split_triplets({"a": [5, 6, 7, 8]}, {"a": 10}, SplitSettings()).parts
    assert [f for _, f in parts["train"]] == [5, 6, 7, 8]


def test_a_misspelt_scene_is_refused_with_the_closest_name():
    with pytest.raises(UserError, match=r"'nowhere', which has no triplets.*mean 'here'"):
        split_triplets(
            {"here": [1], "b": [2]}, {"here": 2, "b": 2}, SplitSettings(test_scenes=["nowhere"])
        )


@pytest.mark.parametrize("name", ["town_c", "town/town_c"])
def test_a_named_scene_may_lie_in_any_domain_but_must_have_triplets(name):
    split = SplitSettings(test_scenes=[name])
    check_named_scenes(split, {"town": ["town_c"], "countryside": []})
    with pytest.raises(UserError, match="scene_report.csv"):
        check_named_scenes(split, {"town": ["town_a"], "countryside": ["a"]})


def test_test_domains_are_those_of_globals():
    with pytest.raises(UserError, match="mean 'town'"):
        check_named_scenes(SplitSettings(test_domains=["twon"]), {"town": []})


def test_every_scene_may_be_for_testing():
    split = SplitSettings(test_scenes=["a", "b"])
    parts = split_triplets({"a": [1], "b": [2]}, {"a": 2, "b": 2}, split).parts
    assert parts == {"train": [], "val": [], "test": [("a", 1), ("b", 2)]}
