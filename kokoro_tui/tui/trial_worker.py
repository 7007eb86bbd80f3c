"""The thread that drains a run of trials: every event becomes one message."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.errors import InputError, KokoroTuiError
from kokoro_tui.tui.messages import TrialsEnded, TrialsFollowed, TrialsPrepared, TrialsRefused, TrialsWent

if TYPE_CHECKING:
    from textual.message import Message

    from kokoro_tui.core.trials import TrialTable
    from kokoro_tui.speech.utterance import Utterance
    from kokoro_tui.workbench import Workbench


FOLLOW_SECONDS = 2.0
"""How often the table that another process writes is looked at."""


@dataclass(frozen=True)
class TrialWish:
    """What the user asked for."""

    output_path: Path
    keys: tuple[str, ...]
    text: str
    voice: str | None
    fresh: bool = False


def drain(bench: Workbench, wish: TrialWish, post: Callable[[Message], object], stop: threading.Event) -> None:
    """Run the trials to their end; blocks, so it belongs on a thread of its own.

    Args:
        bench: The open model; its own trials are not touched here.
        wish: What to run.
        post: Takes messages from any thread.
        stop: Set it to end the run while it prepares; afterwards its control does.
    """
    # Nothing before the trials needs them.
    from kokoro_tui.jobs.child import run_in_child
    from kokoro_tui.jobs.tasks import prepare_clips
    from kokoro_tui.store.paths import log_path
    from kokoro_tui.trials.session import TrialRequest, TrialSession

    def tell_stage(stage: str, share: float) -> None:
        post(TrialsWent(stage, share))

    try:
        clips: tuple[Utterance, ...] = ()
        if bench.signature:
            size = bench.signature.vocabulary_size
            clips = run_in_child(prepare_clips, wish.text, wish.voice, size, cancel=stop, log_path=log_path())
        request = TrialRequest(wish.output_path, clips, wish.keys, fresh=wish.fresh)
        try:
            session = TrialSession(bench, request)
        except InputError as error:
            if wish.output_path.exists() and not wish.fresh and "--fresh" in error.hint:
                post(TrialsRefused(wish.output_path, wish.keys, error))
                return
            raise
        post(TrialsPrepared(session.control, session.table, wish.output_path, session.notes))
        for event in session.events(tell_stage):
            floor = session.context.noise_floor if session.context else 0.0
            post(TrialsWent("", 0.0, event.progress, event.rows, floor))
    except KokoroTuiError as error:
        post(TrialsEnded(error))
    else:
        post(TrialsEnded(None))


def follow(table: TrialTable, path: Path, post: Callable[[Message], object], stop: threading.Event) -> None:
    """Read what another process adds to a table until it ends; blocks, so it belongs on a thread of its own.

    Args:
        table: What is known of it.
        path: Its file.
        post: Takes messages from any thread; receives nothing if nobody else writes the table.
        stop: Set it to end following.
    """
    # Neither csv nor the locks are needed before the first table.
    from kokoro_tui.store.lock import owner_of
    from kokoro_tui.store.trial_table import read_trials

    owner = owner_of(path)
    if owner is None or owner.pid == os.getpid():
        return
    post(TrialsFollowed(path, owner, ()))
    while owner is not None and not stop.wait(FOLLOW_SECONDS):
        owner = owner_of(path)
        try:
            found = read_trials(path).table
        except KokoroTuiError:  # it may have been moved aside
            found = table
        rows = tuple(row for key, row in found.rows.items() if table.rows.get(key) != row)
        table = found
        if rows or owner is None:
            post(TrialsFollowed(path, owner, rows))
