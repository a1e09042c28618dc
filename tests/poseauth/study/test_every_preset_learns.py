"""Every preset, at its tiny size, takes a step towards telling two things apart that a child could."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from poseauth.study.building import build_network
from poseauth.study.pose_features import n_features
from poseauth.study.preset_files import load_presets, read_built_in
from poseauth.study.presets import FaceNetwork

TAUGHT = {
    name: preset
    for name, preset in {**load_presets(), **read_built_in("optimiser_search")}.items()
    if preset.training is not None
}
N_STEPS = 4
AUTHENTIC = torch.tensor([1.0, 0.0, 1.0, 0.0])


def a_batch(model):
    """Four examples: what is authentic is bright, or moves upwards."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(model, FaceNetwork):
        shape = (4, model.n_frames, 3, model.size_px, model.size_px)
        crops = torch.randint(0, 100, shape, dtype=torch.uint8, generator=generator)
        crops[AUTHENTIC > 0] += 150
        return crops, torch.full((4,), model.n_frames)
    features = 0.1 * torch.randn(4, model.window_frames, n_features(model), generator=generator)
    features += (2 * AUTHENTIC - 1)[:, None, None]
    return features, torch.full((4,), model.window_frames)


def optimiser_of(network, told):
    free = [weight for weight in network.parameters() if weight.requires_grad]
    if told.kind == "sgd":
        return torch.optim.SGD(free, lr=told.rate, momentum=told.momentum, weight_decay=told.weight_decay)
    return torch.optim.Adam(free, lr=told.rate, betas=told.betas, weight_decay=told.weight_decay)


@pytest.mark.parametrize("name", TAUGHT)
def test_the_loss_of_a_preset_falls(name):
    preset = TAUGHT[name].tiny()
    network = build_network(preset, seed=1)
    optimiser = optimiser_of(network, preset.training.optimiser)
    inputs, lengths = a_batch(preset.model)
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(N_STEPS):
            loss = nn.functional.binary_cross_entropy_with_logits(network(inputs, lengths), AUTHENTIC)
            losses.append(float(loss.detach()))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert min(losses[-2:]) < losses[0]


@pytest.mark.heavy
@pytest.mark.parametrize("name", TAUGHT)
def test_a_preset_takes_a_step_at_its_full_size(name):
    preset = TAUGHT[name]
    network = build_network(preset, seed=1)
    optimiser = optimiser_of(network, preset.training.optimiser)
    inputs, lengths = a_batch(preset.model)
    if isinstance(preset.model, FaceNetwork):  # two clips of two frames: whole ones are for a GPU
        inputs, lengths = inputs[:2, :2], torch.full((2,), min(2, preset.model.n_frames))
    before = network.head.dense[-1].weight.clone() if isinstance(preset.model, FaceNetwork) else None
    loss = nn.functional.binary_cross_entropy_with_logits(network(inputs, lengths), AUTHENTIC[: len(inputs)])
    loss.backward()
    optimiser.step()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(weight).all() for weight in network.parameters())
    if before is not None:
        assert not torch.equal(before, network.head.dense[-1].weight)
