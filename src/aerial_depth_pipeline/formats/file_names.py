"""Names of numbered files: six digits, the frame's index in its source."""


def numbered(frame: int, suffix: str = "") -> str:
    """`NNNNNN` and a suffix, e.g. `numbered(7, ".jpg")` is `000007.jpg`."""
    return f"{frame:06d}{suffix}"


def frame_line(scene: str, frame: int) -> str:
    """A line `<scene> NNNNNN` of a list of triplets."""
    return f"{scene} {numbered(frame)}\n"
