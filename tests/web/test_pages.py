"""Templates: what comes from outside is text."""

from __future__ import annotations

from importlib import resources

import pytest
from jinja2 import UndefinedError

from kokoro_tui.web import assets
from kokoro_tui.web.pages import render_page

NAMES = sorted(entry.name for entry in resources.files(assets).iterdir() if entry.name.split(".")[-1] in ("js", "css"))


def test_a_template_without_its_values_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_page("report.html.jinja", {}, styles=("page.css",), scripts=("switcher.js",), sources={})


def test_the_policy_is_strict_whatever_is_added() -> None:
    page = render_page(
        "listen.html.jinja", {}, styles=("page.css",), scripts=("switcher.js",), sources={"connect-src": "'self'"}
    )
    directives = page.policy.split("; ")
    assert directives[0] == "default-src 'none'"
    assert directives[3:] == ["connect-src 'self'", "base-uri 'none'", "form-action 'none'"]
    assert "unsafe" not in page.policy


@pytest.mark.parametrize("name", NAMES)
def test_styles_and_scripts_can_stand_inside_a_page(name: str) -> None:
    text = resources.files(assets).joinpath(name).read_text(encoding="utf-8")
    assert "</" not in text
    assert "<!--" not in text
    assert "://" not in text


def test_all_assets_are_there() -> None:
    assert NAMES == ["listen.css", "listen.js", "page.css", "report.css", "report.js", "switcher.js"]
