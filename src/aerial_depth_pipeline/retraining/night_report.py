"""The page of one night: what came in, what was learned, the decision and why."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from aerial_depth_pipeline.files import write_json, write_text
from aerial_depth_pipeline.reporting.page import Block, Figure, Section, Table, Text, render_page
from aerial_depth_pipeline.retraining.challenger import Judgement
from aerial_depth_pipeline.retraining.plan import Plan

TABLE = "night.json"
PROMOTE, REFUSE, NOTHING_NEW = "promote", "refuse", "nothing new"
Curve = Mapping[str, Sequence[tuple[int, float]]]
"""Of the training: name → step and value."""


def headline(plan: Plan, promote: bool, version: str | None, left_out: Mapping[str, str]) -> str:
    """The night in a sentence or two."""
    champion = plan.champion
    if not plan.new:
        known = f"version {champion} knows all {len(plan.old)} scenes"
        parts = [known if champion else "there is no scene to learn from"]
        words = ("set aside", "kept for measuring", "left out")
        others: list[Collection[str]] = [plan.waiting, plan.held_out, left_out]
        for word, names in zip(words, others, strict=True):
            parts += [f"{word}: {', '.join(sorted(names))}"] if names else []
        return f"Nothing new to learn: {'; '.join(parts)}."
    scenes = f"{len(plan.new)} scene{'s' * (len(plan.new) != 1)}"
    if promote and champion is None:
        return f"Version {version} is the first champion; it learned from {scenes}."
    learned = f"Version {version} learned from {scenes} and"
    if promote:
        return f"{learned} takes the place of version {champion}."
    if champion is None:
        return f"{learned} is refused; there is still no champion."
    return f"{learned} is refused; version {champion} stays in service."


def write_night(
    folder: Path,
    plan: Plan,
    curve: Curve,
    judgement: Judgement,
    version: str | None,
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """Write `night.html`, the same as `night.md` with its images beside it, and `night.json`,
    which vouches for them.

    Args:
        folder: an empty local folder.
        curve: of the training.
        version: of the challenger in the registry, if there was something to learn.
        left_out: scenes that could not be prepared, with the reason.

    Returns:
        What `night.json` holds.
    """
    decision = judgement.decision
    lead = headline(plan, decision.promote, version, left_out)
    title, outcome, sections = "A night without news", NOTHING_NEW, [_came_in(plan, left_out)]
    if plan.new:
        title, outcome = f"Night of {plan.name}", PROMOTE if decision.promote else REFUSE
        sections += [_learned(plan, curve), _decided(judgement)]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "night.html", render_page(title, lead, sections))
    write_text(folder / "night.md", _markdown(title, lead, sections, folder))
    content = {
        "folder": plan.name,
        "outcome": outcome,
        "message": lead,
        "reasons": decision.reasons,
        "champion": plan.champion,
        "version": version,
        "data_fingerprint": plan.fingerprint,
        "new": sorted(plan.new),
        "waiting": plan.waiting,
        "left_out": dict(left_out),
        "figures": {name: vars(found) for name, found in decision.figures.items()},
    }
    write_json(folder / TABLE, content)
    return content


def _came_in(plan: Plan, left_out: Mapping[str, str]) -> Section:
    text = (
        f"Scenes to learn from: {len(plan.new)}; scenes that the champion knows: {len(plan.old)}."
    )
    blocks: list[Block] = [Text(text)]
    header = ["scene", "training triplets", "validation", "held out"]
    learned = ("Learned tonight", plan.new), ("Kept for measuring alone", plan.held_out)
    for caption, scenes in learned:
        rows = [
            [name, *(str(len(targets)) for targets in (scene.train, scene.val, scene.test))]
            for name, scene in sorted(scenes.items())
        ]
        blocks += [Table(caption, header, rows)] if rows else []
    others = ("New, and not learned", plan.waiting), ("Could not be prepared", left_out)
    for caption, reasons in others:
        rows = [[scene, why] for scene, why in sorted(reasons.items())]
        blocks += [Table(caption, ["scene", "why"], rows, words=True)] if rows else []
    return Section("What came in", blocks)


def _learned(plan: Plan, curve: Curve) -> Section:
    start = "from scratch"
    if plan.champion is not None:
        start = f"from version {plan.champion}, with a replay of old scenes"
    rows = [
        [name, str(points[0][0]), f"{points[0][1]:.4f}", str(points[-1][0]), f"{points[-1][1]:.4f}"]
        for name, points in curve.items()
    ]
    header = ["figure", "first step", "value", "last step", "value"]
    tables = [Table("Training curve", header, rows)] if rows else []
    return Section("What was learned", [Text(f"The challenger was trained {start}."), *tables])


def _decided(judgement: Judgement) -> Section:
    decision = judgement.decision
    header = ["hold-out", judgement.incumbent, "challenger", "change", "95 % interval", "images"]
    rows = []
    for name, found in decision.figures.items():
        errors = [f"{error:.4f}" for error in (found.incumbent, found.challenger)]
        shares = (found.change, found.low, found.high)
        change, low, high = (f"{100 * share:+.1f} %" for share in shares)
        rows.append([name, *errors, change, f"{low} … {high}", str(found.images)])
    lines = ["Promoted." if decision.promote else "Refused.", *decision.reasons]
    table = Table("abs rel, lower is better", header, rows)
    return Section("The decision", [*map(Text, lines), table, *judgement.images])


def _markdown(title: str, lead: str, sections: Sequence[Section], folder: Path) -> str:
    lines = [f"# {title}", "", lead]
    images = 0
    for section in sections:
        lines += ["", f"## {section.title}"]
        for block in section.blocks:
            if isinstance(block, Text):
                lines += ["", block.text]
            elif isinstance(block, Table):
                rule = "|---" * len(block.header) + "|"
                lines += ["", block.caption, "", f"| {' | '.join(block.header)} |", rule]
                rows = [[text.replace("|", "/") for text in row] for row in block.rows]
                lines += [f"| {' | '.join(row)} |" for row in rows]
            elif isinstance(block, Figure):
                images += 1
                name = f"picture_{images}.png"
                (folder / name).write_bytes(block.content)
                lines += ["", f"![{block.caption}]({name})"]
    return "\n".join(lines) + "\n"
