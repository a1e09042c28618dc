"""Faces cut from a video by the keypoints of the head, in one pass over the video for all that is asked of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.video import sha256_of
from keypoint_extractors.video_limits import VideoLimits
from poseauth.arrays import Float64Array, Int64Array, UInt8Array
from poseauth.errors import KeypointFileError, NobodyError, VideoError
from poseauth.face_crop_files import FaceCropOptions, FaceCrops, read_face_crops, write_face_crops
from poseauth.keypoints import L_EAR, L_EYE, NECK, NOSE, R_EAR, R_EYE, KeypointSequence
from poseauth.windows import FPS

EYES_OF_WIDTH, NOSE_TO_NECK_OF_WIDTH = 0.42, 1.5
"""Distance of the eyes and from nose to neck, in widths of the head from ear to ear, of a head seen from the front."""
MIN_WIDTH_PX = 4.0
_SAME_TIME_S = 0.6 / FPS
"""A picture this near to a keypoint's time is the one it was seen in."""


def face_boxes(sequence: KeypointSequence) -> Float64Array:
    """Where the face is in each frame, by the keypoints of the head.

    The box is centred on the nose, as wide as the head from ear to ear: the largest of what ears, eyes and neck say,
    since a head that is turned shortens the distances across it.

    Returns
    -------
    np.ndarray [shape=(T, 3)], float64
        x and y of the centre and the width of a square, in pixels; NaN where no face is seen: without the nose and an
        eye, beyond the frame, or under `MIN_WIDTH_PX` wide.
    """
    points = sequence.keypoints.astype(np.float64)

    def apart(first: int, second: int) -> Float64Array:
        return np.asarray(np.linalg.norm(points[:, first] - points[:, second], axis=-1))

    measures = np.stack(
        [
            apart(R_EAR, L_EAR),
            apart(R_EYE, L_EYE) / EYES_OF_WIDTH,
            apart(NOSE, NECK) / NOSE_TO_NECK_OF_WIDTH,
        ]
    )
    width = np.where(np.isfinite(measures), measures, 0.0).max(axis=0)
    boxes = np.concatenate([points[:, NOSE], width[:, None]], axis=1)
    seen = sequence.seen
    there = seen[:, NOSE] & (seen[:, R_EYE] | seen[:, L_EYE]) & (width >= MIN_WIDTH_PX)
    frame = np.array([sequence.provenance.frame_width, sequence.provenance.frame_height], np.float64)
    if frame.all():
        with np.errstate(invalid="ignore"):
            there &= ((boxes[:, :2] >= 0) & (boxes[:, :2] < frame)).all(axis=1) & (width <= frame.max())
    boxes[~there] = np.nan
    return np.asarray(boxes)


def chosen_frames(boxes: Float64Array, options: FaceCropOptions) -> Int64Array:
    """Numbers of the frames to cut, in order: evenly spaced over those with a face, or the first of them.

    Parameters
    ----------
    boxes : np.ndarray [shape=(T, 3)], float64
        From `face_boxes`.
    options : FaceCropOptions
        How many, and which.

    Returns
    -------
    np.ndarray [shape=(n,)], int64
        n is at most `n_frames`; each frame once.
    """
    with_face = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if options.choice == "first" or len(with_face) <= options.n_frames:
        return with_face[: options.n_frames]
    # The middles of equal parts: neither the first nor the last frame is preferred.
    places = (np.arange(options.n_frames) + 0.5) * len(with_face) / options.n_frames
    return with_face[places.astype(np.int64)]


def cut_faces(
    path: Path,
    sequence: KeypointSequence,
    options: Sequence[FaceCropOptions],
    *,
    limits: VideoLimits | None = None,
) -> list[FaceCrops]:
    """The face of a clip by several options at once; the video is decoded no further than needed.

    Parameters
    ----------
    path : Path
        The video.
    sequence : KeypointSequence
        Keypoints of this video, in its pixels and on its clock.
    options : sequence of FaceCropOptions
        What is wanted.
    limits : VideoLimits or None
        What the file may ask of the machine; None: the usual.

    Returns
    -------
    list of FaceCrops
        One for each of `options`, in their order.

    Raises
    ------
    NobodyError
        If no face is seen in any frame.
    VideoError
        If the video cannot be decoded, or the keypoints are of another frame size or of other times.
    """
    boxes = face_boxes(sequence)
    wanted = [chosen_frames(boxes, one).tolist() for one in options]
    if not any(wanted):
        raise NobodyError(f"{path}: no face is seen in any of its {len(sequence)} frames (nose and an eye are needed)")
    last = max(numbers[-1] for numbers in wanted)
    cut: list[dict[int, UInt8Array]] = [{} for _ in options]
    with IsolatedVideo(path, limits=limits) as video:
        _check_size(path, sequence, (video.info.width, video.info.height))
        for frame in video:
            number = _seen_at(frame.time_s, sequence.timestamps_s)
            if number is None or np.isnan(boxes[number, 0]):
                continue
            for one, numbers, pictures in zip(options, wanted, cut, strict=True):
                if numbers and numbers[0] <= number:
                    pictures[number] = face_picture(frame.rgb, boxes[number], one)
                    # Keypoints may be of more frames than the video has: the next picture stands for all before it.
                    while numbers and numbers[0] <= number:
                        numbers.pop(0)
            if number >= last:
                break
    if not all(cut):
        raise VideoError(f"{path}: the video has no picture at the times of its keypoints. Are they of this video?")
    n_without = int(len(sequence) - np.isfinite(boxes).all(axis=1).sum())
    return [
        FaceCrops(np.stack(list(pictures.values())), sequence.timestamps_s[list(pictures)], n_without)
        for pictures in cut
    ]


def _seen_at(time_s: float, timestamps_s: Float64Array) -> int | None:
    """Number of the keypoints that were seen in the picture of this time; None where there are none."""
    number = int(np.searchsorted(timestamps_s, time_s))
    near = [one for one in (number - 1, number) if 0 <= one < len(timestamps_s)]
    best = min(near, key=lambda one: abs(timestamps_s[one] - time_s))
    return best if abs(timestamps_s[best] - time_s) <= _SAME_TIME_S else None


def face_picture(rgb: UInt8Array, box: Float64Array, options: FaceCropOptions) -> UInt8Array:
    """One face with its margin, scaled; what lies beyond the frame repeats the frame's edge.

    Parameters
    ----------
    rgb : np.ndarray [shape=(H, W, 3)], uint8
        The frame.
    box : np.ndarray [shape=(3,)], float64
        Centre and width in pixels; the centre lies in the frame.
    options : FaceCropOptions
        Margin and size.

    Returns
    -------
    np.ndarray [shape=(size_px, size_px, 3)], uint8
    """
    import cv2

    height, width = rgb.shape[:2]
    # At most the frame's longer side beyond the frame, whatever a keypoint file says.
    side = max(1, min(round(box[2] * (1 + 2 * options.margin)), 2 * max(height, width)))
    left, top = round(box[0] - side / 2), round(box[1] - side / 2)
    inside = rgb[max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)]
    beyond = (max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0))
    square = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE) if any(beyond) else inside
    way = cv2.INTER_AREA if side > options.size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (options.size_px, options.size_px), interpolation=way), dtype=np.uint8)


class FaceCache:
    """Face crops on disk, by what they rest on.

    Parameters
    ----------
    folder : Path
        Made when the first are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cut(
        self,
        path: Path,
        sequence: KeypointSequence,
        options: Sequence[FaceCropOptions],
        *,
        limits: VideoLimits | None = None,
    ) -> list[Path]:
        """The files of a clip's crops by each of the options, cut where they are not kept yet.

        Raises
        ------
        NobodyError, VideoError
            As `cut_faces`.
        StorageError
            If a file cannot be written.
        """
        sha256 = sha256_of(path)
        places = [self.folder / f"{one.key(sha256, sequence.digest)}.npz" for one in options]
        missing = [number for number, place in enumerate(places) if not _is_kept(place, options[number])]
        if missing:
            fresh = cut_faces(path, sequence, [options[number] for number in missing], limits=limits)
            for number, crops in zip(missing, fresh, strict=True):
                write_face_crops(crops, places[number])
        return places


def _is_kept(place: Path, options: FaceCropOptions) -> bool:
    """Whether the crops are there and whole; a damaged file is cut again and replaced."""
    with contextlib.suppress(KeypointFileError):
        read_face_crops(place, options)
        return True
    return False


def _check_size(path: Path, sequence: KeypointSequence, size: tuple[int, int]) -> None:
    known = sequence.provenance.frame_width, sequence.provenance.frame_height
    if all(known) and known != size:
        raise VideoError(
            f"{path}: its keypoints are of frames of {known[0]} x {known[1]} px, the video has {size[0]} x {size[1]}"
        )
