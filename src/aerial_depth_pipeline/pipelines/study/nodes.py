"""Plan the study, compute its missing runs, write its tables and draw its report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.folders import FoldersDataset
from aerial_depth_pipeline.datasets.triplet_lists import DomainTriplets, TripletListsDataset
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.pipelines.domain_data import DomainData, domains_of
from aerial_depth_pipeline.pipelines.node_types import DomainInput, Parameters
from aerial_depth_pipeline.study.settings import PART_TABLES, StudySettings
from aerial_depth_pipeline.tracking import runs as tracking

if TYPE_CHECKING:
    from aerial_depth_pipeline.study.run import StudyDomain

logger = logging.getLogger(__name__)


def run_parts(
    parts: Sequence[str],
    parameters: Parameters,
    train: Parameters,
    triplets: Parameters,
    evaluation: Parameters,
    work: str,
    *domain_inputs: DomainInput,
) -> list[pd.DataFrame]:
    """Compute the runs of some parts of the study that are not there yet, and gather their tables.

    Args:
        parameters: `study`.
        train, triplets, evaluation: the parameters that the study changes.
        work: local folder; finished runs stay in it, so that a study that was stopped goes on.
        domain_inputs: triplet lists, frames and ground truth of each domain in turn.

    Returns:
        The tables of each part in the order of `PART_TABLES`.

    Raises:
        UserError: if there is no footage to study, or a setting is wrong. A run that fails is no
            error.
    """
    from aerial_depth_pipeline.study import ablation, fine_tuning, generalization
    from aerial_depth_pipeline.study.measuring import Measuring
    from aerial_depth_pipeline.study.planning import Planner, runs_table
    from aerial_depth_pipeline.study.run_study import Workshop, run_study
    from aerial_depth_pipeline.tracking.study_runs import StudyRuns

    settings = read_settings(StudySettings, parameters, "study")
    domains = {domain.name: domain for domain in domains_of(domain_inputs)}
    footage = _footage(settings, domains)
    measured = read_settings(EvaluationSettings, evaluation, "evaluation")
    plain: Parameters = {"caps": [], "methods": [], "bootstrap_samples": 0}
    plain |= {"main_alignment": settings.alignments[0], "alignments": settings.alignments}
    measuring = Measuring(measured.model_copy(update=plain), settings.metrics)
    planner = Planner(settings, train, triplets, footage, measuring)
    modules = {"generalization": generalization, "fine_tuning": fine_tuning, "ablation": ablation}
    plans = {part: modules[part].plan(planner) for part in parts}
    observer = StudyRuns() if tracking.is_tracking() else None
    folder = Path(work) / "study"

    def remake(changed: Mapping[str, object], names: Sequence[str]) -> dict[str, StudyDomain]:
        found = {}
        for name in names:
            made = _other_triplets(domains[name], dict(changed), folder / "triplets")
            found[name] = replace(footage[name], folder=made.folder, train=made.splits["train"])
        return found

    workshop = Workshop(folder / "cells", footage, measuring, remake, settings.workers, observer)
    workshop.folder.mkdir(parents=True, exist_ok=True)
    outcomes = run_study([run for plan in plans.values() for run in plan.values()], workshop)
    if all(outcome.result is None for outcome in outcomes.values()):
        reasons = [f"\n  {outcome.run.label}: {outcome.reason}" for outcome in outcomes.values()]
        raise UserError(f"No run of the study could be computed.{''.join(reasons)}")
    tables = {}
    for part, plan in plans.items():
        tables[f"{part}_cells"] = runs_table(part, plan.values(), outcomes)
        tables[part] = modules[part].table(plan, outcomes)
    if "fine_tuning" in plans:
        tables["online"] = fine_tuning.online_table(plans["fine_tuning"], outcomes)
    return [tables[name] for part in parts for name in PART_TABLES[part]]


def _footage(settings: StudySettings, domains: Mapping[str, DomainData]) -> dict[str, StudyDomain]:
    """What the study's domains hold; those without training triplets or test references are left
    out unless they are named."""
    from aerial_depth_pipeline.study.measuring import thinned
    from aerial_depth_pipeline.study.run import StudyDomain

    if unknown := sorted(set(settings.domains) - set(domains)):
        raise UserError(
            f"study.domains names {unknown}, which are not among the domains of globals.yml"
            f" ({', '.join(domains)})."
        )
    found, missing = {}, []
    for name in settings.domains or domains:
        triplets = domains[name].triplets
        references = thinned(domains[name].references("test"), settings.test_frames)
        if not triplets.splits["train"] or not references:
            missing.append(name)
            continue
        truth = {scene: folder.fingerprint for scene, folder in domains[name].ground_truth.items()}
        fingerprint = fingerprint_of(triplets.fingerprint, truth)
        train, test = triplets.splits["train"], triplets.splits["test"]
        known = references, domains[name].references("train")
        found[name] = StudyDomain(name, triplets.folder, fingerprint, train, test, *known)
    if missing and (settings.domains or not found):
        raise UserError(
            f"The study cannot use {', '.join(missing)}: no triplets to train on, or no test frame"
            " with reference depth. Run 'kedro run --pipelines=prepare' first, and see"
            " scene_report.csv for why scenes were left out."
        )
    if missing:
        what = "without training triplets or test frames with reference depth, and left out"
        logger.warning("study: %s: %s.", what, ", ".join(missing))
    return found


def _other_triplets(domain: DomainData, parameters: Parameters, folder: Path) -> DomainTriplets:
    """The domain's triplets of other settings, made below `folder` unless they are there."""
    from aerial_depth_pipeline.pipelines.triplets.nodes import make_scene_triplets, split_domain

    made = folder / fingerprint_of(parameters) / domain.name
    scenes = FoldersDataset(str(made))
    lists = TripletListsDataset(str(made), domain.name)
    given = domain.name, domain.frames, domain.ground_truth, scenes.load(), parameters
    for finished, report in make_scene_triplets(*given, str(folder / "work")):
        scenes.save(finished)
        for scene, reason in report.reasons.items():
            if reason:
                sentence = "study: %s/%s gives no triplets of these settings: %s"
                logger.warning(sentence, domain.name, scene, reason)
    lists.save(split_domain(domain.name, domain.frames, scenes.load(), parameters))
    return lists.load()


def draw_study(
    parameters: Parameters, on_disk: dict[str, Callable[[], pd.DataFrame]], *_: pd.DataFrame
) -> str:
    """The page, drawn from the tables of all parts that have been made.

    Args:
        parameters: `study`.
        on_disk: loads each table of the study by its name; a part that has not been made has none.
        _: tables of this run, which are on disk by then.
    """
    from aerial_depth_pipeline.study.study_report import StudyTables, conclusions, study_page

    settings = read_settings(StudySettings, parameters, "study")
    tables = {name: load() for name, load in on_disk.items()}
    runs = [table for name, table in tables.items() if name.endswith("_cells")]
    names = ("generalization", "fine_tuning", "online", "ablation")
    parts = {name: tables[name] for name in names if name in tables}
    study = StudyTables(**parts, runs=pd.concat(runs, ignore_index=True))
    for sentence in conclusions(study, settings.alignments[0], settings.metrics[0]):
        logger.info("Study: %s", sentence)
    page = study_page(study, settings.alignments[0], settings.metrics)
    named = {f"{name}.csv": table for name, table in tables.items()}
    tracking.log_report("study", {"study.html": page} | named)
    return page
