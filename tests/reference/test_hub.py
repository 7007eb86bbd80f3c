"""Fetching from a hub: a small server on the loopback interface plays every kind of one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest

from kokoro_tui.errors import WorkError
from kokoro_tui.reference.hub import fetch_from_hub

CONTENT = bytes(range(256)) * 4096
FILE = "weights.pth"

Serve = Callable[[type[BaseHTTPRequestHandler]], None]


class Hub(BaseHTTPRequestHandler):
    """Serves one file the way the hub does."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.send_content()

    def send_content(self) -> None:
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set when the test is over, so that a server which never answers lets go of its threads."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Makes a handler class the hub, with an empty cache."""
    servers: list[ThreadingHTTPServer] = []

    def start(handler: type[BaseHTTPRequestHandler]) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 65_536)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_file_is_downloaded_quietly_and_then_taken_from_the_cache(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    serve(Hub)
    path = fetch_from_hub(FILE, lambda _: None)
    assert path.read_bytes() == CONTENT
    serve(BaseHTTPRequestHandler)
    assert fetch_from_hub(FILE, lambda _: pytest.fail("asked the hub")) == path
    assert capfd.readouterr() == ("", "")


def test_the_download_tells_how_much_has_arrived(serve: Serve, released: threading.Event) -> None:
    class HalfWay(Hub):
        def send_content(self) -> None:
            half = len(CONTENT) // 2
            self.wfile.write(CONTENT[:half])
            released.wait(20)
            self.wfile.write(CONTENT[half:])

    seen: list[float] = []

    def progress(fraction: float) -> None:
        seen.append(fraction)
        if fraction > 0.3:
            released.set()

    serve(HalfWay)
    assert fetch_from_hub(FILE, progress).read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert 0.3 < seen[-1] <= 1.0


def test_a_hub_that_never_answers_costs_the_agreed_time_and_no_more(serve: Serve, released: threading.Event) -> None:
    class Silent(Hub):
        def do_HEAD(self) -> None:
            released.wait(20)

    serve(Silent)
    started = time.monotonic()
    with pytest.raises(WorkError, match="the hub of hexgrad/Kokoro-82M cannot be reached"):
        fetch_from_hub(FILE, lambda _: None, answer_seconds=0.5)
    assert time.monotonic() - started < 2.5


def test_a_download_that_stalls_is_given_up(serve: Serve, released: threading.Event) -> None:
    class Stalling(Hub):
        def send_content(self) -> None:
            self.wfile.write(CONTENT[: len(CONTENT) // 2])
            released.wait(20)

    serve(Stalling)
    started = time.monotonic()
    with pytest.raises(WorkError, match="stopped sending"):
        fetch_from_hub(FILE, lambda _: None, stall_seconds=0.5)
    assert time.monotonic() - started < 3.5


def test_a_hub_that_refuses_costs_no_time(serve: Serve) -> None:
    serve(BaseHTTPRequestHandler)
    started = time.monotonic()
    with pytest.raises(WorkError, match="cannot be reached") as caught:
        fetch_from_hub(FILE, lambda _: None)
    assert caught.value.hint == "check the connection, or use --weights bundled"
    assert time.monotonic() - started < 5
