from __future__ import annotations

from pathlib import Path

import pytest

from kokoro_tui.store.atomic import WriteError
from kokoro_tui.store.listening_log import append_line, listening_log_path, read_lines


def test_lines_are_appended_in_order() -> None:
    assert read_lines() == ()
    append_line({"event": "started", "text": "schön\nzwei Zeilen"})
    append_line({"event": "finished"})
    assert read_lines() == ({"event": "started", "text": "schön\nzwei Zeilen"}, {"event": "finished"})
    assert len(listening_log_path().read_text(encoding="utf-8").splitlines()) == 2


def test_a_line_that_was_cut_off_loses_itself_only() -> None:
    append_line({"event": "started"})
    with listening_log_path().open("a", encoding="utf-8") as handle:
        handle.write('{"event": "fini')
    append_line({"event": "finished"})
    assert [line["event"] for line in read_lines()] == ["started", "finished"]


def test_what_is_no_object_is_passed_over() -> None:
    append_line({"event": "started"})
    with listening_log_path().open("a", encoding="utf-8") as handle:
        handle.write("[1]\nnull\n\n" + "[" * 100_000 + "\n")
    assert [line["event"] for line in read_lines()] == ["started"]


def test_a_log_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "listening.jsonl").mkdir()
    monkeypatch.setenv("KOKORO_TUI_STATE", str(tmp_path))
    with pytest.raises(WriteError, match=r"listening\.jsonl cannot be written"):
        append_line({})
