from aerial_depth_pipeline.evaluation.report.tables import (
    format_console,
    format_latex,
    format_markdown,
    mlflow_metrics,
    pivot,
)


def test_console_table_has_the_model_first_the_baselines_last_and_aligned_columns(measured):
    lines = format_console(
        measured.table, "town", "median_per_image", basis="against exact depth (simulated flights)"
    ).splitlines()
    assert (
        lines[0] == "town, against exact depth (simulated flights), median per image, no depth cap"
    )
    assert [line.split()[0] for line in lines[3:]] == ["model", "constant", "tilted_plane"]
    assert len({len(line) for line in lines[1:]}) == 1
    wide = pivot(measured.table, "town", "median_per_image")
    assert f"{wide.loc['model', 'abs_rel']:.3f}" in lines[3]


def test_markdown_marks_the_best_and_latex_escapes(measured):
    markdown = format_markdown(measured.table, "town", "median_per_image", cap="40")
    assert "depth up to 40" in markdown and "| `model` | **" in markdown
    latex = format_latex(measured.table, "town", "median_per_image")
    assert (
        r"tilted\_plane" in latex
        and r"\%" in latex
        and r"\textbf{" in latex
        and latex.count(r"\\") == 4
    )  # header and three methods


def test_mlflow_names(measured):
    metrics = mlflow_metrics(measured.table, "median_per_image")
    assert (
        metrics["town/median_per_image/abs_rel"]
        == pivot(measured.table, "town", "median_per_image").loc["model", "abs_rel"]
    )
    assert {
        "town/median_per_image/skill_over_plane",
        "town/none_cap_40/abs_rel",
        "town/constant/median_per_image/abs_rel",
    } <= set(metrics)
    assert (
        "town/constant/none/abs_rel" not in metrics
    )  # baselines under one alignment, so that plots stay readable
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_-./ ")
    assert all(set(name) <= allowed for name in metrics)
