"""A page on this machine's loopback address that plays what is selected in the terminal.

Whoever listens is often at another machine and comes in through an SSH tunnel. Only the loopback address is bound,
every request needs the token, and the Host header must name this machine, so that no page of another site can
reach the server through a name that it has pointed here.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kokoro_tui.errors import InputError
from kokoro_tui.web.board import ListenBoard, ListenState
from kokoro_tui.web.pages import Page, render_page
from kokoro_tui.web.ranges import byte_range
from kokoro_tui.web.sound import WAV

_log = logging.getLogger(__name__)
HOST = "127.0.0.1"
HOST_NAMES = ("127.0.0.1", "localhost")
"""What the Host header may name; the port differs where the tunnel begins at another one."""
BEAT_SECONDS = 15.0
"""How often an idle stream of events shows that it is alive."""
REQUEST_SECONDS = 30.0
"""How long a client may take to send its request."""


class ListenServer:
    """Serves one listening page, from its start until it is stopped for good.

    Args:
        port: The port to bind; 0 takes a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted_port = port
        self._token = secrets.token_urlsafe(24)
        self.board = ListenBoard()
        """What the page shows and plays."""
        self._server: _Server | None = None

    def start(self) -> None:
        """Bind the port and serve on threads of its own.

        Raises:
            InputError: The port is taken, or may not be bound.
        """
        page = render_page(
            "listen.html.jinja",
            {},
            styles=("page.css", "listen.css"),
            scripts=("switcher.js", "listen.js"),
            sources={"connect-src": "'self'", "img-src": "data:", "frame-ancestors": "'none'"},
        )
        try:
            self._server = _Server(self._wanted_port, self._token, self.board, page)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"cannot listen on port {self._wanted_port}: {reason}",
                "choose another one with --port, or leave it out",
            ) from error
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="listen", daemon=True).start()

    def stop(self) -> None:
        """Close the port and let every page go; a second call does nothing."""
        self.board.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def running(self) -> bool:
        """Whether the page can be opened."""
        return self._server is not None

    @property
    def port(self) -> int:
        """The port that is bound; 0 before the start."""
        return 0 if self._server is None else int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The page's address, token included."""
        return f"http://{HOST}:{self.port}/?token={self._token}"

    @property
    def tunnel(self) -> str:
        """The command that a listener at another machine runs there, with a host name to fill in."""
        return f"ssh -N -L {self.port}:{HOST}:{self.port} {_this_host()}"


def _this_host() -> str:
    import getpass
    import socket

    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()


class _Server(ThreadingHTTPServer):
    """Binds the loopback address only."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, token: str, board: ListenBoard, page: Page) -> None:
        self.token = token
        self.board = board
        self.page = page
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for this host's name, as the base class does."""
        import socketserver

        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is nothing to tell the terminal."""
        _log.debug("a listening page went away", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_SECONDS

    def version_string(self) -> str:
        """What the Server header tells; no versions."""
        return "kokoro-tui"

    def do_GET(self) -> None:
        """Answer with the page, its events or a sound file."""
        url = urlsplit(self.path)
        if not self._is_allowed(url.query):
            self._refuse(HTTPStatus.FORBIDDEN)
        elif url.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page.html.encode())
        elif url.path == "/events":
            self._send_events()
        elif url.path.startswith("/sound/") and (sound := self.server.board.file(url.path[len("/sound/") :])):
            self._send_sound(sound)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self.do_GET()

    def _is_allowed(self, query: str) -> bool:
        """Whether the request names this machine and holds the token."""
        host = self.headers.get("Host", "").rpartition(":")
        name = host[0] if host[2].isdigit() else "".join(host)
        given = parse_qs(query).get("token", [""])[0]
        # Bytes, since compare_digest refuses text outside ASCII.
        return name in HOST_NAMES and hmac.compare_digest(given.encode(), self.server.token.encode())

    def _send_sound(self, sound: bytes) -> None:
        wanted = self.headers.get("Range")
        if wanted is None:
            self._send(HTTPStatus.OK, WAV, sound, {"Accept-Ranges": "bytes"})
            return
        part = byte_range(wanted, len(sound))
        if part is None:
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, WAV, b"", {"Content-Range": f"bytes */{len(sound)}"})
            return
        headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {part.start}-{part.stop - 1}/{len(sound)}"}
        self._send(HTTPStatus.PARTIAL_CONTENT, WAV, sound[part.start : part.stop], headers)

    def _send_events(self) -> None:
        """Every state from now on, as server-sent events, until the page or the server goes."""
        self.close_connection = True
        self._begin(HTTPStatus.OK, "text/event-stream; charset=utf-8", {"Connection": "close"})
        if self.command == "HEAD":
            return
        board, revision = self.server.board, -1
        while not board.closed:
            state = board.wait(revision, BEAT_SECONDS)
            if state is not None:
                revision = state.revision
            self.wfile.write(_event(state))
            self.wfile.flush()

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode())

    def _send(self, status: HTTPStatus, mime: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(status, mime, {"Content-Length": str(len(content)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _begin(self, status: HTTPStatus, mime: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        fixed = {
            "Content-Type": mime,
            "Cache-Control": "no-store",
            "Content-Security-Policy": self.server.page.policy,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in {**fixed, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests, which hold the token, out of the terminal and of the log."""


def _event(state: ListenState | None) -> bytes:
    """One server-sent event; a comment where there is nothing new."""
    if state is None:
        return b": still here\n\n"
    values = {
        "title": state.title,
        "tracks": [{"label": label, "id": name} for label, name in zip(state.labels, state.ids, strict=True)],
        "seconds": state.seconds,
        "selected": state.selected,
        "playing": state.playing,
        "position": state.position,
        "jump": state.jump,
        "levels": state.levels,
        "loop": state.loop,
    }
    return f"data: {json.dumps(values)}\n\n".encode()
