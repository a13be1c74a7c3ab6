"""Tables of text."""

from aerial_depth_pipeline.reporting.text_tables import markdown_table, text_table

ROWS = [["model", "0.1"], ["tilted_plane", "12"]]


def test_markdown_has_names_on_the_left_and_numbers_on_the_right():
    lines = markdown_table(["method", "abs rel"], ROWS)
    assert lines == [
        "| method | abs rel |",
        "|---|---:|",
        "| model | 0.1 |",
        "| tilted_plane | 12 |",
    ]


def test_columns_of_the_terminal_are_aligned():
    assert text_table(["", "abs rel"], ROWS) == [
        "              abs rel",
        "─────────────────────",
        "model             0.1",
        "tilted_plane       12",
    ]
