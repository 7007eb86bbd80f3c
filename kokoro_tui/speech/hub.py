"""Voices of the model hub: those in its cache, and one bounded attempt to fetch another."""

from __future__ import annotations

import logging
import queue
import threading
from importlib.util import find_spec
from pathlib import Path

from kokoro_tui.errors import WorkError

HUB_SECONDS = 10.0
"""The most that all fetching may keep the user waiting, in seconds."""

# The same voices as raw float32, which needs no torch to read, and as Kokoro itself keeps them.
_RAW_REPOSITORY = "onnx-community/Kokoro-82M-v1.0-ONNX"
_TORCH_REPOSITORY = "hexgrad/Kokoro-82M"

_HINT = "put the voice file into the voice folder, or connect and start again"

_lock = threading.Lock()
_outages: list[str] = []

logger = logging.getLogger(__name__)


def cached_voice(name: str) -> Path | None:
    """Return the voice's file in the hub's local cache, without any network."""
    if find_spec("huggingface_hub") is None:
        return None
    # Late: optional, and the client takes 0.1 s and 20 MiB. Its constants alone take 3 ms, which is enough for the
    # many machines that never used a hub.
    from huggingface_hub import constants

    if not Path(constants.HF_HUB_CACHE).is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    candidates = [(_RAW_REPOSITORY, f"voices/{name}.bin")]
    if find_spec("torch") is not None:
        candidates.append((_TORCH_REPOSITORY, f"voices/{name}.pt"))
    for repository, filename in candidates:
        path = try_to_load_from_cache(repository, filename)
        if isinstance(path, str):
            return Path(path)
    return None


def fetch_voice(name: str, seconds: float = HUB_SECONDS) -> Path:
    """Fetch a voice into the hub's cache.

    Args:
        name: One of the published names.
        seconds: The longest wait. The attempt runs in a thread of its own, because a resolver or a proxy may
            block for longer than any timeout that the client offers.

    Raises:
        WorkError: The hub was not reached in time; further calls in this process fail at once.
    """
    with _lock:
        if _outages:
            raise WorkError(_outages[0], _HINT)
        outcomes: queue.SimpleQueue[Path | Exception] = queue.SimpleQueue()
        outcome: Path | Exception
        threading.Thread(target=_attempt, args=(name, seconds, outcomes), daemon=True).start()
        try:
            outcome = outcomes.get(timeout=seconds)
        except queue.Empty as error:
            outcome = error
        if isinstance(outcome, Path):
            return outcome
        logger.info("fetching voice %s failed: %r", name, outcome)
        _outages.append(_reason(outcome, seconds))
        raise WorkError(_outages[0], _HINT) from outcome


def _attempt(name: str, seconds: float, outcomes: queue.SimpleQueue[Path | Exception]) -> None:
    """Hand the fetched path, or what went wrong, to the waiting caller."""
    try:
        outcomes.put(_download(name, seconds))
    except Exception as error:  # noqa: BLE001 - it is handed to the thread that waits for it
        outcomes.put(error)


def _download(name: str, seconds: float) -> Path:
    # Late: takes 0.2 s to import and is optional.
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils import logging as hub_logging

    # Both would write to the terminal that the front end draws on.
    disable_progress_bars()
    hub_logging.set_verbosity_error()
    filename = f"voices/{name}.bin"
    # Asked first because it does not retry: without a network hf_hub_download takes 23 s to give up.
    get_hf_file_metadata(hf_hub_url(_RAW_REPOSITORY, filename), timeout=seconds / 2)
    return Path(hf_hub_download(_RAW_REPOSITORY, filename, etag_timeout=seconds / 2))


def _reason(error: Exception, seconds: float) -> str:
    """Say in words why nothing was fetched."""
    if isinstance(error, ImportError):
        return "huggingface_hub is not installed"
    if isinstance(error, queue.Empty):
        return f"the model hub gave no answer in {seconds:.0f} s"
    return f"the model hub was not reached ({type(error).__name__})"
