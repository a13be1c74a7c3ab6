"""Render the flights that the configuration lists for a domain."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_folders import FinishedScene, SceneFolder, SceneFolders
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.pipelines.node_types import Json, Parameters
from aerial_depth_pipeline.pipelines.scenes import process_scenes
from aerial_depth_pipeline.progress import progress_bar
from aerial_depth_pipeline.simulation.settings import FlightSettings


def simulate_flights(
    simulated: SceneFolders, parameters: dict[str, Parameters], work: str
) -> Iterator[tuple[dict[str, FinishedScene | None], SceneReport]]:
    """Render a domain's flights, each into a raw scene that nothing downstream can tell from real
    footage.

    Args:
        simulated: the domain's scenes that were simulated before; other footage is never
            overwritten.
        parameters: domain → scene → flight. A domain without flights is left as it is.
        work: local folder for unfinished work.
    """
    domain = simulated.domain
    flights = parameters.get(domain) or {}
    if not flights:
        yield {}, SceneReport(complete=True)
        return
    planned = [SceneFolder(None, domain, name, None) for name in flights]

    from aerial_depth_pipeline.simulation.flight import FlightPool

    progress: tqdm[None] = progress_bar(None, f"flights of {domain}", len(flights), "flight")
    with FlightPool(len(flights)) as pool, progress as bar:

        def compute(scene: SceneFolder, folder: Path, _: Path) -> Json:
            if scene.name in simulated.strangers:
                raise SceneError(
                    f"{simulated.location}/{scene.name} holds footage that was not simulated; give"
                    " the flight another name"
                )
            pool.simulate(
                read_settings(
                    FlightSettings, flights[scene.name], f"simulate.{domain}.{scene.name}"
                ),
                folder,
            )
            bar.update()
            return {"simulated": True}

        wanted = SceneFolders(domain, simulated.location, planned)
        yield from process_scenes(
            "simulate",
            wanted,
            simulated,
            work,
            compute,
            lambda scene: [flights[scene.name]],
            pool.size,
        )
