"""Blind tests on screen: what is played, what is told, and above all what is not."""

from __future__ import annotations

import json
import re
from collections.abc import MutableSequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from textual.widgets import Input, Static

from kokoro_tui.speech.sentences import Speech
from kokoro_tui.store.listening_log import listening_log_path, read_lines
from kokoro_tui.tui.blind import BlindTest
from kokoro_tui.tui.screens.abx import AbxScreen, QuitTestScreen
from kokoro_tui.tui.screens.blind_result import ListeningResultsScreen, p_value
from tests.tui.conftest import FakePlayer, Open, Opened
from tests.tui.renderings import FakeAuditions, install

STYLE = "/encoder/style/Gemm"


class Constant(Random):
    """Every bit is the same, and nothing is shuffled."""

    def __init__(self, bit: int) -> None:
        super().__init__()
        self._bit = bit

    def getrandbits(self, k: int) -> int:
        """The bit."""
        return self._bit

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Leave the order."""


@pytest.fixture
def auditions(monkeypatch: pytest.MonkeyPatch) -> FakeAuditions:
    return install(monkeypatch)


async def ask(opened: Opened, random: Random) -> AbxScreen:
    """Build a plan and open the blind test."""
    opened.main.random = random
    if opened.main.player_bar.result is None:
        opened.place_cursor(STYLE)
        await opened.press("w", "b")
        await opened.until(lambda: opened.main.player_bar.result is not None)
    await opened.press("B")
    screen = opened.app.screen
    assert isinstance(screen, AbxScreen)
    return screen


async def begin(opened: Opened, random: Random, trials: int, *before: str) -> AbxScreen:
    """Start a test of so many trials."""
    screen = await ask(opened, random)
    screen.query_one("#abx-trials", Input).value = str(trials)
    await opened.press(*before, "enter")
    await opened.until(lambda: screen.stage == "trial")
    return screen


async def answer(opened: Opened, screen: AbxScreen, *keys: str) -> None:
    """Answer a trial and wait for what comes next."""
    await opened.press(*keys, "enter")
    await opened.until(lambda: screen.stage in ("trial", "done"))


def x_is_a(player: FakePlayer) -> bool:
    """What sharp ears hear."""
    return np.array_equal(player.loaded[2], player.loaded[0])


async def test_a_perfect_listener(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        screen = await begin(opened, Random(4), 10)
        heard = []
        for number in range(1, 11):
            assert f"Trial {number} of 10" in opened.screen_text
            await opened.press("x")
            assert (player.now.which, player.now.playing, player.now.position_seconds) == (2, True, 0.0)
            heard.append("A" if x_is_a(player) else "B")
            await answer(opened, screen, "left" if x_is_a(player) else "right")
        assert set(heard) == {"A", "B"}
        assert screen.stage == "done"
        text = opened.screen_text
        assert "10 of 10 right   p = 0.00098" in text
        assert "You hear the difference" in text
        assert text.count(" right ") >= 10
        started, finished = read_lines()
        assert (started["event"], finished["event"]) == ("started", "finished")
        assert (finished["right"], finished["trials"], finished["p"]) == (10, 10, 1 / 1024)
        assert [told["x"] for told in finished["answers"]] == heard
        assert finished["recipe"] == opened.main.state.plan.digest
        assert (finished["texts"], finished["voices"], finished["against"]) == (["hello"], ["tester"], "original")
        await opened.press("enter")
        assert opened.app.screen is opened.main
        await opened.press("R")
        await opened.until(lambda: isinstance(opened.app.screen, ListeningResultsScreen))
        assert "10/10 p 0.00098" in opened.screen_text
        assert player.closed


async def told_by(
    open_app: Open, model: Path, bit: int, auditions: FakeAuditions, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Everything that can be seen, or read off the screen, the test and the log, before the last answer."""
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * count)
    monkeypatch.setattr("kokoro_tui.tui.blind._now", lambda: "today")
    found = []
    async with open_app(model, text="hello", voice="v") as opened:
        opened.main._more = (Speech("good morning"),)
        screen = await begin(opened, Constant(bit), 3)
        for number in range(3):
            for key in ("a", "b", "x"):
                await opened.press(key)
                found.append(opened.screen_text)
                found.append(" ".join(str(widget.render()) for widget in screen.query(Static)))
            test = screen._test
            assert isinstance(test, BlindTest)
            inherited = vars(QuitTestScreen("", {})).keys()
            own = {name: value for name, value in vars(screen).items() if name not in inherited}
            assert {"_test", "_answer"} <= own.keys()
            found += [_written_down(own), _written_down(vars(test))]
            found.append(listening_log_path().read_text(encoding="utf-8"))
            if number < 2:
                await answer(opened, screen, "left")
        await opened.press("escape")
        assert isinstance(opened.app.screen, QuitTestScreen)
        await opened.press("right", "enter")
        assert opened.app.screen is opened.main
        await opened.until(lambda: len(read_lines()) == 2)
        found.append(listening_log_path().read_text(encoding="utf-8"))
        listening_log_path().unlink()
    return found


def _written_down(values: dict[str, Any]) -> str:
    """Attributes as text, without what differs from run to run and without the player, which has to hold the sound."""
    kept = {name: value for name, value in values.items() if name not in ("_player", "_pairs")}
    return re.sub(r"0x[0-9a-f]+|\d+\.\d{3,}|_id=\d+|tmp[^ ]*", "", repr(sorted(kept.items(), key=lambda item: item[0])))


async def test_nothing_that_is_shown_or_written_depends_on_the_answer(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_was_a = await told_by(open_app, toy_model, 0, auditions, monkeypatch)
    assert x_is_a(player)
    x_was_b = await told_by(open_app, toy_model, 1, auditions, monkeypatch)
    assert not x_is_a(player)
    assert len(x_was_a) == len(x_was_b) == 28
    for first, second in zip(x_was_a, x_was_b, strict=True):
        assert first == second


async def test_all_are_played_alike(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        screen = await ask(opened, Random(1))
        player.gains.clear()  # of the player beside the table
        await opened.press("enter")
        await opened.until(lambda: screen.stage == "trial")
        for _ in range(3):
            assert len(player.loaded) == 3
            assert len({(track.size, track.dtype) for track in player.loaded}) == 1
            assert player.time_maps == [], "a playhead at another pace would tell"
            assert player.gains == {}
            assert not any(np.shares_memory(player.loaded[2], other) for other in player.loaded[:2])
            await opened.press("a")
            player.seek(0.2)
            for key, which in (("b", 1), ("x", 2), ("1", 0), ("3", 2), ("2", 1)):
                await opened.press(key)
                assert (player.now.which, player.now.position_seconds, player.now.playing) == (which, 0.2, True)
            await answer(opened, screen, "right")
            assert not player.now.playing


async def test_an_answer_must_be_chosen_and_can_be_changed(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        screen = await begin(opened, Constant(0), 1)
        await opened.press("enter")
        assert screen.stage == "trial"
        await opened.press("right", "left")
        await answer(opened, screen)
        assert "1 of 1 right" in opened.screen_text


async def test_a_note_is_kept_and_its_letters_play_nothing(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        screen = await begin(opened, Random(2), 1)
        await opened.press("n")
        await opened.type("abx hiss")
        assert not player.now.playing
        await opened.press("enter")
        assert screen.stage == "trial"
        await answer(opened, screen, "left")
        assert read_lines()[-1]["note"] == "abx hiss"


async def test_a_preference_is_counted_for_what_was_behind_it(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        screen = await ask(opened, Random(3))
        screen.query_one("#abx-mode").focus()
        await opened.press("right")
        assert "the order is drawn anew in every trial" in opened.screen_text
        screen.query_one("#abx-trials", Input).value = "6"
        await opened.press("enter")
        await opened.until(lambda: screen.stage == "trial")
        original = opened.main.player_bar.result.clips[0].read_renderings().reference  # type: ignore[union-attr]
        for number in range(6):
            assert len(player.loaded) == 2
            assert "is plan" not in opened.screen_text
            correlations = [abs(np.corrcoef(track, original)[0, 1]) for track in player.loaded]
            first_is_b = correlations[0] < correlations[1]
            keys = ("left", "right") if number == 0 else (("left",) if first_is_b else ("right",))
            await answer(opened, screen, *keys)
        line = read_lines()[-1]
        assert (line["mode"], line["preferred"], line["other"]) == ("preference", 5, 0)
        assert line["p"] == 2 / 2**5
        assert "no preference in 1 trial" in opened.screen_text


async def test_without_sound_there_are_files_that_tell_nothing(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    player.silence_reason = "no sound: PortAudio is missing; install it"
    async with open_app(toy_model, size=(160, 50), text="hello", voice="v") as opened:
        screen = await begin(opened, Random(5), 2)
        test = screen._test
        assert test is not None
        assert [path.name for path in test.files] == ["trial-1-A.wav", "trial-1-B.wav", "trial-1-X.wav"]
        assert len({(path.stat().st_size, path.stat().st_mtime_ns) for path in test.files}) == 1
        assert str(test.files[2]) in opened.screen_text.replace("\n", "")
        await answer(opened, screen, "left")
        assert test.files[0].name == "trial-2-A.wav"
        await opened.press("escape", "right", "enter")
        await opened.until(lambda: not test.files[0].exists())


async def test_a_log_that_cannot_be_written_hides_no_result(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        screen = await begin(opened, Random(5), 1)
        listening_log_path().unlink()
        listening_log_path().mkdir()
        await answer(opened, screen, "left")
        assert "of 1 right" in opened.screen_text
        assert "the result is not kept" in opened.screen_text


async def test_impossible_numbers_of_trials_are_refused(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        screen = await ask(opened, Random(1))
        assert "9 of 10 right give p \u2264 0.05" in opened.screen_text
        field = screen.query_one("#abx-trials", Input)
        for text, told in (("4", "not even 4 of 4 would do"), ("", "no number of trials"), ("2000", "from 1 to 1000")):
            field.value = text
            await opened.pilot.pause()
            assert told in opened.screen_text
        await opened.press("enter")
        assert screen.stage == "asking"
        await opened.press("escape")
        assert opened.app.screen is opened.main
        assert read_lines() == ()


async def test_there_must_be_something_to_compare(open_app: Open, toy_model: Path, player: FakePlayer) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("B")
        assert opened.app.screen is opened.main
        assert opened.status == "there is nothing to compare yet; b builds this plan"


async def test_a_candidate_is_compared_with_another(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        opened.place_cursor(STYLE)
        await opened.press("w", "k", "f", "k")
        await opened.until(lambda: all(found.result is not None for _, found in opened.main.candidates))
        await opened.press("c", "z")
        screen = opened.app.screen
        assert isinstance(screen, AbxScreen)
        screen.query_one("#abx-against").focus()
        await opened.press("right")
        screen.query_one("#abx-trials", Input).value = "1"
        await opened.press("enter")
        await opened.until(lambda: screen.stage == "trial")
        assert "A is plan 1, B is plan 2" in opened.screen_text
        await answer(opened, screen, "left")
        line = json.loads(listening_log_path().read_text(encoding="utf-8").splitlines()[-1])
        digests = [found.plan.digest for _, found in opened.main.candidates]
        assert [line["against"], line["recipe"]] == digests


@pytest.mark.parametrize(("p", "shown"), [(1 / 1024, "0.00098"), (0.0107, "0.011"), (1.0, "1"), (2e-9, "2e-09")])
def test_p_values_can_be_read(p: float, shown: str) -> None:
    assert p_value(p) == shown
