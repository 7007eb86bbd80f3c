"""How quickly the screen starts and answers, on the real model.

    python -m tests.benchmarks.bench_tui kokoro.onnx [--trials]

* start: a whole process until the node table is painted, against a bare process that imports textual.app,
  textual.widgets and onnx and loads the same file; the two take turns, the medians are compared;
* a key that changes one node: until plan, estimate and widgets are up to date, and until the frame is painted;
* a regex over all nodes of the model: match, plan and estimate, and until the table is refreshed;
* with ``--trials`` the key again while trials run on all cores.

Ratios and medians hold for one machine at one time; run nothing beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from textual.pilot import Pilot

from kokoro_tui.core.precision import Precision
from kokoro_tui.jobs.child import prepare_main_process
from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.screens.main import MainScreen

BARE = "import sys, textual.app, textual.widgets, onnx; onnx.load(sys.argv[1])"
OURS = """
import sys
from pathlib import Path
from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.screens.main import MainScreen

def painted(screen):
    heavy = {"torch", "kokoro", "onnxruntime", "pandas"} & set(sys.modules)
    screen.app.exit(return_code=3 if heavy or not screen.table.row_count else 0)

MainScreen._after_first_table = painted
import gc; gc.disable()
app = KokoroTuiApp(Path(sys.argv[1]))
app.run(headless=True, size=(120, 40))
sys.exit(app.return_code)
"""
STARTS = 9
PRESSES = 40


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--trials", action="store_true", help="also measure while trials run")
    options = parser.parse_args()
    bare, ours = measure_starts(options.model)
    print(f"start: bare {bare:.2f} s, node table painted {ours:.2f} s, ratio {ours / bare:.2f}")
    prepare_main_process()
    asyncio.run(measure_keys(options.model, with_trials=options.trials))


def measure_starts(model: Path) -> tuple[float, float]:
    """Median seconds of the bare process and of ours; both once more before, to warm the file cache."""
    seconds: dict[str, list[float]] = {BARE: [], OURS: []}
    for _ in range(STARTS + 1):
        for script, found in seconds.items():
            started = perf_counter()
            subprocess.run([sys.executable, "-c", script, str(model)], check=True, capture_output=True)
            found.append(perf_counter() - started)
    return median(seconds[BARE][1:]), median(seconds[OURS][1:])


async def measure_keys(model: Path, *, with_trials: bool) -> None:
    """Print the medians of one session of the app."""
    app = KokoroTuiApp(model)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.main
        await until(pilot, lambda: screen.work is not None and screen.table.row_count > 0)
        await pilot.pause(1.0)
        print("a key:", await key_figures(pilot, screen))
        await regex_figures(pilot, screen)
        if with_trials:
            with tempfile.TemporaryDirectory() as folder:
                screen.bench.trials_path = Path(folder) / "trials.csv"
                screen._start_trials(())
                await until(pilot, lambda: bool(r := screen.trial_panel.running) and bool(r and r.progress), 120)
                print("a key while trials run:", await key_figures(pilot, screen))
                screen.stop_trials()
                await until(pilot, lambda: screen.trial_panel.running is None, 60)


async def key_figures(pilot: Pilot[None], screen: MainScreen) -> str:
    """Medians of a key that changes one node."""
    updated, painted = [], []
    for press in range(PRESSES):
        name = (Precision.FP16, Precision.FP32)[press % 2].value
        started = perf_counter()
        screen.action_precision(name)
        updated.append(perf_counter() - started)
        painted.append(await until_painted(screen, started))
        await pilot.pause(0.05)
    return f"updates {1000 * median(updated):.1f} ms, painted {1000 * median(painted):.1f} ms"


async def regex_figures(pilot: Pilot[None], screen: MainScreen) -> None:
    """Medians of a regex action over all nodes."""
    screen.action_all_nodes()
    await pilot.pause(1.0)
    matched, refreshed = [], []
    everything = tuple(node.key for node in screen.bench.inventory.main_nodes)
    for turn in range(8):
        precision = (Precision.FP16, Precision.FP32)[turn % 2]
        started = perf_counter()
        hits = screen.bench.select(".", everything)
        change = screen.bench.set_precision(screen.state.plan, hits.keys, precision)
        screen.bench.estimate(change.plan)
        matched.append(perf_counter() - started)
        screen.push(change.plan)
        refreshed.append(await until_painted(screen, started))
        await pilot.pause(0.3)
    print(
        f"a regex over {len(everything):,} nodes: match, plan and estimate {1000 * median(matched):.0f} ms, "
        f"table refreshed {1000 * median(refreshed):.0f} ms"
    )
    screen.action_all_nodes()
    await pilot.pause(1.0)


async def until_painted(screen: MainScreen, started: float) -> float:
    """Seconds from ``started`` until the screen has painted what is due."""
    done = asyncio.Event()
    screen.call_after_refresh(done.set)
    await done.wait()
    return perf_counter() - started


async def until(pilot: Pilot[None], holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    for _ in range(round(seconds / 0.05)):
        if holds():
            return
        await pilot.pause(0.05)
    raise TimeoutError("the app did not get there in time")


if __name__ == "__main__":
    main()
