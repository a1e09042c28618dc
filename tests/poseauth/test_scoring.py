"""What scores a window: the cosine and a share of the network's probability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from poseauth.models import WindowLSTM, taught
from poseauth.movement_statistics import movement_statistics
from poseauth.recipes import Architecture
from poseauth.scoring import WindowScorer, scorer_from_arrays
from poseauth.whitening import WhitenedCosine

TINY = Architecture(hidden=8, layers=1, dropout=0.0)
NETWORK_ALONE = replace(TINY, statistics=False)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return taught(WindowLSTM(TINY, 3))


@pytest.fixture
def statistics(beating):
    """By its name the cosine of plain statistics to a direction drawn at random."""
    n = movement_statistics(beating(1, 1.0)).shape[1]
    person = np.random.default_rng(0).normal(size=n)
    person /= np.linalg.norm(person)
    return {"statistics": WhitenedCosine(np.zeros(n), np.ones(n), np.eye(n), np.zeros(n), person)}


@pytest.fixture
def scorer(network, statistics):
    return WindowScorer(network, statistics)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_a_score_is_the_cosine_plus_the_networks_share_of_its_probability(scorer, beating, share):
    scorer = scorer_from_arrays(replace(TINY, network_share=share), scorer.as_arrays())
    windows = beating(5, 1.5)
    rows, person = movement_statistics(windows), scorer.statistics["statistics"].person
    cosine = rows @ person / (np.linalg.norm(rows, axis=1) * np.linalg.norm(person))
    probability = scorer.network.probabilities(windows).astype(np.float64)
    assert probability.min() > 0
    np.testing.assert_allclose(scorer(windows), cosine + share * probability, rtol=0, atol=1e-6)


def test_without_statistics_the_score_is_the_probability(network, beating):
    windows = beating(5, 1.5)
    scores = WindowScorer(network, {})(windows)
    np.testing.assert_array_equal(scores, network.probabilities(windows))
    assert scores.dtype == np.float64


@pytest.mark.parametrize("with_statistics", [True, False])
def test_no_window_has_no_score(network, statistics, with_statistics):
    scores = WindowScorer(network, statistics if with_statistics else {})(np.zeros((0, 150, 12, 2), np.float32))
    assert scores.shape == (0,)
    assert scores.dtype == np.float64


def test_a_window_is_scored_by_itself(scorer, beating):
    windows = np.concatenate([beating(3, 0.5), beating(3, 2.5)])
    together = scorer(windows)
    assert together.shape == (6,)
    assert len(np.unique(together)) == 6
    np.testing.assert_allclose([scorer(windows[i : i + 1])[0] for i in range(6)], together, atol=1e-6)


def test_place_and_size_in_the_picture_do_not_matter(scorer, beating):
    windows = beating(3, 1.0)
    np.testing.assert_allclose(scorer(windows * 2 + 100), scorer(windows), atol=1e-3)


def test_a_window_in_which_joints_are_missing_has_a_finite_score(scorer, beating):
    windows = beating(3, 1.0)
    windows[0, 20:60, 3:5] = np.nan
    windows[1, :, 8:] = np.nan
    windows[2] = np.nan
    assert np.isfinite(scorer(windows)).all()


@pytest.mark.parametrize("architecture", [TINY, NETWORK_ALONE], ids=["with statistics", "network alone"])
def test_a_scorer_from_its_arrays_scores_alike(network, statistics, beating, architecture):
    scorer = WindowScorer(network, statistics if architecture.statistics else {})
    again = scorer_from_arrays(architecture, scorer.as_arrays())
    windows = beating(4, 1.0)
    assert set(again.statistics) == set(scorer.statistics)
    np.testing.assert_allclose(again(windows), scorer(windows), atol=1e-5)


def test_arrays_of_network_and_statistics_are_known_by_their_names(scorer, network):
    names = set(scorer.as_arrays())
    assert {name for name in names if name.startswith("statistics.")} == {
        f"statistics.{name}" for name in ("mean", "scale", "whitening", "origin", "person")
    }
    alone = set(WindowScorer(network, {}).as_arrays())
    assert names - alone == {name for name in names if name.startswith("statistics.")}
    assert all(name.startswith("network.") for name in alone)


@pytest.mark.parametrize(
    ("name", "message"),
    [("network.classifier.bias", "classifier"), ("network.lstm.bias_ih_l0", "bias_ih_l0"), ("statistics.mean", "mean")],
)
def test_a_missing_array_is_refused(scorer, name, message):
    arrays = scorer.as_arrays()
    del arrays[name]
    with pytest.raises(ValueError, match=message):
        scorer_from_arrays(TINY, arrays)


@pytest.mark.parametrize("part", ["network.", "statistics."])
def test_a_whole_part_missing_is_refused(scorer, part):
    arrays = {name: value for name, value in scorer.as_arrays().items() if not name.startswith(part)}
    with pytest.raises(ValueError, match="classifier" if part == "network." else "no statistics"):
        scorer_from_arrays(TINY, arrays)


@pytest.mark.parametrize("name", ["network.extra", "statistics.extra", "extra"])
def test_an_array_too_many_is_refused(scorer, name):
    with pytest.raises(ValueError, match="extra"):
        scorer_from_arrays(TINY, {**scorer.as_arrays(), name: np.zeros(1, np.float32)})


def test_statistics_have_no_place_beside_a_network_alone(scorer):
    with pytest.raises(ValueError, match=r"statistics\.mean: no place for it in such a profile"):
        scorer_from_arrays(NETWORK_ALONE, scorer.as_arrays())


@pytest.mark.parametrize("flaw", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["network.lstm.weight_hh_l0", "network.feature_mean", "statistics.whitening"])
def test_an_array_that_is_not_finite_is_refused(scorer, name, flaw):
    arrays = scorer.as_arrays()
    arrays[name].flat[3] = flaw
    with pytest.raises(ValueError, match="not finite"):
        scorer_from_arrays(TINY, arrays)


def test_arrays_of_a_network_of_another_size_are_refused(scorer):
    with pytest.raises(ValueError, match="do not fit the network"):
        scorer_from_arrays(replace(TINY, hidden=16), scorer.as_arrays())


def test_statistics_of_another_number_are_refused(scorer):
    arrays = {
        name: value[(slice(5),) * value.ndim] if name.startswith("statistics.") else value
        for name, value in scorer.as_arrays().items()
    }
    arrays["statistics.person"] = np.float32([1, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="5 statistics; a window has 762"):
        scorer_from_arrays(TINY, arrays)


def test_an_array_without_its_parts_name_is_refused(scorer):
    arrays = scorer.as_arrays()
    renamed = {"mean" if name == "statistics.mean" else name: value for name, value in arrays.items()}
    for given in ({**arrays, "mean": arrays["statistics.mean"]}, renamed):
        with pytest.raises(ValueError, match="mean: no place for it"):
            scorer_from_arrays(TINY, given)
