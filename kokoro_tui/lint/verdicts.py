"""Whether one operation runs on one target, falls back to the CPU, or keeps the model from loading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from kokoro_tui.lint.operations import Operand, Operation
from kokoro_tui.lint.tables import Kernel, Schema, find_schema
from kokoro_tui.lint.targets import Target


class Status(StrEnum):
    """What becomes of an operation, the best first."""

    RUNS = "runs"
    FALLBACK = "fallback"
    FAILS = "fails"

    @property
    def label(self) -> str:
        """The words shown on screen."""
        return {"runs": "runs", "fallback": "falls back to CPU", "fails": "does not load"}[self.value]

    @property
    def severity(self) -> int:
        """0 for the best."""
        return list(Status).index(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one operation."""

    status: Status
    reason: str = ""
    """Why it does not simply run; empty if it does."""


NATIVE = Verdict(Status.RUNS)
_COMMON_TYPES = frozenset({None, "FLOAT", "FLOAT16", "INT32", "INT64", "BOOL"})


class Judge:
    """Judges the operations of models with the same operator sets; each distinct operation once.

    Args:
        target: Where they are to run.
        opsets: Version by domain, the default domain as an empty string.
    """

    def __init__(self, target: Target, opsets: Mapping[str, int]) -> None:
        self.target = target
        self._opsets = opsets
        self._known: dict[Operation, Verdict] = {}
        self._cpu = Judge(target.fallback, opsets) if target.fallback else None

    def __call__(self, operation: Operation) -> Verdict:
        """What becomes of an operation."""
        found = self._known.get(operation)
        if found is None:
            found = self._known[operation] = self._judge(operation)
        return found

    def on(self, target: Target) -> Judge:
        """The judge of the same models on another target."""
        return Judge(target, self._opsets)

    def _judge(self, operation: Operation) -> Verdict:
        if operation.op == "Constant":
            return NATIVE  # onnxruntime turns it into an initializer before it looks for kernels
        schema = find_schema(operation.op, self._opsets)
        if schema is None:
            where = f" of the domain {operation.domain}" if operation.domain else ""
            return Verdict(Status.FAILS, f"the operator{where} is unknown to onnxruntime")
        reason = self._obstacle(operation, schema)
        if not reason:
            return NATIVE
        if self._cpu is None:
            return self._without_fallback(operation, schema, reason)
        elsewhere = self._cpu(operation)
        return Verdict(Status.FALLBACK, reason) if elsewhere.status is Status.RUNS else elsewhere

    def _without_fallback(self, operation: Operation, schema: Schema, reason: str) -> Verdict:
        """What the CPU does with an operation that it has no kernel for."""
        widened = in_float(operation)
        if widened != operation and not self._obstacle(widened, schema):
            return Verdict(Status.RUNS, "computes in FP32 between casts: no FP16 kernel")
        if schema.is_function and _common(operation):
            return Verdict(Status.RUNS, "is expanded into simpler operators: no kernel of its own")
        return Verdict(Status.FAILS, reason)

    def _obstacle(self, operation: Operation, schema: Schema) -> str:
        """Why no kernel fits; empty if one does."""
        table, release = self.target.table, self.target.release
        kernels = table.implementations(operation.op, schema.since, release)
        if not kernels:
            return self._no_kernel(operation)
        obstacles = [_mismatch(kernel, operation, schema) for kernel in kernels]
        return "" if "" in obstacles else obstacles[0]

    def _no_kernel(self, operation: Operation) -> str:
        opset = self._opsets.get(operation.domain, 1)
        known = self.target.table.kernels.get(operation.op)
        return f"no kernel for opset {opset}" if known and not operation.domain else "no kernel"


def _mismatch(kernel: Kernel, operation: Operation, schema: Schema) -> str:
    """What about an operation a kernel cannot take; empty if it takes it."""
    wrong = [dtype for variable, dtype in _typed(operation, schema) if _refuses(kernel, variable, dtype)]
    if wrong:
        return f"no kernel for {' and '.join(dict.fromkeys(wrong))}"
    for position, operand in enumerate(operation.inputs):
        if operand is None:
            continue
        if position in kernel.constant and not operand.constant:
            return f"its input {position} must be an initializer there"
        if position in kernel.scalar and operand.rank:
            return "one scale a tensor only, not one a channel"
        ranks = kernel.ranks.get(position)
        if ranks and operand.rank is not None and operand.rank not in ranks:
            return f"no kernel for {operand.rank} dimensions"
    return ""


def _typed(operation: Operation, schema: Schema) -> Iterator[tuple[str, str]]:
    """The known element types of an operation with the type variables that they are bound to."""
    for position, operand in enumerate(operation.inputs):
        if operand is not None and operand.dtype is not None:
            yield schema.input_variable(position), operand.dtype
    for position, dtype in enumerate(operation.outputs):
        if dtype is not None:
            yield schema.output_variable(position), dtype


def _refuses(kernel: Kernel, variable: str, dtype: str) -> bool:
    return variable in kernel.types and dtype not in kernel.types[variable]


def _common(operation: Operation) -> bool:
    """Whether all known types are such that the simpler operators of a function have kernels for them."""
    types = {operand.dtype for operand in operation.inputs if operand is not None}
    return types | set(operation.outputs) <= _COMMON_TYPES


def in_float(operation: Operation) -> Operation:
    """The operation with FLOAT in the place of FLOAT16."""
    return replace(
        operation,
        inputs=tuple(_widened(operand) for operand in operation.inputs),
        outputs=tuple("FLOAT" if dtype == "FLOAT16" else dtype for dtype in operation.outputs),
    )


def _widened(operand: Operand | None) -> Operand | None:
    return replace(operand, dtype="FLOAT") if operand is not None and operand.dtype == "FLOAT16" else operand
