"""What is fitted at once: the direction of its scores, what it has learnt from, and that files give it back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from poseauth.errors import InputError
from poseauth.movement_statistics import movement_correlations
from poseauth.study.building import build_network, count_parameters, fit_preset
from poseauth.study.preset_files import load_presets
from poseauth.study.weight_files import read_weights, write_weights
from poseauth.whitening import Scaler

PRESETS = load_presets()
CORRELATIONS = ("agarwal2019-ocsvm", "agarwal2019-logistic")
FITTED = (*CORRELATIONS, "pose-mean", "pose-profile")


def shifted(windows, authentic):
    """The same, with the fake ones' noses held higher: for the mean pose, which knows nothing of movement."""
    moved = windows.copy()
    moved[~authentic, :, 0, 1] -= 30
    return moved


@pytest.mark.parametrize("name", FITTED)
def test_authentic_windows_score_higher(name, two_people):
    windows, authentic = two_people(40)
    more, labels = two_people(20, seed=1)
    if name == "pose-mean":
        windows, more = shifted(windows, authentic), shifted(more, labels)
    fitted = fit_preset(PRESETS[name].tiny(), windows, authentic)
    scores = fitted.score(more)
    assert scores.shape == (20,)
    assert scores[labels].min() > scores[~labels].max()
    if fitted.gives_log_odds:
        assert scores[labels].mean() > 0 > scores[~labels].mean()
    assert fitted.score(more[:0]).shape == (0,)
    np.testing.assert_allclose(fitted.score(more[3:4]), scores[3:4], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_correlations_know_nothing_of_where_the_body_is(name, two_people):
    windows, authentic = two_people(40)
    fitted = fit_preset(PRESETS[name], windows, authentic)
    np.testing.assert_allclose(fitted.score(1.5 * windows + 70), fitted.score(windows), rtol=1e-3, atol=1e-3)


def test_the_one_class_svm_has_met_authentic_windows_only(two_people):
    windows, authentic = two_people(40)
    changed = windows.copy()
    changed[~authentic] = np.random.default_rng(0).normal(300, 50, changed[~authentic].shape)
    one, other = (fit_preset(PRESETS["agarwal2019-ocsvm"], some, authentic) for some in (windows, changed))
    assert np.array_equal(one.score(windows), other.score(windows))
    told_all = fit_preset(PRESETS["agarwal2019-ocsvm"], windows, np.ones(len(windows), bool))
    assert not np.array_equal(told_all.score(windows), one.score(windows))


def test_the_one_class_svm_scores_as_scikit_learns_does(two_people):
    windows, authentic = two_people(40)
    fitted = fit_preset(PRESETS["agarwal2019-ocsvm"], windows, authentic)
    rows = movement_correlations(windows)
    scaler = Scaler(rows[authentic])
    svm = OneClassSVM(nu=0.1, gamma=float(fitted.arrays["gamma"])).fit(scaler(rows[authentic]))
    np.testing.assert_allclose(fitted.score(windows), svm.decision_function(scaler(rows)), rtol=1e-6, atol=1e-8)
    outside = (fitted.score(windows[authentic]) < -1e-3).mean()
    assert outside == pytest.approx(0.1, abs=0.1)


@pytest.mark.parametrize("name", FITTED)
def test_a_side_that_is_needed_and_missing_is_named(name, two_people):
    windows, authentic = two_people(6)
    with pytest.raises(ValueError, match=r"no authentic window|both sides"):
        fit_preset(PRESETS[name], windows[~authentic], authentic[~authentic])
    if name != "agarwal2019-ocsvm":
        with pytest.raises(ValueError, match=r"no fake window|both sides"):
            fit_preset(PRESETS[name], windows[authentic], authentic[authentic])


@pytest.mark.parametrize("name", FITTED)
def test_a_file_of_weights_gives_the_model_back(name, two_people, tmp_path):
    windows, authentic = two_people(12)
    preset = PRESETS[name].tiny()
    fitted = fit_preset(preset, windows, authentic)
    path = tmp_path / "deep" / "weights.safetensors"
    n_bytes = write_weights(fitted, path)
    assert n_bytes == path.stat().st_size
    assert 0 <= n_bytes - sum(values.nbytes for values in fitted.arrays.values()) < 4096
    assert count_parameters(fitted).n_all == sum(values.size for values in fitted.arrays.values())
    np.testing.assert_allclose(read_weights(preset, path).score(windows), fitted.score(windows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["pose-gru-2x256", "hada2022-mesonet"])
def test_a_file_of_weights_gives_a_network_back(name, tmp_path):
    preset = PRESETS[name].tiny()
    network = build_network(preset, seed=3)
    write_weights(network, tmp_path / "w")
    read = read_weights(preset, tmp_path / "w")
    assert not read.training
    assert all(np.array_equal(values, network.arrays[name]) for name, values in read.arrays.items())


def test_files_that_are_not_of_the_model_are_refused(two_people, tmp_path):
    from safetensors.numpy import save_file

    windows, authentic = two_people(12)
    preset = PRESETS["agarwal2019-logistic"]
    fitted, path = fit_preset(preset, windows, authentic), tmp_path / "w"
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(preset, path)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="not the weights of agarwal2019-logistic"):
        read_weights(preset, path)
    for spoilt in (
        {name: values for name, values in fitted.arrays.items() if name != "mean"},
        {**fitted.arrays, "direction": fitted.arrays["direction"][1:]},
        {**fitted.arrays, "intercept": np.array(np.nan)},
        {**fitted.arrays, "more": np.zeros(1)},
    ):
        save_file({name: np.ascontiguousarray(values) for name, values in spoilt.items()}, path)
        with pytest.raises(InputError, match="not the weights of agarwal2019-logistic"):
            read_weights(preset, path)
    write_weights(fitted, path)
    for other in ("agarwal2019-ocsvm", "pose-profile", "pose-gru-2x256"):
        with pytest.raises(InputError, match=f"not the weights of {other}"):
            read_weights(PRESETS[other].tiny(), path)


def test_a_network_is_not_fitted_and_what_is_fitted_has_no_network(two_people):
    windows, authentic = two_people(4)
    with pytest.raises(ValueError, match="pose-gru-2x256 is taught over epochs"):
        fit_preset(PRESETS["pose-gru-2x256"], windows, authentic)
    with pytest.raises(ValueError, match="pose-mean is fitted at once"):
        build_network(PRESETS["pose-mean"])


def test_the_same_seed_gives_the_same_profile(two_people):
    windows, authentic = two_people(8)
    preset = PRESETS["pose-profile"].tiny()
    preset = dataclasses.replace(preset, model=dataclasses.replace(preset.model, min_steps=2))
    one, same, other = (fit_preset(preset, windows, authentic, seed=seed).score(windows) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
