"""Networks over windows: what they are shown, and that nothing but the window decides its logit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseauth.study.building import build_network, count_parameters
from poseauth.study.pose_features import FACE, encode, n_features
from poseauth.study.pose_networks import PoseClassifier
from poseauth.study.preset_files import load_presets
from poseauth.study.presets import PoseNetwork

PRESETS = load_presets()
KINDS = ("lstm", "gru", "tcn", "transformer", "mlp")
every_kind = pytest.mark.parametrize("kind", KINDS)


def small(kind, **options):
    return PoseNetwork(kind, **{"width": 8, "n_heads": 2, "dropout": 0.2, **options})


def some_features(network, n_windows=4, n_frames=None, seed=0):
    shape = (n_windows, n_frames or network.window_frames, n_features(network))
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "n_parameters"),
    [
        # An LSTM layer of torch has four gates, each with weights for its input and for its state and two biases.
        ("yasrab2021-lstm-2x512", 4 * 512 * (24 + 512 + 2) + 4 * 512 * (512 + 512 + 2) + 513),
        ("yasrab2021-lstm-2x256", 4 * 256 * (24 + 256 + 2) + 4 * 256 * (256 + 256 + 2) + 257),
        ("yasrab2021-lstm-3x128", 4 * 128 * (24 + 128 + 2) + 2 * 4 * 128 * (128 + 128 + 2) + 129),
        ("pose-lstm-1x128", 4 * 128 * (24 + 128 + 2) + 129),
        ("pose-gru-2x256", 3 * 256 * (24 + 256 + 2) + 3 * 256 * (256 + 256 + 2) + 257),
        ("pose-mlp-2x256", (150 * 24 + 1) * 256 + 257 * 256 + 257),
        ("pose-lstm-face", 4 * 256 * (10 + 256 + 2) + 4 * 256 * (256 + 256 + 2) + 257),
    ],
)
def test_a_preset_has_the_parameters_of_its_layers(name, n_parameters):
    with torch.device("meta"):
        counted = count_parameters(build_network(PRESETS[name]))
    assert (counted.n_all, counted.n_trainable) == (n_parameters, n_parameters)


@every_kind
def test_a_window_has_one_logit_which_its_neighbours_do_not_change(kind):
    network = small(kind, window_frames=30)
    model = PoseClassifier(network).eval()
    features = some_features(network)
    lengths = torch.full((4,), 30)
    together = model(features, lengths)
    assert together.shape == (4,)
    alone = torch.cat([model(features[i : i + 1], lengths[:1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert len(set(together.tolist())) == 4


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mlp"])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_filled_up_window_has_the_logit_that_it_has_alone(kind, pooling):
    network = small(kind, window_frames=30, shortest_frames=3, pooling=pooling, n_layers=3)
    model = PoseClassifier(network).eval()
    features = some_features(network)
    lengths = torch.tensor([3, 30, 17, 1])
    alone = torch.cat([model(features[i : i + 1, :n], torch.tensor([n])) for i, n in enumerate(lengths.tolist())])
    for rubbish in (0.0, 1e3):
        filled = features.clone()
        for i, n in enumerate(lengths.tolist()):
            filled[i, n:] = rubbish
        torch.testing.assert_close(model(filled, lengths), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru", "tcn", "transformer"])
def test_the_order_of_the_frames_counts(kind):
    network = small(kind, window_frames=20, pooling="mean")
    model = PoseClassifier(network).eval()
    features, lengths = some_features(network), torch.full((4,), 20)
    assert not torch.allclose(model(features, lengths), model(features.flip(1), lengths), atol=1e-4)


@every_kind
def test_a_seed_gives_the_first_weights_and_leaves_torchs_own_alone(kind):
    before = torch.random.get_rng_state()
    one, same, other = (PoseClassifier(small(kind, window_frames=10), seed=seed).arrays for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not all(np.array_equal(one[name], other[name]) for name in one)


def test_lengths_that_cannot_be_are_refused():
    network = small("lstm", window_frames=10)
    model, features = PoseClassifier(network), some_features(network)
    for lengths in ([0, 1, 1, 1], [1, 1, 1, 11]):
        with pytest.raises(ValueError, match="in a batch of 10"):
            model(features, torch.tensor(lengths))
    mlp = small("mlp", window_frames=10)
    with pytest.raises(ValueError, match="windows of 10 frames is given 9"):
        PoseClassifier(mlp)(some_features(mlp, n_frames=9), torch.full((4,), 9))


def test_face_only_sees_nothing_of_the_body(two_people):
    network = small("lstm", keypoints="face")
    windows, _ = two_people(3)
    shown = encode(windows, network)
    assert shown.shape == (3, 150, 10)
    body = [keypoint for keypoint in range(12) if keypoint not in FACE]
    moved = windows.copy()
    moved[:, :, body] += np.random.default_rng(0).normal(0, 30, moved[:, :, body].shape).astype(np.float32)
    assert np.array_equal(encode(moved, network), shown)
    moved[:, :50, FACE[0]] += 5
    assert not np.array_equal(encode(moved, network), shown)


@pytest.mark.parametrize(("features", "keypoints"), [("zscore", "all"), ("zscore", "face"), ("torso", "all")])
def test_a_filled_up_window_is_shown_as_it_is_alone_and_zero_beyond(two_people, features, keypoints):
    network = small("gru", features=features, keypoints=keypoints)
    windows, _ = two_people(2)
    short = windows[:, :90]
    filled = windows.copy()
    filled[:, 90:] = np.nan
    shown = encode(filled, network)
    assert shown.shape == (2, 150, n_features(network))
    np.testing.assert_allclose(shown[:, :90], encode(short, network), rtol=1e-5, atol=1e-6)
    assert not shown[:, 90:].any()
