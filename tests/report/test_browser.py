"""The page in headless Chromium, opened from the file system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from kokoro_tui.report.page import report_page
from tests.browser import Visit, chromium, until, visit, wait_for_sound
from tests.report.contents import hostile_report, measurement, model, report

SELECTED = "document.querySelector('[aria-pressed=true]').textContent.trim()"
SOUNDING = "sentences[0].switcher.voices.map(({ gain }) => gain.gain.value)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    first = model("w8", measurement(4.0), measurement(2.0, moved=3))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(report(first, model("fp16", measurement(4.0), measurement(2.0)))), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, address) as found:
        yield found


def position(page: Page) -> float:
    return float(page.evaluate("sentences[0].switcher.position"))


def test_it_loads_all_sound_asks_for_nothing_and_logs_nothing(opened: Visit, address: str) -> None:
    lengths = wait_for_sound(opened.page)
    assert len(lengths) == 11
    for found, meant in lengths:
        assert found == pytest.approx(meant, abs=1e-3)
    pictures = opened.page.evaluate("[...document.images].map((image) => image.naturalWidth)")
    assert len(pictures) == 12
    assert min(pictures) > 0
    assert opened.requests == [address]
    assert opened.problems == []


def test_switching_changes_what_is_heard_and_not_the_place(opened: Visit) -> None:
    page = opened.page
    assert page.evaluate(SELECTED).endswith("Original")
    page.locator("[data-play]").first.click()
    until(page, "sentences[0].switcher.position > 0.3")
    until(page, f"{SOUNDING}[0] === 1")
    before = position(page)
    page.keyboard.press("2")
    until(page, f"{SOUNDING}[1] === 1 && {SOUNDING}[0] === 0")
    assert page.evaluate(SELECTED).endswith("w8")
    assert before <= position(page) < before + 1.5
    page.keyboard.press("d")
    until(page, f"{SOUNDING}[2] === 1")
    page.keyboard.press("d")
    assert page.evaluate(SELECTED).endswith("w8")
    page.keyboard.press("3")
    assert page.evaluate(SELECTED).endswith("fp16")
    page.keyboard.press(" ")
    assert page.evaluate("sentences[0].switcher.playing") is False
    stopped = position(page)
    page.keyboard.press("ArrowRight")
    assert position(page) == pytest.approx(min(stopped + 1, 4.0), abs=0.01)
    assert opened.problems == []


def test_it_stops_at_the_end_or_goes_on_in_a_loop(opened: Visit) -> None:
    page = opened.page
    page.evaluate("sentences[0].switcher.load()")
    page.evaluate("sentences[0].switcher.seek(3.8)")
    page.locator("[data-play]").first.click()
    until(page, "!sentences[0].switcher.playing && sentences[0].switcher.position === 0")
    page.locator("[data-loop]").first.check()
    page.evaluate("sentences[0].switcher.seek(3.8)")
    page.locator("[data-play]").first.click()
    until(page, "sentences[0].switcher.playing && sentences[0].switcher.position < 1")


def test_a_click_on_a_picture_and_the_worst_moment_go_there(opened: Visit) -> None:
    page = opened.page
    picture = page.locator("[data-picture]").first
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": 0.75 * box["width"], "y": 10})
    assert position(page) == pytest.approx(3.0, abs=0.05)
    worst = page.locator("[data-worst]").first
    worst.click()
    assert position(page) == pytest.approx(float(worst.get_attribute("data-worst") or "nan"), abs=0.01)


def test_one_sentence_at_a_time(opened: Visit) -> None:
    page = opened.page
    page.locator("[data-play]").first.click()
    until(page, "sentences[0].switcher.voices.length > 0")
    page.locator("[data-play]").nth(1).click()
    until(page, "sentences[1].switcher.playing && !sentences[0].switcher.playing")
    page.evaluate("document.querySelectorAll('audio')[0].play()")
    until(page, "!sentences[1].switcher.playing")


def test_it_works_with_the_keyboard_alone(opened: Visit) -> None:
    page = opened.page
    names = []
    for _ in range(14):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))
    assert "Play" in names
    assert "Position in sentence 1" in names
    assert any("Original" in name for name in names)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, audio, img')].filter((one) => one.alt !== '' &&"
        " !(one.ariaLabel || one.innerText || one.alt || one.closest('label'))).length"
    )
    assert unnamed == 0


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_in_light_and_dark(browser: Browser, address: str, dark: bool) -> None:
    with visit(browser, address, dark=dark) as found:
        colours = found.page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('.soft')).color]"
        )
        ink, ground, soft = (luminance(colour) for colour in colours)
    assert contrast(ink, ground) > 10
    assert contrast(soft, ground) > 4.5
    assert (ground < ink) is dark


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2.1)."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: float, second: float) -> float:
    """Contrast ratio (WCAG 2.1)."""
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_window(browser: Browser, address: str, width: int) -> None:
    with visit(browser, address, width=width) as found:
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_leaves_out_what_paper_cannot_do(opened: Visit) -> None:
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("audio").first.is_visible()
    assert not opened.page.locator("[data-play]").first.is_visible()
    assert opened.page.locator("[data-picture] img").first.is_visible()


def test_texts_of_strangers_do_nothing(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_page(hostile_report()), encoding="utf-8")
    with visit(browser, path.as_uri()) as found:
        wait_for_sound(found.page)
        assert found.problems == []
        assert found.requests == [path.as_uri()]
        assert "<script>alert(1)</script>" in found.page.title()
        assert found.page.evaluate("sentences.length") == 1
