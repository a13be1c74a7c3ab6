"""Files that drones and their apps write beside a video, one reader a format."""

from collections.abc import Callable
from pathlib import Path

from aerial_depth_pipeline.capture.sources.source import Recording
from aerial_depth_pipeline.capture.telemetry.flight_log import read_table
from aerial_depth_pipeline.capture.telemetry.srt import read_srt
from aerial_depth_pipeline.capture.telemetry.telemetry import Telemetry
from aerial_depth_pipeline.files import visible_files

READERS: dict[str, Callable[[Path, Recording], Telemetry]] = {
    ".srt": read_srt,
    ".csv": read_table,
}
"""By suffix, the first ones preferred."""


def find_telemetry(
    folder: Path, video: Path | None, recording: Recording
) -> tuple[Telemetry | None, list[str]]:
    """Read the telemetry beside a video: a file of the video's name, `telemetry.csv`, or the only
    subtitle file there.

    Args:
        folder: where the file lies.
        video: the video, if the footage is one.
        recording: what the video says about its time, for tables that count otherwise.

    Returns:
        The telemetry, or None where there is none that can be read, and sentences for the report
        that say what is wrong.
    """
    files = [path for suffix in READERS for path in visible_files(folder, {suffix})]
    subtitles = visible_files(folder, {".srt"})
    named = [path for path in files if video and path.stem.lower() == video.stem.lower()]
    named += [path for path in files if path.name.lower() == "telemetry.csv"]
    warnings: list[str] = []
    for path in named or (subtitles if len(subtitles) == 1 else []):
        try:
            return READERS[path.suffix.lower()](path, recording), warnings
        except ValueError as error:
            warnings.append(f"{error} The scene has no positions from it.")
    return None, warnings
