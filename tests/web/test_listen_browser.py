"""The listening page in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from kokoro_tui.web.board import ListenTrack
from kokoro_tui.web.server import ListenServer
from tests.audio.signals import noise, speech_like
from tests.browser import Visit, chromium, until, visit

HEARD = "switcher.voices.map(({ gain }) => Math.round(gain.gain.value)).join()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def server() -> Iterator[ListenServer]:
    found = ListenServer()
    found.start()
    a = speech_like(4.0)
    b = (a + noise(4.0, 0.003)).astype(np.float32)
    found.board.show(
        "<b>Six</b> ships", [ListenTrack("Original", a), ListenTrack("w8", b), ListenTrack("Difference", b - a)]
    )
    yield found
    found.stop()


@pytest.fixture
def opened(browser: Browser, server: ListenServer) -> Iterator[Visit]:
    with visit(browser, server.url) as found:
        until(found.page, "switcher !== null && switcher.buffers !== null")
        yield found


def selected(page: Page) -> str:
    return str(page.evaluate("document.querySelector('#tracks [aria-pressed=true]').firstChild.textContent"))


def test_it_loads_every_track_from_this_machine_only(opened: Visit, server: ListenServer) -> None:
    page = opened.page
    assert page.evaluate("switcher.buffers.map((buffer) => buffer.duration)") == [4.0, 4.0, 4.0]
    assert page.inner_text("h1") == "<b>Six</b> ships"
    assert page.inner_text("#status") == "connected"
    assert {request.split("/", 3)[2] for request in opened.requests} == {f"127.0.0.1:{server.port}"}
    assert sorted(request.split("/")[3].partition("?")[0] for request in opened.requests) == [
        "", "events", "sound", "sound", "sound",
    ]  # fmt: skip
    assert opened.problems == []


def test_it_follows_the_terminal(opened: Visit, server: ListenServer) -> None:
    page = opened.page
    server.board.select(2)
    until(page, "switcher.selected === 2")
    assert selected(page) == "Difference"
    page.click("#play")
    until(page, f"{HEARD} === '0,0,1'")
    server.board.select(0)
    until(page, f"{HEARD} === '1,0,0'")
    server.board.play(True, 3.0)
    until(page, "switcher.position >= 3.0")
    server.board.play(False)
    server.board.play(True, 0.5)
    until(page, "switcher.playing && switcher.position < 1.5")
    server.board.play(False)
    until(page, "!switcher.playing")
    assert opened.problems == []


def test_loop_and_loudness_are_those_of_the_terminal(opened: Visit, server: ListenServer) -> None:
    page = opened.page
    server.board.adjust((0.25, 1.0, 1.0), (1.0, 1.4))
    until(page, "document.querySelector('#loop').checked")
    page.click("#play")
    until(page, "switcher.voices.length > 0 && switcher.voices[0].gain.gain.value === 0.25")
    server.board.play(True, 1.3)
    until(page, "switcher.position >= 1.0 && switcher.position < 1.2")
    assert page.evaluate("switcher.playing") is True
    server.board.adjust((0.5, 1.0, 1.0), None)
    until(page, "switcher.voices[0].gain.gain.value === 0.5 && switcher.position > 1.5")
    assert page.is_checked("#loop") is False
    assert opened.problems == []


def test_before_the_first_click_it_says_that_it_may_not_sound(opened: Visit, server: ListenServer) -> None:
    # What a test runs in a page counts as a click, so the page is told otherwise.
    opened.page.evaluate("Object.defineProperty(navigator, 'userActivation', { value: { hasBeenActive: false } })")
    server.board.play(True)
    until(opened.page, "document.querySelector('#status').textContent.includes('press Play once')")
    assert opened.page.evaluate("switcher.playing") is False
    assert opened.problems == []
    opened.page.click("#play")
    until(opened.page, "switcher.playing && switcher.position > 0.1")
    assert opened.page.inner_text("#status") == "connected"


def test_keys_choose_what_is_heard(opened: Visit) -> None:
    page = opened.page
    page.keyboard.press("2")
    assert selected(page) == "w8"
    page.keyboard.press(" ")
    until(page, f"{HEARD} === '0,1,0'")
    page.keyboard.press("ArrowRight")
    until(page, "switcher.position >= 1.0")
    page.keyboard.press(" ")
    assert page.inner_text("#play") == "Play"


def test_a_blind_test_shows_trial_by_trial_and_no_answer(opened: Visit, server: ListenServer) -> None:
    page = opened.page
    a, b = speech_like(1.0), noise(1.0)
    for number, x in enumerate((a, b, a), start=1):
        server.board.show(
            f"Trial {number} of 3", [ListenTrack("A", a), ListenTrack("B", b), ListenTrack("X", x)], selected=2
        )
        until(page, f"document.querySelector('h1').textContent === 'Trial {number} of 3' && switcher.buffers !== null")
        assert selected(page) == "X"
    sizes = page.evaluate(
        "performance.getEntriesByType('resource').filter((one) => one.name.includes('/sound/'))"
        ".slice(-9).map((one) => one.decodedBodySize)"
    )
    assert sizes == [44 + 2 * 24_000] * 9
    assert opened.problems == []


def test_a_wrong_token_is_refused(browser: Browser, server: ListenServer) -> None:
    with visit(browser, server.url + "x") as found:
        assert found.page.inner_text("body").strip() == "403 Forbidden"
        assert len(found.requests) == 1


def test_a_server_that_has_gone_is_said(opened: Visit, server: ListenServer) -> None:
    server.stop()
    until(opened.page, "document.querySelector('#status').textContent.includes('has gone')")
