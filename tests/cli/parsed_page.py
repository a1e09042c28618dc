"""A page of HTML as a test sees it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "path", "line", "rect"}


class Page(HTMLParser):
    """Tags with their attributes, what is said outside the style, and table rows by caption."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.said, self._open, self._rows = [], {}, "", [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")
        elif tag == "caption":
            self.tables[""] = self._rows  # also of a caption without a word

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside == "caption":
            self.tables[data] = self._rows
        elif inside in ("th", "td"):
            self._rows[-1][-1] += data
        if inside != "style":
            self.said += data

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def table(self, caption):
        return next(rows for name, rows in self.tables.items() if name.startswith(caption))

    def facts(self, caption):
        return dict(self.table(caption))
