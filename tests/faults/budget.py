"""How often something is tried: a few times in every test run, many times on demand."""

from __future__ import annotations

import os
import random

FULL = os.environ.get("KOKORO_TUI_FAULTS") == "full"


def rounds(bounded: int, full: int) -> int:
    """The number of tries in this run."""
    return full if FULL else bounded


def seconds(bounded: float, full: float) -> float:
    """How long something is driven in this run; KOKORO_TUI_FAULTS_MINUTES sets it for a full one."""
    minutes = os.environ.get("KOKORO_TUI_FAULTS_MINUTES")
    if FULL and minutes:
        return 60.0 * float(minutes)
    return full if FULL else bounded


def seeded(name: str) -> random.Random:
    """Random numbers that are the same in every run, unless KOKORO_TUI_FAULTS_SEED says otherwise."""
    return random.Random(f"{name}:{os.environ.get('KOKORO_TUI_FAULTS_SEED', '0')}")
