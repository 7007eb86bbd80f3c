"""Tables measured under other conditions are told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kokoro_tui.core.plan import WeightType
from kokoro_tui.errors import InputError
from kokoro_tui.store.trial_meta import TrialMeta, differences, meta_path, read_meta, write_meta

META = TrialMeta(
    model_sha256="a" * 64,
    phonemes=("həlˈoʊ", "wˈɜːld"),
    input_ids=((0, 50, 83, 0), (0, 65, 0)),
    voice=("af_heart", "jf_alpha"),
    noise_seed=7,
    weight_type=WeightType.QINT8,
    calibration="",
    algorithm_version=1,
)


def test_the_meta_lies_beside_its_table_and_comes_back(tmp_path: Path) -> None:
    table = tmp_path / "quantization-trials.csv"
    assert read_meta(table) is None
    write_meta(table, META)
    assert meta_path(table) == tmp_path / "quantization-trials.meta.json"
    assert read_meta(table) == META
    assert set(json.loads(meta_path(table).read_text())) == {
        "model_sha256", "phonemes", "input_ids", "voice", "noise_seed", "weight_type", "calibration",
        "algorithm_version",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_sha256": "b" * 64}, "it is of another model (sha256 aaaaaaaaaaaa, now bbbbbbbbbbbb)"),
        ({"phonemes": ("həlˈoʊ", "ˈɔːl")}, "the text reads həlˈoʊ wˈɜːld, now həlˈoʊ ˈɔːl"),
        ({"input_ids": ((0, 50, 83, 0), (0, 66, 0))}, "the same phonemes have other token ids"),
        ({"voice": ("af_heart", "af_heart")}, "the voice is af_heart, jf_alpha, now af_heart, af_heart"),
        ({"noise_seed": 8}, "the noise seed is 7, now 8"),
        ({"weight_type": WeightType.QUINT8}, "the weight type is QInt8, now QUInt8"),
        ({"calibration": "c0ffee"}, "the calibration is none, now c0ffee"),
        ({"algorithm_version": 2}, "the measuring method is version 1, now 2"),
    ],
)
def test_each_difference_is_said_in_words(change: dict[str, Any], words: str) -> None:
    assert differences(META, replace(META, **change)) == (words,)


def test_equal_conditions_differ_in_nothing_and_several_differences_are_all_named() -> None:
    assert differences(META, replace(META)) == ()
    one_clip = replace(META, phonemes=("a",), input_ids=((0, 0),), voice=("af_heart",))
    assert differences(META, one_clip) == (
        "it was measured on 2 clips, now 1 clip",
        "the voice is af_heart, jf_alpha, now af_heart",
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", "{" * 100_000, '{"model_sha256": 5}',
        json.dumps({"model_sha256": "a", "phonemes": "abc", "input_ids": [], "voice": [], "noise_seed": 1,
                    "weight_type": "QInt8", "calibration": "", "algorithm_version": 1}),
        json.dumps({"model_sha256": "a", "phonemes": ["a"], "input_ids": [], "voice": [], "noise_seed": 1,
                    "weight_type": "QInt8", "calibration": "", "algorithm_version": 1}),
    ],
)  # fmt: skip
def test_a_damaged_meta_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.meta.json").write_text(text)
    with pytest.raises(InputError, match="does not describe a trial table") as caught:
        read_meta(tmp_path / "t.csv")
    assert "--fresh" in caught.value.hint
