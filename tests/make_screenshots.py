"""Drive the app on the real model as a user would, and write ``screenshots/*.svg``.

    python -m tests.make_screenshots kokoro.onnx [--folder screenshots]

The same walk is a test (tests/tui/test_real_walk.py), so the screenshots show what the tests have seen.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from textual.pilot import Pilot
from textual.widgets import Input, Label

from kokoro_tui.jobs.child import prepare_main_process
from kokoro_tui.store.listening_log import read_lines
from kokoro_tui.store.presets import read_preset
from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.messages import CandidateOffered
from kokoro_tui.tui.screens.abx import DEFAULT_TRIALS, AbxScreen
from kokoro_tui.tui.screens.export import ExportScreen
from kokoro_tui.tui.screens.regex_action import RegexActionScreen
from tests.still_player import StillPlayer

SIZE = (120, 40)
NAMES = (
    "table", "filter", "regex-action", "size-bar", "audition", "player", "difference", "candidates", "blind-test",
    "blind-result", "help",
)  # fmt: skip
"""The screenshots that the walk takes, in order."""
_KEYS = {"_": "underscore", ".": "full_stop", "/": "slash", " ": "space"}
STEP_SECONDS = 0.05
REPORT_VOICE = "jf_alpha"
CANDIDATES = ("w8", "q8f16")
"""Presets that are rendered beside the plan."""
BLIND_SEED, MISTAKE = 3, 2
"""Of the blind test: what it draws from, and the trial that is answered wrongly."""
PALETTE = 96
"""Colours of the report's screenshot, so that it stays small."""


class Walk:
    """One walk through the app.

    Args:
        pilot: Presses the keys.
        target: Where the export goes.
        shoot: Called with the name of every screenshot.
    """

    def __init__(self, pilot: Pilot[None], target: Path, shoot: Callable[[str], None]) -> None:
        self._pilot = pilot
        self._target = target
        self._shoot = shoot
        app = pilot.app
        assert isinstance(app, KokoroTuiApp)
        self.app = app
        self.seen: dict[str, object] = {}
        """What the walk found, by the name of the step."""

    async def run(self) -> dict[str, object]:
        """Open, filter, exclude, regex action, undo, export, build; returns what was seen on the way."""
        main = self.app.main
        await self.until(lambda: self.app.failure is not None or main.work is not None)
        assert self.app.failure is None, self.app.failure
        await self.until(lambda: main.table.row_count > 0)
        self.seen["rows"] = main.table.row_count
        self.seen["original"] = main.state.estimate.original_bytes
        await self._pilot.pause()
        self._shoot("table")

        await self._pilot.press("slash")
        await self.type("conv_post")
        self.seen["filtered"] = [row.key for row in main.table.listed]
        self._shoot("filter")
        await self._pilot.press("enter", "x")
        self.seen["excluded"] = sorted(main.state.plan.locked)

        await self.press("escape")
        await self.until(lambda: not main.view.pattern)
        await self.press("r")
        await self.until(lambda: isinstance(self.app.screen, RegexActionScreen))
        await self.type("resblocks")
        await self.press("down")  # from FP16 to INT8
        await self._pilot.pause(0.2)
        self.seen["preview"] = str(self.app.screen.query_one("#regex-preview", Label).render())
        self._shoot("regex-action")
        before = main.state.estimate.estimated_bytes
        await self.press("enter")
        await self.until(lambda: self.app.screen is main)
        self.seen["after regex"] = (before, main.state.estimate.estimated_bytes, self.bar)
        await self.press("u")
        self.seen["undone"] = main.state.estimate.estimated_bytes
        await self.press("ctrl+r")
        self.seen["redone"] = main.state.estimate.estimated_bytes
        self._shoot("size-bar")

        await self.export()
        await self.press("b")
        await self.until(lambda: main.player_bar.building is not None)
        await self.until(lambda: main.player_bar.building is None)
        self.seen["audition"] = main.player_bar.result
        await self._pilot.pause(0.2)
        self._shoot("audition")
        await self.look()
        await self.compare()
        await self.press("question_mark")
        await self._pilot.pause(0.2)
        self._shoot("help")
        await self.press("escape")
        return self.seen

    async def look(self) -> None:
        """Look at both renderings, then closely at the half second where they differ most, and go back."""
        main = self.app.main
        self.app.clear_notifications()
        main.player_bar.focus()
        await self.press("n")
        self.seen["worst"] = main.player_bar.analysis.worst if main.player_bar.analysis else None
        await self.press("tab")
        self._shoot("player")
        await self.press("D")
        await self.press("z")
        self._shoot("difference")
        await self.press("z")
        await self.press("escape")

    async def compare(self) -> None:
        """Render candidates, hear them side by side, and put one to a blind test with one mistake in ten."""
        main, player = self.app.main, StillPlayer()
        main.random = Random(BLIND_SEED)
        main.make_player = lambda title, labels=(): player  # type: ignore[method-assign]
        await self.press("k")
        for name in CANDIDATES:
            main.post_message(CandidateOffered(f"preset {name}", main.bench.resolve(read_preset(name))))
        await self.until(lambda: len(main.candidates) == 1 + len(CANDIDATES))
        await self.until(lambda: all(found.result is not None for _, found in main.candidates), 400.0)
        self.seen["candidates"] = main.candidates
        await self.press("c")
        await self.press("2")
        await self.until(lambda: len(player.loaded) == 2 + len(CANDIDATES) and player.state().playing)
        await self._pilot.pause(0.2)
        self._shoot("candidates")
        await self.press("up")
        await self.press("z")
        screen = self.app.screen
        assert isinstance(screen, AbxScreen)
        await self.press("enter")
        for trial in range(DEFAULT_TRIALS):
            await self.until(lambda: screen.stage == "trial")
            await self.press("x")
            is_a = np.array_equal(player.loaded[2], player.loaded[0])
            await self.press("left" if is_a is not (trial == MISTAKE) else "right")
            if trial == MISTAKE:
                self._shoot("blind-test")
            await self.press("enter")
        await self.until(lambda: screen.stage == "done")
        self.seen["blind test"] = str(read_lines()[-1]["right"])
        self._shoot("blind-result")
        await self.press("enter")
        await self.press("escape")

    async def export(self) -> None:
        """Export to the target and go back to the table."""
        main = self.app.main
        await self.press("e")
        await self.until(lambda: isinstance(self.app.screen, ExportScreen))
        field = self.app.screen.query_one(Input)
        field.value = str(self._target)
        await self.press("enter")
        await self.until(self._target.exists)
        self.seen["estimated"] = main.state.estimate.estimated_bytes
        self.seen["exported"] = self._target.stat().st_size
        await self._pilot.pause(0.3)
        while self.app.screen is not main:
            await self.press("escape")

    @property
    def bar(self) -> str:
        """The text of the size bar."""
        return str(self.app.query_one("#size-bar").text)  # type: ignore[attr-defined]

    async def press(self, key: str) -> None:
        """Press one key and let the app settle."""
        await self._pilot.press(key)
        await self._pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        await self._pilot.press(*(_KEYS.get(character, character) for character in text))
        await self._pilot.pause(0.2)

    async def until(self, holds: Callable[[], bool], seconds: float = 180.0) -> None:
        """Wait until something holds."""
        for _ in range(round(seconds / STEP_SECONDS)):
            if holds():
                return
            await self._pilot.pause(STEP_SECONDS)
        raise AssertionError("the app did not get there in time")


async def take_screenshots(model: Path, folder: Path, target: Path) -> dict[str, object]:
    """Walk through the app and write the screenshots into ``folder``."""
    app = KokoroTuiApp(model)
    async with app.run_test(size=SIZE) as pilot:
        walk = Walk(pilot, target, lambda name: _save(app, folder / f"{name}.svg"))
        return await walk.run()


def _save(app: KokoroTuiApp, path: Path) -> None:
    path.write_text(app.export_screenshot(), encoding="utf-8")


def take_report_screenshot(model: Path, target: Path) -> None:
    """Write a report about two presets and photograph its page, down to the end of the first sentence."""
    import io

    from PIL import Image

    from kokoro_tui.cli.main import run
    from tests.browser import chromium, visit, wait_for_sound

    with tempfile.TemporaryDirectory() as folder:
        words = ["report", str(model), "--preset", "w8", "--preset", "q8f16", "--voice", REPORT_VOICE]
        assert run([*words, "--output", folder, "--quiet"]) == 0
        address = (Path(folder) / "report.html").as_uri()
        with chromium() as browser, visit(browser, address) as found:
            wait_for_sound(found.page)
            end = found.page.locator("[data-sentence]").first.bounding_box()
            assert end is not None
            area = {"x": 0.0, "y": 0.0, "width": 1280.0, "height": end["y"] + end["height"] + 32.0}
            shot = found.page.screenshot(full_page=True, clip=area)  # type: ignore[arg-type]
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    image.quantize(PALETTE, dither=Image.Dither.NONE).save(target, optimize=True)


def _see_and_hear() -> None:
    """Full colours, and a device that takes every sound, whatever the machine has."""
    os.environ["COLORTERM"] = "truecolor"
    os.environ.pop("NO_COLOR", None)
    state = tempfile.TemporaryDirectory()  # the blind test is nobody's
    os.environ["KOKORO_TUI_STATE"] = state.name
    atexit.register(state.cleanup)
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as config:
        config.write("pcm.!default { type null }\n")
    os.environ["ALSA_CONFIG_PATH"] = config.name
    atexit.register(os.unlink, config.name)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("screenshots"))
    parser.add_argument("--export", type=Path, default=Path("kokoro_optimized.onnx"))
    options = parser.parse_args()
    prepare_main_process()
    _see_and_hear()
    take_report_screenshot(options.model, options.folder / "report.png")
    for step, found in asyncio.run(take_screenshots(options.model, options.folder, options.export)).items():
        print(f"{step}: {found}" if step != "audition" else f"{step}: {type(found).__name__}")


if __name__ == "__main__":
    main()
