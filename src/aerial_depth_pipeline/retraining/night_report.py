"""The page of one night: what came in, what was learned, the decision and why."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.files import write_json, write_text
from aerial_depth_pipeline.reporting.page import Block, Figure, Section, Table, Text, render_page
from aerial_depth_pipeline.retraining.decision import Comparison, Decision
from aerial_depth_pipeline.retraining.plan import Plan, Record

TABLE = "night.json"
PROMOTE, REFUSE, NOTHING_NEW = "promote", "refuse", "nothing new"


def headline(
    plan: Plan, decision: Decision | None, version: str | None, left_out: Mapping[str, str]
) -> str:
    """The night in a sentence or two."""
    if decision is None:
        known = (
            f"version {plan.champion} knows all {len(plan.old)} scenes"
            if plan.champion
            else "there is no scene to learn from"
        )
        others: dict[str, Collection[str]] = {
            "set aside": plan.waiting,
            "kept for measuring": plan.held_out,
            "left out": left_out,
        }
        beside = [
            f"{words}: {', '.join(sorted(scenes))}" for words, scenes in others.items() if scenes
        ]
        return f"Nothing new to learn: {'; '.join([known, *beside])}."
    scenes = f"{len(plan.new)} scene{'s' * (len(plan.new) != 1)}"
    if decision.promote and plan.champion is None:
        return f"Version {version} is the first champion; it learned from {scenes}."
    if decision.promote:
        return (
            f"Version {version} learned from {scenes} and takes the place of version"
            f" {plan.champion}."
        )
    stays = (
        "there is still no champion"
        if plan.champion is None
        else f"version {plan.champion} stays in service"
    )
    return f"Version {version} learned from {scenes} and is refused; {stays}."


def write_night(
    folder: Path,
    plan: Plan,
    decision: Decision | None,
    version: str | None,
    curve: Mapping[str, Sequence[tuple[int, float]]],
    left_out: Mapping[str, str],
    images: Sequence[Figure],
    incumbent: str,
) -> dict[str, Any]:
    """Write `night.html`, the same as `night.md` with its images beside it, and `night.json`,
    which vouches for them.

    Args:
        folder: an empty local folder.
        plan: the night.
        decision: None where there was nothing to learn.
        version: of the challenger in the registry.
        curve: of the training: name → step and value.
        left_out: scenes that could not be prepared, with the reason.
        images: of the comparison.
        incumbent: what the challenger was measured against.

    Returns:
        What `night.json` holds.
    """
    lead = headline(plan, decision, version, left_out)
    sections = [_came_in(plan, left_out)]
    if decision is not None:
        sections += [_learned(plan, curve), _decided(decision, incumbent, images)]
    title = "A night without news" if decision is None else f"Night of {plan.name}"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "night.html", render_page(title, lead, sections))
    write_text(folder / "night.md", _markdown(title, lead, sections, folder))
    outcome = NOTHING_NEW if decision is None else PROMOTE if decision.promote else REFUSE
    content = {
        "folder": plan.name,
        "outcome": outcome,
        "message": lead,
        "reasons": [] if decision is None else decision.reasons,
        "champion": plan.champion,
        "version": version,
        "data_fingerprint": plan.fingerprint,
        "new": sorted(plan.new),
        "waiting": plan.waiting,
        "left_out": dict(left_out),
        "figures": (
            {}
            if decision is None
            else {name: vars(found) for name, found in decision.figures.items()}
        ),
    }
    write_json(folder / TABLE, content)
    return content


def _came_in(plan: Plan, left_out: Mapping[str, str]) -> Section:
    blocks: list[Block] = [
        Text(
            f"Scenes to learn from: {len(plan.new)}; scenes that the champion knows:"
            f" {len(plan.old)}."
        )
    ]
    for caption, scenes in (
        ("Learned tonight", plan.new),
        ("Kept for measuring alone", plan.held_out),
    ):
        if scenes:
            blocks.append(_scenes_table(caption, scenes))
    for caption, reasons in (
        ("New, and not learned", plan.waiting),
        ("Could not be prepared", left_out),
    ):
        if reasons:
            blocks.append(
                Table(
                    caption,
                    ["scene", "why"],
                    [[scene, why] for scene, why in sorted(reasons.items())],
                    words=True,
                )
            )
    return Section("What came in", blocks)


def _scenes_table(caption: str, scenes: Record) -> Table:
    rows = [
        [name, str(len(scene.train)), str(len(scene.val)), str(len(scene.test))]
        for name, scene in sorted(scenes.items())
    ]
    return Table(caption, ["scene", "training triplets", "validation", "held out"], rows)


def _learned(plan: Plan, curve: Mapping[str, Sequence[tuple[int, float]]]) -> Section:
    start = (
        "from scratch"
        if plan.champion is None
        else f"from version {plan.champion}, with a replay of old scenes"
    )
    rows = [
        [name, str(points[0][0]), f"{points[0][1]:.4f}", str(points[-1][0]), f"{points[-1][1]:.4f}"]
        for name, points in curve.items()
    ]
    table = Table("Training curve", ["figure", "first step", "value", "last step", "value"], rows)
    return Section(
        "What was learned",
        [Text(f"The challenger was trained {start}."), *([table] if rows else [])],
    )


def _decided(decision: Decision, incumbent: str, images: Sequence[Figure]) -> Section:
    header = ["hold-out", incumbent, "challenger", "change", "95 % interval", "images"]
    table = Table(
        "abs rel, lower is better",
        header,
        [_row(name, found) for name, found in decision.figures.items()],
    )
    verdict = "Promoted." if decision.promote else "Refused."
    return Section(
        "The decision", [*(Text(line) for line in (verdict, *decision.reasons)), table, *images]
    )


def _row(name: str, found: Comparison) -> list[str]:
    interval = f"{100 * found.low:+.1f} % … {100 * found.high:+.1f} %"
    return [
        name,
        f"{found.incumbent:.4f}",
        f"{found.challenger:.4f}",
        f"{100 * found.change:+.1f} %",
        interval,
        str(found.images),
    ]


def _markdown(title: str, lead: str, sections: Sequence[Section], folder: Path) -> str:
    lines = [f"# {title}", "", lead]
    images = 0
    for section in sections:
        lines += ["", f"## {section.title}"]
        for block in section.blocks:
            if isinstance(block, Text):
                lines += ["", block.text]
            elif isinstance(block, Table):
                lines += [
                    "",
                    block.caption,
                    "",
                    f"| {' | '.join(block.header)} |",
                    "|---" * len(block.header) + "|",
                ]
                lines += [
                    f"| {' | '.join(text.replace('|', '/') for text in row)} |"
                    for row in block.rows
                ]
            elif isinstance(block, Figure):
                images += 1
                name = f"picture_{images}.png"
                (folder / name).write_bytes(block.content)
                lines += ["", f"![{block.caption}]({name})"]
    return "\n".join(lines) + "\n"
