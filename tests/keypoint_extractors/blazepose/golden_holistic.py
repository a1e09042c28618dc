"""Landmarks that MediaPipe 0.10.21's own Holistic gives of some pictures, kept so that tests need no MediaPipe.

    python -m tests.keypoint_extractors.blazepose.golden_holistic

writes them anew where that package is installed. The pictures are pieces of one drawn picture, which is kept too, so
that a change of the drawing changes none of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "golden"
PICTURE, LANDMARKS = FOLDER / "speaker.png", FOLDER / "holistic-0.10.21.npz"
N_FRAMES = 12
SIZE = (640, 400)


def pictures() -> list[np.ndarray]:
    """A speaker who moves through the picture: RGB [shape=(400, 640, 3)], uint8."""
    import cv2

    whole = cv2.cvtColor(cv2.imread(str(PICTURE)), cv2.COLOR_BGR2RGB)
    width, height = SIZE
    return [
        np.ascontiguousarray(whole[2 * frame : 2 * frame + height, 5 * frame : 5 * frame + width])
        for frame in range(N_FRAMES)
    ]


def holistic(frames: list[np.ndarray]) -> dict[str, np.ndarray]:
    """MediaPipe's landmarks: body [shape=(T, 33, 4)] and hands [shape=(T, 2, 21, 3)] in pixels, left first."""
    from mediapipe.python.solutions.holistic import Holistic

    width, height = SIZE
    body, hands = [], []
    with Holistic(smooth_landmarks=False) as graph:
        for frame in frames:
            seen = graph.process(frame)
            body.append([(p.x * width, p.y * height, p.z * width, p.visibility) for p in seen.pose_landmarks.landmark])
            hands.append(
                [
                    [(p.x * width, p.y * height, p.z * width) for p in hand.landmark] if hand else [(np.nan,) * 3] * 21
                    for hand in (seen.left_hand_landmarks, seen.right_hand_landmarks)
                ]
            )
    return {"body": np.array(body, np.float32), "hands": np.array(hands, np.float32)}


def main() -> None:
    """Draw the picture where it is not there, and ask MediaPipe."""
    import cv2

    from keypoint_extractors.drawing.figure import LOOKS, draw_speaker
    from keypoint_extractors.drawing.speakers import STYLES, speak

    FOLDER.mkdir(exist_ok=True)
    if not PICTURE.exists():
        speech = speak(STYLES[2], duration_s=2.0, seed=3, width=720, height=450)
        hands = speech.whole_body.hands[40]
        body = speech.keypoints[40], speech.confidence[40]
        drawn = draw_speaker(*body, hands=hands, look=LOOKS[2], width=720, height=450)
        cv2.imwrite(str(PICTURE), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    np.savez_compressed(LANDMARKS, **holistic(pictures()))


if __name__ == "__main__":
    main()
