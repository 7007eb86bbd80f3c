"""From the options that describe a plan to the plan: shared by ``estimate-size`` and ``export-optimized``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.output import Output
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.recipe import Recipe, quantizing_kind
from kokoro_tui.core.recipe_options import RecipeOptions, default_recipe, uses_trials, with_options
from kokoro_tui.core.trials import TrialKind
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.workbench import Workbench


def complete_preset(incomplete: str) -> list[str]:
    """Names of presets that begin so, for the shell."""
    from kokoro_tui.store.presets import preset_names  # TOML: only where a preset is named

    return [name for name in preset_names() if name.startswith(incomplete)]


TrialsOption = Annotated[
    Path | None,
    typer.Option(
        "--trial-results", metavar="FILE", show_default="quantization-trials.csv", help="Distances of the single nodes."
    ),
]
QuantThresholdOption = Annotated[
    float | None,
    typer.Option("--quant-threshold", show_default="0.25", help="INT8 below this distance; 0 or less: no INT8."),
]
Fp16ThresholdOption = Annotated[
    float | None,
    typer.Option("--fp16-threshold", show_default="0.25", help="FP16 below this distance; 0 or less: no FP16."),
]
QuantExcludeOption = Annotated[
    str | None, typer.Option("--quant-exclude", metavar="REGEX", help="Nodes that become neither INT8 nor W8.")
]
QuantTypeOption = Annotated[
    WeightType | None,
    typer.Option("--quant-type", case_sensitive=False, show_default="QInt8", help="INT8 weights other than Conv's."),
]
ActivationTypeOption = Annotated[
    WeightType | None,
    typer.Option(
        "--quant-activation-type", case_sensitive=False, show_default="QUInt8", help="Activations; dynamic: QUInt8."
    ),
]
OpTypesOption = Annotated[
    list[str] | None,
    typer.Option("--quant-op-types", metavar="OP,…", help="Operators that may become INT8 or W8; repeatable."),
]
StaticOption = Annotated[bool, typer.Option("--quant-static", help="Quantize activations by calibrated ranges.")]
SamplesOption = Annotated[
    int | None, typer.Option("--samples", min=1, help="Calibration sentences of static quantization; all unless given.")
]
CalibrationDataOption = Annotated[
    Path | None,
    typer.Option(
        "--calibration-data", metavar="FILE", show_default=False, help="CSV Voice,Text to calibrate on; a set ships."
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A recipe that ships with kokoro-tui; needs no trials.",
        autocompletion=complete_preset,
    ),
]
RecipeOption = Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="A recipe file to build.")]
WeightOnlyFlag = Annotated[
    bool, typer.Option("--weight-only", help="Give W8 where the quant threshold would give INT8.")
]
LockOption = Annotated[
    list[str] | None, typer.Option("--lock", metavar="REGEX", help="Nodes to leave at FP32; repeatable.")
]


@dataclass(frozen=True)
class PlanRequest:
    """Where a plan comes from."""

    model: Path
    trial_results: Path | None
    preset: str | None
    recipe: Path | None
    options: RecipeOptions


@dataclass(frozen=True)
class ResolvedPlan:
    """An open model and the plan for it."""

    bench: Workbench
    recipe: Recipe
    """With the options in place."""
    plan: PrecisionPlan


def split_words(values: list[str] | None) -> tuple[str, ...]:
    """The words of a repeatable option that also takes lists with commas."""
    return tuple(word for value in values or () for word in value.replace(",", " ").split())


def resolve_request(out: Output, request: PlanRequest) -> ResolvedPlan:
    """Open the model, read what the request names, and settle the plan.

    Raises:
        InputError: Anything named is missing, unreadable or does not fit the model.
    """
    from kokoro_tui.workbench import Workbench  # onnx: 0.2 s

    if request.preset is not None and request.recipe is not None:
        raise InputError("a preset and a recipe were both named", "name one of --preset and --recipe")
    bench = Workbench.open(request.model)
    recipe = with_options(_base_recipe(request, bench), request.options)
    if table := _trial_table(request, recipe):
        load_trials(out, bench, table)
    if note := bench.untried(recipe):
        out.note(note)
    plan = bench.resolve(recipe)
    if recipe.static and bench.trials is not None and quantizing_kind(recipe, bench.trials) is TrialKind.QUANT:
        out.note("the table has no static rows, so the quant rows decide which nodes are quantized statically")
    _check_patterns(bench, request.options)
    change = bench.without_faults(plan)
    plan = change.plan
    for key, reason in (change.refused or {}).items():
        out.note(f"{key} stays FP32: {reason}")
    if risky := bench.risky(plan):
        clause = bench.hazards[risky[0]].clause(plan.precision_of(risky[0]))
        others = f", and {len(risky) - 1} more at a risky precision" if len(risky) > 1 else ""
        out.note(f"{risky[0]}: {clause}{others}")
    return ResolvedPlan(bench, recipe, plan)


def _check_patterns(bench: Workbench, options: RecipeOptions) -> None:
    """Refuse a pattern that finds nothing: the nodes that it was meant to spare would be changed.

    Raises:
        InputError: Naming the option.
    """
    candidates = [node.key for node in bench.inventory.candidates]
    all_nodes = [node.key for node in bench.inventory.main_nodes]
    named = (("--quant-exclude", options.quant_exclude, candidates), *(("--lock", p, all_nodes) for p in options.locks))
    for name, pattern, keys in named:
        if pattern and not bench.select(pattern, keys).keys:
            raise InputError(
                f"{name} {pattern!r} matches no node that it could spare",
                "leave it out, or look the names up with `kokoro-tui count --count-by individual`",
            )


def _base_recipe(request: PlanRequest, bench: Workbench) -> Recipe:
    from kokoro_tui.store.presets import read_preset  # TOML: only where a recipe is read
    from kokoro_tui.store.recipe_file import check_model, read_recipe

    if request.preset is not None:
        return read_preset(request.preset)
    if request.recipe is None:
        return default_recipe()
    recipe = read_recipe(request.recipe)
    if recipe.model_sha256:
        check_model(recipe, bench.model_sha256)
    return recipe


def _trial_table(request: PlanRequest, recipe: Recipe) -> Path | None:
    """The trial table that the request means.

    A preset takes a table only where one is named, so that it gives the same model in every folder.
    """
    if request.trial_results is not None or request.preset is not None or not uses_trials(recipe):
        return request.trial_results
    path = default_trials()
    if path is None and request.recipe is None:
        raise InputError(
            "there is no quantization-trials.csv here",
            "run `kokoro-tui trial-quantization` first, name a table with --trial-results, or use --preset w8",
        )
    return path


def default_trials() -> Path | None:
    """The trial table in the working folder; None if there is none."""
    from kokoro_tui.store.matching_trials import default_table  # CSV: only where it is read

    return default_table(Path())


def load_trials(out: Output, bench: Workbench, path: Path) -> None:
    """Give the workbench a trial table.

    Raises:
        InputError: It cannot be read, or is of another model.
    """
    from kokoro_tui.store.matching_trials import read_matching_trials  # CSV: only where it is read

    loaded = read_matching_trials(path, lambda: bench.model_sha256)
    bench.trials, bench.trials_path = loaded.table, path
    for note in loaded.notes:
        out.note(note)
    if not any(loaded.table.knows(node.key) for node in bench.inventory.candidates):
        out.note(f"{path} has no row for any node of this model, so the thresholds leave all of them at FP32")
