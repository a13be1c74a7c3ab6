"""What all steps over scenes share: unchanged scenes are kept, a bad one is reported and left out,
the others go on."""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aerial_depth_pipeline.datasets.folders import why_name_is_refused, write_manifest
from aerial_depth_pipeline.datasets.scene_report import SceneReport
from aerial_depth_pipeline.errors import SceneError, UserError
from aerial_depth_pipeline.files import alone, fingerprint_of, is_disk_full, remove
from aerial_depth_pipeline.pipelines.node_types import FinishedScenes, Json, Scenes

logger = logging.getLogger(__name__)


def process_scenes(
    step: str,
    domain: str,
    names: Iterable[str],
    so_far: Scenes,
    work: str,
    compute: Callable[[str, Path, Path], Json],
    made_from: Callable[[str], list[object]],
    at_once: int = 1,
) -> Iterator[tuple[FinishedScenes, SceneReport]]:
    """Process each scene on its own and yield it as soon as it is finished, so that a killed run
    loses only what is being processed.

    Args:
        step: the step's name, for messages and the working folder.
        domain: the domain's name, for the same.
        names: the scenes to process.
        so_far: this step's results on disk.
        work: local folder for unfinished work.
        compute: writes the result of the scene of that name into an empty local folder (second
            argument) and returns its summary; the third argument is a working folder that survives
            a killed run and is emptied when the inputs change.
        made_from: everything a scene's result depends on, by its name; a result made from the same
            is kept.
        at_once: so many scenes are processed at the same time, each in a thread of its own.

    Yields:
        Folders of finished scenes by name (None for a scene whose earlier result no longer holds)
        and the report so far.

    Raises:
        UserError: when the disk is full, or another run is at the same step. That no scene is left
            is no error here, since another domain may have some; see `check_something_is_left`.
    """
    with alone(Path(work) / step / f".{domain}.lock", f"{step} of {domain}"):
        reasons: dict[str, str] = {}
        yield {}, SceneReport()
        changed: dict[str, str] = {}  # name → fingerprint
        for name in names:
            if refused := why_name_is_refused(name):
                reasons[name] = refused
                continue
            fingerprint = fingerprint_of(step, made_from(name))
            if name in so_far and so_far[name].fingerprint == fingerprint:
                logger.info("%s: %s/%s is unchanged, kept.", step, domain, name)
                reasons[name] = ""
                continue
            changed[name] = fingerprint

        def finish(name: str) -> Path:
            logger.info("%s: %s/%s", step, domain, name)
            return _finish(name, changed[name], Path(work) / step / domain / name, compute)

        for name, finished_scene in _outcomes(finish, list(changed), at_once):
            try:
                finished = finished_scene()
            except SceneError as error:
                reasons[name] = str(error)
            except OSError as error:
                if is_disk_full(error):
                    raise UserError(
                        f"The disk is full: {step} of {domain}/{name} could not be written. Free"
                        " some space and run again."
                    ) from error
                reasons[name] = _unexpected(f"{step} of {domain}/{name}", error)
            except Exception as error:  # noqa: BLE001 - one scene's bug must not take down a night's run over the others
                reasons[name] = _unexpected(f"{step} of {domain}/{name}", error)
            else:
                reasons[name] = ""
                yield {name: finished}, SceneReport()
                continue
            logger.warning("%s: %s/%s is left out: %s", step, domain, name, reasons[name])
            if name in so_far:
                yield {name: None}, SceneReport()
        yield {}, SceneReport(reasons, complete=bool(reasons))


def _outcomes(
    finish: Callable[[str], Path], names: list[str], at_once: int
) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Every scene in order, and what to call for its result or its error."""
    if at_once == 1:
        yield from ((name, functools.partial(finish, name)) for name in names)
        return
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="scene")
    try:
        futures = [(name, pool.submit(finish, name)) for name in names]
        yield from ((name, future.result) for name, future in futures)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finish(
    name: str, fingerprint: str, work: Path, compute: Callable[[str, Path, Path], Json]
) -> Path:
    stamp = work / "fingerprint"
    if not (stamp.is_file() and stamp.read_text() == fingerprint):
        remove(work)
        work.mkdir(parents=True)
        stamp.write_text(fingerprint)
    folder, scratch = work / "result", work / "scratch"
    remove(folder)
    folder.mkdir()
    scratch.mkdir(exist_ok=True)
    summary = compute(name, folder, scratch)
    remove(scratch)
    write_manifest(folder, fingerprint, summary)
    return folder


def _unexpected(what: str, error: Exception) -> str:
    logger.debug("%s failed", what, exc_info=error)
    return f"unexpected {type(error).__name__}: {error}".rstrip(": ")


def check_something_is_left(reports: dict[tuple[str, str], SceneReport]) -> None:
    """Fail when a step has no scene left in any domain.

    Args:
        reports: (step, domain) → what became of the domain's scenes in the step.

    Raises:
        UserError: with every scene's reason, or with how to add footage where there is none.
    """
    for step in dict.fromkeys(step for step, _ in reports):
        of_step = {domain: report.reasons for (s, domain), report in reports.items() if s == step}
        reasons = [
            f"  {domain}/{scene}: {reason}"
            for domain, scenes in of_step.items()
            for scene, reason in scenes.items()
        ]
        if not reasons and step == "frame_extraction":
            raise UserError(
                f"There is no footage in the domain{'s' * (len(of_step) > 1)} {', '.join(of_step)}."
                f" {_HOW_TO_ADD_FOOTAGE}"
            )
        if reasons and all(reason for scenes in of_step.values() for reason in scenes.values()):
            raise UserError(f"{step}: no scene could be used.\n" + "\n".join(reasons))


_HOW_TO_ADD_FOOTAGE = (
    "Put a video at data/01_raw/<domain>/<scene>/video.mp4 (or photographs in an images/ folder"
    " there), list the domain in conf/base/globals.yml and run again. To see everything work"
    " without footage of your own, run 'make demo': it flies over towns and countryside that it"
    " renders itself."
)
