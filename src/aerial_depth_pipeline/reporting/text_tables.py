"""Tables of text."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table whose first column holds names and whose others numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return [
        "|" + "|".join(line) + "|" if i == 1 else f"| {' | '.join(line)} |"
        for i, line in enumerate(lines)
    ]


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table for the terminal: header, a rule, rows; names on the left, numbers on
    the right."""
    table = [header, *rows]
    first, *others = (max(map(len, column)) for column in zip(*table, strict=True))
    header_line, *lines = [
        "  ".join([line[0].ljust(first), *map(str.rjust, line[1:], others)]) for line in table
    ]
    return [header_line, "─" * len(header_line), *lines]
