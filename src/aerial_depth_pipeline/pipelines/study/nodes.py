"""Plan the study, compute its missing runs, write its tables and draw its report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from aerial_depth_pipeline.configuration import read_settings
from aerial_depth_pipeline.datasets.folders import FoldersDataset
from aerial_depth_pipeline.datasets.triplet_lists import TripletListsDataset
from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.evaluation.settings import EvaluationSettings
from aerial_depth_pipeline.files import fingerprint_of
from aerial_depth_pipeline.pipelines.domain_data import DomainData, domains_of
from aerial_depth_pipeline.pipelines.node_types import DomainInput, Outcome, Parameters
from aerial_depth_pipeline.study.settings import PART_TABLES, StudySettings
from aerial_depth_pipeline.tracking import runs as tracking

if TYPE_CHECKING:
    from aerial_depth_pipeline.study.planning import Planner
    from aerial_depth_pipeline.study.run import Run, StudyDomain

logger = logging.getLogger(__name__)

Tables = dict[str, pd.DataFrame]


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
        parts: `generalization`, `fine_tuning`, `ablation`.
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
    from aerial_depth_pipeline.study.measuring import Measuring
    from aerial_depth_pipeline.study.planning import Planner
    from aerial_depth_pipeline.study.run_study import Observer, Workshop, run_study

    settings = read_settings(StudySettings, parameters, "study")
    domains = {domain.name: domain for domain in domains_of(domain_inputs)}
    footage = _footage(settings, domains)
    plain = {
        "alignments": settings.alignments,
        "main_alignment": settings.alignments[0],
        "caps": [],
        "methods": [],
        "bootstrap_samples": 0,
    }
    measured = read_settings(EvaluationSettings, evaluation, "evaluation").model_copy(update=plain)
    measuring = Measuring(measured, settings.metrics)
    planner = Planner(settings, train, triplets, footage, measuring)
    plans = {part: _plan(part, planner) for part in parts}
    observer: Observer | None = None
    if tracking.is_tracking():
        from aerial_depth_pipeline.tracking.study_runs import StudyRuns

        observer = StudyRuns()
    folder = Path(work) / "study"

    def remake(changed: Mapping[str, object], names: Sequence[str]) -> dict[str, StudyDomain]:
        found = {
            name: _with_other_triplets(domains[name], dict(changed), folder / "triplets")
            for name in names
        }
        return {
            name: replace(footage[name], folder=d.triplets.folder, train=d.triplets.splits["train"])
            for name, d in found.items()
        }

    workshop = Workshop(folder / "cells", footage, measuring, remake, settings.workers, observer)
    workshop.folder.mkdir(parents=True, exist_ok=True)
    runs = [run for plan in plans.values() for run in plan.runs()]
    outcomes = run_study(runs, workshop)
    if all(outcome.result is None for outcome in outcomes.values()):
        reasons = "\n".join(
            f"  {outcome.run.label}: {outcome.reason}" for outcome in outcomes.values()
        )
        raise UserError(f"No run of the study could be computed.\n{reasons}")
    tables = {part: plan.tables(outcomes) for part, plan in plans.items()}
    return [tables[part][name] for part in parts for name in PART_TABLES[part]]


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
        found[name] = StudyDomain(
            name,
            triplets.folder,
            fingerprint_of(triplets.fingerprint, truth),
            triplets.splits["train"],
            triplets.splits["test"],
            references,
            domains[name].references("train"),
        )
    if missing and (settings.domains or not found):
        raise UserError(
            f"The study cannot use {', '.join(missing)}: no triplets to train on, or no test frame"
            " with reference depth. Run 'kedro run --pipelines=prepare' first, and see"
            " scene_report.csv for why scenes were left out."
        )
    if missing:
        logger.warning(
            "study: without training triplets or test frames with reference depth, and left"
            " out: %s.",
            ", ".join(missing),
        )
    return found


def _with_other_triplets(domain: DomainData, parameters: Parameters, folder: Path) -> DomainData:
    """The domain with triplets of other settings, made below `folder` unless they are there."""
    from aerial_depth_pipeline.pipelines.triplets.nodes import make_scene_triplets, split_domain

    made = folder / fingerprint_of(parameters) / domain.name
    scenes = FoldersDataset(str(made))
    lists = TripletListsDataset(str(made), domain.name)
    given = domain.name, domain.frames, domain.ground_truth, scenes.load(), parameters
    for finished, report in make_scene_triplets(*given, str(folder / "work")):
        scenes.save(finished)
        for scene, reason in report.reasons.items():
            if reason:
                logger.warning(
                    "study: %s/%s gives no triplets of these settings: %s",
                    domain.name,
                    scene,
                    reason,
                )
    lists.save(split_domain(domain.name, scenes.load(), parameters))
    return replace(domain, triplets=lists.load())


class _Plan:
    """The runs of one part, and how its tables come from their results."""

    def __init__(self, part: str, plan: Any) -> None:
        self.part, self.plan = part, plan

    def runs(self) -> list[Run]:
        return self.plan.runs() if self.part == "fine_tuning" else list(self.plan.values())

    def tables(self, outcomes: Mapping[str, Outcome]) -> Tables:
        from aerial_depth_pipeline.study import ablation, fine_tuning, generalization
        from aerial_depth_pipeline.study.planning import runs_table

        tables = {f"{self.part}_cells": runs_table(self.part, self.runs(), outcomes)}
        if self.part == "fine_tuning":
            tables["online"] = fine_tuning.online_table(self.plan, outcomes)
        module = {
            "generalization": generalization,
            "fine_tuning": fine_tuning,
            "ablation": ablation,
        }[self.part]
        return tables | {self.part: module.table(self.plan, outcomes)}


def _plan(part: str, planner: Planner) -> _Plan:
    from aerial_depth_pipeline.study import ablation, fine_tuning, generalization

    return _Plan(
        part,
        {"generalization": generalization, "fine_tuning": fine_tuning, "ablation": ablation}[
            part
        ].plan(planner),
    )


def draw_study(
    parameters: Parameters, on_disk: dict[str, Callable[[], pd.DataFrame]], *_: pd.DataFrame
) -> str:
    """Draw the report from the tables of all parts that have been made.

    Args:
        parameters: `study`.
        on_disk: loads each table of the study by its name; a part that has not been made has none.
        _: tables of this run, which are on disk by then.

    Returns:
        The page.
    """
    from aerial_depth_pipeline.study.study_report import StudyTables, conclusions, study_page

    settings = read_settings(StudySettings, parameters, "study")
    tables = {name: load() for name, load in on_disk.items()}
    runs = [table for name, table in tables.items() if name.endswith("_cells")]
    parts = {
        name: tables[name]
        for name in ("generalization", "fine_tuning", "online", "ablation")
        if name in tables
    }
    study = StudyTables(**parts, runs=pd.concat(runs, ignore_index=True))
    for sentence in conclusions(study, settings.alignments[0], settings.metrics[0]):
        logger.info("Study: %s", sentence)
    page = study_page(study, settings.alignments[0], settings.metrics)
    named = {f"{name}.csv": table for name, table in tables.items()}
    tracking.log_report("study", {"study.html": page} | named)
    return page
