"""What the nodes of a night hand on."""

from dataclasses import dataclass, field

from aerial_depth_pipeline.pipelines.node_types import Decision, DepthModel, PageFigure
from aerial_depth_pipeline.tracking import registry


@dataclass(frozen=True)
class Challenger:
    """Both models of a night; neither where there was nothing to learn. `fault` says why a training
    was stopped."""

    model: DepthModel | None = None
    champion: DepthModel | None = None
    fault: str = ""
    curve: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """The decision and its images; None where there was nothing to learn."""

    decision: Decision | None = None
    images: list[PageFigure] = field(default_factory=list)
    incumbent: str = registry.CHAMPION
