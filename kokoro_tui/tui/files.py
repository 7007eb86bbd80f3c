"""What threads do with files, without any widget: opening, loading and saving."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.errors import Cancelled, InputError, KokoroTuiError
from kokoro_tui.store.atomic import remove_stale_partials
from kokoro_tui.store.lock import BusyError, holding, owner_of
from kokoro_tui.store.paths import bundled_model_path, log_path, make_folder, state_folder
from kokoro_tui.tui.formats import count

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.core.trials import TrialTable
    from kokoro_tui.tui.state import Measured
    from kokoro_tui.workbench import Workbench

OnProgress = Callable[[str, float], None]
PRESET_PREFIX = "preset:"
_LOCK_SECONDS = 0.5
"""How long a wait for another process lasts before it is told of again."""


@dataclass(frozen=True)
class FoundTrials:
    """A trial table that fits the model."""

    path: Path
    table: TrialTable
    notes: tuple[str, ...]


def job_log() -> Path:
    """Where child processes write what they have to say; its folder is made."""
    return make_folder(log_path().parent) / log_path().name


def ensure_bundled(on_progress: OnProgress, cancel: threading.Event) -> Path:
    """The bundled model in the user's cache, built there if it is not.

    Raises:
        KokoroTuiError: It cannot be built, or ``cancel`` was set.
    """
    target = bundled_model_path()
    if target.is_file():
        return target
    # The export's own imports take seconds; only its child process makes them.
    from kokoro_tui.jobs import tasks
    from kokoro_tui.jobs.child import run_in_child

    make_folder(target.parent)
    with _alone_with(target, on_progress, cancel):
        if target.is_file():  # another window has built it meanwhile
            return target
        try:
            run_in_child(tasks.build_bundled, target, on_progress=on_progress, cancel=cancel, log_path=job_log())
        except InputError as error:  # without what builds it, a model that is there still opens
            own = "or open a model that you have: kokoro-tui kokoro.onnx"
            raise InputError(error.message, f"{error.hint}; {own}") from error
        finally:
            # A child that was ended could not clean up after itself.
            remove_stale_partials(target.parent)
    return target


@contextmanager
def _alone_with(target: Path, on_progress: OnProgress, cancel: threading.Event) -> Iterator[None]:
    """Hold the bundled model's lock; while another process builds it, wait and tell who does."""
    while not cancel.is_set():
        try:
            with holding(target, "building the bundled model", wait_seconds=_LOCK_SECONDS):
                yield
            return
        except BusyError:
            owner = owner_of(target)
            on_progress(owner.describe if owner is not None else "another kokoro-tui is done with it", 0.0)
    raise Cancelled


def load_trials(bench: Workbench, path: Path) -> FoundTrials:
    """Read a trial table and make sure that it is one of this model.

    Raises:
        InputError: It is unreadable, or of another model.
    """
    # csv and json are cheap, but nothing before the first table needs them.
    from kokoro_tui.store.matching_trials import read_matching_trials

    loaded = read_matching_trials(path, lambda: bench.model_sha256)
    known = {name for name, _ in loaded.table.rows}
    if known and known.isdisjoint(node.key for node in bench.inventory.nodes):
        raise InputError(
            f"{path.name} names no node of {bench.inventory.path.name}", "load the table of this model, or press t"
        )
    return FoundTrials(path, loaded.table, loaded.notes)


def find_trials(bench: Workbench, folder: Path) -> FoundTrials | None:
    """The trial table beside the model, else in ``folder``; None if there is none.

    Raises:
        InputError: There is one, but it is unreadable or of another model.
    """
    from kokoro_tui.store.matching_trials import default_table

    path = default_table(bench.inventory.path.parent) or default_table(folder)
    return None if path is None else load_trials(bench, path)


def load_plan(bench: Workbench, source: str, current: PrecisionPlan) -> tuple[PrecisionPlan, str, tuple[str, ...]]:
    """The plan of a recipe file or of ``preset:NAME``, with its name and what is to be noted.

    A preset leaves the nodes alone that ``current`` excludes, and gives the same whatever trials are loaded, as it does
    for commands that name no table. A recipe brings its own locks.

    Raises:
        InputError: It is no recipe, or does not fit this model.
    """
    # tomlkit and the preset files are needed only where one is loaded.
    from kokoro_tui.core.recipe import resolve
    from kokoro_tui.store.presets import read_preset
    from kokoro_tui.store.recipe_file import check_model, read_recipe

    if source.startswith(PRESET_PREFIX):
        name = source.removeprefix(PRESET_PREFIX)
        plan = resolve(read_preset(name), bench.inventory).sparing_locked_of(current)
        left = f"{count(len(current.locked), 'excluded node')} left alone"
        return plan, f"preset {name}", (left,) if current.locked else ()
    recipe = read_recipe(Path(source))
    check_model(recipe, bench.model_sha256)
    unnamed = "" if recipe.model_sha256 else f"{Path(source).name} names no model; it was taken as it is"
    notes = tuple(note for note in (unnamed, bench.untried(recipe)) if note)
    return bench.resolve(recipe), Path(source).name, notes


def save_recipe(bench: Workbench, plan: PrecisionPlan, path: Path, measured: Measured | None) -> None:
    """Write the plan as a recipe, with what was measured on a build of it.

    Raises:
        WriteError: It cannot be written.
    """
    from kokoro_tui.store.recipe_file import write_recipe

    recipe = bench.recipe(plan)
    if measured is not None:
        figures = {
            "bytes": float(measured.final_bytes),
            "mel_distance": measured.mel_distance,
            "added_noise_db": measured.added_noise_db,
        }
        if measured.frames_moved is not None:
            figures["frames_moved"] = float(measured.frames_moved)
        recipe = replace(recipe, result=figures)
    write_recipe(path, recipe)


def rebuild_command(bench: Workbench, plan: PrecisionPlan, measured: Measured | None, target: Path) -> tuple[str, Path]:
    """The headless command that builds the plan, and its recipe, which is written to the user's state folder.

    Raises:
        WriteError: The recipe cannot be written.
    """
    folder = make_folder(state_folder() / "recipes")
    path = folder / f"{bench.inventory.path.stem}-{plan.digest}.toml"
    save_recipe(bench, plan, path, measured)
    return bench.rebuild_command(path, target), path


def preset_names() -> tuple[str, ...]:
    """Names of the presets."""
    from kokoro_tui.store.presets import preset_names as names

    return names()


def voice_names() -> tuple[str, ...]:
    """Voices that this machine can load now; empty where they cannot be listed."""
    # The voices' own imports are needed only in the dialog that lists them.
    from kokoro_tui.speech.voices import list_voices

    try:
        return tuple(voice.name for voice in list_voices())
    except KokoroTuiError:
        return ()
