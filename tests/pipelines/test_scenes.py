"""A bad scene is reported and left out, the others go on, unchanged ones are kept."""

import errno

import pytest

from aerial_depth_pipeline.datasets.folders import FoldersDataset, PathDataset
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.files import lock
from aerial_depth_pipeline.pipelines.scenes import check_something_is_left, process_scenes


@pytest.fixture(params=[1, 2], ids=["one at a time", "two at once"])
def world(request, tmp_path):
    """A domain with three scenes, and a step that upper-cases their text."""
    for name in ("a", "b", "c"):
        (tmp_path / "raw" / name).mkdir(parents=True)
        (tmp_path / "raw" / name / "text").write_text(name)
    raw = FoldersDataset(str(tmp_path / "raw"), {"type": PathDataset, "manifest": None})
    out = FoldersDataset(str(tmp_path / "out"))
    computed = []

    def run(fail: dict[str, Exception] | None = None, parameter: int = 1) -> SceneReport:
        computed.clear()

        scenes = raw.load()

        def compute(name, folder, scratch):
            computed.append(name)
            (folder / "text").write_text((scenes[name].path / "text").read_text().upper())
            if fail and name in fail:
                raise fail[name]
            return {"letters": 1}

        work, at_once = str(tmp_path / "work"), request.param
        steps = process_scenes(
            "shout",
            "rural",
            scenes,
            out.load(),
            work,
            compute,
            lambda name: [scenes[name].fingerprint, parameter],
            at_once,
        )
        for finished, report in steps:
            out.save(finished)
        return report

    run.raw, run.out, run.computed, run.folder = raw, out, computed, tmp_path
    return run


def test_good_scenes_are_published_and_then_kept(world) -> None:
    assert world().reasons == {"a": "", "b": "", "c": ""}
    assert (world.out.load()["b"].path / "text").read_text() == "B"
    report = world()
    assert world.computed == [] and report.complete and set(report.reasons) == {"a", "b", "c"}


def test_a_changed_scene_or_parameter_is_processed_again(world) -> None:
    world()
    (world.folder / "raw" / "b" / "text").write_text("changed")
    world()
    assert world.computed == ["b"]
    world(parameter=2)
    assert sorted(world.computed) == ["a", "b", "c"]


def test_a_bad_scene_is_left_out_with_its_reason_and_its_stale_result_goes(world) -> None:
    world()
    report = world(
        fail={"b": SceneError("text is mute; say something"), "c": ZeroDivisionError("oops")},
        parameter=2,
    )
    assert report.reasons == {
        "a": "",
        "b": "text is mute; say something",
        "c": "unexpected ZeroDivisionError: oops",
    }
    assert list(world.out.load()) == ["a"]


def test_a_full_disk_ends_the_run_with_a_sentence(world) -> None:
    with pytest.raises(UserError, match="disk is full.*rural/a"):
        world(fail={"a": OSError(errno.ENOSPC, "No space left on device")})


def test_a_second_run_of_the_same_step_leaves_with_a_sentence(world) -> None:
    held = lock(world.folder / "work" / "shout" / ".rural.lock")
    with pytest.raises(UserError, match="shout of rural is already under way in process"):
        world()
    held.close()
    assert world().reasons == {"a": "", "b": "", "c": ""}


def test_a_hostile_name_is_refused_and_the_others_go_on(world) -> None:
    (world.folder / "raw" / "my flight").mkdir()
    report = world()
    assert "without spaces" in report.reasons["my flight"]
    assert report.reasons["a"] == ""


def test_nothing_left_fails_with_reasons_only_if_no_domain_has_any() -> None:
    bad, good = SceneReport({"x": "video.mp4 is empty"}, True), SceneReport({"y": ""}, True)
    check_something_is_left(
        {("frame_extraction", "rural"): bad, ("frame_extraction", "urban"): good}
    )
    with pytest.raises(UserError, match="rural/x: video.mp4 is empty"):
        check_something_is_left({("frame_extraction", "rural"): bad})
    with pytest.raises(UserError, match="make demo"):
        check_something_is_left({("frame_extraction", "rural"): SceneReport()})
