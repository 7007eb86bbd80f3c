"""``kokoro-tui plan``: from a limit to the best plan that keeps it, built and heard."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.options import DebugFlag, JsonFlag, ModelArgument, ModelOption, QuietFlag, chosen_model
from kokoro_tui.cli.output import Output, mib
from kokoro_tui.cli.planning import LockOption, TrialsOption, default_trials, load_trials
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe_options import count_precisions
from kokoro_tui.errors import ExitCode, InputError, WorkError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from kokoro_tui.planner.limits import Figures, Limit, MeasuredPlan
    from kokoro_tui.planner.session import PlanningResult, PlanningSession
    from kokoro_tui.planner.units import Barred
    from kokoro_tui.workbench import Workbench

HELP = """Find the plan that sounds best within a limit of size, or the smallest within a limit of noise or distance.

It chooses among FP32, FP16, INT8 and W8 for every shared weight, by the trial results and the bytes that are saved,
then builds the plan, hears it on six sentences in three voices, and corrects what the parts do to each other.
Ctrl+C keeps the best plan that has been heard."""
EXAMPLES = (
    "kokoro-tui plan kokoro.onnx --max-size 88 --save-recipe small.toml\n\n"
    "kokoro-tui plan --max-distance 0.2 --target webgpu --lock bert --time 5\n\n"
    "kokoro-tui plan --frontier"
)
CHART_COLUMNS, CHART_LINES = 72, 18


def run(
    model: ModelArgument = None,
    onnx_path: ModelOption = None,
    max_size: Annotated[
        float | None, typer.Option("--max-size", metavar="MIB", help="Largest file, in MiB of 1,048,576 bytes.")
    ] = None,
    max_noise: Annotated[float | None, typer.Option("--max-noise", metavar="DB", help="Most added noise.")] = None,
    max_distance: Annotated[
        float | None, typer.Option("--max-distance", metavar="D", help="Largest mel distance.")
    ] = None,
    trial_results: TrialsOption = None,
    time: Annotated[float, typer.Option("--time", metavar="MINUTES", help="Most minutes that it may take.")] = 10.0,
    target: Annotated[
        str | None, typer.Option("--target", metavar="NAME", help="Where it must run, as in lint: cuda, webgpu, ….")
    ] = None,
    lock: LockOption = None,
    frontier: Annotated[
        bool, typer.Option("--frontier", help="Also measure ten plans from the smallest to FP32, and draw them.")
    ] = False,
    save_recipe: Annotated[
        Path | None, typer.Option("--save-recipe", metavar="FILE", help="Write a recipe that builds the plan.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 is one a core.")] = 0,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Plan, and write what came of it."""
    limit = _limit(max_size, max_noise, max_distance, frontier=frontier)
    if limit is None and save_recipe is not None:
        raise InputError("the frontier is no single plan to save", "name a limit, such as --max-size 88")
    from kokoro_tui.planner.session import FRONTIER_PLANS, PlanningRequest, PlanningSession  # onnx: 0.2 s

    out = Output(as_json=as_json, quiet=quiet)
    bench = _open(out, chosen_model(model, onnx_path), trial_results)
    base = PrecisionPlan(locked=_locked(bench, lock or []))
    request = PlanningRequest(
        limit, time, FRONTIER_PLANS if frontier else 0, base, _barred(bench, target), workers=workers
    )
    session = PlanningSession(bench, request)
    with _reserved(save_recipe) as recipe_file:
        stopped = _run(out, session)
        result = session.result
        if not result.reached and not (result.frontier and recipe_file is None):
            raise _unreached(limit, result)
        if recipe_file is not None and result.best is not None:
            _write_recipe(recipe_file, bench, result.best)
    _write(out, bench, limit, result, save_recipe)
    if not result.reached:
        raise _unreached(limit, result)
    if stopped:
        out.note("stopped; what has been measured by then is kept")
        sys.stdout.flush()
        raise SystemExit(ExitCode.INTERRUPTED)


def _limit(size: float | None, noise: float | None, distance: float | None, *, frontier: bool) -> Limit | None:
    """The one limit that was named; None for the frontier alone.

    Raises:
        InputError: None or several were named.
    """
    from kokoro_tui.planner.limits import Limit, LimitKind

    named = [(k, v) for k, v in zip(LimitKind, (size, noise, distance), strict=True) if v is not None]
    if len(named) > 1 or (not named and not frontier):
        raise InputError(
            "several limits were named" if named else "no limit was named",
            "name exactly one of --max-size, --max-noise and --max-distance",
        )
    return Limit(*named[0]) if named else None


def _open(out: Output, path: Path, trial_results: Path | None) -> Workbench:
    """The model with its trial table.

    Raises:
        InputError: There is no table, or it is of another model.
    """
    from kokoro_tui.workbench import Workbench

    bench = Workbench.open(path)
    table = trial_results or default_trials()
    if table is None:
        raise InputError(
            "there is no quantization-trials.csv here to plan by",
            "run `kokoro-tui trial-quantization` first, or name a table with --trial-results",
        )
    load_trials(out, bench, table)
    return bench


def _locked(bench: Workbench, patterns: list[str]) -> frozenset[str]:
    """Nodes that stay at FP32, with their whole groups.

    Raises:
        InputError: A pattern is invalid or finds nothing.
    """
    names = [node.key for node in bench.inventory.main_nodes]
    found: set[str] = set()
    for pattern in patterns:
        keys = bench.select(pattern, names).keys
        if not keys:
            raise InputError(f"--lock {pattern!r} matches no node", "look the names up with `kokoro-tui count`")
        found.update(keys)
    return frozenset(found)


def _barred(bench: Workbench, target: str | None) -> Barred:
    """Precisions that the target cannot run, by node key."""
    if target is None:
        return {}
    from kokoro_tui.lint.linter import blocked_precisions
    from kokoro_tui.lint.targets import find_target

    return blocked_precisions(bench.inventory, find_target(target))


def _reserved(path: Path | None) -> AbstractContextManager[Path | None]:
    """A file that takes its final name at the end, so that an unwritable one is found before any work."""
    from contextlib import nullcontext

    from kokoro_tui.store.atomic import atomic_path

    return nullcontext() if path is None else atomic_path(path)


def _run(out: Output, session: PlanningSession) -> bool:
    """Run to the end; whether the user stopped it. A stop without anything measured is an error of its own."""
    with out.progress() as bar:
        events = session.events()
        stopped = False
        while True:
            try:
                event = next(events, None)
                if event is None:
                    return stopped
                bar(event.stage, event.share)
            except KeyboardInterrupt:
                # An interrupt inside the generator ends it; what was measured is in the session all the same.
                stopped = True
                session.stop()
                if session.result.best is None and not session.result.frontier:
                    raise


def _unreached(limit: Limit | None, result: PlanningResult) -> WorkError:
    assert limit is not None
    if result.best is None:
        return WorkError(f"no plan with {limit.words} was measured in time", "give it more minutes with --time")
    best = result.best.measured
    return WorkError(
        f"no plan with {limit.words} was found; the best has {mib(best.nbytes)}, a mel distance of "
        f"{best.mel_distance:.3f} and {best.added_noise_db:.2f} dB of added noise",
        "loosen the limit, or give it more minutes with --time",
    )


def _write_recipe(path: Path, bench: Workbench, found: MeasuredPlan) -> None:
    from kokoro_tui.store.recipe_file import format_recipe

    result: dict[str, float] = {
        "bytes": found.measured.nbytes,
        "mel_distance": found.measured.mel_distance,
        "added_noise_db": found.measured.added_noise_db,
    }
    if found.measured.frames_moved is not None:
        result["frames_moved"] = found.measured.frames_moved
    path.write_bytes(format_recipe(replace(bench.recipe(found.plan), result=result)).encode())


# The report


def _write(
    out: Output, bench: Workbench, limit: Limit | None, result: PlanningResult, recipe_path: Path | None
) -> None:
    values: dict[str, object] = {
        "original_bytes": bench.inventory.file_bytes,
        "limit": None if limit is None else {"kind": limit.kind.value, "value": limit.value},
        "complete": result.complete,
        "plans_measured": len(result.measured),
        "recipe": None if recipe_path is None else str(recipe_path),
    }
    if result.best is not None and result.reached:
        values |= _json(bench, result.best)
        _write_best(out, bench, result.best)
    if result.frontier:
        values["frontier"] = [_json(bench, plan) for plan in result.frontier]
        _write_frontier(out, bench, result)
    if recipe_path is not None:
        out.line(f"Recipe:  {recipe_path}")
    if limit is None or result.reached:
        out.result(values)
    if not result.complete:
        out.note("the search had not come to its end")


def _json(bench: Workbench, found: MeasuredPlan) -> dict[str, object]:
    counts = count_precisions(bench.inventory, found.plan)
    return {
        "estimated_bytes": found.predicted.nbytes,
        "predicted": _figures(found.predicted),
        "measured": _figures(found.measured),
        "nodes": {precision.value: count for precision, count in counts.items()},
    }


def _figures(figures: Figures) -> dict[str, float | None]:
    return {
        "mel_distance": figures.mel_distance,
        "added_noise_db": figures.added_noise_db,
        "frames_moved": figures.frames_moved,
    }


def _write_best(out: Output, bench: Workbench, found: MeasuredPlan) -> None:
    counts = count_precisions(bench.inventory, found.plan)
    saved = 1.0 - found.measured.nbytes / bench.inventory.file_bytes
    out.line(f"Size:    {mib(found.measured.nbytes)}, {100 * saved:.1f} % less")
    out.line("Nodes:   " + ", ".join(f"{counts[p]} {p.label}" for p in Precision))
    rows = []
    for name, key in (("Mel distance", "mel_distance"), ("Added noise (dB)", "added_noise_db")):
        rows.append([name, f"{getattr(found.predicted, key):.3f}", f"{getattr(found.measured, key):.3f}"])
    moved = found.measured.frames_moved
    expected = found.predicted.frames_moved or 0.0
    rows.append(["Frames moved", f"{expected:.1f} a clip", "unknown" if moved is None else f"{moved:g} at most"])
    out.table(["", "Predicted", "Measured"], rows)


def _write_frontier(out: Output, bench: Workbench, result: PlanningResult) -> None:
    from kokoro_tui.planner.chart import frontier_chart

    rows = []
    for number, found in enumerate(result.frontier, start=1):
        counts = count_precisions(bench.inventory, found.plan)
        moved = found.measured.frames_moved
        rows.append(
            [
                str(number),
                mib(found.measured.nbytes),
                f"{found.measured.mel_distance:.3f}",
                f"{found.measured.added_noise_db:.2f}",
                "" if moved is None else f"{moved:g}",
                *(str(counts[precision]) for precision in Precision),
            ]
        )
    headings = ["Plan", "Size", "Mel distance", "Noise (dB)", "Frames", *(p.label for p in Precision)]
    out.table(headings, rows, title="From the smallest plan to the original")
    if len(result.frontier) > 1:
        for line in frontier_chart(result.frontier, CHART_COLUMNS, CHART_LINES).splitlines():
            out.line(line)
