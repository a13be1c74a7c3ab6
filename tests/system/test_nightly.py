"""Nights: new scenes, nothing new, a poisoned scene; killed at any moment; rolled back."""

import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import av
import mlflow
import pytest

from .conftest import SMALL
from .test_killed import wait_for

pytestmark = pytest.mark.slow

NAME = "aerial_depth"
TOLD = """
import json, os, pathlib, sys
facts = {name: value for name, value in os.environ.items() if name.startswith("AERIAL_NIGHT_")}
with pathlib.Path(sys.argv[1]).open("a") as stream:
    stream.write(json.dumps(facts) + "\\n")
"""
# Nothing is held out by the lists: the nights cut their own blocks. Triplets are taken without
# asking geometry, so that a shuffled scene reaches the training; with the usual thresholds it gives
# no triplet at all.
PARAMETERS = {
    **SMALL,
    "simulate": {},
    "triplets": {
        "width": 96,
        "height": 64,
        "frame_offset": 1,
        "min_inliers": 0,
        "split": {"by": "time", "val": 0.0, "test": 0.0},
    },
    "train": {
        **SMALL["train"],
        "steps": 12,
        "learning_rate": 3e-4,
        "threads": 1,
        "pose": {"minimum_inliers": 8},
        # The surface through a flight's own points needs no night to learn it.
        "network": {"start": "level_ground"},
    },
}


class Service:
    """A project whose nights are simulated, and the registry behind it."""

    def __init__(self, project, made: Path) -> None:
        self.project, self.made = project, made
        self.data = project.folder / "data"
        script = project.folder / "told.py"
        script.write_text(TOLD)
        self.told_file = project.folder / "told.jsonl"
        nightly = {
            "steps": 40,
            "learning_rate": 5e-4,
            "hold_out": 0.4,
            "minimum_images": 3,
            "minimum_scenes": 1,
            # The flights have heights of their own.
            "keep_metres": False,
            # Three images after seconds of training say little about the old scene
            "tolerance": 0.25,
            "first_must_beat": "none",
            "command": f"{sys.executable} {script} {self.told_file}",
        }
        project.configure("night", ["town"], {**PARAMETERS, "nightly": nightly})

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(f"sqlite:///{self.project.folder / 'mlflow.db'}")

    def add(self, scene: str) -> None:
        """A scene of the other tests; its frames and ground truth serve here as well."""
        for layer in ("01_raw", "02_intermediate", "03_primary"):
            shutil.copytree(self.made / layer / "town" / scene, self.data / layer / "town" / scene)

    def night(self, *arguments: str) -> tuple[int, str]:
        process = self.project.start("run", "--env=night", "--pipelines=nightly", *arguments)
        output, _ = process.communicate(timeout=600)
        return process.returncode, output

    def champion(self) -> int:
        return int(self.client.get_model_version_by_alias(NAME, "champion").version)

    def versions(self) -> dict[int, dict[str, str]]:
        return {
            int(version.version): version.tags
            for version in self.client.search_model_versions(f"name = '{NAME}'")
        }

    def told(self) -> list[str]:
        return [
            json.loads(line)["AERIAL_NIGHT_OUTCOME"]
            for line in self.told_file.read_text().splitlines()
        ]

    def report(self) -> Path:
        return sorted(
            path
            for path in (self.data / "08_reporting" / "nightly").iterdir()
            if path.name != "nothing_new"
        )[-1]


def shuffle_frames(scene: Path, shuffled: Path) -> None:
    """The scene's pictures in random order; its depth maps stay with their pictures."""
    shutil.copytree(scene, shuffled, ignore=shutil.ignore_patterns("depth", "*.SRT", "poses.csv"))
    with av.open(scene / "video.mp4") as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    order = random.Random(1).sample(range(len(frames)), len(frames))
    with av.open(shuffled / "video.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        for index in order:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frames[index], format="rgb24")))
        container.mux(stream.encode())
    (shuffled / "depth").mkdir()
    for path in (scene / "depth").iterdir():
        shutil.copy(path, shuffled / "depth" / f"{order.index(int(path.stem)):06d}{path.suffix}")


@pytest.fixture(scope="module")
def service(finished_project, tmp_path_factory) -> Service:
    """After the first night, which learned one scene."""
    from .conftest import Project

    service = Service(
        Project(tmp_path_factory.mktemp("nights") / "project"), finished_project.folder / "data"
    )
    service.add("town_a")
    code, output = service.night()
    assert code == 0, output[-4000:]
    assert service.champion() == 1 and service.told() == ["promoted"] and "first champion" in output
    return service


def test_nights_are_killed_in_every_phase_and_the_next_one_promotes(service) -> None:
    service.add("town_b")
    work, reporting = service.data / ".work" / "nightly", service.data / "08_reporting" / "nightly"
    shutil.rmtree(work / "challenger")
    nights = len(list(reporting.iterdir()))
    last = service.data / "06_models" / "checkpoints" / "nightly" / "last.pt"
    before = last.stat().st_mtime_ns
    moments = {
        "while scenes are prepared": (
            service.data / ".work" / "triplets" / "town" / "town_b"
        ).is_dir,
        "while the challenger learns": lambda: last.stat().st_mtime_ns > before,
        "while the challenger is measured": (work / "challenger" / "model.json").is_file,
        "between the report and the promotion": lambda: len(list(reporting.iterdir())) > nights,
    }
    for moment, reached in moments.items():
        process = service.project.start("run", "--env=night", "--pipelines=nightly")
        assert wait_for(process, reached), f"{moment}: {process.communicate()[0][-4000:]}"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL and service.champion() == 1, moment
    code, output = service.night()
    assert code == 0, output[-4000:]
    assert "is taken as it is" in output  # what a killed night had learned is not learned again
    champion = service.champion()
    tags = service.versions()[champion]
    assert (
        champion == max(service.versions())
        and tags["parent"] == "1"
        and tags["decision"] == "promote"
        and tags["data.fingerprint"]
    )
    content = json.loads((service.report() / "night.json").read_text())
    assert (
        content["new"] == ["town/town_b"]
        and content["figures"]["new"]["high"] < -0.02
        and content["figures"]["old"]["images"] >= 3
    )
    page = (service.report() / "night.html").read_text()
    assert "takes the place of version 1" in page and "data:image" in page and "://" not in page
    assert "town/town_b" in (service.report() / "night.md").read_text()
    assert service.told() == ["promoted", "promoted"]


def test_nothing_new_ends_at_once_and_a_busy_night_is_left_alone(service) -> None:
    before = (service.champion(), service.versions())
    first = service.project.start("run", "--env=night", "--pipelines=nightly")
    assert wait_for(
        first, lambda: (service.data / ".work" / "nightly" / "lock").read_text() == str(first.pid)
    )
    first.send_signal(signal.SIGSTOP)
    code, output = service.night()
    assert (
        code == 75
        and "Another night is at work" in output
        and f"process {first.pid}" in output
        and "Traceback" not in output
    )
    first.send_signal(signal.SIGCONT)
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0 and "Nothing new to learn" in output and "Training" not in output
    assert (service.champion(), service.versions()) == before
    assert service.told()[-1] == "nothing_new" and len(service.told()) == 3


def test_a_poisoned_scene_is_refused_and_waits(service) -> None:
    champion = service.champion()
    shuffle_frames(
        service.made / "01_raw" / "town" / "town_c", service.data / "01_raw" / "town" / "shuffled"
    )
    # At the usual tolerance: against a champion of a few seconds, shuffled frames may well win on
    # three images of their own.
    code, output = service.night("--params=nightly.tolerance=0.02")
    assert code == 3, output[-4000:]
    assert "is refused" in output and "Traceback" not in output
    assert service.champion() == champion and service.told()[-1] == "refused"
    refused = max(service.versions())
    assert refused > champion and service.versions()[refused]["decision"] in ("refuse", "stopped")
    runs = service.client.search_runs(["1"], order_by=["attributes.start_time DESC"])
    assert runs[0].info.status == "FINISHED" and runs[0].data.tags["night.outcome"] == "refuse"
    # The next night leaves it alone; prediction uses the champion, until it is rolled back.
    source = service.data / "02_intermediate" / "town" / "town_a" / "frames" / "000000.jpg"
    output = service.project.kedro(
        "run", "--env=night", "--pipelines=nightly,predict", f"--params=predict.source={source}"
    )
    assert (
        "set aside: town/shuffled" in output
        and f"The model is version {champion} of '{NAME}', the champion." in output
    )
    output = service.project.kedro("run", "--env=night", "--pipelines=rollback")
    assert f"Version 1 of '{NAME}' is in service again, in place of version {champion}." in output
    assert service.champion() == 1 and service.versions()[champion]["decision"] == "rolled back"
