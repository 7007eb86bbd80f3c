"""Run the command line in this process, in a folder of its own and without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kokoro_tui.cli.main import run
from kokoro_tui.errors import WorkError
from kokoro_tui.speech import hub


@dataclass(frozen=True)
class Outcome:
    """What one command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object that is all of stdout."""
        values = json.loads(self.out)
        assert isinstance(values, dict)
        return values

    @property
    def error_and_hint(self) -> tuple[str, str]:
        """The last two lines of stderr, which are all that begin like this."""
        *others, error, hint = self.err.splitlines()
        assert error.startswith("error: ")
        assert hint.startswith("hint: ")
        assert not [line for line in others if line.startswith(("error:", "hint:", "Traceback"))]
        return error.removeprefix("error: "), hint.removeprefix("hint: ")


Runner = Callable[..., Outcome]


@pytest.fixture
def kokoro_tui(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    """Calls ``kokoro-tui WORDS…`` with the test's own folder as the working folder."""
    monkeypatch.chdir(tmp_path)

    def no_network(name: str, seconds: float = 0.0) -> Path:
        raise WorkError("the model hub was not reached (test)")

    monkeypatch.setattr(hub, "fetch_voice", no_network)
    monkeypatch.setattr(hub, "cached_voice", lambda name: None)

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
