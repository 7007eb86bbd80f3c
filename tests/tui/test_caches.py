"""What the drawing libraries remember goes when it is of no more use."""

from __future__ import annotations

from pathlib import Path

from textual.geometry import Region

from kokoro_tui.tui.caches import forget_drawings
from tests.tui.conftest import Open

FAR, NEAR = Region(9000, 9000, 7, 7), Region(9001, 9001, 3, 3)


def remembers() -> bool:
    """Whether an overlap that was asked for before, and that no screen has, is still at hand; asks for it again."""
    hits = Region.intersection.cache_info().hits
    FAR.intersection(NEAR)
    return Region.intersection.cache_info().hits > hits


def test_forgotten_results_are_computed_again() -> None:
    remembers()
    assert remembers()
    forget_drawings()
    assert Region.intersection.cache_info().currsize == 0
    assert not remembers()


async def test_another_size_forgets_the_drawings_of_the_last_one(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        remembers()
        assert remembers()
        await opened.pilot.resize_terminal(90, 30)
        await opened.until(lambda: opened.app.size.width == 90)
        assert not remembers()


async def test_another_theme_forgets_the_drawings_in_the_last_one(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        remembers()
        assert remembers()
        opened.app.theme = "textual-light"
        await opened.pilot.pause()
        assert not remembers()


async def test_a_dialog_that_leaves_takes_its_drawings_along(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("question_mark")
        remembers()
        assert remembers()
        await opened.press("escape")
        await opened.until(lambda: opened.app.screen is opened.main)
        await opened.pilot.pause()
        assert not remembers()
