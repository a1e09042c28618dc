"""The page of one verified clip: the answer, its evidence and its chain of custody, to read, print and file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from keypoint_extractors.blazepose.model_files import networks_in_words
from poseauth import __version__
from poseauth.calibration import LikelihoodRatio
from poseauth.decision import VOTE_THRESHOLD, Verdict
from poseauth.keypoint_files import provenance_as_dict
from poseauth.metrics import Estimate, highest_share
from poseauth.report import NOT_EXAMINED, PROPOSITIONS, SCOPE, Verification, in_words, odds, sentence, verbal_scale
from poseauth.shown_text import counted
from poseauth.windows import WINDOW_S

from . import clip_why, score_chart
from .clip_evidence import ClipEvidence, Moment, Quality
from .next_steps import next_steps
from .page import NOT_KNOWN, capital, document, listed, section, table, text
from .score_chart import letters, shown_rows, timecode
from .telling import is_few

_MOST_PRINTED = 90
"""Rows up to which the table of windows is printed too: two minutes of them fill a sheet or two."""
_STYLE = """
:root { --for: #0072b2; --against: #c04a00; --open: #6b5b00; --band: #f3e6b3; }
@media (prefers-color-scheme: dark) {
  :root { --for: #56b4e9; --against: #ff9a4d; --open: #e6c84a; --band: #463f1f; }
}
body { max-width: 60rem; }
h1 { font-size: 1.25em; font-weight: 600; overflow-wrap: anywhere; margin: 0.6rem 0; }
h2 { margin: 2.2rem 0 0.4rem; font-size: 1.25em; border-bottom: 1px solid var(--line); padding-bottom: 0.2rem; }
h3 { font-size: 1em; margin: 1.2rem 0 0.3rem; }
p, li, dd { max-width: 46rem; overflow-wrap: anywhere; }
.answer { border-left: 0.5rem solid var(--tone); padding: 0.4rem 0 0.4rem 1rem; }
.answer .verdict { font-size: 2em; font-weight: 700; line-height: 1.15; color: var(--tone); margin: 0; }
.answer .lead { margin: 0.2rem 0 0; }
.authentic { --tone: var(--for); } .fake { --tone: var(--against); }
.inconclusive { --tone: var(--open); } .unanalysed { --tone: var(--line); }
.unanalysed .verdict { color: var(--ink); }
.means { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 0 2rem; }
.copy { background: var(--soft); border: 1px solid var(--line); border-radius: 0.3rem; padding: 0.7rem 0.9rem;
  user-select: all; max-width: none; }
.moments { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; margin: 0 0 1rem;
  padding: 0; list-style: none; }
figure { margin: 0; }
figure img { width: 100%; height: auto; display: block; border-bottom: 0.3rem solid var(--tone); }
figure a { color: inherit; }
figure a:focus-visible { outline: 3px solid var(--tone); outline-offset: 2px; }
figcaption { font-size: 0.95em; padding-top: 0.25rem; font-variant-numeric: tabular-nums; }
.play { font-weight: 600; }
.parts { padding: 0; list-style: none; }
.parts li { border-left: 0.3rem solid var(--tone); padding: 0.1rem 0 0.1rem 0.8rem; margin: 0.6rem 0; }
.parts b { color: var(--tone); }
.plain { --tone: var(--line); }
.plain b { color: var(--ink); }
h4 { font-size: 1em; font-weight: 600; font-style: italic; margin: 1rem 0 0.3rem; }
.pro { --tone: var(--for); } .contra { --tone: var(--against); }
.note { font-size: 0.95em; }
summary { cursor: pointer; padding: 0.3rem 0; font-weight: 600; }
.wide table { max-width: 100%; }
@media print {
  :root { --for: #005a8c; --against: #9a3b00; --open: #5a4d00; --band: #f3e6b3; }
  h2 { margin-top: 1.2rem; }
  h3, caption { break-after: avoid; }
  figure, .answer, .copy, .parts li, .drawing { break-inside: avoid; }
  th, td { padding: 0.12rem 0.4rem; }
  table { margin-bottom: 0.8rem; }
  .chart { min-width: 0; }
  .moments { grid-template-columns: repeat(3, 1fr); }
  .play { display: none; }
  details.short::details-content { content-visibility: visible; block-size: auto; }
  details.short summary { list-style: none; }
  table { font-size: 8.5pt; }
}
"""
_ANSWERS = {
    Verdict.AUTHENTIC: "Authentic",
    Verdict.FAKE: "Fake",
    Verdict.INCONCLUSIVE: "Inconclusive",
}
_FEW_OCCASIONS = (
    "Whether these videos are of different days and places is not known to the program. From one occasion alone it "
    "learns the occasion as much as the person, and a trial within it says little about another."
)
_MEANS = {
    Verdict.AUTHENTIC: "Head, shoulders and arms move here as in the videos that {person}'s profile was learnt from: "
    "the vote of the windows and the likelihood ratio of the whole clip both say so.",
    Verdict.FAKE: "Head, shoulders and arms do not move here as in the videos that {person}'s profile was learnt "
    "from: somebody else moves here, or {person} moves as never in those videos.",
    Verdict.INCONCLUSIVE: "The evidence does not suffice for an answer either way.",
    None: "There is no answer: the clip could not be analysed.",
}
_DOES_NOT_MEAN = {
    Verdict.AUTHENTIC: "That the words, the voice or the face are genuine. ",
    Verdict.FAKE: "How the footage was made, or that anybody meant to deceive: another camera angle or another setting "
    "than in those videos is another movement too. ",
    Verdict.INCONCLUSIVE: "Anything for the clip or against it: an inconclusive answer is not half a suspicion. ",
    None: "Anything about the clip, for it or against it. ",
}


def page(evidence: ClipEvidence) -> str:
    """The clip as a page of HTML: no script, nothing from elsewhere, its pictures inside.

    Parameters
    ----------
    evidence : ClipEvidence
        From `gather`.
    """
    result = evidence.result
    analysed = result.verdict is not None
    sections = [
        section("meaning", "What this means", _meaning(evidence)),
        section("next", "What to do next", _next_steps(result)),
        *_went_by(evidence),
        section("sure", "How sure" if analysed else "What there was to see, and the profile", _how_sure(evidence)),
        section("custody", "Chain of custody", _custody(evidence)),
    ]
    title = f"{evidence.clip.name}: {_ANSWERS[result.verdict].lower() if result.verdict else 'not analysed'}"
    return document(
        f"{title} ({result.person})",
        _answer(evidence),
        sections,
        f"<p>poseauth {text(__version__)}, {text(evidence.times_utc.get('finished', ''))}. {text(SCOPE)} Not examined: "
        f"{text(', '.join(NOT_EXAMINED))}.</p>",
        style=score_chart.STYLE + _STYLE,
    )


def _answer(evidence: ClipEvidence) -> str:
    result = evidence.result
    kind = result.verdict.value if result.verdict else "unanalysed"
    word = _ANSWERS[result.verdict] if result.verdict else "Not analysed"
    said = sentence(result) if result.verdict else "; ".join(result.reasons)
    if result.verdict is Verdict.INCONCLUSIVE and result.reasons:
        said += f": {result.reasons[0]}"
    coverage = result.provenance.coverage if result.provenance else None
    torn = (
        f"<p>The file seems incomplete: {text(coverage.broke_off)}. Get it again before you go on.</p>\n"
        if coverage and coverage.broke_off
        else ""
    )
    weaker = f"<p>{text(_weaker(result))}</p>\n" if result.asked_for_less else ""
    return (
        f"<h1>{text(evidence.clip.name)}, compared with videos of {text(result.person)}</h1>\n"
        f'<div class="answer {kind}">\n<p class="verdict">{word}</p>\n'
        f'<p class="lead">{text(capital(said))}.</p>\n{weaker}{torn}</div>'
    )


def _weaker(result: Verification) -> str:
    seconds = result.decision.seconds_analysed if result.decision else 0.0
    return f"A weaker answer: it rests on {seconds:.1f} s of movement, {result.asked_for_less}."


def _meaning(evidence: ClipEvidence) -> str:
    result = evidence.result
    verdict = result.verdict
    # The first reason of what was left open stands with the answer already.
    told = result.reasons[1:] if verdict is Verdict.INCONCLUSIVE else result.reasons if verdict else ()
    reasons = [f"<li>{text(capital(reason))}.</li>" for reason in told]
    because = "And because" if verdict is Verdict.INCONCLUSIVE else "Because"
    return "\n".join(
        [
            '<div class="means">',
            f"<div><h3>It says</h3><p>{text(_MEANS[verdict].format(person=result.person))}</p></div>",
            f"<div><h3>It does not say</h3><p>{text(_DOES_NOT_MEAN[verdict].strip())}</p></div>",
            f"<div><h3>What was examined</h3><p>{text(SCOPE)} Not examined: {text(', '.join(NOT_EXAMINED))}.</p></div>",
            "</div>",
            *([f"<h3>{because}</h3>", "<ul>", *reasons, "</ul>"] if reasons else []),
            "<h3>To copy into an article</h3>",
            f'<p class="copy">{text(_line_to_copy(evidence))}</p>',
        ]
    )


def _next_steps(result: Verification) -> str:
    return "<ul>" + "".join(f"<li>{text(step)}</li>" for step in next_steps(result)) + "</ul>"


def _line_to_copy(evidence: ClipEvidence) -> str:
    result, clip = evidence.result, evidence.clip
    digest = f" (SHA-256 {clip.sha256[:16]}…)" if clip.sha256 else ""
    n_own = sum(video.role == "genuine" for video in evidence.profile.videos)
    head = (
        f"The program poseauth {__version__} compared the body movement in {clip.name}{digest} with "
        f"{evidence.profile.seconds_genuine:.0f} seconds of video of {result.person} ({counted(n_own, 'file')})"
    )
    examined = f"It examined body movement only, not {listed(NOT_EXAMINED, 'or')}."
    if result.decision is None:
        return (
            f"The program poseauth {__version__} could not analyse the body movement in {clip.name}{digest}; nothing "
            "follows from that for the clip or against it."
        )
    ratio = result.decision.likelihood
    strength = f" ({in_words(ratio.log10_lr, result.person)}; {odds(ratio.log10_lr)})" if ratio else ""
    found = {
        Verdict.AUTHENTIC: f" and found it consistent with them{strength}.",
        Verdict.FAKE: f" and found it not consistent with them{strength}. It does not say how the footage was made.",
        Verdict.INCONCLUSIVE: " and could not decide either way.",
    }
    weaker = f" {_weaker(result)}" if result.asked_for_less else ""
    return f"{head}{found[result.decision.verdict]}{weaker} {examined}"


def _scores(evidence: ClipEvidence) -> str:
    result = evidence.result
    if result.window_scores is None or result.window_start_s is None or result.decision is None:
        return ""
    decision, starts, scores = result.decision, result.window_start_s.tolist(), result.window_scores.tolist()
    rows = [
        (
            f"{timecode(starts[row])} to {timecode(starts[row] + WINDOW_S)}",
            f"{scores[row]:.2f}",
            "for" if scores[row] > VOTE_THRESHOLD else "against",
        )
        for row in shown_rows(len(scores))
    ]
    said = (
        f"{decision.n_authentic_votes} of {counted(len(scores), 'window')} of {WINDOW_S:g} s vote for {result.person}; "
        f"mean score {decision.mean_score:.2f} on a scale from 0 to 1, higher = more like {result.person}. "
        f"{decision.seconds_analysed:.1f} s lie in such windows, which overlap."
    )
    if result.n_windows_rejected:
        said += f" {counted(result.n_windows_rejected, 'window')} showed too little of the upper body to be scored."
    printed = "short" if len(rows) <= _MOST_PRINTED else "long"
    thinned = "" if len(rows) == len(scores) else f" ({len(rows)} of {len(scores)}; all of them are in the JSON file)"
    return "\n".join(
        [
            f"<p>{text(said)}</p>",
            f'<div class="drawing">\n{score_chart.chart(evidence)}\n</div>',
            f'<details class="{printed}">\n<summary>Every window in a table{thinned}</summary>',
            table(
                f"Score of each window; above {VOTE_THRESHOLD:g} it votes for {result.person}",
                ("Window", "Score", "Vote"),
                rows,
            ),
            "</details>",
        ],
    )


def _moments(evidence: ClipEvidence) -> str:
    named = list(zip(letters(len(evidence.moments)), evidence.moments, strict=True))
    person = evidence.result.person
    parts = [
        '<p class="note">The windows that score highest and lowest and share no time with one another. On them the '
        "keypoints that were found, or guessed where they are hidden: the person's right in purple, left in green."
        + (" A picture plays the clip from there, while the clip lies where it lay." if evidence.link else "")
        + "</p>"
    ]
    for kind, title, is_for in (
        ("pro", f"More like {person} than not", True),
        ("contra", f"Less like {person} than not", False),
    ):
        some = [_figure(evidence, letter, moment) for letter, moment in named if moment.is_for is is_for]
        parts.append(f"<h3>{text(title)}</h3>")
        none = "No window votes for them." if is_for else "No window votes against them."
        parts.append(f'<ul class="moments {kind}">\n' + "\n".join(some) + "\n</ul>" if some else f"<p>{none}</p>")
    return "\n".join(parts)


def _figure(evidence: ClipEvidence, letter: str, moment: Moment) -> str:
    span = f"{timecode(moment.span.start_s)} to {timecode(moment.span.end_s)}"
    shown = f"The skeleton of the person followed, at {timecode(moment.picture_s)} of the clip."
    data = base64.b64encode(moment.jpeg).decode("ascii")
    image = f'<img alt="{text(shown)}" src="data:image/jpeg;base64,{data}">'
    words = f"<b>{letter}</b> {span}, score {moment.score:.2f}"
    if evidence.link is not None:
        place = f"{evidence.link}#t={moment.span.start_s:.1f},{moment.span.end_s:.1f}"
        image = f'<a href="{text(place)}" aria-label="Play {letter}, {span}">{image}</a>'
        words += f' <a class="play" href="{text(place)}">▶ play</a>'
    return f"<li><figure>{image}<figcaption>{words}</figcaption></figure></li>"


def _went_by(evidence: ClipEvidence) -> list[str]:
    """The sections of what the answer went by; folded away, with a warning, where the clip has no likelihood ratio."""
    result = evidence.result
    if result.decision is None:
        return []
    sections = [
        section("scores", "The score over time", _scores(evidence)),
        section("moments", "The strongest moments", _moments(evidence)),
        section("why", "Why", clip_why.why(evidence)),
    ]
    if result.decision.likelihood is not None:
        return sections
    warning = (
        "No likelihood ratio could be given for this clip. Its scores are kept for the record alone; they say nothing "
        "for the person or against."
    )
    folded = "\n".join(sections)
    return [
        section(
            "unusable",
            "Scores that may not be used",
            f'<p class="note">{text(warning)}</p>\n<details class="long">\n'
            f"<summary>The score over time, the strongest moments, and why</summary>\n{folded}\n</details>",
        )
    ]


def _how_sure(evidence: ClipEvidence) -> str:
    result = evidence.result
    ratio = result.decision.likelihood if result.decision else None
    rows = [*(_ratio_rows(ratio, result) if ratio else []), *_test_rows(evidence)]
    title = "The evidence, and how often this profile errs" if result.decision else "The profile, whatever the clip"
    parts = [
        table(title, (), rows),
        f'<p class="note">{text(_FEW_OCCASIONS)}</p>',
        table(
            f"The videos that {result.person} was learnt from", ("File", "Usable", "SHA-256"), _own_video_rows(evidence)
        ),
        table("What there was to see", (), _seen_rows(result, evidence.quality)),
    ]
    if result.caveats:
        parts += ["<h3>To bear in mind</h3>", "<ul>"]
        parts += [f"<li>{text(capital(caveat))}.</li>" for caveat in result.caveats]
        parts.append("</ul>")
    if ratio:
        propositions = [words.format(person=result.person) for words in PROPOSITIONS]
        parts.append(
            f'<p class="note">{text(f"A likelihood ratio says how much better the movement fits “{propositions[0]}” than “{propositions[1]}”. Factor and words: {verbal_scale()}.")}</p>'  # noqa: E501
        )
    return "\n".join(parts)


def _ratio_rows(ratio: LikelihoodRatio, result: Verification) -> list[tuple[str, str]]:
    return [
        ("Likelihood ratio", f"{odds(ratio.log10_lr)}: {in_words(ratio.log10_lr, result.person)}"),
        ("95 % interval", _interval(ratio)),
        ("As log10", f"{ratio.log10_lr:+.2f} ({ratio.interval_in_words})"),
        (
            "What this profile can support",
            f"{odds(ratio.lower_bound)} to {odds(ratio.upper_bound)}; nothing is decided below a factor of "
            f"{10**ratio.undecided:.1f}",
        ),
    ]


def _interval(ratio: LikelihoodRatio) -> str:
    if ratio.is_at_limit:
        return (
            f"none: all of it lies at the limit of what this profile can support, {odds(ratio.lower_bound)} to "
            f"{odds(ratio.upper_bound)}"
        )
    return f"{odds(ratio.low)} to {odds(ratio.high)}"


def _test_rows(evidence: ClipEvidence) -> list[tuple[str, str]]:
    result, profile, test = evidence.result, evidence.profile, evidence.profile.self_test
    rows = [("The profile", f"{profile.seconds_genuine:.0f} s of {result.person}, made {profile.created}")]
    rows += [("Weak", weakness) for weakness in profile.weaknesses]
    if test is None:
        return [*rows, ("Its own test", "none: nobody knows how often it errs")]
    n_clips = test.n_genuine_clips + test.n_other_clips
    few = f"; {n_clips} are far too few to say how often it errs" if is_few(test) else ""
    rows += [
        (
            "Tried on",
            f"{counted(n_clips, 'clip')}, each left out of learning in its turn: {test.n_genuine_clips} of "
            f"{result.person}, {test.n_other_clips} of {test.n_other_people} others{few}",
        ),
        (
            "Taken for somebody else",
            _errors(test.n_genuine_against, test.n_genuine_clips),
        ),
        (
            f"Taken for {result.person}",
            _errors(test.n_other_for, test.n_other_clips),
        ),
        ("Undecided", f"{test.n_undecided} of {n_clips}"),
    ]
    if few:
        return rows
    return [
        *rows,
        ("Equal error rate", _estimate(test.eer, share=True)),
        ("AUC (1 = told apart always, 0.5 = never)", _estimate(test.auc)),
        ("Hardest to tell apart", f"{test.hardest_other} (AUC {test.hardest_auc:.2f})"),
    ]


def _errors(n_wrong: int, n_tried: int) -> str:
    """How often it was wrong, and may be."""
    if not n_tried:
        return "none tried"
    high = highest_share(n_wrong, n_tried)
    return f"{n_wrong} of {n_tried}; for all that this many tell, up to {100 * high:.0f} % may be wrong"


def _own_video_rows(evidence: ClipEvidence) -> list[tuple[str, str, str]]:
    own = [video for video in evidence.profile.videos if video.role == "genuine"]
    return [(video.source_name, f"{video.seconds:.0f} s", video.sha256 or NOT_KNOWN) for video in own]


def _seen_rows(result: Verification, quality: Quality | None) -> list[tuple[str, str]]:
    source, seconds = result.provenance, result.decision.seconds_analysed if result.decision else 0.0
    length = f" of {quality.duration_s:.1f} s" if quality else ""
    rows = [("Usable video", f"{seconds:.1f} s{length}")]
    for n, why in (
        (result.n_windows_still, "nobody moves"),
        (result.n_windows_repeated, "the clip repeats itself"),
        (result.n_windows_small, "the person is too small"),
    ):
        if n:
            rows.append(("Left out", f"{n} windows in which {why}"))
    if quality:
        size = f"{quality.width} by {quality.height} px" if quality.width and quality.height else NOT_KNOWN
        rate = NOT_KNOWN if quality.frames_per_s is None else f"{quality.frames_per_s:.1f} a second looked at"
        torso = NOT_KNOWN if quality.torso_px is None else f"{quality.torso_px:.0f} px shoulder width and neck to nose"
        rows += [
            ("Picture", size),
            ("Frames", rate),
            ("Size of the person", torso),
            ("Seen in the frames", ", ".join(f"{name} {100 * share:.0f} %" for name, share in quality.visible.items())),
            ("Shots", str(quality.n_shots)),
        ]
    coverage = source.coverage if source else None
    if coverage:
        share = "" if coverage.fraction is None else f" ({100 * coverage.fraction:.1f} %)"
        promised = "an unknown number" if coverage.n_promised is None else str(coverage.n_promised)
        told = f"{coverage.n_decoded} of {promised} frames decoded{share}"
        rows.append(("Coverage", f"{told}; {coverage.broke_off}" if coverage.broke_off else told))
    if source:
        people = source.n_people_ignored
        rows.append(
            ("Other people in view", "not counted by this extractor" if people is None else f"{people} ignored")
        )
        if source.n_shots_ambiguous:
            rows.append(("Shots left out", f"{source.n_shots_ambiguous} with two equally central people"))
    return rows


def _custody(evidence: ClipEvidence) -> str:
    clip, profile, source = evidence.clip, evidence.profile, evidence.result.provenance
    size = NOT_KNOWN if clip.n_bytes is None else f"{clip.n_bytes:,} bytes"
    rows = [
        ("Clip", clip.name),
        ("SHA-256 of the clip", clip.sha256 or NOT_KNOWN),
        ("Size", size),
    ]
    if source and source.source_sha256 and source.source_sha256 != clip.sha256:
        rows.append(("Video its keypoints came from", f"{source.source_name}, SHA-256 {source.source_sha256}"))
    if source:
        extractor = source.extractor
        rows.append(("Extractor", NOT_KNOWN if extractor is None else f"{extractor.name} {extractor.version}"))
        if extractor is not None:
            rows += [
                ("Its networks", "; ".join(networks_in_words(extractor.weights_sha256))),
                ("Its options", _options(provenance_as_dict(source)["extractor"]["options"])),
                ("Digest of all that", extractor.digest),
            ]
    rows += [
        ("Profile", f"{profile.name}, made {profile.created} by poseauth {profile.poseauth_version}"),
        ("Its signature", capital(evidence.signature.sentence)),
        ("SHA-256 of its profile.json", evidence.profile_sha256),
        ("Digest of the profile's extractor", profile.extractor.digest if profile.extractor else NOT_KNOWN),
        ("Options", _options(evidence.options)),
    ]
    rows.append(("Versions and machine", _options(evidence.environment)))
    times = [(f"{capital(name)}, UTC", when) for name, when in evidence.times_utc.items()]
    return table("What was looked at, with what, and when", (), [*rows, *times])


def _options(options: Mapping[str, Any]) -> str:
    """What was chosen, by name; what was left to its default has no value and is left out."""
    said = [f"{name} {_value(value)}" for name, value in options.items() if value is not None]
    return ", ".join(said) or "none"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({_options(value)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _estimate(estimate: Estimate, *, share: bool = False) -> str:
    values = (estimate.value, estimate.low, estimate.high)
    told = [NOT_KNOWN if value is None else f"{100 * value:.1f} %" if share else f"{value:.2f}" for value in values]
    interval = "" if estimate.low is None or estimate.value is None else f" (95 % interval {told[1]} to {told[2]})"
    return f"{told[0]}{interval}"
