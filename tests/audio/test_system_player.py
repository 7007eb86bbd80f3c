"""Playing by programs of the system, which stand-ins written in shell take the place of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from kokoro_tui.audio import player as player_module
from kokoro_tui.audio import system_player
from kokoro_tui.audio.device import AudioUnavailableError
from kokoro_tui.audio.player import SilentPlayer, SystemPlayer, open_player
from kokoro_tui.audio.system_player import find_commands
from kokoro_tui.audio.wav import read_wav
from kokoro_tui.audio.waveform import Waveform
from kokoro_tui.errors import KokoroTuiError
from tests.audio.signals import noise

A, B = noise(1.0, seed=1), noise(1.0, seed=2)
SECONDS = 20.0

if os.name != "posix":
    pytest.skip("the stand-ins are shell scripts", allow_module_level=True)


class Programs:
    """Stand-ins for players: each keeps the sound it was given, and goes on until it is ended, or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def add(self, name: str, then: str) -> tuple[str, ...]:
        """Install a program that keeps what it is to play, then does something."""
        path = self.folder / name
        heard = self.folder / "heard"
        heard.mkdir(exist_ok=True)
        path.write_text(
            f'#!/bin/sh\ncp "$1" "{heard}/{name}-$$.part"\nmv "{heard}/{name}-$$.part" "{heard}/$$.wav"\n{then}\n'
        )
        path.chmod(0o755)
        return (str(path),)

    def next(self) -> Waveform:
        """What the next start of a program is given."""
        self.count += 1
        until(lambda: len(self.files()) >= self.count)
        return read_wav(self.files()[self.count - 1])[0]

    def files(self) -> list[Path]:
        """All that was heard, in order."""
        return sorted((self.folder / "heard").glob("*.wav"), key=lambda path: path.stat().st_mtime_ns)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = monotonic() + SECONDS
    while not holds():
        assert monotonic() < deadline, "it did not happen in time"
        os.sched_yield()


GOES_ON = "exec tail -f /dev/null"
"""A program that plays until it is ended."""


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """A folder for stand-ins."""
    return Programs(tmp_path)


@pytest.fixture
def problems() -> list[KokoroTuiError]:
    """What the player reports."""
    return []


@pytest.fixture
def player(programs: Programs, problems: list[KokoroTuiError]) -> Iterator[SystemPlayer]:
    """A player whose program goes on until it is ended."""
    opened = SystemPlayer([programs.add("good", GOES_ON)], "PortAudio is missing", problems.append)
    opened.load([A, B])
    yield opened
    opened.close()


def test_it_plays_a_file_from_the_position(player: SystemPlayer, programs: Programs) -> None:
    player.play(0.25)
    np.testing.assert_array_equal(programs.next(), A[6000:])
    assert player.state().playing
    assert player.silence_reason is None
    assert player.note == "good plays, with a pause at every switch, since PortAudio is missing"


def test_a_switch_starts_it_anew_where_it_was(player: SystemPlayer, programs: Programs) -> None:
    player.play(0.25)
    programs.next()
    player.switch(1)
    heard = programs.next()
    first = B.size - heard.size
    assert first >= 6000
    np.testing.assert_array_equal(heard, B[first:])
    assert player.state().which == 1


def test_volume_gain_and_loop_are_in_the_file(player: SystemPlayer, programs: Programs) -> None:
    player.set_volume(0.5)
    player.set_gain(1, 0.5)
    player.switch(1)
    player.repeat((0.25, 0.5))
    player.play(0.25)
    np.testing.assert_array_equal(programs.next(), 0.25 * B[6000:12_000])


def test_pausing_ends_the_program_and_keeps_the_place(player: SystemPlayer, programs: Programs) -> None:
    player.play(0.5)
    programs.next()
    player.pause()
    assert player.wait(SECONDS)
    state = player.state()
    assert not state.playing
    assert state.position_seconds >= 0.5
    player.seek(0.75)
    assert player.state().position_seconds == 0.75
    player.stop()
    assert player.state().position_seconds == 0.0


def test_when_the_program_ends_playing_ends_at_the_start(programs: Programs, problems: list[KokoroTuiError]) -> None:
    player = SystemPlayer([programs.add("short", "exit 0")], "why", problems.append)
    player.load([A])
    player.play(0.5)
    assert player.wait(SECONDS)
    assert (player.state().playing, player.state().position_seconds) == (False, 0.0)
    assert problems == []
    player.close()


def test_a_loop_starts_the_program_again(programs: Programs, problems: list[KokoroTuiError]) -> None:
    player = SystemPlayer([programs.add("short", "exit 0")], "why", problems.append)
    player.load([A])
    player.repeat((0.25, 0.5))
    player.play(0.4)
    np.testing.assert_array_equal(programs.next(), A[9600:12_000])
    np.testing.assert_array_equal(programs.next(), A[6000:12_000])
    player.close()


def test_a_program_that_fails_gives_way_to_the_next(programs: Programs, problems: list[KokoroTuiError]) -> None:
    commands = [programs.add("bad", "echo no server >&2; exit 1"), programs.add("good", GOES_ON)]
    player = SystemPlayer(commands, "why", problems.append)
    player.load([A])
    player.play()
    programs.next()
    programs.next()
    until(lambda: (player.note or "").startswith("good plays"))
    assert problems == []
    player.close()


def test_when_all_programs_fail_it_is_a_message(programs: Programs, problems: list[KokoroTuiError]) -> None:
    commands = [("/nowhere/at/all",), programs.add("bad", "echo no server >&2; exit 1")]
    player = SystemPlayer(commands, "why", problems.append)
    player.load([A])
    player.play()
    assert player.wait(SECONDS)
    assert [problem.message.split("/")[-1] for problem in problems] == ["bad cannot play: no server"]
    assert "listen to the WAV files" in (player.silence_reason or "")
    assert not player.state().playing
    player.close()


def test_closing_ends_the_program_and_leaves_no_file(programs: Programs, problems: list[KokoroTuiError]) -> None:
    player = SystemPlayer([programs.add("good", GOES_ON)], "why", problems.append)
    player.load([A])
    player.play()
    programs.next()
    folder = Path(player._folder.name)
    process = player._process
    player.close()
    assert not folder.exists()
    assert process is not None and process.poll() is not None


def test_only_installed_programs_are_found_the_better_ones_first(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("aplay", "pw-play"):
        programs.add(name, "exit 0")
    monkeypatch.setenv("PATH", str(programs.folder))
    assert find_commands() == (("pw-play",), ("aplay", "-q"))


def test_a_system_player_is_taken_only_where_portaudio_has_no_device(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, problems: list[KokoroTuiError]
) -> None:
    def missing() -> None:
        raise AudioUnavailableError("no sound: PortAudio is missing", "install it")

    monkeypatch.setattr(player_module, "load_sounddevice", missing)
    monkeypatch.setattr(system_player, "_COMMANDS", ())
    assert isinstance(open_player(problems.append), SilentPlayer)
    monkeypatch.setattr(player_module, "find_commands", lambda: (programs.add("good", GOES_ON),))
    opened = open_player(problems.append)
    assert isinstance(opened, SystemPlayer)
    assert opened.note == "good plays, with a pause at every switch, since PortAudio is missing"
    opened.close()
