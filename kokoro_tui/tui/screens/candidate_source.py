"""Choosing what becomes a candidate."""

from __future__ import annotations

from kokoro_tui.tui.screens.load import LoadScreen

CURRENT_PLAN = "the plan on show"


class CandidateSourceScreen(LoadScreen):
    """Dismisses with ``CURRENT_PLAN``, the path of a recipe, or ``preset:NAME``."""

    TITLE_TEXT = "Add a candidate"
    SUFFIXES = (".toml",)
    FIRST = (CURRENT_PLAN,)
