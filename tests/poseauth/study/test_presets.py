"""Presets: what comes with poseauth, what a user may write, and what is refused in words."""

from __future__ import annotations

import dataclasses

import pytest

from poseauth.errors import PresetError
from poseauth.study.preset_files import (
    built_in_files,
    choose_presets,
    load_presets,
    presets_from_text,
    read_built_in,
    read_presets,
)
from poseauth.study.presets import (
    FaceNetwork,
    Head,
    Optimiser,
    PoseNetwork,
    PoseProfile,
    Preset,
    Training,
    WindowClassifier,
)

PRESETS = load_presets()
GRID = read_built_in("ann_comparison2020_grid")
SEARCH = read_built_in("optimiser_search")
every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))


def test_every_source_of_the_literature_has_its_detectors():
    counts = {}
    for name in PRESETS:
        source = name.partition("-")[0]
        counts[source] = counts.get(source, 0) + 1
    assert counts == {
        "agarwal2019": 2, "ann2020": 5, "hada2022": 4, "li2019": 1, "pose": 9, "singh2020": 4, "yadav2023": 2,
        "yasrab2021": 8,
    }  # fmt: skip


def test_every_backbone_head_and_kind_of_pose_model_is_in_some_preset():
    faces = [preset.model for preset in PRESETS.values() if isinstance(preset.model, FaceNetwork)]
    assert {model.backbone for model in faces} == set(_known("backbone"))
    assert {model.head.kind for model in faces} == {"mean", "lstm", "gru", "mlp"}
    assert {model.frozen_share for model in [*faces, *(preset.model for preset in GRID.values())]} == {0, 0.5, 0.75, 1}
    poses = [preset.model for preset in PRESETS.values() if isinstance(preset.model, PoseNetwork)]
    assert {model.kind for model in poses} == {"lstm", "gru", "mlp", "tcn", "transformer"}
    assert any(model.keypoints == "face" for model in poses)
    assert any(model.varying for model in poses)
    fitted = {preset.model.kind for preset in PRESETS.values() if isinstance(preset.model, WindowClassifier)}
    assert fitted == {"correlation_ocsvm", "correlation_logistic", "mean_pose_logistic"}
    assert any(isinstance(preset.model, PoseProfile) for preset in PRESETS.values())


def _known(field):
    with pytest.raises(PresetError) as refused:
        FaceNetwork(**{field: "no such"})
    return str(refused.value).partition("known are ")[2].split(", ")


def test_the_numbers_of_a_preset_are_those_of_its_source():
    best = PRESETS["yasrab2021-lstm-2x512"]
    assert (best.model.width, best.model.n_layers, best.model.dropout, best.model.window_frames) == (512, 2, 0.5, 150)
    assert best.training == Training(
        Optimiser("adam", 1e-2, weight_decay=1e-4, halve_every=30, clip_norm=0.25), batch=1, epochs=200
    )
    singh = PRESETS["singh2020-xception"]
    assert (singh.model.n_frames, singh.model.size_px, singh.model.margin) == (30, 240, 0.35)
    assert (singh.training.optimiser.rate, singh.training.optimiser.betas, singh.training.batch) == (
        1e-4, (0.9, 0.999), 2,
    )  # fmt: skip
    hada = PRESETS["hada2022-resnet50-lstm"]
    assert hada.training.update_every == 64
    assert hada.model.head == Head("lstm", width=2048, leaky=True, dropout=0.4, dense=(2048,))
    yadav = PRESETS["yadav2023-resnext50"]
    assert (yadav.model.size_px, yadav.model.frames, yadav.model.head.pooling) == (112, "first", "mean")


def test_the_grid_has_every_network_of_the_comparison():
    kinds = {}
    for preset in GRID.values():
        head = preset.model.head
        kinds.setdefault((preset.model.backbone, head.kind), []).append(preset)
    assert {kind: len(some) for kind, some in kinds.items()} == {
        ("custom", "mean"): 8 + 15,
        ("inception_v3", "mean"): 3,
        ("inception_v3", "lstm"): 20,
        ("inception_v3", "gru"): 20,
        ("inception_v3", "mlp"): 22,
    }
    assert len({preset.model for preset in GRID.values()}) == len(GRID)
    assert PRESETS["ann2020-cnn-128x3"].model == GRID["grid-cnn-128x3"].model


def test_the_search_goes_the_ways_of_the_method():
    steps = [(p.training.optimiser.kind, p.training.optimiser.rate, p.model.n_layers) for p in SEARCH.values()]
    assert steps == [("sgd", 1e-3, 1), ("sgd", 1e-4, 1), ("adam", 1e-3, 1), ("adam", 1e-3, 2), ("adam", 1e-2, 2)]
    final = PRESETS["yasrab2021-lstm-2x512"]
    assert (SEARCH["search-adam-decay"].model, SEARCH["search-adam-decay"].training) == (final.model, final.training)


@every_preset
def test_the_tiny_one_is_of_the_same_kind(preset):
    tiny = preset.tiny()
    assert (tiny.name, tiny.source, type(tiny.model)) == (preset.name, preset.source, type(preset.model))
    for kept in ("kind", "n_layers", "pooling", "features", "keypoints", "shortest_frames", "backbone", "frozen_share"):
        assert getattr(tiny.model, kept, None) == getattr(preset.model, kept, None), kept
    if isinstance(preset.model, FaceNetwork):
        assert tiny.model.narrow
        assert tiny.model.size_px <= 75
        assert len(tiny.model.filters) == len(preset.model.filters)
        assert len(tiny.model.head.dense) == len(preset.model.head.dense)
    if preset.training:
        assert tiny.training.optimiser.kind == preset.training.optimiser.kind
        assert tiny.training.epochs <= 8


@pytest.mark.parametrize(
    "model",
    [PoseNetwork("transformer", width=9, n_heads=3), FaceNetwork("custom", (1, 1), size_px=32, n_frames=1)],
)
def test_what_is_small_already_has_a_tiny_one_too(model):
    tiny = Preset("a", "A", "me", model, Training(batch=1, epochs=1)).tiny()
    assert getattr(tiny.model, "width", 0) <= 9
    assert getattr(tiny.model, "size_px", 0) <= 32


def test_another_length_is_another_row():
    face, pose = PRESETS["yadav2023-resnext50"].at_length(20), PRESETS["pose-gru-2x256"].at_length(40)
    assert (face.name, face.model.n_frames) == ("yadav2023-resnext50-20", 20)
    assert (pose.name, pose.model.window_frames, pose.model.varying) == ("pose-gru-2x256-40", 40, False)
    assert PRESETS["agarwal2019-ocsvm"].at_length(300).model.window_frames == 300
    with pytest.raises(PresetError, match="150 frames only"):
        PRESETS["pose-profile"].at_length(40)
    with pytest.raises(PresetError, match="window_frames is 1; 2 to 1000"):
        PRESETS["pose-gru-2x256"].at_length(1)


MINE = """
[presets.mine]
title = "Mine"
source = "me"
face_network.backbone = "custom"
face_network.filters = [4, 8]
face_network.head = { kind = "lstm", width = 9, dense = [3], dropout = 0.5 }
training.batch = 3
training.update_every = 6
training.optimiser = { kind = "sgd", rate = 1, momentum = 0.5 }

[presets.mine-too]
like = "mine"
title = "Mine, too"
face_network.head = { kind = "mean" }
face_network.size_px = 64
training.optimiser.rate = 0.5
"""


def test_a_preset_of_the_users_own_is_read_as_written(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    first = Preset(
        "mine", "Mine", "me",
        FaceNetwork("custom", (4, 8), head=Head("lstm", width=9, dense=(3,), dropout=0.5)),
        Training(Optimiser("sgd", 1.0, momentum=0.5), batch=3, update_every=6),
    )  # fmt: skip
    second = Preset(
        "mine-too", "Mine, too", "me",
        FaceNetwork("custom", (4, 8), head=Head("mean"), size_px=64),
        Training(Optimiser("sgd", 0.5, momentum=0.5), batch=3, update_every=6),
    )  # fmt: skip
    assert list(read_presets(path).values()) == [first, second]
    assert choose_presets(f"{path},singh2020-xception") == (first, second, PRESETS["singh2020-xception"])


def test_presets_are_chosen_by_name_by_file_and_all():
    assert choose_presets("all") == tuple(PRESETS.values())
    assert choose_presets("pose-mean, yadav2023,pose-mean") == (
        PRESETS["pose-mean"], *read_built_in("yadav2023").values(),
    )  # fmt: skip
    assert choose_presets("optimiser_search") == tuple(SEARCH.values())
    assert choose_presets("grid-lstm-512x3") == (GRID["grid-lstm-512x3"],)
    assert not set(PRESETS) & {*GRID, *SEARCH}
    assert set(built_in_files()) > {"yasrab2021", "optimiser_search"}
    with pytest.raises(PresetError, match=r"no preset is called 'nobody'.*singh2020-xception"):
        choose_presets("pose-mean,nobody")


def test_two_different_presets_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(MINE.replace("mine]", "pose-mean]").replace('"mine"', '"pose-mean"'))
    with pytest.raises(PresetError, match="two different presets are called pose-mean"):
        choose_presets(f"all,{path}")


GOOD = """
[presets.x]
title = "X"
source = "me"
training.batch = 2
pose_network = { kind = "lstm" }
"""


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("", "", None),
        ("batch = 2", "batch = 0", "training: batch is 0; 1 to 4096 are needed"),
        ("batch = 2", "batch = true", "training.batch is 'True'; a whole number is needed"),
        ("batch = 2", "batch = 2.5", "training.batch is '2.5'; a whole number is needed"),
        ("batch = 2", "batch = 9\ntraining.update_every = 3", "update_every is 3; 9 to 65536"),
        ("batch = 2", "size = 2", "training: 'size' is not known; known are batch, epochs, optimiser, update_every"),
        ("batch = 2", "optimiser.rate = nan", "training.optimiser: rate is nan; 1e-08 to 10"),
        ("batch = 2", "optimiser.rate = 0x" + "f" * 9000, "more than 15 digits; that is beyond every range"),
        ("batch = 2", "optimiser.betas = [0.9]", "betas has 1 numbers; two are needed"),
        ("batch = 2", 'optimiser.kind = "lion"', "kind is 'lion'; known are sgd, adam, adamw"),
        ("training.batch = 2", "training = 3", "training is '3'; a table is needed"),
        ("training.batch = 2", "", "training is missing"),
        ('kind = "lstm"', "", "pose_network: kind must be said"),
        ('kind = "lstm"', 'kind = ["lstm"]', "pose_network.kind is a list; a text is needed"),
        ('kind = "lstm"', 'kind = "lstm", width = 100000', "width is 100000; 1 to 4096"),
        ('kind = "lstm"', 'kind = "transformer", width = 30', "width is 30; a multiple of the 4 attention heads"),
        ('kind = "lstm"', 'kind = "tcn", kernel = 4', "kernel is 4; an odd number"),
        ('kind = "lstm"', 'kind = "mlp", shortest_frames = 30', "an mlp takes windows of one length"),
        ('kind = "lstm"', 'kind = "lstm", keypoints = "face", features = "torso"', '"face" go with features "zscore"'),
        ("pose_network", "face_network = {}\npose_network", "2 models; one of"),
        ('pose_network = { kind = "lstm" }', "pose_profile = {}", "leave it out"),
        ('pose_network = { kind = "lstm" }', 'face_network = { backbone = "vgg19" }', "'vgg19'; known are vgg16"),
        ('pose_network = { kind = "lstm" }', 'face_network = { backbone = "custom" }', "filters has 0 numbers"),
        (
            'pose_network = { kind = "lstm" }',
            'face_network = { backbone = "inception_v3", size_px = 32 }',
            "size_px is 32; 75 to 1024",
        ),
        (
            'pose_network = { kind = "lstm" }',
            'face_network = { backbone = "vgg16", head.dense = [1,1,1,1,1,1,1,1,1] }',
            "dense has 9 numbers; at most 8",
        ),
        ('title = "X"', "title = 3", "title is '3'; a text is needed"),
        ('title = "X"', 'title = "a\\nb"', "title has 3 characters; 1 to 200 that can be printed"),
        ('title = "X"', 'title = "X"\nlike = "y"', "like is 'y'; the name of a preset above it"),
        ("[presets.x]", "[presets.'../x']", "up to 80 lower-case letters"),
        ("[presets.x]", "[presets]\ny = 3\n[presets.x]", "preset 'y': it is '3'; a table is needed"),
        ("[presets.x]", "[shared]", "'shared' is not known; known are presets"),
        ("[presets.x]", "[presets", "not TOML"),
        (GOOD, "", "presets is missing; 1 to 200 tables"),
        (GOOD, "presets = 1", "presets is '1'; 1 to 200 tables"),
        (GOOD, "a = " + "[" * 100_000, "not TOML"),
        (GOOD, "".join(GOOD.replace(".x]", f".x{i}]") for i in range(201)), "201 presets; 1 to 200"),
    ],
)  # fmt: skip
def test_whatever_is_not_known_or_out_of_range_is_refused_in_words(tmp_path, before, after, words):
    path = tmp_path / "hostile.toml"
    path.write_text(GOOD.replace(before, after, 1))
    if words is None:
        assert list(read_presets(path)) == ["x"]
        return
    with pytest.raises(PresetError, match=words) as refused:
        read_presets(path)
    assert str(refused.value).startswith(str(path))
    assert len(str(refused.value)) < 600


def test_a_file_that_is_too_large_no_text_or_not_there_is_refused(tmp_path):
    path = tmp_path / "x.toml"
    with pytest.raises(PresetError, match=r"x\.toml: cannot be read \(No such file"):
        read_presets(path)
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(PresetError, match="more than 1048576 bytes"):
        read_presets(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PresetError, match="not a text in UTF-8"):
        read_presets(path)


def test_a_preset_is_never_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["pose-mean"].title = "other"
    assert presets_from_text(GOOD, where="here") == presets_from_text(GOOD, where="there")
