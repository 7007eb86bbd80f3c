"""What to choose instead of something that does not run natively."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kokoro_tui.core.precision import Precision
from kokoro_tui.lint.operations import Operand, Operation
from kokoro_tui.lint.verdicts import NATIVE, Judge, Status, in_float

_INT8_OPS = frozenset(
    ["ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeLSTM", "QuantizeLinear", "QGemm"]
)
_W8_FORM = Operation(
    "DequantizeLinear", (Operand("INT8", constant=True, rank=2), Operand("FLOAT", constant=True, rank=1)), ("FLOAT",)
)
_FP16_FORM = Operation("MatMul", (Operand("FLOAT16"), Operand("FLOAT16", constant=True)), ("FLOAT16",))
_FORMS = {Precision.W8: _W8_FORM, Precision.FP16: _FP16_FORM}
"""The operation by which it is seen whether a target computes a precision at all."""
_ORDER = (Precision.W8, Precision.FP16, Precision.INT8)
"""What is offered first: the smaller file."""


def instead_of_plan(present: Iterable[Precision], possible: Iterable[frozenset[Precision]], *, native: bool) -> str:
    """What nodes could take in the place of what a plan gives them.

    Args:
        present: Their precisions in the plan.
        possible: For each of them, the precisions that bring nothing which does not run natively.
        native: Whether all of them run natively as they are in the model.
    """
    given = frozenset(present)
    now = [precision for precision in _ORDER if precision in given]
    nodes = list(possible)
    if not nodes:
        return ""
    fits = Counter(precision for choices in nodes for precision in choices)
    for_all = [p for p in _ORDER if p not in now and fits[p] == len(nodes)]
    instead = f"instead of {_words(now)}" if now else ""
    if for_all:
        return f"{_words(for_all)} {instead}".strip()
    for_most = [p for p in _ORDER if p not in now and fits[p]]
    if for_most:
        best = max(for_most, key=lambda precision: fits[precision])
        return f"{best.label} {instead} for {fits[best]} of {len(nodes)} nodes".replace("  ", " ")
    return f"{Precision.FP32.label} {instead}".strip() if native else ""


def instead_of_source(judge: Judge, operation: Operation) -> str:
    """What to build in the place of what a model holds, or which release of the runtime to take."""
    if judge(operation).status is Status.FAILS:
        releases = (t for t in judge.target.other_releases() if judge.on(t)(operation).status is not Status.FAILS)
        later = next(releases, None)
        return f"onnxruntime {later.release} or newer" if later is not None else ""
    form = _form_of(operation)
    if form is None or (form is Precision.FP16 and judge(in_float(operation)) != NATIVE):
        return ""
    others = [p for p in _ORDER if p in _FORMS and p is not form and judge(_FORMS[p]) == NATIVE]
    return f"build it with {_words(others or [Precision.FP32])} instead of {form.label}"


def _form_of(operation: Operation) -> Precision | None:
    """The precision that an operation stands for; None if it is part of any model."""
    if operation.name in _INT8_OPS or operation.name.startswith("QLinear"):
        return Precision.INT8
    if operation.name == "DequantizeLinear":
        return Precision.W8
    types = {operand.dtype for operand in operation.inputs if operand is not None}
    return Precision.FP16 if "FLOAT16" in types else None


def _words(precisions: Iterable[Precision]) -> str:
    return " or ".join(precision.label for precision in precisions)
