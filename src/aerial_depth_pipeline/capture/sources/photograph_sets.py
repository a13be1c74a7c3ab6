"""Photographs of several lenses or bands in one folder: which of them one camera took."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from aerial_depth_pipeline.capture.sources.exif import Exif

# Endings of names by which drones tell the lenses and bands of one moment apart
_LETTERS = re.compile(
    r"\d[_-](W|Z|T|V|D|S|MS_[A-Z]+|RGB|NIR|RED|REG|GRE|RE|IR|TIR|LWIR|VIS|THERMAL)$", re.IGNORECASE
)
_NUMBERS = re.compile(r"(.+\d)_(\d)$")
_OF_COLOUR = frozenset({"", "W", "Z", "V", "D", "S", "RGB", "VIS"})
_SAME_LENS = 1.05  # ratio of the longest to the shortest focal length


class Lens(NamedTuple):
    """What photographs of one camera have in common; '' and 0 where it is not known."""

    size: tuple[int, int]  # pixels
    is_deep: bool
    is_colour: bool
    band: str
    ending: str  # of the name
    model: str
    focal: float  # pixels, the shortest of those that count as the same

    def difference(self, other: "Lens") -> str:
        """What sets photographs apart from those of another lens, for people; '' where nothing
        that is known does."""
        if self.size != other.size:
            return f"size {self.size[0]}x{self.size[1]}"
        if self.band.upper() != other.band.upper():
            return f"band {self.band or 'of colour'}"
        if self.is_colour != other.is_colour:
            return "colour" if self.is_colour else "one channel"
        if self.is_deep != other.is_deep:
            return f"{'more than 8' if self.is_deep else '8'} bits"
        if self.model and other.model and self.model != other.model:
            return f"camera {self.model}"
        if self.focal and other.focal and self.focal != other.focal:
            return f"lens of {self.focal:.0f} px"
        if self.ending != other.ending:
            return f"name …{self.ending or 'without ending'}"
        return ""


def left_out(photographs: Mapping[int, tuple[str, Exif]]) -> dict[int, str]:
    """The photographs that do not belong to the set that is taken, and what sets them apart.

    Taken is the largest set that one camera took; of sets in colour and others that in colour
    where it has at least half as many; of equal ones that of the widest lens.

    Args:
        photographs: name without suffix and EXIF, by number.
    """
    lenses = _lenses(photographs)
    counts = Counter(lenses.values())
    if not counts:
        return {}
    # What does not state its camera or focal length belongs to the largest set it agrees with.
    sets: Counter[Lens] = Counter()
    for lens, count in sorted(counts.items(), key=lambda item: (-_known(item[0]), -item[1])):
        agreeing = [other for other in sets if not lens.difference(other)]
        sets[max(agreeing, key=lambda other: sets[other], default=lens)] += count
    enough = max(sets.values()) / 2

    def rank(lens: Lens) -> tuple[bool, int, float, int]:
        wide = -lens.focal / lens.size[0] if lens.focal else float("-inf")
        return lens.is_colour and sets[lens] >= enough, sets[lens], wide, lens.size[0]

    taken = max(sets, key=rank)
    differences = {number: lens.difference(taken) for number, lens in lenses.items()}
    return {number: difference for number, difference in differences.items() if difference}


def _known(lens: Lens) -> int:
    return bool(lens.model) + bool(lens.focal)


def _lenses(photographs: Mapping[int, tuple[str, Exif]]) -> dict[int, Lens]:
    endings = _endings({number: stem for number, (stem, _) in photographs.items()})
    lenses: dict[int, Lens] = {}
    clusters: dict[Lens, float] = defaultdict(float)
    for number in sorted(photographs, key=lambda n: photographs[n][1].focal or 0.0):
        exif, ending = photographs[number][1], endings.get(number, "")
        is_colour = exif.is_colour and ending in _OF_COLOUR
        lens = Lens(exif.size, exif.is_deep, is_colour, exif.band, ending, exif.model, 0.0)
        if exif.focal:
            if exif.focal > clusters[lens] * _SAME_LENS:
                clusters[lens] = exif.focal
            lens = lens._replace(focal=clusters[lens])
        lenses[number] = lens
    return lenses


def _endings(stems: dict[int, str]) -> dict[int, str]:
    """The endings of names that tell lenses or bands apart."""
    endings = {n: m.group(1).upper() for n, stem in stems.items() if (m := _LETTERS.search(stem))}
    # A number is a band, and no counter, where the same few come back at every moment.
    parts = {n: m.groups() for n, stem in stems.items() if (m := _NUMBERS.fullmatch(stem))}
    moments = Counter(moment for moment, _ in parts.values())
    bands = Counter(band for _, band in parts.values())
    if len(moments) >= 3 and len(bands) > 1 and len(set(moments.values())) <= 2:
        if len(moments) >= max(bands.values()) > len(moments) / 2:
            endings |= {n: band for n, (_, band) in parts.items()}
    return endings
