"""What every page of poseauth is made of: one file of HTML that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from poseauth.shown_text import readable

NOT_KNOWN = "not known"
"""What stands in the place of a number that nobody knows."""

# Nothing may be fetched and nothing that a value in the page holds may run.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --line: #b5b5b5; --soft: #f1f1f1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181b; --line: #565b61; --soft: #23272c; }
}
body { margin: 0 auto; padding: 1rem 1.2rem 3rem; max-width: 72rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
.lead { font-size: 1.1rem; max-width: 60rem; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid currentColor; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th, td { border: 1px solid var(--line); padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
thead th { background: var(--soft); }
tbody th { font-weight: 500; }
td, tbody th { overflow-wrap: anywhere; min-width: 4rem; }
"""
"""What all pages look like, those of `serve` too."""
# After what a page adds of its own, which it has to override.
_PRINTED = """
@media print {
  :root { --ink: #000000; --paper: #ffffff; --line: #777777; --soft: #eeeeee; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  .wide { overflow: visible; }
  thead { display: table-header-group; }
  tr, img { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""


def document(title: str, header: str, sections: Iterable[str], footer: str, *, style: str, script: str = "") -> str:
    """A whole page.

    Parameters
    ----------
    title : str
        Text; escaped here.
    header, footer : str
        HTML.
    sections : iterable of str
        HTML, from `section`.
    style : str
        CSS on top of what all pages share.
    script : str
        The one script that may run: the page's policy names it by its digest. "" where nothing runs.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"{_POLICY}; script-src 'sha256-{digest}'" if script else _POLICY
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>",
            f"<style>{STYLE}{style}{_PRINTED}</style>",
            "</head>",
            "<body>",
            f"<header>\n{header}\n</header>",
            "<main>",
            *sections,
            "</main>",
            f"<footer>{footer}</footer>",
            *([f"<script>{script}</script>"] if script else []),
            "</body>",
            "</html>",
            "",
        ]
    )


def section(name: str, title: str, content: str) -> str:
    """A part of the page with a heading that names it; `content` is HTML."""
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{text(title)}</h2>\n{content}\n</section>'


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the rows; without `columns` it has no head. Cells are text, escaped here."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = [
        f'<tr><th scope="row">{text(first)}</th>{"".join(f"<td>{text(cell)}</td>" for cell in others)}</tr>'
        for first, *others in rows
    ]
    # A table wider than the screen is scrolled inside its own region, by keyboard too.
    return "\n".join(
        [
            f'<div class="wide" role="region" aria-label="{text(caption)}" tabindex="0">',
            f"<table>\n<caption>{text(caption)}</caption>",
            *([f"<thead><tr>{head}</tr></thead>"] if columns else []),
            "<tbody>",
            *body,
            "</tbody>\n</table>\n</div>",
        ]
    )


def text(words: str) -> str:
    """Text for any place in the page: a table's cells may hold markup and control codes."""
    return escape(readable(words))


def capital(words: str) -> str:
    """With a capital, unless it begins with a name: a file's or a person's name stays as it is."""
    first = words.split(" ", 1)[0]
    return words[:1].upper() + words[1:] if first.isalpha() and first.islower() else words


def listed(names: Sequence[str], last: str = "and") -> str:
    """One or more names in a row: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
