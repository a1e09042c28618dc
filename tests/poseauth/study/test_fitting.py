"""The loop learns, keeps the best epoch, adds gradients up as told, and gives the same from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from poseauth.study.examples import InMemory
from poseauth.study.fitting import is_out_of_memory, logits_of, loss_and_accuracy, median_ms, teach
from poseauth.study.presets import Optimiser, Training


class Mean(nn.Module):
    """A line through the mean of the frames that count."""

    def __init__(self, n_features=2):
        super().__init__()
        self.line = nn.Linear(n_features, 1)
        nn.init.zeros_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def forward(self, frames, n_frames):
        there = torch.arange(frames.shape[1]) < n_frames[:, None]
        return self.line((frames * there[:, :, None]).sum(dim=1) / n_frames[:, None])[:, 0]


def examples(n, *, seed=0, flipped=False):
    """Authentic ones lie to the right; rows of varying length."""
    rng = np.random.default_rng(seed)
    real = np.arange(n) % 2 == 0
    side = np.where(real != flipped, 1.0, -1.0)
    arrays = [rng.normal((s, 0), 0.3, (int(rng.integers(2, 6)), 2)).astype(np.float32) for s in side]
    return InMemory(arrays, real, np.arange(n))


SGD = Training(Optimiser("sgd", rate=0.5), batch=4, epochs=6)


def test_it_learns_what_sets_the_sides_apart_and_tells_every_epoch():
    network, told = Mean(), []
    taught = teach(network, examples(24), examples(8, seed=1), SGD, on_epoch=told.append)
    assert tuple(told) == taught.curve
    assert [epoch.number for epoch in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1].train_loss < told[0].train_loss < np.log(2)
    logits = logits_of(network, examples(20, seed=2), batch=7)
    assert loss_and_accuracy(logits, examples(20).is_authentic)[1] == 1.0
    assert taught.seconds > 0


def test_the_weights_are_those_of_the_least_validation_loss():
    network, validation = Mean(), examples(8, seed=1, flipped=True)
    taught = teach(network, examples(24), validation, SGD)
    # What is learnt is wrong on this validation side, ever more so: the first epoch is the best.
    assert taught.best_loss_epoch == 1
    loss, _ = loss_and_accuracy(logits_of(network, validation, batch=4), validation.is_authentic)
    assert loss == pytest.approx(taught.curve[0].validation_loss, abs=1e-6)
    assert taught.best_accuracy_epoch == 1


def test_gradients_added_up_over_small_batches_are_those_of_a_large_one():
    def weights_after(training):
        network = Mean()
        teach(network, examples(13), examples(4, seed=1), training, seed=3)
        return network.line.weight.detach().numpy()

    optimiser = Optimiser("sgd", rate=0.1)
    large = weights_after(Training(optimiser, batch=8, epochs=1))
    assert weights_after(Training(optimiser, batch=2, epochs=1, update_every=8)) == pytest.approx(large, abs=1e-6)
    assert weights_after(Training(optimiser, batch=2, epochs=1)) != pytest.approx(large, abs=1e-3)


def test_the_same_seed_gives_the_same_and_torch_keeps_its_own_numbers():
    networks = [Mean() for _ in range(3)]
    state = torch.random.get_rng_state()
    curves = [
        teach(network, examples(12), examples(4, seed=1), SGD, seed=seed).curve
        for network, seed in zip(networks, (5, 5, 6), strict=True)
    ]
    assert torch.equal(state, torch.random.get_rng_state())
    assert curves[0] == curves[1] != curves[2]


def test_readers_in_other_processes_change_nothing():
    alone, helped = (
        teach(Mean(), examples(8), examples(4, seed=1), Training(SGD.optimiser, 4, 2), n_workers=n) for n in (0, 1)
    )
    assert alone.curve == helped.curve


def test_the_rate_is_halved_when_told_and_the_norm_limited():
    network = Mean()
    told = Training(Optimiser("sgd", rate=4.0, halve_every=1, clip_norm=1e-6), batch=8, epochs=2)
    teach(network, examples(8), examples(4, seed=1), told)
    # One update an epoch of norm 1e-6 at rates 4 and 2; the best of both epochs is the second.
    moved = torch.cat([network.line.weight.detach().flatten(), network.line.bias.detach()]).norm()
    assert float(moved) == pytest.approx(6e-6, rel=0.05)


def test_a_loss_that_is_no_number_ends_the_training():
    endless = Training(Optimiser("sgd", rate=10.0, weight_decay=1.0), batch=4, epochs=200)
    with pytest.raises(FloatingPointError, match=r"no longer a number|validation loss of epoch"):
        teach(Mean(), examples(8), examples(4, seed=1), endless)


def test_loss_and_accuracy_of_known_logits():
    loss, accuracy = loss_and_accuracy(np.array([0.0, 2.0, 2.0]), [True, True, False])
    assert loss == pytest.approx((np.log(2) + np.log1p(np.exp(-2)) + np.log1p(np.exp(2))) / 3)
    assert accuracy == pytest.approx(1 / 3)  # a logit of 0 is not called authentic


def test_running_out_of_memory_is_known_by_its_words():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_nothing_to_time_has_no_time():
    assert median_ms([]) is None
    assert median_ms([lambda: None] * 3) >= 0
