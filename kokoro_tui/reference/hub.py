"""Fetches a file of hexgrad/Kokoro-82M, and gives up soon where no hub can be reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kokoro_tui.errors import InputError, WorkError

REPOSITORY = "hexgrad/Kokoro-82M"

ANSWER_SECONDS = 10.0
"""How long to wait for the hub's first answer, name lookup and all."""

STALL_SECONDS = 60.0
"""How long to wait for the next piece of a file; the client tells of 10 MiB at a time."""

_HINT = "check the connection, or use --weights bundled"


def fetch_from_hub(
    filename: str,
    progress: Callable[[float], None],
    *,
    answer_seconds: float = ANSWER_SECONDS,
    stall_seconds: float = STALL_SECONDS,
) -> Path:
    """The path of a cached or freshly downloaded file.

    Args:
        filename: A file of the repository.
        progress: Told the fraction of the file that has arrived, now and then.
        answer_seconds: How long the hub may take to answer at all.
        stall_seconds: How long a download that has begun may stand still.

    Raises:
        InputError: huggingface_hub is not installed.
        WorkError: The file is not cached and the hub cannot be reached.
    """
    try:
        # Needed only where the hub is asked for; it comes with the extra `export`.
        import huggingface_hub
    except ImportError as error:
        raise InputError(
            "huggingface_hub is not installed", 'pip install "kokoro-tui[export]", or use --weights bundled'
        ) from error
    cached = huggingface_hub.try_to_load_from_cache(REPOSITORY, filename)
    if isinstance(cached, str):
        return Path(cached)
    download = _Download(filename)
    download.wait(progress, answer_seconds, stall_seconds)
    return download.result()


class _Download:
    """A download in its own thread, since a name lookup that hangs cannot be stopped, only left behind."""

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._done = threading.Event()
        self._path: Path | None = None
        self._error: Exception | None = None
        self._last_sign_of_life = time.monotonic()
        self._answered = False
        self._fraction = 0.0
        threading.Thread(target=self._run, name="hub-download", daemon=True).start()

    def wait(self, progress: Callable[[float], None], answer_seconds: float, stall_seconds: float) -> None:
        """Return once the download has ended, or has given no sign of life for too long."""
        while not self._done.wait(0.1):
            patience = stall_seconds if self._answered else answer_seconds
            if time.monotonic() - self._last_sign_of_life > patience:
                return
            progress(self._fraction)

    def result(self) -> Path:
        """The file's path.

        Raises:
            WorkError: There is none.
        """
        if self._path is not None:
            return self._path
        message = "stopped sending" if self._answered else "cannot be reached"
        raise WorkError(f"the hub of {REPOSITORY} {message}", _HINT) from self._error

    def _run(self) -> None:
        import huggingface_hub
        from huggingface_hub.utils import logging as hub_logging

        # Its warnings would go to the terminal that the front end draws on.
        hub_logging.set_verbosity_error()
        try:
            # Asked once and without the client's own retries, which take 23 s where there is no network.
            url = huggingface_hub.hf_hub_url(REPOSITORY, self._filename)
            huggingface_hub.get_hf_file_metadata(url, timeout=ANSWER_SECONDS)
            self._note(0.0)
            self._answered = True
            self._path = Path(
                huggingface_hub.hf_hub_download(REPOSITORY, self._filename, tqdm_class=self._progress_class())
            )
        # Which errors a lost connection raises depends on the client's HTTP library, which has changed twice.
        except Exception as error:  # noqa: BLE001
            self._error = error
        finally:
            self._done.set()

    def _note(self, fraction: float) -> None:
        self._last_sign_of_life = time.monotonic()
        self._fraction = max(self._fraction, min(1.0, fraction))

    def _progress_class(self) -> type[Any]:
        """A progress bar that draws nothing and tells this download what has arrived."""
        from huggingface_hub.utils import tqdm

        note = self._note

        class SilentBar(tqdm):  # type: ignore[misc]
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **{**options, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                self.n += n or 0
                note(self.n / self.total if self.total else 0.0)
                return False

        return SilentBar
