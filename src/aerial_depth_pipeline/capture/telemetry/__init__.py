"""Files that drones and their apps write beside a video, one reader a format."""

from collections.abc import Callable, Iterable
from pathlib import Path

from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry.embedded import read_embedded
from aerial_depth_pipeline.capture.telemetry.flight_log import read_table
from aerial_depth_pipeline.capture.telemetry.srt import read_srt
from aerial_depth_pipeline.capture.telemetry.telemetry import Telemetry
from aerial_depth_pipeline.files import visible_files

READERS: dict[str, Callable[[Path, Recording], Telemetry]] = {
    ".srt": read_srt,
    ".csv": read_table,
}
"""By suffix, the first ones preferred."""

_SAME_LENGTH = 1.0  # seconds


def find_telemetry(
    folder: Path, video: Path | None, recording: Recording
) -> tuple[Telemetry | None, list[str]]:
    """Read the telemetry of a video: a file of its name or `telemetry.csv` beside it, its own
    subtitle track, or the only subtitle file there.

    Args:
        folder: where the file lies.
        video: the video, if the footage is one.
        recording: what the video says about its time, for tables that count otherwise.

    Returns:
        The telemetry, or None where there is none that can be read, and sentences for the report
        that say what is wrong.
    """
    files = [path for suffix in READERS for path in visible_files(folder, {suffix})]
    named = [path for path in files if video and path.stem.lower() == video.stem.lower()]
    named += [path for path in files if path.name.lower() == "telemetry.csv" and path not in named]
    telemetry, warnings = _first_readable(named, recording)
    if telemetry is None and video is not None and video.is_file():
        telemetry, unread = read_embedded(video)
        warnings += unread
    others = [path for path in files if path not in named]
    if telemetry is not None or not others:
        return telemetry, warnings
    subtitles = [path for path in others if path.suffix.lower() == ".srt"]
    if len(subtitles) == 1 and not named:
        return _first_readable(subtitles, recording)
    return None, warnings + _not_taken(others, video, recording)


def _first_readable(
    paths: Iterable[Path], recording: Recording
) -> tuple[Telemetry | None, list[str]]:
    warnings: list[str] = []
    for path in paths:
        try:
            return READERS[path.suffix.lower()](path, recording), warnings
        except ValueError as error:
            warnings.append(f"{error} The scene has no positions from it.")
    return None, warnings


def _not_taken(paths: list[Path], video: Path | None, recording: Recording) -> list[str]:
    """A sentence about telemetry that may be of another video, since it has another name."""
    lengths = {}
    for path in paths:
        try:
            lengths[path] = READERS[path.suffix.lower()](path, recording).time_N[-1]
        except ValueError:
            continue  # a table of something else
    if not lengths:
        return []
    listed = ", ".join(f"{path.name} ({length:.0f} s)" for path, length in lengths.items())
    nearest, of_video, taken = list(lengths), "the footage", "telemetry.csv"
    if video is not None:
        of_video, taken = video.name, f"{video.stem}{nearest[0].suffix}"
        if (duration := recording.duration) is not None:
            of_video = f"{video.name} ({duration:.0f} s)"
            apart = {path: abs(length - duration) for path, length in lengths.items()}
            nearest = [
                path for path in lengths if apart[path] <= min(apart.values()) + _SAME_LENGTH
            ]
    by_length = "their lengths do not tell which is its own"
    if len(nearest) == 1:
        by_length = f"{nearest[0].name} would be taken, by its length, if it had that name"
    return [
        f"Telemetry beside {of_video} has another name and is not taken, for it may be another"
        f" video's: {listed}; {by_length}. Rename its own to {taken}."
    ]
