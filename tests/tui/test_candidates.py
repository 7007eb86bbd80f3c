"""Plans side by side: rendered in the background, heard, chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.widgets import DataTable

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.speech.sentences import Speech, load_sentences
from kokoro_tui.tui.candidates import Candidate, Candidates, Stage
from kokoro_tui.tui.commands import find_commands
from kokoro_tui.tui.messages import CandidateOffered
from kokoro_tui.tui.screens.candidates import CandidatesScreen
from tests.tui.conftest import FakePlayer, Open, Opened
from tests.tui.renderings import FakeAuditions, install

STYLE, POST = "/encoder/style/Gemm", "/decoder/generator/conv_post/Conv"
TWO = (Speech("first"), Speech("second", "somebody"))


@pytest.fixture
def auditions(monkeypatch: pytest.MonkeyPatch) -> FakeAuditions:
    return install(monkeypatch)


def rows(opened: Opened) -> list[list[str]]:
    """The cells of the candidates table."""
    table = opened.app.screen.query_one(DataTable)
    return [[str(cell) for cell in table.get_row_at(index)] for index in range(table.row_count)]


async def keep(opened: Opened, node: str, key: str) -> None:
    """Change a node and take the plan as a candidate."""
    opened.place_cursor(node)
    await opened.press(key, "k")


async def ready(opened: Opened) -> None:
    """Wait until everything is rendered."""
    await opened.until(lambda: all(found.stage is Stage.READY for _, found in opened.main.candidates))


# The list


def candidate(key: str) -> Candidate:
    """A plan with one node at W8."""
    return Candidate("name", PrecisionPlan({key: Precision.W8}), 1)


def test_numbers_stay_when_others_go() -> None:
    first, second, third = map(candidate, "abc")
    found = Candidates().added(first).added(second)
    assert [number for number, _ in found] == [1, 2]
    found = found.without(1)
    assert [number for number, _ in found] == [2]
    assert found.added(third).get(1) == third
    assert found.updated("no such digest", stage=Stage.READY) == found
    with pytest.raises(InputError, match="candidate 2 is the same plan"):
        found.added(second)


def test_there_are_nine_at_most() -> None:
    found = Candidates()
    for letter in "abcdefghi":
        found = found.added(candidate(letter))
    with pytest.raises(InputError, match="there are 9 candidates already"):
        found.added(candidate("j"))


# On screen


async def test_candidates_are_rendered_one_after_another(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    auditions.go_on.clear()
    async with open_app(toy_model, text="hello", voice="v") as opened:
        await keep(opened, STYLE, "w")
        await keep(opened, POST, "w")
        await opened.until(lambda: opened.main.candidates.get(1).share == 0.5)  # type: ignore[union-attr]
        stages = [found.stage for _, found in opened.main.candidates]
        assert stages == [Stage.RENDERING, Stage.WAITING]
        await opened.press("c")
        assert isinstance(opened.app.screen, CandidatesScreen)
        assert [row[-1] for row in rows(opened)] == ["", "50% render candidate", "waiting"]
        auditions.go_on.set()
        await ready(opened)
        await opened.until(lambda: rows(opened)[2][-1] == "")
        original, first, second = rows(opened)
        assert original[:4] == ["\u25b80", "original", "", f"{opened.main.original_bytes / 2**20:.2f}"]
        assert first[1:3] == ["plan 1", "W8 1"] and second[1:3] == ["plan 2", "W8 2"]
        assert first[5:9] == ["0.65\u00d7", "0.100", "+0.5", "1"]
        assert second[5:9] == [
            "0.65\u00d7",
            "0.200",
            "+0.5",
            "2",
        ]
        assert [digest for digest, _ in auditions.runs] == [f.plan.digest for _, f in opened.main.candidates]


async def test_number_keys_switch_what_is_heard(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        await keep(opened, STYLE, "w")
        await keep(opened, POST, "w")
        await ready(opened)
        await opened.press("c", "2")
        await opened.until(lambda: player.now.playing)
        assert (len(player.loaded), player.now.which, player.now.position_seconds) == (3, 2, 0.0)
        assert len({track.size for track in player.loaded}) == 1
        player.seek(0.3)
        loaded = player.loaded
        await opened.press("1")
        assert (player.now.which, player.now.position_seconds, player.now.playing) == (1, 0.3, True)
        await opened.press("0")
        assert (player.now.which, player.now.position_seconds) == (0, 0.3)
        assert player.loaded is loaded, "nothing is loaded anew, so there is no gap"
        await opened.press("7")
        assert "there is no candidate 7" in opened.screen_text
        await opened.press("space")
        assert not player.now.playing
        await opened.press("right")
        assert player.now.position_seconds == 1.3
        await opened.press("escape")
        await opened.until(lambda: player.closed)


async def test_sentences_are_stepped_through(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="first") as opened:
        opened.main._more = TWO[1:]
        await keep(opened, STYLE, "w")
        await ready(opened)
        await opened.press("c", "1")
        await opened.until(lambda: player.now.playing)
        assert "sentence 1 of 2" in opened.screen_text
        before = player.loaded
        await opened.press("full_stop")
        await opened.until(lambda: player.loaded is not before and player.now.playing)
        assert "sentence 2 of 2  \u201csecond\u201d  tester" in opened.screen_text
        assert not np.array_equal(before[0], player.loaded[0])
        assert player.now.which == 1


async def test_the_chosen_one_becomes_the_plan_and_can_be_taken_back(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        await keep(opened, STYLE, "w")
        chosen = opened.main.state.plan
        await opened.press("f")
        other = opened.main.state.plan
        await ready(opened)
        await opened.press("c", "enter")
        assert opened.app.screen is opened.main
        assert opened.main.state.plan == chosen
        assert "plan 1 is the plan now: 1 node changed; u takes it back" in opened.status
        assert "measured" in opened.app.query_one("#size-bar").text  # type: ignore[attr-defined]
        await opened.press("u")
        assert opened.main.state.plan == other


async def test_presets_recipes_and_plans_of_others_become_candidates(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        opened.place_cursor(POST)
        await opened.press("x", "c", "a", "down")
        await opened.until(lambda: "the plan on show" in opened.screen_text)
        assert "preset w8" in opened.screen_text
        opened.app.screen.dismiss("preset:w8")
        await opened.until(lambda: len(opened.main.candidates) == 1)
        await ready(opened)
        await opened.until(lambda: "preset w8" in rows(opened)[1])
        preset = opened.main.candidates.get(1)
        assert preset is not None
        assert preset.plan.locked == {POST}
        assert POST not in preset.plan.choices
        plan = opened.main.state.plan.with_precision([STYLE], Precision.FP16)
        opened.main.post_message(CandidateOffered("frontier 3", plan, ()))
        await opened.until(lambda: len(opened.main.candidates) == 2)
        opened.main.post_message(CandidateOffered("the same", plan, ()))
        await opened.until(lambda: any("candidate 2 is the same plan" in toast for toast in opened.toasts))
        await ready(opened)
        await opened.until(lambda: [row[1] for row in rows(opened)] == ["original", "preset w8", "frontier 3"])
        await opened.press("k")
        assert [row[1] for row in rows(opened)][3] == "plan 1"


async def test_rendering_is_stopped_gone_on_with_and_removed(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    auditions.go_on.clear()
    async with open_app(toy_model, text="hello", voice="v") as opened:
        await keep(opened, STYLE, "w")
        await keep(opened, POST, "w")
        await opened.until(lambda: auditions.runs)
        await opened.press("c", "s")
        await opened.until(lambda: [f.stage for _, f in opened.main.candidates] == [Stage.STOPPED] * 2)
        await opened.until(lambda: [row[-1] for row in rows(opened)] == ["", "stopped", "stopped"])
        await opened.press("s")
        await opened.until(lambda: len(auditions.runs) == 2)
        await opened.press("up", "d")
        assert [number for number, _ in opened.main.candidates] == [2]
        auditions.go_on.set()
        await ready(opened)
        assert [digest for digest, _ in auditions.runs][1:] == [
            auditions.runs[0][0], opened.main.candidates.get(2).plan.digest,  # type: ignore[union-attr]
        ]  # fmt: skip


async def test_a_failure_is_told_and_does_not_hold_up_others(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    auditions.failure = WorkError("the disk is full", "free some space")
    async with open_app(toy_model, text="hello", voice="v") as opened:
        await keep(opened, STYLE, "w")
        await opened.until(lambda: opened.main.candidates.get(1).stage is Stage.FAILED)  # type: ignore[union-attr]
        assert opened.toasts == ["the disk is full\nfree some space"]
        auditions.failure = RuntimeError("boom")
        await keep(opened, POST, "w")
        await opened.until(lambda: opened.main.candidates.get(2).stage is Stage.FAILED)  # type: ignore[union-attr]
        auditions.failure = None
        await opened.press("c")
        assert "unexpected failure: boom" in opened.screen_text
        await opened.press("s")
        await ready(opened)


async def test_other_sentences_are_rendered_again(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="first") as opened:
        await keep(opened, STYLE, "w")
        await ready(opened)
        opened.main._more = TWO[1:]
        opened.main.speeches_changed()
        await opened.until(lambda: len(auditions.runs) == 2)
        await ready(opened)
        assert [speeches for _, speeches in auditions.runs] == [TWO[:1], TWO]


async def test_a_build_of_a_candidate_can_be_heard_at_once(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    auditions.go_on.clear()
    async with open_app(toy_model, text="hello", voice="v") as opened:
        opened.place_cursor(STYLE)
        await opened.press("w", "b", "k")
        assert opened.main.candidates.get(1).stage is Stage.WAITING, "a build goes on"  # type: ignore[union-attr]
        auditions.go_on.set()
        await opened.until(lambda: opened.main.candidates.get(1).result is not None)  # type: ignore[union-attr]
        await opened.press("1")
        await opened.until(lambda: player.now.playing)
        await ready(opened)
        assert len(auditions.runs) == 2, "once more in the background, for its speed"


async def test_number_keys_in_the_table_play_a_candidate(
    open_app: Open, toy_model: Path, player: FakePlayer, auditions: FakeAuditions
) -> None:
    async with open_app(toy_model, text="hello", voice="v") as opened:
        await opened.press("3")
        assert opened.status == "there is no candidate 3; k takes the plan as one, c shows all of them"
        await keep(opened, STYLE, "w")
        await keep(opened, POST, "w")
        await ready(opened)
        await opened.press("1")
        await opened.until(lambda: player.now.playing)
        assert player.now.which == 1
        assert opened.main.focused is opened.main.table
        assert "B is candidate 1, plan 1, not the plan on show" in opened.main.player_bar.differs
        first = player.loaded[1]
        player.seek(0.2)
        await opened.press("2")
        await opened.until(lambda: player.loaded[1] is not first and player.now.playing)
        assert (player.now.which, player.now.position_seconds) == (1, 0.2)
        assert opened.main.player_bar.differs == ""
        titles = [command.title for command in find_commands(opened.main, "")]
        assert {"Candidates", "Candidate 1", "Candidate 2", "Blind test"} <= set(titles)
        assert "Candidate 3" not in titles


async def test_nothing_to_hear_is_said(open_app: Open, toy_model: Path, player: FakePlayer) -> None:
    player.silence_reason = "no sound: PortAudio is missing; install it"
    async with open_app(toy_model) as opened:
        await opened.press("c", "1", "space", "z", "d", "enter")
        assert isinstance(opened.app.screen, CandidatesScreen)
        assert "k takes the plan on show as a candidate" in opened.screen_text or "no candidate" in opened.screen_text


async def test_a_real_child_renders_two_sentences(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    first, second = load_sentences()[:2]
    async with open_app(toy_model, text=first, voice=voice) as opened:
        opened.main._more = (Speech(second, voice),)
        await keep(opened, STYLE, "i")
        await ready(opened)
        found = opened.main.candidates.get(1)
        assert found is not None and found.result is not None
        assert found.result.final_bytes == found.estimated_bytes
        assert [clip.speech.text for clip in found.result.clips] == [first, second]
        assert all(clip.figures.mel_distance > 0 for clip in found.result.clips)
        assert found.latency is not None and found.latency > 0
