"""What reaches the terminal, whatever a file's names hold."""

from __future__ import annotations

import json
import sys

import pytest

from kokoro_tui.cli.output import MAX_LINE, Output, mib, number, one_line, visible, write_error, write_json

HOSTILE = "[red]x[/nope] \x1b[31m\x07 a\u202eb \udc80"


def test_control_characters_direction_marks_and_surrogates_show_as_escapes() -> None:
    assert visible(HOSTILE) == "[red]x[/nope] \\x1b[31m\\x07 a\\u202eb \\udc80"
    assert visible("/decoder/conv_post ü 語") == "/decoder/conv_post ü 語"


def test_errors_are_one_line_of_bounded_length(capsys: pytest.CaptureFixture[str]) -> None:
    write_error("first\nsecond \x1b]0;title\x07", "x" * 100_000)
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: first second \\x1b]0;title\\x07"
    assert len(hint) == len("hint: ") + MAX_LINE
    assert one_line("  a \t b\r\n") == "a b"


def test_a_table_shows_markup_as_it_is_and_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["Node", "Count"], [[HOSTILE.replace("\udc80", ""), "1"], ["y" * 300, "2"]], title="[b]t[/b]")
    shown = capsys.readouterr().out
    assert "[red]x[/nope] \\x1b[31m\\x07 a\\u202eb" in shown
    assert "y" * 300 in shown
    assert "[b]t[/b]" in shown
    assert "\x1b" not in shown


def test_markdown_is_aligned_and_escapes_bars(capsys: pytest.CaptureFixture[str]) -> None:
    Output().markdown(["Group", "N"], [["a|b", "10"], ["Total", "1,000"]])
    assert capsys.readouterr().out.splitlines() == [
        "| Group |     N |",
        "|-------|------:|",
        "| a\\|b  |    10 |",
        "| Total | 1,000 |",
    ]


def test_json_holds_neither_nan_nor_raw_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": HOSTILE})
    text = capsys.readouterr().out
    assert json.loads(text) == {"name": HOSTILE}
    assert text.isascii()
    assert "\x1b" not in text
    with pytest.raises(ValueError, match="Out of range float"):
        write_json({"x": float("nan")})


def test_json_output_has_nothing_else_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.line("report")
    out.table(["A"], [["b"]])
    out.markdown(["A"], [["b"]])
    out.note("by the way")
    out.result({"a": 1})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": 1}
    assert captured.err == "note: by the way\n"


def test_quiet_keeps_the_report_and_drops_the_notes(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(quiet=True)
    out.note("by the way")
    out.line("report")
    out.result({"a": 1})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("report\n", "")


def test_progress_is_drawn_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Output().progress() as progress:
        progress("building", 0.5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    with Output().progress() as progress:
        progress("building [x]\x1b", 0.5)
    captured = capsys.readouterr()
    assert "building [x]\\x1b" in captured.err
    assert captured.out == ""


def test_numbers() -> None:
    assert mib(325_434_169) == "310.36 MiB"
    assert (number(54_711_192), number(57.26), number(0)) == ("54,711,192", "57.3", "0")
