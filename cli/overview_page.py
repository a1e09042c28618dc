"""The page over all clips of a run: a table to sort, with a link to the page of each clip."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from poseauth.decision import Verdict
from poseauth.report import NOT_EXAMINED, SCOPE, odds
from poseauth.shown_text import counted

from .page import document, section, text

_NOT_ANALYSED = "not analysed"
_ORDER = {Verdict.FAKE: 0, Verdict.INCONCLUSIVE: 1, Verdict.AUTHENTIC: 2}
_PERSON = "Person"
"""Whose column there is where there are several."""
_COLUMNS = ("Clip", _PERSON, "Answer", "Why, and what weakens it", "Evidence", "Mean score", "Seconds")
_SHOWN_EACH = 500
"""Rows of each answer on the page over a dataset: a browser sorts some thousands at once."""
_NUMBERS = ("Evidence", "Mean score", "Seconds")
"""Columns that are sorted as numbers."""
_STYLE = """
:root { --for: #005a8c; --against: #a33e00; --open: #6b5b00; }
@media (prefers-color-scheme: dark) { :root { --for: #56b4e9; --against: #ff9a4d; --open: #e6c84a; } }
body { max-width: 90rem; }
h1 { font-size: 1.6em; margin: 0.6rem 0 0.2rem; }
.counts { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; padding: 0; margin: 0.8rem 0; list-style: none; }
.counts b { font-size: 1.5em; display: block; font-variant-numeric: tabular-nums; }
table { width: 100%; }
thead th { position: sticky; top: 0; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: left; cursor: pointer; }
th button::after { content: "\\a0\\2195"; opacity: 0.5; }
th[aria-sort="ascending"] button::after { content: "\\a0\\2191"; opacity: 1; }
th[aria-sort="descending"] button::after { content: "\\a0\\2193"; opacity: 1; }
th button:focus-visible, tbody a:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.why { font-size: 0.9em; min-width: 16rem; width: 45%; }
tbody th { min-width: 11rem; }
td.answer { white-space: nowrap; }
tbody a { color: inherit; }
.authentic { color: var(--for); font-weight: 700; } .fake { color: var(--against); font-weight: 700; }
.inconclusive { color: var(--open); font-weight: 700; }
@media print { th button::after { content: ""; } thead th { position: static; } }
"""
# The only script of poseauth's pages: it moves rows that are there, and reads nothing but their cells. Without it the
# table stands in the order in which the clips were named.
_SCRIPT = """
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const isNumber = head.dataset.kind === "number";
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (isNumber && (x === "" || y === "")) return (x === "") - (y === "");  // empty ones last, either way
      const order = isNumber ? x - y : x.localeCompare(y, undefined, { numeric: true });
      return down ? -order : order;
    });
    body.append(...rows);
  });
}
"""


def overview(rows: Sequence[tuple[Mapping[str, str], Path | None]], place: Path) -> str:
    """The page over all answers of a run.

    Parameters
    ----------
    rows : sequence of (mapping of str to str, Path or None)
        Each answer by `poseauth.report.CSV_COLUMNS`, and its page.
    place : Path
        Where this page will stand, for the links.
    """
    counts = Counter(row["verdict"] or _NOT_ANALYSED for row, _ in rows)
    people = sorted({row["person"] for row, _ in rows})
    return _page(rows, place, counts, people, n_clips=len({row["source"] for row, _ in rows}))


def dataset_overview(tables: Iterable[Any], columns: Mapping[str, str]) -> str:
    """The page over a dataset, which may have any number of rows: all are counted, the clearest are shown.

    Parameters
    ----------
    tables : iterable of polars.DataFrame
        The dataset in pieces; one is held at a time.
    columns : mapping of str to str
        What each of `poseauth.report.CSV_COLUMNS` is called in them.
    """
    import polars

    ratio = "log10_lr_above_0_speaks_for_person"
    counts: Counter[str] = Counter()
    people: set[str] = set()
    n_clips = 0
    shown: dict[str, Any] = {}
    for table in tables:
        named = table.select(polars.col(there).alias(name) for name, there in columns.items())
        n_clips += named["source"].n_unique()  # the rows of a clip stand in one file
        people.update(named["person"].unique())
        for (verdict,), rows in named.group_by("verdict"):
            counts[str(verdict) or _NOT_ANALYSED] += len(rows)
            best = [shown[str(verdict)], rows] if str(verdict) in shown else [rows]
            shown[str(verdict)] = (
                polars.concat(best)
                .sort(polars.col(ratio).abs(), "source", "person", descending=[True, False, False], nulls_last=True)
                .head(_SHOWN_EACH)
            )
    rows_shown = [
        ({name: "" if value is None else str(value) for name, value in row.items()}, None)
        for verdict in ("fake", "inconclusive", "authentic", "")
        for row in (shown[verdict].iter_rows(named=True) if verdict in shown else ())
    ]
    left_out = counts.total() - len(rows_shown)
    note = (
        f"The table shows {len(rows_shown):,} of {counts.total():,} rows: of each answer the {_SHOWN_EACH} with the "
        "most evidence, or the first by name. All of them are in the dataset."
        if left_out
        else ""
    )
    return _page(rows_shown, Path(), counts, sorted(people), n_clips=n_clips, note=note)


def _page(
    rows: Sequence[tuple[Mapping[str, str], Path | None]],
    place: Path,
    counts: Mapping[str, int],
    people: Sequence[str],
    *,
    n_clips: int,
    note: str = "",
) -> str:
    named = ", ".join(people[:8]) + (f" and {len(people) - 8} more" if len(people) > 8 else "")
    items = [
        f'<li><b class="{name if name in list(Verdict) else ""}">{counts[name]}</b> {text(name)}</li>'
        for name in (*(str(verdict.value) for verdict in Verdict), _NOT_ANALYSED)
    ]
    header = (
        f"<h1>{text(counted(n_clips, 'clip'))} compared with videos of {text(named)}</h1>\n"
        f'<ul class="counts">{"".join(items)}</ul>\n<p class="lead">{text(SCOPE)} Not examined: '
        f"{text(', '.join(NOT_EXAMINED))}. Authentic: the body moves as in the enrolled videos. Fake: it does not. "
        "Among many clips some answers are wrong: open each before you use it.</p>"
        + (f"\n<p>{text(note)}</p>" if note else "")
    )
    return document(
        f"{counted(n_clips, 'clip')}: {named}",
        header,
        [section("clips", "Clips", _table(rows, place))],
        "<p>A heading sorts the table; a second time the other way round. Evidence is the likelihood ratio, how many "
        "times better the movement fits the person than somebody else, or the other way round; without one nothing is "
        "decided. The mean score is 0 to 1, higher = more like the person.</p>",
        style=_STYLE,
        script=_SCRIPT,
    )


def _table(rows: Sequence[tuple[Mapping[str, str], Path | None]], place: Path) -> str:
    shared = _shared_caveats([row for row, _ in rows])
    is_short = len({Path(row["source"]).name for row, _ in rows}) == len({row["source"] for row, _ in rows})
    has_people = len({(row["person"], row["person_is"]) for row, _ in rows}) > 1
    heads = [
        f'<th scope="col" data-kind="{"number" if name in _NUMBERS else "text"}">'
        f'<button type="button">{text(name)}</button></th>'
        for name in _COLUMNS
        if has_people or name != _PERSON
    ]
    return "\n".join(
        [
            '<div class="wide" role="region" aria-label="All clips" tabindex="0">',
            "<table>\n<caption>One row for each clip and person</caption>",
            f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>",
            *(_row(row, page, place, shared=shared, is_short=is_short, has_people=has_people) for row, page in rows),
            "</tbody>\n</table>\n</div>",
            *(f"<p>Of all clips that were analysed: {text(caveat)}.</p>" for caveat in sorted(shared)),
        ]
    )


def _shared_caveats(rows: Sequence[Mapping[str, str]]) -> set[str]:
    """What is said of each of several analysed clips: once is enough."""
    said = [set(row["caveats"].split("; ")) - {""} for row in rows if row["verdict"]]
    return set.intersection(*said) if len(said) > 1 else set()


def _row(
    row: Mapping[str, str], page: Path | None, place: Path, *, shared: set[str], is_short: bool, has_people: bool
) -> str:
    verdict = row["verdict"]
    name = text(Path(row["source"]).name if is_short else row["source"])
    link = None if page is None else _link(page, place)
    clip = f'<a href="{text(link)}">{name}</a>' if link else name
    closest = " (closest)" if row["person_is"] == "closest" and verdict else ""
    caveats = [caveat for caveat in row["caveats"].split("; ") if caveat not in {"", *shared}]
    why = "; ".join(part for part in (row["reasons"], *caveats) if part)
    ratio = row["log10_lr_above_0_speaks_for_person"]
    return (
        f'<tr><th scope="row">{clip}</th>'
        + (f"<td>{text(row['person'] + closest)}</td>" if has_people else "")
        + f'<td class="answer {text(verdict)}" data-value="{_ORDER[Verdict(verdict)] if verdict else 3}">'
        f'{text(verdict or _NOT_ANALYSED)}</td><td class="why">{text(why[:1].upper() + why[1:])}</td>'
        + _number(ratio, odds if ratio else None, otherwise="none" if verdict else "")
        + _number(row["mean_score_higher_is_more_like_person"], "{:.2f}".format)
        + _number(row["seconds_analysed"] if verdict else "", "{:.1f}".format)
        + "</tr>"
    )


def _number(cell: str, form: Callable[[float], str] | None, *, otherwise: str = "") -> str:
    try:
        shown = form(float(cell)) if cell and form else otherwise
    except ValueError:  # somebody wrote into the table
        shown, cell = cell, ""
    return f'<td class="number" data-value="{text(cell)}">{text(shown)}</td>'


def _link(page: Path, place: Path) -> str:
    """The way from one page to another, as a relative address."""
    way = Path(os.path.relpath(page.absolute(), place.absolute().parent))
    return "./" + quote_from_bytes(os.fsencode(way.as_posix()))
