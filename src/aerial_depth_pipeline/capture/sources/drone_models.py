"""Focal lengths of drones that name themselves but not their lens."""

import re

# 35 mm equivalents in millimetres as the makers state them, by the names in EXIF, subtitles and
# containers. Zoom lenses and exchangeable ones are missing on purpose: their name says nothing
# about the focal length.
_FOCAL_35MM = {
    ("FC300S", "FC300X", "Phantom 3 Professional", "Phantom 3 Advanced"): 20.0,
    ("FC330", "Phantom 4"): 20.0,
    ("FC6310", "FC6310S", "FC6310R", "Phantom 4 Pro", "Phantom 4 RTK"): 24.0,
    ("FC350", "Zenmuse X3"): 20.0,
    ("FC1102", "DJI Spark"): 25.0,
    ("FC220", "Mavic Pro"): 26.0,
    ("FC2103", "Mavic Air"): 24.0,
    ("FC3170", "Mavic Air 2"): 24.0,
    ("FC3411", "DJI Air 2S"): 22.0,
    ("L1D-20c", "Mavic 2 Pro"): 28.0,
    ("FC7203", "Mavic Mini"): 24.0,
    ("FC7303", "DJI Mini 2"): 24.0,
    ("FC3582", "DJI Mini 3 Pro"): 24.0,
    ("FC8482", "DJI Mini 4 Pro"): 24.0,
    ("L2D-20c", "Mavic 3"): 24.0,
}
_BY_NAME = {
    re.sub(r"[^A-Z0-9]", "", name.upper()): (name, focal)
    for names, focal in _FOCAL_35MM.items()
    for name in names
}


def drone_in(text: str) -> tuple[str, float] | None:
    """The drone or camera that a text names, and its 35 mm equivalent focal length in millimetres;
    None where it names none that is known.

    The longest name counts, so that a `Mavic Air 2` is no `Mavic Air`; letters and digits may be
    set apart in any way.
    """
    for plain in sorted(_BY_NAME, key=len, reverse=True):
        spelled = r"[\s_\-]*".join(plain)
        if re.search(
            rf"(?<![A-Za-z0-9])(?:DJI[\s_\-]*)?{spelled}(?![A-Za-z0-9])", text, re.IGNORECASE
        ):
            return _BY_NAME[plain]
    return None
