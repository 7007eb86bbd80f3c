"""Who may hear, and what the server answers."""

from __future__ import annotations

import http.client
import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import soundfile

from kokoro_tui.errors import InputError
from kokoro_tui.web.board import ListenTrack
from kokoro_tui.web.server import ListenServer
from tests.audio.signals import noise


@pytest.fixture
def server() -> Iterator[ListenServer]:
    found = ListenServer()
    found.start()
    found.board.show("a sentence", [ListenTrack("A", noise(0.1)), ListenTrack("B", noise(0.1, seed=1))])
    yield found
    found.stop()


def token(server: ListenServer) -> str:
    return parse_qs(urlsplit(server.url).query)["token"][0]


def ask(server: ListenServer, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer, answer.read()


def track_path(server: ListenServer, index: int = 0) -> str:
    return f"/sound/{server.board.state.ids[index]}?token={token(server)}"


def test_the_page_is_served_with_headers_that_keep_it_to_itself(server: ListenServer) -> None:
    answer, content = ask(server, f"/?token={token(server)}")
    assert answer.status == 200
    assert b"<title>kokoro-tui: listen</title>" in content
    assert token(server).encode() not in content
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Server"] == "kokoro-tui"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_tokens_are_long_and_random() -> None:
    found = {parse_qs(urlsplit(ListenServer().url).query)["token"][0] for _ in range(50)}
    assert len(found) == 50
    assert min(map(len, found)) >= 32


@pytest.mark.parametrize("path", ["/", "/events", "/sound/x", "/anything", "//", "/../etc/passwd"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%C3%A9", "?Token={token}", "?token={token}x"])
def test_without_the_token_there_is_nothing(server: ListenServer, path: str, query: str) -> None:
    answer, content = ask(server, path + query.format(token=token(server)))
    assert (answer.status, content) == (403, b"403 Forbidden\n")


def test_sound_needs_the_token_too(server: ListenServer) -> None:
    assert ask(server, track_path(server))[0].status == 200
    assert ask(server, track_path(server).partition("?")[0])[0].status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1]:80", "", "0.0.0.0"]
)
def test_a_name_that_is_pointed_here_is_refused(server: ListenServer, host: str) -> None:
    assert ask(server, f"/?token={token(server)}", Host=host)[0].status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "localhost:9999", "localhost"])
def test_a_tunnel_may_begin_at_any_port(server: ListenServer, host: str) -> None:
    assert ask(server, f"/?token={token(server)}", Host=host)[0].status == 200


@pytest.mark.parametrize(
    "path", ["/sound/", "/sound/x", "/sound/../sound/x", "/assets/page.css", "/index.html", "/%2e%2e/"]
)
def test_what_is_not_there_is_not_found(server: ListenServer, path: str) -> None:
    assert ask(server, f"{path}?token={token(server)}")[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed_from_outside(server: ListenServer, method: str) -> None:
    assert ask(server, f"/?token={token(server)}", method)[0].status == 501


def test_only_the_loopback_address_is_bound(server: ListenServer) -> None:
    assert server._server is not None
    assert server._server.socket.getsockname()[0] == "127.0.0.1"
    other = socket.socket()
    try:
        # Another loopback address is another interface: a server on 0.0.0.0 would answer there.
        assert other.connect_ex(("127.0.0.2", server.port)) != 0
    finally:
        other.close()


def test_sound_comes_whole_or_in_part(server: ListenServer) -> None:
    answer, whole = ask(server, track_path(server))
    assert (answer.headers["Content-Type"], answer.headers["Accept-Ranges"]) == ("audio/wav", "bytes")
    assert soundfile.info(io.BytesIO(whole)).duration == pytest.approx(0.1)
    answer, part = ask(server, track_path(server), Range="bytes=44-99")
    assert (answer.status, part) == (206, whole[44:100])
    assert answer.headers["Content-Range"] == f"bytes 44-99/{len(whole)}"
    answer, end = ask(server, track_path(server), Range="bytes=-8")
    assert (answer.status, end) == (206, whole[-8:])
    answer, nothing = ask(server, track_path(server), Range="bytes=999999-")
    assert (answer.status, nothing, answer.headers["Content-Range"]) == (416, b"", f"bytes */{len(whole)}")


def test_headers_alone(server: ListenServer) -> None:
    answer, content = ask(server, track_path(server), "HEAD")
    assert (answer.status, content, answer.headers["Content-Length"]) == (200, b"", str(44 + 2 * 2400))


def test_events_follow_what_is_selected(server: ListenServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", f"/events?token={token(server)}")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")

    def event() -> dict[str, object]:
        line = answer.readline()
        assert answer.readline() == b"\n"
        found = json.loads(line.removeprefix(b"data: "))
        assert isinstance(found, dict)
        return found

    first = event()
    assert set(first) == {"title", "tracks", "seconds", "selected", "playing", "position", "jump", "levels", "loop"}
    assert (first["title"], first["selected"], first["playing"]) == ("a sentence", 0, False)
    server.board.select(1)
    assert event()["selected"] == 1
    server.board.play(True, 0.5)
    assert (event()["playing"], server.board.state.position) == (True, 0.5)
    server.board.show("Trial 2", [ListenTrack("X", noise(0.1))])
    later = event()
    assert (later["title"], later["playing"]) == ("Trial 2", False)
    assert [track["label"] for track in later["tracks"]] == ["X"]  # type: ignore[attr-defined]
    server.stop()
    assert b"data" not in answer.read()


def test_stopping_frees_the_port_and_ends_the_threads(server: ListenServer) -> None:
    port = server.port
    server.stop()
    server.stop()
    assert not server.running
    again = ListenServer(port)
    again.start()
    assert again.port == port
    again.stop()
    assert "listen" not in {thread.name for thread in threading.enumerate()}


def test_a_port_that_is_taken_is_said_so(server: ListenServer) -> None:
    other = ListenServer(server.port)
    with pytest.raises(InputError, match=f"cannot listen on port {server.port}: Address already in use") as caught:
        other.start()
    assert "--port" in caught.value.hint
    assert not other.running


def test_the_tunnel_leads_to_the_port(server: ListenServer) -> None:
    assert server.tunnel.startswith(f"ssh -N -L {server.port}:127.0.0.1:{server.port} ")


def test_requests_are_not_logged(
    server: ListenServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(server, f"/?token={token(server)}")
        ask(server, "/?token=wrong")
        with socket.create_connection(("127.0.0.1", server.port)) as broken:
            broken.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            broken.recv(100)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert token(server) not in caplog.text
