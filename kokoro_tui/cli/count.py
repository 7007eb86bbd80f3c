"""``kokoro-tui count``: where the nodes, bytes and parameters of a model lie."""

from __future__ import annotations

from typing import Annotated

import typer

from kokoro_tui.cli.options import (
    DebugFlag,
    JsonFlag,
    ModelArgument,
    ModelOption,
    QuietFlag,
    chosen_model,
)
from kokoro_tui.cli.output import Output, number
from kokoro_tui.core.counting import Count, CountBy, CountFilter, GroupCount, count_model

HELP = "Count the nodes of a model, or the bytes and parameters of its tensors."
EXAMPLES = "kokoro-tui count kokoro.onnx --size --count-by op+dtype --max-rows 15"
DEFAULT_ROWS = 100


def run(
    model: ModelArgument = None,
    onnx_path: ModelOption = None,
    size: Annotated[bool, typer.Option("--size", help="Count bytes and parameters instead of nodes.")] = False,
    count_by: Annotated[CountBy, typer.Option("--count-by", help="What makes a group.")] = CountBy.OP,
    name_depth: Annotated[int, typer.Option("--name-depth", min=1, help="Parts of the path in a name group.")] = 2,
    filter_op: Annotated[str, typer.Option("--filter-op", help="Only this operator.")] = "",
    filter_name: Annotated[str, typer.Option("--filter-name", help="Only names in which this regex is found.")] = "",
    filter_dtype: Annotated[str, typer.Option("--filter-dtype", help="Only this element type, as INT8.")] = "",
    max_rows: Annotated[
        int | None, typer.Option("--max-rows", min=1, show_default="100, JSON: all", help="Most rows to show.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write a Markdown table.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Count a model and write the table."""
    from kokoro_tui.graph.read_inventory import read_inventory  # onnx: 0.2 s

    out = Output(as_json=as_json, quiet=quiet)
    inventory = read_inventory(chosen_model(model, onnx_path))
    only = CountFilter(filter_op, filter_name, filter_dtype)
    counted = count_model(inventory, count_by, by_size=size, name_depth=name_depth, only=only)
    if as_json:
        out.result(_json(counted, inventory.file_bytes, max_rows))
        return
    columns, rows, total_rows = _rows(counted, size, max_rows or DEFAULT_ROWS)
    if markdown:
        out.markdown(columns, rows)
        return
    if size:
        out.line(f"Size of the file: {inventory.file_bytes / 1024:,.2f} KB")
    out.table(columns, rows, title=f"{'Tensors' if size else 'Nodes'} by {count_by.words}", total_rows=total_rows)


def _rows(counted: Count, size: bool, max_rows: int) -> tuple[list[str], list[list[str]], int]:
    """Headings, cells, and how many rows at the end are sums."""
    groups = list(counted.groups[:max_rows])
    hidden = len(counted.groups) > max_rows
    if hidden:
        groups.append(counted.rest(max_rows))
    cells = _size_cells if size else _node_cells
    rows = [cells(group, counted) for group in groups]
    if size:
        total = ["Total", f"{counted.total_bytes / 1024:,.2f}", "100%", number(counted.total_parameters)]
        return ["Group", "Size (KB)", "Percentage", "Parameters"], [*rows, total], 1 + hidden
    return ["Group", "Count", "Percentage"], [*rows, ["Total", number(counted.nodes), "100%"]], 1 + hidden


def _size_cells(group: GroupCount, counted: Count) -> list[str]:
    share = 100 * group.nbytes / counted.total_bytes if counted.total_bytes else 0.0
    return [group.group, f"{group.nbytes / 1024:,.2f}", f"{share:.1f}%", number(group.parameters)]


def _node_cells(group: GroupCount, counted: Count) -> list[str]:
    share = 100 * group.count / counted.nodes if counted.nodes else 0.0
    return [group.group, number(group.count), f"{share:.1f}%"]


def _json(counted: Count, file_bytes: int, max_rows: int | None) -> dict[str, object]:
    return {
        "file_bytes": file_bytes,
        "nodes": counted.nodes,
        "total_bytes": counted.total_bytes,
        "total_parameters": counted.total_parameters,
        "groups": [
            {"group": g.group, "count": g.count, "bytes": g.nbytes, "parameters": g.parameters}
            for g in counted.groups[:max_rows]
        ],
    }
