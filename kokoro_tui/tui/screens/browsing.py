"""The part of the main screen that lets a browser be the loudspeaker, here or at the other end of SSH."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Label, Static

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.tui.messages import JobFailed, PageOpened, PlayerFailed
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.screens.trialling import TriallingScreen

if TYPE_CHECKING:
    from kokoro_tui.audio.player import Player
    from kokoro_tui.web.server import ListenServer


class PageScreen(Dialog[None]):
    """Where the listening page is, and how to get there from another machine.

    Args:
        url: The page, which is on the clipboard already where the terminal allows it.
        tunnel: The command for the other machine.
    """

    TITLE_TEXT = "Listen in a browser"

    def __init__(self, url: str, tunnel: str) -> None:
        super().__init__()
        self._url = url
        self._tunnel = tunnel

    def contents(self) -> ComposeResult:
        """The address and the command."""
        yield Label("The page (its address is copied, where the terminal allows it)", classes="dialog-label")
        yield Static(self._url, classes="to-copy", markup=False)
        yield Label("If you sit at another machine, run this there first", classes="dialog-label")
        yield Static(self._tunnel, classes="to-copy", markup=False)
        yield Label("It plays what is selected here, blind tests included; L again ends it.", classes="dialog-text")


class BrowsingScreen(TriallingScreen):
    """Starts and stops the listening page; while there is one, it is what plays."""

    _server: ListenServer | None = None

    def make_player(self, title: str, labels: Sequence[str] = ()) -> Player:
        """A player for tracks with these names: the page where there is one, else an audio device; blocks.

        Args:
            title: What the page says above the tracks.
            labels: What the page calls the tracks; letters unless given.
        """
        if self._server is not None:
            from kokoro_tui.web.player import BrowserPlayer  # Only where a page is served.

            return BrowserPlayer(self._server, title, labels)
        # PortAudio loads only once there is something to hear.
        from kokoro_tui.audio.player import open_player

        return open_player(self._tell_problem, self.host.settings.audio_output)

    def _tell_problem(self, error: KokoroTuiError) -> None:
        self.post_message(PlayerFailed(error))

    def action_listen(self) -> None:
        """Play in a browser, or through the audio device again."""
        self._toggle_page()

    @work(thread=True, exclusive=True, exit_on_error=False, group="devices")
    def _toggle_page(self) -> None:
        from kokoro_tui.web.server import ListenServer  # HTTP and the page's template: only where it is wanted.

        before, self._server = self._server, None
        try:
            if before is None:
                server = ListenServer()
                server.start()
                self._server = server
            self.replace_player()
        except KokoroTuiError as error:
            self.post_message(JobFailed("opening the listening page", error))
        else:
            told = self._server
            self.post_message(PageOpened(told.url, told.tunnel) if told is not None else PageOpened())
        finally:
            if before is not None:
                before.stop()

    def replace_player(self) -> None:
        """Go on with a player of the kind that is now wanted; blocks."""

    @on(PageOpened)
    def _page_opened(self, event: PageOpened) -> None:
        if event.url:
            self.app.copy_to_clipboard(event.url)
            self.app.push_screen(PageScreen(event.url, event.tunnel))
        else:
            self.say("the listening page is closed")

    def close_page(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.stop()
            self._server = None
