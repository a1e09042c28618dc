"""The network in our own loop gives what ultralytics' predictor gives, whatever the batch."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keypoint_extractors import yolo_pose
from keypoint_extractors.following import box_overlap
from keypoint_extractors.letterbox import lay_into_input, letterbox
from keypoint_extractors.observation import PoseEstimator
from keypoint_extractors.quiet_ultralytics import import_ultralytics
from keypoint_extractors.regions import WIDENING_PX
from keypoint_extractors.yolo_pose import YoloPose, yolo_fingerprint
from keypoint_extractors.yolo_weights import load_pose_network
from poseauth.errors import ExtractorError, WeightsNotFoundError
from poseauth.keypoints import COCO17_ORDER, L_SHOULDER, NECK, R_SHOULDER
from tests.picture_groups import grouped

ROOT = Path(__file__).resolve().parents[2]
RENDERED = ROOT / "../shared/data/weights/yolo26n-pose-rendered.pt"
needs_weights = pytest.mark.skipif(
    not RENDERED.is_file(), reason="../shared/data/weights/yolo26n-pose-rendered.pt is missing"
)
ROWS = [row for row in COCO17_ORDER if row is not None]
NOT_NECK = [index for index in range(12) if index != NECK]
SKIN, SUIT = (220, 180, 150), (40, 40, 70)


def figure(width=1280, height=720, shift=0):
    """A crude speaker in a suit, as the network of the rendered speakers knows them."""
    import cv2

    picture = np.full((720, 1280, 3), (150, 160, 170), np.uint8)
    x = 640 + shift
    cv2.rectangle(picture, (x - 140, 330), (x + 140, 720), SUIT, -1)
    for side in (-1, 1):
        cv2.line(picture, (x + side * 130, 350), (x + side * 230, 540), SUIT, 60)
        cv2.line(picture, (x + side * 230, 540), (x + side * 120, 640), SUIT, 50)
        cv2.circle(picture, (x + side * 120, 640), 30, SKIN, -1)
    cv2.rectangle(picture, (x - 30, 270), (x + 30, 340), SKIN, -1)
    cv2.ellipse(picture, (x, 210), (75, 100), 0, 0, 360, SKIN, -1)
    for side in (-1, 1):
        cv2.circle(picture, (x + side * 28, 190), 8, (20, 20, 20), -1)
    return cv2.resize(picture, (width, height)) if (width, height) != (1280, 720) else picture


@pytest.fixture(scope="module")
def rendered():
    estimator = YoloPose(RENDERED, device="cpu")
    yield estimator
    estimator.close()


def noise(seed=3):
    return np.random.default_rng(seed).integers(0, 256, (192, 320, 3), dtype=np.uint8)


def push_to_see_people(model):
    """Set the scores of a network with weights by chance so that noise has a few people in it."""
    import torch

    def spread(layer, inputs, output):
        scale = 2 / output.std()
        layer.weight.data *= scale
        layer.bias.data = (layer.bias.data - output.mean()) * scale - 5

    head = model.model[-1]
    last_layers = [branch[-1] for branch in [*head.cv3, *getattr(head, "one2one_cv3", [])]]
    pixels = torch.from_numpy(noise()[None]).permute(0, 3, 1, 2) / 255
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    # Normalised by this very picture, the signal does not fade on its way through the layers.
    model.train()(pixels)
    hooks = [layer.register_forward_hook(spread) for layer in last_layers]
    model.eval()(pixels)
    for hook in hooks:
        hook.remove()


def untrained_checkpoint(name, folder):
    """A checkpoint with weights by chance."""
    import torch

    torch.manual_seed(0)
    tasks = import_ultralytics("nn.tasks")
    model = tasks.PoseModel(f"{name}.yaml", nc=1, verbose=False)
    model.task, model.names = "pose", {0: "person"}
    with torch.no_grad():
        push_to_see_people(model)
    path = folder / f"{name}.pt"
    torch.save({"model": model, "ema": None, "train_args": {"task": "pose"}}, path)
    return path


@pytest.fixture(scope="module", params=["yolov8n-pose", "yolo11n-pose", "yolo26n-pose"])
def untrained(request, tmp_path_factory):
    """One of each generation: (name, path)."""
    return request.param, untrained_checkpoint(request.param, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The path of one checkpoint, where the generation does not matter."""
    return untrained_checkpoint("yolo11n-pose", tmp_path_factory.mktemp("weights"))


def predicted(path, frame, limit, **options):
    """Boxes and COCO-17 keypoints from ultralytics' own predictor."""
    model = import_ultralytics().YOLO(str(path))
    result = model.predict(frame[..., ::-1].copy(), conf=limit, verbose=False, save=False, device="cpu", **options)[0]
    return result.boxes.xyxy.numpy(), result.keypoints.data.numpy()


def assert_agrees(found, boxes, keypoints, frame, min_confidence):
    """Same people in the same order, keypoints within a pixel, what is doubtful or outside undetected."""
    assert len(found) == len(boxes) > 0
    np.testing.assert_allclose(found.boxes, boxes, atol=1.0)
    height, width = frame.shape[:2]
    xy, confidence = keypoints[:, ROWS, :2], keypoints[:, ROWS, 2]
    clipped = (xy[..., 0] <= 0) | (xy[..., 1] <= 0) | (xy[..., 0] >= width - 1) | (xy[..., 1] >= height - 1)
    clear = np.abs(confidence - min_confidence) > 1e-3
    expected = (confidence >= min_confidence) & ~clipped
    seen = found.confidence[:, NOT_NECK] > 0
    np.testing.assert_array_equal(seen[clear & ~clipped], expected[clear & ~clipped])
    both = seen & expected
    np.testing.assert_allclose(found.keypoints[:, NOT_NECK][both], xy[both], atol=1.0)


@needs_weights
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (640, 360), (500, 720)], ids=str)
def test_people_and_keypoints_are_those_of_ultralytics_own_predictor(rendered, size):
    frame = figure(*size, shift=-60)
    ((found,),) = rendered.detect(grouped([frame]))
    # Its default runs the other head of YOLO26, which needs suppression; nms=False asks for the end-to-end one.
    limit = yolo_pose.MIN_PERSON_CONFIDENCE
    boxes, keypoints = predicted(RENDERED, frame, limit, imgsz=640, nms=False)
    if not len(boxes):
        assert len(found) == 0
        return
    assert_agrees(found, boxes, keypoints, frame, yolo_pose.MIN_CONFIDENCE)


@needs_weights
def test_a_drawn_speaker_is_found_where_they_stand(rendered):
    found = [people for (people,) in rendered.detect(grouped([figure(shift=-200)], [figure(shift=100)]))]
    centres = [people.boxes[0, [0, 2]].mean() for people in found]
    assert centres[0] == pytest.approx(440, abs=80)
    assert centres[1] == pytest.approx(740, abs=80)
    np.testing.assert_allclose(
        found[0].keypoints[0, NECK], (found[0].keypoints[0, R_SHOULDER] + found[0].keypoints[0, L_SHOULDER]) / 2
    )


@needs_weights
def test_colours_are_read_as_rgb(rendered):
    frame = figure(shift=-60)
    (right,), (wrong,) = rendered.detect(grouped([frame], [frame[..., ::-1].copy()]))
    boxes, _ = predicted(RENDERED, frame, yolo_pose.MIN_PERSON_CONFIDENCE, imgsz=640, nms=False)
    assert np.abs(right.boxes[0] - boxes[0]).max() < 1
    assert len(wrong) != len(right) or not np.allclose(wrong.scores, right.scores)


@needs_weights
def test_neither_batch_nor_threads_change_the_result(rendered):
    frames = [figure(shift=shift) for shift in (-200, -90, 0, 45, 130)]
    groups = [frames[:4], frames[4:], frames[1:3]]
    one_by_one = YoloPose(RENDERED, device="cpu", batch_size=1, n_threads=1)
    together = YoloPose(RENDERED, device="cpu", batch_size=7, n_threads=3)
    seen = [[people for group in some.detect(grouped(*groups)) for people in group] for some in (one_by_one, together)]
    for one, batched in zip(*seen, strict=True):
        assert len(one) == len(batched)
        np.testing.assert_allclose(one.boxes, batched.boxes, atol=0.05)
        np.testing.assert_allclose(one.keypoints, batched.keypoints, atol=0.05)
        np.testing.assert_allclose(one.confidence, batched.confidence, atol=1e-4)


@pytest.fixture
def looked_at(rendered, monkeypatch):
    """The shapes of the batches that the network is shown."""
    shapes = []
    run = rendered._run
    monkeypatch.setattr(rendered, "_run", lambda model, inputs: shapes.append(inputs.shape[:3]) or run(model, inputs))
    return shapes


@needs_weights
def test_after_a_whole_look_the_region_of_the_people_gives_the_same(rendered, looked_at):
    frames = [figure(shift=shift) for shift in (-60, -55, -48, -40, -35)]
    (group,) = rendered.detect(grouped(frames))
    n_frames, height, width = looked_at[1]
    assert looked_at[0] == (1, 384, 640)
    assert n_frames == 4
    assert height * width < 0.8 * 384 * 640
    whole = [people for (people,) in rendered.detect(grouped(*([frame] for frame in frames)))]
    # These weights do not find the drawn figure in every frame.
    found = [(people, alone) for people, alone in zip(group, whole, strict=True) if len(people) and len(alone)]
    assert len(found) >= 3
    for people, alone in found:
        width = np.linalg.norm(alone.keypoints[0, R_SHOULDER] - alone.keypoints[0, L_SHOULDER])
        away = np.linalg.norm(people.keypoints[0] - alone.keypoints[0], axis=-1) / width
        assert np.nanmedian(away) < 0.02


@needs_weights
def test_who_leaves_the_region_is_looked_for_in_the_whole_picture(rendered, looked_at):
    """The group begins with the person on the left; then they are far on the right."""
    frames = [figure(shift=shift) for shift in (-250, 220)]
    ((_, people),) = rendered.detect(grouped(frames))
    assert looked_at[-1] == (1, 384, 640)
    ((alone,),) = rendered.detect(grouped([frames[1]]))
    assert len(alone) > 0
    np.testing.assert_allclose(people.boxes, alone.boxes, atol=0.1)


@needs_weights
def test_who_comes_near_the_edge_of_the_region_is_looked_for_in_a_wider_one(rendered, looked_at):
    frames = [figure(shift=shift) for shift in (0, 0, 130)]
    ((_, near, away),) = rendered.detect(grouped(frames))
    whole, region, wider = looked_at
    assert whole == (1, 384, 640)
    assert region[0] == 2
    assert wider == (1, region[1], region[2] + WIDENING_PX)
    for people, frame in ((near, frames[1]), (away, frames[2])):
        ((alone,),) = rendered.detect(grouped([frame]))
        assert len(alone) > 0
        assert box_overlap(people.boxes[:1], alone.boxes[:1])[0] > 0.9


@needs_weights
def test_half_precision_moves_no_keypoint_by_a_pixel(rendered):
    """On CUDA the body of the network runs in half precision; here the same network does so on the CPU."""
    import torch

    pictures = lay_into_input([figure()], letterbox(1280, 720, 640, 32))
    scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    exact, half = (load_pose_network(RENDERED).model for _ in range(2))
    half = yolo_pose._in_half_precision(half)
    with torch.inference_mode():
        whole = exact(scaled)[0][0, 0]
        halved = half(scaled.half())[0][0, 0]
    assert halved.dtype == torch.float32
    assert float((whole[:4] - halved[:4]).abs().max()) < 1.0
    keypoints, halved_keypoints = whole[6:].view(17, 3), halved[6:].view(17, 3)
    assert float((keypoints[:, :2] - halved_keypoints[:, :2]).abs().max()) < 1.0


def test_every_generation_loads_and_agrees_with_the_predictor(untrained):
    name, path = untrained
    estimator = YoloPose(path, device="cpu", image_size=320, min_person_confidence=0.5)
    assert load_pose_network(path).end_to_end == name.startswith("yolo26")
    ((found,),) = estimator.detect(grouped([noise()]))
    boxes, keypoints = predicted(path, noise(), 0.5, imgsz=320, nms=False)
    assert_agrees(found, boxes, keypoints, noise(), yolo_pose.MIN_CONFIDENCE)


def test_the_fingerprint_names_weights_and_options_but_not_the_speed(small):
    path, name = small, small.stem
    estimator = YoloPose(path, device="cpu", image_size=320)
    fingerprint = estimator.fingerprint
    assert fingerprint.name == "yolo"
    assert fingerprint.version == import_ultralytics().__version__
    assert fingerprint.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert fingerprint.options["model"] == name
    assert fingerprint.options["image_size"] == 320
    assert fingerprint.digest == YoloPose(path, device="cpu", image_size=320, batch_size=7).fingerprint.digest
    assert fingerprint.digest != YoloPose(path, device="cpu", image_size=640).fingerprint.digest
    assert fingerprint.digest != YoloPose(path, device="cpu", image_size=320, min_confidence=0.5).fingerprint.digest


def test_the_fingerprint_is_known_before_the_network_is_loaded(small):
    assert yolo_fingerprint(small) == YoloPose(small, device="cpu").fingerprint


def test_it_is_a_pose_estimator(small):
    estimator: PoseEstimator = YoloPose(small, device="cpu", image_size=64, batch_size=2)
    assert estimator.sees_many
    frames = [np.zeros((36, 64, 3), np.uint8)] * 5
    groups = list(estimator.detect(grouped(frames[:3], frames[3:])))
    assert [len(group) for group in groups] == [3, 2]
    found = [people for group in groups for people in group]
    for people in found:
        undetected = people.confidence == 0
        assert np.isnan(people.keypoints[undetected]).all()
        assert np.isfinite(people.keypoints[~undetected]).all()
        assert ((people.scores >= 0) & (people.scores <= 1)).all()
    assert list(estimator.detect(grouped())) == []
    estimator.close()
    estimator.close()
    with pytest.raises(ValueError, match="closed"):
        list(estimator.detect(grouped(frames)))


def test_a_device_that_is_not_there_is_an_error_and_never_another_device(small, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert YoloPose(small, device="auto").device == "cpu"
    with pytest.raises(ExtractorError, match="--device cpu"):
        YoloPose(small, device="cuda")
    with pytest.raises(ExtractorError, match="not known"):
        YoloPose(small, device="gpu")


def test_a_full_memory_names_the_batch(small, monkeypatch):
    estimator = YoloPose(small, device="cpu", image_size=64)

    def full(model, pictures):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(estimator, "_run", full)
    with pytest.raises(ExtractorError, match="batch smaller than 16"):
        list(estimator.detect(grouped([np.zeros((36, 64, 3), np.uint8)])))


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"image_size": 100}, "multiple of 32"), ({"image_size": 0}, "multiple of 32"), ({"batch_size": 0}, "batch_size")],
)
def test_impossible_options_are_refused(small, options, reason):
    with pytest.raises(ValueError, match=reason):
        YoloPose(small, device="cpu", **options)


def test_missing_weights_are_said_before_anything_is_loaded(tmp_path):
    with pytest.raises(WeightsNotFoundError):
        YoloPose(tmp_path / "nowhere.pt")


def test_neither_detecting_nor_tracking_imports_torchvision(tmp_path):
    paths = [str(untrained_checkpoint(name, tmp_path)) for name in ("yolov8n-pose", "yolo26n-pose")]
    program = (
        "import sys, numpy as np\n"
        "from keypoint_extractors.observation import PictureGroup\n"
        "from keypoint_extractors.yolo_pose import YoloPose\n"
        "from keypoint_extractors.tracking import track_people\n"
        "frames = [np.random.default_rng(3).integers(0, 256, (192, 320, 3), dtype=np.uint8)] * 3\n"
        f"for path in {paths!r}:\n"
        "    estimator = YoloPose(path, device='cpu', image_size=320, min_person_confidence=0.5)\n"
        "    (found,) = estimator.detect([PictureGroup(frames, [0, 1, 2], True)])\n"
        "    assert len(list(track_people(found, np.zeros(3, np.int32), 30.0))) == 3\n"
        "    assert max(map(len, found)) > 1, found\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
