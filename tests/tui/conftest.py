"""An opened app on a small model, and a player that needs no device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from textual.events import Key
from textual.pilot import Pilot

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.device import AudioUnavailableError
from kokoro_tui.audio.player import PlayerState
from kokoro_tui.audio.waveform import FloatArray
from kokoro_tui.tui.app import KokoroTuiApp
from kokoro_tui.tui.screens.main import MainScreen
from tests.models import ToyGraph, write

KEYS = {"_": "underscore", ".": "full_stop", "/": "slash", " ": "space", "(": "left_parenthesis", "+": "plus"}
KEYS |= {")": "right_parenthesis", "[": "left_square_bracket", "*": "asterisk", "$": "dollar_sign", "-": "minus"}
PATIENCE_SECONDS = 60.0


@dataclass
class Opened:
    """A running app with shorthands for driving it."""

    app: KokoroTuiApp
    pilot: Pilot[None]

    @property
    def main(self) -> MainScreen:
        """The main screen."""
        return self.app.main

    async def press(self, *keys: str) -> None:
        """Press keys and let everything settle."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*(KEYS.get(character, character) for character in text))

    async def type_at_once(self, text: str) -> None:
        """Type a text and enter in one burst, as SSH delivers them after a stall; nothing settles in between."""
        for character in text:
            self.app.post_message(Key(KEYS.get(character, character), character))
        self.app.post_message(Key("enter", "\r"))
        await self.pilot.pause()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        for _ in range(round(PATIENCE_SECONDS / 0.02)):
            if holds():
                await self.pilot.pause()
                return
            await self.pilot.pause(0.02)
        raise AssertionError("it did not happen in time")

    def place_cursor(self, key: str) -> None:
        """Put the cursor on a row."""
        place = self.main.table.place_of(key)
        assert place is not None, key
        self.main.table.move_cursor(row=place)

    @property
    def screen_text(self) -> str:
        """Everything on the screen, as text."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in lines)

    @property
    def status(self) -> str:
        """The message in the status line."""
        return str(self.app.query_one("#status").message)  # type: ignore[attr-defined]

    @property
    def toasts(self) -> list[str]:
        """Texts of all notifications so far."""
        return [notification.message for notification in self.app._notifications]


Open = Callable[..., AbstractAsyncContextManager[Opened]]


@pytest.fixture
def open_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A function that opens the app on a model and waits for its table; it starts in an empty folder."""
    folder = tmp_path / "working-folder"
    folder.mkdir()
    monkeypatch.chdir(folder)

    @asynccontextmanager
    async def opened(model: Path, *, size: tuple[int, int] = (120, 40), **options: Any) -> AsyncIterator[Opened]:
        app = KokoroTuiApp(model, **options)
        async with app.run_test(size=size) as pilot:
            driver = Opened(app, pilot)
            await driver.until(lambda: driver.main.work is not None or app.failure is not None)
            yield driver

    return opened


def named_model(path: Path, *names: str) -> Path:
    """A chain of MatMul nodes, each with a weight of its own."""
    graph = ToyGraph()
    value = "x"
    for index, name in enumerate(names):
        value = graph.add("MatMul", name, value, graph.weight(f"weight {index}", 32, 32))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 32]) for name in ("x", value)]
    return write(graph.model(ends[:1], ends[1:]), path)


@dataclass
class FakePlayer:
    """Keeps what it is told; its clock stands still."""

    silence_reason: str | None = None
    note: str | None = None
    output: str | None = None
    devices: tuple[str, ...] = ("Loudspeakers, ALSA", "Headphones, ALSA")
    gains: dict[int, float] = field(default_factory=dict)
    time_maps: list[TimeMap | None] = field(default_factory=list)
    loaded: list[FloatArray] = field(default_factory=list)
    closed: bool = False
    now: PlayerState = field(default_factory=lambda: PlayerState(False, 0, 0.0, 0.0))

    def load(self, tracks: Sequence[FloatArray], time_maps: Sequence[TimeMap | None] = ()) -> None:
        """Take over tracks."""
        self.loaded, self.time_maps = list(tracks), list(time_maps)
        self.now = PlayerState(False, 0, 0.0, max(track.size for track in tracks) / 24_000, self.now.volume)

    def play(self, position_seconds: float | None = None) -> None:
        """Play."""
        position = self.now.position_seconds if position_seconds is None else position_seconds
        self.now = replace(self.now, playing=True, position_seconds=position)

    def pause(self) -> None:
        """Pause."""
        self.now = replace(self.now, playing=False)

    def stop(self) -> None:
        """Stop."""
        self.now = replace(self.now, playing=False, position_seconds=0.0)

    def seek(self, position_seconds: float) -> None:
        """Move."""
        self.now = replace(self.now, position_seconds=position_seconds)

    def switch(self, which: int) -> None:
        """Change over."""
        self.now = replace(self.now, which=which)

    def repeat(self, span: tuple[float, float] | None) -> None:
        """Repeat a stretch."""
        self.now = replace(self.now, loop=span)

    def set_volume(self, volume: float) -> None:
        """Keep the volume."""
        self.now = replace(self.now, volume=volume)

    def set_gain(self, which: int, gain: float) -> None:
        """Keep the gain."""
        self.gains[which] = gain

    def outputs(self) -> tuple[str, ...]:
        """The devices."""
        return self.devices

    def choose_output(self, name: str | None) -> None:
        """Use a device."""
        if name is not None and name not in self.devices:
            raise AudioUnavailableError(f"there is no audio device {name}", "choose another one")
        self.output = name

    def state(self) -> PlayerState:
        """The state."""
        return self.now

    def close(self) -> None:
        """Close."""
        self.closed = True


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> FakePlayer:
    """Stands in for the audio device."""
    fake = FakePlayer()
    monkeypatch.setattr("kokoro_tui.audio.player.open_player", lambda on_problem, output=None: fake)
    return fake


@pytest.fixture
def voice(tmp_path: Path) -> str:
    """A voice file: speech needs one, and no test may depend on what is installed."""
    path = tmp_path / "tester.npy"
    np.save(path, np.random.default_rng(3).standard_normal((510, 1, 256)).astype(np.float32) * 0.1)
    return str(path)
