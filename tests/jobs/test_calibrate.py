"""Static plans get their ranges before they are built, wherever the build was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import calibrated_values
from kokoro_tui.core.sizing import MIB
from kokoro_tui.engine.session import SpeechModel
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.jobs.calibrate import calibrate_for_trials, calibrate_plan, shipped_clips
from kokoro_tui.jobs.child import run_in_child
from kokoro_tui.jobs.tasks import audition_text, build
from kokoro_tui.speech.sentences import Speech
from kokoro_tui.speech.utterance import prepare
from kokoro_tui.store.presets import read_preset
from kokoro_tui.store.text_set import calibration_set
from kokoro_tui.workbench import Workbench
from tests.graph.plans import everything_at
from tests.graph.single_ops import normal, single_op
from tests.models import write
from tests.python_versions import needs_kokoro
from tests.trials.conftest import clip

CLIPS = (clip(5, 17, 42, 80),)


def quiet(stage: str, share: float) -> None:
    """Tell nobody."""


@pytest.fixture
def signature(toy_model: Path) -> Signature:
    found = recognise(read_inventory(toy_model))
    assert found is not None
    return found


def pending(toy_model: Path) -> PrecisionPlan:
    return everything_at(read_inventory(toy_model), Precision.INT8, Calibration(samples=1))


def test_only_a_static_plan_that_lacks_ranges_is_calibrated(toy_model: Path) -> None:
    plan = pending(toy_model)
    done = calibrate_plan(toy_model, plan, CLIPS, progress=quiet)
    assert done.choices == plan.choices
    assert done.calibration is not None
    assert tuple(done.calibration.ranges) == calibrated_values(read_inventory(toy_model), plan)
    assert calibrate_plan(toy_model, done, progress=quiet) is done
    dynamic = replace(plan, calibration=None)
    assert calibrate_plan(toy_model, dynamic, progress=quiet) is dynamic
    gone = replace(done.calibration, ranges=dict(list(done.calibration.ranges.items())[1:]))
    assert calibrate_plan(toy_model, replace(done, calibration=gone), CLIPS, progress=quiet) == done


def test_a_model_that_cannot_speak_cannot_be_calibrated(tmp_path: Path) -> None:
    source = write(single_op("MatMul", {"w": normal(4, 8)}), tmp_path / "single.onnx")
    plan = PrecisionPlan({"node": Precision.INT8}, calibration=Calibration())
    with pytest.raises(InputError, match=r"single\.onnx does not have Kokoro's inputs, so it cannot be calibrated"):
        calibrate_plan(source, plan, progress=quiet)


def test_the_shipped_sentences_are_short_and_of_several_voices(signature: Signature) -> None:
    pairs = calibration_set()
    assert len(pairs) == len({text for _, text in pairs}) >= 10
    assert len({voice for voice, _ in pairs}) >= 10
    assert len(shipped_clips(signature, 2)) == 2
    assert [said.text for said in shipped_clips(signature)] == [text for _, text in pairs]


@needs_kokoro
def test_a_build_calibrates_on_the_shipped_sentences(toy_model: Path, signature: Signature, tmp_path: Path) -> None:
    plan = pending(toy_model)
    report = run_in_child(build, toy_model, plan, tmp_path / "built.onnx", signature)
    assert report.added_ops["QGemm"] == 1
    ready = calibrate_plan(toy_model, plan, shipped_clips(signature, 1), progress=quiet)
    build(toy_model, ready, tmp_path / "again.onnx", signature, progress=quiet)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "built.onnx").read_bytes()
    third, said = tmp_path / "third.onnx", [Speech("Hello there.")]
    found = audition_text(toy_model, plan, third, signature, said, tmp_path, progress=quiet)
    assert third.read_bytes() == (tmp_path / "built.onnx").read_bytes()
    assert found.sentences[0].figures.mel_distance > 0


def test_trials_are_given_the_ranges_of_their_nodes_alone(toy_model: Path, signature: Signature) -> None:
    keys = ["/encoder/style/Gemm"]
    found = calibrate_for_trials(toy_model, signature, keys, CLIPS, Calibration(), progress=quiet)
    assert tuple(found.ranges) == ("style", "/encoder/style/Gemm_output_0")


@needs_kokoro
@pytest.mark.real
@pytest.mark.parametrize(("name", "mib", "casts"), [("uint8", 153.4, 0), ("uint8f16", 104.0, 370)])
def test_the_static_presets_of_the_real_model(
    name: str, mib: float, casts: int, real_model: Path, tmp_path: Path
) -> None:
    """Sizes and operators of source 1; ALBERT's readers of one weight are all under the threshold here."""
    bench = Workbench.open(real_model)
    signature = bench.signature
    assert signature is not None
    plan = bench.resolve(read_preset(name))
    report = build(real_model, plan, tmp_path / "built.onnx", signature, progress=quiet)
    assert report.final_bytes == bench.estimate(plan).estimated_bytes
    assert report.final_bytes / MIB == pytest.approx(mib, rel=0.03)
    assert report.removed_ops == {"MatMul": 75, "Add": 74, "Conv": 49, "Gemm": 37, "Mul": 12}
    added = dict(report.added_ops)
    assert added.pop("Cast", 0) <= casts
    assert added.pop("QuantizeLinear") == pytest.approx(111, abs=2)
    assert added.pop("DequantizeLinear") == pytest.approx(172, abs=2)
    assert added == {"QLinearMatMul": 75, "QLinearAdd": 74, "QLinearConv": 49, "QGemm": 37, "QLinearMul": 12}
    spoken = SpeechModel(tmp_path / "built.onnx", signature).run(prepare("Hello there.", allow_network=False)[0])
    assert 0.02 < float(np.abs(spoken.waveform).max()) < 1.5
