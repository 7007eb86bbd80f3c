"""``kokoro-tui recipe diff``: which nodes two recipes treat differently, and what that costs in bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.options import DEFAULT_MODEL, DebugFlag, JsonFlag, ModelOption, QuietFlag
from kokoro_tui.cli.output import Output, mib
from kokoro_tui.cli.planning import TrialsOption, default_trials, load_trials
from kokoro_tui.core.recipe_options import uses_trials
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.core.recipe import Recipe

HELP = "Compare what two recipes give on a model."
EXAMPLES = "kokoro-tui recipe diff before.toml after.toml --onnx-model kokoro.onnx"


def run(
    before: Annotated[Path, typer.Argument(metavar="A.toml", show_default=False, help="The first recipe.")],
    after: Annotated[Path, typer.Argument(metavar="B.toml", show_default=False, help="The second recipe.")],
    onnx_path: ModelOption = None,
    trial_results: TrialsOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Resolve both recipes on the model and write the difference."""
    from kokoro_tui.core.recipe import changed_nodes
    from kokoro_tui.store.recipe_file import check_model, read_recipe
    from kokoro_tui.workbench import Workbench  # onnx: 0.2 s

    out = Output(as_json=as_json, quiet=quiet)
    recipes = [read_recipe(before), read_recipe(after)]
    bench = Workbench.open(onnx_path or _model_of(recipes, before.parent))
    for recipe in recipes:
        if recipe.model_sha256:
            check_model(recipe, bench.model_sha256)
    if table := trial_results or (default_trials() if any(map(uses_trials, recipes)) else None):
        load_trials(out, bench, table)
    old, new = (bench.resolve(recipe) for recipe in recipes)
    changed = changed_nodes(old, new, (node.key for node in bench.inventory.main_nodes))
    sizes = [bench.estimate(plan).estimated_bytes for plan in (old, new)]
    types = [plan.weight_type.value for plan in (old, new)]
    out.result(
        {
            "changed": [{"node": key, "before": a.value, "after": b.value} for key, a, b in changed],
            "bytes": sizes[1] - sizes[0],
            "bytes_before": sizes[0],
            "bytes_after": sizes[1],
            "weight_type": {"before": types[0], "after": types[1]},
        }
    )
    if changed:
        out.table(["Node", "Before", "After"], [[key, a.label, b.label] for key, a, b in changed])
    else:
        out.line("Both recipes give every node the same precision.")
    if types[0] != types[1]:
        out.line(f"Type of INT8 weights: {types[0]}, then {types[1]}")
    out.line(f"Size: {mib(sizes[0])}, then {mib(sizes[1])} ({sizes[1] - sizes[0]:+,} bytes)")


def _model_of(recipes: list[Recipe], folder: Path) -> Path:
    """The model that the recipes name, beside them or here; else the default one."""
    names = [Path(recipe.model_name).name for recipe in recipes if recipe.model_name]
    for path in (*(place / name for name in names for place in (folder, Path())), DEFAULT_MODEL):
        if path.is_file():
            return path
    raise InputError("the recipes do not tell where their model is", "name it with --onnx-model FILE")
