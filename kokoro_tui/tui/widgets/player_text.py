"""What the player says in words and figures."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

from kokoro_tui.tui.formats import MINUS, count, distance, mib, short_path

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis, Token
    from kokoro_tui.audio.player import PlayerState
    from kokoro_tui.tui.audition import AuditionResult

TRACKS = ("A", "B", f"B{MINUS}A")
"""What can be heard: original, candidate and their difference."""
_FRAME_MS = 25
"""One duration frame, in milliseconds."""


def figures(result: AuditionResult, index: int) -> str:
    """Size of a build, and what was measured on one of its sentences."""
    parts = [f"{mib(result.original_bytes)} \u2192 {mib(result.final_bytes)} MiB"]
    if result.clips:
        found = result.clips[index].figures
        parts += [f"mel {distance(found.mel_distance)}", f"noise {found.added_noise_db:+.1f} dB"]
        if found.frames_moved is not None:
            parts.append(f"{count(found.frames_moved, 'frame')} moved")
    return "  ".join(parts)


def sentence(result: AuditionResult, index: int) -> str:
    """What is said, and by whom."""
    clip = result.clips[index]
    place = f"{index + 1}/{len(result.clips)}  " if len(result.clips) > 1 else ""
    return f"{place}{clip.speech.text}  ({clip.voice})"


def hearing(analysis: Analysis, played: PlayerState | None, gain_db: float) -> str:
    """Where the difference is largest, and how all of it is played."""
    parts = []
    if analysis.worst is not None:
        start, end = analysis.worst
        parts.append(f"worst {start:.2f}\u2013{end:.2f} s, up to {analysis.curve.max():.1f} dB")
    if played is not None:
        if played.loop is not None:
            parts.append("loop {:.2f}\u2013{:.2f} s".format(*played.loop))
        parts.append(f"volume {20 * log10(played.volume):+.0f} dB")
    return "   ".join([*parts, f"{TRACKS[2]} {gain_db:+.0f} dB"])


def files(result: AuditionResult, index: int) -> list[str]:
    """Where both renderings lie: the folder once, since it alone takes two lines of a small screen."""
    if not result.clips:
        return []
    clip = result.clips[index]
    return [f"{short_path(clip.original_wav.parent)}/", f"{clip.original_wav.name}  {clip.candidate_wav.name}"]


def folder(result: AuditionResult, index: int) -> str:
    """The folder that both renderings lie in."""
    return f"WAVs in {short_path(result.clips[index].original_wav.parent)}"


def times(result: AuditionResult, index: int) -> list[str]:
    """How long both renderings took, against how long they last."""
    return [
        f"real-time factor A {clip.figures.reference_factor:.2f}  B {clip.figures.candidate_factor:.2f}"
        f"  voice {clip.voice}"
        for clip in result.clips[index : index + 1]
    ]


def phoneme(token: Token) -> str:
    """A phoneme with its duration, or both if it has moved."""
    before, after = token.frames_a * _FRAME_MS, token.frames_b * _FRAME_MS
    return f"{token.symbol} {before} \u2192 {after} ms" if token.moved else f"{token.symbol} {before} ms"
