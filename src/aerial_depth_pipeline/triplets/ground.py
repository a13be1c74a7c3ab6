"""Which ground triplets show, in cells: what blocks share, and what a training saw of a test."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from aerial_depth_pipeline.geometry.geodesy import local_metres
from aerial_depth_pipeline.triplets.footprints import CORNER_COLUMNS

Target = tuple[str, int]  # scene and target frame
Area = dict[Target, np.ndarray]

_CELLS = 8  # across the median footprint
_FINER = 1.5  # samples a cell and axis: a lattice at any angle then misses none
_FAR = 1 << 19  # cells from the origin
_SAME_GROUND = 0.05  # share of the smaller scene from which on two scenes go together


@dataclass
class Ground:
    """Cells of ground. Those of one flight and of all flights with positions have one numbering.

    Attributes:
        shown: what each target shows.
        touched: what any frame of its triplet shows.
        centers: east and north [2] of the middle of each target's view in metres, for scenes with
            positions.
        basis: `positions` or `motion` for each scene of which one is known.
        cells: number of cells.
    """

    shown: Area = field(default_factory=dict)
    touched: Area = field(default_factory=dict)
    centers: Area = field(default_factory=dict)
    basis: dict[str, str] = field(default_factory=dict)
    cells: int = 0

    def of(self, scenes: set[str]) -> "Ground":
        """That of some scenes."""
        shown, touched, centers = (
            {target: value for target, value in area.items() if target[0] in scenes}
            for area in (self.shown, self.touched, self.centers)
        )
        basis = {scene: known for scene, known in self.basis.items() if scene in scenes}
        return Ground(shown, touched, centers, basis, self.cells)

    def is_apart(self, targets: Iterable[Target], others: Iterable[Target]) -> np.ndarray:
        """Whether each of the targets' triplets shares no ground with any of the others'."""
        mask = self._mask(self.touched, others)
        return np.array([not mask[self.touched[target]].any() for target in targets], bool)

    def seen(self, test: Iterable[Target], train: Iterable[Target]) -> float | None:
        """Share of the ground that the test targets show that a training triplet shows too. None
        where the frames of a scene have no known place, or those of a test scene have one along
        their own flight alone while training has other flights."""
        test, train = list(test), list(train)
        tested, trained = {scene for scene, _ in test}, {scene for scene, _ in train}
        along = any(self.basis.get(scene) == "motion" for scene in tested)
        if not test or not train or not tested | trained <= set(self.basis):
            return None
        if along and trained - tested:
            return None
        wanted = self._mask(self.shown, test)
        seen = wanted & self._mask(self.touched, train)
        return float(seen.sum() / wanted.sum()) if wanted.any() else None

    def shared(self) -> list[tuple[str, str, float]]:
        """Pairs of scenes that share ground, with its share of the smaller one."""
        if not self.shown:
            return []
        scenes = sorted({scene for scene, _ in self.shown})
        number = {scene: index for index, scene in enumerate(scenes)}
        columns = np.concatenate(list(self.shown.values()))
        rows = np.repeat(
            [number[scene] for scene, _ in self.shown], [*map(len, self.shown.values())]
        )
        shape = (len(scenes), self.cells)
        covers = csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape)
        covers.data[:] = 1
        common = (covers @ covers.T).tocoo()
        sizes = np.asarray(covers.sum(1)).ravel()
        pairs = zip(*common.coords, common.data, strict=True)
        found = [(a, b, float(n / min(sizes[a], sizes[b]))) for a, b, n in pairs if a < b]
        return [(scenes[a], scenes[b], share) for a, b, share in found if share > _SAME_GROUND]

    def _mask(self, area: Area, targets: Iterable[Target]) -> np.ndarray:
        mask = np.zeros(self.cells, bool)
        for target in targets:
            if target in area:  # an earlier night may have learned what is in no list now
                mask[area[target]] = True
        return mask


def ground_of(
    footprints: pd.DataFrame, poses: pd.DataFrame, targets: Mapping[str, Iterable[int]]
) -> Ground:
    """The ground of a domain's triplets.

    Args:
        footprints: `footprints.parquet` of the domain: columns of `scene_footprints` and `scene`.
        poses: its `poses.parquet`, which tells the sources of each target.
        targets: target frames of each scene.
    """
    on_plan = footprints["east0"].notna().to_numpy()
    codes, place_of = {}, np.full((len(footprints), 2), np.nan)  # codes: cells by row
    if on_plan.any():
        rows, corners = np.flatnonzero(on_plan), _common_plan(footprints[on_plan])
        place_of[rows] = corners.mean(1)
        sides = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=-1)
        size = float(np.median(sides)) / _CELLS
        counts = np.ceil(sides.max(1) / size * _FINER).astype(int) + 1
        for row, quad, count in zip(rows.tolist(), corners, counts.tolist(), strict=True):
            codes[row] = np.unique(_filled_quad(quad, count, size))
    along = np.flatnonzero(~on_plan & footprints["place"].notna())
    flights = footprints["scene"].astype("category").cat.codes.to_numpy(np.int64)[along]
    first = np.floor((footprints["place"].to_numpy()[along] - 0.5) * _CELLS).astype(np.int64)
    ways = (first + ((flights + 1) << 42))[:, None] + np.arange(_CELLS + 1)
    codes |= dict(zip(along.tolist(), ways, strict=True))
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *codes.values()]))
    rows_of = {
        (scene, frame): row
        for row, (scene, frame) in enumerate(
            zip(footprints["scene"], footprints["frame"], strict=True)
        )
        if row in codes
    }
    area = {key: np.searchsorted(every, codes[row]) for key, row in rows_of.items()}
    sources = defaultdict(set)
    columns = (poses[name] for name in ("scene", "frame", "source_frame"))
    for scene, frame, source in zip(*columns, strict=True):
        sources[scene, frame].add(source)
    ground = Ground(cells=len(every))
    for scene, frames in targets.items():
        keys = [(scene, frame) for frame in frames]
        if not keys or not all(key in area for key in keys):
            continue
        ground.basis[scene] = "positions" if on_plan[rows_of[keys[0]]] else "motion"
        for key in keys:
            beside = [area[scene, s] for s in sources[key] if (scene, s) in area]
            ground.shown[key] = area[key]
            ground.touched[key] = np.unique(np.concatenate([area[key], *beside]))
            if ground.basis[scene] == "positions":
                ground.centers[key] = place_of[rows_of[key]]
    return ground


def groups_of(scenes: list[str], pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The scenes in groups that the pairs join, each sorted, by their first scenes."""
    number = {scene: index for index, scene in enumerate(sorted(scenes))}
    joined = [(number[a], number[b]) for a, b in pairs if a in number and b in number]
    rows, columns = np.array(joined, int).reshape(-1, 2).T
    shape = (len(scenes), len(scenes))
    _, labels = connected_components(csr_array((np.ones(len(rows)), (rows, columns)), shape))
    groups: dict[int, list[str]] = {}
    for scene, label in zip(sorted(scenes), labels, strict=True):
        groups.setdefault(int(label), []).append(scene)
    return list(groups.values())


def _common_plan(plan: pd.DataFrame) -> np.ndarray:
    """Corners [N, 4, 2] in metres about the first scene's origin."""
    corners = plan[CORNER_COLUMNS].to_numpy(float).reshape(-1, 4, 2)
    origins = plan[["latitude", "longitude"]].to_numpy(float)
    distinct, of_row = np.unique(origins, axis=0, return_inverse=True)
    geographic = np.column_stack([distinct, np.zeros(len(distinct))])
    offsets = local_metres(geographic, (origins[0, 0], origins[0, 1], 0.0))[:, :2]
    return corners + offsets[of_row][:, None]


def _filled_quad(corners_42: np.ndarray, count: int, cell: float) -> np.ndarray:
    """Cells of an even lattice of count × count points over a quadrangle."""
    part = np.linspace(0, 1, count)[:, None]
    edges = [(1 - part) * corners_42[a] + part * corners_42[b] for a, b in ((0, 1), (3, 2))]
    points = (1 - part)[:, None] * edges[0] + part[:, None] * edges[1]
    east, north = np.floor(points / cell).astype(np.int64).clip(-_FAR, _FAR).reshape(-1, 2).T
    return ((east + _FAR) << 21) + north + _FAR
