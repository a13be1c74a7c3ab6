"""Video through PyAV: any container and codec that FFmpeg decodes, each frame decoded once and
scaled while it is converted."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation

from aerial_depth_pipeline.capture.sources.drone_models import drone_in
from aerial_depth_pipeline.capture.sources.mp4_index import why_without_index
from aerial_depth_pipeline.capture.sources.source import (
    VIDEO_SUFFIXES,
    Recording,
    Source,
    SourceFrame,
    Wanted,
)
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.files import visible_files
from aerial_depth_pipeline.formats.deep_images import Range, stretch, value_range

_PACKETS_FOR_RATE = 60
_SAMPLED = 12  # frames that tell the range of values
_MOST_STRETCHED = 4.0  # pixels, whichever way; beyond it the statement is wrong


class VideoSource(Source):
    """A video file.

    Raises:
        SceneError: where the file is empty, is not a video, has no images, or is interlaced.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, kind="video")
        if path.stat().st_size == 0:
            raise SceneError(f"{path} is empty (0 bytes); copy it again from the camera.")
        first = self._first_frame()
        self._decoded_size = first.width, first.height
        on_its_side = first.rotation % 180 == 90
        shown = round(first.width * self._pixel_aspect), first.height
        self.width, self.height = shown[:: -1 if on_its_side else 1]
        if shown != self._decoded_size and not on_its_side:
            self.stored_size = self._decoded_size
        self.rotated = round(first.rotation / 90) % 4 != 0
        self._limits: Range | None = None
        if _deep_format(first) is not None:
            self._limits = value_range(self._samples(first))

    @property
    def recording(self) -> Recording:
        container, stream = self._open()
        with container:
            stated = {**stream.metadata, **container.metadata}.get("creation_time")
            duration = None if container.duration is None else container.duration / av.time_base
        try:
            start = None if stated is None else datetime.fromisoformat(stated).timestamp()
        except (ValueError, OverflowError, OSError):
            start = None
        return Recording(self.fps, start, duration)

    @classmethod
    def find(cls, raw: Path) -> "VideoSource | None":
        videos = visible_files(raw, VIDEO_SUFFIXES)
        named = [p for p in videos if p.stem.lower() == "video"]
        return cls.of_only_file(raw, named or videos, "videos")

    def _open(self) -> tuple["av.container.InputContainer", "av.VideoStream"]:
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            raise self._unreadable(_why(error)) from error
        cover = av.stream.Disposition.attached_pic
        streams = [s for s in container.streams.video if not s.disposition & cover]
        if not streams:
            others = ", ".join(sorted({s.type for s in container.streams if s.type != "data"}))
            container.close()
            if not others:  # FFmpeg takes some noise for a container
                raise self._unreadable("nothing in it is known to FFmpeg")
            raise SceneError(
                f"{self.path} has no images, only {others}; put the video itself there."
            )
        if streams[0].codec_context is None:
            container.close()
            raise self._unreadable("its codec is not known to FFmpeg")
        streams[0].thread_type = "AUTO"
        # Say so where data are damaged, instead of patching the image up silently.
        streams[0].codec_context.options = {"err_detect": "explode"}
        return container, streams[0]

    def _unreadable(self, reason: str) -> SceneError:
        return SceneError(
            why_without_index(self.path)
            or f"{self.path} cannot be opened as a video ({reason}); it is damaged, incomplete or"
            " something else: copy it again from the camera."
        )

    def _samples(self, first: av.VideoFrame) -> Iterator[np.ndarray]:
        """Frames with more than 8 bits, spread over the video, with the numbers that they have."""
        yield _deep_pixels(first, first.width, first.height)
        container, stream = self._open()
        with container:
            length = stream.duration or 0
            if not length and container.duration and stream.time_base:
                length = round(container.duration / av.time_base / stream.time_base)
            for part in range(1, _SAMPLED):
                try:
                    start = stream.start_time or 0
                    container.seek(start + length * part // _SAMPLED, stream=stream)
                    frame = next(_decode(container, stream, []), None)
                except (av.FFmpegError, OSError):
                    return  # decoding will say what is wrong
                if frame is not None:
                    yield _deep_pixels(frame, frame.width, frame.height)

    def _first_frame(self) -> av.VideoFrame:
        nominal = self._measure_rate()
        container, stream = self._open()
        with container:
            self._expected = stream.frames or 0
            steady = bool(nominal and self.fps and abs(nominal / self.fps - 1) < 0.05)
            if not self._expected and nominal and steady and stream.duration and stream.time_base:
                self._expected = round(float(stream.duration * stream.time_base) * nominal)
            aspect = float(stream.sample_aspect_ratio or 1)
            # Of pixels that are not square the width is scaled, as players do.
            self._pixel_aspect = aspect if 1 / _MOST_STRETCHED <= aspect <= _MOST_STRETCHED else 1.0
            for frame in _decode(container, stream, []):
                return frame
        raise SceneError(
            f"No frame of {self.path} can be decoded; it is damaged: copy it again from the camera."
        )

    def _measure_rate(self) -> float | None:
        """Set `fps` by the first packets' times, since what a container says may be its clock's
        rate; returns what it says."""
        container, stream = self._open()
        times: list[float] = []
        with container:
            rate = stream.average_rate or stream.guessed_rate
            try:
                for packet in container.demux(stream):
                    if packet.pts is not None:
                        times.append(float(packet.pts * packet.time_base))
                    if len(times) >= _PACKETS_FOR_RATE:
                        break
            except (av.FFmpegError, OSError):
                pass  # decoding will say what is wrong
        nominal = float(rate) if rate else None
        intervals = np.diff(np.unique(times))
        usual = float(np.median(intervals)) if len(intervals) else 0.0
        alike = np.abs(intervals - usual) < 0.15 * usual
        # Containers round times to milliseconds; intervals are longer where frames were lost.
        self._steady = len(intervals) > 0 and bool(alike.mean() > 0.8)
        self.fps = nominal
        if len(intervals):
            measured = intervals[alike] if self._steady else intervals
            self.fps = round(float(1 / measured.mean()), 3)
        if nominal and self.fps and abs(nominal / self.fps - 1) < 0.02:
            self.fps = nominal  # a steady rate, without the container's rounding of times
        return nominal

    def stated_focal_35mm(self) -> float | None:
        container, stream = self._open()
        with container:
            drone = drone_in("\n".join([*container.metadata.values(), *stream.metadata.values()]))
        return drone[1] if drone else None

    def frames(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        container, stream = self._open()
        damaged: list[str] = []
        numbering = _Numbering(self.fps)
        count = places = torn = 0
        smeared = False
        with container:
            # What was noted when a frame came out is that frame's, although the one after it is
            # looked at before it is handed on.
            decoded: Iterator[Any] = (
                (frame, len(damaged)) for frame in _decode(container, stream, damaged)
            )
            for (frame, noted), following in pairwise(chain(decoded, [None])):
                count += 1
                index, time = numbering.next(frame.time, noted + torn > 0)
                if frame.interlaced_frame:
                    raise SceneError(
                        f"{self.path} is interlaced, which mixes two moments in one frame; convert"
                        f" it with 'ffmpeg -i {self.path.name} -vf yadif=1 progressive.mp4' and use"
                        " that."
                    )
                # What was predicted from damaged frames is damaged as well, until a key frame
                # starts afresh.
                smeared = smeared or noted > places or frame.is_corrupt
                if frame.key_frame and not frame.is_corrupt:
                    smeared = False
                places = noted
                # Some decoders (HEVC) patch up the frame before a hole without a word.
                before_hole = following is not None and self._lies_apart(frame, following[0])
                torn += before_hole or frame.is_corrupt
                smeared = smeared or before_hole
                reason = "corrupt" if smeared else ""
                if not smeared and (frame.width, frame.height) != self._decoded_size:
                    reason = f"size {frame.width}x{frame.height}"
                if wanted(index):
                    image = None if reason else _upright_rgb(frame, width, height, self._limits)
                    yield SourceFrame(index, time, image, reason)
        if damaged or torn:
            kind = damaged[0] if damaged else "frames are lost or patched up by the decoder"
            self.warn(
                f"{self.path.name} is damaged in {len(damaged) + torn} places ({kind}); what"
                " decodes is used."
            )
        missing = self._expected - count
        if missing > max(2, 0.01 * self._expected):
            self.warn(
                f"{self.path.name} should have {self._expected} frames, {count} decode: {missing}"
                " are missing; the file is incomplete."
            )

    def _lies_apart(self, frame: av.VideoFrame, following: av.VideoFrame) -> bool:
        """Whether frames are missing between two, which only a steady rate tells."""
        if not self._steady or frame.time is None or following.time is None or not self.fps:
            return False
        return (following.time - frame.time) * self.fps > 1.5

    def keyframes(self, width: int, height: int, wanted: Wanted) -> Iterator[SourceFrame]:
        """The frames that decode on their own, for a quick look at the whole video; times count
        from the first of them."""
        container, stream = self._open()
        stream.codec_context.skip_frame = "NONKEY"
        start = None
        with container:
            for index, frame in enumerate(_decode(container, stream, [])):
                start = frame.time if start is None else start
                time = float("nan") if frame.time is None else frame.time - start
                if wanted(index) and (frame.width, frame.height) == self._decoded_size:
                    yield SourceFrame(index, time, _upright_rgb(frame, width, height, self._limits))


def _decode(container, stream, damaged: list[str]) -> Iterator[av.VideoFrame]:
    """All frames that decode; what does not is noted in `damaged` and skipped."""
    packets = container.demux(stream)
    failures = 0
    while failures < 1000:  # a reader that fails on and on does not advance
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError) as error:
            damaged.append(_why(error))
            failures += 1
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            damaged.append(_why(error))
            continue
        yield from frames


class _Numbering:
    """Numbers and times of frames. In a damaged file frames that are lost keep their numbers, as
    far as the times tell."""

    def __init__(self, fps: float | None) -> None:
        self.fps, self.index, self.time = fps, -1, 0.0
        self.start: float | None = None
        self.interval: float | None = None  # between the frames before the damage

    def next(self, time: float | None, damaged: bool) -> tuple[int, float]:
        step = 1
        if time is None:
            now = (self.index + 1) / self.fps if self.fps else float("nan")
        else:
            self.start = time if self.start is None else self.start
            now = time - self.start
            gap = now - self.time
            if self.index >= 0 and not damaged:
                self.interval = gap if self.interval is None else min(gap, self.interval)
            elif damaged and self.interval is None and self.fps:
                self.interval = 1 / self.fps
            if damaged and self.interval and self.interval > 0:
                step = max(1, round(gap / self.interval))
        self.index, self.time = self.index + step, now
        return self.index, now


def _upright_rgb(
    frame: av.VideoFrame, width: int, height: int, limits: Range | None = None
) -> np.ndarray:
    """A frame [H, W, 3] uint8 as it is to be seen; `limits` are the values that become black and
    white in one with more than 8 bits."""
    quarters = round(frame.rotation / 90) % 4
    columns, rows = (height, width) if quarters % 2 else (width, height)
    if limits is not None and _deep_format(frame) is not None:
        image = stretch(_deep_pixels(frame, columns, rows), limits)
    else:
        image = _scaled(frame, columns, rows, "rgb24")
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def _scaled(frame: av.VideoFrame, columns: int, rows: int, layout: str) -> np.ndarray:
    scaling = Interpolation.AREA if columns < frame.width else Interpolation.BILINEAR
    return frame.reformat(columns, rows, format=layout, interpolation=scaling).to_ndarray()


def _deep_pixels(frame: av.VideoFrame, columns: int, rows: int) -> np.ndarray:
    """A frame with more than 8 bits, [H, W] or [H, W, 3] uint16."""
    return _scaled(frame, columns, rows, _deep_format(frame) or "gray16le")


def _deep_format(frame: av.VideoFrame) -> str | None:
    """The layout of 16 bits that holds a frame of a sensor's own numbers, gray or RGB; None where
    8 bits do, as in films for the eye, which use the whole range whatever their depth."""
    if max(component.bits for component in frame.format.components) <= 8:
        return None
    if frame.format.name.startswith("gray"):
        return "gray16le"
    return "rgb48le" if frame.format.is_rgb or frame.format.is_bayer else None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
