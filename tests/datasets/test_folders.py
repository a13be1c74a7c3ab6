"""Folders are published whole, trusted only with their manifest, and work the same behind a URL."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import fsspec
import pytest

from aerial_depth_pipeline.datasets.folders import (
    MANIFEST,
    FoldersDataset,
    PathDataset,
    why_name_is_refused,
    write_manifest,
)


@pytest.fixture(params=["local", "memory"])
def root(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path / "frames")
    else:
        yield "memory://frames"
        fsspec.filesystem("memory").store.clear()


def dataset(root, tmp_path, **options) -> FoldersDataset:
    one = {"type": PathDataset, "cache": str(tmp_path / "cache"), **options}
    return FoldersDataset(root, one)


def finished(tmp_path, text: str, fingerprint: str) -> Path:
    folder = tmp_path / f"work-{fingerprint}"
    (folder / "frames").mkdir(parents=True)
    (folder / "frames" / "000000.txt").write_text(text)
    write_manifest(folder, fingerprint, {"frames": 1})
    return folder


def test_round_trip_replacement_and_removal(root, tmp_path) -> None:
    data = dataset(root, tmp_path)
    assert not data.exists() and len(data.load()) == 0
    data.save({"meadow": finished(tmp_path, "one", "a")})
    scene = data.load()["meadow"]
    assert (scene.fingerprint, scene.summary, scene.name) == ("a", {"frames": 1}, "meadow")
    assert (scene.path / "frames" / "000000.txt").read_text() == "one"
    data.save({"meadow": finished(tmp_path, "two", "b")})
    assert (data.load()["meadow"].path / "frames" / "000000.txt").read_text() == "two"
    assert not (tmp_path / "work-b").exists()
    data.save({"meadow": None})
    assert not data.exists()


def test_a_folder_without_manifest_is_no_result(root, tmp_path) -> None:
    data = dataset(root, tmp_path)
    data.save({"meadow": finished(tmp_path, "one", "a")})
    fsspec.core.url_to_fs(root)[0].rm(fsspec.core.url_to_fs(root)[1] + f"/meadow/{MANIFEST}")
    assert list(data.load()) == []
    raw = dataset(root, tmp_path, manifest=None)
    assert list(raw.load()) == ["meadow"]


def test_remote_footage_is_fetched_once_and_again_when_it_changed(tmp_path, monkeypatch) -> None:
    memory = fsspec.filesystem("memory")
    fetched = []
    get = memory.get
    monkeypatch.setattr(
        type(memory),
        "get",
        lambda self, *arguments, **options: fetched.append(1) or get(*arguments, **options),
    )
    try:
        memory.pipe_file("/raw/meadow/video.mp4", b"one")
        scene = dataset("memory://raw", tmp_path, manifest=None).load()["meadow"]
        first = scene.fingerprint
        assert (
            (scene.path / "video.mp4").read_bytes() == b"one"
            and scene.fingerprint == first
            and len(fetched) == 1
        )
        assert (
            dataset("memory://raw", tmp_path, manifest=None).load()["meadow"].fingerprint == first
            and len(fetched) == 1
        )
        memory.pipe_file("/raw/meadow/video.mp4", b"two")
        scene = dataset("memory://raw", tmp_path, manifest=None).load()["meadow"]
        assert (
            scene.fingerprint != first
            and (scene.path / "video.mp4").read_bytes() == b"two"
            and len(fetched) == 2
        )
    finally:
        memory.store.clear()


def test_raw_fingerprint_follows_content_not_time(tmp_path) -> None:
    raw = dataset(str(tmp_path), tmp_path, manifest=None)
    (tmp_path / "meadow").mkdir()
    video = tmp_path / "meadow" / "video.mp4"
    video.write_bytes(b"x" * 5_000_000)
    before = raw.load()["meadow"].fingerprint
    os.utime(video, (1, 1))
    (tmp_path / "meadow" / ".DS_Store").write_text("noise")
    assert raw.load()["meadow"].fingerprint == before
    with video.open("r+b") as stream:
        stream.seek(2_500_000)
        stream.write(b"y")
    assert raw.load()["meadow"].fingerprint != before


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "..", "with space", ".hidden", "", "a\nb", "-rf", "a..b"]
)
def test_names_that_could_escape_are_refused(name, tmp_path) -> None:
    assert why_name_is_refused(name)
    with pytest.raises(Exception, match="rename it"):
        dataset(str(tmp_path), tmp_path).save({name: None})


@pytest.mark.parametrize("name", ["DJI_0012", "straße", "飛行", "2026-05-03_a", "flight.2"])
def test_ordinary_names_are_accepted(name) -> None:
    assert why_name_is_refused(name) is None


def test_killed_while_publishing_leaves_nothing_that_is_trusted(tmp_path) -> None:
    script = textwrap.dedent(f"""
        import os, pathlib
        from aerial_depth_pipeline import files
        from aerial_depth_pipeline.datasets.folders import FoldersDataset, write_manifest
        folder = pathlib.Path({str(tmp_path)!r}) / "work"
        folder.mkdir(exist_ok=True)
        (folder / "new").write_text("new")
        real = os.rename
        def rename(a, b):
            if pathlib.Path(a) == folder:
                os.kill(os.getpid(), 9)
            real(a, b)
        os.rename = os.replace = rename
        write_manifest(folder, "b", {{}})
        FoldersDataset({str(tmp_path / "frames")!r}).save({{"meadow": folder}})
    """)
    data = FoldersDataset(str(tmp_path / "frames"))
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert list(data.load()) == []
    data.save({"meadow": finished(tmp_path, "one", "a")})
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert [scene.fingerprint for scene in data.load().values()] in ([], ["a"])


def made(folder, **content) -> Path:
    folder.mkdir(parents=True)
    (folder / "graph.onnx").write_bytes(b"...")
    (folder / "export.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_one_folder_replaces_the_earlier_one(scheme, tmp_path) -> None:
    data = PathDataset(f"{scheme}{tmp_path}/06_models/onnx", "export.json")
    assert not data.exists()
    old = made(tmp_path / "work" / "anything", opset=1)
    (old / "left_over").touch()
    data.save(old)
    data.save(made(tmp_path / "work" / "anything", opset=2))
    assert data.exists() and data.load().manifest == {"opset": 2}
    assert not (tmp_path / "work" / "anything").exists()
    names = sorted(path.name for path in data.load().path.iterdir())
    assert names == ["export.json", "graph.onnx"]


def test_no_folder_of_a_run_stands_for_the_next_run(tmp_path) -> None:
    one = {"type": PathDataset, "manifest": "export.json"}
    data = FoldersDataset(str(tmp_path / "out"), one, one_a_run=True)
    for name in ("flight_1", "flight_2"):
        data.save({name: made(tmp_path / "work" / name, source=name)})
    sources = {name: folder.manifest["source"] for name, folder in data.load().items()}
    assert sources == {"flight_1": "flight_1", "flight_2": "flight_2"}
    assert not data.exists()


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_a_file_is_moved_in_place(scheme, tmp_path) -> None:
    data = PathDataset(f"{scheme}{tmp_path}/out/flight.mp4", manifest=None)
    assert not data.exists()
    (tmp_path / "made.mp4").write_bytes(b"video")
    data.save(tmp_path / "made.mp4")
    assert data.exists() and not (tmp_path / "made.mp4").exists()
    assert data.load().path.read_bytes() == b"video"
