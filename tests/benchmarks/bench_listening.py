"""How quickly the screen answers while candidates are rendered, on the real model.

    python -m tests.benchmarks.bench_listening kokoro.onnx

A preset is rendered for five sentences in the background. Meanwhile a key changes one node again and again, and both
the time until plan, estimate and widgets are up to date and the time until the frame is painted are taken; the same
without anything in the background comes first. Medians hold for one machine at one time; run nothing beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from textual.pilot import Pilot

from kokoro_tui.core.precision import Precision
from kokoro_tui.jobs.child import prepare_main_process
from kokoro_tui.speech.sentences import Speech, load_sentences
from kokoro_tui.store.presets import read_preset
from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.candidates import Stage
from kokoro_tui.tui.screens.main import MainScreen
from tests.benchmarks.bench_tui import until, until_painted

SENTENCES = 5
IDLE_PRESSES = 40


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    model = parser.parse_args().model.resolve()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("CACHE", "STATE"):
            os.environ[f"KOKORO_TUI_{name}"] = str(Path(folder) / name)
        prepare_main_process()
        asyncio.run(measure(model))


async def measure(model: Path) -> None:
    """Print the medians of one session of the app."""
    app = KokoroTuiApp(model)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.main
        await until(pilot, lambda: screen.work is not None and screen.table.row_count > 0)
        await pilot.pause(1.0)
        print(f"nothing in the background: {figures([await press(pilot, screen, n) for n in range(IDLE_PRESSES)])}")
        texts = load_sentences()[:SENTENCES]
        screen.speech, screen._more = Speech(texts[0]), tuple(map(Speech, texts[1:]))
        started = perf_counter()
        screen.add_candidate("preset w8", screen.bench.resolve(read_preset("w8")))
        taken: list[tuple[float, float]] = []
        while (candidate := screen.candidates.get(1)) is not None and candidate.stage in (
            Stage.WAITING,
            Stage.RENDERING,
        ):
            taken.append(await press(pilot, screen, len(taken)))
        print(f"while {SENTENCES} sentences are rendered ({perf_counter() - started:.0f} s): {figures(taken)}")
        assert candidate is not None
        print(f"it ended {candidate.stage.value}; {candidate.problem}")


async def press(pilot: Pilot[None], screen: MainScreen, turn: int) -> tuple[float, float]:
    """Seconds until everything is up to date, and until it is painted, after a key that changes one node."""
    started = perf_counter()
    screen.action_precision((Precision.FP16, Precision.FP32)[turn % 2].value)
    updated = perf_counter() - started
    painted = await until_painted(screen, started)
    await pilot.pause(0.05)
    return updated, painted


def figures(taken: list[tuple[float, float]]) -> str:
    """Medians and worst in milliseconds."""
    updated, painted = ([1000 * value for value in values] for values in zip(*taken, strict=True))
    return (
        f"{len(taken)} keys, updates {median(updated):.1f} ms (worst {max(updated):.0f}), "
        f"painted {median(painted):.1f} ms (worst {max(painted):.0f})"
    )


if __name__ == "__main__":
    main()
