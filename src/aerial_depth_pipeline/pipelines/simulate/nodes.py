"""Render the flights that the configuration lists for a domain."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.errors import SceneError
from aerial_depth_pipeline.pipelines.node_types import FinishedScenes, Json, Parameters, Scenes
from aerial_depth_pipeline.pipelines.scenes import process_scenes
from aerial_depth_pipeline.progress import progress_bar
from aerial_depth_pipeline.simulation.settings import FlightSettings


def simulate_flights(
    domain: str,
    footage: Scenes,
    simulated: Scenes,
    parameters: dict[str, Parameters],
    work: str,
) -> Iterator[tuple[FinishedScenes, SceneReport]]:
    """Render a domain's flights, each into a raw scene that nothing downstream can tell from real
    footage.

    Args:
        domain: its name.
        footage: all that is there; what was not simulated is never overwritten.
        simulated: the scenes that were simulated before.
        parameters: domain → scene → flight. A domain without flights is left as it is.
        work: local folder for unfinished work.
    """
    flights = parameters.get(domain) or {}
    if not flights:
        yield {}, SceneReport(complete=True)
        return

    from aerial_depth_pipeline.simulation.flight import FlightPool

    progress: tqdm[None] = progress_bar(None, f"flights of {domain}", len(flights), "flight")
    with FlightPool(len(flights)) as pool, progress as bar:

        def compute(name: str, folder: Path, _: Path) -> Json:
            if name in footage and name not in simulated:
                raise SceneError(
                    f"{footage[name].path} holds footage that was not simulated; give the flight"
                    " another name"
                )
            where = f"simulate.{domain}.{name}"
            pool.simulate(read_settings(FlightSettings, flights[name], where), folder)
            bar.update()
            return {"simulated": True}

        yield from process_scenes(
            "simulate",
            domain,
            flights,
            simulated,
            work,
            compute,
            lambda name: [flights[name]],
            pool.size,
        )
