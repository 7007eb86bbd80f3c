"""HTML pages from templates in which every value is escaped and only the page's own script and style may run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

_PACKAGE = "kokoro_tui.web.assets"


@dataclass(frozen=True)
class Page:
    """A page that has its style and its script inside."""

    html: str
    policy: str
    """The Content-Security-Policy that lets exactly this style and this script run."""


def render_page(
    template: str,
    values: Mapping[str, object],
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    sources: Mapping[str, str],
) -> Page:
    """Fill in a template.

    Whatever the values hold is shown as text: markup is escaped, and control characters, marks that turn the
    direction of writing and lone surrogates show as escapes.

    Args:
        template: File name of a Jinja template among the assets; it also gets ``style``, ``script`` and ``policy``.
        values: What the template names.
        styles: File names of style sheets, which become one.
        scripts: File names of scripts, which become one.
        sources: Further directives of the policy, as ``media-src``.
    """
    # Jinja takes 60 ms to load; only where a page is made.
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style, script = (Markup("\n".join(_asset(name) for name in names)) for names in (styles, scripts))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash_source(script)}",
            f"style-src {_hash_source(style)}",
            *(f"{directive} {source}" for directive, source in sources.items()),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    html = environment.from_string(_asset(template)).render(style=style, script=script, policy=policy, **values)
    return Page(html, policy)


def _asset(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _hash_source(content: str) -> str:
    """How a policy names inline content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}'"


def _shown(value: object) -> object:
    """Text in which all that cannot be printed shows as an escape; line breaks stay."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in value)
