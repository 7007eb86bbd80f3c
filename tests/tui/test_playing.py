from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import WorkError
from kokoro_tui.jobs import tasks
from kokoro_tui.jobs.child import Progress
from kokoro_tui.speech.sentences import load_sentences
from kokoro_tui.store.paths import cache_folder
from kokoro_tui.store.settings import load_settings
from kokoro_tui.tui.audition import Auditioner, AuditionResult, Speech
from kokoro_tui.tui.formats import short_path
from kokoro_tui.tui.messages import PlayerFailed
from kokoro_tui.tui.screens.speech import SpeechScreen
from kokoro_tui.tui.widgets.player_bar import PlayerBar
from kokoro_tui.workbench import Workbench
from tests.python_versions import needs_kokoro
from tests.tui.conftest import FakePlayer, Open, Opened, named_model

STYLE = "/encoder/style/Gemm"


async def build(opened: Opened) -> AuditionResult:
    """Press b and wait for the build."""
    opened.place_cursor(STYLE)
    await opened.press("w", "b")
    assert opened.main.player_bar.building is not None
    await opened.until(lambda: opened.main.player_bar.building is None)
    result = opened.main.player_bar.result
    assert result is not None, opened.toasts
    return result


@needs_kokoro
async def test_a_build_is_measured_written_and_can_be_heard(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    async with open_app(toy_model, text="hello there", voice=voice) as opened:
        result = await build(opened)
        assert result.final_bytes == opened.main.state.estimate.estimated_bytes
        assert result.original_wav is not None and result.original_wav.stat().st_size > 1000
        assert result.candidate_wav is not None and result.candidate_wav.stat().st_size > 1000
        original, candidate, difference = player.loaded
        np.testing.assert_allclose(difference, candidate - original, atol=1e-7)
        assert "measured" in opened.app.query_one("#size-bar").text  # type: ignore[attr-defined]
        text = opened.screen_text
        assert "mel" in text and "moved" in text and "real-time factor" in text
        assert list(result.original_wav.parent.parent.glob(".*")) == [], "the built model is not kept"

        await opened.press("p")
        assert player.now.playing
        assert isinstance(opened.main.focused, PlayerBar)
        await opened.press("tab")
        assert (player.now.which, player.now.playing) == (1, True)
        await opened.press("right")
        assert player.now.position_seconds == 1.0
        await opened.press("p")
        assert not player.now.playing
        player.now = replace(player.now, position_seconds=player.now.duration_seconds)
        await opened.press("p")
        assert player.now.position_seconds == 0.0, "at the end playing starts over"
        await opened.press("shift+tab")
        assert opened.main.focused is opened.main.table
    assert player.closed


async def test_a_change_makes_the_build_out_of_date(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        await build(opened)
        await opened.press("f")
        assert "the plan has changed since" in opened.screen_text
        assert "measured" not in opened.app.query_one("#size-bar").text  # type: ignore[attr-defined]
        await opened.press("u")
        assert "the plan has changed since" not in opened.screen_text
        assert "measured" in opened.app.query_one("#size-bar").text  # type: ignore[attr-defined]


async def test_without_a_device_it_is_said_once_and_the_paths_are_shown(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    player.silence_reason = "no sound: PortAudio is missing; install it"
    async with open_app(toy_model, size=(200, 60), voice=voice) as opened:
        result = await build(opened)
        assert opened.toasts == [player.silence_reason]
        shown = opened.main.player_bar.text
        assert result.original_wav is not None and result.candidate_wav is not None
        assert f"{short_path(result.original_wav.parent)}/\n" in shown
        assert result.original_wav.name in shown and result.candidate_wav.name in shown
        assert player.silence_reason in shown
        await opened.press("f", "b")
        await opened.until(lambda: opened.main.player_bar.building is None)
        assert len(opened.toasts) == 1


async def test_on_a_small_screen_without_a_device_both_names_are_readable(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.silence_reason = "no sound: PortAudio is missing; install it"
    # As long as a path in a user's own folder.
    monkeypatch.setenv("HOME", str(cache_folder().parent))
    async with open_app(toy_model, size=(80, 24), voice=voice) as opened:
        result = await build(opened)
        opened.app.clear_notifications()
        assert result.original_wav is not None and result.candidate_wav is not None
        names = f"{result.original_wav.name}  {result.candidate_wav.name}"
        await opened.until(lambda: names in opened.screen_text)


def _never_ends(*arguments: Any, progress: Progress, **options: Any) -> None:
    progress("rewrite", 0.25)
    threading.Event().wait()


async def test_a_build_can_be_stopped(
    open_app: Open, toy_model: Path, voice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "audition_text", _never_ends)
    async with open_app(toy_model, voice=voice) as opened:
        await opened.press("f", "b")
        await opened.until(lambda: "rewrite" in opened.screen_text)
        await opened.press("b")
        assert opened.status == "a build is running; esc stops it"
        await opened.press("escape")
        await opened.until(lambda: opened.main.player_bar.building is None)
        assert opened.status == "build stopped"
        assert opened.main.player_bar.result is None


async def test_leaving_ends_a_build(
    open_app: Open, toy_model: Path, voice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "audition_text", _never_ends)
    async with open_app(toy_model, voice=voice) as opened:
        await opened.press("b")
        await opened.until(lambda: "rewrite" in opened.screen_text)
        await opened.pilot.press("q")
        await opened.until(lambda: not opened.app.is_running)


async def test_a_voice_that_does_not_exist_is_an_error_that_loses_nothing(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model, voice="nobody_at_all") as opened:
        opened.place_cursor(STYLE)
        await opened.press("w", "b")
        await opened.until(lambda: opened.toasts)
        assert "nobody_at_all" in opened.toasts[0]
        assert opened.main.state.plan.precision_of(STYLE) is Precision.W8
        assert opened.main.player_bar.result is None


async def test_a_model_that_does_not_speak_is_built_without_audio(open_app: Open, tmp_path: Path) -> None:
    path = named_model(tmp_path / "plain.onnx", "one", "two")
    async with open_app(path) as opened:
        await opened.press("w", "b")
        await opened.until(lambda: opened.main.player_bar.result is not None)
        assert "does not have Kokoro's inputs" in opened.status
        assert not opened.main.can_play
        await opened.press("p")


async def test_a_device_that_fails_is_a_message(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        await build(opened)
        opened.main.post_message(PlayerFailed(WorkError("the audio device went away", "play again")))
        await opened.pilot.pause()
        assert opened.toasts == ["the audio device went away\nplay again"]
        await opened.press("p")
        assert player.now.playing


async def test_text_and_voice_are_kept_for_the_next_session(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("d")
        await opened.until(lambda: isinstance(opened.app.screen, SpeechScreen))
        opened.app.screen.query_one("#speech-text").value = "another sentence"  # type: ignore[attr-defined]
        opened.app.screen.query_one("#speech-voice").value = "am_adam"  # type: ignore[attr-defined]
        await opened.press("enter")
        assert opened.main.speech == Speech("another sentence", "am_adam")
        await opened.until(lambda: load_settings()[0].text == "another sentence")
    async with open_app(toy_model) as opened:
        assert opened.main.speech == Speech("another sentence", "am_adam")


def test_the_original_is_rendered_once_for_each_text(toy_model: Path, voice: str) -> None:
    auditioner = Auditioner(Workbench.open(toy_model))
    bench = Workbench.open(toy_model)
    plan = bench.set_precision(PrecisionPlan(), [STYLE], Precision.W8).plan

    def stages_of(text: str) -> list[str]:
        seen: list[str] = []
        auditioner.run(plan, [Speech(text, voice)], lambda stage, _share: seen.append(stage), threading.Event())
        return seen

    first, second = load_sentences()[:2]
    stages = [stages_of(text) for text in (first, first, second)]
    assert ["render original" in seen for seen in stages] == [True, False, True]


async def test_a_fault_in_a_build_is_a_message_and_another_build_can_start(
    open_app: Open, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **options: Any) -> AuditionResult:
        raise RuntimeError("boom")

    monkeypatch.setattr(Auditioner, "run", broken)
    async with open_app(toy_model) as opened:
        for attempt in (1, 2):
            await opened.press("b")
            await opened.until(lambda attempt=attempt: len(opened.toasts) == attempt)  # type: ignore[misc]
            assert "RuntimeError: boom" in opened.toasts[-1]
            assert opened.main.player_bar.building is None
