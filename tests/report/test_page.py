"""The text of the page: complete, escaped, and asking nothing of any server."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image

from kokoro_tui.report.page import report_page
from tests.report.contents import HOSTILE, hostile_report, measurement, model, report

SPOKEN = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
"""How the hostile text reads on a page."""


class Parsed(HTMLParser):
    """Elements with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text.setdefault(self._open[-1] if self._open else "", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, tag: str) -> str:
        return " ".join(" ".join(self.text.get(tag, [])).split())


@pytest.fixture(scope="module")
def two_models() -> str:
    first = model("w8", measurement(1.0), measurement(0.8, moved=3))
    second = model("fp16", measurement(1.0, pinned=False), measurement(0.8), file_bytes=5 * 1024 * 1024)
    return report_page(report(first, second))


def content(uri: str | None, mime: str) -> bytes:
    assert uri is not None
    head, _, rest = uri.partition(",")
    assert head == f"data:{mime};base64"
    return base64.b64decode(rest, validate=True)


def test_every_sound_is_lossless_and_as_long_as_the_page_says(two_models: str) -> None:
    audios = Parsed(two_models).all("audio")
    assert len(audios) == 2 * (1 + 2 + 2) + 1  # one candidate has durations of its own in one sentence
    for audio in audios:
        assert audio["controls"] is None
        assert audio["aria-label"]
        with soundfile.SoundFile(io.BytesIO(content(audio["src"], "audio/flac"))) as sound:
            assert (sound.format, sound.subtype, sound.samplerate, sound.channels) == ("FLAC", "PCM_16", 24_000, 1)
            assert sound.frames / 24_000 == pytest.approx(float(audio["data-seconds"] or 0), abs=1e-4)
            assert np.abs(sound.read()).max() > 0


def test_every_picture_is_there_and_described(two_models: str) -> None:
    pictures = [image for image in Parsed(two_models).all("img") if image["alt"]]
    assert len(pictures) == 2 * (1 + 2 + 2)
    for picture in pictures:
        assert Image.open(io.BytesIO(content(picture["src"], "image/png"))).size[1] == 80
    assert {str(picture["alt"]) for picture in pictures} >= {"Spectrogram of the original", "Spectrogram of fp16"}


def test_the_table_has_a_column_for_the_original_and_for_each_model(two_models: str) -> None:
    rows = re.findall(r"<tr.*?</tr>", two_models, re.DOTALL)
    cells = [len(re.findall(r"<t[hd]\b", row)) for row in rows if "colspan" not in row]
    assert set(cells) == {4}
    text = Parsed(two_models).words("td")
    assert "4.00 MiB 1.00 MiB 5.00 MiB" in text
    assert {"−75.0 %", "+25.0 %", "own durations"} <= set(Parsed(two_models).text["span"])
    assert "w8: 1.00 MiB, 75.0 % smaller; mel distance 0.250, added noise 1.5 dB, up to 3 frames moved." in two_models
    assert "fp16: 5.00 MiB, 25.0 % larger; " in two_models


def test_it_says_how_to_rebuild_and_with_what(two_models: str) -> None:
    parsed = Parsed(two_models)
    assert "kokoro-tui export-optimized toy.onnx --recipe fp16.toml" in parsed.words("code")
    assert "kokoro-tui report toy.onnx --preset w8" in parsed.words("code")
    assert content(parsed.all("a")[0]["href"], "application/toml") == b"version = 1\n"
    assert parsed.all("a")[0]["download"] == "w8.toml"
    for words in ("9.8.7", "a" * 64, "b" * 64):
        assert words in parsed.words("dd")


def test_a_model_file_has_no_recipe() -> None:
    other = replace(model("other"), recipe="", recipe_name="", command="", nodes={})
    html = report_page(report(other))
    assert "<details>" not in html
    assert "export-optimized" not in html
    assert "nodes</th>" not in html


def test_nothing_is_fetched_and_only_the_page_s_own_code_runs(two_models: str) -> None:
    parsed = Parsed(two_models)
    policy = next(m["content"] for m in parsed.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    script, style = (re.findall(rf"<{tag}>(.*?)</{tag}>", two_models, re.DOTALL) for tag in ("script", "style"))
    assert len(script) == len(style) == 1
    assert directives == {
        "default-src": "'none'",
        "script-src": source(script[0]),
        "style-src": source(style[0]),
        "img-src": "data:",
        "media-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    addresses = [a for _, attributes in parsed.elements for n, a in attributes.items() if n in ("src", "href")]
    assert all(address and address.startswith("data:") for address in addresses)
    assert "://" not in script[0] + style[0]
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith(("on", "style"))]


def source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_texts_of_strangers_are_shown_and_not_obeyed() -> None:
    html = report_page(hostile_report())
    parsed = Parsed(html)
    assert len(parsed.all("script")) == 1
    assert {str(image["src"])[:5] for image in parsed.all("img")} == {"data:"}
    assert not set("\u202e\x1b") & set(html)
    assert "{{7*7}}" in html
    assert "{{49}}" not in html
    for tag in ("title", "bdi", "p", "th", "td", "code", "dt", "dd"):
        if tag != "td":
            assert SPOKEN in "".join(parsed.text[tag]), tag
    assert parsed.all("a")[0]["download"] == SPOKEN
    names = {name for _, attributes in parsed.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")}


def test_the_recipe_that_is_saved_is_the_recipe_itself() -> None:
    link = Parsed(report_page(hostile_report())).all("a")[0]
    assert content(link["href"], "application/toml") == HOSTILE.encode()


def test_the_same_report_gives_the_same_page() -> None:
    assert report_page(report()) == report_page(report())


def test_progress_comes_sentence_by_sentence() -> None:
    shares: list[float] = []
    report_page(report(model("w8", measurement(), measurement())), lambda stage, share: shares.append(share))
    assert shares == [0.0, 0.5, 1.0]
