"""The hub: bounded waiting, one attempt for the whole process, and no output."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from kokoro_tui.errors import WorkError
from kokoro_tui.speech import hub


def test_fetches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "_download", lambda name, seconds: tmp_path / f"{name}.bin")
    assert hub.fetch_voice("af_sky") == tmp_path / "af_sky.bin"
    assert hub.fetch_voice("af_bella") == tmp_path / "af_bella.bin"


def test_a_hub_that_hangs_costs_its_wait_once(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    calls: list[str] = []

    def hang(name: str, seconds: float) -> Path:
        calls.append(name)
        release.wait(30)
        return Path(name)

    monkeypatch.setattr(hub, "_download", hang)
    started = time.monotonic()
    with pytest.raises(WorkError, match=r"the model hub gave no answer in 0 s"):
        hub.fetch_voice("af_sky", seconds=0.2)
    for name in ("af_sky", "af_bella"):
        with pytest.raises(WorkError, match="no answer"):
            hub.fetch_voice(name)
    elapsed = time.monotonic() - started
    release.set()
    assert 0.2 <= elapsed < 2
    assert calls == ["af_sky"]


def test_waiting_is_bounded_by_ten_seconds() -> None:
    assert hub.HUB_SECONDS == 10


def test_an_unreachable_hub_fails_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(WorkError, match=r"not reached \(ConnectionError\)") as caught:
        hub.fetch_voice("af_sky")
    assert time.monotonic() - started < 2
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_threads_share_the_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    failures: list[str] = []

    def refuse(name: str, seconds: float) -> Path:
        calls.append(name)
        raise ConnectionError

    def ask(name: str) -> None:
        with pytest.raises(WorkError) as caught:
            hub.fetch_voice(name)
        failures.append(caught.value.message)

    monkeypatch.setattr(hub, "_download", refuse)
    threads = [threading.Thread(target=ask, args=(f"voice_{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(failures) == 4


def test_without_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, seconds: float) -> Path:
        raise ModuleNotFoundError("No module named 'huggingface_hub'", name="huggingface_hub")

    monkeypatch.setattr(hub, "_download", missing)
    with pytest.raises(WorkError, match="huggingface_hub is not installed"):
        hub.fetch_voice("af_sky")
