"""The whitened cosine: what is unknown counts as the mean, the unit of a statistic counts for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.whitening import Scaler, WhitenedCosine, scaled

N_STATISTICS = 5


@pytest.fixture
def people():
    """Four people about means of their own, all varying alike; most along a direction that tells nobody apart."""
    rng = np.random.default_rng(0)
    spread = np.array([0.3, 0.3, 0.3, 0.3, 5.0])
    means = 3 * np.eye(4, N_STATISTICS)
    return [mean + spread * rng.normal(size=(n, N_STATISTICS)) for mean, n in zip(means, (40, 30, 60, 20), strict=True)]


def directly(person, *, mean=None, scale=None, whitening=None, origin=None):
    """Of given numbers; where none are given, those that change nothing."""
    n = len(person)
    given = (
        np.zeros(n) if mean is None else mean,
        np.ones(n) if scale is None else scale,
        np.eye(n) if whitening is None else whitening,
        np.zeros(n) if origin is None else origin,
    )
    return WhitenedCosine(*(np.asarray(values, dtype=np.float64) for values in given), np.asarray(person, np.float64))


def test_scaled_rows_have_mean_zero_and_deviation_one():
    rows = np.random.default_rng(0).normal([5, -100, 0.01], [2, 30, 0.001], size=(50, 3))
    out = Scaler(rows)(rows)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(out.std(axis=0), 1)


def test_the_unknown_is_left_out_of_the_scale_and_becomes_the_mean():
    rows = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [5.0, np.nan]])
    scaler = Scaler(rows)
    deviation = np.sqrt(8 / 3)
    assert scaler.mean.tolist() == [3.0, 0.0]
    np.testing.assert_allclose(scaler(rows)[:, 0], [-2 / deviation, 0, 0, 2 / deviation])
    np.testing.assert_array_equal(scaler(rows)[:, 1], 0)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_a_statistic_that_never_varied_counts_for_nothing(value):
    rows = np.array([[value, 1.0], [value, 2.0], [value, 4.0]])
    scaler = Scaler(rows)
    np.testing.assert_array_equal(scaler(rows)[:, 0], 0)
    assert scaler(np.array([[value + 1000, 2.0]]))[0, 0] == 0


def test_rows_are_scaled_by_what_is_given():
    rows = np.array([[1.0, np.nan, np.inf], [2.0, 5.0, 0.0]])
    out = scaled(rows, np.array([1.0, 1.0, 1.0]), np.array([10.0, 0.5, 2.0]))
    assert out.tolist() == [[0.0, 0.0, 0.0], [10.0, 2.0, -2.0]]


def test_own_rows_score_higher_than_those_of_others(people):
    fitted = WhitenedCosine.fit(people)
    own, *others = (fitted(rows) for rows in people)
    assert own.min() > max(scores.max() for scores in others)
    assert own.min() > 0.5


def test_rows_that_were_not_learnt_score_likewise(people):
    fitted = WhitenedCosine.fit([rows[: len(rows) // 2] for rows in people])
    own, *others = (fitted(rows[len(rows) // 2 :]) for rows in people)
    assert own.min() > max(scores.max() for scores in others)


def test_the_person_is_who_comes_first(people):
    scores = WhitenedCosine.fit(people[::-1])(np.concatenate(people))
    assert scores[-20:].min() > scores[:-20].max()


def test_a_score_is_a_cosine(people):
    far = np.random.default_rng(1).normal(0, 1e3, size=(200, N_STATISTICS))
    fitted = WhitenedCosine.fit(people)
    scores = fitted(np.concatenate([*people, far]))
    assert np.abs(scores).max() <= 1 + 1e-12
    assert np.linalg.norm(fitted.person) == pytest.approx(1)


def test_the_score_of_a_row_is_the_cosine_to_the_person_after_scaling_and_whitening():
    found = directly([0.6, 0.8], mean=[1, 1], scale=[2, 1], whitening=[[1, 0], [0, 0.5]], origin=[1, 0])
    # (2.5 - 1) * 2 - 1 = 2 and (4 - 1) * 1 * 0.5 = 1.5: length 2.5.
    np.testing.assert_allclose(found(np.array([[2.5, 4.0]])), [(2 * 0.6 + 1.5 * 0.8) / 2.5])


def test_a_row_at_the_origin_scores_zero():
    assert directly([1.0, 0.0])(np.array([[0.0, 0.0], [np.nan, np.nan]])).tolist() == [0.0, 0.0]


def test_every_row_has_a_score_of_its_own(people):
    fitted = WhitenedCosine.fit(people)
    together = fitted(people[1])
    assert together.shape == (30,)
    np.testing.assert_allclose([fitted(people[1][i : i + 1])[0] for i in range(30)], together)
    assert fitted(np.zeros((0, N_STATISTICS))).shape == (0,)


def test_people_vary_alike_in_all_directions_after_whitening():
    rng = np.random.default_rng(0)
    mixing = np.array([[1.0, 0.9], [0.0, 0.3]])
    people = [rng.normal(size=(5000, 2)) @ mixing + mean for mean in ([0, 0], [1, 0], [0, 1])]
    fitted = WhitenedCosine.fit(people)
    whitened = [scaled(rows, fitted.mean, fitted.scale) @ fitted.whitening for rows in people]
    within = np.mean([np.cov(rows.T) for rows in whitened], axis=0)
    np.testing.assert_allclose(within, np.eye(2), atol=0.02)


def test_how_long_somebody_was_filmed_does_not_count(people):
    longer = [people[0], np.repeat(people[1], 10, axis=0), *people[2:]]
    once, tenfold = WhitenedCosine.fit(people), WhitenedCosine.fit(longer)
    np.testing.assert_allclose(tenfold.mean, once.mean, atol=0.05)
    np.testing.assert_allclose(tenfold.scale, once.scale)


def test_others_count_by_how_near_they_are_and_the_farthest_hardly(people):
    own, near = people[0], people[1]
    elsewhere = people[2] + 1000 * np.array([0, 0, 0, 1, 1])
    middle = (own.mean(axis=0) + near.mean(axis=0)) / 2
    np.testing.assert_allclose(WhitenedCosine.fit([own, near]).mean, middle)
    np.testing.assert_allclose(WhitenedCosine.fit([own, near, elsewhere]).mean, middle, atol=0.01)


def test_people_from_elsewhere_do_not_hide_what_tells_the_person_from_the_near_ones(people):
    rng = np.random.default_rng(5)
    away = np.array([0, 0, 0, 10, 0])
    elsewhere = [rows + (3 + 2 * i) * away + rng.normal(0, 1, 5) for i, rows in enumerate([*people, *people])]
    halves = [(rows[: len(rows) // 2], rows[len(rows) // 2 :]) for rows in people]
    learnt, held_out = zip(*halves, strict=True)
    for others in ((), elsewhere):
        fitted = WhitenedCosine.fit([*learnt, *others])
        own, *strangers = (fitted(rows) for rows in held_out)
        assert own.min() > max(scores.max() for scores in strangers)


def test_what_is_unknown_speaks_neither_for_nor_against(people):
    fitted = WhitenedCosine.fit(people)
    nothing = np.full((1, N_STATISTICS), np.nan)
    assert fitted(nothing).tolist() == [0.0]
    people[0][:, 1] = np.nan
    assert np.isfinite(WhitenedCosine.fit(people)(people[0])).all()


def test_the_units_of_the_statistics_do_not_matter(people):
    factor, offset = np.array([1e3, -1.0, 0.02, -7.0, 1.0]), np.array([0.0, 50.0, -1.0, 300.0, 0.0])
    converted = [rows * factor + offset for rows in people]
    expected = WhitenedCosine.fit(people)(np.concatenate(people))
    np.testing.assert_allclose(WhitenedCosine.fit(converted)(np.concatenate(converted)), expected, atol=1e-8)


def test_a_statistic_that_is_the_same_for_all_changes_no_score(people):
    def with_a_constant(value):
        return [np.column_stack([rows, np.full(len(rows), value)]) for rows in people]

    fitted = WhitenedCosine.fit(with_a_constant(3.0))
    with_another = np.concatenate(with_a_constant(1000.0))
    np.testing.assert_array_equal(fitted(with_another), fitted(np.concatenate(with_a_constant(3.0))))


def test_unknown_statistics_leave_finite_scores(people):
    people[0][:10, 0] = np.nan
    people[2][5] = np.nan
    fitted = WhitenedCosine.fit(people)
    assert all(np.isfinite(fitted(rows)).all() for rows in people)
    assert fitted(people[0])[10:].min() > fitted(people[1]).max()


def test_with_nobody_else_the_score_is_the_negative_distance_to_the_mean(people):
    alone = WhitenedCosine.fit(people[:1])
    assert not alone.person.any()
    mean = people[0].mean(axis=0)
    away = mean + np.outer([0.0, 1.0, 2.0, 10.0], np.ones(N_STATISTICS))
    scores = alone(away)
    assert scores[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(scores[2:], scores[1] * np.array([2.0, 10.0]))
    assert scores[1] < 0
    assert alone(people[0]).max() < 0


def test_the_distance_is_that_of_the_whitened_space():
    found = directly([0.0, 0.0], scale=[2, 1], origin=[1, 0])
    np.testing.assert_allclose(found(np.array([[2.0, 4.0], [0.5, 0.0]])), [-5.0, 0.0])


@pytest.mark.parametrize("n_people", [1, 4])
def test_what_was_stored_scores_alike(people, n_people):
    fitted = WhitenedCosine.fit(people[:n_people])
    arrays = fitted.as_arrays()
    assert {values.dtype for values in arrays.values()} == {np.dtype(np.float32)}
    rows = np.concatenate(people)
    np.testing.assert_allclose(WhitenedCosine.from_arrays(arrays)(rows), fitted(rows), rtol=1e-5, atol=1e-5)


def test_what_was_read_is_stored_again_without_a_change(people):
    arrays = WhitenedCosine.fit(people).as_arrays()
    again = WhitenedCosine.from_arrays(arrays).as_arrays()
    assert set(again) == set(arrays)
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("name", ["mean", "scale", "whitening", "origin", "person"])
class TestArraysThatAreNotThoseOfAWhitenedCosine:
    @pytest.fixture
    def arrays(self, people):
        return WhitenedCosine.fit(people).as_arrays()

    def test_a_missing_one_is_refused(self, arrays, name):
        del arrays[name]
        with pytest.raises(ValueError, match="are needed"):
            WhitenedCosine.from_arrays(arrays)

    def test_one_under_another_name_is_refused(self, arrays, name):
        arrays[f"{name}s"] = arrays.pop(name)
        with pytest.raises(ValueError, match=f"{name}s"):
            WhitenedCosine.from_arrays(arrays)

    def test_one_too_many_is_refused(self, arrays, name):
        with pytest.raises(ValueError, match="are needed"):
            WhitenedCosine.from_arrays({**arrays, f"{name}.again": arrays[name]})

    def test_one_of_another_length_is_refused(self, arrays, name):
        arrays[name] = arrays[name][:-1]
        with pytest.raises(ValueError, match="shapes"):
            WhitenedCosine.from_arrays(arrays)

    def test_one_of_another_number_of_dimensions_is_refused(self, arrays, name):
        arrays[name] = arrays[name][..., None]
        with pytest.raises(ValueError, match="shapes"):
            WhitenedCosine.from_arrays(arrays)

    @pytest.mark.parametrize("flaw", [np.nan, np.inf, -np.inf])
    def test_one_that_is_not_finite_is_refused(self, arrays, name, flaw):
        arrays[name].flat[1] = flaw
        with pytest.raises(ValueError, match="not finite"):
            WhitenedCosine.from_arrays(arrays)


@pytest.mark.parametrize("n_statistics", [0, 4097])
def test_no_statistic_and_too_many_are_refused(n_statistics):
    line = np.broadcast_to(0.0, n_statistics)
    square = np.broadcast_to(0.0, (n_statistics, n_statistics))
    with pytest.raises(ValueError, match="shapes"):
        WhitenedCosine(line, line, square, line, line)


@pytest.mark.parametrize("value", [np.float32(1), np.zeros((2, 2), np.float32)], ids=["a number", "a table"])
def test_a_mean_that_is_no_row_is_refused(people, value):
    with pytest.raises(ValueError, match="shapes"):
        WhitenedCosine.from_arrays({**WhitenedCosine.fit(people).as_arrays(), "mean": value})


def test_a_direction_that_would_score_beyond_1_is_refused(people):
    arrays = WhitenedCosine.fit(people).as_arrays()
    with pytest.raises(ValueError, match="length 50; 1 is needed"):
        WhitenedCosine.from_arrays({**arrays, "person": 50 * arrays["person"]})
