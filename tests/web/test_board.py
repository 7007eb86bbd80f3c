"""What a listening page is told, and what it is not."""

from __future__ import annotations

import threading
from dataclasses import asdict

import numpy as np
import pytest

from kokoro_tui.audio.waveform import WaveformError
from kokoro_tui.web.board import ListenBoard, ListenState, ListenTrack
from tests.audio.signals import noise, speech_like


def tracks(*labels: str) -> list[ListenTrack]:
    return [ListenTrack(label, noise(0.1, seed=index)) for index, label in enumerate(labels)]


def test_every_change_is_a_new_revision_and_what_changes_nothing_is_none() -> None:
    board = ListenBoard()
    assert board.state == ListenState(0)
    board.show("a sentence", tracks("A", "B"))
    assert (board.state.revision, board.state.labels, board.state.seconds) == (1, ("A", "B"), 0.1)
    board.select(1)
    board.select(1)
    board.select(7)
    board.select(-1)
    assert (board.state.revision, board.state.selected) == (2, 1)
    board.play(True)
    board.play(True)
    assert (board.state.revision, board.state.playing, board.state.jump) == (3, True, 1)
    board.play(True, 0.05)
    assert (board.state.revision, board.state.position, board.state.jump) == (4, 0.05, 2)
    board.adjust((0.5, 1.0), (0.01, 0.02))
    board.adjust((0.5, 1.0), (0.01, 0.02))
    assert (board.state.revision, board.state.levels, board.state.loop) == (5, (0.5, 1.0), (0.01, 0.02))
    names = board.show("another", tracks("A", "B"), selected=1)
    assert (board.state.revision, board.state.selected, board.state.playing, board.state.position) == (6, 1, False, 0)
    assert (board.state.ids, board.state.levels, board.state.loop) == (names, (1.0, 1.0), None)


def test_a_file_is_there_until_there_are_others() -> None:
    board = ListenBoard()
    board.show("one", tracks("A"))
    (name,) = board.state.ids
    assert (board.file(name) or b"")[:4] == b"RIFF"
    board.show("two", tracks("A"))
    assert board.file(name) is None
    assert board.file("") is None


def test_nothing_but_the_sound_tells_what_x_is() -> None:
    a, b = speech_like(1.0), (speech_like(0.9) + noise(0.9, 0.001)).astype(np.float32)
    answers = []
    for x in (a, b) * 10:
        board = ListenBoard()
        board.show("Trial 1 of 16", [ListenTrack("A", a), ListenTrack("B", b), ListenTrack("X", x)])
        contents = [board.file(name) or b"" for name in board.state.ids]
        assert len({len(content) for content in contents}) == 1
        assert len(set(contents)) == 3
        assert contents[0][:44] == contents[1][:44] == contents[2][:44]
        answers.append(board.state)
    told = [{k: v for k, v in asdict(state).items() if k != "ids"} for state in answers]
    assert all(state == told[0] for state in told)
    names = [name for state in answers for name in state.ids]
    assert len(set(names)) == len(names)
    assert {len(name) for name in names} == {12}


def test_waiting_ends_with_a_change_in_time_and_when_it_is_closed() -> None:
    board = ListenBoard()
    assert board.wait(-1, 0.0) == ListenState(0)
    assert board.wait(0, 0.01) is None
    found: list[ListenState | None] = []
    waiting = threading.Thread(target=lambda: found.append(board.wait(0, 10.0)))
    waiting.start()
    board.show("a sentence", tracks("A"))
    waiting.join(10.0)
    assert found == [board.state]
    waiting = threading.Thread(target=lambda: found.append(board.wait(1, 10.0)))
    waiting.start()
    board.close()
    waiting.join(10.0)
    assert not waiting.is_alive()
    assert found[1] is None
    assert board.closed


def test_sound_that_is_not_finite_is_refused_and_changes_nothing() -> None:
    board = ListenBoard()
    with pytest.raises(WaveformError, match="holds NaN"):
        board.show("broken", [ListenTrack("A", np.array([np.nan], dtype=np.float32))])
    assert board.state == ListenState(0)
