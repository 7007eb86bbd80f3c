"""The player whose loudspeaker is a page."""

from __future__ import annotations

import numpy as np
import pytest

from kokoro_tui.audio.player import Player
from kokoro_tui.audio.waveform import WaveformError
from kokoro_tui.errors import InputError
from kokoro_tui.web.board import ListenState
from kokoro_tui.web.player import BrowserPlayer
from kokoro_tui.web.server import ListenServer
from tests.audio.signals import noise


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> ListenServer:
    return ListenServer()


@pytest.fixture
def player(server: ListenServer, clock: Clock) -> BrowserPlayer:
    found = BrowserPlayer(server, "a sentence", clock=clock)
    found.load([noise(2.0), noise(1.5, seed=1), noise(2.0, seed=2)])
    return found


def shown(server: ListenServer) -> ListenState:
    """What the page shows at this moment."""
    return server.board.state


def test_it_is_a_player(server: ListenServer) -> None:
    found: Player = BrowserPlayer(server, "")
    assert found.silence_reason is None
    assert "http://127.0.0.1:" in (found.note or "")
    assert (found.output, found.outputs()) == (None, ())
    assert not found.state().playing
    found.play()
    assert not found.state().playing


def test_what_is_loaded_is_on_the_page(player: BrowserPlayer, server: ListenServer) -> None:
    state = shown(server)
    assert (state.title, state.labels, state.seconds) == ("a sentence", ("A", "B", "C"), 2.0)
    assert player.state().duration_seconds == 2.0
    player.switch(2)
    assert (shown(server).selected, player.state().which) == (2, 2)
    player.load([noise(1.0)])
    assert (shown(server).labels, player.state().which) == (("A",), 0)


def test_the_place_goes_by_the_clock(player: BrowserPlayer, server: ListenServer, clock: Clock) -> None:
    player.play()
    assert shown(server).playing
    clock.now += 0.5
    player.switch(1)
    clock.now += 0.25
    assert player.state().position_seconds == pytest.approx(0.75)
    player.pause()
    clock.now += 5
    assert player.state().position_seconds == pytest.approx(0.75)
    assert not shown(server).playing
    player.play()
    assert shown(server).position == pytest.approx(0.75)
    player.seek(1.5)
    assert (shown(server).playing, shown(server).position) == (True, 1.5)
    clock.now += 0.6
    assert (player.state().playing, player.state().position_seconds) == (False, 0.0)
    player.play(9.0)
    assert shown(server).position == 2.0
    player.stop()
    assert (shown(server).playing, player.state().position_seconds) == (False, 0.0)


def test_a_loop_comes_back(player: BrowserPlayer, server: ListenServer, clock: Clock) -> None:
    player.repeat((0.5, 1.0))
    assert shown(server).loop == (0.5, 1.0)
    player.play(0.0)
    clock.now += 1.2
    assert player.state().position_seconds == pytest.approx(0.7)
    clock.now += 10
    assert player.state().position_seconds == pytest.approx(0.7)
    player.repeat(None)
    clock.now += 0.1
    assert player.state().position_seconds == pytest.approx(0.8)


def test_volume_and_gain_are_factors_of_the_tracks(player: BrowserPlayer, server: ListenServer) -> None:
    player.set_gain(2, 4.0)
    player.set_volume(0.5)
    assert shown(server).levels == (0.5, 0.5, 2.0)
    player.load([noise(1.0), noise(1.0)])
    assert shown(server).levels == (0.5, 0.5)
    assert player.state().volume == 0.5


def test_two_players_share_a_page_and_the_last_one_used_is_heard(
    player: BrowserPlayer, server: ListenServer, clock: Clock
) -> None:
    player.switch(1)
    blind = BrowserPlayer(server, "Blind test", "ABX", clock)
    blind.load([noise(1.0), noise(1.0, seed=1), noise(1.0)])
    assert (shown(server).title, shown(server).labels) == ("Blind test", ("A", "B", "X"))
    player.close()
    assert shown(server).title == "Blind test"
    blind.play()
    blind.close()
    assert not shown(server).playing
    player.play()
    state = shown(server)
    assert (state.title, state.selected, state.playing) == ("a sentence", 1, True)


def test_what_cannot_be_played_is_refused(player: BrowserPlayer) -> None:
    for which in (-1, 3):
        with pytest.raises(InputError, match=f"there is no rendering {which}"):
            player.switch(which)
        with pytest.raises(InputError, match=f"there is no rendering {which}"):
            player.set_gain(which, 1.0)
    with pytest.raises(WaveformError, match="no rendering to play"):
        player.load([])
    with pytest.raises(WaveformError, match="holds NaN"):
        player.load([np.array([np.nan], dtype=np.float32)])
