"""Telemetry inside a video: the subtitle track of drones, and what other tracks there are."""

from collections.abc import Iterator
from pathlib import Path

import av

from aerial_depth_pipeline.capture.telemetry.srt import Cue, read_cues
from aerial_depth_pipeline.capture.telemetry.telemetry import Telemetry

# Words in the names of tracks, and whose telemetry they hold
_MAKERS = {
    "gopro met": "GoPro (GPMF)",
    "gpmd": "GoPro (GPMF)",
    "djmd": "DJI",
    "dbgi": "DJI",
    "dji": "DJI",
    "parrot": "Parrot",
    "insta360": "Insta360",
    "timed metadata": "Sony",
    "core media metadata": "Apple",
    "camm": "Camera Motion",
}


def read_embedded(video: Path) -> tuple[Telemetry | None, list[str]]:
    """Telemetry from a video's own subtitles, and sentences about telemetry in it that is not
    read."""
    try:
        container = av.open(str(video))
    except (av.FFmpegError, OSError):
        return None, []  # who reads its images will say what is wrong
    with container:
        if container.streams.subtitles:
            try:
                return read_cues(video.name, list(_cues(container))), []
            except ValueError:
                pass  # somebody's subtitles
        return None, _unread(video, container)


def _cues(container: "av.container.InputContainer") -> Iterator[Cue]:
    """The entries of the first subtitle track."""
    track = container.streams.subtitles[0]
    for stream in container.streams:
        if stream.index != track.index:
            stream.discard = av.stream.Discard.all
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, OSError):
            return
        if packet.pts is None or packet.time_base is None:
            continue
        data, start = bytes(packet), float(packet.pts * packet.time_base)
        # The text of MP4 follows its length, two bytes, and may be followed by its style.
        if track.codec_context.name == "mov_text":
            data = data[2 : 2 + int.from_bytes(data[:2], "big")]
        # A blank behind it says that it is not cut off.
        text = data.decode("utf-8", errors="replace") + "\n"
        if text.strip():
            yield start, start + float((packet.duration or 0) * packet.time_base), text


def _unread(video: Path, container: "av.container.InputContainer") -> list[str]:
    """A sentence where tracks hold telemetry of a known maker."""
    names = [" ".join(stream.metadata.values()) for stream in container.streams.data]
    text = "\n".join(names).lower()
    makers = sorted({maker for word, maker in _MAKERS.items() if word in text})
    if not makers:
        return []
    return [
        f"{video.name} holds telemetry of {' and '.join(makers)} in a track of its own, which is"
        f" not read; export it to {video.stem}.SRT, or to {video.stem}.csv with the columns time"
        " (seconds), latitude, longitude and height."
    ]
