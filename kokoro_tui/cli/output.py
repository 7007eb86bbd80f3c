"""What the commands write: results on stdout, notes and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

MIB = 1024 * 1024
MAX_LINE = 500
"""Longest error, hint or note, in characters: names in hostile files can be 100 kB long."""
BAR_WIDTH = 36
"""Characters of the longest bar of a chart."""
UNLIMITED_WIDTH = 1_000_000
"""Width of a console that is no terminal, so that nothing is cut or wrapped for a reader that is a program."""


class Output:
    """Where one command writes to.

    Args:
        as_json: Stdout gets one JSON object and nothing else.
        quiet: Stderr gets errors only.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def result(self, values: Mapping[str, object]) -> None:
        """Write the JSON object, if that is what was asked for."""
        if self.as_json:
            write_json(values)

    def line(self, text: str = "") -> None:
        """Write a line of the report."""
        if not self.as_json:
            sys.stdout.write(f"{visible(text)}\n")

    def note(self, text: str) -> None:
        """Tell the user something that is not the result."""
        if not self.quiet:
            sys.stderr.write(f"note: {one_line(text)}\n")

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str = "",
        total_rows: int = 0,
        text_columns: Sequence[int] = (0,),
    ) -> None:
        """Write a table.

        Args:
            columns: Headings.
            rows: Cells, shown as they are and never parsed as markup.
            title: What the table shows.
            total_rows: How many of the last rows sum up the ones before.
            text_columns: Which columns hold text; the others hold numbers.
        """
        if self.as_json:
            return
        from rich.table import Table  # rich: only where something is drawn
        from rich.text import Text

        table = Table(title=Text(visible(title)) if title else None, title_justify="left")
        for index, heading in enumerate(columns):
            table.add_column(Text(heading), justify="left" if index in text_columns else "right", overflow="fold")
        for index, row in enumerate(rows):
            table.add_row(
                *(Text(visible(cell)) for cell in row),
                end_section=index == len(rows) - total_rows - 1,
                style="bold" if index >= len(rows) - total_rows else None,
            )
        _console(sys.stdout).print(table)

    def markdown(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table for a Markdown document."""
        if self.as_json:
            return
        cells = [[visible(cell).replace("|", "\\|") for cell in row] for row in (columns, *rows)]
        widths = [max(3, *(len(row[index]) for row in cells)) for index in range(len(columns))]
        for number, row in enumerate(cells):
            first, *others = row
            padded = [first.ljust(widths[0]), *(o.rjust(w) for o, w in zip(others, widths[1:], strict=True))]
            sys.stdout.write(f"| {' | '.join(padded)} |\n")
            if number == 0:
                rules = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
                sys.stdout.write(f"|{'|'.join(rules)}|\n")

    def bars(self, title: str, rows: Sequence[tuple[str, float, str]]) -> None:
        """Write a bar chart that begins at zero.

        Args:
            title: What the bars show, with its unit.
            rows: Name, length and the words beside each bar.
        """
        if self.as_json:
            return
        from rich.bar import Bar  # rich: only where something is drawn
        from rich.table import Table
        from rich.text import Text

        longest = max((length for _, length, _ in rows), default=0.0)
        grid = Table.grid(padding=(0, 1))
        for name, length, words in rows:
            bar = Bar(size=longest or 1.0, begin=0.0, end=length, width=BAR_WIDTH)
            grid.add_row(Text(visible(name)), bar, Text(visible(words), justify="right"))
        console = _console(sys.stdout)
        console.print(Text(visible(title), style="italic"))
        console.print(grid)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float], None]]:
        """A bar on stderr that takes a stage and the share that is done; nothing unless stderr is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda stage, share: None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # rich: only where it draws

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=_console(sys.stderr), transient=True) as bar:
            task = bar.add_task("starting", total=1.0)
            yield lambda stage, share: bar.update(task, description=visible(stage), completed=share)


def write_json(values: Mapping[str, object]) -> None:
    """Write one JSON object to stdout; NaN and infinity are refused, since JSON has neither."""
    sys.stdout.write(json.dumps(values, indent=2, allow_nan=False) + "\n")


def write_error(message: str, hint: str) -> None:
    """Write the ``error:`` and the ``hint:`` line."""
    sys.stderr.write(f"error: {one_line(message)}\nhint: {one_line(hint)}\n")


def visible(text: str) -> str:
    """Text in which control characters, direction marks and lone surrogates show as escapes, as ``\\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Text on one line of bounded length."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def mib(nbytes: float) -> str:
    """Bytes as MiB with two decimals."""
    return f"{nbytes / MIB:,.2f} MiB"


def number(value: float) -> str:
    """A count with separators; a fraction shows one decimal."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _console(file: TextIO) -> Console:
    from rich.console import Console  # rich: only where something is drawn

    options: dict[str, Any] = {} if file.isatty() else {"width": UNLIMITED_WIDTH}
    return Console(file=file, markup=False, highlight=False, emoji=False, **options)
