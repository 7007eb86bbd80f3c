"""Headless Chromium for tests of pages; what a page logs and asks for is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

POLL_MILLISECONDS = 10
MISSING_PACKAGE = "needs Chromium: apt-get install chromium"


@dataclass
class Visit:
    """An open page and what it did."""

    page: Page
    problems: list[str] = field(default_factory=list)
    """Console errors and warnings, uncaught exceptions."""
    requests: list[str] = field(default_factory=list)
    """Addresses asked for, those that hold their content left out."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip(MISSING_PACKAGE)
    with sync_playwright() as playwright:
        # Root may not sandbox, and a machine of a build service lets no page sound before a click without the switch.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(
    browser: Browser, address: str, *, dark: bool = False, width: int = 1280, height: int = 900
) -> Iterator[Visit]:
    """Open a page in a profile of its own."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    page = context.new_page()
    found = Visit(page)
    page.on("console", lambda message: found.problems.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: found.problems.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("data:") else found.requests.append(request.url))
    page.on("dialog", lambda dialog: found.problems.append(f"dialog {dialog.message}"))
    try:
        page.goto(address)
        yield found
    finally:
        context.close()


def until(page: Page, expression: str, seconds: float = 10.0) -> None:
    """Wait until an expression is true; Playwright's own waiting needs the ``eval`` that the pages forbid."""
    deadline = monotonic() + seconds
    while not page.evaluate(expression):
        assert monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(POLL_MILLISECONDS)


def wait_for_sound(page: Page) -> list[tuple[float, float]]:
    """Wait until every audio element knows its length; returns the length and the one that is meant, in seconds."""
    until(page, "[...document.querySelectorAll('audio')].every((audio) => audio.readyState >= 1)")
    lengths = page.evaluate(
        "[...document.querySelectorAll('audio')].map((audio) => [audio.duration, Number(audio.dataset.seconds)])"
    )
    return [(float(found), float(meant)) for found, meant in lengths]
