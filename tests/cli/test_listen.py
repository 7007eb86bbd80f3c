"""Serving a comparison to a browser, from the command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Runner

WORDS = ("--phonemes", "ðə lˈaɪthaʊs kˈiːpɚ", "--voice", "jf_alpha")


def read_json(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The object that a process writes before it goes on; the reading ends with its last brace."""
    assert process.stdout is not None
    lines = ""
    for line in process.stdout:
        lines += line
        if line.startswith("}"):
            break
    found = json.loads(lines)
    assert isinstance(found, dict)
    return found


def test_it_serves_until_it_is_interrupted(toy_model: Path, tmp_path: Path) -> None:
    words = ["listen", str(toy_model), "--preset", "w8", *WORDS, "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kokoro_tui", *words], cwd=tmp_path, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        found = read_json(process)
        assert found["url"].startswith(f"http://127.0.0.1:{found['port']}/?token=")
        assert found["tunnel"].startswith(f"ssh -N -L {found['port']}:127.0.0.1:{found['port']} ")
        assert (found["candidate"], found["voice"]) == ("w8", "jf_alpha")
        assert found["mel_distance"] > 0
        with urllib.request.urlopen(found["url"], timeout=10) as answer:
            assert b"kokoro-tui: listen" in answer.read()
        with urllib.request.urlopen(found["url"].replace("/?", "/events?"), timeout=10) as answer:
            state = json.loads(answer.readline().removeprefix(b"data: "))
        labels = [track["label"] for track in state["tracks"]]
        assert labels[:2] == ["Original", "w8"]
        assert labels[2].startswith("Difference")
        assert state["title"] == WORDS[1]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"http://127.0.0.1:{found['port']}/", timeout=10)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_port_that_is_taken_is_found_before_the_work(kokoro_tui: Runner, toy_model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = kokoro_tui("listen", toy_model, "--preset", "w8", *WORDS, "--port", port)
    assert outcome.code == 2
    assert outcome.error_and_hint[0] == f"cannot listen on port {port}: Address already in use"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "there is no candidate"),
        (("toy.onnx", "--preset", "w8"), "more than one candidate was named"),
        (("missing.onnx",), "there is no file missing.onnx"),
        (("--preset", "w8", "--port", "70000"), "'--port'"),
        (("--preset", "w8", "--voice", "nobody"), "there is no voice 'nobody'"),
    ],
)
def test_wrong_input(kokoro_tui: Runner, toy_model: Path, words: tuple[str, ...], message: str) -> None:
    outcome = kokoro_tui("listen", toy_model.name, *words, "--json")
    assert outcome.code == 2
    assert message in outcome.error_and_hint[0]
    assert outcome.json["exit_code"] == 2
