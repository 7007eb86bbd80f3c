from __future__ import annotations

from pathlib import Path

import pytest

from kokoro_tui.tui import formats


@pytest.mark.parametrize(
    ("saved", "text"),
    [(0.497, "−49.7 %"), (0.0, "0.0 %"), (0.0004, "0.0 %"), (-0.0004, "0.0 %"), (-0.012, "+1.2 %"), (1.0, "−100.0 %")],
)
def test_savings_have_a_real_minus_and_growth_a_plus(saved: float, text: str) -> None:
    assert formats.saved_percent(saved) == text


def test_sizes_are_in_mib() -> None:
    assert formats.mib(163_711_000) == "156.13"
    assert formats.node_mib(13_398_016) == "12.777"


def test_a_small_node_is_not_shown_as_nothing() -> None:
    assert formats.node_mib(256) == "<.001"
    assert formats.node_mib(0) == "0.000"
    assert formats.distance(0.0001) == "<.001"
    assert formats.distance(0.0) == "0.000"
    assert formats.distance(None) == "–"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1_000, "1k"), (19_734, "19.7k"), (262_144, "262k"), (3_349_504, "3.35M"), (10**9, "1G")],
)
def test_parameters_take_five_characters(number: int, text: str) -> None:
    assert formats.parameters(number) == text


@pytest.mark.parametrize("number", [0, 999, 1_000, 99_950, 999_499, 999_999, 9_999_999, 99_950_000, 999_999_999])
def test_parameters_never_take_more(number: int) -> None:
    assert len(formats.parameters(number)) <= 5


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s")])
def test_durations(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


def test_names_from_files_cannot_move_the_cursor_or_ring() -> None:
    assert formats.printable("a\x1b[2Jb\x07\n") == r"a\x1b[2Jb\x07\n"
    assert formats.printable("/conv_post/Conv [/b]") == "/conv_post/Conv [/b]"
    assert formats.printable("日本") == "日本"


def test_counts_have_their_plural() -> None:
    assert formats.count(1, "node") == "1 node"
    assert formats.count(2280, "node") == "2,280 nodes"


def test_the_home_folder_is_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/kim")
    assert formats.short_path(Path("/home/kim/models/k.onnx")) == "~/models/k.onnx"
    assert formats.short_path(Path("/srv/k.onnx")) == "/srv/k.onnx"
