"""``kokoro-tui estimate-size``: how large the model of a plan will be, without building it."""

from __future__ import annotations

from kokoro_tui.cli.options import DebugFlag, JsonFlag, ModelArgument, ModelOption, QuietFlag, chosen_model
from kokoro_tui.cli.output import Output, mib, number
from kokoro_tui.cli.planning import (
    ActivationTypeOption,
    Fp16ThresholdOption,
    LockOption,
    OpTypesOption,
    PlanRequest,
    PresetOption,
    QuantExcludeOption,
    QuantThresholdOption,
    QuantTypeOption,
    RecipeOption,
    ResolvedPlan,
    SamplesOption,
    StaticOption,
    TrialsOption,
    WeightOnlyFlag,
    resolve_request,
    split_words,
)
from kokoro_tui.core.recipe_options import RecipeOptions, count_precisions

HELP = "Estimate the size of an optimized model without building it."
EXAMPLES = "kokoro-tui estimate-size kokoro.onnx --preset w8\n\nkokoro-tui estimate-size --quant-threshold 0.1"


def run(
    model: ModelArgument = None,
    onnx_path: ModelOption = None,
    trial_results: TrialsOption = None,
    quant_threshold: QuantThresholdOption = None,
    fp16_threshold: Fp16ThresholdOption = None,
    preset: PresetOption = None,
    recipe: RecipeOption = None,
    quant_exclude: QuantExcludeOption = None,
    quant_type: QuantTypeOption = None,
    quant_activation_type: ActivationTypeOption = None,
    quant_op_types: OpTypesOption = None,
    quant_static: StaticOption = False,
    samples: SamplesOption = None,
    weight_only: WeightOnlyFlag = False,
    lock: LockOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Settle the plan and write what it would cost."""
    out = Output(as_json=as_json, quiet=quiet)
    options = RecipeOptions(
        quant_threshold=quant_threshold,
        fp16_threshold=fp16_threshold,
        quant_exclude=quant_exclude,
        quant_type=quant_type,
        activation_type=quant_activation_type,
        op_types=split_words(quant_op_types),
        samples=samples,
        weight_only=weight_only,
        static=quant_static,
        locks=tuple(lock or ()),
    )
    request = PlanRequest(chosen_model(model, onnx_path), trial_results, preset, recipe, options)
    _write(out, resolve_request(out, request))


def _write(out: Output, resolved: ResolvedPlan) -> None:
    from kokoro_tui.core.precision import Precision
    from kokoro_tui.core.sizing import largest_tensors

    bench, plan = resolved.bench, resolved.plan
    estimate = bench.estimate(plan)
    nodes = count_precisions(bench.inventory, plan)
    largest = largest_tensors(bench.inventory, plan)
    predicted = bench.predict(plan)
    distance = predicted.mel_distance if predicted else None
    out.result(
        {
            "original_bytes": estimate.original_bytes,
            "estimated_bytes": estimate.estimated_bytes,
            "reduction": estimate.saved,
            "nodes": {precision.value: count for precision, count in nodes.items()},
            "stored_bytes": {precision.value: count for precision, count in estimate.stored.items()},
            "predicted_mel_distance": distance,
            "largest_tensors": [{"name": n, "dtype": dtype, "bytes": nbytes} for n, dtype, nbytes in largest],
        }
    )
    out.line(f"Original size:   {mib(estimate.original_bytes):>12}")
    out.line(f"Estimated size:  {mib(estimate.estimated_bytes):>12}")
    out.line(f"Size reduction:  {100 * estimate.saved:>10.1f} %")
    if distance is not None:
        out.line(f"Predicted mel distance: {distance:.3f} (measured once it is built)")
    rows = [[p.label, number(nodes[p]), mib(estimate.stored[p])] for p in Precision]
    out.table(["Precision", "Nodes", "Tensors"], rows)
    cells = [[name, dtype, mib(nbytes)] for name, dtype, nbytes in largest]
    out.table(["Largest remaining tensors", "Type", "Size"], cells)
