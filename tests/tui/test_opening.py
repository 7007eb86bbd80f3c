from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.errors import Cancelled, ExitCode, InputError, WorkError
from kokoro_tui.jobs import tasks
from kokoro_tui.jobs.child import Progress
from kokoro_tui.store.atomic import atomic_path
from kokoro_tui.store.paths import bundled_model_path
from kokoro_tui.store.recipe_file import write_recipe
from kokoro_tui.store.trial_table import append_rows
from kokoro_tui.tui.app import KokoroTuiApp, run
from kokoro_tui.workbench import Workbench
from tests.models import ToyGraph, write
from tests.tui.conftest import Open, named_model

POST = "/decoder/generator/conv_post/Conv"


def small_model(path: Path, *nodes: tuple[str, str]) -> Path:
    """A model of the given (op, name) nodes on one input."""
    graph = ToyGraph()
    value = "x"
    for op, name in nodes:
        value = graph.add(op, name, value)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", value)]
    return write(graph.model(ends[:1], ends[1:]), path)


async def failure_of(app: KokoroTuiApp) -> None:
    async with app.run_test() as pilot:
        for _ in range(200):
            if app.failure is not None:
                return
            await pilot.pause(0.02)


@pytest.mark.parametrize("content", [b"", b"hello world\n", b"\x08\x08\x12\x04abc"])
async def test_what_is_no_model_ends_the_app_with_the_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "k.onnx"
    path.write_bytes(content)
    app = KokoroTuiApp(path)
    await failure_of(app)
    assert isinstance(app.failure, InputError)
    assert app.return_code == ExitCode.USAGE


async def test_a_truncated_model_ends_the_app_with_the_error(toy_model: Path) -> None:
    toy_model.write_bytes(toy_model.read_bytes()[:-1000])
    app = KokoroTuiApp(toy_model)
    await failure_of(app)
    assert isinstance(app.failure, InputError)
    assert "damaged" in app.failure.message


@pytest.mark.parametrize("location", ["missing.bin", "../outside.bin"])
async def test_external_data_that_cannot_be_opened_ends_the_app(tmp_path: Path, location: str) -> None:
    (tmp_path / "outside.bin").write_bytes(bytes(4096))
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[32, 32], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 32]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], "g", values[:1], values[1:])
    graph.initializer.append(tensor)
    folder = tmp_path / "inner"
    folder.mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    app = KokoroTuiApp(write(model, folder / "k.onnx"))
    await failure_of(app)
    assert isinstance(app.failure, InputError)
    assert location in app.failure.message


def test_a_missing_file_is_an_error_before_the_screen_is_touched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        run(tmp_path / "nothing.onnx")


async def test_a_model_without_candidates_says_so(open_app: Open, tmp_path: Path) -> None:
    path = small_model(tmp_path / "plain.onnx", ("Relu", "a"), ("Tanh", "b"))
    async with open_app(path) as opened:
        assert opened.main.table.row_count == 0
        assert "No node of this model has weights that could be made smaller" in opened.screen_text
        assert "not a Kokoro model" in opened.status
        await opened.press("f", "x", "v", "space", "u")
        await opened.press("a")
        assert opened.main.table.row_count == 2
        assert "No node of this model" not in opened.screen_text


async def test_a_quantized_model_says_so(open_app: Open, toy_model: Path, tmp_path: Path) -> None:
    bench = Workbench.open(toy_model)
    plan = PrecisionPlan(dict.fromkeys((n.key for n in bench.inventory.candidates), Precision.INT8))
    possible = {k: p for k, p in plan.choices.items() if p not in bench.refusals(bench.inventory.by_key[k])}
    quantized = tmp_path / "quantized.onnx"
    tasks.build(toy_model, PrecisionPlan(possible), quantized, progress=lambda stage, share: None)
    async with open_app(quantized) as opened:
        assert "quantized already" in opened.status + opened.screen_text


async def test_names_are_never_markup_and_never_escape_sequences(open_app: Open, tmp_path: Path) -> None:
    names = ("[/conv] [bold]x[/]", "evil\x1b[2J\x07name", "日本語/Conv")
    path = named_model(tmp_path / "[b]odd.onnx", *names)
    async with open_app(path) as opened:
        text = opened.screen_text
        assert "[/conv] [bold]x[/]" in text
        assert r"evil\x1b[2J\x07name" in text
        assert "日本語/Conv" in text
        assert "\x1b" not in text
        for _ in range(3):
            await opened.press("x", "i", "down")
        await opened.press("r")
        await opened.type("x")
        await opened.press("escape", "ctrl+p")
        await opened.type("conv")
        await opened.press("escape")


async def test_a_table_beside_the_model_loads_by_itself(open_app: Open, toy_model: Path) -> None:
    row = TrialRow(POST, TrialKind.CAST, "Conv", 328, 1312, 0.125, 0.2, 0.1, 0.0)
    append_rows(toy_model.parent / "quantization-trials.csv", [row])
    async with open_app(toy_model) as opened:
        await opened.until(lambda: opened.main.bench.trials is not None)
        assert opened.main.table.get_cell(POST, "fp16").plain == "0.125"
        assert "quantization-trials.csv loaded" in opened.status
        opened.place_cursor(POST)
        await opened.press("f")
        assert "mel ≈ 0.125 predicted" in opened.app.query_one("#size-bar").text  # type: ignore[attr-defined]


async def test_the_ancestors_table_loads_with_a_note(open_app: Open, toy_model: Path) -> None:
    text = f"name,type,op_type,mel_distance\n{POST},cast,Conv,328,1312,0.25\n{POST},quant,Conv,328,1312,N/A\n"
    Path("quantization_trials.csv").write_text(text, encoding="utf-8")
    async with open_app(toy_model) as opened:
        Path("quantization_trials.csv").write_text(text, encoding="utf-8")
        opened.main.find_trials()
        await opened.until(lambda: opened.main.bench.trials is not None)
        assert opened.main.table.get_cell(POST, "fp16").plain == "0.250"
        assert opened.main.table.get_cell(POST, "int8").plain == "–"
        assert "kokoro-onnx-export" in opened.screen_text


async def test_another_models_table_is_left_alone_with_a_note(open_app: Open, toy_model: Path) -> None:
    table = toy_model.parent / "quantization-trials.csv"
    append_rows(table, [TrialRow(POST, TrialKind.CAST, mel_distance=0.1)])
    meta = {
        "model_sha256": "0" * 64, "phonemes": ["a"], "input_ids": [[0, 1, 0]], "voice": ["v"], "noise_seed": 1,
        "weight_type": "QInt8", "calibration": "", "algorithm_version": 1,
    }  # fmt: skip
    table.with_suffix(".meta.json").write_text(json.dumps(meta), encoding="utf-8")
    async with open_app(toy_model) as opened:
        await opened.until(lambda: opened.toasts)
        assert "another model" in opened.toasts[0]
        assert opened.main.bench.trials is None


async def test_a_table_that_is_named_and_does_not_fit_ends_the_app(toy_model: Path, tmp_path: Path) -> None:
    table = tmp_path / "other.csv"
    append_rows(table, [TrialRow("/no/such/node", TrialKind.CAST, mel_distance=0.1)])
    app = KokoroTuiApp(toy_model, trials_path=table)
    await failure_of(app)
    assert isinstance(app.failure, InputError)
    assert "names no node of toy.onnx" in app.failure.message


async def test_a_recipe_to_start_with(open_app: Open, toy_model: Path, tmp_path: Path) -> None:
    bench = Workbench.open(toy_model)
    recipe = tmp_path / "r.toml"
    write_recipe(recipe, bench.recipe(PrecisionPlan({POST: Precision.W8}, locked=frozenset({"/decoder/encode/Conv"}))))
    async with open_app(toy_model, recipe_path=recipe) as opened:
        await opened.until(lambda: opened.main.state.plan.choices)
        assert opened.main.state.plan.choices == {POST: Precision.W8}
        assert opened.main.state.plan.locked == {"/decoder/encode/Conv"}
        assert not opened.main.state.unsaved


async def test_a_recipe_of_another_model_ends_the_app(toy_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'version = 1\n[model]\nsha256 = "{"0" * 64}"\n', encoding="utf-8")
    app = KokoroTuiApp(toy_model, recipe_path=recipe)
    await failure_of(app)
    assert isinstance(app.failure, InputError)
    assert "r.toml, line 3: the recipe was made for the model 000000000000" in app.failure.message


def _toy_bundle(target: Path, *, progress: Progress) -> None:
    """Stands in for the export of the bundled model."""
    from tests.models import toy_kokoro

    progress("tracing the torch model", 0.5)
    with atomic_path(target) as partial:
        partial.write_bytes(toy_kokoro().SerializeToString())


def _endless_bundle(target: Path, *, progress: Progress) -> None:
    """Never ends by itself."""
    from threading import Event

    with atomic_path(target):
        progress("tracing the torch model", 0.5)
        Event().wait()


def _no_bundle(target: Path, *, progress: Progress) -> None:
    """What builds it is not installed."""
    raise InputError("the torch model needs torch, which is not installed", "pip install it")


async def test_without_what_builds_the_bundled_model_one_that_is_there_still_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "build_bundled", _no_bundle)
    app = KokoroTuiApp()
    await failure_of(app)
    assert isinstance(app.failure, InputError)
    assert app.failure.message == "the torch model needs torch, which is not installed"
    assert app.failure.hint == "pip install it; or open a model that you have: kokoro-tui kokoro.onnx"


async def test_the_bundled_model_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "build_bundled", _toy_bundle)
    for _ in range(2):
        app = KokoroTuiApp()
        async with app.run_test() as pilot:
            while app.main.work is None:
                assert app.failure is None, app.failure
                await pilot.pause(0.05)
            assert app.main.bench.inventory.path == bundled_model_path()
        monkeypatch.setattr(tasks, "build_bundled", None)


async def test_a_bundled_build_that_is_stopped_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "build_bundled", _endless_bundle)
    app = KokoroTuiApp()
    async with app.run_test() as pilot:
        loading = app.query_one("#loading")
        for _ in range(1000):
            if loading.share is not None:  # type: ignore[attr-defined]
                break
            await pilot.pause(0.02)
        assert loading.stage == "tracing the torch model"  # type: ignore[attr-defined]
        await pilot.press("escape")
        for _ in range(1000):
            if app.failure is not None:
                break
            await pilot.pause(0.02)
    assert isinstance(app.failure, Cancelled)
    assert app.return_code == ExitCode.INTERRUPTED
    assert list(bundled_model_path().parent.iterdir()) == []


async def test_a_fault_while_reading_is_an_error_and_no_traceback(
    toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> Workbench:
        raise RuntimeError("boom")

    monkeypatch.setattr(Workbench, "open", broken)
    app = KokoroTuiApp(toy_model)
    await failure_of(app)
    assert isinstance(app.failure, WorkError)
    assert "RuntimeError: boom" in app.failure.message


def test_nothing_heavy_is_imported_by_the_time_the_table_is_painted(toy_model: Path) -> None:
    script = f"""
import asyncio, sys
from kokoro_tui.tui.app import KokoroTuiApp
light = {{m.split(".")[0] for m in sys.modules}}
async def main():
    app = KokoroTuiApp({str(toy_model)!r})
    async with app.run_test() as pilot:
        while app.main.work is None or not app.main.table.row_count:
            await pilot.pause(0.01)
        await pilot.pause()
asyncio.run(main())
heavy = {{"torch", "kokoro", "onnxruntime", "pandas", "onnx_ir", "misaki", "sounddevice", "soundfile", "tomlkit"}}
print(sorted(heavy & {{m.split(".")[0] for m in sys.modules}}), "onnx" in light)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


def test_the_checker_accepts_the_small_models(tmp_path: Path) -> None:
    onnx.checker.check_model(onnx.load(small_model(tmp_path / "m.onnx", ("Relu", "a"))))
