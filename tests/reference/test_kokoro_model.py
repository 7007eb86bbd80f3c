"""Building the torch model from named parameters."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch

from kokoro_tui.errors import InputError
from kokoro_tui.reference import kokoro_model
from kokoro_tui.reference.kokoro_model import build_model, require_kokoro, split_weight_norm
from kokoro_tui.reference.weights import Weights
from tests.python_versions import needs_kokoro


def test_gain_and_direction_give_the_weight_back() -> None:
    weight = np.random.default_rng(0).standard_normal((6, 4, 3), dtype=np.float32)
    gain, direction = split_weight_norm(weight)
    assert gain.shape == (6, 1, 1)
    product = torch._weight_norm(torch.from_numpy(direction), torch.from_numpy(gain), 0)
    np.testing.assert_allclose(product.numpy(), weight, rtol=3e-7)


def test_a_channel_of_zeros_stays_zero_and_does_not_become_nan() -> None:
    weight = np.ones((2, 4, 3), np.float32)
    weight[1] = 0
    gain, direction = split_weight_norm(weight)
    np.testing.assert_array_equal(gain[1], 0)
    np.testing.assert_array_equal(direction[1], 1)
    product = torch._weight_norm(torch.from_numpy(direction), torch.from_numpy(gain), 0)
    np.testing.assert_array_equal(product.numpy()[1], 0)


def test_python_3_13_is_told_why() -> None:
    with pytest.raises(InputError, match=r"kokoro 0\.9\.4, which does not install on Python 3\.13") as caught:
        require_kokoro((3, 13))
    assert "Python 3.11 or 3.12" in caught.value.hint


@needs_kokoro
def test_an_old_kokoro_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kokoro_model, "version", lambda _: "0.7.16")
    with pytest.raises(InputError, match=r"needs kokoro 0\.9\.4, not 0\.7\.16"):
        require_kokoro()


@needs_kokoro
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(kokoro_model, "version", absent)
    with pytest.raises(InputError, match="needs torch, which is not installed") as caught:
        require_kokoro()
    assert caught.value.hint == 'pip install "kokoro-tui[export]"'


@needs_kokoro
@pytest.mark.real
def test_weights_of_another_model_are_refused_by_name(bundled_weights: Weights) -> None:
    parameters = dict(bundled_weights.parameters)
    name = "decoder.generator.conv_post.bias"
    with pytest.raises(InputError, match=rf"{name} has shape \[3\]"):
        build_model({**parameters, name: np.zeros(3, np.float32)})
    del parameters[name]
    with pytest.raises(InputError, match=f"{name} is missing"):
        build_model(parameters)


@needs_kokoro
@pytest.mark.real
def test_the_bundle_fills_every_parameter_and_no_other(bundled_weights: Weights) -> None:
    model = build_model(bundled_weights.parameters)
    # What weight norm splits in two is whole in the bundle.
    named = {name.removesuffix("_g").removesuffix("_v") for name in model.state_dict()}
    assert set(bundled_weights.parameters) <= named
    rest = {name for name in named - set(bundled_weights.parameters) if ".norm." not in name}
    assert {name.split(".")[-2] for name in rest} == {"stft", "pooler"}
    assert not model.training
