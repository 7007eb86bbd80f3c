"""``kokoro-tui lint``: whether a model, or what a plan makes of it, runs on a target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.options import DebugFlag, JsonFlag, ModelArgument, ModelOption, QuietFlag, chosen_model
from kokoro_tui.cli.output import Output, number
from kokoro_tui.cli.planning import (
    Fp16ThresholdOption,
    LockOption,
    PlanRequest,
    PresetOption,
    QuantExcludeOption,
    QuantThresholdOption,
    RecipeOption,
    StaticOption,
    TrialsOption,
    WeightOnlyFlag,
    resolve_request,
    split_words,
)
from kokoro_tui.core.recipe_options import RecipeOptions

if TYPE_CHECKING:
    from kokoro_tui.core.inventory import Inventory
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.lint.report import Finding, TargetReport

HELP = """Tell whether a model runs on a target: which operators have no kernel there, and what to choose instead.

With a recipe, a preset or a trial table it is about what that plan makes of the model, without building it.
Targets are cpu, cuda, coreml, webgpu, wasm and nnapi; cpu@1.20 and wasm@1.20 mean that release of onnxruntime.
The tables of kernels ship with kokoro-tui; the report names their source and date."""
EXAMPLES = (
    "kokoro-tui lint kokoro.onnx --preset quantized --target cuda,webgpu\n\n"
    "kokoro-tui lint kokoro_optimized.onnx --target cpu@1.20"
)
MOST_ROWS = 8
"""Operators of the source model that a table lists; the plan's are listed in full."""
NOTHING = "–"
_PLURAL = {"runs": "run", "fallback": "fall back to the CPU", "fails": "keep it from loading"}


def run(
    model: ModelArgument = None,
    onnx_path: ModelOption = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME,…", show_default="all six", help="Where it is to run; repeatable."),
    ] = None,
    preset: PresetOption = None,
    recipe: RecipeOption = None,
    trial_results: TrialsOption = None,
    quant_threshold: QuantThresholdOption = None,
    fp16_threshold: Fp16ThresholdOption = None,
    quant_exclude: QuantExcludeOption = None,
    quant_static: StaticOption = False,
    weight_only: WeightOnlyFlag = False,
    lock: LockOption = None,
    all_operators: Annotated[
        bool, typer.Option("--all", help="List every operator, those that simply run included.")
    ] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Look every node up in the tables and write what was found."""
    from kokoro_tui.lint.linter import Linter  # the other commands start without it
    from kokoro_tui.lint.targets import find_targets

    out = Output(as_json=as_json, quiet=quiet)
    targets = find_targets(split_words(target))
    options = RecipeOptions(
        quant_threshold=quant_threshold,
        fp16_threshold=fp16_threshold,
        quant_exclude=quant_exclude,
        weight_only=weight_only,
        static=quant_static,
        locks=tuple(lock or ()),
    )
    request = PlanRequest(chosen_model(model, onnx_path), trial_results, preset, recipe, options)
    inventory, plan = _what_is_asked(out, request)
    reports = [Linter(inventory, found, plan).report(plan) for found in targets]
    out.result(
        {
            "model": str(inventory.path),
            "planned": plan is not None,
            "targets": {report.target.name: _values(report, all_operators) for report in reports},
        }
    )
    for report in reports:
        _write(out, report, all_operators)


def _what_is_asked(out: Output, request: PlanRequest) -> tuple[Inventory, PrecisionPlan | None]:
    """The model, and the plan if one is described at all."""
    if request == PlanRequest(request.model, None, None, None, RecipeOptions()):
        from kokoro_tui.graph.read_inventory import read_inventory  # onnx: 0.2 s

        return read_inventory(request.model), None
    resolved = resolve_request(out, request)
    return resolved.bench.inventory, resolved.plan


def _values(report: TargetReport, all_operators: bool) -> dict[str, object]:
    """One target for the JSON object; names of nodes are complete."""
    table = report.target.table
    findings = (*report.findings, *(report.running if all_operators else ()))
    return {
        "ok": report.ok,
        "runtime": table.runtime,
        "release": report.target.release,
        "source": table.source,
        "date": table.date,
        "notes": list(table.notes),
        "nodes": {status.value: count for status, count in report.counts.items()},
        "findings": [
            {
                "op": finding.op,
                "domain": finding.domain,
                "count": finding.count,
                "status": finding.status.value,
                "added_by_plan": finding.added_by_plan,
                "reason": finding.reason,
                "advice": finding.advice,
                "nodes": list(finding.nodes),
            }
            for finding in findings
        ],
    }


def _write(out: Output, report: TargetReport, all_operators: bool) -> None:
    """One target as a table, with what the table of kernels is and when it was read."""
    table = report.target.table
    title = f"{report.target.title}: {_summary(report)}"
    shown = [*report.findings, *report.running] if all_operators else _shortened(report.findings)
    if shown:
        hidden = [finding for finding in report.findings if finding not in shown]
        rows = [_cells(finding) for finding in shown]
        if hidden:
            nodes = sum(finding.count for finding in hidden)
            rows.append([f"… and {len(hidden)} more (--all)", number(nodes), "", "", "", ""])
        columns = ["Operator", "Nodes", "Status", "Added by", "Why", "Instead"]
        out.table(columns, rows, title=title, text_columns=(0, 2, 3, 4, 5))
    else:
        out.line(title)
    for note in table.notes:
        out.line(note)
    out.line(f"For {table.runtime}, release {report.target.release}. Source, read on {table.date}: {table.source}.")
    out.line()


def _summary(report: TargetReport) -> str:
    counts = [f"{number(count)} {_PLURAL[status]}" for status, count in report.counts.items() if count]
    return f"{'loads' if report.ok else 'does not load'}; of the nodes {', '.join(counts)}"


def _shortened(findings: Iterable[Finding]) -> list[Finding]:
    """What keeps the model from loading, what the plan brings, and the most frequent of the rest."""
    ours: list[Finding] = []
    rest: list[Finding] = []
    for finding in findings:
        of_use = finding.added_by_plan or finding.advice or finding.status == "fails"
        (ours if of_use else rest).append(finding)
    return ours + (rest if len(rest) <= MOST_ROWS + 1 else rest[:MOST_ROWS])


def _cells(finding: Finding) -> list[str]:
    added_by = "the plan" if finding.added_by_plan else "the model"
    why, instead = finding.reason or NOTHING, finding.advice or NOTHING
    nodes = number(finding.count) if finding.count else NOTHING
    return [finding.op, nodes, finding.status.label, added_by, why, instead]
