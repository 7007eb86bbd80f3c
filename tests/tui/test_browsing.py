"""A browser as the loudspeaker: the page follows the terminal, blind tests included."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.tui.screens.abx import AbxScreen
from kokoro_tui.tui.screens.browsing import PageScreen
from kokoro_tui.web.board import ListenState
from kokoro_tui.web.server import ListenServer
from tests.tui.conftest import FakePlayer, Open, Opened

STYLE = "/encoder/style/Gemm"


def server(opened: Opened) -> ListenServer:
    found = opened.main._server
    assert found is not None
    return found


def shown(opened: Opened) -> ListenState:
    """What the page shows at this moment."""
    return server(opened).board.state


async def build(opened: Opened) -> None:
    """Press b and wait for the build."""
    opened.place_cursor(STYLE)
    await opened.press("w", "b")
    await opened.until(lambda: opened.main.player_bar.building is None)
    assert opened.main.player_bar.result is not None, opened.toasts


async def open_page(opened: Opened) -> None:
    await opened.press("L")
    await opened.until(lambda: isinstance(opened.app.screen, PageScreen))


async def test_the_page_takes_over_and_gives_back(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        await build(opened)
        await opened.press("p", "tab")
        assert player.now.playing
        await open_page(opened)
        url = server(opened).url
        text = opened.screen_text
        assert url in text
        assert f"ssh -N -L {server(opened).port}:127.0.0.1:{server(opened).port}" in text
        assert player.closed
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
        await opened.press("escape")
        assert shown(opened).labels == ("A original", "B candidate", "B \N{MINUS SIGN} A")
        assert (shown(opened).selected, shown(opened).playing) == (1, False)
        await opened.press("p")
        assert shown(opened).playing
        await opened.press("tab")
        assert shown(opened).selected == 0
        await opened.press("right")
        assert shown(opened).position >= 0.5
        player.closed = False
        await opened.press("L")
        await opened.until(lambda: "the listening page is closed" in opened.status)
        assert len(player.loaded) == 3
        assert opened.main._server is None
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=10)
        await opened.press("p")
        assert player.now.playing


async def test_a_page_that_is_open_before_the_build_plays_it(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        await open_page(opened)
        await opened.press("escape")
        assert shown(opened).labels == ()
        await build(opened)
        await opened.until(lambda: shown(opened).labels)
        url = server(opened).url
        assert "plays in the browser" in opened.screen_text
        assert player.loaded == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=10)


async def test_a_blind_test_is_heard_on_the_page_without_its_answer(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        await build(opened)
        await open_page(opened)
        await opened.press("escape", "B")
        await opened.until(lambda: isinstance(opened.app.screen, AbxScreen))
        await opened.press("enter")
        screen = opened.app.screen
        assert isinstance(screen, AbxScreen)
        await opened.until(lambda: screen.stage == "trial")
        assert (shown(opened).title, shown(opened).labels) == ("Blind test", ("A", "B", "X"))
        sizes = {len(server(opened).board.file(name) or b"") for name in shown(opened).ids}
        assert len(sizes) == 1
        await opened.press("x")
        assert (shown(opened).selected, shown(opened).playing) == (2, True)
        await opened.press("b")
        assert shown(opened).selected == 1
        names = shown(opened).ids
        await opened.press("left", "enter")
        await opened.until(lambda: screen.stage == "trial" and shown(opened).ids != names)
        assert not shown(opened).playing


async def test_a_page_that_cannot_be_opened_is_said(
    open_app: Open, toy_model: Path, player: FakePlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: ListenServer) -> None:
        raise InputError("cannot listen on port 0: no ports left", "close something")

    monkeypatch.setattr(ListenServer, "start", fail)
    async with open_app(toy_model) as opened:
        await opened.press("L")
        await opened.until(lambda: any("no ports left" in toast for toast in opened.toasts))
        assert opened.main._server is None
