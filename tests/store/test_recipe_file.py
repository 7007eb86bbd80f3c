"""Recipes in TOML: deterministic when written, strict when read, faults with their line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoro_tui.core.plan import WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import Recipe, Rule, Thresholds, resolve
from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import WriteError
from kokoro_tui.store.recipe_file import check_model, format_recipe, parse_recipe, read_recipe, write_recipe
from tests.core.small_inventory import inventory_of

FULL = Recipe(
    rules=(
        Rule(Precision.W8, match=r"resblocks\.[0-3]/", reason='she said "good"'),
        Rule(Precision.FP32, node="/decoder/generator/conv_post/Conv", locked=True),
        Rule(match="^/F0", locked=False),
    ),
    thresholds=Thresholds(cast=0.25, quant=2.0, weight=-1.0),
    model_sha256="0123456789abcdef" * 4,
    model_name="kokoro.onnx",
    weight_type=WeightType.QUINT8,
    static=True,
    samples=2,
    quant_exclude="conv_post",
    op_types=("Gemm", "MatMul"),
    result={"mel_distance": 0.41, "bytes": 86374912},
    ranges={"/encoder/Add_output_0": (-1.5, 0.10000000149011612), "style": (0.0, 2.0)},
)
FULL_TEXT = r"""version = 1

[model]
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
name = "kokoro.onnx"

[quantization]
type = "QUInt8"
activation_type = "QUInt8"
static = true
samples = 2
exclude = "conv_post"
op_types = ["Gemm", "MatMul"]

[thresholds]
cast = 0.25
quant = 2.0
weight = -1.0

[[rules]]
match = "resblocks\\.[0-3]/"
precision = "w8"
reason = "she said \"good\""

[[rules]]
node = "/decoder/generator/conv_post/Conv"
precision = "fp32"
locked = true

[[rules]]
match = "^/F0"
locked = false

[result]
bytes = 86374912
mel_distance = 0.41

[calibration]
"/encoder/Add_output_0" = [-1.5, 0.10000000149011612]
style = [0.0, 2.0]
"""

texts = st.text(st.characters(codec="utf-8"))
finite = st.floats(allow_nan=False, allow_infinity=False)
rules = st.one_of(
    st.builds(Rule, precision=st.sampled_from(Precision), node=texts, locked=st.none() | st.booleans(), reason=texts),
    st.builds(Rule, match=st.sampled_from(["", "a|b", r"\d+\.", "(?i)x'\""]), locked=st.booleans(), reason=texts),
)
recipes = st.builds(
    Recipe,
    rules=st.lists(rules, max_size=4).map(tuple),
    thresholds=st.builds(Thresholds, finite, finite, finite),
    model_sha256=st.sampled_from(["", "f" * 64]),
    model_name=texts,
    weight_type=st.sampled_from(WeightType),
    static=st.booleans(),
    samples=st.integers(0, 2**62),
    quant_exclude=st.sampled_from(["", r"(^/decoder/generator/conv_post/Conv)"]),
    op_types=st.sampled_from([(), ("Gemm",), ("LSTM", "Conv")]),
    result=st.dictionaries(texts.filter(bool), finite | st.integers(0, 2**62), max_size=3),
    ranges=st.dictionaries(texts, st.tuples(finite, finite).map(lambda pair: (min(pair), max(pair))), max_size=3),
)


def test_a_recipe_is_written_as_documented_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    write_recipe(path, FULL)
    assert path.read_bytes() == FULL_TEXT.encode()
    assert read_recipe(path) == FULL


@given(recipes)
def test_any_recipe_comes_back_and_equal_ones_give_equal_text(recipe: Recipe) -> None:
    text = format_recipe(recipe)
    again = parse_recipe(text, "r.toml")
    assert again == recipe
    assert format_recipe(again) == text


@given(st.lists(rules, max_size=6))
def test_the_line_of_every_rule_is_found_whatever_its_text(written: list[Rule]) -> None:
    text = format_recipe(Recipe(tuple(written)))
    lines = text.split("\n")
    for rule in parse_recipe(text, "r.toml").rules:
        line = lines[int(rule.where.removeprefix("r.toml, line ")) - 1]
        assert line.startswith("match = " if rule.node is None else "node = ")
    places = [rule.where for rule in parse_recipe(text, "r.toml").rules]
    assert len(set(places)) == len(written)


def test_only_the_version_is_needed() -> None:
    assert parse_recipe("version = 1\n", "r.toml") == Recipe()


@pytest.mark.parametrize(
    ("line", "text", "message", "hint"),
    [
        (3, "version = 1\n[thresholds]\ncats = 1\n", "unknown key 'cats'", "did you mean 'cast'?"),
        (2, "version = 1\nrule = 1\n", "unknown key 'rule'", "did you mean 'rules'?"),
        (1, "version = 2\n", "version 2 is unknown", "reads version 1"),
        (2, "# old\nversion = true\n", "version True is unknown", "reads version 1"),
        (3, "version = 1\n[model]\nsha256 = 'abc'\n", "sha256 is not 64 hexadecimal digits", "copy it whole"),
        (3, "version = 1\n[quantization]\ntype = 'Qint8'\n", "type 'Qint8' is not one of QInt8, QUInt8", "'QInt8'?"),
        (3, "version = 1\n[quantization]\nstatic = 1\n", "static is neither true nor false", "static = true"),
        (3, "version = 1\n[quantization]\nsamples = -1\n", "samples is not a whole number", "samples = 2"),
        (3, "version = 1\n[quantization]\nexclude = '['\n", r"invalid regular expression '\['", "escape"),
        (3, "version = 1\n[quantization]\nop_types = 'Conv'\n", "op_types is not a list of strings", "write op_types"),
        (3, "version = 1\n[quantization]\nop_types = ['Covn']\n", "'Covn' is not an operator", "did you mean 'Conv'?"),
        (3, "version = 1\n[thresholds]\nquant = '2'\n", "quant is not a finite number", "quant = 0.25"),
        (3, "version = 1\n[thresholds]\nquant = nan\n", "quant is not a finite number", "quant = 0.25"),
        (3, "version = 1\n[result]\nbytes = 'many'\n", "bytes is not a finite number", "bytes = 0.25"),
        (2, "version = 1\nmodel = 5\n", "model is not a table", r"\[model\]"),
        (2, "version = 1\nrules = 5\n", "rules is not a list of tables", r"\[\[rules\]\]"),
        (2, "version = 1\nrules = [{ match = '(' }]\n", "sets neither precision nor locked", "precision"),
    ],
)
def test_a_fault_is_named_with_its_line(line: int, text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"^r.toml, line {line}: .*{message}") as caught:
        parse_recipe(text, "r.toml")
    assert hint.replace("\\", "") in caught.value.hint


RULES_BEFORE = '''version = 1
[[rules]]
match = "a"   # [[rules]]
precision = "fp16"
reason = """
[[rules]]
node = "not this one"
"""

[[rules]]  # the one that is wrong
'''


@pytest.mark.parametrize(
    ("line", "rule", "message"),
    [
        (10, "precision = 'fp16'\n", "the rule has neither match nor node"),
        (10, "match = 'a'\nnode = '/a'\nprecision = 'fp16'\n", "the rule has both match and node"),
        (10, "node = '/a'\n", "the rule sets neither precision nor locked"),
        (12, "node = '/a'\nprecision = 'int4'\n", "precision 'int4' is not one of fp32, fp16, int8, w8"),
        (12, "\nmatch = '(a'\nlocked = true\n", r"invalid regular expression '\(a': missing \) at position 2"),
        (12, "node = '/a'\nlocked = 'yes'\n", "locked is neither true nor false"),
        (13, "node = '/a'\nlocked = true\nlock = true\n", "unknown key 'lock'"),
    ],
)
def test_a_faulty_rule_is_named_with_its_line(line: int, rule: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^r.toml, line {line}: {message}"):
        parse_recipe(RULES_BEFORE + rule, "r.toml")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("node = '/no/such'\nprecision = 'fp16'\n", "^r.toml, line 11: the model has no node '/no/such'"),
        ("precision = 'int8'\nnode = '/enc/Add'\n", "^r.toml, line 12: /enc/Add cannot be INT8: Add has no dynamic"),
    ],
)
def test_a_rule_that_does_not_fit_the_model_is_named_with_its_line(rule: str, message: str) -> None:
    recipe = parse_recipe(RULES_BEFORE + rule, "r.toml")
    with pytest.raises(InputError, match=message):
        resolve(recipe, inventory_of(("/enc/Add", "Add"), ("/enc/Conv", "Conv")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 1\nname = kokoro\n", r"is not valid TOML: Invalid value \(at line 2, column 8\)"),
        ("version = 1\nversion = 1\n", r"is not valid TOML: Cannot overwrite a value \(at line 2"),
        ("version = 1\nrules = " + "[" * 100_000, "is not valid TOML: its values are nested too deeply"),
        ("version = " + "9" * 5000, "is not valid TOML: Exceeds the limit"),
        ("", "this is not a recipe: it has no version"),
        ("[package]\nname = 'other'\n", "this is not a recipe: it has no version"),
    ],
)
def test_what_is_no_recipe_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_recipe(text, "r.toml")


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(InputError, match="is not a regular file"):
        read_recipe(tmp_path)
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\xff")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_recipe(tmp_path / "m.onnx")


def test_an_unwritable_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file or directory"):
        write_recipe(tmp_path / "no" / "r.toml", FULL)


def test_a_result_that_is_no_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mel_distance = nan"):
        write_recipe(tmp_path / "r.toml", Recipe(result={"mel_distance": float("nan")}))
    assert list(tmp_path.iterdir()) == []


def test_another_models_recipe_is_refused_with_the_line_of_its_sha256() -> None:
    recipe = parse_recipe(FULL_TEXT, "r.toml")
    check_model(recipe, FULL.model_sha256)
    check_model(Recipe(), "f" * 64)
    check_model(recipe, "f" * 64, force=True)
    message = (
        r"^r.toml, line 4: the recipe was made for the model 0123456789ab \(kokoro.onnx\), this one is ffffffffffff"
    )
    with pytest.raises(InputError, match=message):
        check_model(recipe, "f" * 64)
