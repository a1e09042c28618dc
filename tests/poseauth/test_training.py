"""A network learns whose movement it is, in a way that can be repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from poseauth.models import taught, weights_of
from poseauth.recipes import RECIPES, Architecture, Recipe, TrainingOptions
from poseauth.training import LabelledWindows, _class_weights, count_epochs, train


def tiny(name="tiny", *, head="cohort", features="torso", pooling="mean", dropout=0.0, layers=1, **training):
    options = {"epochs": 2, "min_steps": 0, "batch_size": 16, "learning_rate": 1e-2, **training}
    architecture = Architecture(features, hidden=8, layers=layers, dropout=dropout, pooling=pooling, head=head)
    return Recipe(name, architecture, TrainingOptions(**options))


@pytest.fixture
def people(beating):
    """The person beats once in two seconds, one other twice and one three times a second."""

    def make(n_each, *, seed):
        windows = [beating(2 * n_each, 0.5, seed=seed), beating(n_each, 2, seed=seed), beating(n_each, 3, seed=seed)]
        return LabelledWindows(
            np.concatenate(windows), np.repeat([0, 1, 2], [2 * n_each, n_each, n_each]).astype(np.int32)
        )

    return make


@pytest.fixture
def examples(people):
    return people(8, seed=1)


def flipped(labelled):
    return LabelledWindows(labelled.windows, (labelled.classes == 0).astype(np.int32))


def accuracy_of(model, labelled):
    is_person = labelled.classes == 0
    right = (taught(model).probabilities(labelled.windows) > 0.5) == is_person
    return (right[is_person].mean() + right[~is_person].mean()) / 2


class Updates:
    """What Adam was given at each of its steps."""

    def __init__(self, monkeypatch):
        self.rates, self.decays, self.norms = [], [], []
        step = torch.optim.Adam.step

        def watched(optimiser, *arguments, **options):
            (group,) = optimiser.param_groups
            gradients = torch.cat([parameter.grad.flatten() for parameter in group["params"]])
            self.rates.append(group["lr"])
            self.decays.append(group["weight_decay"])
            self.norms.append(float(gradients.norm()))
            return step(optimiser, *arguments, **options)

        monkeypatch.setattr(torch.optim.Adam, "step", watched)


@pytest.mark.parametrize(
    ("head", "features", "pooling"),
    [("cohort", "torso", "mean"), ("binary", "torso", "mean"), ("binary", "zscore", "mean")],
)
def test_movements_that_differ_are_told_apart_in_windows_never_seen(people, head, features, pooling):
    recipe = tiny(head=head, features=features, pooling=pooling, epochs=15, learning_rate=2e-2)
    learnt = train(people(40, seed=1), recipe, validation=people(20, seed=2), seed=0)
    unseen = people(40, seed=3)
    assert accuracy_of(learnt.model, unseen) > 0.9
    scores = taught(learnt.model).probabilities(unseen.windows)
    assert scores[unseen.classes == 0].mean() > 0.5 > scores[unseen.classes != 0].mean()


def test_one_seed_gives_one_network(examples):
    recipe = tiny(layers=2, dropout=0.5)
    one, again, another = (weights_of(train(examples, recipe, seed=seed).model) for seed in (3, 3, 4))
    for name, value in one.items():
        np.testing.assert_array_equal(value, again[name])
    assert not np.array_equal(one["classifier.weight"], another["classifier.weight"])


def test_the_callers_randomness_is_left_alone(examples):
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002 - the global generator is what must not move
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(examples, tiny(), seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002


def test_the_callers_randomness_decides_nothing(examples):
    weights = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        weights.append(weights_of(train(examples, tiny(layers=2, dropout=0.5), seed=3).model)["classifier.weight"])
    np.testing.assert_array_equal(*weights)


def test_the_weights_are_those_of_the_best_validation_epoch(examples, people):
    # Held against the wrong labels, the network gets worse as it learns: the best epoch is not the last.
    wrong = flipped(people(8, seed=2))
    learnt = train(examples, tiny(epochs=12, learning_rate=2e-2), validation=wrong, seed=0)
    keys = [(epoch.validation_accuracy, -epoch.validation_loss) for epoch in learnt.history]
    assert keys.index(max(keys)) == learnt.best_epoch - 1
    assert learnt.best_epoch < 12
    best, last = learnt.history[learnt.best_epoch - 1], learnt.history[-1]
    assert best.validation_accuracy > last.validation_accuracy
    assert accuracy_of(learnt.model, wrong) == pytest.approx(best.validation_accuracy)


def test_without_validation_the_weights_are_those_of_the_last_epoch(examples):
    learnt = train(examples, tiny(epochs=3), seed=0)
    assert learnt.best_epoch == 3
    assert all(epoch.validation_accuracy is None for epoch in learnt.history)


def test_validation_changes_nothing_of_what_is_learnt(examples, people):
    alone = train(examples, tiny(epochs=3, layers=2, dropout=0.5), seed=0)
    watched = train(examples, tiny(epochs=3, layers=2, dropout=0.5), validation=people(4, seed=2), seed=0)
    assert [epoch.loss for epoch in alone.history] == [epoch.loss for epoch in watched.history]


def test_validation_weighs_both_sides_alike(examples, people):
    unseen = people(8, seed=2)
    rows = np.r_[0:16, 16:18]  # sixteen windows of the person, two of another
    learnt = train(
        examples, tiny(epochs=1), validation=LabelledWindows(unseen.windows[rows], unseen.classes[rows]), seed=0
    )
    expected = accuracy_of(learnt.model, LabelledWindows(unseen.windows[rows], unseen.classes[rows]))
    assert learnt.history[0].validation_accuracy == pytest.approx(expected)


def test_every_epoch_is_told_as_it_ends(examples):
    told = []
    learnt = train(examples, tiny(epochs=3), seed=0, on_epoch=told.append)
    assert [epoch.number for epoch in told] == [1, 2, 3]
    assert {epoch.n_epochs for epoch in told} == {3}
    assert tuple(told) == learnt.history


@pytest.mark.parametrize(
    ("n_windows", "n_epochs"),
    [
        pytest.param(320, 40, id="ten updates an epoch: the recipe's forty"),
        pytest.param(65, 54, id="three updates an epoch: 54 to reach 160"),
        pytest.param(3, 160, id="one update an epoch"),
    ],
)
def test_with_little_video_there_are_more_epochs(n_windows, n_epochs):
    recipe = Recipe("r", training=TrainingOptions(epochs=40, min_steps=160, batch_size=32))
    assert count_epochs(n_windows, recipe) == n_epochs


def test_the_rate_is_halved_as_often_as_said(examples, monkeypatch):
    updates = Updates(monkeypatch)
    train(examples, tiny(epochs=7, batch_size=32, halve_every=3, learning_rate=1e-2, weight_decay=1e-4), seed=0)
    np.testing.assert_allclose(updates.rates, [1e-2] * 3 + [5e-3] * 3 + [2.5e-3])
    assert set(updates.decays) == {1e-4}


def test_without_halving_the_rate_falls_along_a_cosine_towards_zero(examples, monkeypatch):
    updates = Updates(monkeypatch)
    train(examples, tiny(epochs=4, batch_size=32, learning_rate=1e-2), seed=0)
    np.testing.assert_allclose(updates.rates, 5e-3 * (1 + np.cos(np.pi * np.arange(4) / 4)))


def test_the_norm_of_the_gradient_is_clipped(examples, monkeypatch):
    updates = Updates(monkeypatch)
    train(examples, tiny(clip_norm=0.01), seed=0)
    assert max(updates.norms) == pytest.approx(0.01, rel=1e-3)


def test_every_window_is_met_once_an_epoch(examples, monkeypatch):
    updates = Updates(monkeypatch)
    train(examples, tiny(epochs=2, batch_size=5), seed=0)
    assert len(updates.rates) == 2 * 7  # 32 windows are seven batches of at most five


def test_the_scaler_is_fitted_on_the_examples_alone(examples, people):
    alone = weights_of(train(examples, tiny(epochs=1), seed=0).model)
    watched = weights_of(train(examples, tiny(epochs=1), validation=people(2, seed=9), seed=0).model)
    np.testing.assert_array_equal(alone["feature_mean"], watched["feature_mean"])
    assert alone["feature_scale"].std() > 0
    assert (alone["feature_scale"] > 0).all()


def test_z_scores_are_not_scaled_again(examples):
    weights = weights_of(train(examples, tiny(features="zscore"), seed=0).model)
    assert not weights["feature_mean"].any()
    assert (weights["feature_scale"] == 1).all()


def test_the_person_weighs_as_much_as_all_others_and_they_alike():
    classes = np.repeat([0, 1, 3], [10, 60, 30]).astype(np.int32)  # nobody is number 2
    weights = _class_weights(classes, 4, balanced=True).numpy()
    totals = weights * [10, 60, 0, 30]
    np.testing.assert_allclose(totals, [50, 25, 0, 25], rtol=1e-6)
    assert np.isfinite(weights).all()


def test_without_balance_every_window_weighs_the_same():
    assert _class_weights(np.int32([0, 1, 1, 1]), 2, balanced=False).tolist() == [1, 1]


@pytest.mark.parametrize("whose", [0, 1], ids=["the person alone", "others alone"])
def test_one_side_alone_teaches_nothing(beating, whose):
    with pytest.raises(ValueError, match="windows of the person and of somebody else are needed"):
        train(LabelledWindows(beating(4, 1), np.full(4, whose, np.int32)), tiny())


def test_labels_of_other_windows_are_refused(beating):
    with pytest.raises(ValueError, match="4 windows with 3 labels"):
        LabelledWindows(beating(4, 1), np.zeros(3, np.int32))


def test_a_loss_that_is_no_number_ends_the_training(examples):
    with pytest.raises(FloatingPointError, match="try a lower learning rate"):
        train(examples, tiny(epochs=5, head="binary", learning_rate=1e37), seed=0)


def test_the_papers_recipe_has_the_papers_numbers():
    paper = RECIPES["paper"]
    assert paper.architecture == Architecture(
        features="zscore", hidden=512, layers=2, dropout=0.5, frame_step=1, pooling="last", head="binary",
        statistics=False,
    )  # fmt: skip
    options = paper.training
    assert (options.learning_rate, options.halve_every, options.weight_decay) == (1e-2, 30, 1e-4)
    assert (options.clip_norm, options.batch_size, options.epochs, options.min_steps) == (0.25, 1, 200, 0)
    assert (options.stride_frames, options.validation) == (150, 0.1)
    assert (options.chimeras, options.balanced) == (0.0, False)


def test_every_recipe_goes_by_its_own_name():
    assert all(recipe.name == name for name, recipe in RECIPES.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs, batch_size and stride_frames must be at least 1"),
        ({"batch_size": 0}, "epochs, batch_size and stride_frames must be at least 1"),
        ({"stride_frames": 0}, "epochs, batch_size and stride_frames must be at least 1"),
        ({"min_steps": -1}, "min_steps at least 0"),
        ({"learning_rate": 0}, "learning_rate and clip_norm must be above 0"),
        ({"clip_norm": 0}, "learning_rate and clip_norm must be above 0"),
        ({"weight_decay": -1e-9}, "weight_decay not below"),
        ({"validation": 0.6}, "validation is 0.6; a share from 0 to 0.5"),
        ({"validation": -0.1}, "validation is -0.1; a share from 0 to 0.5"),
        ({"chimeras": -0.1}, "chimeras is -0.1; a share from 0 to 10"),
        ({"folds": 1}, "folds is 1; 0 or at least 2"),
    ],
)
def test_training_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        replace(TrainingOptions(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "pixels"}, "features are 'pixels'; known are zscore, torso"),
        ({"pooling": "max"}, "pooling 'max'"),
        ({"head": "triplet"}, "head 'triplet'"),
        ({"hidden": 0}, "2 layers of 0"),
        ({"hidden": 4097}, "2 layers of 4097"),
        ({"layers": 0}, "0 layers of 512"),
        ({"layers": 9}, "9 layers of 512"),
        ({"frame_step": 0}, "frame_step is 0; it must divide the 150"),
        ({"frame_step": 4}, "frame_step is 4; it must divide the 150"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"network_share": -0.1}, "network_share is -0.1; a weight from 0 to 1"),
        ({"network_share": 1.1}, "network_share is 1.1; a weight from 0 to 1"),
        ({"dropout": float("nan")}, "dropout nan"),
    ],
)
def test_an_architecture_that_is_none_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Architecture(**options)
