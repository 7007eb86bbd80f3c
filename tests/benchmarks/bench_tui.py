"""How quickly the screen starts and answers, on the real model.

    python -m tests.benchmarks.bench_tui kokoro.onnx [--trials] [--render] [--play]

* start: a whole process until the node table is painted, against a bare process that imports textual.app,
  textual.widgets and onnx and loads the same file; the two take turns, the medians are compared;
* a key that changes one node: until plan, estimate and widgets are up to date, and until the frame is painted;
* a regex over all nodes of the model: match, plan and estimate, and until the table is refreshed;
* with ``--trials`` the key again while trials run on all cores;
* with ``--render`` the key again while a preset is built and five sentences are rendered in the background;
* with ``--play`` the cost of a moving playhead, of drawing the picture, and of analysing a sentence.

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
from threading import Event, Thread
from time import perf_counter, time_ns

from textual.pilot import Pilot

from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import Cancelled
from kokoro_tui.jobs.child import prepare_main_process
from kokoro_tui.speech.sentences import DEFAULT_TEXT, Speech, load_sentences
from kokoro_tui.store.presets import read_preset
from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.audition import Auditioner
from kokoro_tui.tui.hearing import analyse_sentence
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
SENTENCES = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--trials", action="store_true", help="also measure while trials run")
    parser.add_argument("--render", action="store_true", help="also measure while five sentences are rendered")
    parser.add_argument("--play", action="store_true", help="also measure the player's picture")
    options = parser.parse_args()
    bare, ours = measure_starts(options.model)
    print(f"start: bare {bare:.2f} s, node table painted {ours:.2f} s, ratio {ours / bare:.2f}")
    prepare_main_process()
    asyncio.run(measure_keys(options.model, with_trials=options.trials, with_rendering=options.render))
    if options.play:
        asyncio.run(measure_picture(options.model))


def measure_starts(model: Path) -> tuple[float, float]:
    """Median seconds of the bare process and of ours; both once more before, to warm the file cache."""
    seconds: dict[str, list[float]] = {BARE: [], OURS: []}
    for _ in range(STARTS + 1):
        for script, found in seconds.items():
            started = perf_counter()
            subprocess.run([sys.executable, "-c", script, str(model)], check=True, capture_output=True)
            found.append(perf_counter() - started)
    return median(seconds[BARE][1:]), median(seconds[OURS][1:])


async def measure_keys(model: Path, *, with_trials: bool, with_rendering: bool) -> None:
    """Print the medians of one session of the app."""
    app = KokoroTuiApp(model)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.main
        await until(pilot, lambda: screen.work is not None and screen.table.row_count > 0)
        await pilot.pause(1.0)
        print("a key:", await key_figures(pilot, screen))
        await regex_figures(pilot, screen)
        if with_rendering:
            await rendering_figures(pilot, screen)
        if with_trials:
            with tempfile.TemporaryDirectory() as folder:
                screen.bench.trials_path = Path(folder) / "trials.csv"
                screen._start_trials(())
                await until(pilot, lambda: bool(r := screen.trial_panel.running) and bool(r and r.progress), 120)
                print("a key while trials run:", await key_figures(pilot, screen))
                screen.stop_trials()
                await until(pilot, lambda: screen.trial_panel.running is None, 60)


async def rendering_figures(pilot: Pilot[None], screen: MainScreen) -> None:
    """Medians of a key while five sentences are rendered, by the original and by a build that has nothing cached."""
    texts = load_sentences()[:SENTENCES]
    # A number that no earlier run has said, so that nothing is found on the disk.
    speeches = tuple(Speech(f"{text} {time_ns()}.") for text in texts)
    cancel, progress, done = Event(), [""], Event()

    def render() -> None:
        try:
            Auditioner(screen.bench).run(plan, speeches, lambda stage, share: progress.append(stage), cancel)
        except Cancelled:
            return
        finally:
            done.set()

    plan = screen.bench.resolve(read_preset("w8"))
    Thread(target=render, daemon=True).start()
    await until(pilot, lambda: progress[-1].startswith("render"), 120)
    print(f"a key while five sentences are rendered ({progress[-1]}):", await key_figures(pilot, screen))
    print(f"  after that: {progress[-1]}, {'all are done' if done.is_set() else 'still rendering'}")
    cancel.set()
    await until(pilot, done.is_set, 60)


async def measure_picture(model: Path) -> None:
    """Print what the player's picture costs for one sentence of about five seconds, on a screen of 120x40."""
    app = KokoroTuiApp(model, text=DEFAULT_TEXT)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.main
        await until(pilot, lambda: screen.work is not None)
        screen.push(screen.bench.resolve(read_preset("w8")))
        screen.action_build()
        await until(pilot, lambda: screen.can_play, 180)
        clip = screen.player_bar.result.clips[0]  # type: ignore[union-attr]
        analysed = [timed(lambda: analyse_sentence(clip)) for _ in range(9)]
        bar = screen.player_bar
        bar.focus()
        await pilot.pause(0.5)
        drawn = []
        for _ in range(9):
            bar.view._redraw()
            started = perf_counter()
            bar.view.render_line(0)
            drawn.append(perf_counter() - started)
        moved = []
        for step in range(PRESSES):
            assert screen._player is not None
            screen._player.seek(0.1 * step)
            started = perf_counter()
            screen._show_played()
            moved.append(await until_painted(screen, started))
        print(
            f"a sentence of {bar.analysis.seconds:.1f} s: analysed in {1000 * median(analysed):.0f} ms (in a thread), "  # type: ignore[union-attr]
            f"drawn in {1000 * median(drawn):.0f} ms, a step of the playhead painted in {1000 * median(moved):.1f} ms"
        )


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    started = perf_counter()
    action()
    return perf_counter() - started


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
