"""Names of files. Numbered ones have six digits, the frame's index in its source."""

SPLITS = ("train", "val", "test")  # of a domain's triplets, each a list `<split>.txt`


def numbered(frame: int, suffix: str = "") -> str:
    """`NNNNNN` and a suffix, e.g. `numbered(7, ".jpg")` is `000007.jpg`."""
    return f"{frame:06d}{suffix}"
