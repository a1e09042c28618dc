"""What to do next after an answer, in sentences: by the verdict, or by what stood in the way of one."""

from __future__ import annotations

from poseauth.decision import Verdict
from poseauth.errors import (
    AmbiguousPersonError,
    ExtractorError,
    ExtractorMismatchError,
    InputError,
    KeypointFileError,
    NobodyError,
    NoEvidenceError,
    TooShortError,
    VideoError,
)
from poseauth.report import Verification

_WHOM_IT_SHOWS = "Look first whether the pictures show {person} at all: faces are not recognised here."
_OTHER_MEANS = "Check voice, lips, picture, date and place by other means: none of them was examined here."
_BY_VERDICT = {
    Verdict.AUTHENTIC: (
        "Treat it as a lead, never as proof: check above all the voice and the lips, which a dub exchanges.",
    ),
    Verdict.FAKE: (
        "Treat it as a lead, never as proof: ask for the unedited file, and whether {person} was filmed in a way that "
        "the enrolled videos do not have (seated, hands full, ill, another camera angle).",
    ),
    Verdict.INCONCLUSIVE: (
        "Look for a longer, wider or earlier version of this same footage, in which head, shoulders and elbows are in "
        "view without cuts, and ask the source for the unedited file.",
        "Whoever keeps the profile can add videos of {person} of this kind (other days, this camera angle) and ask "
        "again.",
    ),
}
_LEARNT_FROM = (
    "Lay it beside the video that the reason names, or the one that was given: picture, voice, lips and cuts can "
    "differ where the movement is the same, as they do when a face is swapped onto genuine footage.",
    "Find out which of the two is the earlier, and ask the source for the unedited file.",
    "For an answer on the movement, whoever keeps the profile has to learn it without that video and ask again.",
)
_BY_PROBLEM = {
    VideoError: (
        "See whether it is the file that was meant, whether all of it came, and whether it plays in a video player. If "
        "not, get it again from where it came.",
        "If it plays there, have it converted into an ordinary MP4 file (H.264) and ask again with that; keep the file "
        "as it came.",
    ),
    KeypointFileError: (
        "Give the video itself in place of the keypoints, or have them extracted from it anew, and ask again.",
    ),
    ExtractorMismatchError: (
        "Give the video itself in place of the keypoints, or have them extracted from it by the profile's extractor, "
        "and ask again.",
    ),
    ExtractorError: (
        "It is not the clip that stood in the way: whoever runs poseauth here has to mend what the reason names "
        "(“poseauth doctor” says what is missing and how to get it). Ask again then.",
    ),
    AmbiguousPersonError: (
        _WHOM_IT_SHOWS,
        "Find out which of the people in view is said to be {person}, say whom to follow in the way that the reason "
        "names, and ask again.",
    ),
    NobodyError: (
        _WHOM_IT_SHOWS,
        "See whether head, shoulders and elbows of {person} are in view and large enough to be told. If not, look for "
        "a wider or sharper version of this same footage, or for another part of it.",
        "If they are, somebody else may have been followed: say whom to follow, or leave out what was said of it, and "
        "ask again.",
    ),
    TooShortError: (
        _WHOM_IT_SHOWS,
        "Look for a longer version of this same footage in which {person} is in view without cuts, and ask the source "
        "for the unedited file.",
    ),
    NoEvidenceError: (
        _WHOM_IT_SHOWS,
        "Find out where the picture or the piece that comes again was taken from, ask the source for the unedited "
        "file, and hold that against {person}: without movement of its own this clip shows nothing to go by.",
    ),
    InputError: ("Mend what the reason names, and ask again.",),
}
"""Without a verdict: by the first kind that the error is of. Without a picture there is nothing to look at."""
_FAILED = (
    "Ask again. If it fails again, nothing is known of the clip by that: have whoever runs poseauth here look into it.",
)


def next_steps(result: Verification) -> list[str]:
    """What to do next.

    Parameters
    ----------
    result : Verification
        The answer; where there is none, by the kind of error that stood in the way.
    """
    if result.learnt_from:
        steps: tuple[str, ...] = (_WHOM_IT_SHOWS, *_LEARNT_FROM)
    elif result.verdict is not None:
        steps = (_WHOM_IT_SHOWS, *_BY_VERDICT[result.verdict])
    else:
        problem = result.problem or Exception
        steps = next((some for kind, some in _BY_PROBLEM.items() if issubclass(problem, kind)), _FAILED)
    return [step.format(person=result.person) for step in (*steps, _OTHER_MEANS)]
