"""The words of a page's "Why": what can be seen by eye beside the enrolled videos, and what the score went by."""

from __future__ import annotations

from collections.abc import Sequence

from poseauth.comparison import CHANCE, Compared, Comparison
from poseauth.explanation import LEAST_EFFECT, Explanation, Part, Relation
from poseauth.plain_measures import (
    ALONG,
    HEAD,
    HEIGHT,
    IN_TIME,
    RISING,
    SHARE,
    SHOULDERS,
    SPEED,
    STROKES,
    WIDTH,
    Measure,
)
from poseauth.shown_text import counted

from .clip_evidence import ClipEvidence
from .page import NOT_KNOWN, capital, listed, table, text

_MINUTE_S = 60.0
_KEEPS_STILL = 0.35
"""Share of the time in which the head moves; a wrist that moves along in less keeps still."""
_HOW_OFTEN_UNUSUAL = (
    "A difference is no sign of a fake: in a trial with two real people something was different in one in twelve of "
    "their own clips from the enrolled sessions, in one in three from another session, and in four in ten of somebody "
    "else's."
)
_TORSO_SIZE = "A torso size is shoulder width and neck to nose together, roughly half a metre of a grown person."


def why(evidence: ClipEvidence) -> str:
    """The section as HTML: comparisons first, then parts and pairs with their checks."""
    return "\n".join(
        [
            "<h3>How the movement compares</h3>",
            _seen(evidence),
            "<h3>What the score went by</h3>",
            _score_went_by(evidence),
        ]
    )


def _seen(evidence: ClipEvidence) -> str:
    comparison, person = evidence.comparison, evidence.result.person
    if comparison is None:
        return f"<p>Not compared: {text(evidence.uncompared)}.</p>"
    n_unusual, told = len(comparison.unusual), comparison.told
    found = (
        f"The clip was laid beside {_stretches(comparison)} from {counted(comparison.n_videos, 'enrolled video')} of "
        f"{person}. Of {counted(len(comparison.compared), 'plain figure')} of the movement (how much a wrist moves, "
        "how high it is held, what moves together) "
        f"{n_unusual or 'none'} {'is' if n_unusual < 2 else 'are'} clearly different here{':' if told else '.'}"
    )
    items = [f"<li><b>{text(head)}</b>{text(rest)}</li>" for head, rest in (_sentence(one, comparison) for one in told)]
    n_more = n_unusual - len(told)
    note = ""
    if any("torso" in one.measure.kind.unit for one in told):
        note = f'<p class="note">{text(_TORSO_SIZE)}</p>'
    return "\n".join(
        [
            f"<p>{text(f'This describes the movement; the answer does not rest on it. {_HOW_OFTEN_UNUSUAL}')}</p>",
            f"<p>{text(found)}</p>",
            *(['<ul class="parts plain">' + "".join(items) + "</ul>"] if items else []),
            *([f"<p>{n_more} more in the table below.</p>"] if n_more else []),
            *([note] if note else []),
            '<details class="short">\n<summary>Every figure, and how they were compared</summary>',
            f"<p>{text(_how_compared(comparison))}</p>",
            table(
                f"The movement in the clip and in {_stretches(comparison)} of {person}, the most different first",
                ("Figure", "In the clip", "Usual", "Nine in ten lie between", "Enrolled, less", "Enrolled, more",
                 "Clearly different"),
                [_figure_row(one) for one in comparison.compared],
            ),
            *(f"<p>{text(words)}</p>" for words in _not_compared(comparison, person)),
            "</details>",
        ]
    )  # fmt: skip


def _sentence(one: Compared, comparison: Comparison) -> tuple[str, str]:
    """What is unusual, and beside what: its head and the rest of it."""
    parts, less = one.measure.parts, one.is_less
    here, usual = _number(one.measure, one.value), _number(one.measure, one.usual)
    numbers = f"here {here}, usually {usual}{_UNITS[one.measure.kind.name].format(parts[-1])}"
    noun = "minutes" if comparison.stretch_s == _MINUTE_S else "stretches"
    of = f"in {one.n_otherwise} of {one.n_stretches} enrolled {noun}"
    if one.measure.kind is ALONG and less and one.value < _KEEPS_STILL:
        return f"The {parts[0]} keeps still while the {parts[1]} moves", f"; {of} it moves along more ({numbers})."
    return _head(one.measure, less=less), f" than {of} ({numbers})."


def _head(measure: Measure, *, less: bool) -> str:
    first, last = measure.parts[0], measure.parts[-1]
    much = "less" if less else "more"
    return {
        SPEED.name: f"The {first} {'move' if first == SHOULDERS else 'moves'} {much}",
        HEIGHT.name: f"The {first} is held {'lower' if less else 'higher'}",
        WIDTH.name: f"The {first} is held {'closer to' if less else 'farther from'} the body",
        STROKES.name: f"The {first} {'nods' if first == HEAD else 'goes up and down'} {much} often",
        SHARE.name: f"The {first} makes {much} of the movement of both wrists",
        ALONG.name: f"While the {last} moves, the {first} moves along {much}",
        IN_TIME.name: f"The {first} and the {last} are {much} in time with each other",
        RISING.name: f"The {first} and the {last} rise and fall together {much}",
    }[measure.kind.name]


_UNITS = {
    SPEED.name: " torso sizes a second",
    HEIGHT.name: " the shoulders, in torso sizes",
    WIDTH.name: " of the shoulder, in torso sizes",
    STROKES.name: " times in ten seconds",
    SHARE.name: " of the way that they make",
    ALONG.name: " of the time in which the {} moves",
    IN_TIME.name: ", where 1 is always",
    RISING.name: ", where 1 is always and -1 is one up, the other down",
}
_FIGURES = {
    SPEED.name: "Speed of the {0}, torso sizes a second",
    HEIGHT.name: "Height of the {0} against the shoulders, torso sizes",
    WIDTH.name: "How far the {0} is held out from its shoulder, torso sizes",
    STROKES.name: "Times that the {0} goes up and down in ten seconds",
    SHARE.name: "Share of the {0} in the movement of both wrists",
    ALONG.name: "{0} moving along while the {1} moves, share of that time",
    IN_TIME.name: "{0} and {1} in time with each other, 1 = always",
    RISING.name: "{0} and {1} rising and falling together, 1 = always, -1 = one up, the other down",
}


def _number(measure: Measure, value: float) -> str:
    """A number as a reader takes it, in the unit of `_UNITS`."""
    return {
        HEIGHT.name: f"{abs(value):.2f} {'above' if value > 0 else 'below'}",
        WIDTH.name: f"{abs(value):.2f} {'outward' if value > 0 else 'inward'}",
        STROKES.name: f"{10 * value:.1f}",
        SHARE.name: f"{100 * value:.0f} %",
        ALONG.name: f"in {100 * value:.0f} %",
    }.get(measure.kind.name, f"{value:.2f}")


def _figure_row(one: Compared) -> tuple[str, ...]:
    numbers = [_number(one.measure, value) for value in (one.value, one.usual, one.low, one.high)]
    here, usual, low, high = (number.removeprefix("in ") for number in numbers)
    return (
        _figure(one.measure), here, usual, f"{low} to {high}", f"{one.n_below} of {one.n_stretches}",
        f"{one.n_above} of {one.n_stretches}", "yes" if one.is_unusual else "no",
    )  # fmt: skip


def _figure(measure: Measure) -> str:
    return capital(_FIGURES[measure.kind.name].format(*measure.parts))


def _stretches(comparison: Comparison) -> str:
    if comparison.stretch_s == _MINUTE_S:
        return counted(comparison.n_stretches, "minute")
    return f"{comparison.n_stretches} stretches of {comparison.stretch_s:.0f} s"


def _how_compared(comparison: Comparison) -> str:
    return (
        "Each figure is taken in every five seconds of the clip and averaged, and likewise in stretches of "
        f"{comparison.stretch_s:.0f} s of the enrolled videos: as long as the clip, but a minute at the most, and "
        "shorter where there would be too few. It is clearly different if no more than one stretch in twenty lies as "
        f"far out; if, by how much the videos and their stretches differ, only one stretch in {1 / CHANCE:.0f} would; "
        "and if the difference is large enough to be seen. Right is the person's right; in a clip shown in a mirror "
        "right and left are exchanged."
    )


def _not_compared(comparison: Comparison, person: str) -> list[str]:
    return [
        f"Not compared, since too little of it is to be seen or nothing moves {where}: "
        f"{'; '.join(_figure(measure) for measure in some)}."
        for some, where in (
            (comparison.left_out, "in the clip"),
            (comparison.left_out_own, f"in the enrolled videos of {person}"),
        )
        if some
    ]


def _score_went_by(evidence: ClipEvidence) -> str:
    explanation, person = evidence.explanation, evidence.result.person
    if explanation is None:
        return f"<p>Not looked into: {text(evidence.unexplained)}.</p>"
    sides = (("contra", "Lowered", explanation.parts_against), ("pro", "Raised", explanation.parts_for))
    items = [
        f'<li class="{kind}"><b>{verb} the score of the clip most:</b> {text(_named(parts))}.</li>'
        for kind, verb, some in sides
        if (parts := [part for part in some if part.held is not False])
    ]
    told = [_told_against(part, person, explanation.score) for part in explanation.parts_against]
    told += [_told_for(part, person, explanation.score) for part in explanation.parts_for]
    checks = [
        f"<li>{text(words)}</li>"
        for words in (
            _checked(explanation, person, explanation.parts_against, explanation.score_without_against, "lower"),
            _checked(explanation, person, explanation.parts_for, explanation.score_without_for, "raise"),
        )
        if words
    ]
    n_all = 0 if evidence.result.window_scores is None else len(evidence.result.window_scores)
    looked_at = (
        f"<p>Looked at in {explanation.n_windows} of {n_all} windows, evenly spread, whose mean score is "
        f"{explanation.score:.2f}.</p>"
    )
    relations = [words for relation in explanation.relations if (words := _told_relation(relation, person))]
    return "\n".join(
        [
            *([looked_at] if explanation.n_windows < n_all else []),
            '<ul class="parts">' + "".join(items) + "</ul>"
            if items
            else "<p>No single part changes the score by more than a little, in both halves of the clip.</p>",
            *(["<ul>", *checks, "</ul>"] if checks else []),
            '<details class="short">\n<summary>How this was measured, and every part and pair</summary>',
            f"<p>{text(_method(explanation, person))}</p>",
            *(["<ul>", *(f"<li>{words}</li>" for words in told), "</ul>"] if told else []),
            *(["<h4>What goes together</h4>", "<ul>"] if relations else []),
            *(f"<li>{text(words)}</li>" for words in relations),
            *(["</ul>"] if relations else []),
            table(
                "Parts: mean scores, 0 to 1, higher = more like the person",
                (
                    "Part", "Effect on the score", f"Clip with {person}'s own part", f"{person}'s videos with it",
                    f"{person}'s videos with their own", "Same sign in both halves of the clip",
                ),
                [_part_row(part) for part in explanation.parts],
            ),
            table(
                "Pairs: what it adds to the score that the two come from one moment and not from two",
                ("Pair", "In the clip", f"In {person}'s own videos"),
                [(f"{pair.first} and {pair.second}", _signed(pair.effect), _signed(pair.usual))
                 for pair in explanation.relations],
            ) if explanation.relations else "<p>One window alone does not tell what goes together.</p>",
            "</details>",
        ]
    )  # fmt: skip


def _told_against(part: Part, person: str, score: float) -> str:
    name = text(person)
    doubt = "" if part.held is not False else " The two halves of the clip do not agree on this."
    return (
        f"<b>The {part.name}</b> lowers the score: in place of {name}'s own in the enrolled videos "
        f"it takes the score of those from {part.score_usual:.2f} to {part.score_put_in:.2f}, and with {name}'s "
        f"own in its place the score of the clip goes from {score:.2f} to {part.score_without:.2f}.{doubt}"
    )


def _told_for(part: Part, person: str, score: float) -> str:
    doubt = "" if part.held is not False else " The two halves of the clip do not agree on this."
    name = text(person)
    if score - part.score_without >= part.score_put_in - part.score_usual:
        found = (
            f"with {name}'s own of other moments in its place, out of time with the rest, the score of the clip goes "
            f"from {score:.2f} to {part.score_without:.2f}"
        )
    else:
        found = (
            f"in place of {name}'s own in the enrolled videos it takes the score of those from {part.score_usual:.2f} "
            f"to {part.score_put_in:.2f}"
        )
    return f"<b>The {part.name}</b> raises the score: {found}.{doubt}"


def _named(parts: Sequence[Part]) -> str:
    return listed([f"the {part.name}" for part in parts])


def _told_relation(relation: Relation, person: str) -> str:
    difference = relation.effect - relation.usual
    if abs(difference) < LEAST_EFFECT:
        return ""
    less = "less" if difference < 0 else "more"
    return (
        f"{capital(relation.first)} and {relation.second}: that they move as they do at the same time speaks {less} "
        f"for {person} than in {person}'s own videos ({_signed(relation.effect)} of the score here, "
        f"{_signed(relation.usual)} there)."
    )


def _checked(explanation: Explanation, person: str, parts: Sequence[Part], without: float | None, what: str) -> str:
    if without is None:
        return ""
    held = explanation.holds_against if what == "lower" else explanation.holds_for
    verb = "rises" if without > explanation.score else "falls"
    outcome = "" if held else ", so that this explanation does not hold"
    return (
        f"Check, what is said to {what} the score ({_named(parts)}) exchanged at once for {person}'s own: it {verb} "
        f"from {explanation.score:.2f} to {without:.2f}{outcome}."
    )


def _method(explanation: Explanation, person: str) -> str:
    return (
        f"By exchange, on the profile's own scorer: in {counted(explanation.n_windows, 'window')} of the clip the "
        f"course of one part at a time was replaced by that of other moments of {person}'s enrolled videos, and the "
        "clip's part was put into those videos. A part's effect is the mean of both changes; an elbow is seen from its "
        "shoulder, a wrist from its elbow. Where it says that parts go together, both came from one moment, against "
        f"the same two from different moments. {person}'s own windows score {explanation.score_person:.2f}: the "
        "profile was learnt from them. This tells what the scorer went by. It does not tell what caused it, and a part "
        "that counts for nothing there can still be odd."
    )


def _signed(value: float) -> str:
    """With its sign, which what rounds to nothing has not."""
    return f"{value:+.2f}" if abs(value) >= 0.005 else "0.00"


def _part_row(part: Part) -> tuple[str, ...]:
    held = {True: "yes", False: "no", None: NOT_KNOWN}[part.held]
    numbers = (part.score_without, part.score_put_in, part.score_usual)
    return (part.name, _signed(part.effect), *(f"{value:.2f}" for value in numbers), held)
