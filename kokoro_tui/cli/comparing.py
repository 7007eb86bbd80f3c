"""From the options that name candidates to candidates: shared by ``report`` and ``listen``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.cli.options import DEFAULT_MODEL
from kokoro_tui.cli.output import Output
from kokoro_tui.cli.planning import PlanRequest, ResolvedPlan, resolve_request
from kokoro_tui.core.recipe_options import RecipeOptions
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.engine.signature import Signature
    from kokoro_tui.jobs.comparison import Candidate
    from kokoro_tui.workbench import Workbench

MAX_CANDIDATES = 9
NO_CANDIDATE = "name one with --preset, --recipe or as another model file, as in `--preset w8`"


@dataclass(frozen=True)
class ComparisonRequest:
    """What was named on the command line."""

    model: Path
    others: tuple[Path, ...] = ()
    presets: tuple[str, ...] = ()
    recipes: tuple[Path, ...] = ()
    trial_results: Path | None = None


@dataclass(frozen=True)
class NamedCandidate:
    """One candidate and where it comes from."""

    candidate: Candidate
    origin: str
    """Such as ``preset w8``."""
    options: tuple[str, ...]
    """The words of the command line that name it, without folders."""
    resolved: ResolvedPlan | None = None
    """None for a model file."""


@dataclass(frozen=True)
class ResolvedComparison:
    """An open model and what it is compared with."""

    bench: Workbench
    signature: Signature
    candidates: tuple[NamedCandidate, ...]


def split_models(models: Sequence[Path] | None, option: Path | None) -> tuple[Path, tuple[Path, ...]]:
    """The original and the other models: where the original is named as an option, all arguments are others."""
    given = tuple(models or ())
    if option is not None:
        return option, given[1:] if given[:1] == (option,) else given
    return (given[0], given[1:]) if given else (DEFAULT_MODEL, ())


def resolve_comparison(out: Output, request: ComparisonRequest) -> ResolvedComparison:
    """Open everything that was named and settle the plans.

    Raises:
        InputError: Anything named is missing, unreadable or does not fit the model, a model is no Kokoro model, or
            there are no candidates or too many.
    """
    from kokoro_tui.workbench import Workbench  # onnx: 0.2 s

    count = len(request.others) + len(request.presets) + len(request.recipes)
    bench = Workbench.open(request.model)
    signature = bench.require_signature()
    if count == 0:
        raise InputError("there is no candidate to compare with the original", NO_CANDIDATE)
    if count > MAX_CANDIDATES:
        raise InputError(f"{count} candidates were named", f"name at most {MAX_CANDIDATES}")
    names: set[str] = set()
    found = [
        *(_planned(out, request, names, preset=preset) for preset in request.presets),
        *(_planned(out, request, names, recipe=recipe) for recipe in request.recipes),
        *(_opened(path, names) for path in request.others),
    ]
    return ResolvedComparison(bench, signature, tuple(found))


def _planned(
    out: Output, request: ComparisonRequest, names: set[str], *, preset: str | None = None, recipe: Path | None = None
) -> NamedCandidate:
    from kokoro_tui.jobs.comparison import PlanCandidate  # onnx: 0.2 s

    resolved = resolve_request(out, PlanRequest(request.model, request.trial_results, preset, recipe, RecipeOptions()))
    origin = f"preset {preset}" if recipe is None else recipe.name
    if not resolved.plan.choices:
        raise InputError(f"{origin} changes no node of {request.model}", "name another recipe or preset")
    options = ("--preset", preset or "") if recipe is None else ("--recipe", recipe.name)
    name = _unique(preset or "" if recipe is None else recipe.stem, names)
    return NamedCandidate(PlanCandidate(name, resolved.plan), origin, options, resolved)


def _opened(path: Path, names: set[str]) -> NamedCandidate:
    from kokoro_tui.jobs.comparison import FileCandidate  # onnx: 0.2 s
    from kokoro_tui.workbench import Workbench

    other = Workbench.open(path)
    name = _unique(path.stem, names)
    candidate = FileCandidate(name, path, other.require_signature(), other.inventory.file_bytes)
    return NamedCandidate(candidate, path.name, (path.name,))


def _unique(name: str, names: set[str]) -> str:
    """A name that no candidate has yet."""
    number = 1
    unique = name
    while unique in names:
        number += 1
        unique = f"{name} ({number})"
    names.add(unique)
    return unique
