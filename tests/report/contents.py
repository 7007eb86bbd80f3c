"""Reports about made-up models, with real sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kokoro_tui.audio.waveform import SAMPLE_RATE
from kokoro_tui.engine.measure import Measurement, combine
from kokoro_tui.report.contents import Report, ReportedModel, ReportedSentence
from tests.audio.signals import noise, speech_like

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}\u202e\x1b[31m"
"""Markup, an attribute's end, a template's and a terminal's language, and a mark that turns the writing around."""
ORIGINAL_BYTES = 4 * 1024 * 1024


def measurement(seconds: float = 1.0, *, loudness: float = 1.0, moved: int = 0, pinned: bool = True) -> Measurement:
    """An original against the same with some noise."""
    original = speech_like(seconds)
    candidate = (loudness * (original + noise(seconds, 0.003))).astype(np.float32)
    own = np.pad(candidate, (0, 600 * moved))
    return Measurement(
        mel_distance=0.25,
        added_noise_db=1.5,
        frames_moved=moved if pinned else None,
        pinned=pinned,
        reference_factor=0.8,
        candidate_factor=0.5,
        reference=original,
        candidate=own,
        pinned_candidate=candidate if pinned else None,
    )


def model(name: str = "w8", *measurements: Measurement, file_bytes: int = ORIGINAL_BYTES // 4) -> ReportedModel:
    """A candidate with a recipe."""
    found = measurements or (measurement(),)
    return ReportedModel(
        name=name,
        origin=f"preset {name}",
        file_bytes=file_bytes,
        sha256="b" * 64,
        measurements=found,
        overall=combine(found),
        nodes={"FP32": 1200, "FP16": 0, "W8": 249},
        recipe="version = 1\n",
        recipe_name=f"{name}.toml",
        command=f"kokoro-tui export-optimized toy.onnx --recipe {name}.toml",
    )


def report(*models: ReportedModel) -> Report:
    """A report about models that have measurements of the same sentences."""
    given = models or (model(),)
    sentences = [
        ReportedSentence(f"Sentence {index + 1}.", "sˈɛntəns", "af_heart", "en-us")
        for index in range(len(given[0].measurements))
    ]
    return Report(
        original_name="toy.onnx",
        original_bytes=ORIGINAL_BYTES,
        original_sha256="a" * 64,
        models=given,
        sentences=tuple(sentences),
        command="kokoro-tui report toy.onnx --preset w8",
        created="2026-01-02 03:04 UTC",
        versions={"kokoro-tui": "1.2.3", "onnxruntime": "9.8.7"},
        notes=("a note",),
    )


def hostile_report() -> Report:
    """A report in which every text comes from a stranger."""
    named = replace(
        model(HOSTILE), origin=HOSTILE, recipe=HOSTILE, recipe_name=HOSTILE, command=HOSTILE, nodes={HOSTILE: 3}
    )
    sentence = ReportedSentence(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    return replace(
        report(named), original_name=HOSTILE, sentences=(sentence,), command=HOSTILE, created=HOSTILE, notes=(HOSTILE,),
        versions={"kokoro-tui": HOSTILE, HOSTILE: HOSTILE},
    )  # fmt: skip


def samples(seconds: float) -> int:
    """Samples at 24 kHz."""
    return round(seconds * SAMPLE_RATE)
