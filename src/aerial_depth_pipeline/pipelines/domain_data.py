"""What nodes that join domains know of each: its triplets and the depth to measure against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aerial_depth_pipeline.datasets.triplet_lists import DomainTriplets
from aerial_depth_pipeline.pipelines.node_types import DomainInput, Scenes

if TYPE_CHECKING:
    from aerial_depth_pipeline.evaluation.references import Reference


@dataclass(frozen=True)
class DomainData:
    """A domain's triplets, frames and reconstructions."""

    triplets: DomainTriplets
    frames: Scenes
    ground_truth: Scenes

    @property
    def name(self) -> str:
        """The domain's name."""
        return self.triplets.domain

    def references(self, split: str) -> dict[str, list[Reference]]:
        """Frames of a split that have reference depth, by scene; a scene without any has an empty
        list."""
        targets: dict[str, set[int]] = {}
        for scene, target in self.triplets.splits[split]:
            targets.setdefault(scene, set()).add(target)
        return self.references_of(targets)

    def references_of(self, targets: dict[str, set[int]]) -> dict[str, list[Reference]]:
        """Those of the scenes' frames that have reference depth. Exact depth that came with the
        footage wins over reconstruction."""
        from aerial_depth_pipeline.evaluation.references import find_references

        found = {}
        for scene, wanted in targets.items():
            reconstruction = self.ground_truth.get(scene)
            references = find_references(
                self.frames[scene].path, None if reconstruction is None else reconstruction.path
            )
            found[scene] = [
                replace(reference, triplets=self.triplets.folder / scene)
                for reference in references
                if reference.frame in wanted
            ]
        return found


def domains_of(inputs: Sequence[DomainInput]) -> list[DomainData]:
    """Groups a node's trailing inputs: triplet lists, frames and ground truth of each domain in
    turn."""
    return [
        DomainData(*inputs[start : start + 3])  # type: ignore[arg-type]
        for start in range(0, len(inputs), 3)
    ]
