"""``kokoro-tui listen``: a page on the loopback address that plays original, candidate and their difference."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokoro_tui.cli.comparing import (
    NO_CANDIDATE,
    ComparisonRequest,
    ResolvedComparison,
    resolve_comparison,
    split_models,
)
from kokoro_tui.cli.job import run_job
from kokoro_tui.cli.options import (
    DebugFlag,
    G2pOption,
    JsonFlag,
    LanguageOption,
    ModelOption,
    PhonemesOption,
    QuietFlag,
    SpeechOptions,
    TextOption,
    VoiceOption,
)
from kokoro_tui.cli.output import Output
from kokoro_tui.cli.planning import PresetOption, RecipeOption, TrialsOption
from kokoro_tui.cli.speech import prepare_clips, voice_fields
from kokoro_tui.errors import InputError

if TYPE_CHECKING:
    from kokoro_tui.engine.measure import Measurement
    from kokoro_tui.speech.utterance import Utterance
    from kokoro_tui.web.server import ListenServer

HELP = (
    "Serve original, candidate and their difference to a browser on this machine or, through SSH, on another. "
    "Ctrl+C ends it."
)
EXAMPLES = (
    "kokoro-tui listen kokoro.onnx --preset w8 --port 8765\n\n"
    'kokoro-tui listen kokoro.onnx kokoro_optimized.onnx --text "Hello, world!" --voice af_heart'
)


def run(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL] [OTHER.onnx]", show_default=False, help="The original, then a model to compare with it."
        ),
    ] = None,
    onnx_path: ModelOption = None,
    preset: PresetOption = None,
    recipe: RecipeOption = None,
    trial_results: TrialsOption = None,
    text: TextOption = None,
    phonemes: PhonemesOption = None,
    voice: VoiceOption = None,
    lang: LanguageOption = None,
    g2p: G2pOption = "espeak",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, show_default="a free one", help="The port to listen on.")
    ] = 0,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Render, then serve until the user has heard enough."""
    from kokoro_tui.web.server import ListenServer

    out = Output(as_json=as_json, quiet=quiet)
    original, others = split_models(models, onnx_path)
    named = (preset,) if preset else (), (recipe,) if recipe else ()
    resolved = resolve_comparison(out, ComparisonRequest(original, others, *named, trial_results))
    if len(resolved.candidates) > 1:
        raise InputError("more than one candidate was named", NO_CANDIDATE)
    clips = prepare_clips(out, resolved.signature, SpeechOptions(text, phonemes, voice, lang, g2p))
    server = ListenServer(port)
    server.start()  # before the work, so that a port that is taken is found at once
    try:
        measured = _render(out, resolved, clips)
        _offer(server, resolved, clips, measured)
        # Interrupting is how one says that one has heard enough, so from here on it is no failure.
        with suppress(KeyboardInterrupt):
            out.result(_json(server, resolved, measured) | voice_fields(clips))
            _write(out, server)
            sys.stdout.flush()
            threading.Event().wait()
    finally:
        server.stop()


def _render(out: Output, resolved: ResolvedComparison, clips: tuple[Utterance, ...]) -> Measurement:
    from kokoro_tui.jobs.comparison import compare_models  # onnx: 0.2 s
    from kokoro_tui.store.paths import cache_folder, make_folder

    workspace = make_folder(cache_folder() / "comparisons")
    candidates = [resolved.candidates[0].candidate]
    source = resolved.bench.inventory.path
    found = run_job(
        out, compare_models, source, resolved.signature, candidates, [clips], workspace, writes_into=workspace
    )
    return found.models[0].overall


def _offer(
    server: ListenServer, resolved: ResolvedComparison, clips: tuple[Utterance, ...], measured: Measurement
) -> None:
    """Put the three tracks on the page."""
    from kokoro_tui.audio.levels import amplify
    from kokoro_tui.audio.tracks import prepare_tracks
    from kokoro_tui.web.board import ListenTrack
    from kokoro_tui.web.sound import difference_gain_db

    candidate = measured.candidate if measured.pinned_candidate is None else measured.pinned_candidate
    tracks = prepare_tracks(measured.reference, candidate)
    gain_db = difference_gain_db([tracks.difference])
    server.board.show(
        " ".join(clip.text or clip.phonemes for clip in clips),
        [
            ListenTrack("Original", tracks.a),
            ListenTrack(resolved.candidates[0].candidate.name, tracks.b),
            ListenTrack(
                f"Difference{f' {gain_db:+d} dB' if gain_db else ''}",
                amplify(tracks.difference, 10.0 ** (gain_db / 20.0)),
            ),
        ],
    )


def _json(server: ListenServer, resolved: ResolvedComparison, measured: Measurement) -> dict[str, object]:
    return {
        "url": server.url,
        "port": server.port,
        "tunnel": server.tunnel,
        "candidate": resolved.candidates[0].candidate.name,
        "mel_distance": measured.mel_distance,
        "added_noise_db": measured.added_noise_db,
        "frames_moved": measured.frames_moved,
    }


def _write(out: Output, server: ListenServer) -> None:
    out.line(f"Page:      {server.url}")
    out.line(f"Over SSH:  {server.tunnel}")
    out.line("           run that on the machine you sit at, and open the page there; ctrl+c here ends it")
