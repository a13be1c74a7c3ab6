"""A flight on schedule: hovering, turning on the spot, blur, exposure, a cut and frozen frames are
found, each with its reason."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from tests.worlds.footage import CAMERA, flight_pose

from aerial_depth_pipeline.capture.frame_writer import frame_table
from aerial_depth_pipeline.capture.selection import FrameRecord, select, sharpness, thin_out
from aerial_depth_pipeline.capture.settings import FrameExtractionSettings
from aerial_depth_pipeline.capture.sources.source import SourceFrame
from aerial_depth_pipeline.sfm.views import choose_views


@dataclass
class Schedule:
    """Frames with what happens in them."""

    world: object
    random: np.random.Generator
    images: list[np.ndarray] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    x: float = -60.0
    y: float = 0.0
    heading: float = 0.0

    def add(self, label: str, image: np.ndarray) -> None:
        noisy = image + self.random.normal(0, 2.0, image.shape)  # a sensor's noise
        self.images.append(np.clip(noisy, 0, 255).astype(np.uint8))
        self.labels.append(label)

    def see(self) -> np.ndarray:
        # A gimbal is never quite still.
        shake = self.random.normal(0, 0.0002, 2)
        return self.world.render(
            flight_pose(self.x, self.y, 40, self.heading + shake[0], 60 + np.degrees(shake[1]))
        )[0]

    def fly(self, frames: int, label: str = "", change=lambda image: image) -> None:
        for _ in range(frames):
            self.x += 0.45 * np.cos(self.heading)
            self.y += 0.45 * np.sin(self.heading)
            self.heading += 0.002
            self.add(label, change(self.see()))

    def hover(self, frames: int) -> None:
        start = self.x, self.y
        for _ in range(frames):
            self.x, self.y = start + self.random.normal(0, 0.01, 2)
            self.add("hovering", self.see())

    def turn(self, frames: int) -> None:
        for _ in range(frames):
            self.heading += np.radians(1.2)
            self.add("rotation", self.see())

    def freeze(self, frames: int) -> None:
        still = self.images[-1]
        for _ in range(frames):
            self.images.append(still)
            self.labels.append("duplicate")


def _motion_blur(image: np.ndarray) -> np.ndarray:
    return cv2.filter2D(image, -1, np.full((1, 9), 1 / 9))


@pytest.fixture(scope="module")
def schedule(world) -> Schedule:
    s = Schedule(world, np.random.default_rng(1))
    s.fly(30)
    s.hover(25)
    s.fly(25)
    s.turn(20)
    s.fly(25)
    s.fly(6, "blur", _motion_blur)
    s.fly(20)
    s.fly(1, "exposure", lambda image: cv2.convertScaleAbs(image, alpha=1.6))
    s.fly(20)
    s.cuts.append(len(s.images))
    s.x, s.y, s.heading = 20.0, 60.0, 2.0
    s.fly(25)
    s.freeze(6)
    s.fly(15)
    return s


def _select(
    images: list[np.ndarray],
    settings: FrameExtractionSettings,
    focal: float | None = CAMERA.K[0, 0] / CAMERA.width,
):
    frames = (SourceFrame(i, i / 15, image) for i, image in enumerate(images))
    return list(select(frames, settings, focal, True, set()))


@pytest.mark.parametrize(
    "focal", [CAMERA.K[0, 0] / CAMERA.width, None], ids=["known camera", "unknown camera"]
)
def test_every_interval_is_found_with_its_reason(schedule, focal):
    rows = _select(schedule.images, FrameExtractionSettings(), focal)
    assert len(rows) == len(schedule.images)
    found = np.array([row.reason for row in rows])
    truth = np.array(schedule.labels)
    figures = {}
    for label in ("hovering", "rotation", "blur", "exposure", "duplicate"):
        right = ((found == label) & (truth == label)).sum()
        wrong = ((found == label) & (truth != label)).sum()
        figures[label] = right / max(right + wrong, 1), right / (truth == label).sum()
    assert all(recall >= 0.8 for _, recall in figures.values()), figures
    assert all(precision >= 0.8 for precision, _ in figures.values()), figures
    segments = np.array([row.segment for row in rows])
    starts = np.flatnonzero(np.diff(segments)) + 1
    assert any(abs(start - schedule.cuts[0]) <= 1 for start in starts)
    assert len(starts) <= 2  # the cut, and perhaps the view lost in turning
    plain = (truth == "") & np.array([row.kept for row in rows])
    assert plain.sum() >= 0.8 * (truth == "").sum()  # what is good is kept


@pytest.mark.parametrize("noise", [0, 3])
def test_blur_in_any_direction_shows_through_noise(world, noise):
    random = np.random.default_rng(0)

    def seen(image: np.ndarray) -> float:
        noisy = np.clip(
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) + random.normal(0, noise, image.shape[:2]),
            0,
            255,
        )
        return sharpness(noisy.astype(np.uint8))

    for x in range(-8, 9, 4):
        view = world.render(flight_pose(x, 10 * x, 40 + 2 * x))[0]
        for blurred in (
            _motion_blur(view),
            cv2.filter2D(view, -1, np.full((9, 1), 1 / 9)),
            cv2.GaussianBlur(view, (0, 0), 2.5),
        ):
            assert seen(blurred) < 0.6 * seen(view)
        darker = cv2.convertScaleAbs(view, alpha=0.7)
        assert seen(darker) == pytest.approx(seen(view), rel=0.1)  # exposure is not sharpness
    assert sharpness(np.full((50, 50), 9, np.uint8)) == 0


def test_black_and_empty_frames_are_no_cuts(world):
    images = [world.render(flight_pose(0.5 * i))[0] for i in range(10)]
    images[4] = np.zeros_like(images[4])
    images[5] = np.full_like(images[5], 128)
    rows = _select(images, FrameExtractionSettings())
    assert [row.reason for row in rows[4:6]] != ["", ""] and not rows[4].kept and not rows[5].kept
    assert {row.segment for row in rows if row.kept} == {0}


def test_brightness_that_stays_starts_a_segment(world):
    images = [world.render(flight_pose(0.5 * i))[0] for i in range(20)]
    images[10:] = [cv2.convertScaleAbs(image, alpha=1.5) for image in images[10:]]
    rows = _select(images, FrameExtractionSettings())
    assert rows[10].reason == "exposure" and rows[11].kept
    assert {row.segment for row in rows[:10]} == {0} and {row.segment for row in rows[11:]} == {1}


def test_frames_with_known_depth_are_kept_though_close(world):
    images = [world.render(flight_pose(0.02 * i))[0] for i in range(30)]
    frames = (SourceFrame(i, i / 15, image) for i, image in enumerate(images))
    rows = list(select(frames, FrameExtractionSettings(), 0.8, True, {7, 21}))
    assert rows[7].kept and rows[21].kept


def test_memory_is_given_back(world):
    image = world.render(flight_pose(0))[0]
    rows = _select([image] * 60, FrameExtractionSettings())
    assert sum(row.gray.size > 0 for row in rows) <= 3


def test_thinning_keeps_known_depth():
    rows = [FrameRecord(i, i / 10, "", None, kept=True) for i in range(100)]
    dropped = thin_out(rows, 20, {13, 14, 77})
    kept = [row.frame for row in rows if row.kept]
    assert len(kept) == 20 and {13, 14, 77} <= set(kept) and len(dropped) == 80
    assert all(row.reason == "thinned out" for row in dropped)


def _hour() -> list[FrameRecord]:
    """An hour of flight, its kept frames 0.012 widths apart, with a cut in the middle."""
    rows = [
        FrameRecord(i, i / 15, "", None, kept=i % 3 == 0, motion=0.012, segment=i // 27000)
        for i in range(54000)
    ]
    rows[0].motion = rows[27000].motion = float("nan")
    return rows


def test_thinning_keeps_the_neighbours_of_triplets():
    rows = _hour()
    assert len(thin_out(rows, 2000, set())) == 16000
    kept = [row for row in rows if row.kept]
    assert len(kept) == 2000
    lengths = np.unique([row.segment for row in kept], return_counts=True)[1]
    assert np.median(lengths) >= 30  # room for triplets at an offset of five on either side
    assert sum(max(0, length - 10) for length in lengths) > 1500  # frames that can be targets
    assert (
        np.diff([0, *(row.frame for row in kept), 54000]).max() < 54000 / 15
    )  # all over the flight
    for first, second in zip(kept, kept[1:], strict=False):
        if first.segment == second.segment:
            assert second.motion == 0.012 and second.frame - first.frame == 3


def test_motion_accumulates_over_what_was_thinned_out():
    rows = _hour()
    way = {row.frame: 0.012 * row.frame / 3 for row in rows}
    thin_out(rows, 2000, set())
    kept = [row for row in rows if row.kept]
    for first, second in zip(kept, kept[1:], strict=False):
        if first.frame < 27000 <= second.frame:
            continue  # the cut
        assert second.motion == pytest.approx(way[second.frame] - way[first.frame])


def test_views_of_an_hour_overlap():
    rows = _hour()
    rows[27000].motion = 0.012
    thin_out(rows, 2000, set())
    nothing = np.zeros((54000, 3))
    table = frame_table(rows, nothing, nothing[:, 0], nothing, nothing[:, 0])
    views = choose_views(table[table["kept"]], 36, 0.15)
    assert len(views) == 36 and np.diff(views).max() / 3 * 0.012 <= 0.165
