"""The scores of a clip over time as a drawing inside a page: SVG, its colours from the page's style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from poseauth.decision import VOTE_THRESHOLD
from poseauth.windows import WINDOW_S

from .clip_evidence import ClipEvidence
from .page import text

_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 940, 34, 246
_MOST_MARKS = 4000
"""Marks drawn and rows of the table; of a longer clip every second or third window is shown."""
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_TICKS = 12

STYLE = """
.chart { min-width: 40rem; width: 100%; height: auto; display: block; }
.chart text { fill: var(--ink); font: 13px system-ui, sans-serif; }
.chart .axis { stroke: var(--ink); stroke-width: 1; fill: none; }
.chart .grid { stroke: var(--line); stroke-width: 0.7; stroke-dasharray: 2 4; }
.chart .half { stroke: var(--ink); stroke-width: 1.2; }
.chart .mean { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 7 4; }
.chart .band { fill: var(--band); }
.chart .shot { fill: var(--soft); }
.chart .cut { stroke: var(--line); stroke-width: 1.2; }
.chart .unscored { fill: var(--line); opacity: 0.55; }
.chart .for { stroke: var(--for); stroke-width: 8; stroke-linecap: round; fill: none; }
.chart .against { stroke: var(--against); stroke-width: 2.6; stroke-linecap: round; fill: none; }
.chart .letter { font-weight: 700; text-anchor: middle; }
.chart .small { font-size: 12px; }
.chart .end { text-anchor: end; }
.chart .middle { text-anchor: middle; }
.key { display: flex; flex-wrap: wrap; gap: 0.2rem 1.4rem; padding: 0; margin: 0.4rem 0; list-style: none; font-size: 0.92em; }
.key svg { width: 1.5rem; height: 1rem; vertical-align: -0.12rem; }
"""  # noqa: E501


def shown_rows(n_windows: int) -> range:
    """Which windows are drawn and stand in the table: all, unless there are thousands."""
    return range(0, n_windows, max(-(-n_windows // _MOST_MARKS), 1))


def timecode(time_s: float) -> str:
    """Minutes and seconds, 1:05; hours only where there are any. Rounded down: the moment comes after it."""
    whole = max(math.floor(time_s + 1e-6), 0)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def letters(n_moments: int) -> Sequence[str]:
    """By what the moments are called in the drawing and under their pictures."""
    return [chr(ord("A") + number) for number in range(n_moments)]


def chart(evidence: ClipEvidence) -> str:
    """The drawing and its key; "" where no window was scored."""
    result = evidence.result
    if result.window_scores is None or result.window_start_s is None or result.decision is None:
        return ""
    middles = (result.window_start_s + WINDOW_S / 2).tolist()
    scores = result.window_scores.tolist()
    spans = [*evidence.shots, *evidence.unscored]
    end_s: float = max([middles[-1] + WINDOW_S / 2, *(span.end_s for span in spans)])

    def x(time_s: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * min(max(time_s / end_s, 0.0), 1.0)

    parts = [
        _rectangle("shot", x(span.start_s), x(span.end_s), _TOP, _BOTTOM)
        for number, span in enumerate(evidence.shots)
        if number % 2
    ]
    if evidence.undecided is not None:
        low, high = evidence.undecided
        parts.append(_rectangle("band", _LEFT, _RIGHT, _y(high), _y(low)))
    parts += [_rectangle("unscored", x(span.start_s), x(span.end_s), _TOP, _BOTTOM) for span in evidence.unscored]
    parts += [_line("cut", x(span.start_s), _TOP, x(span.start_s), _BOTTOM) for span in evidence.shots[1:]]
    parts += _axes(end_s, x, result.person)
    mean = float(result.decision.mean_score)
    parts.append(_line("mean", _LEFT, _y(mean), _RIGHT, _y(mean)))
    rows = shown_rows(len(scores))
    dots = [(x(middles[row]), _y(scores[row])) for row in rows if scores[row] > VOTE_THRESHOLD]
    crosses = [(x(middles[row]), _y(scores[row])) for row in rows if scores[row] <= VOTE_THRESHOLD]
    if dots:
        parts.append(f'<path class="for" d="{"".join(f"M{a:.1f} {b:.1f}h0" for a, b in dots)}"/>')
    if crosses:
        drawn = "".join(f"M{a - 4:.1f} {b - 4:.1f}l8 8m0-8l-8 8" for a, b in crosses)
        parts.append(f'<path class="against" d="{drawn}"/>')
    for letter, moment in zip(letters(len(evidence.moments)), evidence.moments, strict=True):
        place = _y(moment.score) + (-11 if moment.score < 0.9 else 22)
        parts.append(_words("letter", x((moment.span.start_s + moment.span.end_s) / 2), place, letter))
    title = f"Score of each window of {WINDOW_S:g} s over the time of the clip"
    drawing = (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="chart-title chart-told">'
        f'<title id="chart-title">{text(title)}</title><desc id="chart-told">{text(_told(evidence, scores))}</desc>'
        f"{''.join(parts)}</svg>"
    )
    return (
        f'<div class="wide" role="region" aria-label="{text(title)}" tabindex="0">\n{drawing}\n</div>\n{_key(evidence)}'
    )


def _told(evidence: ClipEvidence, scores: Sequence[float]) -> str:
    n_for = sum(score > VOTE_THRESHOLD for score in scores)
    person = evidence.result.person
    return (
        f"{len(scores)} windows, of which {n_for} score above one half, like {person}, and {len(scores) - n_for} not. "
        f"Lowest {min(scores):.2f}, highest {max(scores):.2f}, mean {sum(scores) / len(scores):.2f}. The table below "
        "has every one."
    )


def _axes(end_s: float, x: Callable[[float], float], person: str) -> list[str]:
    parts = [_line("grid", _LEFT, _y(value), _RIGHT, _y(value)) for value in (0.25, 0.75)]
    parts.append(_line("half", _LEFT, _y(VOTE_THRESHOLD), _RIGHT, _y(VOTE_THRESHOLD)))
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_words("small end", _LEFT - 8, _y(value) + 4, f"{value:g}"))
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>')
    step = next((step for step in _STEPS_S if end_s / step <= _MOST_TICKS), _STEPS_S[-1])
    for number in range(int(end_s // step) + 1):
        at = x(number * step)
        parts.append(_line("axis", at, _BOTTOM, at, _BOTTOM + 5))
        parts.append(_words("small middle", at, _BOTTOM + 20, timecode(number * step)))
    parts.append(_words("", _LEFT - 40, _TOP - 14, f"↑ more like {_shortened(person)}"))
    parts.append(_words("small end", _RIGHT, _HEIGHT - 8, "time in the clip, minutes and seconds"))
    return parts


def _key(evidence: ClipEvidence) -> str:
    person = text(_shortened(evidence.result.person))
    dot = '<path class="for" d="M12 8h0"/>'
    cross = '<path class="against" d="M8 4l8 8m0-8l-8 8"/>'
    entries = [
        (dot, f"a window of {WINDOW_S:g} s that votes for {person}, at its middle"),
        (cross, "one that does not"),
        ('<path class="mean" d="M0 8h24"/>', "mean of the clip"),
    ]
    if evidence.undecided is not None:
        low, high = evidence.undecided
        entries.append(('<path class="band" d="M0 1h24v14h-24z"/>', f"undecided: a mean about {low:.2f} to {high:.2f}"))
    if evidence.unscored:
        entries.append(('<path class="unscored" d="M0 1h24v14h-24z"/>', "not scored: nobody, or too short a piece"))
    if len(evidence.shots) > 1:
        entries.append(('<path class="cut" d="M12 0v16"/>', "a cut"))
    items = [
        f'<li><svg class="chart" style="min-width:0;display:inline-block" viewBox="0 0 24 16" aria-hidden="true">'
        f"{drawing}</svg> {words}</li>"
        for drawing, words in entries
    ]
    return '<ul class="key">\n' + "\n".join(items) + "\n</ul>"


def _shortened(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"


def _y(score: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * min(max(score, 0.0), 1.0)


def _rectangle(kind: str, left: float, right: float, top: float, bottom: float) -> str:
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"/>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _words(kind: str, x: float, y: float, words: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{text(words)}</text>'
