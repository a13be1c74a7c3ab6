"""Whether an MP4 or MOV lacks its index, without which no program knows where its frames are."""

import struct
from pathlib import Path

# Boxes that stand at the top of a file (ISO 14496-12, QuickTime)
_TOP = frozenset({b"ftyp", b"mdat", b"free", b"skip", b"wide", b"uuid", b"pnot", b"styp", b"sidx"})
_INDEX = frozenset({b"moov", b"moof"})
_MOST_BOXES = 10_000


def why_without_index(path: Path) -> str | None:
    """Why a file that begins as an MP4 has no index, and what helps; None where it has one or is
    no MP4."""
    length = path.stat().st_size
    place, missing = 0, 0
    with path.open("rb") as stream:
        for _ in range(_MOST_BOXES):
            stream.seek(place)
            head = stream.read(16)
            if len(head) < 8:
                break
            size, kind = struct.unpack(">I4s", head[:8])
            if kind in _INDEX or (place == 0 and kind not in _TOP):
                return None
            if size == 1 and len(head) == 16:
                size = struct.unpack(">Q", head[8:])[0]
            if kind not in _TOP or size < 8:  # 0: to the end, as a camera writes that still records
                break
            place += size
            missing = max(0, place - length)
    if place == 0:
        return None
    cause = "the recording ended before the camera wrote it"
    if missing:
        cause = f"the file ends {missing} bytes too early"
    return (
        f"{path} has no index (moov) of its frames: {cause}, or the copy is incomplete; copy it"
        " again. If the card holds no more of it, put the card back into the camera and switch it"
        " on, which mends the last film of many, or rebuild the index from a whole film of the same"
        f" camera and settings with the program untrunc: 'untrunc whole.mp4 {path.name}'. ffmpeg"
        " cannot."
    )
